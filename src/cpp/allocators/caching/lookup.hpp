// From an address to its block, for those who only have the address: the segment by a search in a table of segments, the block by the
// segment's own table. Both are made by the first lookup that needs them; who holds blocks pays nothing. With the allocator's mutex.
#pragma once

#include "allocators/caching/block.hpp"

namespace shmalloc::caching {

// Blocks of small segments begin at multiples of kGrain; of large ones no two begin within kSmall.
inline std::uint64_t place_in(const Segment &segment, Address address) {
  return (address - segment.address) / (segment.large != 0 ? kSmall : kGrain);
}
inline std::uint64_t places_of(const Segment &segment) { return place_in(segment, segment.address + segment.size - 1) + 1; }

class Lookup {
 public:
  Lookup() = default;
  Lookup(const Lookup &) = delete;
  Lookup &operator=(const Lookup &) = delete;
  ~Lookup() { delete[] table_; }

  // Segments came or went.
  void changed() { valid_ = false; }
  // The block that begins at this address, whatever its state; NULL.
  Block *find(Segment *segments, Address address);

 private:
  Segment *segment_of(Segment *segments, Address address);
  void make(Segment *segments);

  Segment **table_ = nullptr;  // by address
  std::size_t count_ = 0;
  bool valid_ = false;
};

}  // namespace shmalloc::caching
