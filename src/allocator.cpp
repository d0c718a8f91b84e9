#include "shmalloc/allocator.h"

#include <cstring>

#include "allocators/caching/caching_allocator.hpp"
#include "base/text.hpp"
#include "boundary.hpp"
#include "channel/ring.hpp"

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

shmalloc_status shmalloc_allocator_create(const shmalloc_allocator_params *params, shmalloc_allocator **out_allocator,
                                          shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    if (out_allocator == nullptr) return missing("out_allocator");
    SHMALLOC_TRY(known, read_sized(params, sizeof(shmalloc_allocator_params), "shmalloc_allocator_params"));
    SHMALLOC_TRY(made, Allocator::create(known));
    *out_allocator = wrap(made.take());
    return {};
  });
}

void shmalloc_allocator_retain(shmalloc_allocator *allocator) {
  if (Allocator *self = unwrap(allocator); self != nullptr) self->retain();
}

void shmalloc_allocator_release(shmalloc_allocator *allocator) {
  if (Allocator *self = unwrap(allocator); self != nullptr) self->release();
  static_cast<void>(guard(nullptr, []() -> Result<void> {
    catch_up();
    return {};
  }));
}

shmalloc_status shmalloc_allocator_get_current(shmalloc_device device, shmalloc_allocator **out_allocator, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    if (out_allocator == nullptr) return missing("out_allocator");
    SHMALLOC_TRY(current, Allocator::current(device));
    *out_allocator = wrap(current.take());
    return {};
  });
}

shmalloc_status shmalloc_allocator_set_current(shmalloc_allocator *allocator, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    Allocator *self = unwrap(allocator);
    if (self == nullptr) return missing("allocator");
    return Allocator::set_current(self);
  });
}

shmalloc_status shmalloc_allocator_get_info(shmalloc_allocator *allocator, shmalloc_allocator_info *out_info, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    SHMALLOC_CHECK(check_sized(out_info, sizeof(shmalloc_allocator_info), "out_info"));
    SHMALLOC_TRY(self, allocator_or_current(allocator));
    shmalloc_allocator_info info{};
    info.device = self->device();
    info.id = self->id();
    info.references = self->references() - 1;  // Not counting the one that this call took.
    info.live_storages = self->live_storages();
    info.live_bytes = self->live_bytes();
    info.alignment = self->alignment();
    info.kind = self->kind();
    info.capabilities = self->capabilities();
    static_assert(sizeof info.name == Allocator::kNameRoom);
    std::memcpy(info.name, self->name(), sizeof info.name);
    write_sized(out_info, info);
    return {};
  });
}

shmalloc_status shmalloc_allocator_configure(shmalloc_allocator *allocator, const char *config, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    if (config == nullptr) return missing("config");
    SHMALLOC_TRY(self, allocator_or_current(allocator));
    return self->configure(config);
  });
}

shmalloc_status shmalloc_allocator_get_config(shmalloc_allocator *allocator, const char *key, char *text, size_t *inout_length,
                                              shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    SHMALLOC_TRY(self, allocator_or_current(allocator));
    if (key == nullptr) return put_text(self->all_settings(), text, inout_length, "the settings");
    SHMALLOC_TRY(value, self->setting(key));
    return put_text(value, text, inout_length, "the setting");
  });
}

shmalloc_status shmalloc_allocator_trim(shmalloc_allocator *allocator, uint32_t what, uint64_t keep_bytes, uint64_t *out_bytes,
                                        shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    constexpr std::uint32_t kKnown = SHMALLOC_TRIM_DEFERRED | SHMALLOC_TRIM_EXPIRED | SHMALLOC_TRIM_FREE;
    if ((what & ~kKnown) != 0)
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "trim: bits %#x are not known to this version", what & ~kKnown);
    std::uint64_t id = 0;
    Allocator *trimmed = nullptr;
    if (allocator != nullptr) {
      Allocator *self = unwrap(allocator);
      if (self == nullptr) return missing("allocator");
      id = self->id();
      trimmed = self;
    }
    if (what == 0) what = kKnown;
    std::uint64_t bytes = 0;
    if ((what & SHMALLOC_TRIM_DEFERRED) != 0) Handle::drain_deferred();
    if ((what & SHMALLOC_TRIM_EXPIRED) != 0) bytes += end_expired(id, keep_bytes);
    if ((what & SHMALLOC_TRIM_FREE) != 0) {
      Ring::sweep_all(true);
      SharedAllocator::end_orphans();
      if (trimmed != nullptr) {
        SHMALLOC_TRY(freed, trimmed->trim(keep_bytes));
        bytes += freed;
      } else {
        bytes += Heap::trim_all(keep_bytes);
        bytes += Segment::maintain(true, Heap::clear_up_all(true));
        bytes += CachingAllocator::trim_all();
      }
    }
    if (out_bytes != nullptr) *out_bytes = bytes;
    return {};
  });
}
