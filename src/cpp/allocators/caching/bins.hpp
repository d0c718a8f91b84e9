// The free blocks of one stream and pool, by classes of sizes. Which class has any is a bit; two looks at words of bits find the next.
//
// Invariant: a block stands in the list of its class, once; a bit is set exactly while its list has a block. A search that finds nothing
// has looked at every block that could fit.
#pragma once

#include "allocators/caching/block.hpp"

namespace shmalloc::caching {

class Bins {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  void put(Block *block) {
    const std::uint32_t index = block->index;
    Block *&first = lists_[index];
    block->previous_free = nullptr;
    block->next_free = first;
    if (first != nullptr) first->previous_free = block;
    first = block;
    bits_[index / 64] |= std::uint64_t{1} << (index % 64);
    words_ |= 1U << (index / 64);
  }
  void remove(Block *block) {
    const std::uint32_t index = block->index;
    if (block->next_free != nullptr) block->next_free->previous_free = block->previous_free;
    (block->previous_free != nullptr ? block->previous_free->next_free : lists_[index]) = block->next_free;
    if (lists_[index] != nullptr) return;
    bits_[index / 64] &= ~(std::uint64_t{1} << (index % 64));
    if (bits_[index / 64] == 0) words_ &= ~(1U << (index / 64));
  }
  // The first class from this one on that has a block.
  std::uint32_t next(std::uint32_t index) const {
    if (index >= kClasses) return kNone;
    std::uint32_t word = index / 64;
    std::uint64_t bits = bits_[word] & (~std::uint64_t{0} << (index % 64));
    if (bits == 0) {
      const std::uint32_t words = words_ & ~((2U << word) - 1);
      if (words == 0) return kNone;
      word = static_cast<std::uint32_t>(std::countr_zero(words));
      bits = bits_[word];
    }
    return word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
  }
  // A block from `size` to `limit` bytes of the lowest class that has one; of some of that class the smallest.
  Block *find(std::uint64_t size, std::uint64_t limit) const {
    for (std::uint32_t index = next(class_of(size)); index != kNone && least_of(index) <= limit; index = next(index + 1)) {
      if (Block *found = look(index, size, limit); found != nullptr) return found;
    }
    return nullptr;
  }
  Block *first(std::uint32_t index) const { return lists_[index]; }
  // The size of the largest.
  std::uint64_t largest() const {
    std::uint64_t size = 0;
    if (words_ == 0) return 0;
    const auto word = static_cast<std::uint32_t>(std::bit_width(words_)) - 1;
    const auto index = word * 64 + static_cast<std::uint32_t>(std::bit_width(bits_[word])) - 1;
    for (const Block *block = lists_[index]; block != nullptr; block = block->next_free) size = std::max(size, block->size);
    return size;
  }

 private:
  static constexpr int kEnough = 16;  // blocks looked at for a better one, once one is found
  static constexpr std::uint32_t kWords = (kClasses + 63) / 64;
  static_assert(kWords < 32);

  Block *look(std::uint32_t index, std::uint64_t size, std::uint64_t limit) const {
    Block *best = nullptr;
    int looked = 0;
    for (Block *block = lists_[index]; block != nullptr; block = block->next_free, ++looked) {
      if (best != nullptr && looked >= kEnough) break;
      if (block->size < size || block->size > limit) continue;
      if (block->size == size) return block;
      if (best == nullptr || block->size < best->size || (block->size == best->size && block->address < best->address))
        best = block;
    }
    return best;
  }

  std::uint32_t words_ = 0;
  std::uint64_t bits_[kWords] = {};
  Block *lists_[kClasses] = {};
};

// What there is of one stream.
struct Home {
  explicit Home(Stream of) : stream(of) {}
  const Stream stream;
  Bins bins[2];  // of small and of large segments
  std::uint64_t out =
      0;  // blocks that are in no bin, what threads keep too: a stream that has none may be gone, so nobody asks after it
  Home *next = nullptr;
};

}  // namespace shmalloc::caching
