// What happens to one cell. A word changes hands by a compare-and-swap, which takes it for a place; while it is a place's, nobody else changes
// it but who has that place's lock exclusively, so that the place itself gives it back by a plain exchange.
#include <cstring>

#include "allocators/shared/steps.hpp"
#include "channel/ring.hpp"
#include "ipc/ipc.hpp"
#include "os/futex.hpp"

namespace shmalloc {
namespace {

void advance(std::atomic<std::uint64_t> &hint, std::uint64_t to) {
  if (hint.load(std::memory_order_relaxed) < to) hint.store(to, std::memory_order_relaxed);
}

// Compilers make this a prefetch for reading unless they may use instructions that are as old as the oldest processor still in use.
inline void fetch_to_write(const void *address) {
#if defined(__x86_64__)
  __asm__ __volatile__("prefetchw %0" : : "m"(*static_cast<const char *>(address)));
#else
  __builtin_prefetch(address, 1);
#endif
}

Error unreachable(const Error &why) {
  return fail(
      SHMALLOC_STATUS_PERMISSION, why.os_error,
      "the next storage's segment can't be reached through its sender's descriptors. Send one storage of that allocator over a "
      "socket first (shmalloc_storage_send), or make the allocator with named:1");
}

}  // namespace

// A cell to fill. `none`: the ring is full.
Ring::Look Ring::claim(std::uint64_t *position) {
  const int place = place_.load(std::memory_order_relaxed);
  std::uint64_t at = head_->tail.load(std::memory_order_relaxed);
  // Who writes nonsense into the ring keeps nobody here for ever.
  for (std::uint64_t steps = 0; steps < 4 * kMostCells; ++steps) {
    wire::Cell &found = cell(at);
    std::uint64_t now = found.word.load(std::memory_order_acquire);
    const std::uint64_t lap = lap_of(now);
    const State state = state_of(now);
    if (lap == at >> shift_ && state == empty) {
      if (!found.word.compare_exchange_strong(now, word(writing, place, lap))) continue;
      SHMALLOC_STEP();
      advance(head_->tail, at + 1);
      *position = at;
      return Look::got;
    }
    if (lap < at >> shift_) {
      const bool at_work = state == writing || state == taking;
      if (!at_work || alive(place_of(now)) || !bury(place_of(now))) return Look::none;
      continue;
    }
    // Positions are claimed in order, so all before this cell's last one are.
    at = ((state == empty ? lap - 1 : lap) << shift_) + (at & mask_) + 1;
  }
  return Look::none;
}

// Brings what the taker of a cell will touch nearer while he is busy taking it. A guess: wrong addresses do no harm here.
inline void Ring::fetch_ahead(const wire::Cell &of) const {
  const char *data = last_data_.load(std::memory_order_relaxed);
  if (data == nullptr) return;
  const auto slot = reinterpret_cast<std::uintptr_t>(last_slots_.load(std::memory_order_relaxed)) +
                    of.slot.load(std::memory_order_relaxed) * sizeof(wire::Slot);
  fetch_to_write(reinterpret_cast<const void *>(slot));
  __builtin_prefetch(
      reinterpret_cast<const void *>(reinterpret_cast<std::uintptr_t>(data) + of.offset.load(std::memory_order_relaxed)));
}

// A cell to take the parcel of. `busy`: none, but others are at work on some.
Ring::Look Ring::take(std::uint64_t *position) {
  const int place = place_.load(std::memory_order_relaxed);
  std::uint64_t at = head_->head.load(std::memory_order_relaxed);
  bool passed = false;
  for (std::uint64_t steps = 0; steps < 4 * kMostCells; ++steps) {
    wire::Cell &found = cell(at);
    std::uint64_t now = found.word.load(std::memory_order_acquire);
    const std::uint64_t lap = lap_of(now);
    if (lap > at >> shift_) {
      ++at;
      if (!passed) advance(head_->head, at);
      continue;
    }
    if (lap < at >> shift_) break;  // Once around.
    const State state = state_of(now);
    if (state == empty) break;
    if (state == full) {
      fetch_ahead(found);
      if (!found.word.compare_exchange_strong(now, word(taking, place, lap))) continue;
      SHMALLOC_STEP();
      *position = at;
      return Look::got;
    }
    // What a dead taker left comes before what is behind it.
    if (!alive(place_of(now)) && bury(place_of(now))) continue;
    passed = true;
    if (state == writing) break;
    ++at;
  }
  return passed ? Look::busy : Look::none;
}

void Ring::pass(std::uint64_t position) {
  SHMALLOC_STEP();
  cell(position).word.exchange(word(empty, 0, (position >> shift_) + 1));
  SHMALLOC_STEP();
  if (head_->head.load(std::memory_order_relaxed) == position) head_->head.store(position + 1, std::memory_order_relaxed);
  toll(head_->emptied);
  if (head_->closed.load(std::memory_order_relaxed) != 0) toll(head_->filled);  // Who waits for the rest to be taken.
}

void Ring::put_back(std::uint64_t position) {
  publish(position);
  toll(head_->filled);  // Somebody else may have gone to sleep because we had it.
}

void Ring::toll(wire::Bell &bell) {
  if (bell.waiting.load() == 0 || bell.waiting.exchange(0) == 0) return;
  bell.ringer_cpu.store(os::current_cpu(), std::memory_order_relaxed);
  SHMALLOC_STEP();
  bell.rings.fetch_add(1);
  SHMALLOC_STEP();
  os::futex_wake_all(&bell.rings);
}

// The segment of an entry, one use. STALE: the entry is of another one by now.
Result<Segment *> Ring::segment_of(std::uint32_t index, std::uint32_t version) const {
  const auto stale = [] { return fail(SHMALLOC_STATUS_STALE, 0, "the sender's segment is gone"); };
  if (index >= wire::kChannelEntries * wire::kChannelPlaces)
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "a cell of the channel speaks of entry %u", index);
  const wire::ChannelEntry &entry = entries_[index];
  if (entry.version.load(std::memory_order_acquire) != version) return stale();
  std::uint64_t id[2] = {entry.id[0].load(std::memory_order_acquire), entry.id[1].load(std::memory_order_acquire)};
  if (entry.version.load(std::memory_order_acquire) != version) return stale();
  if (Segment *known = Segment::find(reinterpret_cast<const std::uint8_t *>(id)); known != nullptr) return known;
  std::uint64_t words[wire::ChannelEntry::kWords];
  const std::uint64_t length = entry.length.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < wire::ChannelEntry::kWords; ++i) words[i] = entry.bytes[i].load(std::memory_order_acquire);
  if (entry.version.load(std::memory_order_acquire) != version) return stale();
  if (length > sizeof words) return fail(SHMALLOC_STATUS_CORRUPT, 0, "an entry of the channel is longer than it can be");
  return reach_segment(reinterpret_cast<const std::uint8_t *>(words), length);
}

