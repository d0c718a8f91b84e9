#include "device/streams/queue.hpp"

#include <cstring>
#include <new>

#include "device/streams/thread.hpp"

namespace shmalloc::device {
namespace {

struct Do {
  void operator()(const Copying &work) const { std::memcpy(work.to, work.from, work.size); }
  void operator()(const Filling &work) const { std::memset(work.to, work.value, work.size); }
  void operator()(const Invoking &work) const { work.function(work.argument); }
  void operator()(const Recording &work) const {
    std::uint64_t expected = work.pending;
    work.state->compare_exchange_strong(expected, work.pending | 1, std::memory_order_release, std::memory_order_relaxed);
  }
  void operator()(const Waiting &work) const { work.timeline->wait(work.position); }
};

}  // namespace

bool Queue::prepare() {
  ring_.reset(new (std::nothrow) Work[kCapacity]);
  return ring_ != nullptr;
}

Result<void> Queue::check(std::uint32_t generation) const {
  if (state_ == State::open && generation_ == generation) return {};
  return fail(SHMALLOC_STATUS_INVALID, 0, "there is no such stream on this device, or no longer");
}

Result<void> Queue::start() {
  const auto run = [](void *queue) -> void * {
    static_cast<Queue *>(queue)->work();
    return nullptr;
  };
  if (const int error = start_quiet_thread(&thread_, run, this); error != 0) {
    return fail(SHMALLOC_STATUS_NO_MEMORY, error, "the thread of a stream can't be started");
  }
  threaded_ = true;
  return {};
}

Result<Queue::Turn> Queue::take_turn(std::uint32_t generation, bool long_work, bool may_wait) {
  std::unique_lock lock(mutex_);
  for (;;) {
    SHMALLOC_CHECK(check(generation));
    const std::uint64_t end = end_.load(std::memory_order_relaxed);
    const std::uint64_t reached = timeline.reached();
    if (kind_ == Kind::at_once && !long_work && reached == end) return Turn(std::move(lock), this, true);
    if (!threaded_) SHMALLOC_CHECK(start());
    const bool room = end - reached < kCapacity;
    if (room || !may_wait) return Turn(std::move(lock), this, false, room);
    // Not with the mutex: a thread that slept until just now needs it to see the work.
    lock.unlock();
    timeline.wait(end - kCapacity + 1);
    lock.lock();
  }
}

std::uint64_t Queue::Turn::put(const Work &work) {
  Queue &queue = *queue_;
  const std::uint64_t position = queue.end_.load(std::memory_order_relaxed);
  if (at_once_) {
    std::visit(Do{}, work);
    return position;
  }
  queue.ring_[position % kCapacity] = work;
  queue.end_.store(position + 1, std::memory_order_release);
  if (queue.sleeping_) queue.queued_.notify_one();
  return position + 1;
}

Result<std::uint64_t> Queue::end(std::uint32_t generation) {
  const std::lock_guard lock(mutex_);
  SHMALLOC_CHECK(check(generation));
  return end_.load(std::memory_order_relaxed);
}

std::uint64_t Queue::end() {
  const std::lock_guard lock(mutex_);
  return end_.load(std::memory_order_relaxed);
}

Result<std::uint32_t> Queue::open() {
  if (state_ != State::free) return std::uint32_t{0};
  const std::lock_guard lock(mutex_);
  if (kind_ == Kind::threaded) SHMALLOC_CHECK(start());
  state_ = State::open;
  return ++generation_;
}

Result<void> Queue::close(std::uint32_t generation) {
  {
    const std::lock_guard lock(mutex_);
    SHMALLOC_CHECK(check(generation));
    state_ = State::ending;
    if (sleeping_) queued_.notify_one();
    if (timeline.reached() != end_.load(std::memory_order_relaxed)) return {};
  }
  join();
  return {};
}

void Queue::reap() {
  if (over_.load(std::memory_order_acquire)) join();
}

void Queue::close() {
  const std::lock_guard lock(mutex_);
  if (state_ == State::open) state_ = State::ending;
  if (sleeping_) queued_.notify_one();
}

// Of several callers one joins, and the place is free only then.
void Queue::join() {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::ending || joining_) return;
    joining_ = true;
  }
  // Nobody changes these two of a stream that ends.
  if (threaded_) pthread_join(thread_, nullptr);
  const std::lock_guard lock(mutex_);
  threaded_ = joining_ = false;
  over_.store(false, std::memory_order_relaxed);
  state_ = State::free;
}

bool Queue::comes(std::uint64_t position) {
  if (end_.load(std::memory_order_acquire) != position) return true;
  std::unique_lock lock(mutex_);
  while (end_.load(std::memory_order_relaxed) == position) {
    if (state_ == State::ending) return false;
    sleeping_ = true;
    queued_.wait(lock);
    sleeping_ = false;
  }
  return true;
}

void Queue::work() {
  for (std::uint64_t position = timeline.reached(); comes(position);) {
    std::visit(Do{}, ring_[position % kCapacity]);
    timeline.reach(++position);
  }
  over_.store(true, std::memory_order_release);
}

}  // namespace shmalloc::device
