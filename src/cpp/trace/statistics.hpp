// The numbers of one allocator: exact, peaks too, whatever threads do, and without a lock.
//
// `current` is one atomic number that every change goes through, so the peak is the maximum over its modification order. What was ever
// allocated is not counted: it is what is there and what was freed.
#pragma once

#include <sys/single_threaded.h>

#include <atomic>
#include <cstdint>

#include "shmalloc/trace.h"

namespace shmalloc::trace {

// Adds, and returns the sum. Without other threads there is nobody to exclude, which is several times cheaper: a storage changes twenty
// of these in its life.
inline std::int64_t change(std::atomic<std::int64_t> &number, std::int64_t by) {
  if (__libc_single_threaded == 0) return number.fetch_add(by) + by;
  const std::int64_t sum = number.load(std::memory_order_relaxed) + by;
  number.store(sum, std::memory_order_relaxed);
  return sum;
}

class Counter {
 public:
  void add(std::int64_t amount) { raise_peak(change(current_, amount)); }
  void take(std::int64_t amount) {
    change(freed_, amount);
    lower(amount);
  }
  // Without what was freed, where others tell that.
  void lower(std::int64_t amount) { change(current_, -amount); }
  void reset_peak();
  void reset_accumulated();
  shmalloc_stat read() const;

 private:
  void raise_peak(std::int64_t now) {
    std::int64_t peak = peak_.load();
    while (peak < now && !peak_.compare_exchange_weak(peak, now)) {
    }
  }

  std::atomic<std::int64_t> current_{0};
  std::atomic<std::int64_t> peak_{0};
  std::atomic<std::int64_t> freed_{0};
  // What had been freed and allocated at the last reset.
  std::atomic<std::int64_t> freed_before_{0};
  std::atomic<std::int64_t> allocated_before_{0};
};

// In the order of shmalloc_statistics.
enum class Quantity {
  allocation,
  segment,
  active,
  inactive_split,
  allocated_bytes,
  reserved_bytes,
  active_bytes,
  inactive_split_bytes,
  requested_bytes,
};
inline constexpr int kQuantities = 9;
inline constexpr int kPools = 3;

// PyTorch's bound between the pools.
inline constexpr std::uint64_t kSmall = std::uint64_t{1} << 20;
inline int pool_of(std::uint64_t bytes) { return bytes <= kSmall ? SHMALLOC_STAT_POOL_SMALL : SHMALLOC_STAT_POOL_LARGE; }

class Statistics {
 public:
  // Of one pool, SMALL or LARGE, and of all.
  void add(Quantity quantity, int pool, std::uint64_t amount) {
    const auto which = static_cast<int>(quantity);
    arrays_[which][SHMALLOC_STAT_POOL_ALL].add(static_cast<std::int64_t>(amount));
    arrays_[which][pool].add(static_cast<std::int64_t>(amount));
  }
  void take(Quantity quantity, int pool, std::uint64_t amount) {
    const auto which = static_cast<int>(quantity);
    arrays_[which][SHMALLOC_STAT_POOL_ALL].lower(static_cast<std::int64_t>(amount));
    arrays_[which][pool].take(static_cast<std::int64_t>(amount));
  }
  Counter pending;
  Counter pending_bytes;
  Counter oversize_allocations;
  Counter oversize_segments;
  std::atomic<std::int64_t> retries{0};
  std::atomic<std::int64_t> ooms{0};

  // `one_segment_a_block`: segments were not counted, for each block is one.
  void fill(shmalloc_statistics *out, bool one_segment_a_block) const;
  void reset(std::uint32_t what);  // shmalloc_reset_flags

 private:
  template <class Self, class Function>
  static void each(Self &self, Function function) {
    for (auto &array : self.arrays_) {
      for (auto &counter : array) function(counter);
    }
    for (auto *counter : {&self.pending, &self.pending_bytes, &self.oversize_allocations, &self.oversize_segments}) {
      function(*counter);
    }
  }

  Counter arrays_[kQuantities][kPools];
};

}  // namespace shmalloc::trace
