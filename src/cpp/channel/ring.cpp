// Channels as a whole: coming, going, sending, receiving, fork.
#include "channel/ring.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "allocators/shared/steps.hpp"
#include "base/due.hpp"
#include "channel/lock.hpp"
#include "channel/wait.hpp"
#include "os/calls.hpp"
#include "os/futex.hpp"
#include "os/process.hpp"

namespace shmalloc {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;
constexpr std::int64_t kKeptAlone = 10000000000;  // how long parcels of a closed channel wait for somebody to open it
constexpr std::int64_t kPeersEvery = 100000000;

constinit Ring *rings = nullptr;                   // with the mutex
constinit std::atomic<bool> any_in_flight{false};  // this process has sent storages

Error corrupt(const char *why) { return fail(SHMALLOC_STATUS_CORRUPT, 0, "the storage is no channel: %s", why); }
Error closed() { return fail(SHMALLOC_STATUS_CLOSED, 0, "the channel is closed"); }
Error alone() { return fail(SHMALLOC_STATUS_PEER_GONE, 0, "no other process has the channel open any more"); }

}  // namespace

void Ring::format(void *memory, const Shape &shape) {
  auto &head = *static_cast<wire::ChannelHead *>(memory);
  std::memcpy(head.magic, wire::kChannelMagic, sizeof head.magic);
  head.major = wire::kChannelMajor;
  head.minor = wire::kChannelMinor;
  head.head_size = wire::kChannelHead;
  head.capacity = shape.capacity;
  head.record_size = shape.record_size;
  head.cell_size = shape.cell_size;
  head.maker_pid = os::calls.getpid();
}

Ring::Ring(const Shape &shape, os::UniqueFd fd, os::Mapping mapping, const os::Identity &identity)
    : shape_(shape),
      mask_(shape.capacity - 1),
      shift_(__builtin_ctz(shape.capacity)),
      head_(static_cast<wire::ChannelHead *>(mapping.base())),
      entries_(reinterpret_cast<wire::ChannelEntry *>(static_cast<char *>(mapping.base()) + wire::kChannelHead)),
      cells_(static_cast<char *>(mapping.base()) + wire::kChannelCells),
      spin_ns_(4000),
      fd_(std::move(fd)),
      mapping_(std::move(mapping)),
      identity_(identity) {}

Ring::~Ring() { delete[] flights_.load(std::memory_order_relaxed); }

Result<Shape> Ring::check(int fd, const os::FileFacts &facts, os::Mapping *mapping) {
  if (!facts.regular || facts.size < wire::kChannelCells) return corrupt("it is too small");
  if ((os::seals_of(fd) & kSeals) != kSeals) return corrupt("its memory could be cut short by others");
  SHMALLOC_TRY(head_map, os::Mapping::map(fd, 0, wire::kChannelHead, PROT_READ, MAP_SHARED, 0, "a channel"));
  wire::ChannelHead head;
  std::memcpy(static_cast<void *>(&head), head_map.base(), offsetof(wire::ChannelHead, places));
  if (std::memcmp(head.magic, wire::kChannelMagic, sizeof head.magic) != 0) return corrupt("it does not begin as one");
  if (head.major != wire::kChannelMajor) {
    return fail(SHMALLOC_STATUS_VERSION, 0, "the channel has format %u, this shmalloc reads %u", head.major, wire::kChannelMajor);
  }
  const Shape shape(head.capacity, head.record_size);
  if (head.head_size != wire::kChannelHead || head.capacity == 0 || head.capacity > kMostCells ||
      (head.capacity & (head.capacity - 1)) != 0 || head.record_size > kMostRecord || head.cell_size != shape.cell_size ||
      shape.size() > facts.size) {
    return corrupt("its numbers can't be");
  }
  SHMALLOC_TRY(whole, os::Mapping::map(fd, 0, shape.size(), PROT_READ | PROT_WRITE, MAP_SHARED, 0, "a channel"));
  *mapping = std::move(whole);
  return shape;
}

