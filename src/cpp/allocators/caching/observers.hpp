// Who hears of what happens in an allocator.
//
// Observers run with no lock held, on several threads at once. An observer is not told of what its own calls cause, so it may allocate.
// Who takes one off waits until no call of it runs: no new one begins from then on, so that wait ends. One lock for all allocators: what
// is told of is rare, and an observer of one allocator may take off those of another.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "shmalloc/allocator.h"

namespace shmalloc::caching {

class Observers {
 public:
  static constexpr std::size_t kMost = 16;

  Observers() = default;
  Observers(const Observers &) = delete;
  Observers &operator=(const Observers &) = delete;

  // Its number, which no other observer ever has. On failure userdata is still the caller's.
  Result<std::uint64_t> add(std::uint32_t kinds, shmalloc_observer_fn fn, void *userdata, shmalloc_destroy_fn destroy_fn);
  // Returns when no call of it runs any more, and its destroy_fn ran.
  Result<void> remove(std::uint64_t id);
  // Nobody is told any more, and nobody calls: gives all userdata back, unless the process is exiting.
  void end();

  bool hears(std::uint32_t kind) const;
  // Tells all who want to hear of this kind. Whether one of them answered 1.
  bool tell(const shmalloc_notice &notice);

  // Held across fork. In the child only this thread's calls run.
  static void lock();
  static void unlock();
  static void begin_in_child();
  void forget_other_threads();

 private:
  struct Observer {
    std::uint64_t id = 0;  // 0: there is none
    std::uint32_t kinds = 0;
    int running = 0;
    bool leaving = false;  // somebody waits for `running` to become 0
    shmalloc_observer_fn fn = nullptr;
    void *userdata = nullptr;
    shmalloc_destroy_fn destroy_fn = nullptr;
  };
  // A call that this thread is in.
  struct Call {
    Observer *observer;
    Call *outer;
  };
  static bool in_call_of(const Observer &observer);

  static thread_local constinit Call *own_calls;
  Observer observers_[kMost];
};

}  // namespace shmalloc::caching
