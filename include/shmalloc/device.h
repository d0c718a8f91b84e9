/* SPDX-License-Identifier: MIT
 * shmalloc/device.h - where memory is, and the order of work on it: streams, events, copies.
 *
 * A device is begun by the first call that needs it, and lasts as long as the process. Work is queued on streams and done in each
 * stream's order; what different streams do has no order but by events. A child made by fork has none of its parent's devices: its memory
 * is BACKEND there and giving it back does nothing. HOST_STREAMS devices begin anew, with numbers of their own: those of the parent's streams
 * and events mean nothing, or something else. */
#ifndef SHMALLOC_DEVICE_H
#define SHMALLOC_DEVICE_H

#include "shmalloc/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A device: its type in the high 32 bits, its index in the low ones. 0 is plain host memory. */
typedef uint64_t shmalloc_device;
#ifdef __cplusplus
#define SHMALLOC_DEVICE(type, index) (static_cast<shmalloc_device>(type) << 32 | static_cast<uint32_t>(index))
#else
#define SHMALLOC_DEVICE(type, index) ((shmalloc_device)(type) << 32 | (uint32_t)(index))
#endif
#define SHMALLOC_DEVICE_HOST 0

/** Types of devices: HOST is 0 (where DLPack has 1, which is never used here), others have DLPack's number, ours begin at 0x10000.
 *  VULKAN has no implementation in this version. */
typedef enum shmalloc_device_type {
  SHMALLOC_DEVICE_TYPE_HOST = 0,
  SHMALLOC_DEVICE_TYPE_CUDA = 2, /**< a GPU, through its driver, which is looked for at run time: libcuda.so.1 */
  SHMALLOC_DEVICE_TYPE_VULKAN = 7,
  SHMALLOC_DEVICE_TYPE_HOST_STREAMS =
      0x10000, /**< this machine's memory as a device with streams and events, for machines without a GPU; index 0 to 63 */
  SHMALLOC_DEVICE_TYPE_CUSTOM = 0x10001, /**< yours: shmalloc_device_register in backend.h */
  SHMALLOC_DEVICE_TYPE_FORCE32 = 0x7fffffff
} shmalloc_device_type;

/** What a device or an allocator can do, as bits. Ask before, or get UNSUPPORTED after. */
typedef enum shmalloc_capability_flags {
  SHMALLOC_CAPABILITY_HOST_ACCESS = 1,  /**< the host reads and writes the memory */
  SHMALLOC_CAPABILITY_EXPORT = 2,       /**< another process can open its storages, given their descriptor */
  SHMALLOC_CAPABILITY_EXPORT_BYTES = 4, /**< .. or given plain bytes */
  SHMALLOC_CAPABILITY_READ_ONLY = 8,    /**< .. such that the receiver can't write */
  SHMALLOC_CAPABILITY_GROW = 16,        /**< its storages can grow */
  SHMALLOC_CAPABILITY_HUGE_PAGES = 32,  /**< pages larger than the machine's usual ones are to be had now */
  SHMALLOC_CAPABILITY_STREAMS = 64,     /**< streams and events; memory is given, used and given back in their order */
  SHMALLOC_CAPABILITY_CALL = 128,       /**< functions of the host as work on a stream: shmalloc_stream_call */
  SHMALLOC_CAPABILITY_CAPTURE = 256,    /**< its streams can be captured */
  SHMALLOC_CAPABILITY_PEERS = 512,      /**< other devices of its type may be allowed to use its memory */
  SHMALLOC_CAPABILITY_VIRTUAL = 1024    /**< addresses and memory can be had apart */
} shmalloc_capability_flags;

/** A device, described. Output. */
typedef struct shmalloc_device_info {
  size_t struct_size;
  shmalloc_device device;
  uint64_t
      total; /**< bytes of memory; of the host: RAM, or its control group's limit if that is less; UINT64_MAX: it does not say */
  uint64_t available;    /**< bytes of it that can be had now; what /dev/shm may hold stands in shmalloc_machine_describe */
  uint64_t page_size;    /**< bytes; what sizes are rounded up to; of a device with VIRTUAL the unit of its virtual memory */
  uint32_t count;        /**< devices of this type */
  uint32_t capabilities; /**< shmalloc_capability_flags */
  char name[64];         /**< for people */
} shmalloc_device_info;

