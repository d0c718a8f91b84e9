// Goal 7: n storages in one message; send, receive, map, free there, acknowledge. The storages exist before.
// Ours are of kind SHARED; of kind MAP each has an object of its own, as in the bare sequence.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "anchors/raw.hpp"
#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/machine.hpp"
#include "harness/peer.hpp"

namespace bench {

namespace {

constexpr std::size_t storage_size = 4 * KiB;

void receive_ours(int socket) {
  std::array<shmalloc_storage *, SHMALLOC_MESSAGE_MAX> storages{};
  while (const std::size_t count = ours::receive(socket, storages.data(), storages.size())) {
    for (std::size_t index = 0; index < count; ++index) shmalloc_storage_release(storages[index]);
    write_token(socket);
  }
}

void receive_raw(int socket, bool with_mapping) {
  std::array<int, SHMALLOC_MESSAGE_MAX> fds{};
  std::array<void *, SHMALLOC_MESSAGE_MAX> data{};
  while (const std::size_t count = raw::receive_descriptors(socket, fds.data(), fds.size())) {
    if (with_mapping) {
      for (std::size_t index = 0; index < count; ++index) data[index] = raw::map(fds[index], storage_size);
      for (std::size_t index = 0; index < count; ++index) raw::unmap(data[index], storage_size);
    }
    for (std::size_t index = 0; index < count; ++index) close(fds[index]);
    write_token(socket);
  }
}

template <class Send>
Side batch_side(const char *name, int socket, std::size_t count, Send send) {
  Side side;
  side.name = name;
  side.run = timed([=] {
    send();
    check(read_token(socket), "acknowledgement");
  });
  side.parts = static_cast<double>(count);
  return side;
}

void measure_count(Options &options, std::size_t count, int cpu, const char *place) {
  const std::string label = std::to_string(count) + ", " + place;
  if (!wanted(options, "batch", label)) return;
  std::vector<shmalloc_storage *> storages, mapped;
  std::vector<int> fds;
  for (std::size_t index = 0; index < count; ++index) {
    storages.push_back(ours::create(opaque(storage_size)));
    mapped.push_back(ours::create(opaque(storage_size), nullptr, ours::mapping_allocator()));
    fds.push_back(raw::create(storage_size, raw::Blocks::reserved));
  }
  {
    const Peer ours_peer(cpu, SOCK_SEQPACKET, receive_ours);
    const Peer mapping_peer(cpu, SOCK_SEQPACKET, [](int socket) { receive_raw(socket, true); });
    const Peer plain_peer(cpu, SOCK_SEQPACKET, [](int socket) { receive_raw(socket, false); });
    const int at_ours = ours_peer.socket(), at_mapping = mapping_peer.socket(), at_plain = plain_peer.socket();

    Comparison comparison{"batch", label, {{"storages", static_cast<double>(count)}, {"cpus", cpu + 1.0}}, {}, false};
    comparison.sides.push_back(
        batch_side("ours", at_ours, count, [&, at_ours] { ours::send(at_ours, storages.data(), opaque(count)); }));
    comparison.sides.push_back(
        batch_side("ours, kind MAP", at_ours, count, [&, at_ours] { ours::send(at_ours, mapped.data(), opaque(count)); }));
    comparison.sides.push_back(batch_side("raw mapped", at_mapping, count,
                                          [&, at_mapping] { raw::send_descriptors(at_mapping, fds.data(), opaque(count)); }));
    comparison.sides.push_back(
        batch_side("raw unmapped", at_plain, count, [&, at_plain] { raw::send_descriptors(at_plain, fds.data(), opaque(count)); }));
    measure(options, comparison);
  }
  for (shmalloc_storage *storage : storages) shmalloc_storage_release(storage);
  for (shmalloc_storage *storage : mapped) shmalloc_storage_release(storage);
  for (const int fd : fds) close(fd);
}

}  // namespace

void measure_batch(Options &options) {
  for (const std::size_t count : {1, 16, 253}) measure_count(options, count, 1, "two CPUs");
  for (const std::size_t count : {1, 16, 253}) measure_count(options, count, 0, "one CPU");
}

}  // namespace bench
