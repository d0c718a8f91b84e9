// Goals 3 and 8: a storage of a segment that both processes have, from one to the other and acknowledged, both awake: make, write, export
// into a mailbox in shared memory; there import, read, release. "again": the same storage every time.
#include <sys/socket.h>

#include "anchors/boost.hpp"
#include "anchors/raw.hpp"
#include "anchors/spin.hpp"
#include "anchors/torch.hpp"
#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/machine.hpp"

namespace bench {

namespace {

void export_into(Mailbox &mailbox, shmalloc_storage *storage) {
  auto params = SHMALLOC_INIT(shmalloc_export_params);
  params.ttl_ns = SHMALLOC_TIME_NONE;
  shmalloc_error error;
  std::size_t length = sizeof mailbox.bytes;
  check(shmalloc_storage_export(storage, &params, mailbox.bytes, &length, &error), error, "shmalloc_storage_export");
  mailbox.length.store(length, std::memory_order_relaxed);
}

void give_ours(Mailbox &mailbox, std::uint32_t times, std::size_t size) {
  for (std::uint32_t number = 1; number <= times; ++number) {
    shmalloc_storage *storage = ours::create(size);
    write_byte(shmalloc_storage_data(storage));
    export_into(mailbox, storage);
    mailbox.there.store(number, std::memory_order_release);
    spin_until(mailbox.back, number);
    shmalloc_storage_release(storage);
  }
}

void give_ours_again(Mailbox &mailbox, std::uint32_t times, shmalloc_storage *storage) {
  for (std::uint32_t number = 1; number <= times; ++number) {
    write_byte(shmalloc_storage_data(storage));
    export_into(mailbox, storage);
    mailbox.there.store(number, std::memory_order_release);
    spin_until(mailbox.back, number);
  }
}

void take_ours(Mailbox &mailbox, std::uint32_t times) {
  for (std::uint32_t number = 1; number <= times; ++number) {
    spin_until(mailbox.there, number);
    shmalloc_storage *storage = ours::import(mailbox.bytes, mailbox.length.load(std::memory_order_relaxed));
    read_byte(shmalloc_storage_data(storage));
    shmalloc_storage_release(storage);
    mailbox.back.store(number, std::memory_order_release);
  }
}

void give_boost(BoostSegment &segment, Mailbox &mailbox, std::uint32_t times, std::size_t size) {
  for (std::uint32_t number = 1; number <= times; ++number) {
    void *block = segment.take(size);
    write_byte(block);
    mailbox.length.store(segment.handle_of(block), std::memory_order_relaxed);
    mailbox.there.store(number, std::memory_order_release);
    spin_until(mailbox.back, number);
    segment.give(block);
  }
}

void take_boost(BoostSegment &segment, Mailbox &mailbox, std::uint32_t times) {
  for (std::uint32_t number = 1; number <= times; ++number) {
    spin_until(mailbox.there, number);
    read_byte(segment.block_of(mailbox.length.load(std::memory_order_relaxed)));
    mailbox.back.store(number, std::memory_order_release);
  }
}

void add_torch(Comparison &comparison, Torch &torch, const char *verb, std::size_t size) {
  if (!torch.ready()) return;
  const auto by = [&torch, verb, size](const char *strategy) {
    return [&torch, verb, size, strategy](long n) { return torch.ask(verb, strategy, size, 1, n); };
  };
  comparison.sides.push_back({"torch fd", by("file_descriptor")});
  comparison.sides.push_back({"torch file_system", by("file_system")});
}

void measure_once(Options &options, Torch &torch, Asked &python, std::size_t size) {
  if (!wanted(options, "handover", size_text(size)) || cpu_count() < 2) return;
  BoostSegment segment(size + 4 * MiB);
  const SpinningPeer ours_peer(1, take_ours), bare_peer(1, pong);
  const SpinningPeer boost_peer(1, [&](Mailbox &mailbox, std::uint32_t times) { take_boost(segment, mailbox, times); });
  const Peer raw_peer(1, SOCK_SEQPACKET, [size](int socket) { raw::answer_shares(socket, size); });
  const int at_raw = raw_peer.socket();

  Comparison comparison{"handover", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, false};
  comparison.sides.push_back({"ours", [&](long n) {
                                return ours_peer.turn(
                                    n, [&](Mailbox &mailbox, std::uint32_t times) { give_ours(mailbox, times, opaque(size)); });
                              }});
  comparison.sides.push_back({"bare ping-pong", [&](long n) { return bare_peer.turn(n, ping); }});
  if (BoostSegment::built_in())
    comparison.sides.push_back({"Boost.Interprocess", [&](long n) {
                                  return boost_peer.turn(n, [&](Mailbox &mailbox, std::uint32_t times) {
                                    give_boost(segment, mailbox, times, opaque(size));
                                  });
                                }});
  comparison.sides.push_back({"raw fd", timed([=] { raw::share(at_raw, opaque(size), raw::Blocks::lazy, false); })});
  if (python.ready())
    comparison.sides.push_back(
        {"Python shared_memory", [&python, size](long n) { return python.ask(std::to_string(size) + " 1 " + std::to_string(n)); }});
  add_torch(comparison, torch, "share", size);
  measure(options, comparison);
}

void measure_again(Options &options, Torch &torch, std::size_t size) {
  if (!wanted(options, "handover+again", size_text(size)) || cpu_count() < 2) return;
  const SpinningPeer ours_peer(1, take_ours), bare_peer(1, pong);
  shmalloc_storage *storage = ours::create(opaque(size));
  Comparison comparison{"handover+again", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, false};
  comparison.sides.push_back({"ours", [&](long n) {
                                return ours_peer.turn(
                                    n, [&](Mailbox &mailbox, std::uint32_t times) { give_ours_again(mailbox, times, storage); });
                              }});
  comparison.sides.push_back({"bare ping-pong", [&](long n) { return bare_peer.turn(n, ping); }});
  add_torch(comparison, torch, "resend", size);
  measure(options, comparison);
  shmalloc_storage_release(storage);
}

}  // namespace

void measure_handover(Options &options, Torch &torch, Asked &python) {
  for (const std::size_t size : {4 * KiB, MiB}) measure_once(options, torch, python, size);
  measure_again(options, torch, 4 * KiB);
}

}  // namespace bench
