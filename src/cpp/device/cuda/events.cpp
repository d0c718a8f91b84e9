#include "device/cuda/events.hpp"

#include <new>

namespace shmalloc::device::cuda {

Events::Place *Events::place_of(Event event) const {
  const std::uint32_t place = static_cast<std::uint32_t>(event) - 1;
  Place *chunk = place < kChunk * kChunks ? chunks_[place / kChunk].load(std::memory_order_acquire) : nullptr;
  return chunk != nullptr ? &chunk[place % kChunk] : nullptr;
}

Result<api::Event *> Events::find(Event event) const {
  const auto generation = static_cast<std::uint32_t>(static_cast<std::uint64_t>(event) >> 32);
  const Place *place = place_of(event);
  if (place == nullptr || generation % 2 == 0 || place->generation.load(std::memory_order_acquire) != generation) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "there is no such event on this device, or no longer");
  }
  return place->event.load(std::memory_order_relaxed);
}

Result<void> Events::grow() {
  if (used_chunks_ == kChunks) return fail(SHMALLOC_STATUS_NO_SPACE, 0, "this device has all the events that it may have");
  auto *chunk = new (std::nothrow) Place[kChunk];
  if (chunk == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for events");
  for (std::uint32_t i = kChunk; i-- > 0;) {
    chunk[i].number = used_chunks_ * kChunk + i + 1;
    chunk[i].next_free = free_;
    free_ = &chunk[i];
  }
  chunks_[used_chunks_++].store(chunk, std::memory_order_release);
  return {};
}

}  // namespace shmalloc::device::cuda
