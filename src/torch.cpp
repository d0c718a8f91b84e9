#include "shmalloc/torch.h"

#include "boundary.hpp"
#include "torch/manager.hpp"

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

shmalloc_status shmalloc_torch_refcount(shmalloc_storage *storage, int32_t change, int32_t *out_count, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    SHMALLOC_TRY(count, self->refcount(change));
    if (out_count != nullptr) *out_count = count;
    return {};
  });
}

shmalloc_status shmalloc_torch_manager_run(const char *path, int32_t stop_fd, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    if (path == nullptr) return missing("path");
    return run_manager(path, stop_fd);
  });
}
