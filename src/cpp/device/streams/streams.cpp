#include "device/streams/streams.hpp"

#include <new>

namespace shmalloc::device {

Streams::~Streams() {
  // Streams may wait for each other: all are told before the first is waited for.
  const std::uint32_t made = made_.load(std::memory_order_relaxed);
  default_.close();
  for (std::uint32_t i = 0; i < made; ++i) places_[i].load(std::memory_order_relaxed)->close();
  default_.join();
  for (std::uint32_t i = 0; i < made; ++i) places_[i].load(std::memory_order_relaxed)->join();
  for (std::uint32_t i = 0; i < made; ++i) delete places_[i].load(std::memory_order_relaxed);
}

Result<void> Streams::prepare() {
  if (!default_.prepare()) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a device's default stream");
  SHMALLOC_TRY(generation, default_.open());
  default_generation_ = generation;
  return {};
}

Result<Stream> Streams::create() {
  const std::lock_guard lock(mutex_);
  const std::uint32_t made = made_.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < made; ++i) {
    Queue &queue = *places_[i].load(std::memory_order_relaxed);
    queue.reap();
    SHMALLOC_TRY(generation, queue.open());
    if (generation != 0) return Stream{generation} << 32 | (i + 1);
  }
  if (made == kMost) return fail(SHMALLOC_STATUS_NO_SPACE, 0, "this device has all the %u streams that it may have", kMost);
  std::unique_ptr<Queue> queue(new (std::nothrow) Queue(Queue::Kind::threaded));
  if (queue == nullptr || !queue->prepare()) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a stream");
  SHMALLOC_TRY(generation, queue->open());
  places_[made].store(queue.release(), std::memory_order_release);
  made_.store(made + 1, std::memory_order_release);
  return Stream{generation} << 32 | (made + 1);
}

Result<Streams::Found> Streams::find(Stream stream) {
  if (stream == 0) return Found{&default_, default_generation_};
  const auto place = static_cast<std::uint32_t>(stream) - 1;
  Queue *queue = place < kMost ? places_[place].load(std::memory_order_acquire) : nullptr;
  if (queue == nullptr)
    return fail(SHMALLOC_STATUS_INVALID, 0, "%#llx is no stream of this device", static_cast<unsigned long long>(stream));
  return Found{queue, static_cast<std::uint32_t>(stream >> 32)};
}

Result<void> Streams::destroy(Stream stream) {
  if (stream == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "the default stream can't be destroyed");
  SHMALLOC_TRY(found, find(stream));
  return found.queue->close(found.generation);
}

void Streams::synchronize() {
  default_.timeline.wait(default_.end());
  const std::uint32_t made = made_.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < made; ++i) {
    Queue &queue = *places_[i].load(std::memory_order_relaxed);
    queue.timeline.wait(queue.end());
    queue.reap();
  }
}

}  // namespace shmalloc::device
