/* SPDX-License-Identifier: MIT
 * What cgo can't say by itself: callbacks, and structs that would have to hold pointers of Go's. */
#ifndef SHMALLOC_GO_SHIM_H
#define SHMALLOC_GO_SHIM_H

#include <shmalloc.h>
#include <shmalloc/dlpack.h>
#include <shmalloc/torch.h>

/* Each `uintptr_t` is a runtime/cgo.Handle; 0: none. */
shmalloc_status shmalloc_go_adopt(shmalloc_device device, shmalloc_address address, size_t size,
                                  const shmalloc_adopt_params *params, uintptr_t destroy, shmalloc_storage **out_storage,
                                  shmalloc_error *err);
shmalloc_status shmalloc_go_set_log(shmalloc_log_level level, uintptr_t listener, shmalloc_error *err);
shmalloc_status shmalloc_go_walk(const char *prefix, uintptr_t visitor, shmalloc_error *err);
shmalloc_status shmalloc_go_call(shmalloc_device device, shmalloc_stream stream, uintptr_t function, shmalloc_error *err);
shmalloc_status shmalloc_go_observe(shmalloc_allocator *allocator, uint32_t kinds, uintptr_t observer, uint64_t *out_id,
                                    shmalloc_error *err);

/* `userdata` is whatever the user's functions take. */
shmalloc_status shmalloc_go_register(const shmalloc_backend *backend, uintptr_t userdata, shmalloc_destroy_fn destroy_fn,
                                     shmalloc_device *out_device, shmalloc_error *err);

/* `tensor` without its two pointers, which come beside it. */
shmalloc_status shmalloc_go_dlpack_export(shmalloc_storage *storage, const shmalloc_tensor *tensor, const int64_t *shape,
                                          const int64_t *strides, int32_t unversioned, void **out_managed, shmalloc_error *err);
/* Calls the tensor's deleter. */
void shmalloc_go_dlpack_delete(void *managed, int32_t unversioned);

#endif
