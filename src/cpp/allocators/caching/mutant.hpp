// Mistakes that the tests must find (tests/caching): built with SHMALLOC_CACHING_MUTANTS, a program chooses one of these numbers. In the
// library there are none.
//
// 31: an event is taken as done without asking. 32: other streams' uses are forgotten at the free. 33: only the first of them is waited
// for. 34: segments go back to the device without waiting for its work. 35: events are recorded in a capture. 36: events are asked in a
// capture. 37: a wait for the device counts for what was freed after it began. 38: a block of another stream is taken, or a segment given
// back, without regard to when it was freed. 39: a block of another stream comes back to it without waiting. 40: a block that waits is
// merged. 41: what a thread keeps is taken without waiting for it. 42: the out-of-memory sequence does not wait for segments that are
// being made. 43: what is found by its address without the mutex is believed. 44: in a forked child threads of the parent stay busy.
#pragma once

namespace shmalloc::caching {

#ifdef SHMALLOC_CACHING_MUTANTS
inline constinit int chosen_mutant = 0;
inline bool mutant(int number) { return chosen_mutant == number; }
// In the middle of what must not be disturbed: a test lets other threads in.
using Step = void (*)();
inline constinit Step at_step = nullptr;
inline void step() {
  if (at_step != nullptr) at_step();
}
#else
constexpr void step() {}
constexpr bool mutant(int /*number*/) { return false; }
#endif

}  // namespace shmalloc::caching
