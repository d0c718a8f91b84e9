/* Handles as values. */
#ifndef SHMALLOC_TESTS_HANDLES_H
#define SHMALLOC_TESTS_HANDLES_H

#include "support.h"

struct handle {
  uint8_t bytes[SHMALLOC_HANDLE_MAX];
  size_t length;
};

static inline struct handle export_of(shmalloc_storage *storage, uint32_t flags, int64_t ttl_ns) {
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  struct handle handle = {.length = SHMALLOC_HANDLE_MAX};
  params.flags = flags;
  params.ttl_ns = ttl_ns;
  OK(shmalloc_storage_export(storage, &params, handle.bytes, &handle.length, err));
  return handle;
}

static inline shmalloc_status import_of(const struct handle *handle, uint32_t flags, shmalloc_storage **out, shmalloc_error *err) {
  shmalloc_import_params params = SHMALLOC_INIT(shmalloc_import_params);
  params.flags = flags;
  return shmalloc_storage_import(handle->bytes, handle->length, NULL, 0, &params, out, err);
}

static inline shmalloc_handle_info handle_info(const struct handle *handle) {
  shmalloc_handle_info info = SHMALLOC_INIT(shmalloc_handle_info);
  OK(shmalloc_handle_get_info(handle->bytes, handle->length, &info, err));
  return info;
}

#endif
