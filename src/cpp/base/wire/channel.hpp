// The memory of a channel, version 1: a sealed memfd that holds a head, the segments that senders speak of, and a ring of cells. Of one
// machine, so in its byte order. docs/channel-protocol.md says who may change what, when.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace shmalloc::wire {

inline constexpr std::uint8_t kChannelMagic[4] = {'S', 'H', 'M', 'C'};
inline constexpr std::uint16_t kChannelMajor = 1;
inline constexpr std::uint16_t kChannelMinor = 0;
inline constexpr int kChannelPlaces = 64;
inline constexpr std::uint32_t kChannelEntries = 4;  // segments that one place can have parcels of in flight

// What sleepers sleep on. `waiting`: somebody may.
struct Bell {
  alignas(64) std::atomic<std::uint32_t> rings;
  std::atomic<std::uint32_t> waiting;
  std::atomic<std::uint32_t> ringer_cpu;  // one more than the number of the CPU that the last ringer ran on; a hint
};

// What others write often has lines of its own.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
struct ChannelHead {
  // Written by the maker before anybody else can see it.
  std::uint8_t magic[4];
  std::uint16_t major;
  std::uint16_t minor;
  std::uint32_t head_size;    // bytes before the first entry
  std::uint32_t capacity;     // cells, a power of two
  std::uint32_t record_size;  // bytes
  std::uint32_t cell_size;    // bytes from one cell to the next
  std::int64_t created_ns;    // since 1970; for people
  std::int32_t maker_pid;     // for people
  std::uint32_t zero;
  // Changed rarely.
  alignas(64) std::atomic<std::uint64_t> places;  // that may have cells or entries
  std::atomic<std::uint64_t> open;                // those of them who can send and receive
  std::atomic<std::uint64_t> first;               // who claimed the first place: a process, as a number
  std::atomic<std::uint32_t> several;             // another process than that one has claimed a place, ever
  std::atomic<std::uint32_t> closed;
  std::atomic<std::uint64_t> unsent;    // cells that a sender claimed and never filled
  std::atomic<std::uint64_t> stale;     // parcels that were gone when they were taken
  std::atomic<std::uint32_t> versions;  // the last one that an entry got
  // Hints: what lies before is claimed, what lies before is consumed.
  alignas(128) std::atomic<std::uint64_t> tail;
  alignas(128) std::atomic<std::uint64_t> head;
  alignas(128) Bell filled;
  Bell emptied;
};

// A handle of the segment: bytes of wire/handle.hpp whose slot means nothing. Written by the place that it belongs to; changed by
// setting the version to 0 first, and to a new one last.
struct ChannelEntry {
  static constexpr std::size_t kWords = 60;
  std::atomic<std::uint64_t> version;
  std::atomic<std::uint64_t> id[2];
  std::atomic<std::uint64_t> length;
  std::atomic<std::uint64_t> bytes[kWords];
};

// `word` is a state in 2 bits, the place that is at work in 8, and the lap: how often this cell was consumed.
struct Cell {
  static constexpr std::uint16_t kNoEntry = 0xffff;
  std::atomic<std::uint64_t> word;
  std::atomic<std::uint64_t> offset;      // of the storage in its segment: for a quick start, not believed
  std::atomic<std::uint32_t> generation;  // of the slot
  std::atomic<std::uint32_t> slot;
  std::atomic<std::uint32_t> version;  // of the entry
  std::atomic<std::uint16_t> entry;
  std::atomic<std::uint16_t> length;  // of the record
  std::uint8_t *record() { return reinterpret_cast<std::uint8_t *>(this + 1); }
};

inline constexpr std::size_t kChannelHead = 4096;
inline constexpr std::size_t kChannelCells = kChannelHead + sizeof(ChannelEntry) * kChannelEntries * kChannelPlaces;

static_assert(sizeof(ChannelHead) == 512 && sizeof(ChannelHead) <= kChannelHead);
static_assert(offsetof(ChannelHead, created_ns) == 24 && offsetof(ChannelHead, places) == 64);
static_assert(offsetof(ChannelHead, several) == 88 && offsetof(ChannelHead, closed) == 92 && offsetof(ChannelHead, unsent) == 96);
static_assert(offsetof(ChannelHead, tail) == 128 && offsetof(ChannelHead, head) == 256);
static_assert(offsetof(ChannelHead, filled) == 384 && offsetof(ChannelHead, emptied) == 448);
static_assert(sizeof(ChannelEntry) == 512 && sizeof(Cell) == 32);
static_assert(offsetof(Cell, offset) == 8 && offsetof(Cell, generation) == 16 && offsetof(Cell, slot) == 20);
static_assert(offsetof(Cell, version) == 24 && offsetof(Cell, entry) == 28 && offsetof(Cell, length) == 30);

// Bytes that places lock, far beyond the end.
inline constexpr std::uint64_t kChannelPlaceBytes = std::uint64_t{1} << 40;

}  // namespace shmalloc::wire
