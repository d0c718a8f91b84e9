// Storages in flight: their sender keeps a reference until their cell's next lap has begun.
#include <cstring>
#include <new>

#include "allocators/shared/steps.hpp"
#include "base/due.hpp"
#include "channel/lock.hpp"
#include "channel/ring.hpp"
#include "ipc/ipc.hpp"
#include "os/process.hpp"

namespace shmalloc {
namespace {

constexpr int kSweptAtOnce = 4;
constexpr std::uint64_t kLag = 8;

}  // namespace

Result<void> Ring::make_flights() {
  const std::lock_guard lock(channels_mutex);
  if (flights_.load(std::memory_order_relaxed) != nullptr) return {};
  auto *made = new (std::nothrow) Flight[shape_.capacity]();
  if (made == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for what is in flight in a channel");
  flights_.store(made, std::memory_order_release);
  return {};
}

// Where the storage is; its segment has an entry of ours then.
Result<bool> Ring::pack(Storage &storage, Parcel *parcel) {
  if (flights_.load(std::memory_order_acquire) == nullptr) SHMALLOC_CHECK(make_flights());
  struct Use {
    Segment *segment = nullptr;
    ~Use() {
      if (segment != nullptr) segment->release();
    }
  } use;
  SHMALLOC_CHECK(storage.with_memory([&](Memory &memory) -> Result<void> {
    SharedMemory *shared = memory.shared();
    if (shared == nullptr) {
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                  "only storages in a segment go through a channel: of an allocator of kind SHARED, and not ISOLATED");
    }
    if (shared->imported_read_only)
      return fail(SHMALLOC_STATUS_PERMISSION, 0, "the storage was imported READ_ONLY: it can't be sent on");
    SHMALLOC_TRY(ticket, shared->ticket());
    parcel->segment = use.segment = shared->segment;
    use.segment->retain();  // Another thread may close the storage.
    parcel->ticket = ticket;
    return {};
  }));
  for (std::uint32_t i = 0; i < wire::kChannelEntries; ++i) {
    parcel->version = own_[i].version.load();
    if (parcel->version == 0 || own_[i].segment.load(std::memory_order_relaxed) != parcel->segment) continue;
    parcel->entry = i;
    if (still_good(*parcel)) return true;  // The segment was of this version.
  }
  return new_entry(parcel);
}

// With the mutex. An entry can be written anew when no cell speaks of it: none that we are writing, for who writes looks at the version
// after he took his cell, and none that is full of it.
bool Ring::free_entry(std::uint32_t index) {
  OwnEntry &entry = own_[index];
  const std::uint32_t version = entry.version.exchange(0);
  if (version == 0) return true;
  const int place = place_.load(std::memory_order_relaxed);
  bool in_use = false;
  for (std::uint64_t i = 0; i < shape_.capacity && !in_use; ++i) {
    const wire::Cell &found = cell(i);
    const std::uint64_t now = found.word.load();
    if (state_of(now) == writing) in_use = place_of(now) == place;
    if (state_of(now) == full || state_of(now) == taking) {
      in_use = found.entry.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(place) * wire::kChannelEntries + index;
    }
  }
  if (in_use) {
    entry.version.store(version);
    return false;
  }
  if (Segment *segment = entry.segment.exchange(nullptr); segment != nullptr) segment->release();
  return true;
}

// False: all are in use.
Result<bool> Ring::new_entry(Parcel *parcel) {
  const std::lock_guard lock(channels_mutex);
  std::uint32_t free = wire::kChannelEntries;
  for (std::uint32_t i = 0; i < wire::kChannelEntries; ++i) {
    parcel->entry = i;
    parcel->version = own_[i].version.load();
    if (parcel->version != 0 && own_[i].segment.load() == parcel->segment) return true;
    if (parcel->version == 0) free = i;
  }
  for (std::uint32_t i = 0; i < wire::kChannelEntries && free == wire::kChannelEntries; ++i) {
    if (free_entry(i)) free = i;
  }
  if (free == wire::kChannelEntries) return false;
  SHMALLOC_TRY(handle, segment_bytes(*parcel->segment));
  std::uint64_t words[wire::ChannelEntry::kWords] = {};
  if (handle.length > sizeof words)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "the name of the storage's segment is too long for a channel");
  std::memcpy(words, handle.bytes, handle.length);
  wire::ChannelEntry &to =
      entries_[static_cast<std::uint32_t>(place_.load(std::memory_order_relaxed)) * wire::kChannelEntries + free];
  to.version.store(0, std::memory_order_release);
  SHMALLOC_STEP();
  // One that no parcel in the ring speaks of, whoever had this place before.
  std::uint32_t version = 0;
  while (version == 0) version = head_->versions.fetch_add(1) + 1;
  std::uint64_t id[2];
  std::memcpy(id, parcel->segment->id(), sizeof id);
  for (int i = 0; i < 2; ++i) to.id[i].store(id[i], std::memory_order_release);
  to.length.store(handle.length, std::memory_order_release);
  for (std::size_t i = 0; i < wire::ChannelEntry::kWords; ++i) to.bytes[i].store(words[i], std::memory_order_release);
  SHMALLOC_STEP();
  to.version.store(version, std::memory_order_release);
  parcel->segment->retain();
  own_[free].segment.store(parcel->segment);
  own_[free].version.store(version);
  parcel->entry = free;
  parcel->version = version;
  return true;
}

