// The atomic steps on one slot of a segment (docs/shared-protocol.md). Nothing here decides who may take which.
#pragma once

#include "allocators/shared/steps.hpp"
#include "base/wire/segment.hpp"

namespace shmalloc::slot {

struct State {
  std::uint64_t holders;
  std::uint32_t generation;
};

inline State load(const wire::Slot &slot) {
  return {slot.holders.load(std::memory_order_acquire), slot.generation.load(std::memory_order_acquire)};
}

// Both words at once. Written out for x86-64, since compilers call a library for 16 bytes.
inline bool compare_exchange(wire::Slot &slot, State expected, State wanted) {
#if defined(__x86_64__)
  std::uint64_t low = expected.holders;
  std::uint64_t high = expected.generation;
  bool done;
  __asm__ __volatile__("lock cmpxchg16b %1"
                       : "=@ccz"(done), "+m"(slot), "+a"(low), "+d"(high)
                       : "b"(wanted.holders), "c"(std::uint64_t{wanted.generation})
                       : "memory");
  return done;
#else
  __extension__ using Both = unsigned __int128;
  const auto pack = [](State state) { return static_cast<Both>(state.generation) << 64 | state.holders; };
  Both from = pack(expected);
  return __atomic_compare_exchange_n(reinterpret_cast<Both *>(&slot), &from, pack(wanted), false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
#endif
}

// Sets the bit of a place if the slot still has this generation.
inline bool hold(wire::Slot &slot, std::uint64_t bit, std::uint32_t generation) {
  for (;;) {
    const State now = load(slot);
    if (now.generation != generation) return false;
    SHMALLOC_STEP();
    if (SHMALLOC_MUTANT(2)) {
      slot.holders.fetch_or(bit, std::memory_order_acq_rel);
      return true;
    }
    if (compare_exchange(slot, now, {now.holders | bit, generation})) return true;
  }
}

inline void let_go(wire::Slot &slot, std::uint64_t bit) { slot.holders.fetch_and(~bit, std::memory_order_acq_rel); }

// Ends a generation that nobody holds: true, and from now on its handles are stale and its memory is free.
inline bool retire(wire::Slot &slot, std::uint32_t generation) {
  if (SHMALLOC_MUTANT(1)) {
    const State now = load(slot);
    if (now.holders != 0 || now.generation != generation) return false;
    SHMALLOC_STEP();
    slot.generation.store(generation + 1, std::memory_order_release);
    return true;
  }
  SHMALLOC_STEP();
  return compare_exchange(slot, {0, generation}, {0, generation + 1});
}

// Ends a generation whoever holds it: they keep the memory.
inline bool revoke(wire::Slot &slot, std::uint32_t generation) {
  for (;;) {
    const State now = load(slot);
    if (now.generation != generation) return false;
    if (compare_exchange(slot, now, {now.holders, generation + 1})) return true;
  }
}

}  // namespace shmalloc::slot
