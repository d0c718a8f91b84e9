// Copying bytes between storages.
#pragma once

#include <cstddef>

#include "base/result.hpp"

namespace shmalloc {

class Storage;

// `safe`: neither range can be taken away by a peer meanwhile. STALE if one was.
Result<void> copy_bytes(void *to, const void *from, std::size_t size, bool safe);

Result<void> copy(Storage &dst, std::size_t dst_offset, Storage &src, std::size_t src_offset, std::size_t size);

}  // namespace shmalloc
