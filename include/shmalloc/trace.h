/* SPDX-License-Identifier: MIT
 * shmalloc/trace.h - what an allocator did and has: statistics, peaks, history, snapshots. */
#ifndef SHMALLOC_TRACE_H
#define SHMALLOC_TRACE_H

#include "shmalloc/allocator.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One statistic. Fixed layout for ever, like shmalloc_error: no struct_size. */
typedef struct shmalloc_stat {
  int64_t current; /**< now */
  int64_t peak; /**< the most that current was since the peaks were reset; no moment is missed, whatever threads do. Of SHARED: see
                          shmalloc_statistics */
  int64_t allocated; /**< all that was ever added */
  int64_t freed;     /**< all that was ever taken away */
} shmalloc_stat;

/** Index of the arrays in shmalloc_statistics. Memory stays in the pool that it was in when it was made. */
typedef enum shmalloc_stat_pool {
  SHMALLOC_STAT_POOL_ALL = 0,
  SHMALLOC_STAT_POOL_SMALL = 1, /**< storages of at most 1 MiB, and their segments */
  SHMALLOC_STAT_POOL_LARGE = 2,
  SHMALLOC_STAT_POOL_FORCE32 = 0x7fffffff
} shmalloc_stat_pool;

/** What an allocator has and had. Output. Each array and number has PyTorch's name and meaning.
 *
 *  A segment is what is asked of the system in one piece, and a block what one storage gets of it. DIRECT and MAP* make one segment a
 *  storage, with one block that fills it: nothing is split, kept for later or retried there, so what tells of that is 0.
 *  Storages that came by adopt, import or receive have no allocator, and are in nobody's statistics. A forked child begins with its
 *  parent's numbers.
 *  SHARED carves storages out of few segments, LARGE ones: pending is there also what other processes hold, inactive_split what is free in
 *  segments. Its threads keep some free blocks ready, which count as used in the peaks, so those are that much too high at most; SMALL is
 *  what shares a unit of 16 KiB with others.
 *  CACHING: segments are the device's. Its threads keep some free blocks ready: these are neither active nor inactive_split, but count in the
 *  peaks of allocation and active; the peak of requested_bytes is that of allocated_bytes; with several threads peaks of bytes may be that much
 *  too high as well. Pending is what waits for streams.
 *  Numbers are exact, not sampled. While other threads allocate, those of one answer may be of slightly different moments. */
typedef struct shmalloc_statistics {
  size_t struct_size;
  shmalloc_stat allocation[3];           /**< storages: made, and neither closed nor released */
  shmalloc_stat segment[3];              /**< objects of the kernel, or private allocations */
  shmalloc_stat active[3];               /**< blocks in use: those of allocation, and pending */
  shmalloc_stat inactive_split[3];       /**< free rests of segments that are in use in part */
  shmalloc_stat allocated_bytes[3];      /**< blocks of allocation: sizes rounded up; to whole pages for MAP*, header included */
  shmalloc_stat reserved_bytes[3];       /**< segments */
  shmalloc_stat active_bytes[3];         /**< blocks of active */
  shmalloc_stat inactive_split_bytes[3]; /**< blocks of inactive_split */
  shmalloc_stat requested_bytes[3];      /**< blocks of allocation, as they were asked for, growth included */
  shmalloc_stat oversize_allocations;    /**< blocks larger than max_split_size */
  shmalloc_stat oversize_segments;       /**< segments larger than max_split_size */
  shmalloc_stat pending;                 /**< released here, kept until the time of an export is over */
  shmalloc_stat pending_bytes;           /**< their blocks */
  int64_t num_alloc_retries;             /**< allocations tried again after what was kept for later had been given back */
  int64_t num_ooms;                      /**< storages that could not be made: NO_MEMORY, NO_SPACE */
  int64_t num_sync_all_streams;          /**< waits for every stream of the device; 0 on the host */
  int64_t num_device_alloc;              /**< segments made */
  int64_t num_device_free;               /**< segments given back */
  int64_t max_split_size;                /**< bytes; larger segments are not split; -1: no limit */
} shmalloc_statistics;

