/* SPDX-License-Identifier: MIT
 * shmalloc/channel.h - a queue of storages between processes: no system call for a storage, and none to wake a peer that is awake. */
#ifndef SHMALLOC_CHANNEL_H
#define SHMALLOC_CHANNEL_H

#include "shmalloc/storage.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Bits of shmalloc_channel_params.flags. */
typedef enum shmalloc_channel_flags {
  SHMALLOC_CHANNEL_NO_RECORD = 1 /**< record_size 0 */
} shmalloc_channel_flags;

/** What a channel is like. Input. */
typedef struct shmalloc_channel_params {
  size_t struct_size;
  uint64_t capacity;    /**< storages in it at most, rounded up to a power of two; at most 65536; 0: 256 */
  uint32_t record_size; /**< bytes that go along with each storage at most; at most 4096; 0: 32. Up to 32 cost nothing extra */
  uint32_t flags;       /**< shmalloc_channel_flags */
} shmalloc_channel_params;

/** Bits of shmalloc_channel_info.state. */
typedef enum shmalloc_channel_state_flags {
  SHMALLOC_CHANNEL_STATE_CLOSED = 1 /**< nothing can be sent any more */
} shmalloc_channel_state_flags;

/** A channel, described. Counts are of all processes, and exact when nobody sends or receives. Output. */
typedef struct shmalloc_channel_info {
  size_t struct_size;
  uint64_t capacity; /**< storages in it at most */
  uint64_t length;   /**< sent and not yet received */
  uint64_t sent;
  uint64_t received;
  uint64_t skipped;     /**< sent, but gone with their sender before they could be received */
  uint32_t record_size; /**< bytes */
  uint32_t attached; /**< processes that have it open, this one included; of the dead, those that nobody has missed yet as well */
  uint32_t state;    /**< shmalloc_channel_state_flags */
  uint32_t reserved;
} shmalloc_channel_info;

/** @brief Make a channel: a bounded queue for any number of senders and receivers, 64 processes in all. It lives in a storage; who has
 *  that can open it. What one thread sends is received in that order; several receivers share what comes, each storage goes to one of them.
 *  @param params (copied)(nullable) NULL: 256 storages with records of 32 bytes
 *  @param out_channel (owned) one reference, open
 *  @return OK; NO_SPACE: no room for its memory.
 *  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_channel_create(const shmalloc_channel_params *params, shmalloc_channel **out_channel,
                                                     shmalloc_error *err);

/** @brief Open the channel that lives in a storage, in any process that has it: imported, received or inherited. A process that opens it
 *  several times counts once. The storage may be released then.
 *  @param storage (retained) of shmalloc_channel_storage
 *  @param out_channel (owned) one reference
 *  @return OK; CORRUPT: no channel lives there; VERSION: one of a newer format; PERMISSION: imported READ_ONLY; NO_SPACE: 64 processes have
 *  it open; CLOSED: the storage is closed.
 *  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_channel_open(shmalloc_storage *storage, shmalloc_channel **out_channel, shmalloc_error *err);

/** @brief Add a reference.
 *  @param channel (borrowed)(nullable)
 *  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API void shmalloc_channel_retain(shmalloc_channel *channel);

/** @brief Give a reference back. With the last one this process has left the channel; it is not closed for the others. What this process sent
 *  and nobody has received yet can still be received while this process lives, until nobody had the channel open for ten seconds.
 *  @param channel (adopted)(nullable)
 *  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API void shmalloc_channel_release(shmalloc_channel *channel);

/** @brief The storage that a channel lives in, to be exported or sent with the ordinary calls. Leave its bytes alone.
 *  @param channel (borrowed)
 *  @param out_storage (owned) one reference
 *  @return OK.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_channel_storage(shmalloc_channel *channel, shmalloc_storage **out_storage,
                                                      shmalloc_error *err);

/** @brief Send a storage, with some bytes beside it. It is held for the receiver from here on: release it when you like. If this process
 *  dies before it is received, the storage may be gone with it. A receiver that does not have the storage's segment yet opens it
 *  through this process's descriptors; where the system forbids that, send it one storage of the same allocator by
 *  shmalloc_storage_send first, or make the allocator with named:1.
 *  @param channel (borrowed)
 *  @param storage (retained)(nullable) in a segment (kind SHARED, not ISOLATED) and writable; NULL: the record alone
 *  @param record (array record_length)(copied)(nullable)
 *  @param record_length bytes of it, at most record_size
 *  @param timeout_ns how long to wait while the channel is full; TIME_DEFAULT and TIME_FOREVER: as long as it takes; TIME_NONE: not at all
 *  @return OK; TIMEOUT: it is full; CLOSED: the channel, or the storage; PEER_GONE: others had it open, and nobody has any more;
 *  INTERRUPTED; UNSUPPORTED: the storage is not in a segment; PERMISSION: it was imported READ_ONLY; NO_SPACE: its segment can't have more
 *  storages exported. Nothing is sent then.
 *  Threading: any. Call: wait. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_channel_send(shmalloc_channel *channel, shmalloc_storage *storage, const uint8_t *record,
                                                   size_t record_length, int64_t timeout_ns, shmalloc_error *err);

/** @brief Receive the next storage, and the bytes beside it. What is gone with its sender is skipped.
 *  @param channel (borrowed)
 *  @param out_storage (owned) one reference; NULL if the record was sent alone
 *  @param record (array *inout_length)(nullable) where to write the record
 *  @param inout_length (inout)(nullable) in: room of record; out: its length. NULL: the record is not wanted
 *  @param timeout_ns how long to wait while the channel is empty, as above
 *  @return OK; TIMEOUT: it is empty; CLOSED: and it is closed; PEER_GONE: and others had it open, and nobody has any more;
 *  INTERRUPTED; NO_SPACE with the length set: the next one stays where it is; PERMISSION: the next one's segment can't be
 *  reached, and it stays where it is: see shmalloc_channel_send.
 *  Threading: any. Call: wait +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_channel_receive(shmalloc_channel *channel, shmalloc_storage **out_storage, uint8_t *record,
                                                      size_t *inout_length, int64_t timeout_ns, shmalloc_error *err);

/** @brief Close a channel for everybody: nothing can be sent any more, what is in it can still be received. Who waits is woken.
 *  @param channel (borrowed)
 *  @return OK, also the second time.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_channel_close(shmalloc_channel *channel, shmalloc_error *err);

/** @brief Describe a channel.
 *  @param channel (borrowed)
 *  @param out_info (out) struct_size set by the caller
 *  @return OK.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_channel_get_info(shmalloc_channel *channel, shmalloc_channel_info *out_info,
                                                       shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_CHANNEL_H */
