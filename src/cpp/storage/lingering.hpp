// Memory that only exported handles keep: released here, still to be opened by others until its time is up.
#pragma once

#include <cstdint>
#include <memory>

#include "allocators/memory.hpp"
#include "shmalloc/allocator.h"

namespace shmalloc {

// Keeps the memory until the deadline. False, and nothing taken, when it is past or there is no room: the caller closes it.
bool linger(std::unique_ptr<Memory> &memory, std::int64_t deadline, std::uint64_t allocator_id, std::uint64_t fork_generation);

// Gives back what is past its time, oldest first, until no more than `keep_bytes` are kept; of one allocator, or of all with 0. The bytes.
std::uint64_t end_expired(std::uint64_t allocator_id, std::uint64_t keep_bytes);
// Shows each of them, with the list locked.
void visit_lingering(void (*visit)(Memory &memory, void *to), void *to);
// Gives back everything, at exit.
void end_all();

void lock_lingering();
void unlock_lingering();

}  // namespace shmalloc
