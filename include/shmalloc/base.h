/* SPDX-License-Identifier: MIT
 * shmalloc/base.h - status, error, version, log, finalizers. The rules of every call stand in shmalloc.h. */
#ifndef SHMALLOC_BASE_H
#define SHMALLOC_BASE_H

#include <stddef.h>
#include <stdint.h>

#define SHMALLOC_VERSION_MAJOR 0
#define SHMALLOC_VERSION_MINOR 1
#define SHMALLOC_VERSION_PATCH 0
/** Version of this header as one number, major * 10^6 + minor * 10^3 + patch. */
#define SHMALLOC_VERSION 1000
#define SHMALLOC_VERSION_AT_LEAST(major, minor, patch) (SHMALLOC_VERSION >= (major)*1000000 + (minor)*1000 + (patch))

#if defined(__GNUC__)
#define SHMALLOC_API __attribute__((visibility("default")))
#else
#define SHMALLOC_API
#endif

/** Initialiser of every struct that begins with struct_size: `shmalloc_storage_params p = SHMALLOC_INIT(shmalloc_storage_params);`
 *  All other bytes are 0, which is every field's default; a language without macros zeroes the struct and sets struct_size. */
#ifdef __cplusplus
template <class T>
inline T shmalloc_init_struct() {
  T value = T();
  value.struct_size = sizeof(T);
  return value;
}
#define SHMALLOC_INIT(type) shmalloc_init_struct<type>()
extern "C" {
#else
#define SHMALLOC_INIT(type) \
  { .struct_size = sizeof(type) }
#endif

typedef struct shmalloc_allocator shmalloc_allocator; /**< where storages come from */
typedef struct shmalloc_storage shmalloc_storage;     /**< some bytes with an owner */
typedef struct shmalloc_channel shmalloc_channel;     /**< a queue of storages between processes */

/** A stream of a device (a CUstream, as a number); host memory ignores it. Numbers from 0xffffffffffffff00 are reserved. */
typedef uint64_t shmalloc_stream;
#define SHMALLOC_STREAM_DEFAULT 0
#define SHMALLOC_STREAM_OWN \
  0xffffffffffffffffULL /**< the one that the memory was made for, where a call says that it may be given */

/** An event that shmalloc_event_create made; 0 is none. */
typedef uint64_t shmalloc_event;

/** Of every timeout and time to live: what is usual there, no end, no time at all. Positive numbers are nanoseconds. */
#define SHMALLOC_TIME_DEFAULT 0
#define SHMALLOC_TIME_FOREVER (-1)
#define SHMALLOC_TIME_NONE (-2)

/** An address in a device's own space; on the host, a pointer as a number. */
typedef uint64_t shmalloc_address;

/** Result of a call. Values are appended, never reused: treat one that you don't know as INTERNAL. */
typedef enum shmalloc_status {
  SHMALLOC_STATUS_OK = 0,
  SHMALLOC_STATUS_INVALID = -1,      /**< an argument, or two of them together, can't be right */
  SHMALLOC_STATUS_NO_MEMORY = -2,    /**< the process, the device or a quota has no memory left */
  SHMALLOC_STATUS_NO_SPACE = -3,     /**< a file system, a table of the system or the caller's buffer is too small */
  SHMALLOC_STATUS_NOT_FOUND = -4,    /**< no such name, address, device or key */
  SHMALLOC_STATUS_EXISTS = -5,       /**< the name is taken */
  SHMALLOC_STATUS_PERMISSION = -6,   /**< refused by the system, by a seal, or by a read-only export */
  SHMALLOC_STATUS_BUSY = -7,         /**< in use: pinned, being changed, held by somebody */
  SHMALLOC_STATUS_TIMEOUT = -8,      /**< not ready in the time given */
  SHMALLOC_STATUS_UNSUPPORTED = -9,  /**< this kind, machine or version of the library can't do it */
  SHMALLOC_STATUS_VERSION = -10,     /**< bytes of a format newer than this library reads */
  SHMALLOC_STATUS_CORRUPT = -11,     /**< bytes from outside that fail their checks */
  SHMALLOC_STATUS_STALE = -12,       /**< a handle whose storage is gone, expired or revoked */
  SHMALLOC_STATUS_PEER_GONE = -13,   /**< the process at the other end is dead, or closed the socket */
  SHMALLOC_STATUS_CLOSED = -14,      /**< the object was closed */
  SHMALLOC_STATUS_INTERRUPTED = -15, /**< a wait was ended from outside */
  SHMALLOC_STATUS_SYSTEM = -16,      /**< a system call failed; os_error says how */
  SHMALLOC_STATUS_BACKEND = -17,     /**< a device's driver failed; backend_error says how */
  SHMALLOC_STATUS_INTERNAL = -18,    /**< a bug in shmalloc */
  SHMALLOC_STATUS_FORCE32 = 0x7fffffff
} shmalloc_status;

/** What went wrong. The caller's own, 256 bytes for ever, needs no initialisation, has no struct_size, holds no pointers. */
typedef struct shmalloc_error {
  int32_t status;        /**< the shmalloc_status that the call returned */
  int32_t os_error;      /**< errno, or 0 */
  int64_t backend_error; /**< the driver's own code (a CUresult), or 0 */
  char message[240];     /**< what was tried, on what, why it failed, what to do; ends with a zero byte */
} shmalloc_error;

/** Gives back what was adopted. Runs exactly once, failed calls included, with no lock held, on whichever thread makes the call that
 *  ends its use; must not unwind. */
typedef void (*shmalloc_destroy_fn)(void *userdata);

/** How important a log line is. */
typedef enum shmalloc_log_level {
  SHMALLOC_LOG_LEVEL_NONE = 0,
  SHMALLOC_LOG_LEVEL_ERROR = 1,   /**< something could not be given back */
  SHMALLOC_LOG_LEVEL_WARNING = 2, /**< something is not as asked */
  SHMALLOC_LOG_LEVEL_NOTE = 3,
  SHMALLOC_LOG_LEVEL_FORCE32 = 0x7fffffff
} shmalloc_log_level;

/** Hears one line; `message` ends with a zero byte, has no newline, and lives during the call only. Runs on any thread, on several at
 *  once. May call shmalloc; lines that those calls would log are dropped. Must not unwind. */
typedef void (*shmalloc_log_fn)(int32_t level, const char *message, void *userdata);

/** @brief Version of the library, as SHMALLOC_VERSION is of the header. Bindings compare the two when they load.
 *  @return the version.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API uint32_t shmalloc_version(void);

/** @brief The same for people: "0.1.0".
 *  @return static text.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API const char *shmalloc_version_string(void);

/** @brief Name of a status: "NO_SPACE".
 *  @param status any number
 *  @return static text, never NULL; "UNKNOWN" for a number without a name.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API const char *shmalloc_status_name(int32_t status);

/** @brief Value of a constant, size or offset of this library's header, so that a binding can check its tables at load time:
 *  "SHMALLOC_STATUS_STALE", "sizeof(shmalloc_error)", "offsetof(shmalloc_error,message)" (no spaces).
 *  @param name (borrowed) as above
 *  @param out_value (out) the value
 *  @return OK; NOT_FOUND.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_abi_lookup(const char *name, int64_t *out_value, shmalloc_error *err);

/** @brief Hear what no call can return: what a release could not give back. Replaces the listener before it; when this returns, no
 *  call to that one runs any more and its destroy_fn has run. Without a listener nothing is logged. One for the whole process: take
 *  yours off before your runtime ends.
 *  @param fn (nullable) listener; NULL takes it off
 *  @param level least important level to hear
 *  @param userdata (adopted)(nullable) passed to fn
 *  @param destroy_fn (nullable) gives userdata back; runs on failure too
 *  @return OK; BUSY: called by a listener.  Threading: any. Call: wait +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_set_log(shmalloc_log_fn fn, shmalloc_log_level level, void *userdata,
                                              shmalloc_destroy_fn destroy_fn, shmalloc_error *err);

/** @brief A size for people: "512 bytes", "1.50 KiB", "2.00 GiB".
 *  @param size bytes
 *  @param text (array *inout_length)(nullable) where to write; ends with a zero byte
 *  @param inout_length (inout) in: room of text; out: bytes needed, zero byte included
 *  @return OK; NO_SPACE with the length set.  Threading: any. Call: leaf. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_format_size(uint64_t size, char *text, size_t *inout_length, shmalloc_error *err);

/** @brief Release one reference later: the finalizer of every garbage collector. Takes any handle. The release itself is done by
 *  the next call marked `+cb` in this process; shmalloc_allocator_trim is one.
 *  @param handle (adopted)(nullable) a storage, an allocator or a channel
 *  Threading: any, also in a forked child. Call: leaf. Since: 0.1 */
SHMALLOC_API void shmalloc_release_deferred(void *handle);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_BASE_H */
