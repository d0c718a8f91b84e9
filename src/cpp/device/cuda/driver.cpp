#include "device/cuda/driver.hpp"

#include <dlfcn.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <new>

#include "base/fork.hpp"

namespace shmalloc::device::cuda {
namespace {

using api::Code;

constinit std::atomic<const Driver *> loaded{nullptr};

// How many have begun to load the driver and not failed, below the generation of forks that they belong to. No lock, for a fork could
// leave it taken: who loads at the same time loads for himself, and the first one's is kept.
constinit std::atomic<std::uint64_t> begun{0};

Error inherited() {
  return fail(SHMALLOC_STATUS_BACKEND, 0,
              "a process was forked after its parent had begun to use CUDA: the driver can't be used here; fork before, or start a "
              "new program");
}

Result<void> enter() {
  const std::uint64_t generation = fork_generation() << 32;
  std::uint64_t seen = begun.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t count = seen & 0xffffffff;
    if (count != 0 && seen - count != generation) return inherited();
    if (begun.compare_exchange_weak(seen, generation | (count + 1), std::memory_order_relaxed)) return {};
  }
}

void leave() { begun.fetch_sub(1, std::memory_order_relaxed); }

// Of the driver as a whole: whatever it is that fails, there is no CUDA here.
Error no_driver(Code code, const char *what, int version) {
  char name[40] = "the CUDA driver";
  if (version != 0) std::snprintf(name, sizeof name, "the CUDA driver %d.%d", version / 1000, version % 1000 / 10);
  Error error =
      code == Code::stub_library
          ? fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                 "libcuda.so.1 is the CUDA toolkit's stub, not a driver: take its folder (stubs) out of LD_LIBRARY_PATH")
      : code == Code::no_device
          ? fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "%s finds no GPU, or CUDA_VISIBLE_DEVICES hides them all", name)
      : code == Code::system_driver_mismatch
          ? fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "%s is not of the version of the kernel's module: restart the machine", name)
      : code == Code::out_of_memory
          ? fail(SHMALLOC_STATUS_NO_MEMORY, 0, "%s has no memory to begin with", name)
          : fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "%s can't be used: %s gives error %d", name, what, static_cast<int>(code));
  error.backend_error = static_cast<std::int64_t>(code);
  return error;
}

// Asks the driver for entries, in whichever form it can be asked.
class Finder {
 public:
  explicit Finder(void *library)
      : second_(reinterpret_cast<api::GetProcAddress2>(dlsym(library, "cuGetProcAddress_v2"))),
        first_(reinterpret_cast<api::GetProcAddress1>(dlsym(library, "cuGetProcAddress"))) {}

  explicit operator bool() const { return second_ != nullptr || first_ != nullptr; }

  template <class Function>
  Code find(const char *name, int version, Function *out) const {
    void *found = nullptr;
    int status = 0;
    // Flags 0: those for which stream 0 is the legacy default stream.
    const Code code = second_ != nullptr ? second_(name, &found, version, 0, &status) : first_(name, &found, version, 0);
    *out = code == Code::success ? reinterpret_cast<Function>(found) : nullptr;
    return code;
  }

 private:
  api::GetProcAddress2 second_;
  api::GetProcAddress1 first_;
};

// Too old for all the rest: by the plain symbol, which the oldest drivers have too.
Result<int> version_of(void *library) {
  using GetVersion = Code (*)(int *);
  const auto get_version = reinterpret_cast<GetVersion>(dlsym(library, "cuDriverGetVersion"));
  if (get_version == nullptr) return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "libcuda.so.1 is no CUDA driver: it tells no version");
  int version = 0;
  if (const Code code = get_version(&version); code != Code::success) return no_driver(code, "cuDriverGetVersion", 0);
  return version;
}

Result<void> find_entries(const Finder &finder, Driver &driver) {
  driver.virtual_memory = true;
#define X(name, symbol, since, needed, ...)                                                                                        \
  if (const Code code = finder.find(#symbol, since, &driver.name); driver.name == nullptr) {                                       \
    if (code == Code::stub_library) return no_driver(code, "cuGetProcAddress", driver.version);                                    \
    if (needed) {                                                                                                                  \
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "the CUDA driver %d.%d can't be used: it lacks " #symbol, driver.version / 1000, \
                  driver.version % 1000 / 10);                                                                                     \
    }                                                                                                                              \
    driver.virtual_memory = false;                                                                                                 \
  }
#include "device/cuda/driver_entries.inc"
#undef X
  return {};
}

Result<const Driver *> load() {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char *why = dlerror();
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "there is no CUDA driver: %s",
                why != nullptr ? why : "libcuda.so.1 can't be opened");
  }
  SHMALLOC_TRY(version, version_of(library));
  const Finder finder(library);
  if (version < Driver::kOldest || !finder) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "the CUDA driver is of version %d.%d, and %d.%d or later is needed", version / 1000,
                version % 1000 / 10, Driver::kOldest / 1000, Driver::kOldest % 1000 / 10);
  }
  std::unique_ptr<Driver> driver(new (std::nothrow) Driver);
  if (driver == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for the CUDA driver's entries");
  driver->version = version;
  driver->generation = fork_generation();
  SHMALLOC_CHECK(find_entries(finder, *driver));
  if (const Code code = driver->init(0); code != Code::success) return no_driver(code, "cuInit", version);
  return driver.release();
}

Status status_of_code(Code code) {
  switch (code) {
    case Code::invalid_value:
    case Code::invalid_handle:
      return SHMALLOC_STATUS_INVALID;
    case Code::out_of_memory:
      return SHMALLOC_STATUS_NO_MEMORY;
    case Code::too_many_peers:
      return SHMALLOC_STATUS_NO_SPACE;
    case Code::not_supported:
    case Code::peer_access_unsupported:
      return SHMALLOC_STATUS_UNSUPPORTED;
    default:
      return code >= Code::stream_capture_unsupported && code <= Code::stream_capture_wrong_thread ? SHMALLOC_STATUS_BUSY
                                                                                                   : SHMALLOC_STATUS_BACKEND;
  }
}

}  // namespace

Result<const Driver *> Driver::get() {
  if (const Driver *driver = loaded.load(std::memory_order_acquire); driver != nullptr) {
    if (driver->generation != fork_generation()) return inherited();
    return driver;
  }
  SHMALLOC_CHECK(enter());
  auto made = load();
  if (!made) {
    leave();
    return made;
  }
  const Driver *first = nullptr;
  if (loaded.compare_exchange_strong(first, *made, std::memory_order_acq_rel)) return made;
  delete *made;
  return first;
}

Error failed(const Driver &driver, Code code, const char *format, ...) {
  char what[160];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  const char *name = nullptr;
  if (driver.error_name(code, &name) != Code::success || name == nullptr) name = "an error without a name";
  Error error = fail(status_of_code(code), 0, "%s: %s (%d)", what, name, static_cast<int>(code));
  error.backend_error = static_cast<std::int64_t>(code);
  return error;
}

}  // namespace shmalloc::device::cuda
