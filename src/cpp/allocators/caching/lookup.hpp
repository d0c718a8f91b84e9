// From an address to the block that begins there, for those who only have the address.
//
// A table with an entry for every block of every segment, in use or not: open addressing, at most half full. It is made by the first
// lookup, so who holds blocks pays nothing. It is written with the allocator's mutex, and read without. A table that is too small is
// replaced by one of twice the size; readers may still be in the old one, so it stays until the allocator goes. Together the old ones are
// smaller than the newest.
//
// A reader may meet an entry that is being moved or written, and an old table. So it believes only what the block itself says: it is live,
// and begins there. That is enough, because
// - nodes of blocks are not given back to the system while the allocator lives, so whatever an entry leads to can be read;
// - a node of no block, and of a free one, is not live; it gets its address before it is made live (release), and live is read first;
// - two live blocks never begin at one address.
// So what a reader finds is the block of the caller, who says that it is live, whatever else is going on. A reader that finds nothing may
// have missed an entry on its way to another place: it looks again, with the mutex.
#pragma once

#include "allocators/caching/block.hpp"
#include "allocators/caching/mutant.hpp"

namespace shmalloc::caching {

class Lookup {
 public:
  Lookup() = default;
  Lookup(const Lookup &) = delete;
  Lookup &operator=(const Lookup &) = delete;
  ~Lookup();

  // The live block that begins there, without the mutex; NULL: there is none, or it was not seen.
  Block *find_quickly(Address address) const {
    const Table *table = newest_.load(std::memory_order_acquire);
    if (table == nullptr) return nullptr;
    for (std::uint64_t at = table->place(address);; at = table->after(at)) {
      const Slot &slot = table->slots()[at];
      const Address found = slot.address.load(std::memory_order_acquire);
      if (found == 0) return nullptr;
      if (found != address) continue;
      step();
      Block *block = slot.block.load(std::memory_order_acquire);
      return mutant(43) || (block->live.load(std::memory_order_acquire) && block->address == address) ? block : nullptr;
    }
  }

  // With the mutex. The block that begins there, whatever its state; NULL.
  Block *find(Address address, const Segment *segments);
  // A block begins to exist.
  void put(Block *block) {
    if (complete_) enter(block);
  }
  // No block begins there any more.
  void remove(Address address);

 private:
  struct Slot {
    std::atomic<Address> address{0};  // 0: empty, and nothing behind it
    std::atomic<Block *> block{nullptr};
  };
  struct Table {
    explicit Table(unsigned bits) : shift(64 - bits), mask((std::uint64_t{1} << bits) - 1) {}
    // Slots come right behind, so that a reader needs no further address.
    const Slot *slots() const { return reinterpret_cast<const Slot *>(this + 1); }
    Slot *slots() { return reinterpret_cast<Slot *>(this + 1); }
    unsigned bits() const { return 64 - shift; }
    std::uint64_t place(Address address) const { return (address * 0x9e3779b97f4a7c15U) >> shift; }
    std::uint64_t after(std::uint64_t at) const { return (at + 1) & mask; }

    const unsigned shift;
    std::uint64_t used = 0;
    const std::uint64_t mask;
    Table *older = nullptr;
  };

  static std::size_t size_of(unsigned bits) { return sizeof(Table) + (sizeof(Slot) << bits); }
  static Table *make(unsigned bits);
  static void write(Table *table, Address address, Block *block);
  void enter(Block *block);
  bool make_all(const Segment *segments);
  bool grow();
  void publish(Table *table);

  std::atomic<Table *> newest_{nullptr};
  bool complete_ = false;  // it is there, and every block has its entry: there was memory
};

}  // namespace shmalloc::caching
