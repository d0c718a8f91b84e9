// Holding slots: places, local counts, clearing up after the dead, and what fork does to all of that.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "allocators/shared/locks.hpp"
#include "allocators/shared/segment.hpp"
#include "allocators/shared/shared_memory.hpp"
#include "allocators/shared/slot.hpp"
#include "base/text.hpp"
#include "os/process.hpp"

namespace shmalloc {
namespace {

constexpr std::int64_t kClearUpEvery = 1000000;

std::uint64_t bit_of(int place) { return std::uint64_t{1} << place; }
std::uint64_t byte_of(int place) { return wire::kPlaceBytes + static_cast<std::uint64_t>(place); }

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

Result<void> keep_byte(int fd, std::uint64_t byte) {
  SHMALLOC_TRY(kept, os::lock_byte(fd, byte, os::Lock::shared));
  return kept ? Result<void>() : fail(SHMALLOC_STATUS_BUSY, 0, "a place is being cleared");
}

Error stale() { return fail(SHMALLOC_STATUS_STALE, 0, "the storage is gone: it was released, expired or revoked"); }

}  // namespace

// The last one that leaves counts itself out in the same step, so that a child forked from here on, in which it does not go on, never
// counts on a bit that is about to be reset.
std::uint32_t Segment::lock(LocalSlot &local, bool leaving) {
  std::uint32_t word = local.word.load(std::memory_order_relaxed);
  for (int tries = 0;; ++tries) {
    if ((word & kLocalLock) == 0) {
      const std::uint32_t locked = leaving && word == 1 ? kLocalLock : word | kLocalLock;
      if (local.word.compare_exchange_weak(word, locked, std::memory_order_acq_rel, std::memory_order_relaxed)) return word;
      continue;
    }
    if (tries < 100) {
      pause();
    } else {
      os::yield();
    }
    word = local.word.load(std::memory_order_relaxed);
  }
}

void Segment::link(LocalSlot &local, SharedMemory *memory) {
  memory->previous = nullptr;
  memory->next = local.first;
  if (local.first != nullptr) local.first->previous = memory;
  local.first = memory;
}

std::uint32_t Segment::slots_used() const { return std::min(head_->slots_used.load(std::memory_order_acquire), slot_count_); }

bool Segment::promised(Ticket *ticket) const {
  if (ticket->slot >= slots_used()) return false;
  std::memcpy(ticket->id, id(), sizeof ticket->id);
  ticket->offset = slots_[ticket->slot].offset.load(std::memory_order_relaxed);
  ticket->size = slots_[ticket->slot].size.load(std::memory_order_relaxed);
  return true;
}

// What the ticket says against what the owner promised, and against what is there.
Result<void> Segment::check(const Ticket &ticket) {
  const wire::Slot &slot = slots_[ticket.slot];
  if (ticket.size == 0 || slot.offset.load(std::memory_order_relaxed) != ticket.offset ||
      slot.size.load(std::memory_order_relaxed) != ticket.size || ticket.offset > capacity() ||
      ticket.size > capacity() - ticket.offset) {
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "the handle speaks of other bytes than its slot: it is damaged or forged");
  }
  if (owned() || ticket.offset + ticket.size <= verified_.load(std::memory_order_relaxed)) return {};
  SHMALLOC_TRY(facts, os::look(data_.get(), "the data of a segment"));
  verified_.store(facts.size, std::memory_order_relaxed);
  if (ticket.offset + ticket.size <= facts.size) return {};
  return fail(SHMALLOC_STATUS_CORRUPT, 0,
              "the handle speaks of bytes behind the end of its segment: it is forged, or a peer cut it");
}

