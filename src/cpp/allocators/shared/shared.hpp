// Kind SHARED: many storages in few segments. docs/shared-protocol.md.
#pragma once

#include "allocators/shared/heap.hpp"

namespace shmalloc {

class SharedAllocator final : public Allocator {
 public:
  SharedAllocator() : Allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, kSharedKeys), heap_(*this) {}
  Result<std::unique_ptr<Memory>> make(std::size_t size, std::uint64_t /*stream*/, const shmalloc_storage_params &params) override;
  std::uint32_t capabilities() const override;
  std::uint64_t alignment() const override { return classes::kGrain; }
  std::uint64_t live_storages() const override;
  std::uint64_t live_bytes() const override;
  void fill_statistics(shmalloc_statistics *out) override {
    Allocator::fill_statistics(out);  // Of isolated storages.
    heap_.add_statistics(out);
  }
  void reset_statistics(std::uint32_t what) override {
    Allocator::reset_statistics(what);
    heap_.reset_statistics(what);
  }
  bool visit_segments(std::vector<trace::Segment> *segments, std::optional<trace::Recorded> * /*history*/) override {
    heap_.visit_segments(segments);
    return false;  // Isolated storages are segments of their own.
  }
  Result<std::uint64_t> trim(std::uint64_t keep) override { return heap_.trim(keep); }

  // Whether the parameters ask for a block of a segment; INVALID if they contradict that.
  static Result<bool> pooled(std::size_t size, const shmalloc_storage_params &params);
  Heap &heap() { return heap_; }
  // NULL: another kind.
  static SharedAllocator *of(Allocator *allocator) {
    return allocator->kind() == SHMALLOC_ALLOCATOR_KIND_SHARED ? static_cast<SharedAllocator *>(allocator) : nullptr;
  }
  bool orphaned() const { return orphaned_.load(std::memory_order_relaxed); }
  // Ends allocators that have neither references nor storages any more.
  static void end_orphans();
  static bool any_orphans() { return orphans_left_.load(std::memory_order_relaxed); }

  static void before_fork();
  static void in_parent();
  static void in_child();

 private:
  ~SharedAllocator() override = default;
  void destroy() override;

  static inline constinit std::atomic<bool> orphans_left_{false};
  std::atomic<bool> orphaned_{false};
  SharedAllocator *next_orphan_ = nullptr;
  Heap heap_;
};

}  // namespace shmalloc
