// Kind CACHING by address: the functions of allocator.h that only it has.
#include "allocators/caching/caching_allocator.hpp"
#include "boundary.hpp"
#include "shmalloc/allocator.h"

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

namespace {

Result<CachingAllocator *> caching_of(shmalloc_allocator *allocator) {
  Allocator *self = unwrap(allocator);
  if (self == nullptr) return missing("allocator");
  if (CachingAllocator *found = CachingAllocator::of(self); found != nullptr) return found;
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "only allocators of kind CACHING can do that: on a device, not on the host");
}

// By itself, so that the common case below has nothing to set up.
[[gnu::noinline]] shmalloc_status allocate_slowly(shmalloc_allocator *allocator, size_t size, shmalloc_stream stream,
                                                  shmalloc_address *out_address, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    SHMALLOC_TRY(self, caching_of(allocator));
    if (out_address == nullptr) return missing("out_address");
    SHMALLOC_CHECK(check_stream(stream));
    SHMALLOC_TRY(block, self->cache().allocate(size, stream));
    *out_address = block != nullptr ? shmalloc_address{block->address} : 0;
    return {};
  });
}

[[gnu::noinline]] shmalloc_status deallocate_slowly(shmalloc_allocator *allocator, shmalloc_address address, shmalloc_stream stream,
                                                    shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    SHMALLOC_TRY(self, caching_of(allocator));
    if (stream != SHMALLOC_STREAM_OWN) SHMALLOC_CHECK(check_stream(stream));
    if (address == 0) return {};
    return self->cache().free_at(address, stream);
  });
}

}  // namespace

shmalloc_status shmalloc_allocator_allocate(shmalloc_allocator *allocator, size_t size, shmalloc_stream stream,
                                            shmalloc_address *out_address, shmalloc_error *err) {
  // The common case; nothing here fails.
  if (CachingAllocator *from = CachingAllocator::of(unwrap(allocator)); from != nullptr && out_address != nullptr && !behind())
      [[likely]] {
    if (const caching::Block *block = from->cache().allocate_quickly(size, stream); block != nullptr) [[likely]] {
      *out_address = block->address;
      return SHMALLOC_STATUS_OK;
    }
  }
  return allocate_slowly(allocator, size, stream, out_address, err);
}

shmalloc_status shmalloc_allocator_deallocate(shmalloc_allocator *allocator, shmalloc_address address, shmalloc_stream stream,
                                              shmalloc_error *err) {
  if (CachingAllocator *from = CachingAllocator::of(unwrap(allocator)); from != nullptr && address != 0) [[likely]] {
    if (from->cache().free_at_quickly(address, stream)) [[likely]]
      return SHMALLOC_STATUS_OK;
  }
  return deallocate_slowly(allocator, address, stream, err);
}

shmalloc_status shmalloc_allocator_record_stream(shmalloc_allocator *allocator, shmalloc_address address, shmalloc_stream stream,
                                                 shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    SHMALLOC_TRY(self, caching_of(allocator));
    SHMALLOC_CHECK(check_stream(stream));
    SHMALLOC_TRY(block, self->cache().find(address));
    return self->cache().record_stream(block, stream);
  });
}

shmalloc_status shmalloc_allocator_get_base(shmalloc_allocator *allocator, shmalloc_address address, shmalloc_address *out_base,
                                            uint64_t *out_size, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    SHMALLOC_TRY(self, caching_of(allocator));
    if (out_base == nullptr) return missing("out_base");
    if (out_size == nullptr) return missing("out_size");
    SHMALLOC_TRY(block, self->cache().find(address));
    const caching::Range base = caching::BlockCache::base_allocation(*block);
    *out_base = base.address;
    *out_size = base.size;
    return {};
  });
}

shmalloc_status shmalloc_allocator_get_cache_info(shmalloc_allocator *allocator, shmalloc_cache_info *out_info,
                                                  shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    SHMALLOC_TRY(self, caching_of(allocator));
    SHMALLOC_CHECK(check_sized(out_info, sizeof(shmalloc_cache_info), "out_info"));
    SHMALLOC_TRY(found, self->cache().cache_info());
    shmalloc_cache_info info{};
    info.largest = found.largest;
    info.cached = found.cached;
    info.available = found.available;
    info.total = found.total;
    write_sized(out_info, info);
    return {};
  });
}

shmalloc_status shmalloc_allocator_configure_caching(shmalloc_allocator *allocator, const shmalloc_caching_params *params,
                                                     shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    SHMALLOC_TRY(self, caching_of(allocator));
    if (params == nullptr) return missing("params");
    SHMALLOC_TRY(known, read_sized(params, sizeof(shmalloc_caching_params), "shmalloc_caching_params"));
    return self->cache().configure(known);
  });
}

shmalloc_status shmalloc_allocator_observe(shmalloc_allocator *allocator, uint32_t kinds, shmalloc_observer_fn fn, void *userdata,
                                           shmalloc_destroy_fn destroy_fn, uint64_t *out_id, shmalloc_error *err) {
  const shmalloc_status status = guard_work(err, [&]() -> Result<void> {
    SHMALLOC_TRY(self, caching_of(allocator));
    if (out_id == nullptr) return missing("out_id");
    SHMALLOC_TRY(id, self->cache().observe(kinds, fn, userdata, destroy_fn));
    *out_id = id;
    return {};
  });
  if (status != SHMALLOC_STATUS_OK && destroy_fn != nullptr) destroy_fn(userdata);
  return status;
}

shmalloc_status shmalloc_allocator_unobserve(shmalloc_allocator *allocator, uint64_t id, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    SHMALLOC_TRY(self, caching_of(allocator));
    return self->cache().unobserve(id);
  });
}