Result<void> Segment::hold(const Ticket &ticket, SharedMemory *memory) {
  if (ticket.slot >= slots_used()) return fail(SHMALLOC_STATUS_CORRUPT, 0, "the segment has no slot %u", ticket.slot);
  LocalSlot &local = locals_[ticket.slot];
  wire::Slot &slot = slots_[ticket.slot];
  const std::uint32_t count = lock(local);
  const auto held = [&]() -> Result<void> {
    if (count != 0 || owned()) {  // It can't be retired under us.
      return slot.generation.load(std::memory_order_acquire) == ticket.generation ? Result<void>() : stale();
    }
    if (place_.load(std::memory_order_relaxed) < 0) {
      const std::lock_guard guard(segments_mutex());
      if (place_.load(std::memory_order_relaxed) < 0) SHMALLOC_CHECK(claim_place());
    }
    return slot::hold(slot, bit_of(place_.load(std::memory_order_relaxed)), ticket.generation) ? Result<void>() : stale();
  }();
  if (!held) {
    unlock(local, count);
    return held;
  }
  SHMALLOC_STEP();
  if (auto good = check(ticket); !good) {
    if (count == 0 && !owned()) slot::let_go(slot, bit_of(place_.load(std::memory_order_relaxed)));
    unlock(local, count);
    return good;
  }
  if (count == 0) retain();
  if (memory != nullptr) link(local, memory);
  unlock(local, count + 1);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  wait_for_fork(segments_mutex);
  return {};
}

void Segment::let_go(std::uint32_t index, SharedMemory *memory) {
  LocalSlot &local = locals_[index];
  std::uint32_t count = lock(local, true);
  if (memory != nullptr) {
    if (memory->next != nullptr) memory->next->previous = memory->previous;
    if (memory->previous != nullptr) {
      memory->previous->next = memory->next;
    } else if (local.first == memory) {
      local.first = memory->next;
    }
    memory->next = memory->previous = nullptr;
  }
  // A child that has no place uses what is pinned. It is let go of when such children are gone.
  if (count == 1 && local.pinned && !lost_children_live()) local.pinned = false;
  const bool last = count == 1 && !local.pinned;
  SHMALLOC_STEP();
  if (count > 1 || last) {
    --count;
  } else {
    const std::lock_guard guard(segments_mutex());
    try {
      retained_.push_back(index);
      want_maintenance();
    } catch (...) {  // For good, then.
      static_cast<void>(index);
    }
  }
  SHMALLOC_STEP();
  if (last && !owned()) {
    if (const int place = place_.load(std::memory_order_relaxed); place >= 0) slot::let_go(slots_[index], bit_of(place));
  }
  unlock(local, count);
  if (last) release();
}

bool Segment::retire(std::uint32_t index, std::uint32_t generation) {
  LocalSlot &local = locals_[index];
  const std::uint32_t count = lock(local);
  const bool retired = count == 0 && slot::retire(slots_[index], generation);
  SHMALLOC_STEP();
  if (retired) slots_[index].size.store(0, std::memory_order_relaxed);  // Handles that guess the next generation fit nothing.
  unlock(local, count);
  return retired;
}

bool Segment::locals_in_use() {
  for (std::uint32_t i = 0, used = own_slots_; i < used; ++i) {
    if (locals_[i].word.load(std::memory_order_acquire) != 0) return true;
  }
  return false;
}

void Segment::mark_locals() {
  for (std::uint32_t i = 0, used = own_slots_; i < used; ++i) {
    if (locals_[i].word.load(std::memory_order_acquire) == 0) continue;
    const std::uint32_t count = lock(locals_[i]);
    if (count != 0) slots_[i].holders.fetch_or(bit_of(place_.load(std::memory_order_relaxed)), std::memory_order_acq_rel);
    unlock(locals_[i], count);
  }
}

// ---- places ----

void Segment::clear_place(int place) const {
  const std::uint64_t bit = bit_of(place);
  for (std::uint32_t i = 0, used = slots_used(); i < used; ++i) {
    if ((slots_[i].holders.load(std::memory_order_relaxed) & bit) == 0) continue;
    SHMALLOC_STEP();
    slot::let_go(slots_[i], bit);
  }
}

// A free place, locked on this descriptor's description.
Result<int> Segment::claim(int fd) {
  constexpr int kTries = 16;  // Others may have a free one locked for a moment, to clear it.
  for (int at = 0; at < wire::kPlaces * kTries; ++at) {
    const int place = at % wire::kPlaces;
    if (at != 0 && place == 0) os::yield();
    SHMALLOC_TRY(locked, os::lock_byte(fd, byte_of(place), os::Lock::exclusive));
    if (!locked) continue;
    SHMALLOC_STEP();
    if (!SHMALLOC_MUTANT(3)) clear_place(place);
    SHMALLOC_STEP();
    head_->places.fetch_or(bit_of(place), std::memory_order_acq_rel);
    SHMALLOC_STEP();
    SHMALLOC_TRY(kept, os::lock_byte(fd, byte_of(place), os::Lock::shared));
    if (kept) return place;
  }
  return fail(SHMALLOC_STATUS_NO_SPACE, 0, "%d living processes have storages of this segment: there is no place for another",
              wire::kPlaces);
}

