/* SPDX-License-Identifier: MIT
 * shmalloc/dlpack.h - storages to and from every array library that speaks DLPack. Its structs are only named here: dlpack.h itself is
 * needed by those who look inside. "Unversioned" is what DLPack had before version 1.0, and what many libraries still ask for. */
#ifndef SHMALLOC_DLPACK_H
#define SHMALLOC_DLPACK_H

#include "shmalloc/storage.h"

#ifdef __cplusplus
extern "C" {
#endif

struct DLManagedTensorVersioned;
struct DLManagedTensor;

/** Bits of shmalloc_tensor.flags. */
typedef enum shmalloc_tensor_flags {
  SHMALLOC_TENSOR_READ_ONLY = 1, /**< nobody may write through it; of an import: its maker forbids it */
  SHMALLOC_TENSOR_PADDED = 2     /**< elements of less than a byte take one each; without it they are packed */
} shmalloc_tensor_flags;

/** How the bytes of a storage are seen as an array. Input of an export, output of an import. All zero but for struct_size: a vector of bytes,
 *  all of the storage. Of an import, shape and strides are the tensor's own: copy them before the storage is shared, closed or
 *  released. */
typedef struct shmalloc_tensor {
  size_t struct_size;
  const int64_t *shape;   /**< (array ndim)(copied)(nullable) elements in each dimension; not negative */
  const int64_t *strides; /**< (array ndim)(copied)(nullable) elements from an index to the next, any sign; NULL: as C has arrays */
  uint64_t offset;        /**< bytes from the storage's first to the element whose indices are all 0 */
  int32_t ndim;           /**< dimensions, at most 64; 0 is one element if `bits` is not 0 */
  uint32_t flags;         /**< shmalloc_tensor_flags */
  uint8_t code;           /**< DLPack's DLDataTypeCode: 0 int, 1 unsigned, 2 float, 4 bfloat, 5 complex, 6 bool, .. */
  uint8_t bits;           /**< of one lane; 0 with code, lanes and ndim 0: a vector of bytes */
  uint16_t lanes;         /**< 0: 1 */
  uint32_t reserved;      /**< 0 */
} shmalloc_tensor;

/** @brief A tensor over a storage's bytes, for any DLPack consumer. It holds a pin on the storage until its deleter is called, which any
 *  thread may do, a finalizer too.
 *  @param storage (retained) until the deleter
 *  @param tensor (copied)(nullable) NULL: all its bytes; read-only memory is READ_ONLY whether asked for or not
 *  @param out_managed (owned) give it back by its deleter, or to a consumer, who does so
 *  @return OK; INVALID: it reaches beyond the storage, or can't be as it says; CLOSED; BUSY: the storage is being moved right now.
 *  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_dlpack_export(shmalloc_storage *storage, const shmalloc_tensor *tensor,
                                                    struct DLManagedTensorVersioned **out_managed, shmalloc_error *err);

/** @brief The same for consumers that know no versions. It can't say that it is read-only.
 *  @param storage (retained) until the deleter
 *  @param tensor (copied)(nullable) as above
 *  @param out_managed (owned) as above
 *  @return as above; PERMISSION: READ_ONLY was asked for, or the memory is; UNSUPPORTED: PADDED, which it can't say either.
 *  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_dlpack_export_unversioned(shmalloc_storage *storage, const shmalloc_tensor *tensor,
                                                                struct DLManagedTensor **out_managed, shmalloc_error *err);

/** @brief A storage over somebody's tensor: from its lowest byte to its highest. As all adopted memory it is private to this process, until
 *  shmalloc_storage_share moves it. The tensor's deleter runs when the storage is closed or shared, or its
 *  last reference goes; never in a forked child of the process that imported it, nor once that process ends.
 *  @param managed (adopted) its deleter runs on failure too
 *  @param out_tensor (out)(nullable) struct_size set by the caller: how the bytes are to be seen
 *  @param out_storage (owned) one reference
 *  @return OK; VERSION: its major version is not 1; UNSUPPORTED: it lies on a device that is not there; CORRUPT: it can't be as it says.
 *  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_dlpack_import(struct DLManagedTensorVersioned *managed, shmalloc_tensor *out_tensor,
                                                    shmalloc_storage **out_storage, shmalloc_error *err);

/** @brief The same from producers that know no versions.
 *  @param managed (adopted) as above
 *  @param out_tensor (out)(nullable) as above
 *  @param out_storage (owned) one reference
 *  @return as above, VERSION excepted.
 *  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_dlpack_import_unversioned(struct DLManagedTensor *managed, shmalloc_tensor *out_tensor,
                                                                shmalloc_storage **out_storage, shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_DLPACK_H */
