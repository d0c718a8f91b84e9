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
#include "allocators/shared/shared_memory.hpp"
#include "base/fork.hpp"

namespace shmalloc {

class SharedAllocator;

class Storage final : public Handle {
 public:
  // Takes the memory; on failure it is closed. `allocator` is NULL for adopted and imported memory.
  static Result<Ref<Storage>> make(std::unique_ptr<Memory> memory, Ref<Allocator> allocator, shmalloc_allocator_kind kind,
                                   bool imported);
  // In a segment: a block of the allocator's, or what the ticket speaks of. The use of the segment is taken, on failure given back.
  static Result<Ref<Storage>> make_shared(SharedAllocator &allocator, std::size_t size, std::uint64_t alignment, bool zeroed);
  // The same for the common case: NULL if it is not that.
  static Storage *make_quickly(SharedAllocator &allocator, std::size_t size);
  static Result<Ref<Storage>> hold_shared(Segment *segment, const Ticket &ticket, bool read_only);
  static Result<Ref<Storage>> find(shmalloc_device device, std::uint64_t address, std::size_t *offset);
  static std::vector<Ref<Storage>> all();  // that have bytes, or room for them

  void *data() const { return size_.load(std::memory_order_relaxed) != 0 ? data_.load(std::memory_order_relaxed) : nullptr; }
  // On its device; on the host that of data().
  std::uint64_t address() const {
    if (size_.load(std::memory_order_relaxed) == 0) return 0;
    return device_ == SHMALLOC_DEVICE_HOST ? reinterpret_cast<std::uintptr_t>(data_.load(std::memory_order_relaxed))
                                           : address_.load(std::memory_order_relaxed);
  }
  shmalloc_device device() const { return device_; }
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }
  bool closed() const { return closed_.load(std::memory_order_relaxed); }
  bool inherited() const;
  // One reference less, if it is the last and the storage lies in a segment.
  bool release_quickly();

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
    if (memory_ == nullptr || closed()) return fail(SHMALLOC_STATUS_CLOSED, 0, "the storage is closed");
    return function(*memory_);
  }
  // Work on another stream of its device uses it.
  Result<void> record_stream(std::uint64_t stream);
  // Of a pinned storage: where its bytes are, NULL for the host's; and whether its memory is kept for what the stream does.
  device::Device *on() const { return memory_->device(); }
  Result<bool> used_on(std::uint64_t stream) { return memory_->used_on(stream); }
  bool stable() const { return memory_->stable.load(std::memory_order_relaxed); }  // of a pinned storage

  // Until when a bytes-only handle may be opened after the last release; monotonic nanoseconds, 0 for no handle.
  void exported_until(std::int64_t deadline);
  Result<void> revoke();
  std::uint64_t export_ttl_ms() const;
  shmalloc_allocator_kind kind() const { return kind_; }

  static void lock_all();
  static void unlock_all(bool in_child);
  static void lock_shells();
  static void unlock_shells(bool in_child);
  static void prepare_shells();

 private:
  Storage(Ref<Allocator> allocator, shmalloc_allocator_kind kind, bool imported);
  ~Storage() override;
  void destroy() override;

  // Storages in segments are made and released too often to be made anew each time: their objects serve again, and are never freed, so
  // that who finds one by an address may look at it a little too late.
  static Result<Storage *> take_shell();
  static bool watch_thread(Storage *shell);
  void put_shell();
  void begin(shmalloc_allocator_kind kind, bool imported);
  static Result<Ref<Storage>> find_shared(std::uintptr_t address);

  std::mutex &change_mutex() const;
  // Keeps pins away: those for writing, or all. BUSY if there are any.
  Result<void> begin_move(bool readers_too);
  void end_move();
  void publish();
  void count_in();
  void count_out();
  // The table of addresses. What has no bytes is not in it.
  void enter(std::uint64_t address);
  void leave(std::uint64_t address);

  std::atomic<void *> data_{nullptr};
  std::atomic<std::uint64_t> address_{0};  // on a device
  shmalloc_device device_ = SHMALLOC_DEVICE_HOST;
  std::atomic<std::size_t> size_{0};
  std::atomic<std::uint64_t> pins_{0};  // readers in the low half, writers above, moving in the top bit
  std::atomic<bool> closed_{false};
  std::atomic<bool> read_only_{false};
  bool imported_;
  shmalloc_allocator_kind kind_;
  std::uint64_t id_;
  std::uint64_t generation_ = 1;
  std::uint64_t fork_generation_;
  std::size_t counted_ = 0;  // bytes that the allocator counts for us
  bool counting_ = false;
  std::uint64_t entered_ = 0;  // our address in the table
  std::int64_t exported_until_ = 0;
  Ref<Allocator> allocator_;
  std::unique_ptr<Memory> memory_;
  SharedMemory *shell_ = nullptr;  // memory_, of those whose objects serve again
  Storage *next_shell_ = nullptr;
  std::vector<os::UniqueFd> revoked_;  // numbers of descriptors that old handles name: kept from meaning anything again
};

// The first of so many new numbers of storages.
std::uint64_t new_storage_id(std::uint64_t count);

// Sets up what fork and exit need, once.
inline constinit std::atomic<bool> process_ready{false};
Result<void> prepare_process_once();
inline Result<void> prepare_process() {
  if (process_ready.load(std::memory_order_acquire)) [[likely]]
    return {};
  return prepare_process_once();
}

// Of the layer above, for fork: its lock is taken before ours (src/cpp/channel/ring.cpp).
void lock_channels();
void unlock_channels(bool in_child);

}  // namespace shmalloc
