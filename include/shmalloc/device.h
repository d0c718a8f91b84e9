/* SPDX-License-Identifier: MIT
 * shmalloc/device.h - where memory is. */
#ifndef SHMALLOC_DEVICE_H
#define SHMALLOC_DEVICE_H

#include "shmalloc/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A device: its type in the high 32 bits, its index in the low ones. 0 is plain host memory. */
typedef uint64_t shmalloc_device;
#define SHMALLOC_DEVICE(type, index) ((shmalloc_device)(type) << 32 | (uint32_t)(index))
#define SHMALLOC_DEVICE_HOST 0

/** Types of devices: HOST is 0 (where DLPack has 1, which is never used here), others have DLPack's number, ours begin at 0x10000. In
 *  this version only HOST has an implementation; the others answer UNSUPPORTED. */
typedef enum shmalloc_device_type {
  SHMALLOC_DEVICE_TYPE_HOST = 0,
  SHMALLOC_DEVICE_TYPE_CUDA = 2,
  SHMALLOC_DEVICE_TYPE_VULKAN = 7,
  SHMALLOC_DEVICE_TYPE_FORCE32 = 0x7fffffff
} shmalloc_device_type;

/** What a device or an allocator can do, as bits. Ask before, or get UNSUPPORTED after. */
typedef enum shmalloc_capability_flags {
  SHMALLOC_CAPABILITY_HOST_ACCESS = 1,  /**< the host reads and writes the memory */
  SHMALLOC_CAPABILITY_EXPORT = 2,       /**< another process can open its storages, given their descriptor */
  SHMALLOC_CAPABILITY_EXPORT_BYTES = 4, /**< .. or given plain bytes */
  SHMALLOC_CAPABILITY_READ_ONLY = 8,    /**< .. such that the receiver can't write */
  SHMALLOC_CAPABILITY_GROW = 16,        /**< its storages can grow */
  SHMALLOC_CAPABILITY_HUGE_PAGES = 32   /**< pages larger than the machine's usual ones are to be had now */
} shmalloc_capability_flags;

/** A device, described. Output. */
typedef struct shmalloc_device_info {
  size_t struct_size;
  shmalloc_device device;
  uint64_t total;        /**< bytes of memory; of the host: RAM, or its control group's limit if that is less */
  uint64_t available;    /**< bytes of it that can be had now; what /dev/shm may hold stands in shmalloc_machine_describe */
  uint64_t page_size;    /**< bytes; what sizes are rounded up to */
  uint32_t count;        /**< devices of this type */
  uint32_t capabilities; /**< shmalloc_capability_flags */
  char name[64];         /**< for people */
} shmalloc_device_info;

/** @brief What a device is and offers.
 *  @param device SHMALLOC_DEVICE_HOST, or SHMALLOC_DEVICE(type, index)
 *  @param out_info (out) struct_size set by the caller
 *  @return OK; NOT_FOUND: no such index; UNSUPPORTED: no such type here, and why.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_device_get_info(shmalloc_device device, shmalloc_device_info *out_info, shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_DEVICE_H */
