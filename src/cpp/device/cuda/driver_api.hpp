// What we use of the CUDA driver's binary interface, in names of ours: the library is built without CUDA's headers, and meets the driver
// at run time. tests/device/test_cuda_api.cpp compares all of it with cuda.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shmalloc::device::cuda::api {

// What the driver's functions return. Any other number may come too.
enum class Code : int {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  deinitialized = 4,
  stub_library = 34,
  no_device = 100,
  peer_access_unsupported = 217,
  invalid_handle = 400,
  not_ready = 600,
  peer_access_already_enabled = 704,
  too_many_peers = 711,
  not_supported = 801,
  system_driver_mismatch = 803,
  stream_capture_unsupported = 900,  // the first of those about captures
  stream_capture_implicit = 906,
  stream_capture_wrong_thread = 908,  // the last of them
};

// Known by their addresses alone.
struct Context;
struct Stream;
struct Event;

using Device = int;
using Pointer = unsigned long long;  // an address
using Memory = unsigned long long;   // memory without an address
using HostFunction = void (*)(void *);

enum class Attribute : int {
  unified_addressing = 41,
  virtual_memory = 102,
  posix_descriptors = 103,
};

constexpr unsigned kStreamNonBlocking = 1;
constexpr unsigned kEventWithoutTiming = 2;

enum class CaptureStatus : int { none = 0, active = 1, invalidated = 2 };
enum class CaptureMode : int { global = 0, thread_local_ = 1, relaxed = 2 };

enum class LocationType : int { device = 1 };
struct Location {
  LocationType type;
  int id;
};

enum class AllocationType : int { pinned = 1 };
enum class HandleType : int { none = 0, posix_descriptor = 1 };
enum class Granularity : int { minimum = 0 };
struct MemoryProperties {
  AllocationType type;
  HandleType handles;
  Location location;
  void *windows;
  struct Flags {
    unsigned char compression;
    unsigned char rdma;
    unsigned short usage;
    unsigned char reserved[4];
  } flags;
};

enum class Protection : int { none = 0, read = 1, read_write = 3 };
struct MemoryAccess {
  Location location;
  Protection protection;
};

// How an entry is looked for: the first form since 11.3, the second since 12.0.
using GetProcAddress1 = Code (*)(const char *name, void **out, int version, std::uint64_t flags);
using GetProcAddress2 = Code (*)(const char *name, void **out, int version, std::uint64_t flags, int *found);

}  // namespace shmalloc::device::cuda::api
