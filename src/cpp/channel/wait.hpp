// What happens between two looks at a channel that found nothing: a short spin, and then sleep.
#pragma once

#include "channel/ring.hpp"

namespace shmalloc {

class Wait {
 public:
  // `bell` is rung when a look may find something.
  Wait(Ring &ring, wire::Bell &bell, std::int64_t timeout_ns) : ring_(ring), bell_(bell), timeout_(timeout_ns) {}
  Wait(const Wait &) = delete;
  Wait &operator=(const Wait &) = delete;
  ~Wait() {
    if (looks_ != 0) [[unlikely]]
      learn();
  }

  // Returns when another look makes sense. TIMEOUT, INTERRUPTED.
  Result<void> next();

 private:
  bool spin();
  Result<void> sleep();
  void learn();

  Ring &ring_;
  wire::Bell &bell_;
  const std::int64_t timeout_;
  std::int64_t began_ = 0;
  std::int64_t budget_ = 0;
  std::uint32_t looks_ = 0;
  std::uint32_t seen_ = 0;
  bool spun_ = false;   // long enough
  bool armed_ = false;  // the bell will be rung for us
};

}  // namespace shmalloc
