// The streams of one device, by number. Places are made as they are needed and stay until the device's end, so that a number that is
// void finds a place that says so.
#pragma once

#include <array>
#include <atomic>
#include <mutex>

#include "device/streams/queue.hpp"

namespace shmalloc::device {

class Streams {
 public:
  static constexpr std::uint32_t kMost = 1024;  // besides the default one

  Streams() = default;
  Streams(const Streams &) = delete;
  Streams &operator=(const Streams &) = delete;
  // Waits for what is queued.
  ~Streams();

  Result<void> prepare();

  Result<Stream> create();
  Result<void> destroy(Stream stream);
  // A place to ask with a generation; NULL for a number that never was one.
  struct Found {
    Queue *queue;
    std::uint32_t generation;
  };
  Result<Found> find(Stream stream);
  void synchronize();

 private:
  Queue default_{Queue::Kind::at_once};
  std::uint32_t default_generation_ = 0;
  std::mutex mutex_;  // who makes places, and opens them
  std::array<std::atomic<Queue *>, kMost> places_{};
  std::atomic<std::uint32_t> made_{0};
};

}  // namespace shmalloc::device