/** Bits of shmalloc_allocator_reset_statistics' what. */
typedef enum shmalloc_reset_flags {
  SHMALLOC_RESET_PEAKS = 1,      /**< peak becomes current */
  SHMALLOC_RESET_ACCUMULATED = 2 /**< allocated, freed and what begins with num_ become 0 */
} shmalloc_reset_flags;

/** Bits of shmalloc_history_params.flags. */
typedef enum shmalloc_history_flags {
  SHMALLOC_HISTORY_RECORD = 1, /**< record from now on; without it recording ends, and what was recorded stays */
  SHMALLOC_HISTORY_CLEAR = 2   /**< forget what was recorded before */
} shmalloc_history_flags;

/** How history is recorded. Input. */
typedef struct shmalloc_history_params {
  size_t struct_size;
  uint64_t max_entries; /**< how many of the newest entries are kept; 0: 100000. One takes 48 bytes, had when it is needed */
  uint32_t flags;       /**< shmalloc_history_flags */
  uint32_t reserved;    /**< 0 */
} shmalloc_history_params;

/** What a snapshot is written as. */
typedef enum shmalloc_snapshot_format {
  SHMALLOC_SNAPSHOT_FORMAT_JSON = 0, /**< UTF-8, without a zero byte at its end */
  SHMALLOC_SNAPSHOT_FORMAT_FORCE32 = 0x7fffffff
} shmalloc_snapshot_format;

/** How a snapshot is made. Input. */
typedef struct shmalloc_snapshot_params {
  size_t struct_size;
  int32_t format; /**< shmalloc_snapshot_format */
  uint32_t flags; /**< 0 */
} shmalloc_snapshot_params;

/** @brief What an allocator has and had.
 *  @param allocator (borrowed)(nullable) NULL: the current one of the host
 *  @param out_statistics (out) struct_size set by the caller
 *  @return OK.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_get_statistics(shmalloc_allocator *allocator, shmalloc_statistics *out_statistics,
                                                               shmalloc_error *err);

/** @brief Begin to count anew. What is current stays.
 *  @param allocator (borrowed)(nullable) NULL: the current one of the host
 *  @param what shmalloc_reset_flags; 0: all, those of later versions too
 *  @return OK.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_reset_statistics(shmalloc_allocator *allocator, uint32_t what, shmalloc_error *err);

/** @brief Record what an allocator does: what is made, released and given back, and what could not be made, each with address, size,
 *  time and thread. Off at first, and costs nothing then. shmalloc_allocator_snapshot tells what was recorded. Recording never makes
 *  another call fail: where memory for more entries is not to be had, fewer are kept.
 *  @param allocator (borrowed)(nullable) NULL: the current one of the host
 *  @param params (copied)(nullable) NULL: recording ends
 *  @return OK.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_record_history(shmalloc_allocator *allocator, const shmalloc_history_params *params,
                                                               shmalloc_error *err);

/** @brief What an allocator has now, and its history, as one JSON object with PyTorch's keys, which its tools read: segments with their
 *  blocks in order of address, device_traces (one, the oldest entry first), allocator_settings, external_annotations. A block of a
 *  released storage that an export keeps is active_pending_free. Storages without bytes have no block. What PyTorch does not know stands
 *  under the key shmalloc. Keys are added, never renamed. The text itself is not in it.
 *  @param allocator (borrowed)(nullable) NULL: the current one of the host
 *  @param params (copied)(nullable) NULL: all zero
 *  @param to (retained)(nullable) allocator that the text's storage comes from; NULL: private memory
 *  @param out_storage (owned) one reference; its size is that of the text
 *  @return OK; NO_SPACE.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_allocator_snapshot(shmalloc_allocator *allocator, const shmalloc_snapshot_params *params,
                                                         shmalloc_allocator *to, shmalloc_storage **out_storage,
                                                         shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_TRACE_H */
