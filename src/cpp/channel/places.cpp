// Who has a channel open: places, whose locks the kernel keeps, and what the dead leave in cells.
#include <fcntl.h>
#include <sys/mman.h>

#include "allocators/shared/steps.hpp"
#include "channel/lock.hpp"
#include "channel/ring.hpp"
#include "os/calls.hpp"
#include "os/process.hpp"

namespace shmalloc {
namespace {

constexpr std::int64_t kBelieved = 10000000;  // how long who was seen alive counts as such

std::uint64_t bit_of(int place) { return std::uint64_t{1} << place; }
std::uint64_t byte_of(int place) { return wire::kChannelPlaceBytes + static_cast<std::uint64_t>(place); }

// A number for this process that no other has while it lives, nor soon after.
std::uint64_t process_number() {
  const auto pid = static_cast<std::uint64_t>(os::calls.getpid());
  return (os::own_start_time(static_cast<int>(pid)) * 0x9e3779b97f4a7c15U ^ pid) | 1;
}

}  // namespace

// Applications close all descriptors, and open files of their own under the same numbers.
bool Ring::ours() const {
  auto facts = os::look(fd_.get(), "a channel");
  return facts && facts->identity == identity_;
}

Result<os::UniqueFd> Ring::open_again() const {
  if (!ours())
    return fail(SHMALLOC_STATUS_SYSTEM, 0, "somebody closed descriptor %d, which is shmalloc's: it leads elsewhere", fd_.get());
  return os::reopen(fd_.get(), O_RDWR);
}

Result<void> Ring::take_place() {
  const std::lock_guard lock(channels_mutex);
  return take_place_locked();
}

Result<void> Ring::take_place_locked() {
  if (place_.load(std::memory_order_relaxed) >= 0) return {};
  forget_inherited();
  SHMALLOC_TRY(own, open_again());
  SHMALLOC_TRY(keeper, os::Mapping::map(own.get(), 0, os::page_size(), PROT_NONE, MAP_SHARED, 0, "the lock of a channel"));
  SHMALLOC_CHECK(keeper.inherit(false));
  for (int place = 0; place < wire::kChannelPlaces; ++place) {
    SHMALLOC_TRY(locked, os::lock_byte(own.get(), byte_of(place), os::Lock::exclusive));
    if (!locked) continue;
    SHMALLOC_STEP();
    // Nobody has it, so what is in cells under its number is a dead one's.
    head_->open.fetch_and(~bit_of(place));
    const bool mended = (head_->places.fetch_or(bit_of(place)) & bit_of(place)) != 0 && !SHMALLOC_MUTANT(13) && mend(place);
    SHMALLOC_STEP();
    SHMALLOC_TRY(kept, os::lock_byte(own.get(), byte_of(place), os::Lock::shared));
    if (!kept) continue;
    keeper_ = std::move(keeper);
    std::uint64_t nobody = 0;
    const std::uint64_t self = process_number();
    if (!head_->first.compare_exchange_strong(nobody, self) && nobody != self) head_->several.store(1);
    SHMALLOC_STEP();
    head_->open.fetch_or(bit_of(place));
    place_.store(place, std::memory_order_release);
    if (mended) {
      toll(head_->filled);
      toll(head_->emptied);
    }
    return {};
  }
  return fail(SHMALLOC_STATUS_NO_SPACE, 0, "%d living processes have this channel open: there is no place for another",
              wire::kChannelPlaces);
}

// With the mutex. What a fork gave us with the memory of the parent: copies of its references, which are ours to give back.
void Ring::forget_inherited() {
  if (!inherited_) return;
  inherited_ = false;
  drop_all();
  for (OwnEntry &entry : own_) {
    entry.version.store(0);
    if (Segment *segment = entry.segment.exchange(nullptr); segment != nullptr) segment->release();
  }
}

// With the mutex: no cell is ours.
void Ring::leave() {
  const int place = place_.load(std::memory_order_relaxed);
  if (place < 0) return;
  head_->open.fetch_and(~bit_of(place));
  head_->places.fetch_and(~bit_of(place));
  keeper_.reset();
  place_.store(-1, std::memory_order_relaxed);
  toll(head_->filled);
  toll(head_->emptied);
}

bool Ring::alive(int place) {
  if (place == place_.load(std::memory_order_relaxed)) return true;
  if (place >= wire::kChannelPlaces) return false;
  const std::int64_t now = os::coarse_now();
  if (now - seen_alive_[place].load(std::memory_order_relaxed) < kBelieved) return true;
  if (ours() && !os::byte_locked(fd_.get(), byte_of(place))) return false;
  seen_alive_[place].store(now, std::memory_order_relaxed);
  return true;
}

// Cells that a place was at work on are as they were, or passed over. Whoever calls has its lock exclusively.
bool Ring::mend(int place) const {
  bool mended = false;
  for (std::uint64_t i = 0; i < shape_.capacity; ++i) {
    wire::Cell &found = cell(i);
    std::uint64_t now = found.word.load(std::memory_order_acquire);
    if (place_of(now) != place) continue;
    if (!SHMALLOC_MUTANT(11) && state_of(now) == writing &&
        found.word.compare_exchange_strong(now, word(empty, 0, lap_of(now) + 1))) {
      head_->unsent.fetch_add(1, std::memory_order_relaxed);
      mended = true;
    } else if (!SHMALLOC_MUTANT(12) && state_of(now) == taking &&
               found.word.compare_exchange_strong(
                   now, SHMALLOC_MUTANT(14) ? word(empty, 0, lap_of(now) + 1) : word(full, 0, lap_of(now)))) {
      mended = true;
    }
  }
  return mended;
}

bool Ring::bury(int place) {
  const std::lock_guard lock(channels_mutex);
  return bury_locked(place);
}

// True: nobody had the place, and what it left is mended.
bool Ring::bury_locked(int place) {
  if (place == place_.load(std::memory_order_relaxed)) return false;
  if (place >= wire::kChannelPlaces) {  // No process ever wrote that.
    mend(place);
  } else {
    auto fd = open_again();
    if (!fd) return false;
    auto locked = os::lock_byte(fd->get(), byte_of(place), os::Lock::exclusive);
    if (!locked || !*locked) return false;
    mend(place);
    SHMALLOC_STEP();
    head_->open.fetch_and(~bit_of(place));
    SHMALLOC_STEP();
    head_->places.fetch_and(~bit_of(place));
  }
  toll(head_->filled);
  toll(head_->emptied);
  return true;
}

bool Ring::look_at_peers() {
  const std::int64_t now = os::coarse_now();
  if (now - looked_at_peers_.load(std::memory_order_relaxed) < kBelieved) return false;
  looked_at_peers_.store(now, std::memory_order_relaxed);
  bool buried = false;
  for (std::uint64_t left = head_->places.load() & ~own_bit(); left != 0; left &= left - 1) {
    const int place = __builtin_ctzll(left);
    if (!alive(place) && bury(place)) buried = true;
  }
  return buried;
}

}  // namespace shmalloc
