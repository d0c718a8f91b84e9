// The CUDA driver, found at run time: libcuda.so.1 as the loader finds it, opened by the first call that needs it. It stays loaded; where
// it can't be used, each later call tries again and says why.
#pragma once

#include "base/result.hpp"
#include "device/cuda/driver_api.hpp"

namespace shmalloc::device::cuda {

namespace api {
struct Entries {
#define X(name, symbol, version, needed, ...) Code(*name) __VA_ARGS__ = nullptr;
#include "device/cuda/driver_entries.inc"
#undef X
};
}  // namespace api

struct Driver : api::Entries {
  // The first with cuGetProcAddress; all entries that nothing goes without are older.
  static constexpr int kOldest = 11030;

  // UNSUPPORTED: there is none, or none that can be used; BACKEND: it was begun to be used before a fork.
  static Result<const Driver *> get();

  int version = 0;
  std::uint64_t generation = 0;  // of forks
  bool virtual_memory = false;   // all entries for it are there
};

// The error of a call that gave this code: what was tried, the code's name and number. INVALID, NO_MEMORY, NO_SPACE, UNSUPPORTED, BUSY for
// what a capture forbids, and BACKEND for the rest.
[[gnu::format(printf, 3, 4)]] Error failed(const Driver &driver, api::Code code, const char *format, ...);

}  // namespace shmalloc::device::cuda
