// DLPack's structs, version 1 and before it, as every array library lays them out. Facts about others: they change when those do.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shmalloc::wire {

struct DlTensor {
  void *data;
  std::int32_t device_type;
  std::int32_t device_id;
  std::int32_t ndim;
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
  std::int64_t *shape;
  std::int64_t *strides;  // in elements; before 1.2 may be NULL
  std::uint64_t byte_offset;
};
static_assert(sizeof(DlTensor) == 48);
static_assert(offsetof(DlTensor, shape) == 24);

struct DlManaged {  // DLManagedTensor
  DlTensor tensor;
  void *context;
  void (*deleter)(DlManaged *self);  // may be NULL
};
static_assert(sizeof(DlManaged) == 64);

struct DlManagedVersioned {  // DLManagedTensorVersioned
  std::uint32_t major;
  std::uint32_t minor;
  void *context;
  void (*deleter)(DlManagedVersioned *self);  // may be NULL
  std::uint64_t flags;
  DlTensor tensor;
};
static_assert(sizeof(DlManagedVersioned) == 80);
static_assert(offsetof(DlManagedVersioned, tensor) == 32);

inline constexpr std::uint32_t kDlMajor = 1;        // what begins with another one is laid out otherwise, but for the deleter
inline constexpr std::uint32_t kDlMinorPadded = 1;  // the first that knows kDlPadded
inline constexpr std::uint64_t kDlReadOnly = 1;
inline constexpr std::uint64_t kDlPadded = 4;

// Device types whose memory the host reads and writes like its own.
inline constexpr std::int32_t kDlCpu = 1;
inline constexpr std::int32_t kDlCudaHost = 3;
inline constexpr std::int32_t kDlRocmHost = 11;
// .. and whose memory is an address of the device.
inline constexpr std::int32_t kDlCuda = 2;
inline constexpr std::int32_t kDlExtension = 12;

}  // namespace shmalloc::wire
