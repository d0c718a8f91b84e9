// Where storages come from. One class a kind; what they share is here.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "allocators/memory.hpp"
#include "allocators/settings.hpp"
#include "base/handle.hpp"
#include "shmalloc/allocator.h"
#include "trace/recorder.hpp"
#include "trace/snapshot.hpp"

namespace shmalloc {

class Allocator : public Handle {
 public:
  // Makes the allocator that the parameters describe. They were checked to be complete, not to be right.
  static Result<Ref<Allocator>> create(const shmalloc_allocator_params &params);
  // The current one of the host, one reference.
  static Result<Ref<Allocator>> current();
  // The same without a lock or a reference: the one that was made here, which is never freed. NULL: there is none, or another was set.
  static Allocator *current_quickly() { return quick_.load(std::memory_order_acquire); }
  static Result<void> set_current(Allocator *allocator);

  static constexpr std::size_t kNameRoom = 64;  // of a name and its zero byte

  // Memory for one storage.
  virtual Result<std::unique_ptr<Memory>> make(std::size_t size, const shmalloc_storage_params &params) = 0;
  virtual std::uint32_t capabilities() const = 0;
  virtual std::uint64_t alignment() const = 0;
  // Gives back what is free, down to `keep` bytes. How many.
  virtual std::uint64_t trim(std::uint64_t) { return 0; }

  Result<void> configure(const char *text);
  Settings settings() const {
    const std::lock_guard lock(settings_mutex_);
    return settings_;
  }
  std::uint32_t keys() const { return keys_; }
  shmalloc_allocator_kind kind() const { return kind_; }
  std::uint64_t id() const { return id_; }
  const char *name() const { return name_; }

  // A storage of this allocator begins, ends.
  void count_in(std::size_t size) {
    live_storages_.fetch_add(1, std::memory_order_relaxed);
    live_bytes_.fetch_add(size, std::memory_order_relaxed);
  }
  void count_out(std::size_t size) {
    live_storages_.fetch_sub(1, std::memory_order_relaxed);
    live_bytes_.fetch_sub(size, std::memory_order_relaxed);
  }
  virtual std::uint64_t live_storages() const { return live_storages_.load(std::memory_order_relaxed); }
  virtual std::uint64_t live_bytes() const { return live_bytes_.load(std::memory_order_relaxed); }

  // What it did. A kind with segments of its own may count in a way of its own too.
  trace::Recorder &recorder() const { return *recorder_; }
  virtual void fill_statistics(shmalloc_statistics *out) { recorder_->fill(out); }
  virtual void reset_statistics(std::uint32_t what) { recorder_->statistics.reset(what); }
  // Its segments, without their blocks: the caller finds those in use, and free is what lies between. False: each storage is one.
  // Runs with no lock held.
  virtual bool visit_segments(std::vector<trace::Segment> *) { return false; }

  // Held across fork.
  static void lock_all();
  static void unlock_all(bool in_child);

 protected:
  Allocator(shmalloc_allocator_kind kind, std::uint32_t keys, trace::Segments segments = trace::Segments::one_a_storage)
      : Handle(HandleType::allocator), kind_(kind), keys_(keys), recorder_(new (std::nothrow) trace::Recorder(segments)) {}
  ~Allocator() override = default;

 private:
  const shmalloc_allocator_kind kind_;
  const std::uint32_t keys_;
  std::uint64_t id_ = 0;
  char name_[kNameRoom] = {};
  static std::atomic<Allocator *> quick_;
  static std::mutex settings_mutex_;  // One for all: held for a copy of 200 bytes.
  Settings settings_;
  std::atomic<std::uint64_t> live_storages_{0};
  std::atomic<std::uint64_t> live_bytes_{0};
  const Ref<trace::Recorder> recorder_;
};

}  // namespace shmalloc
