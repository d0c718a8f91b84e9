// The numbers of one allocator: exact, peaks too, whatever threads do, and without a lock.
//
// `current` is one atomic number that every change goes through, so the peak is the maximum over its modification order. What was ever
// allocated is not counted: it is what is there and what was freed.
#pragma once

#include <atomic>
#include <cstdint>

#include "shmalloc/trace.h"

namespace shmalloc::trace {

class Counter {
 public:
  void add(std::int64_t amount) {
    const std::int64_t now = current_.fetch_add(amount) + amount;
    raise_peak(now);
  }
  void take(std::int64_t amount) {
    freed_.fetch_add(amount, std::memory_order_relaxed);
    current_.fetch_sub(amount);
  }
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
  // Of one pool, and of all.
  void add(Quantity quantity, int pool, std::uint64_t amount) {
    const auto which = static_cast<int>(quantity);
    arrays_[which][SHMALLOC_STAT_POOL_ALL].add(static_cast<std::int64_t>(amount));
    arrays_[which][pool].add(static_cast<std::int64_t>(amount));
  }
  void take(Quantity quantity, int pool, std::uint64_t amount) {
    const auto which = static_cast<int>(quantity);
    arrays_[which][SHMALLOC_STAT_POOL_ALL].take(static_cast<std::int64_t>(amount));
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
