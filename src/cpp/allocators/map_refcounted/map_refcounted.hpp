// Kind MAP_REFCOUNTED: a POSIX shm object that begins with PyTorch's 64 bytes, its count first.
//
// The count is PyTorch's: whoever attaches adds one, whoever closes takes one off, who takes it to 0 removes the name. Ours is never
// raised from 0, so a dying object stays dead, and it is 1 before the name can be seen.
// The object can't be sealed, and a peer may truncate it at any instant: an atomic instruction of ours would raise SIGBUS then. So the
// kernel adds for us (os::checked_add), which answers with an error. It tells no old value, so we read before and after:
//   raising    not from 0. If it was 0 after all in the instant of the addition, the reading afterwards shows it, and the addition is undone.
//   lowering   whoever reads 0 after his own subtraction removes the name; several may, and the name is removed once (by identity).
// The last one to lower the count reads 0 unless somebody is about to undo an addition; he then reads 0 after that, and has the name
// removed by nobody: PyTorch's manager, or reclaim, takes such a name.
#pragma once

#include "allocators/map/map.hpp"
#include "allocators/map_refcounted/manager_client.hpp"

namespace shmalloc {

class RefcountedMemory final : public MapMemory {
 public:
  explicit RefcountedMemory(std::unique_ptr<ManagerRegistration> registration) : registration_(std::move(registration)) {}
  ~RefcountedMemory() override;
  Result<void> close(bool inherited) override;
  Result<void> seal() override { return no_seals(); }
  Result<void> grow(std::size_t) override {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "storages of kind MAP_REFCOUNTED can't grow");
  }
  Result<std::int32_t> refcount(std::int32_t by) override;
  const char *manager() override { return registration_ != nullptr ? registration_->path() : ""; }

  // Takes part in the count of an object that existed. `counted`: somebody did that for us.
  Result<void> join(bool counted);

 private:
  Result<std::int32_t> change(std::int32_t by);
  Result<std::int32_t> read_count();

  std::unique_ptr<ManagerRegistration> registration_;
  bool counts_ = false;  // one of the count is ours
};

class MapRefcountedAllocator final : public Allocator {
 public:
  MapRefcountedAllocator() : Allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, kMapKeys | kCountedKeys) {}
  Result<std::unique_ptr<Memory>> make(std::size_t size, std::uint64_t /*stream*/, const shmalloc_storage_params &params) override;
  std::uint32_t capabilities() const override {
    return SHMALLOC_CAPABILITY_HOST_ACCESS | SHMALLOC_CAPABILITY_EXPORT | SHMALLOC_CAPABILITY_EXPORT_BYTES;
  }
  std::uint64_t alignment() const override { return 64; }
};

// Opens an object that exists; `counted` as in RefcountedMemory::join, `manager` may be "", `expected` NULL.
Result<std::unique_ptr<Memory>> attach_refcounted(const char *name, std::size_t size, const char *manager, bool counted,
                                                  const os::Identity *expected);

}  // namespace shmalloc
