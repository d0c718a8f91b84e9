/* SPDX-License-Identifier: MIT
 * shmalloc/ipc.h - the same storage in another process. */
#ifndef SHMALLOC_IPC_H
#define SHMALLOC_IPC_H

#include "shmalloc/storage.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes of a handle at most, for ever. */
#define SHMALLOC_HANDLE_MAX 512
/** Bytes of a handle's text form at most, zero byte included, for ever. */
#define SHMALLOC_HANDLE_TEXT_MAX 704
/** Storages in one message at most, for ever. */
#define SHMALLOC_MESSAGE_MAX 253

/** What the bytes of a handle are. */
typedef enum shmalloc_handle_format {
  SHMALLOC_HANDLE_FORMAT_NATIVE = 0,     /**< ours: self-describing, versioned, checksummed */
  SHMALLOC_HANDLE_FORMAT_TORCH_FD = 1,   /**< PyTorch's file_descriptor strategy: the size in decimal; a descriptor goes with it */
  SHMALLOC_HANDLE_FORMAT_TORCH_FILE = 2, /**< PyTorch's file_system strategy: "manager\nname\nsize", the manager may be empty.
                                              Kind MAP_REFCOUNTED only */
  SHMALLOC_HANDLE_FORMAT_FORCE32 = 0x7fffffff
} shmalloc_handle_format;

/** Bits of shmalloc_export_params.flags.
 *  READ_ONLY is for nameless objects, not for storages in segments (see STORAGE_ISOLATED), and for good: the memory is sealed against new writers, those who open it later included; those
 *  who write already, this process among them, still do. */
typedef enum shmalloc_export_flags {
  SHMALLOC_EXPORT_READ_ONLY = 1,  /**< the receiver can't write, nor make it so that he could */
  SHMALLOC_EXPORT_DESCRIPTOR = 2, /**< the receiver gets the descriptors of shmalloc_storage_export_fds as well */
  SHMALLOC_EXPORT_COUNTED = 4     /**< TORCH_FILE: add one to the count for the receiver, as PyTorch's pickles do */
} shmalloc_export_flags;

/** How to export. Input. */
typedef struct shmalloc_export_params {
  size_t struct_size;
  int64_t ttl_ns;         /**< how long the bytes stay good if the storage is released here; counts from now; TIME_DEFAULT: the
                               allocator's export_ttl_ms; TIME_NONE: not at all; TIME_FOREVER: as long as this process lives */
  shmalloc_stream stream; /**< device memory: the receiver waits for what is queued here; ignored on the host */
  uint32_t flags;         /**< shmalloc_export_flags */
  int32_t format;         /**< shmalloc_handle_format */
} shmalloc_export_params;

/** Bits of shmalloc_import_params.flags. */
typedef enum shmalloc_import_flags {
  SHMALLOC_IMPORT_READ_ONLY = 1, /**< map for reading only */
  SHMALLOC_IMPORT_SAME_USER = 2, /**< receive: the other end must run as this user, else PERMISSION */
  SHMALLOC_IMPORT_COUNTED = 4 /**< TORCH_FILE: the count was raised for us by the sender, as PyTorch's pickles do; take that over */
} shmalloc_import_flags;

/** How to import. Input. */
typedef struct shmalloc_import_params {
  size_t struct_size;
  int64_t timeout_ns;     /**< receive: how long to wait for a message; TIME_DEFAULT: as the socket would; TIME_NONE: only look */
  shmalloc_stream stream; /**< device memory: waits for the sender's work; ignored on the host */
  uint32_t flags;         /**< shmalloc_import_flags */
  int32_t format;         /**< shmalloc_handle_format; receive ignores it */
} shmalloc_import_params;

/** How a receiver gets at the memory, shmalloc_handle_info.route. */
typedef enum shmalloc_handle_route {
  SHMALLOC_HANDLE_ROUTE_DESCRIPTOR = 0, /**< only with the descriptor */
  SHMALLOC_HANDLE_ROUTE_SHM = 1,        /**< by the name of a POSIX shm object */
  SHMALLOC_HANDLE_ROUTE_FILE = 2,       /**< by a path */
  SHMALLOC_HANDLE_ROUTE_PROCESS = 3,    /**< through the exporter's descriptor table, while he lives and where the system allows */
  SHMALLOC_HANDLE_ROUTE_EMPTY = 4,      /**< there is nothing to get at: the storage has no bytes */
  SHMALLOC_HANDLE_ROUTE_FORCE32 = 0x7fffffff
} shmalloc_handle_route;

