// Kind CACHING: storages, and memory by address, from a device's memory through the block cache.
#pragma once

#include <memory>

#include "allocators/allocator.hpp"
#include "allocators/caching/cache.hpp"
#include "device/registry.hpp"

namespace shmalloc {

class CachingAllocator final : public Allocator {
 public:
  CachingAllocator(shmalloc_device number, std::shared_ptr<device::Device> device);
  ~CachingAllocator() override;

  // NULL: another kind.
  static CachingAllocator *of(Allocator *allocator) {
    return allocator != nullptr && allocator->kind() == SHMALLOC_ALLOCATOR_KIND_CACHING ? static_cast<CachingAllocator *>(allocator)
                                                                                        : nullptr;
  }
  // Of all there are, as far as can be. How many bytes.
  static std::uint64_t trim_all();
  caching::BlockCache &cache() { return cache_; }
  bool inherited() const override { return cache_.inherited(); }
  device::Device &on() { return *device_; }
  bool host_access() const { return description_.host_access; }

  Result<std::unique_ptr<Memory>> make(std::size_t size, std::uint64_t stream, const shmalloc_storage_params &params) override;
  std::uint32_t capabilities() const override { return device::capabilities_of(description_, *device_); }
  std::uint64_t alignment() const override { return cache_.alignment(); }
  Result<std::uint64_t> trim(std::uint64_t /*keep*/) override { return cache_.empty_cache(); }

  Result<void> configure(const char *text) override { return cache_.configure(std::string_view(text)); }
  Result<std::string> setting(const char *key) const override;
  std::string all_settings() const override;

  // Held across fork.
  static void lock_all();
  static void unlock_all(bool in_child);

  // Memory by address included.
  std::uint64_t live_storages() const override;
  std::uint64_t live_bytes() const override;
  void fill_statistics(shmalloc_statistics *out) override { cache_.statistics(out); }
  void reset_statistics(std::uint32_t what) override { cache_.reset_statistics(what); }
  bool visit_segments(std::vector<trace::Segment> *segments, std::optional<trace::Recorded> *history) override;
  Result<void> record_history(const shmalloc_history_params &params) override;

 protected:
  void begin() override;

 private:
  CachingAllocator *next_ = nullptr, *previous_ = nullptr;  // of all
  const std::shared_ptr<device::Device> device_;
  const device::Description description_;
  mutable caching::BlockCache cache_;
};

}  // namespace shmalloc
