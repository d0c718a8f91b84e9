// One device of the process, as the parts of CudaDevice share it.
#pragma once

#include <atomic>
#include <mutex>
#include <utility>

#include "base/fork.hpp"
#include "base/handle.hpp"
#include "device/cuda/cuda_device.hpp"
#include "device/cuda/events.hpp"
#include "device/cuda/scope.hpp"
#include "device/streams/sorted.hpp"

namespace shmalloc::device {

namespace cuda {

// A stream that we made. The driver's is kept when ours is destroyed, and serves again later: so a number that is void can't come to mean
// a stream made elsewhere meanwhile, and using it is INVALID, where the driver would crash.
struct OwnStream {
  std::uint64_t begin;    // its number
  std::uint64_t retired;  // 0: it is in use; else the order in which they were destroyed
};
struct OwnStreams {
  std::mutex mutex;
  Sorted<OwnStream> all;
  std::uint64_t retirements = 0;
  std::atomic<std::uint32_t> retired{0};
};

struct Store {
  std::uint64_t begin;  // its number
  std::uint64_t size;
  api::Memory memory;
};
struct Range {
  std::uint64_t begin;
  std::uint64_t size;
};
struct Piece {
  std::uint64_t begin;
  std::uint64_t size;
  Access access;
};
// The driver's handles don't tell sizes, and what it says of wrong ranges is its own business: these do.
struct VirtualMemory {
  std::mutex mutex;
  Sorted<Store> stores;
  Sorted<Range> reservations;
  Sorted<Piece> pieces;
  std::uint64_t last_number = 0;
  api::Device peers[CudaDevice::kMost] = {};  // devices that were allowed
  std::size_t peer_count = 0;
};

}  // namespace cuda

struct CudaDevice::State {
  State(const cuda::Driver &the_driver, std::uint32_t number) : driver(the_driver), index(number) {}

  // Queued work is the caller's business, captures included.
  template <class Call>
  cuda::api::Code queue(Call &&call) const {
    const cuda::Current current(driver, context);
    return current.code() == cuda::api::Code::success ? call() : current.code();
  }
  // All else is no part of a capture, and must not spoil one. The context comes first: a thread may have none.
  template <class Call>
  cuda::api::Code run(Call &&call) const {
    return queue([&] {
      const cuda::Relaxed relaxed(driver);
      return relaxed.code() == cuda::api::Code::success ? call() : relaxed.code();
    });
  }

  const cuda::Driver &driver;
  const std::uint32_t index;
  const std::uint64_t generation = fork_generation();
  cuda::api::Device device = 0;
  cuda::api::Context *context = nullptr;
  Description description;
  bool descriptors = false;  // memory can be exported
  cuda::OwnStreams streams;
  cuda::Events events;
  cuda::VirtualMemory memory;
};

namespace cuda {

// Of calls that give back: whether there is nothing left to be given back to.
inline bool is_over() { return exiting.load(std::memory_order_relaxed); }
inline bool given_back(api::Code code) { return code == api::Code::success || code == api::Code::deinitialized; }

}  // namespace cuda

}  // namespace shmalloc::device
