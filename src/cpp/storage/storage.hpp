// Some bytes with an owner. Thin over Memory: references, pins, the table of what is where, and what fork means.
//
// Data and size are read without a lock. Pins and moves exclude each other by one word: a mover takes it from "no pins that matter" to
// "moving", a pin adds to it unless it is moving. Movers of one storage queue on a mutex first, so that two that share it both succeed.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "allocators/allocator.hpp"

namespace shmalloc {

class Storage final : public Handle {
 public:
  // Takes the memory; on failure it is closed. `allocator` is NULL for adopted and imported memory.
  static Result<Ref<Storage>> make(std::unique_ptr<Memory> memory, Ref<Allocator> allocator, shmalloc_allocator_kind kind,
                                   bool imported);
  static Result<Ref<Storage>> find(std::uint64_t address, std::size_t *offset);
  static std::vector<Ref<Storage>> all();  // that have bytes, or room for them

  void *data() const { return size_.load(std::memory_order_relaxed) != 0 ? data_.load(std::memory_order_relaxed) : nullptr; }
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }
  bool closed() const { return closed_.load(std::memory_order_relaxed); }
  bool inherited() const;

  Result<void> close();
  Result<void> pin(bool write);
  Result<void> pin_as(shmalloc_access access);
  void drop_pin(bool write);           // without the reference
  void unpin(shmalloc_access access);  // with it; frees nothing
  Result<void> share(Ref<Allocator> to);
  Result<void> grow(std::size_t size);
  Result<void> seal();
  Result<std::int32_t> refcount(std::int32_t change);
  void describe(shmalloc_storage_info *info);
  // Runs with the memory held still; CLOSED if there is none.
  template <class Function>
  auto with_memory(Function function) -> decltype(function(*static_cast<Memory *>(nullptr))) {
    const std::lock_guard lock(change_mutex());
    if (memory_ == nullptr) return fail(SHMALLOC_STATUS_CLOSED, 0, "the storage is closed");
    return function(*memory_);
  }
  bool stable() const { return memory_->stable.load(std::memory_order_relaxed); }  // of a pinned storage

  // Until when a bytes-only handle may be opened after the last release; monotonic nanoseconds, 0 for no handle.
  void exported_until(std::int64_t deadline);
  Result<void> revoke();
  std::uint64_t export_ttl_ms() const { return allocator_ ? allocator_->settings().export_ttl_ms : Settings().export_ttl_ms; }
  shmalloc_allocator_kind kind() const { return kind_; }

  static void lock_all();
  static void unlock_all();

 private:
  Storage(Ref<Allocator> allocator, shmalloc_allocator_kind kind, bool imported);
  ~Storage() override;

  std::mutex &change_mutex() const;
  // Keeps pins away: those for writing, or all. BUSY if there are any.
  Result<void> begin_move(bool readers_too);
  void end_move();
  void publish();
  void count_in();
  void count_out();
  // The table of addresses. What has no bytes is not in it.
  void enter(void *address);
  void leave(void *address);

  std::atomic<void *> data_{nullptr};
  std::atomic<std::size_t> size_{0};
  std::atomic<std::uint64_t> pins_{0};  // readers in the low half, writers above, moving in the top bit
  std::atomic<bool> closed_{false};
  std::atomic<bool> read_only_{false};
  const bool imported_;
  shmalloc_allocator_kind kind_;
  const std::uint64_t id_;
  std::uint64_t generation_ = 1;
  std::uint64_t fork_generation_;
  std::size_t counted_ = 0;  // bytes that the allocator counts for us
  bool counting_ = false;
  void *entered_ = nullptr;  // our key in the table
  std::int64_t exported_until_ = 0;
  Ref<Allocator> allocator_;
  std::unique_ptr<Memory> memory_;
  std::vector<os::UniqueFd> revoked_;  // numbers of descriptors that old handles name: kept from meaning anything again
};

// Sets up what fork and exit need, once.
Result<void> prepare_process();
// How many forks lie between this process and the first that used the library.
std::uint64_t fork_generation();

}  // namespace shmalloc
