/* SPDX-License-Identifier: MIT
 * shmalloc/allocator.h - where storages come from. */
#ifndef SHMALLOC_ALLOCATOR_H
#define SHMALLOC_ALLOCATOR_H

#include "shmalloc/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How memory is carved into storages. */
typedef enum shmalloc_allocator_kind {
  SHMALLOC_ALLOCATOR_KIND_DEFAULT = 0, /**< of the host: the best for sharing that is built in; nothing may depend on which */
  SHMALLOC_ALLOCATOR_KIND_DIRECT =
      1,                           /**< one allocation a storage; on the host: private memory, which shmalloc_storage_share moves */
  SHMALLOC_ALLOCATOR_KIND_MAP = 2, /**< one mapping a storage: memfd, POSIX shm object, file, descriptor, huge pages */
  SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED = 3, /**< a POSIX shm object that begins with PyTorch's 64 bytes of reference count */
  SHMALLOC_ALLOCATOR_KIND_SHARED =
      4, /**< many storages in few large segments: no descriptor and, once a process has the segment, no system call for each */
  SHMALLOC_ALLOCATOR_KIND_FORCE32 = 0x7fffffff
} shmalloc_allocator_kind;

/** Bits of shmalloc_allocator_params.flags. */
typedef enum shmalloc_allocator_flags {
  SHMALLOC_ALLOCATOR_ENVIRONMENT = 1 /**< settings in the variable SHMALLOC_CONF come after those of `config` */
} shmalloc_allocator_flags;

/** What an allocator is made of. Input.
 *
 *  `config` is text: key:value,key:value. Unknown keys and bad values are INVALID and named; nothing is applied then.
 *    alignment      DIRECT: bytes, a power of two of at least 16 (64)
 *    numa_node      number of the node that all memory is bound to; -1: any (-1)
 *    prefix         MAP*: what generated names of shared objects begin with; 1 to 31 of A-Z a-z 0-9 . _ - (shmalloc)
 *    mode           MAP*: permission bits of new files and objects, octal (0600)
 *    populate       MAP*: 1 maps every page at creation, 0 at first touch (0). Blocks are reserved in either case
 *    export_ttl_ms  MAP*: how long an export keeps a released storage (10000); see shmalloc_storage_export
 *    manager        MAP_REFCOUNTED: path of a torch_shm_manager socket to register names with; empty: none (). Making a storage waits for its
 *                   answer, at most 5 seconds
 *    segment_size   SHARED: bytes of address space for a segment, and what it may grow to; a storage that is larger gets one of its own (2^34)
 *    growth         SHARED: bytes by which a segment grows at most at a time, rounded up to 2 MiB (2^26)
 *    watermark      SHARED: bytes of free memory that are kept for later storages of a segment; what is more goes back to the system (2^28).
 *                   What threads keep ready of sizes up to 8 MiB is not in it
 *    pages          SHARED: huge: 2 MiB pages, or UNSUPPORTED; small; auto: huge where the machine gives them (auto). See
 *                   shmalloc_machine_describe
 *    sealed         SHARED: 1: only memory that no peer can cut short (STORAGE_STATE_SEALED), though huge pages may not be had then (0)
 *    named          SHARED: 1: segments are shm objects with unguessable names, which lead to them from everywhere on the machine. No huge
 *                   pages then, and a peer that cuts such an object short makes everybody who touches it raise SIGBUS, calls of
 *                   shmalloc on its storages included: for peers that you trust (0)
 *  Keys that a kind does not have are INVALID for it. numa_node, prefix, mode and export_ttl_ms go with SHARED too. */
typedef struct shmalloc_allocator_params {
  size_t struct_size;
  shmalloc_device device;
  const char *name;   /**< (copied)(nullable) for people, at most 63 bytes */
  const char *config; /**< (copied)(nullable) see above */
  int32_t kind;       /**< shmalloc_allocator_kind */
  uint32_t flags;     /**< shmalloc_allocator_flags */
} shmalloc_allocator_params;

