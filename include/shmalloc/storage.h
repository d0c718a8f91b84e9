/* SPDX-License-Identifier: MIT
 * shmalloc/storage.h - some bytes with an owner: make, ask, pin, copy, share, grow, seal. */
#ifndef SHMALLOC_STORAGE_H
#define SHMALLOC_STORAGE_H

#include "shmalloc/allocator.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a storage of kind MAP or MAP_REFCOUNTED is mapped from, as bits of shmalloc_storage_params.mapped. The first seven have PyTorch's
 *  values and meanings (ALLOCATOR_MAPPED_*). They are checked before anything is opened; two that contradict are INVALID and named.
 *
 *  Where the bytes are:
 *    SHARED              the file `name`; writes reach it
 *    SHAREDMEM           the POSIX shm object `name`; a new unguessable name when that is NULL
 *    FROMFD              the object behind `fd`, which is duplicated; with SHARED or SHAREDMEM writes reach it, else they stay private
 *    MEMFD               a new nameless object that can't shrink; what you get when you say nothing at all (no bit, no name)
 *    HUGETLB             a new nameless object in huge pages of `page_size`
 *    none, with a name   a private copy-on-write view of an existing file
 *  Contradictions: SHARED with SHAREDMEM. MEMFD or HUGETLB with SHARED, SHAREDMEM, EXCLUSIVE, NOCREATE, FROMFD, UNLINK or READ_ONLY.
 *    EXCLUSIVE with NOCREATE, FROMFD or READ_ONLY, or without SHARED or SHAREDMEM. UNLINK with FROMFD. NOCREATE with SHAREDMEM and no name.
 *  MAP_REFCOUNTED takes SHAREDMEM (which it implies) with EXCLUSIVE or NOCREATE, and READ_ONLY never.
 *
 *  A new SHAREDMEM name is removed when the storage that created it is closed; attaching to one never removes it. */
typedef enum shmalloc_mapped_flags {
  SHMALLOC_MAPPED_SHARED = 1,
  SHMALLOC_MAPPED_SHAREDMEM = 2,
  SHMALLOC_MAPPED_EXCLUSIVE = 4, /**< the name must not exist: else EXISTS */
  SHMALLOC_MAPPED_NOCREATE = 8,  /**< the name must exist: else NOT_FOUND. It may still grow; no effect on a private view */
  SHMALLOC_MAPPED_KEEPFD =
      16, /**< keep the descriptor, see info.fd. What has no name keeps it always, but for private views: nothing else leads to it */
  SHMALLOC_MAPPED_FROMFD = 32,
  SHMALLOC_MAPPED_UNLINK = 64, /**< remove the name once mapped */
  SHMALLOC_MAPPED_NO_GROW =
      128, /**< a file or object that is too short is NO_SPACE, never extended; so are private and READ_ONLY ones */
  SHMALLOC_MAPPED_READ_ONLY = 256, /**< open and map for reading only; implies NOCREATE and NO_GROW */
  SHMALLOC_MAPPED_MEMFD = 512,
  SHMALLOC_MAPPED_HUGETLB = 1024
} shmalloc_mapped_flags;

/** Bits of shmalloc_storage_params.flags. */
typedef enum shmalloc_storage_flags {
  SHMALLOC_STORAGE_ZEROED = 1, /**< new memory is all 0; that of MAP* is so anyway, and what exists stays as it is */
  SHMALLOC_STORAGE_ISOLATED =
      2 /**< pages and a descriptor of its own, for receivers that must not see its neighbours, or must not write. Of kind SHARED all
                                     who open one storage of a segment can read and write the others in it; every other kind isolates anyway */
} shmalloc_storage_flags;

/** What a new storage needs beyond its size. Input. All zero: the allocator's defaults. A field that the kind does not have must be 0. */
typedef struct shmalloc_storage_params {
  size_t struct_size;
  const char *name;     /**< (copied)(nullable) MAP*: path of a file; or name of a shm object, with or without its leading slash */
  uint64_t alignment;   /**< bytes, a power of two; 0: the allocator's, at least a page for MAP* */
  uint64_t capacity;    /**< bytes of address space kept so that the storage can grow in place; 0: as much as size */
  uint64_t file_offset; /**< MAP: where in the file the storage begins, a multiple of the page size */
  uint64_t page_size;   /**< HUGETLB: bytes; 0: the machine's default huge page */
  uint32_t flags;       /**< shmalloc_storage_flags */
  uint32_t mapped;      /**< MAP*: shmalloc_mapped_flags */
  uint32_t mode;        /**< MAP*: permission bits of a new file or object; 0: the allocator's */
  int32_t fd;           /**< (borrowed) duplicated; read with FROMFD only, else anything will do */
  int32_t numa_node;    /**< one more than the number of the node that the memory is bound to; 0: the allocator's; -1: any */
  uint32_t reserved;    /**< 0 */
} shmalloc_storage_params;