// On a description that takes the place of another: what that one kept for those whom we were forked from.
Result<void> Segment::keep_for_ancestors(int fd) const {
  if (owner_lock_) SHMALLOC_CHECK(keep_byte(fd, wire::kOwnerByte));
  for (const std::uint64_t byte : ancestors_) SHMALLOC_CHECK(keep_byte(fd, byte));
  return {};
}

Result<void> Segment::claim_place() {
  SHMALLOC_TRY(own, open_control());
  SHMALLOC_TRY(keeper, os::Mapping::map(own.get(), 0, os::page_size(), PROT_NONE, MAP_SHARED, 0, "the lock of a segment"));
  SHMALLOC_CHECK(keeper.inherit(false));
  SHMALLOC_TRY(place, claim(own.get()));
  keeper_ = std::move(keeper);
  place_.store(place, std::memory_order_release);
  return {};
}

void Segment::clear_up_with(int fd) {
  const std::uint64_t places = head_->places.load(std::memory_order_acquire);
  for (int place = 0; place < wire::kPlaces; ++place) {
    if ((places & bit_of(place)) == 0 || place == place_.load(std::memory_order_relaxed)) continue;
    auto locked = os::lock_byte(fd, byte_of(place), os::Lock::exclusive);
    if (!locked || (!*locked && !SHMALLOC_MUTANT(4))) continue;
    SHMALLOC_STEP();
    clear_place(place);
    SHMALLOC_STEP();
    head_->places.fetch_and(~bit_of(place), std::memory_order_acq_rel);
    SHMALLOC_STEP();
    static_cast<void>(os::lock_byte(fd, byte_of(place), os::Lock::none));
  }
}

void Segment::clear_up(bool now) {
  const std::int64_t time = os::now();
  if (!now && time - cleared_up_.load(std::memory_order_relaxed) < kClearUpEvery) return;
  const std::lock_guard guard(segments_mutex());
  cleared_up_.store(time, std::memory_order_relaxed);
  if (head_->places.load(std::memory_order_relaxed) == 0) return;
  if (auto fd = open_control()) clear_up_with(fd->get());
}

// With the mutex. The owner is dead: what nobody holds goes back to the system.
std::uint64_t Segment::reclaim() {
  auto fd = open_control();
  if (!fd) return 0;
  // Tested, not kept: once free it stays free, and heirs may do all this side by side.
  if (os::byte_locked(fd->get(), wire::kOwnerByte)) return 0;
  clear_up_with(fd->get());
  struct Range {
    std::uint64_t from, to;
  };
  std::vector<Range> held;
  try {
    for (std::uint32_t i = 0, used = slots_used(); i < used; ++i) {
      wire::Slot &slot = slots_[i];
      const slot::State state = slot::load(slot);
      const std::uint64_t size = slot.size.load(std::memory_order_relaxed);
      if (size == 0) continue;
      if (state.holders == 0 && state.generation != wire::kLastGeneration && slot::retire(slot, state.generation)) {
        SHMALLOC_STEP();
        slot.size.store(0, std::memory_order_relaxed);
        continue;
      }
      const std::uint64_t from = std::min(slot.offset.load(std::memory_order_relaxed), capacity());
      held.push_back({from, from + std::min(size, capacity() - from)});
    }
  } catch (...) {
    return 0;  // Another time.
  }
  std::sort(held.begin(), held.end(), [](const Range &a, const Range &b) { return a.from < b.from; });
  SHMALLOC_STEP();
  auto before = os::look(data_.get(), "a segment");
  const std::uint64_t page = os::page_size();
  std::uint64_t at = 0;
  for (const Range &range : held) {
    punch((at + page - 1) / page * page, range.from / page * page);
    at = std::max(at, range.to);
  }
  if (before) punch((at + page - 1) / page * page, before->size / page * page);
  auto after = os::look(data_.get(), "a segment");
  return before && after && before->resident > after->resident ? before->resident - after->resident : 0;
}

