#include "device/streams/events.hpp"

#include <new>

namespace shmalloc::device {
namespace {

constexpr std::uint64_t kDone = 1;
constexpr std::uint64_t kOneRecord = 2;
constexpr std::uint64_t kRecords = 0xfffffffe;

std::uint32_t generation_of(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }

// Even: the place is free.
bool means(Event event, std::uint64_t word) {
  const std::uint32_t generation = generation_of(static_cast<std::uint64_t>(event));
  return generation % 2 == 1 && generation == generation_of(word);
}

std::uint64_t next_generation(std::uint64_t word) { return std::uint64_t{generation_of(word) + 1} << 32 | kDone; }

Error no_event() { return fail(SHMALLOC_STATUS_INVALID, 0, "there is no such event on this device, or no longer"); }

}  // namespace

Events::~Events() {
  for (std::uint32_t i = 0; i < used_chunks_; ++i) delete[] chunks_[i].load(std::memory_order_relaxed);
}

Events::Place *Events::find(Event event) {
  const std::uint32_t place = static_cast<std::uint32_t>(event) - 1;
  Place *chunk = place < kChunk * kChunks ? chunks_[place / kChunk].load(std::memory_order_acquire) : nullptr;
  return chunk != nullptr ? &chunk[place % kChunk] : nullptr;
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

Result<Event> Events::create() {
  const std::lock_guard lock(mutex_);
  if (free_ == nullptr) SHMALLOC_CHECK(grow());
  Place &place = *free_;
  free_ = place.next_free;
  const std::lock_guard of_place(place.mutex);
  const std::uint64_t word = next_generation(place.word.load(std::memory_order_relaxed));
  place.last = {nullptr, 0};
  place.word.store(word, std::memory_order_release);
  return Event{(word & ~std::uint64_t{0xffffffff}) | place.number};
}

Result<void> Events::destroy(Event event) {
  Place *place = find(event);
  if (place == nullptr) return no_event();
  const std::lock_guard lock(mutex_);
  const std::lock_guard of_place(place->mutex);
  const std::uint64_t word = place->word.load(std::memory_order_relaxed);
  if (!means(event, word)) return no_event();
  place->word.store(next_generation(word), std::memory_order_release);
  place->next_free = free_;
  free_ = place;
  return {};
}

Result<void> Events::record(Event event, Streams &streams, Stream stream) {
  Place *place = find(event);
  if (place == nullptr) return no_event();
  SHMALLOC_TRY(found, streams.find(stream));
  const std::lock_guard of_place(place->mutex);
  const std::uint64_t word = place->word.load(std::memory_order_relaxed);
  if (!means(event, word)) return no_event();
  SHMALLOC_TRY(turn, found.queue->turn_now(found.generation));
  // Pending before the thread can see the work, which makes it done.
  const std::uint64_t pending = (word & ~(kRecords | kDone)) | ((word + kOneRecord) & kRecords);
  place->word.store(pending, std::memory_order_release);
  place->by_position.store(!turn.room(), std::memory_order_release);
  place->last = {&found.queue->timeline, turn.room() ? turn.put(Recording{&place->word, pending}) : turn.end()};
  return {};
}

Result<bool> Events::done(Event event) {
  Place *place = find(event);
  if (place == nullptr) return no_event();
  std::uint64_t word = place->word.load(std::memory_order_acquire);
  if (!means(event, word)) return no_event();
  if ((word & kDone) != 0) return true;
  if (!place->by_position.load(std::memory_order_acquire)) return false;
  const std::lock_guard of_place(place->mutex);
  word = place->word.load(std::memory_order_acquire);
  if (!means(event, word)) return no_event();
  return (word & kDone) != 0 || place->last.timeline->reached() >= place->last.position;
}

Result<Waiting> Events::last(Event event) {
  Place *place = find(event);
  if (place == nullptr) return no_event();
  const std::lock_guard of_place(place->mutex);
  const std::uint64_t word = place->word.load(std::memory_order_acquire);
  if (!means(event, word)) return no_event();
  if ((word & kDone) != 0) return Waiting{nullptr, 0};
  return place->last;
}

}  // namespace shmalloc::device
