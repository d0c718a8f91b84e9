// Ways to copy bytes: what the machine can do at most.
#pragma once

#include <cstddef>

namespace bench {

using CopyFunction = void (*)(void *to, const void *from, std::size_t size);

// One instruction; null where there is none.
CopyFunction copy_by_string_instruction();
// Past the caches, by the widest stores that this CPU has; null where there are none. Sizes are multiples of 4096, addresses too.
CopyFunction copy_past_caches();

}  // namespace bench
