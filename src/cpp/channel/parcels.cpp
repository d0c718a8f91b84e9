// Storages in flight: their sender holds them until their cell's next lap has begun.
#include <cstring>
#include <new>

#include "base/due.hpp"
#include "channel/lock.hpp"
#include "channel/ring.hpp"
#include "ipc/ipc.hpp"
#include "os/process.hpp"

namespace shmalloc {
namespace {

constexpr int kSweptAtOnce = 4;

}  // namespace

Result<void> Ring::make_flights() {
  const std::lock_guard lock(channels_mutex);
  if (flights_.load(std::memory_order_relaxed) != nullptr) return {};
  auto *made = new (std::nothrow) Flight[shape_.capacity]();
  if (made == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for what is in flight in a channel");
  flights_.store(made, std::memory_order_release);
  return {};
}

// Takes hold of a storage for the time of its flight.
Result<bool> Ring::pack(Storage &storage, Parcel *parcel) {
  if (flights_.load(std::memory_order_acquire) == nullptr) SHMALLOC_CHECK(make_flights());
  return storage.with_memory([&](Memory &memory) -> Result<bool> {
    SharedMemory *shared = memory.shared();
    if (shared == nullptr) {
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                  "only storages in a segment go through a channel: of an allocator of kind SHARED, and not ISOLATED");
    }
    if (memory.read_only) return fail(SHMALLOC_STATUS_PERMISSION, 0, "the storage was imported READ_ONLY: it can't be sent on");
    SHMALLOC_TRY(ticket, shared->ticket());
    parcel->segment = shared->segment;
    parcel->ticket = ticket;
    SHMALLOC_TRY(given, give_entry(parcel));
    if (!given) return false;
    if (auto held = parcel->segment->hold(ticket, nullptr); !held) {
      own_[parcel->entry].flights.fetch_sub(1);
      return held.error();
    }
    return true;
  });
}

void Ring::drop(const Parcel &parcel) {
  parcel.segment->let_go(parcel.ticket.slot, nullptr);
  own_[parcel.entry].flights.fetch_sub(1, std::memory_order_release);
}

// The entry for the parcel's segment, counted in. False: all are in use.
Result<bool> Ring::give_entry(Parcel *parcel) {
  for (std::uint32_t i = 0; i < wire::kChannelEntries; ++i) {
    OwnEntry &entry = own_[i];
    if (entry.segment.load(std::memory_order_relaxed) != parcel->segment) continue;
    entry.flights.fetch_add(1);
    if (entry.segment.load() == parcel->segment) {  // It isn't used anew while it is counted.
      parcel->entry = i;
      parcel->version = entry.version.load(std::memory_order_relaxed);
      return true;
    }
    entry.flights.fetch_sub(1);
  }
  return new_entry(parcel);
}

Result<bool> Ring::new_entry(Parcel *parcel) {
  const std::lock_guard lock(channels_mutex);
  OwnEntry *free = nullptr;
  for (OwnEntry &entry : own_) {
    if (entry.segment.load() == parcel->segment) {
      free = &entry;
      break;
    }
  }
  const auto done = [&](OwnEntry &entry) {
    entry.flights.fetch_add(1);
    parcel->entry = static_cast<std::uint32_t>(&entry - own_);
    parcel->version = entry.version.load(std::memory_order_relaxed);
    return true;
  };
  if (free != nullptr) return done(*free);
  for (int tries = 0; tries < 2 && free == nullptr; ++tries) {
    if (tries > 0) sweep(true);
    for (OwnEntry &entry : own_) {
      if (entry.segment.load() == nullptr && entry.flights.load() == 0) free = &entry;
    }
  }
  if (free == nullptr) return false;
  SHMALLOC_TRY(handle, segment_bytes(*parcel->segment));
  std::uint64_t words[wire::ChannelEntry::kWords] = {};
  if (handle.length > sizeof words)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "the name of the storage's segment is too long for a channel");
  std::memcpy(words, handle.bytes, handle.length);
  const auto index = static_cast<std::uint32_t>(free - own_);
  wire::ChannelEntry &to =
      entries_[static_cast<std::uint32_t>(place_.load(std::memory_order_relaxed)) * wire::kChannelEntries + index];
  to.version.store(0, std::memory_order_release);
  // One that no parcel in the ring speaks of, whoever had this place before.
  std::uint32_t version = 0;
  while (version == 0) version = head_->versions.fetch_add(1) + 1;
  std::uint64_t id[2];
  std::memcpy(id, parcel->segment->id(), sizeof id);
  for (int i = 0; i < 2; ++i) to.id[i].store(id[i], std::memory_order_release);
  to.length.store(handle.length, std::memory_order_release);
  for (std::size_t i = 0; i < wire::ChannelEntry::kWords; ++i) to.bytes[i].store(words[i], std::memory_order_release);
  to.version.store(version, std::memory_order_release);
  free->version.store(version, std::memory_order_relaxed);
  parcel->segment->retain();
  free->segment.store(parcel->segment);
  return done(*free);
}

