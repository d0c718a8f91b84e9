// Mistakes that the tests must find (tests/caching): built with SHMALLOC_CACHING_MUTANTS, a program chooses one of these numbers. In the
// library there are none.
//
// Every place where an order is kept has one:
// What other streams do with a block. 31: an event is taken as done without asking. 32: uses are forgotten at the free. 33: only the first
// of them is waited for. 45: what can't be recorded counts as done. 46: what was held back counts as done. 47: an event that can't be asked
// counts as done. 48: the first use that is done is enough. 66, 68: a free without the mutex forgets the uses, or the stream that it is
// told of. 69: so does one with it. 40: a block that waits is merged.
// Captures. 35: events are recorded in one. 36: events are asked in one. 49, 50, 51: memory that is short, empty_cache, a collection give
// back in one. 52: streams with memory, 53: streams that only use some, 54: those who say so, are not listened to.
// Waits for the device. 34, 60, 61, 62: there is none when memory is short, in empty_cache, in a collection, at the end. 37: it counts for
// uses that came after it began. 38, 59: so it does for segments that were freed after it began, and for blocks that are lent. 55, 56, 57,
// 58: when a block was freed is forgotten where it is merged with the next one, with the one before, split, or waits. 39: a block that is
// lent comes back without waiting.
// Blocks serve their own stream. 63: they have one home. 64, 65: a thread keeps, or takes, those of another stream. 67: it keeps what waited
// for streams, whosever it is.
// Threads. 41: what a thread keeps is taken without waiting for it. 42: the out-of-memory sequence does not wait for segments that are being
// made. 43: what is found by its address without the mutex is believed. 44: in a forked child threads of the parent stay busy.
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