/** What a storage is now, bits of shmalloc_storage_info.state.
 *  A peer that truncates an object which is not SEALED makes the loads and stores of all who map it raise SIGBUS. shmalloc's own calls
 *  answer with a status in either case. */
typedef enum shmalloc_storage_state_flags {
  SHMALLOC_STORAGE_STATE_SHARED = 1,        /**< another process could map it (PyTorch's is_shared) */
  SHMALLOC_STORAGE_STATE_IMPORTED = 2,      /**< came by import or receive */
  SHMALLOC_STORAGE_STATE_READ_ONLY = 4,     /**< writing to its bytes here faults */
  SHMALLOC_STORAGE_STATE_SEALED = 8,        /**< nobody can shrink it, see above */
  SHMALLOC_STORAGE_STATE_WRITE_SEALED = 16, /**< nobody can get to write it who does not already */
  SHMALLOC_STORAGE_STATE_IMMUTABLE = 32,    /**< nobody writes it any more, ever: somebody called shmalloc_storage_seal */
  SHMALLOC_STORAGE_STATE_CLOSED = 64,
  SHMALLOC_STORAGE_STATE_FORKED = 128 /**< inherited by fork: the process that made it owns it, a release here only unmaps */
} shmalloc_storage_state_flags;

/** A storage, described. Output. */
typedef struct shmalloc_storage_info {
  size_t struct_size;
  void *data;               /**< as shmalloc_storage_data */
  shmalloc_address address; /**< as shmalloc_storage_address */
  shmalloc_device device;
  uint64_t size;         /**< bytes that may be used; what was mapped where 0 was asked for */
  uint64_t capacity;     /**< bytes it may grow to in place */
  uint64_t id;           /**< of this storage in this process, from 1, never used again */
  uint64_t generation;   /**< goes up whenever its bytes get another address, or other memory behind the same address */
  uint64_t allocator_id; /**< of the allocator that made it, 0 if none did */
  uint64_t references;   /**< in this process, pins included */
  uint64_t pins;
  int32_t kind;    /**< shmalloc_allocator_kind; DEFAULT for adopted memory */
  uint32_t state;  /**< shmalloc_storage_state_flags */
  uint32_t mapped; /**< shmalloc_mapped_flags in force */
  int32_t fd;      /**< (borrowed) valid as long as the storage is open and its exports are not revoked; -1: none kept */
} shmalloc_storage_info;

/** What a range is used for. */
typedef enum shmalloc_access {
  SHMALLOC_ACCESS_DEFAULT = 0, /**< whatever the storage allows */
  SHMALLOC_ACCESS_READ = 1,
  SHMALLOC_ACCESS_WRITE = 2, /**< reading included */
  SHMALLOC_ACCESS_FORCE32 = 0x7fffffff
} shmalloc_access;

/** For shmalloc_storage_copy: all of it. */
#define SHMALLOC_SIZE_ALL SIZE_MAX

/* ---- make and give back ---- */

/** @brief Make a storage. Its blocks are reserved before it is handed out: a full file system is an error here, not a SIGBUS later.
 *  @param allocator (retained)(nullable) NULL: the current one of the host, whose storages can be exported
 *  @param size bytes; 0: what exists, for a named object or a descriptor; else an empty storage, whose data is NULL
 *  @param stream of the first use; ignored on the host. On a device the last release gives the memory back in the order of this stream
 *  and of those that shmalloc_storage_record_stream named
 *  @param params (copied)(nullable) NULL: the allocator's defaults
 *  @param out_storage (owned) one reference
 *  @return OK; NO_SPACE: the mount, the descriptor table or the map table is full, and the message has its size; EXISTS; NOT_FOUND;
 *  PERMISSION; STALE: the object is being removed; INVALID: names the field or the two flags.
 *  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_create(shmalloc_allocator *allocator, size_t size, shmalloc_stream stream,
                                                     const shmalloc_storage_params *params, shmalloc_storage **out_storage,
                                                     shmalloc_error *err);

/** How memory is adopted. Input. */
typedef struct shmalloc_adopt_params {
  size_t struct_size;
  shmalloc_stream stream; /**< it is ready for; ignored on the host */
  int32_t access;         /**< shmalloc_access: what may be done to it */
  uint32_t flags;         /**< 0 */
} shmalloc_adopt_params;

