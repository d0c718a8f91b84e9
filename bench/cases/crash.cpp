// Goal 16: what was held by a process that was killed is free again how soon. The clock runs from the moment that the kernel has told of the
// last death until the owner has asked for the memory (trim) and has it back.
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/peer.hpp"

namespace bench {

namespace {

constexpr std::size_t held_size = 2 * MiB;
constexpr double patience_ns = 1e9;

double reclaim_once(int holders) {
  std::vector<std::unique_ptr<Peer>> peers;
  for (int index = 0; index < holders; ++index)
    peers.push_back(std::make_unique<Peer>(1, SOCK_SEQPACKET, [](int socket) {
      ours::Bytes handle{};
      if (read(socket, &handle, sizeof handle) != sizeof handle) return;
      write_byte(shmalloc_storage_data(ours::import(handle)));
      write_token(socket);
      pause();
    }));
  shmalloc_allocator *from = ours::allocator(SHMALLOC_ALLOCATOR_KIND_SHARED);
  shmalloc_storage *storage = ours::create(held_size, nullptr, from);
  ours::Bytes handle{};
  ours::export_to(storage, handle, SHMALLOC_TIME_NONE);
  for (const auto &peer : peers) {
    check(write(peer->socket(), &handle, sizeof handle) == sizeof handle, "write");
    check(read_token(peer->socket()), "a holder");
  }
  shmalloc_storage_release(storage);
  for (const auto &peer : peers) peer->end();

  const double begin = now_ns();
  bool free = false;
  while (!free && now_ns() - begin < patience_ns) {
    free = ours::trim(from) >= held_size;
  }
  const double spent = now_ns() - begin;
  if (!free) stop("reclaim", "what the dead held was not given back within a second");
  shmalloc_allocator_release(from);
  return spent;
}

}  // namespace

void measure_crash(Options &options) {
  for (const int holders : {1, 8, 32}) {
    const std::string label = std::to_string(holders) + (holders == 1 ? " holder" : " holders");
    if (!wanted(options, "reclaim", label)) continue;
    Comparison comparison{"reclaim", label, {{"holders", static_cast<double>(holders)}}, {}, false};
    comparison.sides.push_back({"ours", [=](long) { return reclaim_once(holders); }, options.heavy_rounds, 1});
    measure(options, comparison);
  }
}

}  // namespace bench
