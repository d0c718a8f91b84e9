// Two processes and a few lines of memory: what a hand-over costs when nothing is handed over.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "harness/peer.hpp"
#include "shmalloc.h"

namespace bench {

// Each word has a cache line of its own.
struct Mailbox {
  alignas(64) std::atomic<std::uint32_t> there;  // number of what was handed over
  alignas(64) std::atomic<std::uint32_t> back;   // .. acknowledged
  alignas(64) std::atomic<std::uint64_t> length;
  std::uint8_t bytes[SHMALLOC_HANDLE_MAX];
};

inline void spin_until(const std::atomic<std::uint32_t> &word, std::uint32_t value) {
  while (word.load(std::memory_order_acquire) != value) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}
// The same asleep.
void sleep_until(std::atomic<std::uint32_t> &word, std::uint32_t value);
void wake(std::atomic<std::uint32_t> &word);

// A peer that spins only while it is asked to, so that between turns its CPU is free for others. One turn is `times` operations.
class SpinningPeer {
 public:
  // `serve` runs in the peer, once a turn. `times` is the turn's.
  SpinningPeer(int cpu, std::function<void(Mailbox &mailbox, std::uint32_t times)> serve);
  SpinningPeer(const SpinningPeer &) = delete;
  SpinningPeer &operator=(const SpinningPeer &) = delete;
  ~SpinningPeer();
  // `act` runs here meanwhile; nanoseconds an operation.
  double turn(long times, const std::function<void(Mailbox &mailbox, std::uint32_t times)> &act) const;

 private:
  Mailbox *mailbox_;
  Peer *peer_;
};

// One word there, one back.
void ping(Mailbox &mailbox, std::uint32_t times);
void pong(Mailbox &mailbox, std::uint32_t times);
void ping_asleep(Mailbox &mailbox, std::uint32_t times);
void pong_asleep(Mailbox &mailbox, std::uint32_t times);

}  // namespace bench
