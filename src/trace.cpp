#include "shmalloc/trace.h"

#include <cstring>

#include "boundary.hpp"
#include "storage/survey.hpp"

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

shmalloc_status shmalloc_allocator_get_statistics(shmalloc_allocator *allocator, shmalloc_statistics *out_statistics,
                                                  shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    SHMALLOC_CHECK(check_sized(out_statistics, sizeof(shmalloc_statistics), "out_statistics"));
    SHMALLOC_TRY(self, allocator_or_current(allocator));
    shmalloc_statistics statistics{};
    self->fill_statistics(&statistics);
    write_sized(out_statistics, statistics);
    return {};
  });
}

shmalloc_status shmalloc_allocator_reset_statistics(shmalloc_allocator *allocator, uint32_t what, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    constexpr std::uint32_t kKnown = SHMALLOC_RESET_PEAKS | SHMALLOC_RESET_ACCUMULATED;
    if ((what & ~kKnown) != 0)
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "reset: bits %#x are not known to this version", what & ~kKnown);
    SHMALLOC_TRY(self, allocator_or_current(allocator));
    self->reset_statistics(what != 0 ? what : kKnown);
    return {};
  });
}

shmalloc_status shmalloc_allocator_record_history(shmalloc_allocator *allocator, const shmalloc_history_params *params,
                                                  shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    SHMALLOC_TRY(known, read_sized(params, sizeof(shmalloc_history_params), "shmalloc_history_params"));
    SHMALLOC_TRY(self, allocator_or_current(allocator));
    return self->record_history(known);
  });
}

shmalloc_status shmalloc_allocator_snapshot(shmalloc_allocator *allocator, const shmalloc_snapshot_params *params,
                                            shmalloc_allocator *to, shmalloc_storage **out_storage, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    if (out_storage == nullptr) return missing("out_storage");
    SHMALLOC_TRY(known, read_sized(params, sizeof(shmalloc_snapshot_params), "shmalloc_snapshot_params"));
    if (known.format != SHMALLOC_SNAPSHOT_FORMAT_JSON)
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "snapshot format %d is not known to this version", known.format);
    if (known.flags != 0)
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "snapshot: flags %#x are not known to this version", known.flags);
    if (to != nullptr && unwrap(to) == nullptr) return missing("to");
    if (to != nullptr && unwrap(to)->device() != SHMALLOC_DEVICE_HOST)
      return fail(SHMALLOC_STATUS_INVALID, 0, "`to` must be an allocator of the host, which writes the text");
    SHMALLOC_TRY(self, allocator_or_current(allocator));
    const std::string text = survey(*self);
    Ref<Allocator> from = Ref<Allocator>::retain(unwrap(to));
    if (!from) {
      // One for this storage alone, which the caller's own numbers do not know.
      shmalloc_allocator_params one{};
      one.kind = SHMALLOC_ALLOCATOR_KIND_DIRECT;
      SHMALLOC_TRY(made, Allocator::create(one));
      from = std::move(made);
    }
    SHMALLOC_TRY(storage, from->recorder().watch(text.size(), 0, [&]() -> Result<Ref<Storage>> {
      SHMALLOC_TRY(memory, from->make(text.size(), 0, shmalloc_storage_params{}));
      return Storage::make(std::move(memory), Ref<Allocator>::retain(from.get()), from->kind(), false);
    }));
    std::memcpy(storage->data(), text.data(), text.size());
    *out_storage = wrap(storage.take());
    return {};
  });
}
