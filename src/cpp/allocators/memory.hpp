// The memory behind one storage, as an allocator makes it. The storage above it knows nothing else of kinds.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "device/device.hpp"
#include "os/file.hpp"
#include "shmalloc/storage.h"
#include "trace/recorder.hpp"

namespace shmalloc {

// Where another process finds an object.
enum class Route : std::uint8_t { descriptor, shm, file };

class SharedMemory;

// An object of the kernel's that another process can map.
struct SharedObject {
  Route route = Route::descriptor;
  os::UniqueFd fd;            // kept for the object's life, or not at all
  std::string path;           // shm, file: absolute
  os::Identity identity;      // inode 0: not looked up yet
  std::uint64_t offset = 0;   // of the storage's mapping in the object
  std::uint64_t header = 0;   // bytes between the mapping's start and the data
  bool named = false;         // the path can be opened by others
  bool read_only = false;     // mapped for reading only
  bool private_view = false;  // copy on write: what is written here nobody else sees
  bool empty = false;         // there are no bytes to get at
  int seals = 0;              // as far as known

  bool inode_unknown() const { return identity.inode == 0; }
};

class Memory {
 public:
  Memory() = default;
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;
  virtual ~Memory() = default;

  // Gives everything back. `inherited`: this process got it by fork, so what the parent holds stays. Afterwards nothing is held, even
  // when the answer is an error that tells what could not be removed. Called once.
  virtual Result<void> close(bool inherited) = 0;
  // The same for one that was never handed out: what making it left on disk goes too.
  virtual void discard() { static_cast<void>(close(false)); }
  virtual Result<void> grow(std::size_t) { return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "storages of this kind can't grow"); }
  virtual Result<void> seal() { return no_seals(); }
  // After a seal against shrinking: is everything still there? Then it is stable from now on. STALE if not.
  virtual Result<void> check_length() { return {}; }
  // The object that others can open; NULL for private memory.
  virtual SharedObject *object() { return nullptr; }
  // For those that lie in a segment with others.
  virtual SharedMemory *shared() { return nullptr; }
  // PyTorch's count, for those that have one. Change 0 only reads it.
  virtual Result<std::int32_t> refcount(std::int32_t) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "only storages of kind MAP_REFCOUNTED have PyTorch's count");
  }
  // Bytes that it takes: rounded up as its kind does it, headers included.
  virtual std::uint64_t block_size() const { return size; }
  // The pool that it is counted in; see shmalloc_stat_pool.
  virtual int pool() const { return trace::pool_of(block_size()); }
  // Socket of the torch_shm_manager that its name is registered with, or "".
  virtual const char *manager() { return ""; }
  // Where its bytes are; NULL for the host's.
  virtual device::Device *device() { return nullptr; }
  // What is queued on the stream until it is closed is done before anybody else has the memory. False: it is not kept for that, so whoever
  // queued the work sees to it.
  virtual Result<bool> used_on(std::uint64_t) { return false; }

  std::uint64_t address() const { return where == SHMALLOC_DEVICE_HOST ? reinterpret_cast<std::uintptr_t>(data) : device_address; }

  static Error no_seals() {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "this storage can't be sealed: only nameless shared objects (memfd) have seals");
  }

  void *data = nullptr;              // NULL: not for the host
  std::uint64_t device_address = 0;  // of memory on a device
  shmalloc_device where = SHMALLOC_DEVICE_HOST;
  std::size_t size = 0;
  std::size_t capacity = 0;
  std::uint32_t mapped = 0;  // shmalloc_mapped_flags in force
  bool read_only = false;
  bool immutable = false;          // sealed against every writer
  std::atomic<bool> stable{true};  // a peer can't take the pages away: touching them is safe
  trace::Account account;          // with the allocator that made it; open while a storage or an export holds it
};

}  // namespace shmalloc
