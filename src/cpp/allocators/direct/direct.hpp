// Kind DIRECT: each storage is one allocation of private host memory.
#pragma once

#include "allocators/allocator.hpp"

namespace shmalloc {

class DirectAllocator final : public Allocator {
 public:
  DirectAllocator() : Allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, kDirectKeys) {}
  Result<std::unique_ptr<Memory>> make(std::size_t size, std::uint64_t /*stream*/, const shmalloc_storage_params &params) override;
  std::uint32_t capabilities() const override { return SHMALLOC_CAPABILITY_HOST_ACCESS; }
  std::uint64_t alignment() const override { return settings().alignment; }
};

// Memory that somebody else made; his function gives it back, but not in a forked child, nor when the process exits: a runtime that is gone
// can't be called.
class AdoptedMemory final : public Memory {
 public:
  // `on` is NULL for the host.
  AdoptedMemory(shmalloc_device device, std::shared_ptr<device::Device> on, std::uint64_t start, std::size_t length,
                bool for_reading_only, void *userdata, shmalloc_destroy_fn destroy_fn)
      : on_(std::move(on)), userdata_(userdata), destroy_fn_(destroy_fn) {
    where = device;
    device_address = start;
    if (on_ == nullptr || on_->describe().host_access) data = reinterpret_cast<void *>(start);
    size = capacity = length;
    read_only = for_reading_only;
  }
  device::Device *device() override { return on_.get(); }
  Result<void> close(bool inherited) override {
    if (destroy_fn_ != nullptr && !inherited && !exiting.load(std::memory_order_relaxed)) destroy_fn_(userdata_);
    return {};
  }

 private:
  const std::shared_ptr<device::Device> on_;
  void *userdata_;
  shmalloc_destroy_fn destroy_fn_;
};

}  // namespace shmalloc
