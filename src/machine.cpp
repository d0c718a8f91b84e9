#include "shmalloc/machine.h"

#include "allocators/settings.hpp"
#include "base/text.hpp"
#include "boundary.hpp"
#include "device/host/machine.hpp"

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

namespace {

constexpr const char *kDefaultPrefix = "shmalloc";

Result<const char *> checked_prefix(const char *prefix) {
  if (prefix == nullptr) return kDefaultPrefix;
  if (!valid_prefix(prefix))
    return fail(SHMALLOC_STATUS_INVALID, 0, "prefix must be 1 to 31 of A-Z a-z 0-9 . _ -, not \"%.40s\"", prefix);
  return prefix;
}

}  // namespace

shmalloc_status shmalloc_machine_describe(char *text, size_t *inout_length, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    SHMALLOC_CHECK(prepare_process());  // It may begin to use a device.
    SHMALLOC_TRY(json, describe_machine());
    return put_text(json, text, inout_length, "the description");
  });
}

shmalloc_status shmalloc_machine_walk(const char *prefix, shmalloc_object_fn fn, void *userdata, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    if (fn == nullptr) return missing("fn");
    SHMALLOC_TRY(known, checked_prefix(prefix));
    return walk_objects(known, fn, userdata);
  });
}

shmalloc_status shmalloc_machine_reclaim(const char *name, const char *prefix, uint32_t flags, uint64_t *out_objects,
                                         uint64_t *out_bytes, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    SHMALLOC_TRY(known, checked_prefix(prefix));
    constexpr std::uint32_t kKnown = SHMALLOC_RECLAIM_FORCE | SHMALLOC_RECLAIM_DRY_RUN;
    if ((flags & ~kKnown) != 0)
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "flags %#x are not known to this version", flags & ~kKnown);
    if (name == nullptr && (flags & SHMALLOC_RECLAIM_FORCE) != 0) return fail(SHMALLOC_STATUS_INVALID, 0, "FORCE goes with a name");
    SHMALLOC_TRY(reclaimed, name != nullptr ? reclaim_object(name, known, flags) : reclaim_all(known, flags));
    if (out_objects != nullptr) *out_objects = reclaimed.objects;
    if (out_bytes != nullptr) *out_bytes = reclaimed.bytes;
    return {};
  });
}
