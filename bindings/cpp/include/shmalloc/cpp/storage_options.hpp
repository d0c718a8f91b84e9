/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/storage_options.hpp - what calls of storages take and tell. */
#ifndef SHMALLOC_CPP_STORAGE_OPTIONS_HPP
#define SHMALLOC_CPP_STORAGE_OPTIONS_HPP

#include <optional>

#include "shmalloc/cpp/allocator.hpp"
#include "shmalloc/storage.h"

namespace shmalloc {
inline namespace v0 {

/** What a storage is mapped from; see shmalloc_mapped_flags. */
enum class Mapped : std::uint32_t {
  none = 0,
  shared = SHMALLOC_MAPPED_SHARED,
  sharedmem = SHMALLOC_MAPPED_SHAREDMEM,
  exclusive = SHMALLOC_MAPPED_EXCLUSIVE,
  nocreate = SHMALLOC_MAPPED_NOCREATE,
  keepfd = SHMALLOC_MAPPED_KEEPFD,
  fromfd = SHMALLOC_MAPPED_FROMFD,
  unlink = SHMALLOC_MAPPED_UNLINK,
  no_grow = SHMALLOC_MAPPED_NO_GROW,
  read_only = SHMALLOC_MAPPED_READ_ONLY,
  memfd = SHMALLOC_MAPPED_MEMFD,
  hugetlb = SHMALLOC_MAPPED_HUGETLB
};
template <>
struct IsFlags<Mapped> : std::true_type {};

/** What a storage is now; see shmalloc_storage_state_flags. */
enum class State : std::uint32_t {
  none = 0,
  shared = SHMALLOC_STORAGE_STATE_SHARED,
  imported = SHMALLOC_STORAGE_STATE_IMPORTED,
  read_only = SHMALLOC_STORAGE_STATE_READ_ONLY,
  sealed = SHMALLOC_STORAGE_STATE_SEALED,
  write_sealed = SHMALLOC_STORAGE_STATE_WRITE_SEALED,
  immutable = SHMALLOC_STORAGE_STATE_IMMUTABLE,
  closed = SHMALLOC_STORAGE_STATE_CLOSED,
  forked = SHMALLOC_STORAGE_STATE_FORKED
};
template <>
struct IsFlags<State> : std::true_type {};

/** What a new storage needs beyond its size; see shmalloc_storage_params. */
struct StorageOptions {
  std::string name{};             /**< path of a file, or name of a shm object */
  Mapped mapped = Mapped::none;   /**< from what it is mapped */
  std::optional<int> fd{};        /**< the object behind it (fromfd); it is duplicated */
  std::uint64_t alignment = 0;    /**< bytes, a power of two */
  std::uint64_t capacity = 0;     /**< bytes that it may grow to */
  std::uint64_t file_offset = 0;  /**< where in the file it begins */
  std::uint64_t page_size = 0;    /**< hugetlb: bytes */
  std::uint32_t mode = 0;         /**< permission bits of a new file or object */
  std::optional<int> numa_node{}; /**< that the memory is bound to; -1: any; nothing: the allocator's */
  bool zeroed = false;            /**< all 0; without it memory of kind shared holds what was there before */
  bool isolated = false; /**< pages and a descriptor of its own: for receivers that must not see its neighbours, or not write */
  StreamRef stream{};    /**< of the first use; the host needs none */
};

/** Which bytes to copy. */
struct CopyOptions {
  std::size_t offset = 0;
  std::size_t source_offset = 0;
  std::optional<std::size_t> size{}; /**< nothing: all that follow the offsets, and then both must be as long */
  StreamRef stream{};                /**< of the device of the bytes written, or if those are the host's, of those read */
  bool non_blocking = false; /**< return once it is queued on the stream; between host memories it is done on return anyway */
};

/** How memory of a device is adopted. */
struct AdoptOptions {
  StreamRef stream{};     /**< it is ready for */
  bool read_only = false; /**< nothing may write it */
};

/** A storage, described; see shmalloc_storage_info. */
struct StorageInfo {
  void *data = nullptr;
  Address address = 0;
  Device device;
  std::uint64_t size = 0;
  std::uint64_t capacity = 0;
  std::uint64_t id = 0;
  std::uint64_t generation = 0;
  std::uint64_t allocator_id = 0;
  std::uint64_t references = 0;
  std::uint64_t pins = 0;
  Kind kind = Kind::standard;
  State state = State::none;
  Mapped mapped = Mapped::none;
  int fd = -1; /**< borrowed, good as long as the storage is open; -1: none kept */
};

}  // namespace v0
}  // namespace shmalloc

#endif
