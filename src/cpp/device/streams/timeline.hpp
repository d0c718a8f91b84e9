// How far a stream has come: a number that only grows, and those who wait for it. Its place is kept for as long as the device lives, so
// that whoever has a position may ask, whatever became of the stream.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace shmalloc::device {

class Timeline {
 public:
  std::uint64_t reached() const { return reached_.load(std::memory_order_acquire); }

  // By one thread at a time. In one order with `waiters_`: either this sees the waiter, or the waiter sees the number.
  void reach(std::uint64_t position) {
    reached_.store(position, std::memory_order_seq_cst);
    if (waiters_.load(std::memory_order_seq_cst) == 0) return;
    { const std::lock_guard lock(mutex_); }
    moved_.notify_all();
  }

  void wait(std::uint64_t position) {
    if (reached() >= position) return;
    waiters_.fetch_add(1, std::memory_order_seq_cst);
    {
      std::unique_lock lock(mutex_);
      moved_.wait(lock, [&] { return reached_.load(std::memory_order_seq_cst) >= position; });
    }
    waiters_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> reached_{0};
  std::atomic<std::uint32_t> waiters_{0};
  std::mutex mutex_;
  std::condition_variable moved_;
};

}  // namespace shmalloc::device