// The parcel is in a cell that we are writing.
void Ring::enter(std::uint64_t position, const Parcel &parcel) {
  Flight &flight = flights_.load(std::memory_order_relaxed)[position & mask_];
  if (const std::uint64_t before = flight.lap.load(std::memory_order_acquire); before != 0) land(flight, before);
  flight.segment.store(parcel.segment, std::memory_order_relaxed);
  flight.slot.store(parcel.ticket.slot, std::memory_order_relaxed);
  flight.entry.store(parcel.entry, std::memory_order_relaxed);
  flight.lap.store((position >> shift_) + 1, std::memory_order_release);
  if (filled_.load(std::memory_order_relaxed) <= position) filled_.store(position + 1, std::memory_order_relaxed);
  if (due_at.load(std::memory_order_relaxed) == kNever) due(os::coarse_now() + kSweepEvery);
}

// It has been taken; whoever sees it first lets go.
void Ring::land(Flight &flight, std::uint64_t lap) {
  Segment *segment = flight.segment.load(std::memory_order_relaxed);
  const std::uint32_t slot = flight.slot.load(std::memory_order_relaxed);
  const std::uint32_t entry = flight.entry.load(std::memory_order_relaxed);
  if (!flight.lap.compare_exchange_strong(lap, 0, std::memory_order_acq_rel)) return;
  segment->let_go(slot, nullptr);
  own_[entry].flights.fetch_sub(1, std::memory_order_release);
}

// The oldest ones.
void Ring::sweep_some() {
  Flight *flights = flights_.load(std::memory_order_acquire);
  if (flights == nullptr) return;
  const std::uint64_t end = filled_.load(std::memory_order_relaxed);
  std::uint64_t at = swept_.load(std::memory_order_relaxed);
  if (at >= end) return;
  if (end - at > shape_.capacity) at = end - shape_.capacity;
  for (int left = kSweptAtOnce; left > 0 && at < end; --left, ++at) {
    Flight &flight = flights[at & mask_];
    const std::uint64_t lap = flight.lap.load(std::memory_order_acquire);
    if (lap != (at >> shift_) + 1) continue;
    if (lap_of(cell(at).word.load(std::memory_order_acquire)) < lap) break;
    land(flight, lap);
  }
  swept_.store(at, std::memory_order_relaxed);
}

// With the mutex: whether it was taken or not.
void Ring::drop_all() {
  Flight *flights = flights_.load(std::memory_order_acquire);
  for (std::uint64_t i = 0; flights != nullptr && i < shape_.capacity; ++i) {
    if (const std::uint64_t lap = flights[i].lap.load(std::memory_order_acquire); lap != 0) land(flights[i], lap);
  }
}

// With the mutex. What is taken goes, and entries that nothing needs; true if something is in flight still.
bool Ring::sweep(bool all) {
  if (inherited_) forget_inherited();
  bool left = false;
  if (Flight *flights = flights_.load(std::memory_order_acquire); flights != nullptr) {
    for (std::uint64_t i = 0; i < shape_.capacity; ++i) {
      const std::uint64_t lap = flights[i].lap.load(std::memory_order_acquire);
      if (lap == 0) continue;
      if (lap_of(cell(i).word.load(std::memory_order_acquire)) >= lap) {
        land(flights[i], lap);
      } else {
        left = true;
      }
    }
  }
  for (OwnEntry &entry : own_) {
    Segment *segment = entry.segment.load();
    if (segment == nullptr || !(all || segment->head().closed.load(std::memory_order_relaxed) != 0)) continue;
    entry.segment.store(nullptr);
    if (entry.flights.load() == 0) {
      segment->release();
    } else {
      entry.segment.store(segment);
    }
  }
  return left;
}

}  // namespace shmalloc