/** An allocator, described. Output. */
typedef struct shmalloc_allocator_info {
  size_t struct_size;
  shmalloc_device device;
  uint64_t id;            /**< of this allocator in this process, from 1, never used again */
  uint64_t references;    /**< in this process, those of its storages included */
  uint64_t live_storages; /**< made by it and not yet closed or released */
  uint64_t live_bytes;    /**< their sizes added up, as they were made */
  uint64_t alignment;     /**< bytes; every storage begins at a multiple of this */
  int32_t kind;           /**< shmalloc_allocator_kind, never DEFAULT */
  uint32_t capabilities;  /**< shmalloc_capability_flags */
  char name[64];
} shmalloc_allocator_info;

/** What shmalloc_allocator_trim does, as bits. */
typedef enum shmalloc_trim_flags {
  SHMALLOC_TRIM_DEFERRED = 1, /**< do what shmalloc_release_deferred put off */
  SHMALLOC_TRIM_EXPIRED = 2,  /**< give back what only exports past their time to live keep */
  SHMALLOC_TRIM_FREE = 4 /**< kind SHARED: give free memory back, what the dead held included; without an allocator also unmap what
                                   others made and nothing here uses. What other threads keep ready goes at their end */
} shmalloc_trim_flags;

/** @brief Make an allocator.
 *  @param params (copied)(nullable) NULL: kind DEFAULT on the host
 *  @param out_allocator (owned) one reference
 *  @return OK; INVALID: names the key or field; UNSUPPORTED: no such device or kind here.
 *  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_create(const shmalloc_allocator_params *params, shmalloc_allocator **out_allocator,
                                                       shmalloc_error *err);

/** @brief One reference more.
 *  @param allocator (retained)(nullable)
 *  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API void shmalloc_allocator_retain(shmalloc_allocator *allocator);

/** @brief One reference less. Each storage holds a reference of its own, so an allocator outlives all that it made.
 *  @param allocator (adopted)(nullable) nothing happens for NULL
 *  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API void shmalloc_allocator_release(shmalloc_allocator *allocator);

/** @brief The current allocator of a device. The host's stands for NULL wherever an allocator is asked for, unless @param says something
 *  else. It is made when it is first needed, with kind DEFAULT, and reads no environment.
 *  @param device its device
 *  @param out_allocator (owned) one reference
 *  @return OK; UNSUPPORTED: no such device here.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_get_current(shmalloc_device device, shmalloc_allocator **out_allocator,
                                                            shmalloc_error *err);

/** @brief Make an allocator the current one of its device. Storages are always given back to the allocator that made
 *  them.
 *  @param allocator (retained)
 *  @return OK; BUSY: storages of the current one are live.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_set_current(shmalloc_allocator *allocator, shmalloc_error *err);

/** @brief Describe an allocator.
 *  @param allocator (borrowed)(nullable) NULL: the current one of the host
 *  @param out_info (out) struct_size set by the caller
 *  @return OK.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_get_info(shmalloc_allocator *allocator, shmalloc_allocator_info *out_info,
                                                         shmalloc_error *err);

/** @brief Change settings: all that the text names, or none. Storages made before keep what they were made with.
 *  @param allocator (borrowed)(nullable) NULL: the current one of the host
 *  @param config (copied) as in shmalloc_allocator_params
 *  @return OK; INVALID: names the key.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_configure(shmalloc_allocator *allocator, const char *config, shmalloc_error *err);

/** @brief Settings in force, in the same syntax.
 *  @param allocator (borrowed)(nullable) NULL: the current one of the host
 *  @param key (borrowed)(nullable) one key, whose value is given; NULL: all as key:value,key:value
 *  @param text (array *inout_length)(nullable) where to write; ends with a zero byte
 *  @param inout_length (inout) in: room of text; out: bytes needed, zero byte included
 *  @return OK; NOT_FOUND: no such key; NO_SPACE with the length set.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_get_config(shmalloc_allocator *allocator, const char *key, char *text,
                                                           size_t *inout_length, shmalloc_error *err);

/** @brief Give back what is kept for later.
 *  @param allocator (borrowed)(nullable) whose; NULL: every allocator's
 *  @param what shmalloc_trim_flags; 0: all, those of later versions too
 *  @param keep_bytes stop when no more than this is kept; 0: keep nothing
 *  @param out_bytes (out)(nullable) how much was given back, as far as is known
 *  @return OK.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_trim(shmalloc_allocator *allocator, uint32_t what, uint64_t keep_bytes,
                                                     uint64_t *out_bytes, shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_ALLOCATOR_H */