// The storage in a cell that we are taking. STALE: it is gone with its sender, or was never there.
Result<Ref<Storage>> Ring::unpack(std::uint64_t position) {
  wire::Cell &from = cell(position);
  const std::uint32_t entry = from.entry.load(std::memory_order_relaxed);
  if (entry == wire::Cell::kNoEntry) return Ref<Storage>();
  auto segment = segment_of(entry, from.version.load(std::memory_order_relaxed));
  if (!segment) {
    const Error why = segment.error();
    switch (why.status) {
      case SHMALLOC_STATUS_PEER_GONE:  // Or in another namespace of processes.
        if (alive(static_cast<int>(entry / wire::kChannelEntries))) return unreachable(why);
        break;
      case SHMALLOC_STATUS_PERMISSION:
        return unreachable(why);
      case SHMALLOC_STATUS_STALE:
      case SHMALLOC_STATUS_NOT_FOUND:
      case SHMALLOC_STATUS_CORRUPT:
      case SHMALLOC_STATUS_VERSION:
        break;
      default:
        return why;
    }
    return fail(SHMALLOC_STATUS_STALE, 0, "%s", why.message);
  }
  Ticket ticket;
  ticket.slot = from.slot.load(std::memory_order_relaxed);
  ticket.generation = from.generation.load(std::memory_order_relaxed);
  if (!(*segment)->promised(&ticket)) {
    (*segment)->release();
    return fail(SHMALLOC_STATUS_STALE, 0, "a cell of the channel speaks of a slot that never was");
  }
  if (last_data_.load(std::memory_order_relaxed) != (*segment)->data()) {
    last_data_.store((*segment)->data(), std::memory_order_relaxed);
    last_slots_.store(&(*segment)->slot(0), std::memory_order_relaxed);
  }
  auto held = Storage::hold_shared(*segment, ticket, false);
  if (!held && held.error().status == SHMALLOC_STATUS_CORRUPT) return fail(SHMALLOC_STATUS_STALE, 0, "%s", held.error().message);
  return held;
}

}  // namespace shmalloc
