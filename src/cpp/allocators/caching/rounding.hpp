// How sizes become sizes of blocks and of segments: PyTorch's rules, so that what users know of them stays true.
//
// Invariant: every size of a block is a multiple of kGrain, and at least kGrain.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "trace/statistics.hpp"

namespace shmalloc::caching {

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kGrain = 512;
inline constexpr std::uint64_t kMost = std::uint64_t{1} << 60;  // what can be asked for is less
inline constexpr std::uint64_t kSmall = trace::kSmall;          // blocks of at most this share small segments
inline constexpr std::uint64_t kLargestKept = 1024 * kSmall;    // by threads
inline constexpr std::uint64_t kSmallSegment = 2 * kMiB;        // for small blocks
inline constexpr std::uint64_t kLargeSegment = 20 * kMiB;       // for larger ones below kOwnSegment, unless set otherwise
inline constexpr std::uint64_t kOwnSegment = 10 * kMiB;         // from here on each gets a segment of its size
inline constexpr std::uint64_t kSegmentGrain = 2 * kMiB;        // of which such sizes are multiples
inline constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};  // of max_split_size
inline constexpr std::uint64_t kNonSplitRounding =
    kLargeSegment;  // how much larger an oversize block may be than what is asked for

constexpr std::uint64_t round_up(std::uint64_t size, std::uint64_t grain) { return (size + grain - 1) / grain * grain; }

// Into how many equal steps a doubling is divided, for 16 sizes: slot i is for those of 2^(20+i) bytes, the first and the last for all
// that is below and above. One word, so that it is read and replaced in one piece: 4 bits a slot, the logarithm; 0: multiples of kGrain.
class Divisions {
 public:
  static constexpr int kSlots = 16;
  static constexpr std::uint64_t kMostDivisions = std::uint64_t{1} << 15;

  constexpr Divisions() = default;
  constexpr explicit Divisions(std::uint64_t word) : word_(word) {}
  constexpr std::uint64_t word() const { return word_; }
  constexpr std::uint64_t of(int slot) const { return std::uint64_t{1} << logarithm(slot); }
  // A power of two up to kMostDivisions; 0 and 1: none.
  constexpr void set(int slot, std::uint64_t divisions) {
    const std::uint64_t log = divisions > 1 ? std::countr_zero(divisions) : 0;
    word_ = (word_ & ~(std::uint64_t{15} << (4 * slot))) | (log << (4 * slot));
  }
  static constexpr int slot_of(std::uint64_t size) {
    return std::clamp(static_cast<int>(std::bit_width(size)) - 21, 0, kSlots - 1);
  }
  // Of a size from 1 to kMost - 1.
  constexpr std::uint64_t round(std::uint64_t size) const {
    if (word_ != 0) [[unlikely]] {
      const int log = logarithm(slot_of(size));
      if (log > 0 && size > (kGrain << log)) return round_up(size, std::bit_floor(size) >> log);
    }
    return (size + kGrain - 1) & ~(kGrain - 1);
  }

 private:
  constexpr int logarithm(int slot) const { return static_cast<int>(word_ >> (4 * slot)) & 15; }

  std::uint64_t word_ = 0;
};

constexpr bool is_large(std::uint64_t rounded) { return rounded > kSmall; }

// The segment that is asked of the device for a block of this size.
constexpr std::uint64_t segment_size(std::uint64_t rounded, std::uint64_t large_segment) {
  if (!is_large(rounded)) return kSmallSegment;
  if (rounded < kOwnSegment && rounded <= large_segment) return large_segment;
  return round_up(rounded, kSegmentGrain);
}
// The smallest that would do.
constexpr std::uint64_t smallest_segment(std::uint64_t rounded) {
  return is_large(rounded) ? round_up(rounded, kSegmentGrain) : kSmallSegment;
}

// Classes of sizes, 16 to a doubling; those of less than 32 grains have one size each. A larger size never has a smaller class.
inline constexpr std::uint32_t kExact = 32;
constexpr std::uint32_t class_of(std::uint64_t rounded) {
  const std::uint64_t grains = rounded / kGrain;
  if (grains < kExact) return static_cast<std::uint32_t>(grains);
  const auto top = static_cast<std::uint32_t>(std::bit_width(grains)) - 1;
  return kExact + (top - 5) * 16 + (static_cast<std::uint32_t>(grains >> (top - 4)) & 15);
}
// The smallest size of a class.
constexpr std::uint64_t least_of(std::uint32_t index) {
  if (index < kExact) return index * kGrain;
  const std::uint32_t top = (index - kExact) / 16 + 5;
  return (std::uint64_t{16 + (index - kExact) % 16} << (top - 4)) * kGrain;
}
inline constexpr std::uint32_t kClasses = class_of(kMost) + 1;

// What a thread keeps ready is used again as it is, without a look at its neighbours. It may be somewhat larger than what it is used for,
// as with malloc's classes of sizes: sizes that never come twice would find nothing else. A large one by no more than what is never split
// off either. A size of kSmall is the last of its pool.
constexpr bool serves(std::uint64_t block, std::uint64_t rounded) {
  return block - rounded <= (rounded == kSmall ? 0 : std::min(rounded / 8, kSmall));
}
// The last class that may have one.
constexpr std::uint32_t last_to_look_in(std::uint64_t rounded) {
  const std::uint32_t last = class_of(rounded + std::min(rounded / 8, kSmall));
  return rounded <= kSmall ? std::min(last, class_of(kSmall) - 1) : std::min(last, class_of(kLargestKept));
}

static_assert(class_of(kGrain) == 1 && class_of(31 * kGrain) == 31 && class_of(32 * kGrain) == 32 && class_of(33 * kGrain) == 32);
static_assert(class_of(34 * kGrain) == 33 && class_of(64 * kGrain) == 48 && least_of(33) == 34 * kGrain &&
              least_of(48) == 64 * kGrain);

}  // namespace shmalloc::caching
