// A block is a piece of a segment; a segment is what the device gave in one piece.
//
// The blocks of a segment tile it, in order of address. A block belongs for good to the stream that its segment was made for (its home):
// free, it is reused on that stream without waiting, for work is done in each stream's order. What other streams do with it is in `uses`,
// and it is free only after that.
// `live` is the user's side: handed out, and not freed. `state` is the middle's side: what a thread keeps ready is `out` as well.
// Nodes of blocks are never given back to the system while the allocator lives, so a handle freed twice is seen as long as nobody got the
// node again.
#pragma once

#include <atomic>

#include "allocators/caching/rounding.hpp"
#include "device/backend.hpp"

namespace shmalloc::caching {

using device::Address;
using device::Stream;

struct Home;
struct Segment;
struct Use;

enum class State : std::uint8_t {
  free,     // in a bin
  out,      // a user's, or kept ready by a thread
  pending,  // freed, and waiting for other streams
};

// Read without a lock by those who look for it, see lookup.hpp.
class BlockAddress {
 public:
  operator Address() const { return value_.load(std::memory_order_relaxed); }  // NOLINT(google-explicit-constructor)
  BlockAddress &operator=(Address value) {
    value_.store(value, std::memory_order_relaxed);
    return *this;
  }

 private:
  std::atomic<Address> value_{0};
};

struct Block {
  BlockAddress address;
  std::uint64_t size = 0;
  std::uint64_t requested = 0;  // as it was asked for
  Stream stream = 0;            // of the home
  Block *next_free = nullptr;   // in a bin, in what a thread keeps, in a list of those that are ready
  std::uint32_t index = 0;      // class_of(size)
  std::uint8_t large = 0;       // the pool: of segments for large blocks
  State state = State::out;
  std::atomic<bool> live{false};
  bool special = false;  // is freed with the mutex: it has uses, is oversize, or was lent in need
  Segment *segment = nullptr;
  // What the common path does not need.
  Block *previous_free = nullptr;
  Block *previous = nullptr, *next = nullptr;  // neighbours
  Use *uses = nullptr;
  std::uint32_t waiting = 0;  // uses that are not done
  bool oversize = false;
  std::uint64_t freed_at = 0;  // by the clock of Middle
};

struct Segment {
  Address address = 0;
  std::uint64_t size = 0;
  Home *home = nullptr;
  Block *first = nullptr;
  Segment *next = nullptr, *previous = nullptr;
  std::uint8_t large = 0;
  bool oversize = false;
};

// Whether a segment has more than one block.
inline bool is_piece(const Block &block) { return block.previous != nullptr || block.next != nullptr; }

}  // namespace shmalloc::caching
