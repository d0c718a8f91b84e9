/* SPDX-License-Identifier: MIT
 * shmalloc/backend.h - bring your own device: a table of functions gets the caching allocator, its statistics and storages.
 *
 * Every function gets the device's `userdata` last, may be called by any thread, several at once, and answers 0 for done, a
 * shmalloc_status (NO_MEMORY when there is none left), or a positive code of yours, which comes out as BACKEND with
 * err->backend_error. A call that fails changes nothing. Addresses, streams, events and memory are numbers of yours; 0 is the default stream,
 * and nothing else is ever 0. The functions are not called in a forked child, nor once the process exits. They may call shmalloc's
 * leaves only.
 *
 * allocate and deallocate are needed, and everything else may be NULL:
 *   memory_info                      else what is had is counted against nothing: allocate says when there is no more
 *   copy, fill                       with HOST_ACCESS the host does it when they are NULL; else copies and ZEROED are UNSUPPORTED
 *   streams and events, all or none  else there is the default stream only, and all work on it is done when its call returns
 *   synchronize, stream_capturing, call, enable_peer   each for itself
 *   virtual memory, all or none */
#ifndef SHMALLOC_BACKEND_H
#define SHMALLOC_BACKEND_H

#include "shmalloc/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Makes something: memory of so many bytes; size is 0 for what has none. */
typedef int32_t (*shmalloc_backend_make_fn)(uint64_t size, uint64_t *out_number, void *userdata);
/** Does something with an address or memory, of so many bytes. */
typedef int32_t (*shmalloc_backend_range_fn)(uint64_t number, uint64_t size, void *userdata);
/** Does something with a stream or an event. */
typedef int32_t (*shmalloc_backend_number_fn)(uint64_t number, void *userdata);
/** Asks something of a stream or an event; the answer is 1 or 0. */
typedef int32_t (*shmalloc_backend_query_fn)(uint64_t number, int32_t *out_yes, void *userdata);
/** Does something with an event and a stream. */
typedef int32_t (*shmalloc_backend_order_fn)(uint64_t event, uint64_t stream, void *userdata);
/** Does something with the whole device. */
typedef int32_t (*shmalloc_backend_device_fn)(void *userdata);
/** Bytes of memory that can be had now, and all there are. */
typedef int32_t (*shmalloc_backend_memory_fn)(uint64_t *out_available, uint64_t *out_total, void *userdata);
/** Queues a copy between any two of the device's and the host's addresses. */
typedef int32_t (*shmalloc_backend_copy_fn)(uint64_t to, uint64_t from, uint64_t size, uint64_t stream, void *userdata);
/** Queues that bytes get a value. */
typedef int32_t (*shmalloc_backend_fill_fn)(uint64_t to, uint32_t value, uint64_t size, uint64_t stream, void *userdata);
/** Queues a function of the host. */
typedef int32_t (*shmalloc_backend_call_fn)(uint64_t stream, shmalloc_work_fn fn, void *argument, void *userdata);
/** Maps memory at an address (`what` is the memory), or says what may be done there (`what` is a shmalloc_access, 0: nothing). */
typedef int32_t (*shmalloc_backend_map_fn)(uint64_t address, uint64_t size, uint64_t what, void *userdata);
/** Lets another device's streams use this one's memory. */
typedef int32_t (*shmalloc_backend_peer_fn)(void *peer_userdata, void *userdata);

/** A device of yours. Input. */
typedef struct shmalloc_backend {
  size_t struct_size;
  const char *name;   /**< (copied) for people, 1 to 63 bytes */
  uint64_t alignment; /**< bytes: of what allocate gives; a power of two; 0: 16 */
  uint64_t page_size; /**< bytes: unit of virtual memory, a power of two; 0 without it */
  uint32_t
      capabilities;  /**< SHMALLOC_CAPABILITY_HOST_ACCESS if the host reads and writes its addresses; the others are found out */
  uint32_t reserved; /**< 0 */

  shmalloc_backend_make_fn allocate;    /**< memory with an address */
  shmalloc_backend_range_fn deallocate; /**< that no work uses any more; the size is what allocate was asked for */
  shmalloc_backend_memory_fn memory_info;
  shmalloc_backend_copy_fn copy;
  shmalloc_backend_fill_fn fill;
  shmalloc_backend_call_fn call;

  shmalloc_backend_device_fn synchronize; /**< wait for all streams; NULL: each that was made here is waited for */
  shmalloc_backend_make_fn stream_create;
  shmalloc_backend_number_fn stream_destroy; /**< what is queued is done all the same */
  shmalloc_backend_number_fn stream_synchronize;
  shmalloc_backend_order_fn stream_wait;      /**< the stream goes on after the event as it was recorded last */
  shmalloc_backend_query_fn stream_capturing; /**< whether it is being captured; NULL: never */
  shmalloc_backend_make_fn event_create;
  shmalloc_backend_number_fn event_destroy; /**< waits for it keep their meaning */
  shmalloc_backend_order_fn event_record;
  shmalloc_backend_query_fn event_query;        /**< whether it is done; one never recorded is */
  shmalloc_backend_number_fn event_synchronize; /**< wait until it is done */

  shmalloc_backend_make_fn virtual_reserve;    /**< addresses without memory */
  shmalloc_backend_range_fn virtual_unreserve; /**< with nothing mapped there */
  shmalloc_backend_make_fn virtual_create;     /**< memory without an address */
  shmalloc_backend_number_fn virtual_destroy;  /**< it lasts where it is mapped */
  shmalloc_backend_map_fn virtual_map;         /**< all of the memory; nothing may be done there until virtual_access */
  shmalloc_backend_range_fn virtual_unmap;     /**< whole pieces that lie side by side */
  shmalloc_backend_map_fn virtual_access;      /**< of whole pieces that lie side by side */

  shmalloc_backend_peer_fn enable_peer;
} shmalloc_backend;

/** @brief A device of one's own.
 *  @param backend (copied) its functions
 *  @param userdata (adopted)(nullable) passed to them
 *  @param destroy_fn (nullable) gives userdata back: when the device is gone, or this call fails; never in a forked child
 *  @param out_device (out) SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUSTOM, n), n from 0, never used again
 *  @return OK; NO_SPACE: 64 are there already; INVALID: says which function is missing.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_device_register(const shmalloc_backend *backend, void *userdata,
                                                      shmalloc_destroy_fn destroy_fn, shmalloc_device *out_device,
                                                      shmalloc_error *err);

/** @brief A device of one's own is not used any more. Its number is void at once, its current allocator is given back, and destroy_fn runs
 *  before this returns.
 *  @param device that shmalloc_device_register gave
 *  @return OK; BUSY: allocators of it are there; NOT_FOUND.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_device_unregister(shmalloc_device device, shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_BACKEND_H */