Result<Ring *> Ring::open(os::UniqueFd fd) {
  SHMALLOC_TRY(facts, os::look(fd.get(), "a channel"));
  const std::lock_guard lock(channels_mutex);
  for (Ring *ring = rings; ring != nullptr; ring = ring->next_) {
    if (ring->identity_ != facts.identity) continue;
    ring->deserted_since_ = 0;
    SHMALLOC_CHECK(ring->take_place_locked());
    ring->head_->open.fetch_or(ring->own_bit());
    ++ring->uses_;
    return ring;
  }
  os::Mapping mapping;
  SHMALLOC_TRY(shape, check(fd.get(), facts, &mapping));
  std::unique_ptr<Ring> made(new (std::nothrow) Ring(shape, std::move(fd), std::move(mapping), facts.identity));
  if (made == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a channel");
  SHMALLOC_CHECK(made->take_place_locked());
  made->next_ = rings;
  rings = made.get();
  return made.release();
}

void Ring::close() {
  const std::lock_guard lock(channels_mutex);
  if (--uses_ > 0) return;
  if (sweep(true)) {
    // What is in flight stays held, for those who are still to take it.
    head_->open.fetch_and(~own_bit());
    toll(head_->filled);
    toll(head_->emptied);
    due(os::coarse_now() + kSweepEvery);
    return;
  }
  end();
}

// With the mutex: nobody uses it, and nothing is in flight.
void Ring::end() {
  leave();
  for (Ring **at = &rings; *at != nullptr; at = &(*at)->next_) {
    if (*at != this) continue;
    *at = next_;
    break;
  }
  delete this;
}

// With the mutex, of a channel that is not used here any more: whether what is in flight is to be held on.
bool Ring::linger() {
  for (std::uint64_t left = head_->open.load() & ~own_bit(); left != 0; left &= left - 1) {
    const int place = __builtin_ctzll(left);
    if (!alive(place)) bury_locked(place);
  }
  const std::int64_t now = os::coarse_now();
  if ((head_->open.load() & ~own_bit()) != 0) {
    deserted_since_ = 0;
  } else if (deserted_since_ == 0) {
    deserted_since_ = now;
  }
  return deserted_since_ == 0 || now - deserted_since_ < kKeptAlone;
}

void Ring::sweep_all(bool all) {
  sweep_due.store(false, std::memory_order_relaxed);
  const std::lock_guard lock(channels_mutex);
  bool left = false;
  for (Ring *ring = rings; ring != nullptr;) {
    Ring *const next = ring->next_;
    bool in_flight = ring->sweep(all);
    if (ring->uses_ == 0) {
      if (in_flight && !ring->linger()) {
        ring->drop_all();
        in_flight = false;
      }
      if (!in_flight) ring->end();
    }
    left = left || in_flight;
    ring = next;
  }
  if (left && !sweep_due.exchange(true, std::memory_order_relaxed)) due(os::coarse_now() + kSweepEvery);
}

void Ring::sweep_others() {
  if (!any_in_flight.load(std::memory_order_relaxed)) return;
  const std::unique_lock lock(channels_mutex, std::try_to_lock);
  if (!lock.owns_lock()) return;
  any_in_flight.store(false, std::memory_order_relaxed);
  bool left = false;
  for (Ring *ring = rings; ring != nullptr; ring = ring->next_) {
    ring->sweep_some(true);
    left = left || ring->swept_.load(std::memory_order_relaxed) < ring->filled_.load(std::memory_order_relaxed);
  }
  if (left) any_in_flight.store(true, std::memory_order_relaxed);
}

Result<void> Ring::send(Storage *storage, const std::uint8_t *record, std::size_t length, std::int64_t timeout_ns) {
  if (length > shape_.record_size)
    return fail(SHMALLOC_STATUS_INVALID, 0, "the record has %zu bytes, the channel has room for %u", length, shape_.record_size);
  SHMALLOC_CHECK(ready());
  Parcel parcel;
  bool packed = storage == nullptr;
  Wait wait(*this, head_->emptied, timeout_ns);
  std::uint64_t position = 0;
  for (;;) {
    if (head_->closed.load() != 0) return closed();
    if (deserted()) return alone();
    if (!packed) {
      SHMALLOC_TRY(done, pack(*storage, &parcel));
      packed = done;
    }
    if (!packed || claim(&position) != Look::got) {
      SHMALLOC_CHECK(wait.next());
      continue;
    }
    const bool shut = head_->closed.load() != 0;  // Whoever saw it closed may not have seen us.
    if (!shut && (storage == nullptr || still_good(parcel))) break;
    head_->unsent.fetch_add(1, std::memory_order_relaxed);
    pass(position);
    packed = storage == nullptr;
  }
  wire::Cell &to = cell(position);
  std::uint16_t entry = wire::Cell::kNoEntry;
  if (storage != nullptr) {
    enter(position, storage);
    any_in_flight.store(true, std::memory_order_relaxed);
    entry = static_cast<std::uint16_t>(static_cast<std::uint32_t>(place_.load(std::memory_order_relaxed)) * wire::kChannelEntries +
                                       parcel.entry);
    to.offset.store(parcel.ticket.offset, std::memory_order_relaxed);
    to.generation.store(parcel.ticket.generation, std::memory_order_relaxed);
    to.slot.store(parcel.ticket.slot, std::memory_order_relaxed);
    to.version.store(parcel.version, std::memory_order_relaxed);
  }
  to.entry.store(entry, std::memory_order_relaxed);
  to.length.store(static_cast<std::uint16_t>(length), std::memory_order_relaxed);
  if (length != 0) std::memcpy(to.record(), record, length);
  SHMALLOC_STEP();
  publish(position);
  SHMALLOC_STEP();
  toll(head_->filled);
  sweep_some(false);
  if (os::coarse_now() - looked_at_peers_.load(std::memory_order_relaxed) > kPeersEvery) look_at_peers();
  return {};
}

Result<Ref<Storage>> Ring::receive(std::uint8_t *record, std::size_t *length, std::int64_t timeout_ns) {
  SHMALLOC_CHECK(ready());
  Wait wait(*this, head_->filled, timeout_ns);
  for (;;) {
    const bool ended = head_->closed.load() != 0;
    const bool left_alone = deserted();
    std::uint64_t position = 0;
    const Look look = take(&position);
    if (look != Look::got) {
      if (look == Look::none && ended) return closed();
      if (look == Look::none && left_alone) return alone();
      SHMALLOC_CHECK(wait.next());
      continue;
    }
    wire::Cell &from = cell(position);
    const std::size_t given = from.length.load(std::memory_order_relaxed);
    const bool sound = given <= shape_.record_size;
    if (sound && length != nullptr && given > (record != nullptr ? *length : 0)) {
      const std::size_t room = record != nullptr ? *length : 0;
      put_back(position);
      *length = given;
      return fail(SHMALLOC_STATUS_NO_SPACE, 0, "the next record has %zu bytes, there is room for %zu", given, room);
    }
    auto storage = sound ? unpack(position) : Result<Ref<Storage>>(corrupt("a record is longer than it can be"));
    SHMALLOC_STEP();
    if (!storage && sound && storage.error().status != SHMALLOC_STATUS_STALE) {
      put_back(position);
      return storage.error();
    }
    if (!storage) {  // Gone with who sent it.
      head_->stale.fetch_add(1, std::memory_order_relaxed);
      pass(position);
      continue;
    }
    if (length != nullptr) {
      if (given != 0) std::memcpy(record, from.record(), given);
      *length = given;
    }
    pass(position);
    sweep_others();
    return storage;
  }
}

void Ring::shut() {
  head_->closed.store(1);
  for (wire::Bell *bell : {&head_->filled, &head_->emptied}) {
    bell->rings.fetch_add(1);
    os::futex_wake_all(&bell->rings);
  }
}

void Ring::describe(shmalloc_channel_info *info) const {
  info->capacity = shape_.capacity;
  info->record_size = shape_.record_size;
  std::uint64_t laps = 0;
  for (std::uint64_t i = 0; i < shape_.capacity; ++i) {
    const std::uint64_t now = cell(i).word.load(std::memory_order_relaxed);
    laps += lap_of(now);
    if (state_of(now) == full || state_of(now) == taking) ++info->length;
  }
  // Read one after the other while others go on, so never let them go below 0.
  const std::uint64_t unsent = std::min(head_->unsent.load(std::memory_order_relaxed), laps);
  info->skipped = std::min(head_->stale.load(std::memory_order_relaxed), laps - unsent);
  info->sent = laps + info->length - unsent;
  info->received = laps - unsent - info->skipped;
  info->attached = static_cast<std::uint32_t>(__builtin_popcountll(head_->open.load(std::memory_order_relaxed)));
  info->state = head_->closed.load(std::memory_order_relaxed) != 0 ? SHMALLOC_CHANNEL_STATE_CLOSED : 0;
}

void lock_channels() { channels_mutex.lock(); }
void unlock_channels(bool in_child) { Ring::after_fork(in_child); }

void Ring::after_fork(bool in_child) {
  for (Ring *ring = in_child ? rings : nullptr; ring != nullptr; ring = ring->next_) {
    ring->keeper_.forget();  // It was not inherited.
    ring->place_.store(-1, std::memory_order_relaxed);
    ring->inherited_ = true;
    due(0);  // What is in flight is the parent's: the child's copies of its references go as soon as may be.
  }
  channels_mutex.unlock();
}

}  // namespace shmalloc
