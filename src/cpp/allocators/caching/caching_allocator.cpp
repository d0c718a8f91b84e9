#include "allocators/caching/caching_allocator.hpp"

#include "base/text.hpp"

namespace shmalloc {
namespace {

using caching::Block;
using caching::BlockCache;

constinit std::mutex list_mutex;
constinit CachingAllocator *all = nullptr;

// A block of the cache. The storage above holds the allocator.
class DeviceMemory final : public Memory {
 public:
  DeviceMemory(CachingAllocator &allocator, Block *block, std::size_t bytes) : allocator_(allocator), block_(block) {
    where = allocator.device();
    size = capacity = bytes;
    if (block == nullptr) return;
    device_address = block->address;
    if (allocator.host_access()) data = reinterpret_cast<void *>(device_address);
  }
  Result<void> close(bool /*inherited*/) override {
    Block *block = block_;
    block_ = nullptr;
    return allocator_.cache().free(block);
  }
  device::Device *device() override { return &allocator_.on(); }
  Result<bool> used_on(std::uint64_t stream) override {
    if (!allocator_.cache().keeps(stream)) return false;
    SHMALLOC_CHECK(allocator_.cache().record_stream(block_, stream));
    return true;
  }
  std::uint64_t block_size() const override { return block_ != nullptr ? block_->size : 0; }

 private:
  CachingAllocator &allocator_;
  Block *block_;
};

}  // namespace

CachingAllocator::CachingAllocator(shmalloc_device number, std::shared_ptr<device::Device> device)
    : Allocator(SHMALLOC_ALLOCATOR_KIND_CACHING, 0, trace::Segments::own, number),
      device_(std::move(device)),
      description_(device_->describe()),
      cache_(*device_) {
  const std::lock_guard lock(list_mutex);
  next_ = all;
  if (all != nullptr) all->previous_ = this;
  all = this;
}

CachingAllocator::~CachingAllocator() {
  const std::lock_guard lock(list_mutex);
  if (next_ != nullptr) next_->previous_ = previous_;
  (previous_ != nullptr ? previous_->next_ : all) = next_;
}

std::uint64_t CachingAllocator::trim_all() {
  std::vector<Ref<CachingAllocator>> found;
  {
    const std::lock_guard lock(list_mutex);
    std::size_t count = 0;
    for (const CachingAllocator *at = all; at != nullptr; at = at->next_) ++count;
    found.reserve(count);
    for (CachingAllocator *at = all; at != nullptr; at = at->next_) {
      if (at->retain_if_alive()) found.emplace_back(at);
    }
  }
  std::uint64_t bytes = 0;
  for (const Ref<CachingAllocator> &each : found) {
    if (auto freed = each->cache_.empty_cache(); freed) bytes += *freed;  // Others are captured just now, or of another process.
  }
  return bytes;
}

void CachingAllocator::lock_all() {
  list_mutex.lock();
  BlockCache::before_fork();
  device::lock_registry();
}

void CachingAllocator::unlock_all(bool in_child) {
  device::unlock_registry();
  if (in_child) {
    BlockCache::in_child();
  } else {
    BlockCache::in_parent();
  }
  list_mutex.unlock();
}

void CachingAllocator::begin() { cache_.introduce(device(), id(), &recorder()); }

Result<std::unique_ptr<Memory>> CachingAllocator::make(std::size_t size, std::uint64_t stream,
                                                       const shmalloc_storage_params &params) {
  if (params.name != nullptr || params.mapped != 0 || params.file_offset != 0 || params.page_size != 0 || params.mode != 0 ||
      params.numa_node != 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0,
                "name, mapped, file_offset, page_size, mode and numa_node are for storages of the host, not of kind CACHING");
  }
  if (params.capacity > size) return fail(SHMALLOC_STATUS_INVALID, 0, "capacity: storages of kind CACHING can't grow");
  if ((params.flags & SHMALLOC_STORAGE_ISOLATED) != 0)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "storages of kind CACHING lie in segments with others: they can't be ISOLATED");
  if (params.alignment > alignment()) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "storages of this device begin at multiples of %llu, not of %llu",
                static_cast<unsigned long long>(alignment()), static_cast<unsigned long long>(params.alignment));
  }
  SHMALLOC_TRY(block, cache_.allocate(size, stream));
  std::unique_ptr<Memory> memory(new (std::nothrow) DeviceMemory(*this, block, size));
  if (memory == nullptr) {
    static_cast<void>(cache_.free(block));
    return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
  }
  if ((params.flags & SHMALLOC_STORAGE_ZEROED) != 0 && size != 0) {
    if (const auto filled = device_->fill(block->address, 0, size, stream); !filled) {
      memory->discard();
      return filled.error();
    }
  }
  return memory;
}

Result<std::string> CachingAllocator::setting(const char *key) const { return caching::format_one(cache_.settings(), key); }
std::string CachingAllocator::all_settings() const { return caching::format(cache_.settings()); }

// Threads are asked one after the other: what one made and another gave back meanwhile may be seen as given back alone.
std::uint64_t CachingAllocator::live_storages() const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(cache_.live().blocks, 0));
}
std::uint64_t CachingAllocator::live_bytes() const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(cache_.live().requested, 0));
}

bool CachingAllocator::visit_segments(std::vector<trace::Segment> *segments, std::optional<trace::Recorded> *history) {
  cache_.survey(segments, &history->emplace());
  return false;
}

Result<void> CachingAllocator::record_history(const shmalloc_history_params &params) {
  SHMALLOC_CHECK(recorder().history.configure(params));
  cache_.set_tracing(recorder().history.on());
  return {};
}

}  // namespace shmalloc