/** @brief A storage over memory that somebody else made.
 *  @param device where it is
 *  @param address of its first byte
 *  @param size bytes
 *  @param params (copied)(nullable) NULL: all zero
 *  @param userdata (adopted)(nullable) passed to destroy_fn
 *  @param destroy_fn (nullable) runs once the memory is no longer used, before the return of a failed call, never in a forked child
 *  @param out_storage (owned) one reference
 *  @return OK.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_adopt(shmalloc_device device, shmalloc_address address, size_t size,
                                                    const shmalloc_adopt_params *params, void *userdata,
                                                    shmalloc_destroy_fn destroy_fn, shmalloc_storage **out_storage,
                                                    shmalloc_error *err);

/** @brief The storage of this process that an address lies in; where several cover it, any of them.
 *  @param device whose address it is
 *  @param address any byte of the storage
 *  @param out_storage (owned) one reference
 *  @param out_offset (out)(nullable) bytes from the storage's first
 *  @return OK; NOT_FOUND.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_find(shmalloc_device device, shmalloc_address address, shmalloc_storage **out_storage,
                                                   size_t *out_offset, shmalloc_error *err);

/** @brief One reference more.
 *  @param storage (retained)(nullable)
 *  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API void shmalloc_storage_retain(shmalloc_storage *storage);

/** @brief One reference less; the last one gives the memory back to the allocator that made it.
 *  @param storage (adopted)(nullable) nothing happens for NULL
 *  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API void shmalloc_storage_release(shmalloc_storage *storage);

/** @brief Give memory, descriptor and name back now, whoever holds references here, and tell what could not be. Data is NULL from then
 *  on, and handles that needed this process are STALE. A second close is OK; a name that is gone already is OK. References are released as ever.
 *  @param storage (borrowed)
 *  @return OK; BUSY: pinned; SYSTEM: closed all the same, but the name could not be removed.
 *  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_close(shmalloc_storage *storage, shmalloc_error *err);

/* ---- ask ---- */

/** @brief Its first byte, for the host. Good until somebody in this process calls shmalloc_storage_share or shmalloc_storage_close, or
 *  until the last reference goes; a pin forbids all three.
 *  @param storage (borrowed)
 *  @return the pointer; NULL when it is empty, closed, or not for the host.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API void *shmalloc_storage_data(shmalloc_storage *storage);

/** @brief Its first byte, in its device's space.
 *  @param storage (borrowed)
 *  @return the address; 0 when it is empty or closed.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API shmalloc_address shmalloc_storage_address(shmalloc_storage *storage);

/** @brief Bytes that may be used.
 *  @param storage (borrowed)
 *  @return the size; 0 when it is closed.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API size_t shmalloc_storage_size(shmalloc_storage *storage);

/** @brief All the rest.
 *  @param storage (borrowed)
 *  @param out_info (out) struct_size set by the caller
 *  @return OK.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_get_info(shmalloc_storage *storage, shmalloc_storage_info *out_info,
                                                       shmalloc_error *err);

/** @brief Path of its file or name of its shm object, as long as it has one.
 *  @param storage (borrowed)
 *  @param text (array *inout_length)(nullable) where to write; ends with a zero byte
 *  @param inout_length (inout) in: room of text; out: bytes needed, zero byte included
 *  @return OK; NOT_FOUND: it has none; CLOSED; NO_SPACE with the length set.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_get_name(shmalloc_storage *storage, char *text, size_t *inout_length,
                                                       shmalloc_error *err);

/** @brief A new name for a shared object: prefix, process, 64 random bits, counter. Different in a forked child.
 *  @param prefix (borrowed)(nullable) NULL: "shmalloc"; 1 to 31 of A-Z a-z 0-9 . _ -
 *  @param text (array *inout_length)(nullable) where to write; begins with a slash, ends with a zero byte; at most 96 bytes
 *  @param inout_length (inout) in: room of text; out: bytes needed, zero byte included
 *  @return OK; NO_SPACE with the length set.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_make_name(const char *prefix, char *text, size_t *inout_length, shmalloc_error *err);

/** @brief Another stream uses this storage: what is queued there at the last release is done before anybody else has the memory.
 *  @param storage (borrowed)
 *  @param stream of its device that uses it; the one that it was made for needs no note, and on the host nothing does
 *  @return OK; CLOSED.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_record_stream(shmalloc_storage *storage, shmalloc_stream stream, shmalloc_error *err);

/* ---- views ---- */

