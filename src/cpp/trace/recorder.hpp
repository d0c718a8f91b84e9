// Where an allocator counts and records, and the account that each memory it made has there.
//
// A recorder lives as long as its allocator or any account: memory that exports keep outlives both storage and allocator.
#pragma once

#include "base/handle.hpp"
#include "trace/history.hpp"
#include "trace/statistics.hpp"

namespace shmalloc::trace {

// Whether an allocator asks the system for each storage, or carves storages out of segments that it counts by itself.
enum class Segments { one_a_storage, own };

class Recorder {
 public:
  explicit Recorder(Segments segments) : one_a_storage_(segments == Segments::one_a_storage) {}
  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // A storage could not be made.
  void failed(std::uint64_t size, std::uint64_t stream, std::int32_t why) noexcept;
  // Runs what makes a storage, and counts its failure.
  template <class Function>
  auto watch(std::uint64_t size, std::uint64_t stream, Function make) -> decltype(make()) {
    try {
      auto made = make();
      if (!made) failed(size, stream, made.error().status);
      return made;
    } catch (...) {
      failed(size, stream, SHMALLOC_STATUS_NO_MEMORY);
      throw;
    }
  }

  // For kinds with segments of their own: one was made, is about to be given back. Any thread, with or without a lock of the kind's.
  void segment_in(std::uint64_t address, std::uint64_t bytes, int pool, std::uint64_t stream = 0) noexcept;
  void segment_out(std::uint64_t address, std::uint64_t bytes, int pool, std::uint64_t stream = 0) noexcept;

  void note(Action action, std::uint64_t address, std::uint64_t size, std::uint64_t stream, std::uint64_t storage_id) noexcept {
    if (history.on()) history.push({0, address, size, stream, storage_id, action, 0});
  }
  bool one_a_storage() const { return one_a_storage_; }
  void fill(shmalloc_statistics *out) const { statistics.fill(out, one_a_storage_); }

  Statistics statistics;
  History history;

 private:
  ~Recorder() = default;

  const bool one_a_storage_;
  std::atomic<std::uint64_t> references_{1};
};

// What one memory is in its allocator's books. Closed by its destructor at the latest. Guarded by whatever guards the memory.
class Account {
 public:
  struct Facts {
    std::uint64_t address = 0;
    std::uint64_t requested = 0;  // bytes, as asked for
    std::uint64_t block = 0;      // bytes, as taken
    int pool = SHMALLOC_STAT_POOL_SMALL;
    std::uint64_t storage_id = 0;
    std::uint64_t stream = 0;
  };

  Account() = default;
  Account(const Account &) = delete;
  Account &operator=(const Account &) = delete;
  ~Account() { close(); }

  void open(Recorder &recorder, const Facts &facts) noexcept;
  void grown(std::uint64_t requested, std::uint64_t block) noexcept;
  // The storage is given up; then, maybe: an export keeps its memory; then, with the memory still there: it is about to be given back.
  // Each may be left out, and be called again.
  void give_up() noexcept;
  void keep() noexcept;
  void end() noexcept;

  bool belongs_to(const Recorder &recorder) const { return recorder_ == &recorder; }
  bool kept() const { return kept_; }
  const Facts &facts() const { return facts_; }

 private:
  enum class Stage : std::uint8_t { none, open, given_up, ended };
  void tell(Action action, std::uint64_t size) noexcept;
  void close() noexcept;

  Recorder *recorder_ = nullptr;
  Facts facts_;
  Stage stage_ = Stage::none;
  bool kept_ = false;
};

}  // namespace shmalloc::trace
