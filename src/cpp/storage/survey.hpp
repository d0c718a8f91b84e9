// Everything that an allocator made and that is still there: storages, and memory that exports keep.
#pragma once

#include <string>

#include "allocators/allocator.hpp"

namespace shmalloc {

// The allocator's snapshot as JSON. Call with no lock held: a storage that is released meanwhile is given back here.
std::string survey(Allocator &allocator);

}  // namespace shmalloc
