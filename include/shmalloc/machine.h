/* SPDX-License-Identifier: MIT
 * shmalloc/machine.h - what is shared on this machine, who holds it, and taking back what nobody does. */
#ifndef SHMALLOC_MACHINE_H
#define SHMALLOC_MACHINE_H

#include "shmalloc/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Who made a shared object. */
typedef enum shmalloc_object_maker {
  SHMALLOC_OBJECT_MAKER_UNKNOWN = 0,
  SHMALLOC_OBJECT_MAKER_SHMALLOC = 1,
  SHMALLOC_OBJECT_MAKER_TORCH = 2,
  SHMALLOC_OBJECT_MAKER_FORCE32 = 0x7fffffff
} shmalloc_object_maker;

/** What a shared object is, bits of shmalloc_object_info.state. */
typedef enum shmalloc_object_flags {
  SHMALLOC_OBJECT_NAMED = 1,     /**< in /dev/shm; else it exists only as long as a process holds it */
  SHMALLOC_OBJECT_COUNTED = 2,   /**< begins with PyTorch's reference count; not known of those that shmalloc made */
  SHMALLOC_OBJECT_LOCKED = 4,    /**< a living process that uses shmalloc holds it; true in every pid namespace */
  SHMALLOC_OBJECT_ABANDONED = 8, /**< nobody holds it: shmalloc_machine_reclaim would remove it */
  SHMALLOC_OBJECT_UNCERTAIN = 16 /**< there may be holders that can't be seen from here */
} shmalloc_object_flags;

/** One shared object. Handed to shmalloc_object_fn; struct_size is what the library knows. A segment of kind SHARED is two of them, seen with
 *  the prefix "shmalloc": memfd:shmalloc_control, and memfd:shmalloc_segment or deleted:/#number, whose size is what it may grow to. The
 *  storages in it can't be seen from outside. */
typedef struct shmalloc_object_info {
  size_t struct_size;
  uint64_t size;       /**< bytes */
  uint64_t resident;   /**< bytes of memory that it takes */
  int64_t modified_ns; /**< last change of its length or name, since 1970 */
  int64_t refcount;    /**< COUNTED: PyTorch's count; else -1 */
  int32_t maker;       /**< shmalloc_object_maker */
  uint32_t state;      /**< shmalloc_object_flags */
  int32_t holders;     /**< living processes seen to have it open or mapped */
  int32_t holder_pid;  /**< one of them, 0 for none; for people */
  int32_t uid;         /**< owner */
  uint32_t mode;       /**< permission bits */
  char name[272];      /**< "/name" of a shm object; "memfd:name", "deleted:/name" of one without a name */
} shmalloc_object_info;

/** Hears of one object; `object` lives during the call only. Not 0: stop. */
typedef int32_t (*shmalloc_object_fn)(const shmalloc_object_info *object, void *userdata);

/** Bits of shmalloc_machine_reclaim's flags. */
typedef enum shmalloc_reclaim_flags {
  SHMALLOC_RECLAIM_FORCE = 1,  /**< with a name: remove it though it is held; the holders keep the memory */
  SHMALLOC_RECLAIM_DRY_RUN = 2 /**< only tell what would be removed */
} shmalloc_reclaim_flags;

/** @brief What this machine offers, as a JSON object: library and kernel, /dev/shm and its use, limits of this process, huge pages, the
 *  memory of segments, kinds, backends, and for what is missing the reason. A CUDA driver is loaded and asked, if there is one. Keys are
 *  added, never renamed.
 *  @param text (array *inout_length)(nullable) where to write; ends with a zero byte
 *  @param inout_length (inout) in: room of text; out: bytes needed, zero byte included
 *  @return OK; NO_SPACE with the length set.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_machine_describe(char *text, size_t *inout_length, shmalloc_error *err);

/** @brief Visit the shared objects of shmalloc's and of PyTorch's making that this user can see.
 *  @param prefix (borrowed)(nullable) of names made by shmalloc, without the underscore that follows it; NULL: "shmalloc"
 *  @param fn called for each
 *  @param userdata (borrowed)(nullable) passed to fn
 *  @return OK.  Threading: any. Call: work +cb. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_machine_walk(const char *prefix, shmalloc_object_fn fn, void *userdata, shmalloc_error *err);

/** @brief Remove what no living process holds: one object, or all that shmalloc_machine_walk finds ABANDONED and not UNCERTAIN.
 *  Objects of shmalloc's making are judged by a lock that the kernel keeps for their holders, PyTorch's by who has them open.
 *  @param name (borrowed)(nullable) of a shm object, with or without its leading slash; NULL: all
 *  @param prefix (borrowed)(nullable) as in shmalloc_machine_walk
 *  @param flags shmalloc_reclaim_flags
 *  @param out_objects (out)(nullable) how many were removed
 *  @param out_bytes (out)(nullable) their memory
 *  @return OK; NOT_FOUND; BUSY: somebody holds it; PERMISSION.  Threading: any. Call: work. Since: 0.1 */
SHMALLOC_API shmalloc_status shmalloc_machine_reclaim(const char *name, const char *prefix, uint32_t flags, uint64_t *out_objects,
                                                      uint64_t *out_bytes, shmalloc_error *err);

#ifdef __cplusplus
}
#endif
#endif /* SHMALLOC_MACHINE_H */
