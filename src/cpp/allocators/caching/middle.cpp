#include "allocators/caching/middle.hpp"

#include <new>

#include "allocators/caching/mutant.hpp"
#include "allocators/caching/thread_cache.hpp"

namespace shmalloc::caching {

Middle::~Middle() {
  while (segments_ != nullptr) {
    Segment *segment = segments_;
    segments_ = segment->next;
    delete segment;
  }
  while (homes_ != nullptr) {
    Home *home = homes_;
    homes_ = home->next;
    delete home;
  }
}

Home *Middle::home(Stream stream) {
  for (Home *home = homes_; home != nullptr; home = home->next) {
    if (home->stream == stream || mutant(63)) return home;
  }
  auto *made = new (std::nothrow) Home(stream);
  if (made == nullptr) return nullptr;
  made->next = homes_;
  homes_ = made;
  return made;
}

// ---- blocks ----

void Middle::set_size(Block *block, std::uint64_t size) {
  block->size = size;
  block->index = class_of(size);
}

void Middle::put(Block *block, std::uint64_t freed_at) {
  block->state = State::free;
  block->freed_at = freed_at;
  block->segment->home->bins[block->large].put(block);
  if (!is_piece(*block)) return;
  add_to(numbers.inactive_split, block->large != 0, 1);
  add_to(numbers.inactive_split_bytes, block->large != 0, block->size);
}

void Middle::remove(Block *block) {
  block->segment->home->bins[block->large].remove(block);
  block->state = State::out;
  if (!is_piece(*block)) return;
  take_from(numbers.inactive_split, block->large != 0, 1);
  take_from(numbers.inactive_split_bytes, block->large != 0, block->size);
}

bool Middle::may_split(const Block &block, std::uint64_t rounded) const {
  const std::uint64_t rest = block.size - rounded;
  if (block.large == 0) return rest >= kGrain;
  // What lies in a segment that is split already can't go back to the device whole, so there is nothing to keep together.
  return rest > kSmall && (is_piece(block) || (rounded < settings.max_split && block.size <= limit_of(rounded)));
}

void Middle::take(Block *block, std::uint64_t rounded) {
  remove(block);
  Block *rest = may_split(*block, rounded) ? blocks_.get() : nullptr;
  if (rest != nullptr) {
    clean(rest, block->segment);
    rest->address = block->address + rounded;
    set_size(rest, block->size - rounded);
    rest->previous = block;
    rest->next = block->next;
    if (rest->next != nullptr) rest->next->previous = rest;
    block->next = rest;
    set_size(block, rounded);
    lookup_.put(rest);
    put(rest, mutant(57) ? 0 : block->freed_at);
  }
  ++block->segment->home->out;
  add_to(numbers.active, block->large != 0, 1);
  add_to(numbers.active_bytes, block->large != 0, block->size);
  block->oversize = block->size >= settings.max_split;
  block->special = !may_be_kept(*block);
  if (block->oversize) add_to(&numbers.oversize_allocations, 1);
}

// Two neighbours in no bin.
Block *Middle::merge(Block *first, Block *second) {
  set_size(first, first->size + second->size);
  first->next = second->next;
  if (first->next != nullptr) first->next->previous = first;
  lookup_.remove(second->address);
  blocks_.put(second);
  return first;
}

void Middle::give(Block *block, std::uint64_t freed_at) {
  --block->segment->home->out;
  take_from(numbers.active, block->large != 0, 1);
  take_from(numbers.active_bytes, block->large != 0, block->size);
  if (block->oversize) take_from(&numbers.oversize_allocations, 1);
  block->oversize = block->special = false;
  const auto joins = [](const Block *other) {
    return other != nullptr && (other->state == State::free || (mutant(40) && other->state == State::pending));
  };
  const auto leave = [this](Block *other) {
    if (!mutant(40) || other->state == State::free) remove(other);
  };
  if (Block *next = block->next; joins(next)) {
    leave(next);
    if (!mutant(55)) freed_at = std::max(freed_at, next->freed_at);
    block = merge(block, next);
  }
  if (Block *previous = block->previous; joins(previous)) {
    leave(previous);
    if (!mutant(56)) freed_at = std::max(freed_at, previous->freed_at);
    block = merge(previous, block);
  }
  put(block, freed_at);
}

// ---- segments ----

void Middle::clean(Block *block, Segment *segment) {
  block->stream = segment->home->stream;
  block->segment = segment;
  block->large = segment->large;
  block->live.store(false, std::memory_order_relaxed);
  block->special = block->oversize = false;
  block->uses = nullptr;
  block->waiting = 0;
  block->previous = block->next = nullptr;
}

Segment *Middle::prepare(Home *home, std::uint64_t size, bool large) {
  auto *segment = new (std::nothrow) Segment();
  if (segment == nullptr) return nullptr;
  segment->first = blocks_.get();
  if (segment->first == nullptr) {
    delete segment;
    return nullptr;
  }
  segment->size = size;
  segment->home = home;
  segment->large = large ? 1 : 0;
  reserved += size;
  return segment;
}

void Middle::drop(Segment *segment) {
  reserved -= segment->size;
  blocks_.put(segment->first);
  delete segment;
}

void Middle::add(Segment *segment, Address address) {
  clean(segment->first, segment);
  segment->address = segment->first->address = address;
  set_size(segment->first, segment->size);
  segment->first->freed_at = clock;
  segment->oversize = segment->size >= settings.max_split;
  attach(segment);
  add_to(numbers.segment, segment->large != 0, 1);
  add_to(numbers.reserved_bytes, segment->large != 0, segment->size);
  if (segment->oversize) add_to(&numbers.oversize_segments, 1);
}

void Middle::attach(Segment *segment) {
  segment->previous = nullptr;
  segment->next = segments_;
  if (segments_ != nullptr) segments_->previous = segment;
  segments_ = segment;
  lookup_.put(segment->first);
  put(segment->first, segment->first->freed_at);
}

void Middle::unlink(Segment *segment) {
  remove(segment->first);
  lookup_.remove(segment->first->address);
  if (segment->next != nullptr) segment->next->previous = segment->previous;
  (segment->previous != nullptr ? segment->previous->next : segments_) = segment->next;
}

void Middle::forget(Segment *segment) {
  take_from(numbers.segment, segment->large != 0, 1);
  take_from(numbers.reserved_bytes, segment->large != 0, segment->size);
  if (segment->oversize) take_from(&numbers.oversize_segments, 1);
  drop(segment);
}

}  // namespace shmalloc::caching
