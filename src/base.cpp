#include "shmalloc/base.h"

#include "base/log.hpp"
#include "base/text.hpp"
#include "boundary.hpp"
#include "channel/ring.hpp"

namespace shmalloc {

void catch_up_slowly() {
  due_at.exchange(kNever, std::memory_order_acq_rel);
  try {
    Handle::drain_deferred();
    end_expired(0, 0);
    Ring::sweep_all(false);
    SharedAllocator::end_orphans();
    Segment::maintain(false, Heap::clear_up_all(false));
  } catch (...) {
    Segment::want_maintenance();  // What is left is due all the same.
    throw;
  }
}

}  // namespace shmalloc

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

uint32_t shmalloc_version(void) { return SHMALLOC_VERSION; }

const char *shmalloc_version_string(void) { return SHMALLOC_VERSION_TEXT; }

const char *shmalloc_status_name(int32_t status) { return status_name(status); }

shmalloc_status shmalloc_set_log(shmalloc_log_fn fn, shmalloc_log_level level, void *userdata, shmalloc_destroy_fn destroy_fn,
                                 shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    if (level < SHMALLOC_LOG_LEVEL_NONE || level > SHMALLOC_LOG_LEVEL_NOTE) {
      if (destroy_fn != nullptr) destroy_fn(userdata);
      return fail(SHMALLOC_STATUS_INVALID, 0, "%d is no log level", static_cast<int>(level));
    }
    const auto prepared = prepare_process();
    if (!prepared || !set_log(fn, level, userdata, destroy_fn)) {
      if (destroy_fn != nullptr) destroy_fn(userdata);
      if (!prepared) return prepared;
      return fail(SHMALLOC_STATUS_BUSY, 0, "a log listener can't replace itself");
    }
    catch_up();
    return {};
  });
}

shmalloc_status shmalloc_format_size(uint64_t size, char *text, size_t *inout_length, shmalloc_error *err) {
  return guard(err, [&] { return put_text(size_text(size).text, text, inout_length, "the size"); });
}

void shmalloc_release_deferred(void *handle) {
  auto *object = static_cast<Handle *>(handle);
  if (object != nullptr &&
      (object->is(HandleType::storage) || object->is(HandleType::allocator) || object->is(HandleType::channel)))
    object->defer();
}
