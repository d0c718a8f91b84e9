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
  SHMALLOC_ALLOCATOR_KIND_DEFAULT = 0, /**< of the host: the best for sharing, nothing may depend on which; of devices: CACHING */
  SHMALLOC_ALLOCATOR_KIND_DIRECT =
      1,                           /**< one allocation a storage; on the host: private memory, which shmalloc_storage_share moves */
  SHMALLOC_ALLOCATOR_KIND_MAP = 2, /**< one mapping a storage: memfd, POSIX shm object, file, descriptor, huge pages */
  SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED = 3, /**< a POSIX shm object that begins with PyTorch's 64 bytes of reference count */
  SHMALLOC_ALLOCATOR_KIND_SHARED =
      4, /**< many storages in few large segments: no descriptor and, once a process has the segment, no system call for each */
  SHMALLOC_ALLOCATOR_KIND_CACHING = 5, /**< of devices: blocks of few segments, which serve again in the order of their streams */
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
 *  Keys that a kind does not have are INVALID for it. numa_node, prefix, mode and export_ttl_ms go with SHARED too.
 *
 *  CACHING has PyTorch's keys. A text changes what it names and nothing else, whenever it comes; spaces do not count.
 *    max_split_size_mb             MiB, at least large_segment_size_mb; larger blocks are not split; unlimited (unlimited)
 *    max_non_split_rounding_mb     MiB, at least large_segment_size_mb: how much larger than asked for such a block may be (20)
 *    large_segment_size_mb         MiB, more than 10: what is asked of the device for blocks of 1 to 10 MiB (20)
 *    roundup_power2_divisions      a power of two: sizes are rounded up to so many steps between powers of two; or [MiB:n,..,>:n] by
 *                                  size; 0: multiples of 512 (0)
 *    garbage_collection_threshold  part of the limit (or, without one, of the device) from which segments long unused go back, below 1;
 *                                  0: never (0)
 *    per_process_memory_fraction   part of the device's memory that may be had from it, 0 to 1 (1)
 *    backend:native, expandable_segments:False, release_lock_on_cudamalloc:True, graph_capture_record_stream_reuse:False and
 *    throw_on_cudamalloc_oom:False are taken, and say what is so anyway; their other values are INVALID. */
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
                                   others made and nothing here uses. What other threads keep ready goes at their end.
                                   Kind CACHING: wait for the device, then give back what is not in use (PyTorch's empty_cache), all
                                   threads' included; keep_bytes does not count. BUSY while a stream is captured */
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

/* ---- kind CACHING: memory by address, for plug points ---- */

/** @brief Memory of a device by its address, for work on a stream. What was given back on that stream may be had again at once: in its
 *  order nobody uses it any more. A storage (shmalloc_storage_create) is the same with an owner.
 *  @param allocator (borrowed)
 *  @param size bytes, rounded up as the settings say; 0: the address is 0, and nothing is allocated
 *  @param stream of the first use; not CUDA's 2, which is another stream in each thread (UNSUPPORTED), here and below
 *  @param out_address (out) a multiple of 512, or of the device's alignment if that is less
 *  @return OK; NO_MEMORY, with what stands in the way.  Threading: any. Call: wait +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_allocate(shmalloc_allocator *allocator, size_t size, shmalloc_stream stream,
                                                         shmalloc_address *out_address, shmalloc_error *err);

/** @brief Give memory back, in the order of its streams: work that was queued until now is done before anybody else has it.
 *  @param allocator (borrowed) that gave it
 *  @param address that shmalloc_allocator_allocate gave; 0: nothing happens
 *  @param stream where it was used last: a stream other than its own is noted as shmalloc_allocator_record_stream does;
 *  SHMALLOC_STREAM_OWN: its own, or those that were noted
 *  @return OK, in a forked child too, where nothing happens; NOT_FOUND: no block in use begins there.
 *  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_deallocate(shmalloc_allocator *allocator, shmalloc_address address,
                                                           shmalloc_stream stream, shmalloc_error *err);

/** @brief Another stream uses this memory: what is queued there when it is given back is done before anybody else has it.
 *  @param allocator (borrowed) that gave it
 *  @param address where a block in use begins; a storage's too
 *  @param stream that uses it
 *  @return OK; NOT_FOUND: no block in use begins there.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_record_stream(shmalloc_allocator *allocator, shmalloc_address address,
                                                              shmalloc_stream stream, shmalloc_error *err);

/** @brief What the device gave in one piece, of which this memory is a part: what IPC handles of a device speak of.
 *  @param allocator (borrowed) that gave it
 *  @param address where a block in use begins; a storage's too
 *  @param out_base (out) first byte of the segment
 *  @param out_size (out) its bytes
 *  @return OK; NOT_FOUND: no block in use begins there.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_get_base(shmalloc_allocator *allocator, shmalloc_address address,
                                                         shmalloc_address *out_base, uint64_t *out_size, shmalloc_error *err);

/** What an allocator of kind CACHING could give. Output. */
typedef struct shmalloc_cache_info {
  size_t struct_size;
  uint64_t largest;   /**< bytes: what might be had in one piece: the largest cached block, or all that the device has */
  uint64_t cached;    /**< bytes that were had from the device and are not in use, those that wait for streams not included */
  uint64_t available; /**< bytes that the device has now; UINT64_MAX: it does not say */
  uint64_t total;     /**< bytes of the device, likewise */
} shmalloc_cache_info;

/** @brief What might be had, and what is cached.
 *  @param allocator (borrowed)
 *  @param out_info (out) struct_size set by the caller
 *  @return OK.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_get_cache_info(shmalloc_allocator *allocator, shmalloc_cache_info *out_info,
                                                               shmalloc_error *err);

/** Settings of kind CACHING by fields, with the meanings of the keys of `config`. Input. A field that is 0 stays as it is. */
typedef struct shmalloc_caching_params {
  size_t struct_size;
  uint64_t max_split_size;         /**< bytes, whole MiB; UINT64_MAX: unlimited */
  uint64_t max_non_split_rounding; /**< bytes, whole MiB */
  uint64_t large_segment_size;     /**< bytes, whole MiB */
  uint32_t garbage_collection_ppm; /**< garbage_collection_threshold in millionths, less than 10^6; UINT32_MAX: never */
  uint32_t memory_ppm;             /**< per_process_memory_fraction in millionths, at most 10^6; UINT32_MAX: nothing may be had */
  uint32_t roundup_divisions[16];  /**< of sizes from 2^n MiB; the first of smaller, the last of larger ones too; 1: none */
} shmalloc_caching_params;

/** @brief Change settings by fields: all that are not 0, or none.
 *  @param allocator (borrowed)
 *  @param params (copied)
 *  @return OK; INVALID: names the field.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_configure_caching(shmalloc_allocator *allocator,
                                                                  const shmalloc_caching_params *params, shmalloc_error *err);

/** What observers hear of, as bits. */
typedef enum shmalloc_notice_flags {
  SHMALLOC_NOTICE_MEMORY_LOW = 1,   /**< nothing cached fits: before the device is asked. Who gives memory back now answers 1 */
  SHMALLOC_NOTICE_OUT_OF_MEMORY = 2 /**< an allocation fails, after all was tried */
} shmalloc_notice_flags;

/** What an observer hears. */
typedef struct shmalloc_notice {
  size_t struct_size;
  const char *report; /**< (borrowed) OUT_OF_MEMORY: lines for people, what is used by whom and what would help; else empty */
  shmalloc_device device;
  uint64_t allocator_id;
  shmalloc_stream stream;
  uint64_t requested;     /**< bytes, as they were asked for */
  uint64_t rounded;       /**< bytes of the block that is wanted */
  uint64_t total;         /**< bytes of the device */
  uint64_t available;     /**< bytes that the device says it has; UINT64_MAX: it does not say */
  uint64_t limit;         /**< bytes that the settings let be had from it */
  uint64_t reserved;      /**< bytes that were had from it */
  uint64_t allocated;     /**< bytes in use */
  uint64_t pending;       /**< bytes given back that wait for streams */
  uint64_t largest_free;  /**< bytes of the largest cached block */
  int32_t kind;           /**< one of shmalloc_notice_flags */
  uint32_t fragmentation; /**< percent of what is cached that is not in the largest block */
} shmalloc_notice;

/** Hears of something. Runs on the thread whose call it is, on several at once, with no lock held, and may call shmalloc, but not
 *  shmalloc_allocator_unobserve of itself. What its own calls cause it does not hear of. Must not unwind. Its answer counts for MEMORY_LOW: 1 if it gave memory back. */
typedef int32_t (*shmalloc_observer_fn)(const shmalloc_notice *notice, void *userdata);

/** @brief Hear what happens in an allocator.
 *  @param allocator (borrowed)
 *  @param kinds shmalloc_notice_flags: of what
 *  @param fn (retained) until it is taken off, or the allocator ends
 *  @param userdata (adopted)(nullable) passed to fn
 *  @param destroy_fn (nullable) gives userdata back; runs on failure too
 *  @param out_id (out) for shmalloc_allocator_unobserve
 *  @return OK; NO_SPACE: 16 observe it already; UNSUPPORTED: not of kind CACHING.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_observe(shmalloc_allocator *allocator, uint32_t kinds, shmalloc_observer_fn fn,
                                                        void *userdata, shmalloc_destroy_fn destroy_fn, uint64_t *out_id,
                                                        shmalloc_error *err);

/** @brief Hear no more. When this returns, no call to the observer runs any more, and its destroy_fn has run.
 *  @param allocator (borrowed)
 *  @param id that shmalloc_allocator_observe gave
 *  @return OK; NOT_FOUND; BUSY: called by the observer itself, or by one that the observer waits for.  Threading: any. Call: wait +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_unobserve(shmalloc_allocator *allocator, uint64_t id, shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_ALLOCATOR_H */
