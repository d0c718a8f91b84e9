// PyTorch's layouts, native endian, as plain structs. Facts about another program: they change when it does.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shmalloc::wire {

// A reference-counted object begins with this; the data follows.
struct TorchHeader {
  std::int32_t count;
  std::uint8_t unused[60];
};
static_assert(sizeof(TorchHeader) == 64);

// What a client says to torch_shm_manager.
struct TorchAllocInfo {
  std::int32_t pid;
  std::uint8_t free;  // 0: register the name, 1: it was closed
  char filename[60];  // ends with a zero byte
  std::uint8_t padding[3];
};
static_assert(sizeof(TorchAllocInfo) == 68);
static_assert(offsetof(TorchAllocInfo, free) == 4);
static_assert(offsetof(TorchAllocInfo, filename) == 5);

// The manager's answer to a registration.
inline constexpr char kTorchOk[2] = {'O', 'K'};

}  // namespace shmalloc::wire