// ---- fork ----

// With the mutex, in the parent, once there is something that the child inherits: a place for it.
void Segment::prepare_child() {
  if (child_prepared_) return;
  child_prepared_ = true;
  const auto claimed = [&]() -> Result<int> {
    SHMALLOC_TRY(fd, open_control());
    SHMALLOC_TRY(keeper, os::Mapping::map(fd.get(), 0, os::page_size(), PROT_NONE, MAP_SHARED, 0, "the lock of a segment"));
    SHMALLOC_TRY(place, claim(fd.get()));
    child_keeper_ = std::move(keeper);
    return place;
  };
  if (auto place = claimed()) child_place_ = *place;
  // What protects us for want of a place protects our children.
  if (child_place_ < 0 || !ancestors_.empty()) lose_child();
  SHMALLOC_STEP();
}

// The child uses something for which it has no bit: nobody is to take that for abandoned while it lives, and we are to see when that ends.
void Segment::lose_child() {
  prepare_child();
  if (child_lost_keeper_) return;
  lost_ = true;
  const auto kept = [&]() -> Result<void> {
    try {
      ancestors_.reserve(ancestors_.size() + 2);
    } catch (...) {
      return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a child");
    }
    SHMALLOC_TRY(fd, open_control());
    SHMALLOC_TRY(keeper, os::Mapping::map(fd.get(), 0, os::page_size(), PROT_NONE, MAP_SHARED, 0, "the lock of a segment"));
    SHMALLOC_CHECK(keep_for_ancestors(fd.get()));
    const int place = place_.load(std::memory_order_relaxed);
    if (place >= 0) SHMALLOC_CHECK(keep_byte(fd.get(), byte_of(place)));
    SHMALLOC_CHECK(keep_byte(fd.get(), lost_byte()));
    child_lost_keeper_ = std::move(keeper);
    return {};
  }();
  if (!kept) lost_for_good_ = true;  // Nothing tells when that child ends.
}

// Locked as long as children of ours live that have no place.
std::uint64_t Segment::lost_byte() const {
  const int place = place_.load(std::memory_order_relaxed);
  return place >= 0 ? wire::kLostBytes + static_cast<std::uint64_t>(place) : wire::kOwnerLostByte;
}

bool Segment::lost_children_live() {
  const std::lock_guard guard(segments_mutex());
  if (!lost_ || lost_for_good_) return lost_;
  auto fd = open_control();
  lost_ = !fd || os::byte_locked(fd->get(), lost_byte());
  return lost_;
}

// The child gets what we have handles to.
void Segment::mark_all_for_child() {
  if (place_.load(std::memory_order_relaxed) < 0 && ancestors_.empty() && !owner_lock_) return;  // There are none.
  for (std::uint32_t i = 0, used = slots_used(); i < used; ++i) {
    LocalSlot &local = locals_[i];
    if ((local.word.load(std::memory_order_acquire) & ~kLocalLock) == 0) continue;
    local.marked = fork_number;
    if (mark_for_child(i)) continue;
    local.pinned = true;
    lose_child();
  }
}

bool Segment::mark_for_child(std::uint32_t index) {
  prepare_child();
  if (child_place_ < 0) return false;
  SHMALLOC_STEP();
  if (!SHMALLOC_MUTANT(5)) slots_[index].holders.fetch_or(bit_of(child_place_), std::memory_order_acq_rel);
  return true;
}

// What was marked for us, and nobody here has.
void Segment::unmark(std::uint32_t index) {
  const int place = place_.load(std::memory_order_relaxed);
  if (place >= 0 && (locals_[index].word.load(std::memory_order_relaxed) & ~kLocalLock) == 0)
    slot::let_go(slots_[index], bit_of(place));
}

void Segment::inherit(std::uint32_t index, SharedMemory *memory) {
  LocalSlot &local = locals_[index];
  const std::uint32_t count = local.word.load(std::memory_order_relaxed);
  if (count == 0) retain();
  link(local, memory);
  local.word.store(count + 1, std::memory_order_relaxed);
}

}  // namespace shmalloc
