// The memory of one storage in a segment: of one that this process's allocator made, or of one that it holds.
#pragma once

#include "allocators/memory.hpp"
#include "allocators/shared/segment.hpp"

namespace shmalloc {

struct Block;

class SharedMemory final : public Memory {
 public:
  Result<void> close(bool inherited) override;
  Result<void> grow(std::size_t wanted) override;
  Result<void> seal() override;
  SharedMemory *shared() override { return this; }

  // All that `close` does, so that the object can serve another storage.
  void give_back();
  // What another process opens the storage by. The owner gives it a slot, if it has none yet.
  Result<Ticket> ticket();
  // Later handles get another generation; the ones given out are stale.
  Result<void> revoke();

  void become_held();

  // Takes hold of what a ticket speaks of. Uses of the segment are not changed.
  Result<void> open(Segment *from, const Ticket &ticket, bool for_reading_only);

  std::uint64_t allocator_id() const;
  std::uint64_t export_ttl_ms() const;

  static void *operator new(std::size_t size, const std::nothrow_t &) noexcept;
  static void operator delete(void *memory);

  std::atomic<void *> storage{nullptr};               // of the layer above, for those that find us by our address
  SharedMemory *next = nullptr, *previous = nullptr;  // handles of this process to the same slot
  Segment *segment = nullptr;
  Block *block = nullptr;  // ours, or NULL: held
  Ticket held;
  bool lingering = false;  // kept by an export only
  // Opened for reading only. What was adopted so and then shared is read-only here, too, but not for others.
  bool imported_read_only = false;

  // From now on only an export keeps it.
  void linger();
  // What its allocator records.
  void tell(trace::Action action, std::uint64_t storage_id) const {
    if (trace::recording.load(std::memory_order_relaxed) != 0) [[unlikely]]
      tell_recorder(action, storage_id);
  }

 private:
  void tell_recorder(trace::Action action, std::uint64_t storage_id) const;
};

}  // namespace shmalloc
