// What this process has of one channel: its memory, a place in it, and the parcels it sent that nobody has taken yet. The rules stand in
// docs/channel-protocol.md.
//
// A ring is one for the process, however often the channel is opened. Cells are changed without a lock; slow steps (a place, the dead, entries,
// coming and going) queue on one mutex, which is taken before those of storages.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/result.hpp"
#include "base/wire/channel.hpp"
#include "os/mapping.hpp"
#include "shmalloc/channel.h"
#include "storage/storage.hpp"

namespace shmalloc {

// What a channel's memory is like; checked once, and never read again from where others write.
struct Shape {
  std::uint32_t capacity = 0;
  std::uint32_t record_size = 0;
  std::uint32_t cell_size = 0;

  Shape(std::uint64_t cells, std::uint64_t record) {
    capacity = static_cast<std::uint32_t>(cells);
    record_size = static_cast<std::uint32_t>(record);
    cell_size = static_cast<std::uint32_t>((sizeof(wire::Cell) + record + 63) / 64 * 64);
  }
  std::uint64_t size() const { return wire::kChannelCells + std::uint64_t{capacity} * cell_size; }
};

class Wait;

class Ring {
 public:
  static constexpr std::uint64_t kMostCells = 65536;
  static constexpr std::uint64_t kMostRecord = 4096;

  // Writes the head of a new channel.
  static void format(void *memory, const Shape &shape);
  // The ring of the object behind the descriptor; one use.
  static Result<Ring *> open(os::UniqueFd fd);
  void close();  // the use

  Result<void> send(Storage *storage, const std::uint8_t *record, std::size_t length, std::int64_t timeout_ns);
  // The storage, or none. *length is the room on entry, and what the record needs then, also with NO_SPACE; NULL: nobody wants it.
  Result<Ref<Storage>> receive(std::uint8_t *record, std::size_t *length, std::int64_t timeout_ns);
  void shut();  // for everybody
  void describe(shmalloc_channel_info *info) const;

  // Of all rings: gives back what others have taken, and what only ended channels keep; asks to be called again for what is left.
  // `all`: what is kept for speed as well.
  static void sweep_all(bool all);

  static void after_fork(bool in_child);
  static constexpr std::int64_t kSweepEvery = 100000000;
  static inline constinit std::atomic<bool> sweep_due{false};  // somebody is told to come back for what is in flight

 private:
  friend class Wait;
  enum State : std::uint64_t { empty, writing, full, taking };
  // What happened at a look for a cell to fill, or to take.
  enum class Look : std::uint8_t { got, none, busy };

  // Where a storage is, as a cell says it.
  struct Parcel {
    Segment *segment = nullptr;
    Ticket ticket;
    std::uint32_t entry = 0;  // among ours
    std::uint32_t version = 0;
  };
  // What we put into a cell. `lap` is one more than its lap, 0: nothing.
  struct Flight {
    std::atomic<std::uint64_t> lap;
    std::atomic<Storage *> storage;  // one reference
  };
  struct OwnEntry {
    std::atomic<Segment *> segment{nullptr};  // one use
    std::atomic<std::uint32_t> version{0};
  };

  Ring(const Shape &shape, os::UniqueFd fd, os::Mapping mapping, const os::Identity &identity);
  ~Ring();
  friend std::default_delete<Ring>;
  void end();
  static Result<Shape> check(int fd, const os::FileFacts &facts, os::Mapping *mapping);

  wire::Cell &cell(std::uint64_t position) const {
    return *reinterpret_cast<wire::Cell *>(cells_ + (position & mask_) * shape_.cell_size);
  }
  static std::uint64_t word(State state, int place, std::uint64_t lap) {
    return lap << 10 | static_cast<std::uint64_t>(place) << 2 | state;
  }
  static State state_of(std::uint64_t word) { return static_cast<State>(word & 3); }
  static int place_of(std::uint64_t word) { return static_cast<int>(word >> 2 & 0xff); }
  static std::uint64_t lap_of(std::uint64_t word) { return word >> 10; }

  // cells.cpp: one cell
  Look claim(std::uint64_t *position);
  Look take(std::uint64_t *position);
  void publish(std::uint64_t position) { cell(position).word.exchange(word(full, 0, position >> shift_)); }
  void pass(std::uint64_t position);      // we are done with it: its next lap begins
  void put_back(std::uint64_t position);  // what we did not take after all
  static void toll(wire::Bell &bell);
  void fetch_ahead(const wire::Cell &of) const;
  Result<Ref<Storage>> unpack(std::uint64_t position);
  Result<Segment *> segment_of(std::uint32_t entry, std::uint32_t version) const;

  // places.cpp: who is there
  Result<void> ready() {
    if (place_.load(std::memory_order_acquire) >= 0) [[likely]]
      return {};
    return take_place();
  }
  bool ours() const;
  Result<os::UniqueFd> open_again() const;
  Result<void> take_place();
  Result<void> take_place_locked();
  void forget_inherited();
  void leave();
  bool alive(int place);
  bool bury(int place);
  bool bury_locked(int place);
  bool mend(int place) const;
  bool look_at_peers();    // whether somebody was buried; not more often than makes sense
  bool deserted() const {  // others had it open, and nobody has any more
    return (head_->open.load(std::memory_order_acquire) & ~own_bit()) == 0 && head_->several.load(std::memory_order_relaxed) != 0;
  }
  std::uint64_t own_bit() const {
    const int place = place_.load(std::memory_order_relaxed);
    return place >= 0 ? std::uint64_t{1} << place : 0;
  }

  // parcels.cpp: what is in flight
  Result<bool> pack(Storage &storage, Parcel *parcel);  // false: not now, as if the channel were full
  Result<bool> new_entry(Parcel *parcel);
  bool still_good(const Parcel &parcel) const { return own_[parcel.entry].version.load() == parcel.version; }
  bool free_entry(std::uint32_t index);
  void enter(std::uint64_t position, Storage *storage);
  static void land(Flight &flight, std::uint64_t lap);
  bool passed(std::uint64_t position) const {
    return lap_of(cell(position).word.load(std::memory_order_acquire)) > position >> shift_;
  }
  void sweep_some(bool at_once);
  static void sweep_others();
  bool sweep(bool all);
  void drop_all();
  bool linger();
  Result<void> make_flights();

  const Shape shape_;
  const std::uint64_t mask_;
  const int shift_;
  wire::ChannelHead *head_;
  wire::ChannelEntry *entries_;
  char *cells_;
  std::atomic<int> place_{-1};
  std::atomic<Flight *> flights_{nullptr};
  std::atomic<std::uint64_t> swept_{0};   // what we put into cells before here has been taken, but for stragglers
  std::atomic<std::uint64_t> filled_{0};  // behind the last cell that we filled
  std::atomic<std::int64_t> looked_at_peers_{0};
  std::atomic<std::int64_t> seen_alive_[wire::kChannelPlaces] = {};
  std::atomic<std::int64_t> spin_ns_;
  std::atomic<const char *> last_data_{nullptr};  // of the segment that we last received something of
  std::atomic<const wire::Slot *> last_slots_{nullptr};
  OwnEntry own_[wire::kChannelEntries];

  // With the mutex.
  std::uint64_t uses_ = 1;
  bool inherited_ = false;  // place, entries and parcels in flight are the parent's
  std::int64_t deserted_since_ = 0;
  os::UniqueFd fd_;
  os::Mapping mapping_;
  os::Mapping keeper_;  // of our place's lock
  const os::Identity identity_;
  Ring *next_ = nullptr;
};

}  // namespace shmalloc
