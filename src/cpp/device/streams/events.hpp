// The events of one device. An event is one word (generation, how often recorded, whether done), so that asking costs one load of it;
// beside it stands where its last record is, for those who wait, and for all where the stream's ring was full: recording waits for nobody. The streams' threads change only the word, and only from the record
// that they are doing to done: one that was recorded again since, or destroyed, does not mind.
#pragma once

#include <array>
#include <atomic>
#include <mutex>

#include "device/streams/streams.hpp"

namespace shmalloc::device {

class Events {
 public:
  Events() = default;
  Events(const Events &) = delete;
  Events &operator=(const Events &) = delete;
  ~Events();

  Result<Event> create();
  Result<void> destroy(Event event);
  Result<void> record(Event event, Streams &streams, Stream stream);
  Result<bool> done(Event event);
  // Where the last record is; no timeline: it is done.
  Result<Waiting> last(Event event);

 private:
  static constexpr std::uint32_t kChunk = 256;
  static constexpr std::uint32_t kChunks = 4096;

  struct Place {
    std::atomic<std::uint64_t> word{1};
    std::mutex mutex;  // for the rest, and changes of the word by callers
    Waiting last{nullptr, 0};
    std::atomic<bool> by_position{false};  // the stream had no room for the record: it is done when the stream has come to `last`
    Place *next_free = nullptr;
    std::uint32_t number = 0;
  };

  Place *find(Event event);
  Result<void> grow();

  std::mutex mutex_;  // for the list of free places
  Place *free_ = nullptr;
  std::array<std::atomic<Place *>, kChunks> chunks_{};
  std::uint32_t used_chunks_ = 0;
};

}  // namespace shmalloc::device
