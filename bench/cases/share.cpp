// Goal 6: one storage from one process to another by its descriptor: create, touch, send, receive and map, read, acknowledge, free both.
// Then the same as it is used, with every page written instead of one.
#include <sys/socket.h>
#include <unistd.h>

#include "anchors/raw.hpp"
#include "anchors/torch.hpp"
#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/machine.hpp"
#include "harness/peer.hpp"

namespace bench {

namespace {

void receive_ours(int socket) {
  shmalloc_storage *storage = nullptr;
  while (ours::receive(socket, &storage, 1) == 1) {
    read_byte(shmalloc_storage_data(storage));
    write_token(socket);
    shmalloc_storage_release(storage);
  }
}

void share_ours(int socket, std::size_t size, bool fill) {
  shmalloc_storage *storage = ours::create(size, nullptr, ours::mapping_allocator());
  touch_pages(shmalloc_storage_data(storage), 0, fill ? size : 1);
  ours::send(socket, &storage, 1);
  check(read_token(socket), "acknowledgement");
  shmalloc_storage_release(storage);
}

void wake_up(int socket) {
  write_token(socket);
  check(read_token(socket), "answer");
}

void answer_wake_ups(int socket) {
  while (read_token(socket)) write_token(socket);
}

// Where the peer is and how it is reached.
struct Way {
  const char *text;
  int cpu, socket_type;
};

void measure_size(Options &options, Torch &torch, std::size_t size, Way way, bool fill) {
  const char *name = fill ? "share+fill" : "share";
  const std::string label = size_text(size) + ", " + way.text;
  if (!wanted(options, name, label)) return;
  const Peer ours_peer(way.cpu, way.socket_type, receive_ours);
  const Peer raw_peer(way.cpu, way.socket_type, [size](int socket) { raw::answer_shares(socket, size); });
  const Peer echo(way.cpu, way.socket_type, answer_wake_ups);
  const int at_ours = ours_peer.socket(), at_raw = raw_peer.socket(), at_echo = echo.socket();
  const int rounds = size < 64 * MiB ? options.rounds : fill ? options.heavier_rounds : options.heavy_rounds;

  using raw::Blocks;
  Comparison comparison{name, label, {{"bytes", static_cast<double>(size)}, {"cpus", way.cpu + 1.0}}, {}, false};
  const auto add = [&](const char *side, auto once) { comparison.sides.push_back({side, timed(once), rounds}); };
  add("ours", [=] { share_ours(at_ours, opaque(size), fill); });
  add("raw", [=] { raw::share(at_raw, opaque(size), Blocks::lazy, fill); });
  add("raw reserved", [=] { raw::share(at_raw, opaque(size), Blocks::reserved, fill); });
  add("wake-up alone", [=] { wake_up(at_echo); });
  if (torch.ready()) {
    const auto by = [&, name, size, way](const char *strategy) {
      return [&torch, name, size, way, strategy](long n) { return torch.ask(name, strategy, size, way.cpu, n); };
    };
    comparison.sides.push_back({"torch fd", by("file_descriptor"), rounds});
    comparison.sides.push_back({"torch file_system", by("file_system"), rounds});
  }
  if (size >= 64 * MiB) warm_memory(2 * size);
  measure(options, comparison);
}

}  // namespace

void measure_share(Options &options, Torch &torch) {
  const Way two{"two CPUs", 1, SOCK_SEQPACKET}, one{"one CPU", 0, SOCK_SEQPACKET}, stream{"one CPU, stream", 0, SOCK_STREAM};
  for (const std::size_t size : {4 * KiB, MiB, 256 * MiB}) measure_size(options, torch, size, two, false);
  for (const std::size_t size : {4 * KiB, MiB}) measure_size(options, torch, size, one, false);
  measure_size(options, torch, 4 * KiB, stream, false);
  for (const std::size_t size : {MiB, 256 * MiB}) measure_size(options, torch, size, two, true);
}

}  // namespace bench
