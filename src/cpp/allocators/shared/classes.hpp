// Sizes of blocks: eight to a doubling, so at most an eighth of a block is not used. Small ones share a slab, larger ones have a span of
// units to themselves.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shmalloc::classes {

inline constexpr std::size_t kGrain = 64;  // what sizes are multiples of, and every block's alignment
inline constexpr std::size_t kUnit = std::size_t{16} << 10;
inline constexpr std::size_t kLargestSmall = std::size_t{8} << 10;
inline constexpr std::size_t kLargestCached = std::size_t{8} << 20;
inline constexpr std::uint32_t kSlabUnits = 4;

// Of 1 to kLargestCached bytes.
constexpr std::uint32_t class_of(std::size_t size) {
  const std::size_t grains = (size + kGrain - 1) / kGrain;
  if (grains <= 8) return grains == 0 ? 0 : static_cast<std::uint32_t>(grains - 1);
  const auto top = static_cast<std::uint32_t>(63 - __builtin_clzll(grains - 1));
  return 8 + (top - 3) * 8 + (static_cast<std::uint32_t>((grains - 1) >> (top - 3)) - 8);
}

constexpr std::size_t size_of(std::uint32_t index) {
  if (index < 8) return (index + 1) * kGrain;
  const std::uint32_t top = (index - 8) / 8 + 3;
  const std::size_t size = (std::size_t{(index - 8) % 8 + 9} << (top - 3)) * kGrain;
  return size <= kLargestSmall ? size : (size + kUnit - 1) / kUnit * kUnit;
}

inline constexpr std::uint32_t kClasses = class_of(kLargestCached) + 1;
inline constexpr std::uint32_t kSmallClasses = class_of(kLargestSmall) + 1;
inline constexpr std::uint32_t kUncached = kClasses;  // what is larger, or aligned more

// Blocks that a thread keeps ready of one size.
constexpr std::uint32_t keep_of(std::uint32_t index) {
  const std::size_t size = size_of(index);
  return size <= kLargestSmall ? 64 : size <= (std::size_t{64} << 10) ? 16 : size <= (std::size_t{1} << 20) ? 4 : 1;
}

// The same, to be looked up.
struct Table {
  std::uint32_t of[kClasses];
  constexpr std::uint32_t operator[](std::uint32_t index) const { return of[index]; }
};
constexpr Table table(bool sizes) {
  Table made{};
  for (std::uint32_t i = 0; i < kClasses; ++i) made.of[i] = sizes ? static_cast<std::uint32_t>(size_of(i)) : keep_of(i);
  return made;
}
inline constexpr Table kSize = table(true);
inline constexpr Table kKeep = table(false);

// Classes of which a thread keeps so many that halves of them are handed from thread to thread in one piece.
inline constexpr std::uint32_t kBatched = class_of(std::size_t{64} << 10) + 1;
static_assert(kKeep[kBatched - 1] == 16 && kKeep[kBatched] < 16);

static_assert(size_of(class_of(1)) == 64 && size_of(class_of(512)) == 512 && size_of(class_of(513)) == 576);
static_assert(size_of(class_of(kLargestSmall)) == kLargestSmall && size_of(class_of(kLargestCached)) == kLargestCached);

}  // namespace shmalloc::classes
