/* SPDX-License-Identifier: MIT */
#include "shim.h"

#include "_cgo_export.h"

static void drop(void *userdata) { shmallocGoDrop((uintptr_t)userdata); }

static void hear(int32_t level, const char *message, void *userdata) { shmallocGoLog(level, (char *)message, (uintptr_t)userdata); }

static int32_t visit(const shmalloc_object_info *object, void *userdata) {
  return shmallocGoVisit((shmalloc_object_info *)object, (uintptr_t)userdata);
}

static void work(void *userdata) { shmallocGoWork((uintptr_t)userdata); }

static int32_t notice(const shmalloc_notice *what, void *userdata) {
  return shmallocGoNotice((shmalloc_notice *)what, (uintptr_t)userdata);
}

shmalloc_status shmalloc_go_adopt(shmalloc_device device, shmalloc_address address, size_t size,
                                  const shmalloc_adopt_params *params, uintptr_t destroy, shmalloc_storage **out_storage,
                                  shmalloc_error *err) {
  return shmalloc_storage_adopt(device, address, size, params, (void *)destroy, destroy ? drop : NULL, out_storage, err);
}

shmalloc_status shmalloc_go_set_log(shmalloc_log_level level, uintptr_t listener, shmalloc_error *err) {
  return shmalloc_set_log(listener ? hear : NULL, level, (void *)listener, listener ? drop : NULL, err);
}

shmalloc_status shmalloc_go_walk(const char *prefix, uintptr_t visitor, shmalloc_error *err) {
  return shmalloc_machine_walk(prefix, visit, (void *)visitor, err);
}

shmalloc_status shmalloc_go_call(shmalloc_device device, shmalloc_stream stream, uintptr_t function, shmalloc_error *err) {
  return shmalloc_stream_call(device, stream, work, (void *)function, err);
}

shmalloc_status shmalloc_go_observe(shmalloc_allocator *allocator, uint32_t kinds, uintptr_t observer, uint64_t *out_id,
                                    shmalloc_error *err) {
  return shmalloc_allocator_observe(allocator, kinds, notice, (void *)observer, drop, out_id, err);
}

shmalloc_status shmalloc_go_register(const shmalloc_backend *backend, uintptr_t userdata, shmalloc_destroy_fn destroy_fn,
                                     shmalloc_device *out_device, shmalloc_error *err) {
  return shmalloc_device_register(backend, (void *)userdata, destroy_fn, out_device, err);
}

shmalloc_status shmalloc_go_dlpack_export(shmalloc_storage *storage, const shmalloc_tensor *tensor, const int64_t *shape,
                                          const int64_t *strides, int32_t unversioned, void **out_managed, shmalloc_error *err) {
  shmalloc_tensor whole = *tensor;
  whole.shape = shape;
  whole.strides = strides;
  if (unversioned) {
    return shmalloc_dlpack_export_unversioned(storage, &whole, (struct DLManagedTensor **)out_managed, err);
  }
  return shmalloc_dlpack_export(storage, &whole, (struct DLManagedTensorVersioned **)out_managed, err);
}

/* DLPack's two structs as far as their deleters, which its ABI fixes. */
struct versioned {
  uint32_t version[2];
  void *manager_ctx;
  void (*deleter)(struct versioned *self);
};

struct unversioned {
  struct {
    void *data;
    int32_t device_type, device_id, ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
  } tensor;
  void *manager_ctx;
  void (*deleter)(struct unversioned *self);
};

void shmalloc_go_dlpack_delete(void *managed, int32_t unversioned) {
  if (unversioned) {
    struct unversioned *self = managed;
    if (self->deleter) {
      self->deleter(self);
    }
  } else {
    struct versioned *self = managed;
    if (self->deleter) {
      self->deleter(self);
    }
  }
}
