// Copying bytes between storages.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.hpp"

namespace shmalloc {

class Storage;

// `safe`: neither range can be taken away by a peer meanwhile. STALE if one was.
Result<void> copy_bytes(void *to, const void *from, std::size_t size, bool safe);

Result<void> copy(Storage &dst, std::size_t dst_offset, Storage &src, std::size_t src_offset, std::size_t size,
                  std::uint64_t stream, bool non_blocking);

// One end of a copy, pinned and checked to be large enough.
struct Part {
  Storage &storage;
  std::uint64_t address;
};
// At least one of them lies on a device.
Result<void> copy_on_device(const Part &to, const Part &from, std::size_t size, std::uint64_t stream, bool non_blocking);

}  // namespace shmalloc
