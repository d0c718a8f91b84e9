// Work for allocators of every make: `Api` has take(size), and give of what that returns. The same code runs on storages and, in a child, on malloc.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <thread>
#include <vector>

#include "harness/clock.hpp"
#include "harness/machine.hpp"

namespace bench {

// Taken and given back at once, n times; nanoseconds a pair.
template <class Api>
double work_in_pairs(std::size_t size, long n) {
  const std::size_t hidden = opaque(size);
  const double begin = now_ns();
  for (long time = 0; time < n; ++time) Api::give(Api::take(hidden));
  return (now_ns() - begin) / static_cast<double>(n);
}

// The same by several threads at once, each on a CPU of its own: wall time by all pairs, so half as much if two do not hinder each other.
template <class Api>
double work_in_threads(std::size_t size, int threads, long n) {
  std::atomic<int> waiting{threads};
  std::vector<double> begins(threads), ends(threads);
  const auto work = [&](int index) {
    pin(index);
    work_in_pairs<Api>(size, 100);
    waiting.fetch_sub(1);
    while (waiting.load(std::memory_order_relaxed) != 0) {
    }
    begins[index] = now_ns();
    work_in_pairs<Api>(size, n);
    ends[index] = now_ns();
  };
  std::vector<std::thread> running;
  for (int index = 0; index < threads; ++index) running.emplace_back(work, index);
  for (std::thread &thread : running) thread.join();
  const double wall = *std::max_element(ends.begin(), ends.end()) - *std::min_element(begins.begin(), begins.end());
  return wall / static_cast<double>(n * threads);
}

// A number of live ones, any of which is replaced by one of another size.
template <class Api>
class Population {
 public:
  // From `least` bytes on, as many from each doubling.
  explicit Population(std::size_t live, std::size_t least = 64, unsigned doublings = 7) : sizes_(4096) {
    for (std::size_t &size : sizes_)
      size = static_cast<std::size_t>(static_cast<double>(least) *
                                      std::exp2(static_cast<double>(next() % (1000 * doublings + 1)) / 1000));
    for (std::size_t index = 0; index < live; ++index) live_.push_back(Api::take(sizes_[index % sizes_.size()]));
  }
  Population(const Population &) = delete;
  Population &operator=(const Population &) = delete;
  ~Population() {
    for (auto each : live_) Api::give(each);
  }
  std::size_t live() const { return live_.size(); }

  double replace(long n) {
    const double begin = now_ns();
    for (long time = 0; time < n; ++time) {
      const std::uint64_t number = next();
      auto &chosen = live_[(number >> 32) * live_.size() >> 32];
      Api::give(chosen);
      chosen = Api::take(sizes_[number % sizes_.size()]);
    }
    return (now_ns() - begin) / static_cast<double>(n);
  }

 private:
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    return state_ ^= state_ << 17;
  }
  std::uint64_t state_ = 0x9e3779b97f4a7c15;
  std::vector<std::size_t> sizes_;
  std::vector<decltype(Api::take(0))> live_;
};

// One thread takes, another gives back; up to 1024 are on the way.
template <class Api>
double work_across_threads(std::size_t size, long n) {
  using Pointer = decltype(Api::take(0));
  constexpr std::size_t room = 1024;
  std::array<Pointer, room> ring{};
  alignas(64) std::atomic<long> taken{-1};
  alignas(64) std::atomic<long> given{0};
  double end = 0;
  std::thread other([&] {
    pin(1);
    Api::give(Api::take(size));
    taken.store(0, std::memory_order_release);
    for (long done = 0; done < n;) {
      const long there = taken.load(std::memory_order_acquire);
      for (; done < there; ++done) Api::give(ring[static_cast<std::size_t>(done) % room]);
      given.store(done, std::memory_order_release);
    }
    end = now_ns();
  });
  while (taken.load(std::memory_order_acquire) != 0) {
  }
  const double begin = now_ns();
  for (long made = 0; made < n; ++made) {
    while (made - given.load(std::memory_order_acquire) >= static_cast<long>(room)) {
    }
    ring[static_cast<std::size_t>(made) % room] = Api::take(size);
    taken.store(made + 1, std::memory_order_release);
  }
  other.join();
  return (end - begin) / static_cast<double>(n);
}

}  // namespace bench
