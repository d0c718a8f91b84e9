// The events of one device: the driver's behind numbers of ours, for a driver may crash on an event that is gone. Asking for one takes no
// lock; who destroys an event while another thread still uses it has made a mistake that nothing here can mend.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "device/backend.hpp"
#include "device/cuda/driver_api.hpp"

namespace shmalloc::device::cuda {

class Events {
 public:
  Events() = default;
  Events(const Events &) = delete;
  Events &operator=(const Events &) = delete;

  // `make` and `end` are the driver's calls: Result<api::Event *>() and Result<void>(api::Event *).
  template <class Make>
  Result<Event> create(Make &&make) {
    const std::lock_guard lock(mutex_);
    if (free_ == nullptr) SHMALLOC_CHECK(grow());
    SHMALLOC_TRY(event, make());
    Place &place = *free_;
    free_ = place.next_free;
    place.event.store(event, std::memory_order_relaxed);
    place.captured.store(false, std::memory_order_relaxed);
    const std::uint32_t generation = place.generation.load(std::memory_order_relaxed) + 1;
    place.generation.store(generation, std::memory_order_release);
    return Event{std::uint64_t{generation} << 32 | place.number};
  }
  template <class End>
  Result<void> destroy(Event event, End &&end) {
    const std::lock_guard lock(mutex_);
    SHMALLOC_TRY(found, find(event));
    SHMALLOC_CHECK(end(found));
    Place &place = *place_of(event);
    place.generation.fetch_add(1, std::memory_order_release);
    place.next_free = free_;
    free_ = &place;
    return {};
  }
  Result<api::Event *> find(Event event) const;
  // Whether the last record was a part of a capture. Of an event that was found.
  void note_capture(Event event, bool captured) { place_of(event)->captured.store(captured, std::memory_order_relaxed); }
  bool captured(Event event) const { return place_of(event)->captured.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint32_t kChunk = 256;
  static constexpr std::uint32_t kChunks = 4096;

  struct Place {
    std::atomic<std::uint32_t> generation{0};  // odd: it is taken
    std::uint32_t number = 0;
    std::atomic<api::Event *> event{nullptr};
    std::atomic<bool> captured{false};
    Place *next_free = nullptr;
  };

  Place *place_of(Event event) const;
  Result<void> grow();

  std::mutex mutex_;
  Place *free_ = nullptr;
  std::array<std::atomic<Place *>, kChunks> chunks_{};  // never given back, as the device
  std::uint32_t used_chunks_ = 0;
};

}  // namespace shmalloc::device::cuda
