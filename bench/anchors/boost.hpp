// Boost.Interprocess: blocks of a managed segment, by a handle that every process of it understands.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

class BoostSegment {
 public:
  static bool built_in();
  explicit BoostSegment(std::size_t size);
  BoostSegment(const BoostSegment &) = delete;
  BoostSegment &operator=(const BoostSegment &) = delete;
  ~BoostSegment();
  void *take(std::size_t size);
  void give(void *block);
  std::uint64_t handle_of(void *block);
  void *block_of(std::uint64_t handle);

 private:
  void *segment_ = nullptr;
};

}  // namespace bench
