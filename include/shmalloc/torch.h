/* SPDX-License-Identifier: MIT
 * shmalloc/torch.h - what only those who talk to PyTorch processes need. Storages go to and from PyTorch by the formats TORCH_FD and
 * TORCH_FILE of ipc.h. */
#ifndef SHMALLOC_TORCH_H
#define SHMALLOC_TORCH_H

#include "shmalloc/storage.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @brief PyTorch's count in the first four bytes of a MAP_REFCOUNTED storage's object (_shared_incref, _shared_decref). A count of 0 is
 *  never raised: the object is dying. Lowering it to 0 removes nothing; closing does.
 *  @param storage (borrowed)
 *  @param change added to the count; 0 only reads it
 *  @param out_count (out)(nullable) the count after that
 *  @return OK; STALE: the count is 0, or a peer truncated the object; INVALID: it would go below 0; UNSUPPORTED: not MAP_REFCOUNTED;
 *  CLOSED.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_torch_refcount(shmalloc_storage *storage, int32_t change, int32_t *out_count,
                                                     shmalloc_error *err);

/** @brief Answer PyTorch's torch_shm_manager protocol on a unix socket, on the calling thread, until told to stop. Names that a client
 *  registered are removed once it is gone and no living process has them open; never before.
 *  @param path (borrowed) of the socket to make; at most 107 bytes; removed at the end
 *  @param stop_fd (borrowed) returns when this becomes readable or is closed at its other end
 *  @return OK; EXISTS: somebody answers there already; NO_SPACE: path too long.  Threading: any, one for a path. Call: wait. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_torch_manager_run(const char *path, int32_t stop_fd, shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_TORCH_H */
