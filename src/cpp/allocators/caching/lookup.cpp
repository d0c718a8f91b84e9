#include "allocators/caching/lookup.hpp"

#include <new>

#include "allocators/caching/room.hpp"

namespace shmalloc::caching {
namespace {

constexpr unsigned kFewest = 8;  // bits of the first table

template <class Function>
void each_block(const Segment *segments, Function function) {
  for (const Segment *segment = segments; segment != nullptr; segment = segment->next) {
    for (Block *block = segment->first; block != nullptr; block = block->next) function(block);
  }
}

}  // namespace

Lookup::~Lookup() {
  for (Table *table = newest_.load(std::memory_order_relaxed); table != nullptr;) {
    Table *older = table->older;
    put_room(table, size_of(table->bits()));
    table = older;
  }
}

// NULL: there is no memory.
Lookup::Table *Lookup::make(unsigned bits) {
  static_assert(sizeof(Table) % alignof(Slot) == 0);
  void *memory = get_room(size_of(bits));
  if (memory == nullptr) return nullptr;
  auto *table = new (memory) Table(bits);
  for (std::size_t i = 0; i <= table->mask; ++i) new (&table->slots()[i]) Slot();
  return table;
}

void Lookup::publish(Table *table) {
  table->older = newest_.load(std::memory_order_relaxed);
  newest_.store(table, std::memory_order_release);
}

// There is room. Nothing can be had at address 0.
void Lookup::write(Table *table, Address address, Block *block) {
  if (address == 0) return;
  std::uint64_t at = table->place(address);
  while (table->slots()[at].address.load(std::memory_order_relaxed) != 0) at = table->after(at);
  table->slots()[at].block.store(block, std::memory_order_release);
  table->slots()[at].address.store(address, std::memory_order_release);
  ++table->used;
}

// From the blocks themselves.
bool Lookup::make_all(const Segment *segments) {
  const Table *old = newest_.load(std::memory_order_relaxed);
  std::uint64_t blocks = 0;
  each_block(segments, [&blocks](const Block * /*block*/) { ++blocks; });
  Table *made = make(std::max(old != nullptr ? old->bits() + 1 : kFewest, static_cast<unsigned>(std::bit_width(2 * blocks))));
  if (made == nullptr) return false;
  each_block(segments, [made](Block *block) { write(made, block->address, block); });
  publish(made);
  complete_ = true;
  return true;
}

// From the table that there is.
bool Lookup::grow() {
  const Table *old = newest_.load(std::memory_order_relaxed);
  Table *made = make(old->bits() + 1);
  if (made == nullptr) return false;
  for (std::uint64_t at = 0; at <= old->mask; ++at) {
    const Slot &slot = old->slots()[at];
    write(made, slot.address.load(std::memory_order_relaxed), slot.block.load(std::memory_order_relaxed));
  }
  publish(made);
  return true;
}

void Lookup::enter(Block *block) {
  Table *table = newest_.load(std::memory_order_relaxed);
  if (2 * (table->used + 1) > table->mask) {
    if (grow()) {
      table = newest_.load(std::memory_order_relaxed);
    } else if (8 * (table->used + 1) > 7 * table->mask) {  // A search must find an empty place to end at.
      complete_ = false;
      return;
    }
  }
  write(table, block->address, block);
}

Block *Lookup::find(Address address, const Segment *segments) {
  if (complete_ || make_all(segments)) {
    const Table *table = newest_.load(std::memory_order_relaxed);
    for (std::uint64_t at = table->place(address);; at = table->after(at)) {
      const Slot &slot = table->slots()[at];
      const Address found = slot.address.load(std::memory_order_relaxed);
      if (found == 0) return nullptr;
      if (found == address) return slot.block.load(std::memory_order_relaxed);
    }
  }
  // No memory for a table.
  const Segment *segment = segments;
  while (segment != nullptr && address - segment->address >= segment->size) segment = segment->next;
  Block *block = segment != nullptr ? segment->first : nullptr;
  while (block != nullptr && block->address != address) block = block->next;
  return block;
}

// Entries behind it that were pushed on by it, or by one that moves, come forward.
void Lookup::remove(Address address) {
  Table *table = newest_.load(std::memory_order_relaxed);
  if (table == nullptr) return;
  Slot *slots = table->slots();
  std::uint64_t gap = table->place(address);
  while (true) {
    const Address found = slots[gap].address.load(std::memory_order_relaxed);
    if (found == 0) return;
    if (found == address) break;
    gap = table->after(gap);
  }
  for (std::uint64_t at = table->after(gap);; at = table->after(at)) {
    const Address moved = slots[at].address.load(std::memory_order_relaxed);
    if (moved == 0) break;
    const std::uint64_t pushed = (at - table->place(moved)) & table->mask;
    if (pushed < ((at - gap) & table->mask)) continue;
    slots[gap].block.store(slots[at].block.load(std::memory_order_relaxed), std::memory_order_release);
    slots[gap].address.store(moved, std::memory_order_release);
    gap = at;  // It stands twice until that is written over.
  }
  slots[gap].address.store(0, std::memory_order_relaxed);
  --table->used;
}

}  // namespace shmalloc::caching
