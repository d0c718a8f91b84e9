// Where storages come from. One class a kind; what they share is here.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
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
  // The current one of a device, one reference.
  static Result<Ref<Allocator>> current(shmalloc_device device = SHMALLOC_DEVICE_HOST);
  // The same without a lock or a reference: the one that was made here, which is never freed. NULL: there is none, or another was set.
  static Allocator *current_quickly() { return quick_.load(std::memory_order_acquire); }
  static Result<void> set_current(Allocator *allocator);
  // A device's is current no more, if nobody else has it and it has no live storages; else NULL. And so again, if there is no other by now.
  static Ref<Allocator> take_unused_current(shmalloc_device device);
  static void put_back_current(Ref<Allocator> allocator);

  static constexpr std::size_t kNameRoom = 64;  // of a name and its zero byte

  // Memory for one storage, for work on a stream.
  virtual Result<std::unique_ptr<Memory>> make(std::size_t size, std::uint64_t stream, const shmalloc_storage_params &params) = 0;
  virtual std::uint32_t capabilities() const = 0;
  virtual std::uint64_t alignment() const = 0;
  // Gives back what is free, down to `keep` bytes. How many.
  virtual Result<std::uint64_t> trim(std::uint64_t) { return 0; }

  // What it can be told: all of a text or nothing; what is in force, of one key or of all.
  virtual Result<void> configure(const char *text);
  virtual Result<std::string> setting(const char *key) const { return format_setting(settings(), key, keys_); }
  virtual std::string all_settings() const { return format_settings(settings(), keys_); }
  Settings settings() const {
    const std::lock_guard lock(settings_mutex_);
    return settings_;
  }
  shmalloc_device device() const { return device_; }
  // It is a parent's, and its device is not there in this process.
  virtual bool inherited() const { return false; }
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
  // Its segments, and its history at the same moment where the kind can tell it. True: without their blocks, so the caller finds those in use,
  // and free is what lies between. False: with them, and what else storages have is a segment each. Runs with no lock held.
  virtual bool visit_segments(std::vector<trace::Segment> *, std::optional<trace::Recorded> *) { return false; }
  virtual Result<void> record_history(const shmalloc_history_params &params) { return recorder_->history.configure(params); }

  // Held across fork.
  static void lock_all();
  static void unlock_all(bool in_child);

 protected:
  Allocator(shmalloc_allocator_kind kind, std::uint32_t keys, trace::Segments segments = trace::Segments::one_a_storage,
            shmalloc_device device = SHMALLOC_DEVICE_HOST)
      : Handle(HandleType::allocator),
        kind_(kind),
        keys_(keys),
        device_(device),
        recorder_(new (std::nothrow) trace::Recorder(segments)) {}
  // Once, when it is complete, before anybody has it.
  virtual void begin() {}
  ~Allocator() override = default;

 private:
  static Result<Ref<Allocator>> current_on_device(shmalloc_device device);

  const shmalloc_allocator_kind kind_;
  const std::uint32_t keys_;
  const shmalloc_device device_;
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