/** What a handle says. Nothing of it is checked against the memory. Output. */
typedef struct shmalloc_handle_info {
  size_t struct_size;
  uint64_t size;     /**< bytes of the storage */
  uint64_t capacity; /**< bytes it may grow to */
  uint64_t offset;   /**< bytes into the object */
  shmalloc_device device;
  uint8_t identity[16];   /**< of the object; the same in all handles of it */
  int32_t format;         /**< shmalloc_handle_format */
  int32_t kind;           /**< shmalloc_allocator_kind */
  uint32_t flags;         /**< READ_ONLY of shmalloc_export_flags; of the others nothing is in the bytes */
  int32_t route;          /**< shmalloc_handle_route */
  int32_t pid;            /**< of the exporter, as it saw itself; for people */
  uint16_t version_major; /**< of the format; an unknown one is refused */
  uint16_t version_minor; /**< of the format; an unknown one is read as far as it is known */
} shmalloc_handle_info;

/** @brief Make a handle: bytes from which any number of other processes of this machine open the same storage. It is good as long as
 *  this process holds the storage, and for its time to live after that, but no longer than this process lives, unless the object has a
 *  name, or the importer has its segment open already. Memory that only an export keeps is given back by the first call marked +cb
 *  after that time; shmalloc_allocator_trim is one.
 *  @param storage (retained)
 *  @param params (copied)(nullable) NULL: native, writable, with the allocator's time to live
 *  @param bytes (array *inout_length)(nullable) where to write; SHMALLOC_HANDLE_MAX is always enough
 *  @param inout_length (inout) in: room of bytes; out: length needed
 *  @return OK; NO_SPACE with the length set; CLOSED; UNSUPPORTED: private memory, see shmalloc_storage_share, or its name is too long for
 *  a handle: use DESCRIPTOR or a socket; PERMISSION: writable export of sealed or read-only memory;
 *  STALE: a peer truncated it.
 *  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_export(shmalloc_storage *storage, const shmalloc_export_params *params,
                                                     uint8_t *bytes, size_t *inout_length, shmalloc_error *err);

/** @brief The descriptors of a storage's memory, for those who bring them to the receiver themselves, beside the bytes. An object has
 *  one, a segment (kind SHARED) two, control and data, which lead to all that lies in it; an empty storage none.
 *  @param storage (borrowed)
 *  @param params (copied)(nullable) as for shmalloc_storage_export
 *  @param out_fds (array *inout_count)(owned)(nullable) close-on-exec; with READ_ONLY they can't be made to write
 *  @param inout_count (inout) in: room of out_fds; out: number needed
 *  @return OK; NO_SPACE with the count set; UNSUPPORTED: no descriptor leads to it, or a segment's for READ_ONLY or PyTorch; PERMISSION, CLOSED as above; STALE: a peer truncated it.
 *  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_export_fds(shmalloc_storage *storage, const shmalloc_export_params *params,
                                                         int32_t *out_fds, size_t *inout_count, shmalloc_error *err);

/** @brief Open a handle. Everything in it is checked against what is found. Handles without descriptors carry names that are opened with
 *  this process's rights: take such bytes from those whom you would let choose what you open, and messages (receive) from anybody. Each import is a
 *  storage of its own, in the exporting process too; whether two of them share an address is not promised.
 *  @param bytes (array length)(borrowed) the handle
 *  @param length of it
 *  @param fds (array fd_count)(borrowed)(nullable) descriptors that came with it; duplicated
 *  @param fd_count number of them; 0: none
 *  @param params (copied)(nullable) NULL: native, writable if the export is
 *  @param out_storage (owned) one reference
 *  @return OK; CORRUPT: damaged or forged; VERSION: of a newer library; STALE: revoked, expired or replaced; PEER_GONE: the exporter is
 *  dead; NOT_FOUND: the name is gone; PERMISSION: the system refuses, and how else to do it; INVALID: it needs a descriptor.
 *  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_import(const uint8_t *bytes, size_t length, const int32_t *fds, size_t fd_count,
                                                     const shmalloc_import_params *params, shmalloc_storage **out_storage,
                                                     shmalloc_error *err);

/** @brief Make every bytes-only handle of the storage that this process gave out so far void: later imports are STALE. Those who have it
 *  open keep it. New exports are good.
 *  @param storage (borrowed)
 *  @return OK; UNSUPPORTED: it has a name, which only its removal makes void; CLOSED.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_revoke(shmalloc_storage *storage, shmalloc_error *err);

/** @brief Send storages over a unix socket (stream or seqpacket) in one message, with all that the receiver needs. All of them go or none,
 *  and no rights of one process over the other are needed. Memory whose descriptor is on the way is held by the socket; of a segment
 *  that is the segment: a storage in it that is released here is kept for the export's time to live. A stream socket
 *  that takes part of the message is waited for, non-blocking or not; when it breaks then, it is of no more use.
 *  @param socket (borrowed) connected
 *  @param storages (array count)(borrowed)
 *  @param count 1 to SHMALLOC_MESSAGE_MAX
 *  @param params (copied)(nullable) for each of them; NATIVE only
 *  @return OK; PEER_GONE; TIMEOUT: non-blocking and full, nothing was sent; INTERRUPTED: nor was it then; as shmalloc_storage_export.
 *  Threading: serial for one socket. Call: wait. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_send(int32_t socket, shmalloc_storage *const *storages, size_t count,
                                                   const shmalloc_export_params *params, shmalloc_error *err);

/** @brief Receive the storages of one message of shmalloc_storage_send.
 *  @param socket (borrowed) connected, stream or seqpacket
 *  @param params (copied)(nullable) for each of them
 *  @param out_storages (array *inout_count)(owned) one reference each
 *  @param inout_count (inout) in: room, SHMALLOC_MESSAGE_MAX is always enough; out: how many came, at least 1
 *  @return OK; NO_SPACE: more than room, nothing was taken and the number is set; or with
 *  number 0, the descriptor table is full and the message is lost; TIMEOUT, INTERRUPTED: nothing was taken; PEER_GONE: the
 *  other end closed; CORRUPT: not from shmalloc_storage_send; PERMISSION; as shmalloc_storage_import: then the whole message is dropped.
 *  Threading: serial for one socket. Call: wait +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_receive(int32_t socket, const shmalloc_import_params *params,
                                                      shmalloc_storage **out_storages, size_t *inout_count, shmalloc_error *err);

/** @brief A handle as text that survives JSON, a command line and an environment variable: letters, digits, '_', '-' and a colon.
 *  @param bytes (array length)(borrowed) the handle
 *  @param length of it
 *  @param text (array *inout_length)(nullable) where to write; SHMALLOC_HANDLE_TEXT_MAX is always enough
 *  @param inout_length (inout) in: room of text; out: bytes needed, zero byte included
 *  @return OK; NO_SPACE with the length set; CORRUPT.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_handle_to_text(const uint8_t *bytes, size_t length, char *text, size_t *inout_length,
                                                     shmalloc_error *err);

/** @brief The bytes of a handle's text.
 *  @param text (borrowed) ends with a zero byte; white space around it is ignored
 *  @param bytes (array *inout_length)(nullable) where to write
 *  @param inout_length (inout) in: room of bytes; out: length needed
 *  @return OK; NO_SPACE with the length set; CORRUPT.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_handle_from_text(const char *text, uint8_t *bytes, size_t *inout_length, shmalloc_error *err);

/** @brief Read a handle without opening it.
 *  @param bytes (array length)(borrowed) the handle
 *  @param length of it
 *  @param out_info (out) struct_size set by the caller
 *  @return OK; CORRUPT; VERSION.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_handle_get_info(const uint8_t *bytes, size_t length, shmalloc_handle_info *out_info,
                                                      shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_IPC_H */
