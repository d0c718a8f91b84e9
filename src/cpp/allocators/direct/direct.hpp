// Kind DIRECT: each storage is one allocation of private host memory.
#pragma once

#include "allocators/allocator.hpp"

namespace shmalloc {

class DirectAllocator final : public Allocator {
 public:
  DirectAllocator() : Allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, kDirectKeys) {}
  Result<std::unique_ptr<Memory>> make(std::size_t size, const shmalloc_storage_params &params) override;
  std::uint32_t capabilities() const override { return SHMALLOC_CAPABILITY_HOST_ACCESS; }
  std::uint64_t alignment() const override { return settings().alignment; }
};

// Memory that somebody else made; his function gives it back, but not in a forked child, nor when the process exits: a runtime that is gone
// can't be called.
class AdoptedMemory final : public Memory {
 public:
  AdoptedMemory(void *start, std::size_t length, bool for_reading_only, void *userdata, shmalloc_destroy_fn destroy_fn)
      : userdata_(userdata), destroy_fn_(destroy_fn) {
    data = start;
    size = capacity = length;
    read_only = for_reading_only;
  }
  Result<void> close(bool inherited) override {
    if (destroy_fn_ != nullptr && !inherited && !exiting.load(std::memory_order_relaxed)) destroy_fn_(userdata_);
    return {};
  }

 private:
  void *userdata_;
  shmalloc_destroy_fn destroy_fn_;
};

}  // namespace shmalloc