/** @brief Pin: a reference that also keeps the bytes where they are. What a slice, memoryview or tensor over the bytes holds.
 *  Any number of pins at once; none excludes another. Each OK is owed one shmalloc_storage_unpin.
 *  @param storage (retained) until the unpin
 *  @param access WRITE on read-only memory is refused, so that no writable view of it can exist; DEFAULT is READ for read-only memory,
 *  else WRITE
 *  @param out_data (out)(nullable) as shmalloc_storage_data; NULL for an empty storage
 *  @param out_size (out)(nullable) as shmalloc_storage_size; a later grow may exceed it
 *  @return OK; PERMISSION; CLOSED; BUSY: it is being moved or closed right now, try again.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_pin(shmalloc_storage *storage, shmalloc_access access, void **out_data,
                                                  size_t *out_size, shmalloc_error *err);

/** @brief Give a pin back. If it was the last reference, the memory goes as with shmalloc_release_deferred, so a finalizer may call this.
 *  @param storage (adopted)(nullable) nothing happens for NULL
 *  @param access as it was pinned
 *  Threading: any, also in a forked child. Call: leaf. Since: 0.1 */
SHMALLOC_API void shmalloc_storage_unpin(shmalloc_storage *storage, shmalloc_access access);

/* ---- change ---- */

/** Bits of shmalloc_storage_copy's flags. */
typedef enum shmalloc_copy_flags {
  SHMALLOC_COPY_NON_BLOCKING =
      1 /**< return once it is queued on the stream; copies between host memories are done on return anyway, and between a device and
             memory of the host that is not SEALED, though another process could shrink it, or where the device has no CALL. CUDA's driver may wait
             as well, for memory of the host that it has not pinned */
} shmalloc_copy_flags;

/** @brief Copy bytes from one storage to another, or within one, on the host, on a device, between the two, and between devices that are
 *  peers, but for CUSTOM ones, which shmalloc_device_copy serves. A storage that a peer process truncates meanwhile is an error, not a SIGBUS, as long as both are the host's.
 *  @param dst (borrowed) with NON_BLOCKING held until the stream has passed the copy; so is src. In a capture hold both yourself, as long as
 *  the graph may run
 *  @param dst_offset bytes
 *  @param src (borrowed)
 *  @param src_offset bytes
 *  @param size bytes; SHMALLOC_SIZE_ALL: all that follow the offsets, and then both must be as long
 *  @param stream to queue it on, of the device of dst, or of src if dst is the host's; ignored between host memories
 *  @param flags shmalloc_copy_flags
 *  @return OK; INVALID: out of bounds, or not as long, or overlapping on a device; UNSUPPORTED: no way leads from the one to the other; PERMISSION: dst is read-only; CLOSED; STALE: a peer truncated one of them; BUSY: one
 *  is being moved right now, or the stream is being captured and the copy can't be queued.  Threading: any. Call: wait. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_copy(shmalloc_storage *dst, size_t dst_offset, shmalloc_storage *src,
                                                   size_t src_offset, size_t size, shmalloc_stream stream, uint32_t flags,
                                                   shmalloc_error *err);

/** @brief Make a private storage shareable, and keep the object: its bytes move, and everybody in this process who holds it sees them
 *  there (PyTorch's share_memory_). Already shareable: nothing happens.
 *  @param storage (borrowed)
 *  @param to (retained)(nullable) allocator that takes the bytes; NULL: the current one of the storage's device
 *  @param stream of the copy; ignored on the host
 *  @return OK; BUSY: pinned; NO_SPACE; CLOSED; INVALID: the storages of `to` can't be shared.
 *  Threading: any; nobody may use the old data pointer meanwhile or later. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_share(shmalloc_storage *storage, shmalloc_allocator *to, shmalloc_stream stream,
                                                    shmalloc_error *err);

/** @brief Make it longer. Its address and its bytes stay, new bytes are 0, their blocks are reserved. Another process that has it open
 *  calls this with the same size, or with 0 for whatever the object holds now.
 *  @param storage (borrowed)
 *  @param size bytes, at most info.capacity; not more than now: nothing happens
 *  @param stream that clears the new bytes; ignored on the host
 *  @return OK; NO_SPACE: beyond the capacity, or the mount is full; PERMISSION: read-only or sealed; UNSUPPORTED: the kind can't; CLOSED.
 *  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_grow(shmalloc_storage *storage, size_t size, shmalloc_stream stream,
                                                   shmalloc_error *err);

/** @brief From here on nobody writes it, neither this process nor those that open it later.
 *  @param storage (borrowed)
 *  @return OK, also when it is so already; BUSY: pinned for writing, or another process maps it writable; UNSUPPORTED: only nameless objects have
 *  seals, storages in segments do not (see ISOLATED), and what is still written here must be sealed before it is exported READ_ONLY; STALE: a peer truncated it; CLOSED.  Threading: any; nobody may write meanwhile. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_storage_seal(shmalloc_storage *storage, shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_STORAGE_H */