/** @brief What a device is and offers.
 *  @param device SHMALLOC_DEVICE_HOST, or SHMALLOC_DEVICE(type, index)
 *  @param out_info (out) struct_size set by the caller
 *  @return OK; NOT_FOUND: no such index; UNSUPPORTED: no such type here, and why: for CUDA what is missing, the driver or a GPU.
 *  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_device_get_info(shmalloc_device device, shmalloc_device_info *out_info, shmalloc_error *err);

/** @brief Wait until all work is done that was queued on the device, on any stream.
 *  @param device with STREAMS
 *  @return OK; BUSY: a stream is being captured.  Threading: any. Call: wait. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_device_synchronize(shmalloc_device device, shmalloc_error *err);

/** @brief Let a peer's streams read and write this device's memory: what there is, and what comes. Again: nothing happens.
 *  @param device whose memory
 *  @param peer whose streams; of the same type
 *  @return OK; UNSUPPORTED: the two can't reach each other.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_device_enable_peer(shmalloc_device device, shmalloc_device peer, shmalloc_error *err);

/** @brief Queue a copy by address, between any two of the device's memory, its peers' and the host's. The ranges must not overlap, and
 *  must last until it is done. Addresses are not checked: shmalloc_storage_copy checks.
 *  @param device whose stream it is
 *  @param to first byte written
 *  @param from first byte read
 *  @param size bytes; 0: nothing is queued
 *  @param stream of the device
 *  @return OK: queued. From or to memory of the host it may be done already; BUSY: a capture does not allow it.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_device_copy(shmalloc_device device, shmalloc_address to, shmalloc_address from, size_t size,
                                                  shmalloc_stream stream, shmalloc_error *err);

/** @brief Queue that bytes get a value. Addresses are not checked.
 *  @param device whose memory and stream
 *  @param to first byte
 *  @param value of each byte, 0 to 255
 *  @param size bytes; 0: nothing is queued
 *  @param stream of the device
 *  @return OK: queued.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_device_fill(shmalloc_device device, shmalloc_address to, uint32_t value, size_t size,
                                                  shmalloc_stream stream, shmalloc_error *err);

/* ---- streams: for who has no API of the device's own at hand; else pass your own numbers ---- */

/** @brief Make a stream. Of CUDA it does not wait for the legacy default stream. Of HOST_STREAMS it is a thread of its own.
 *  @param device with STREAMS
 *  @param out_stream (out) its number, for shmalloc_stream_destroy in the end
 *  @return OK; NO_SPACE: the device has too many.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_stream_create(shmalloc_device device, shmalloc_stream *out_stream, shmalloc_error *err);

/** @brief Give a stream back. What is queued is done all the same; the number is void at once. Give back what allocators made for it
 *  and have them trimmed before: until then they may ask after it, and what they keep for a stream that is gone serves nobody.
 *  @param device whose stream it is
 *  @param stream made by shmalloc_stream_create
 *  @return OK; INVALID: no such stream; BUSY: it is being captured.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_stream_destroy(shmalloc_device device, shmalloc_stream stream, shmalloc_error *err);

/** @brief Wait until all is done that was queued on a stream.
 *  @param device whose stream it is
 *  @param stream of the device
 *  @return OK; BUSY: it is being captured.  Threading: any. Call: wait. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_stream_synchronize(shmalloc_device device, shmalloc_stream stream, shmalloc_error *err);

/** @brief What comes on a stream from here on comes after an event. The host goes on.
 *  @param device whose stream and event
 *  @param stream that waits
 *  @param event as it was recorded last; never recorded: nothing happens
 *  @return OK.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_stream_wait(shmalloc_device device, shmalloc_stream stream, shmalloc_event event,
                                                  shmalloc_error *err);

/** A piece of work on a stream. It must make no call to the device, nor to shmalloc but leaves, and must not unwind. */
typedef void (*shmalloc_work_fn)(void *userdata);

/** @brief Queue a function of the host on a stream. It runs on a thread of the device's, once; on a GPU whose context an earlier error has spoilt
 *  perhaps never. A C function, or one of a language that can be called on threads that it does not know.
 *  @param device with CALL
 *  @param stream of the device
 *  @param fn (retained) until it has run
 *  @param userdata (retained)(nullable) passed to fn
 *  @return OK: queued; BUSY: the stream is being captured.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_stream_call(shmalloc_device device, shmalloc_stream stream, shmalloc_work_fn fn,
                                                  void *userdata, shmalloc_error *err);

/* ---- events ---- */

/** @brief Make an event. It is done until it is recorded.
 *  @param device with STREAMS
 *  @param out_event (out) its number, for shmalloc_event_destroy in the end
 *  @return OK; NO_SPACE: the device has too many.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_event_create(shmalloc_device device, shmalloc_event *out_event, shmalloc_error *err);

/** @brief Give an event back, whatever waits for it: waits keep their meaning. The number is void at once.
 *  @param device whose event it is
 *  @param event made by shmalloc_event_create
 *  @return OK; INVALID: no such event.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_event_destroy(shmalloc_device device, shmalloc_event event, shmalloc_error *err);

/** @brief From now on the event means what is queued on the stream so far, and nothing that it meant before.
 *  @param device whose event and stream
 *  @param event of the device
 *  @param stream of the device
 *  @return OK.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_event_record(shmalloc_device device, shmalloc_event event, shmalloc_stream stream,
                                                   shmalloc_error *err);

/** @brief Whether what an event means is done.
 *  @param device whose event it is
 *  @param event of the device
 *  @param out_done (out) 1 or 0
 *  @return OK; BUSY: it was recorded in a capture.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_event_query(shmalloc_device device, shmalloc_event event, int32_t *out_done,
                                                  shmalloc_error *err);

/** @brief Wait until what an event means is done.
 *  @param device whose event it is
 *  @param event of the device
 *  @return OK; BUSY: it was recorded in a capture.  Threading: any. Call: wait. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_event_synchronize(shmalloc_device device, shmalloc_event event, shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_DEVICE_H */
