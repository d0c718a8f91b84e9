/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/memory_resource.hpp - containers of the standard library in storages. */
#ifndef SHMALLOC_CPP_MEMORY_RESOURCE_HPP
#define SHMALLOC_CPP_MEMORY_RESOURCE_HPP

#include "shmalloc/cpp/storage.hpp"

#if defined(__has_include)
#if __has_include(<memory_resource>)
#define SHMALLOC_CPP_HAS_MEMORY_RESOURCE 1
#endif
#endif

#ifdef SHMALLOC_CPP_HAS_MEMORY_RESOURCE
#include <memory_resource>
#include <mutex>
#include <new>
#include <unordered_map>

namespace shmalloc {
inline namespace v0 {

/** What memory_resource throws: a std::bad_alloc that says why. */
class SHMALLOC_API AllocationError : public std::bad_alloc {
 public:
  explicit AllocationError(Error error) noexcept : error_(std::move(error)) {}
  const char *what() const noexcept override { return error_.what(); }
  const Error &error() const noexcept { return error_; }

 private:
  Error error_;
};

/** Each allocation is a storage of its own, made by one allocator; storage_of() leads from memory to it, so that a container's block can be
 *  sent where it lies. Other processes see the bytes at other addresses: what they shall read must hold no pointers.
 *
 *  What is found again by is a table in private memory, not a word in front of the block: peers can write the block, and must not be
 *  able to choose what is released here. Nor does the library's table of addresses do, where several storages may cover one address.
 *
 *  Any thread may use it. What was not deallocated is given back with the resource. A child that was forked while another thread was in
 *  here must not use it; one without other threads may. */
class memory_resource : public std::pmr::memory_resource {
 public:
  /** Over the current allocator. */
  memory_resource() : memory_resource(Allocator::current()) {}
  /** UnsupportedError: the host can't touch its memory. */
  explicit memory_resource(Allocator allocator) : allocator_(std::move(allocator)) {
    const AllocatorInfo info = allocator_.info();
    if (!has(info.capabilities, Capability::host_access))
      throw UnsupportedError("containers need memory that the host can touch, and that of \"" + info.name + "\" is not");
    alignment_ = info.alignment;
  }
  memory_resource(const memory_resource &) = delete;
  memory_resource &operator=(const memory_resource &) = delete;

  /** The storage that was made for what allocate() returned, held once more; empty if it was not made here. */
  Storage storage_of(const void *memory) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = storages_.find(memory);
    return found == storages_.end() ? Storage() : found->second.share_reference();
  }

  const Allocator &allocator() const noexcept { return allocator_; }

 private:
  void *do_allocate(std::size_t size, std::size_t alignment) override {
    StorageOptions options;
    if (alignment > alignment_) options.alignment = alignment;
    try {
      Storage storage(allocator_, size == 0 ? 1 : size, options);
      void *memory = storage.data();
      const std::lock_guard<std::mutex> lock(mutex_);
      storages_.emplace(memory, std::move(storage));
      return memory;
    } catch (const Error &error) {
      throw AllocationError(error);
    }
  }

  void do_deallocate(void *memory, std::size_t /*size*/, std::size_t /*alignment*/) override {
    Storage storage;  // released without the lock
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = storages_.find(memory);
    if (found == storages_.end()) return;
    storage = std::move(found->second);
    storages_.erase(found);
  }

  bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override { return this == &other; }

  Allocator allocator_;
  std::uint64_t alignment_ = 0;
  mutable std::mutex mutex_;
  std::unordered_map<const void *, Storage> storages_;
};

}  // namespace v0
}  // namespace shmalloc
#endif

#endif