// The storage is in a cell that we are writing.
void Ring::enter(std::uint64_t position, Storage *storage) {
  Flight &flight = flights_.load(std::memory_order_relaxed)[position & mask_];
  if (const std::uint64_t before = flight.lap.load(std::memory_order_acquire); before != 0) land(flight, before);
  storage->retain();
  flight.storage.store(storage, std::memory_order_relaxed);
  flight.lap.store((position >> shift_) + 1, std::memory_order_release);
  if (filled_.load(std::memory_order_relaxed) <= position) filled_.store(position + 1, std::memory_order_relaxed);
  if (!sweep_due.load(std::memory_order_relaxed) && !sweep_due.exchange(true, std::memory_order_relaxed)) {
    due(os::coarse_now() + kSweepEvery);
  }
}

// It has been taken; whoever sees that first lets go.
void Ring::land(Flight &flight, std::uint64_t lap) {
  Storage *storage = flight.storage.load(std::memory_order_relaxed);
  if (flight.lap.compare_exchange_strong(lap, 0, std::memory_order_acq_rel)) storage->release();
}

// The oldest ones. Who took a storage may still use it: where many are in flight it gets a little time, for what nobody else holds any more is
// free at once.
void Ring::sweep_some(bool at_once) {
  Flight *flights = flights_.load(std::memory_order_acquire);
  if (flights == nullptr) return;
  const std::uint64_t end = filled_.load(std::memory_order_relaxed);
  std::uint64_t at = swept_.load(std::memory_order_relaxed);
  if (at >= end) return;
  if (end - at > shape_.capacity) at = end - shape_.capacity;
  const std::uint64_t lag = at_once || end - at < 2 * kLag ? 0 : kLag;
  for (int left = kSweptAtOnce; left > 0 && at < end; --left, ++at) {
    Flight &flight = flights[at & mask_];
    const std::uint64_t lap = flight.lap.load(std::memory_order_acquire);
    if (lap != (at >> shift_) + 1) continue;
    if (!passed(at) || (lag != 0 && !passed(at + lag))) break;
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
  for (std::uint32_t i = 0; i < wire::kChannelEntries; ++i) {
    const Segment *segment = own_[i].segment.load();
    if (segment != nullptr && (all || segment->head().closed.load(std::memory_order_relaxed) != 0)) free_entry(i);
  }
  return left;
}

}  // namespace shmalloc
