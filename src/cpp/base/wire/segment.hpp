// The control object of a segment, version 1: what processes that share storages of kind SHARED have in common. Of one machine, so in its
// byte order. docs/shared-protocol.md says who may change what, when.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace shmalloc::wire {

inline constexpr std::uint8_t kSegmentMagic[4] = {'S', 'H', 'M', 'S'};
inline constexpr std::uint16_t kSegmentMajor = 1;
inline constexpr std::uint16_t kSegmentMinor = 0;
inline constexpr int kPlaces = 64;  // as many as there are bits in Slot::holders
inline constexpr std::uint32_t kLastGeneration = 0xffffffffU;

// What others write often has lines of its own.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
struct SegmentHead {
  // Written by the owner before anybody else can see it.
  std::uint8_t magic[4];
  std::uint16_t major;
  std::uint16_t minor;
  std::uint32_t head_size;   // bytes before the first slot
  std::uint32_t slot_count;  // slots that the object has room for
  std::uint8_t id[16];       // random
  std::uint64_t capacity;    // bytes that the data may grow to
  std::uint64_t data_device;
  std::uint64_t data_inode;
  std::uint64_t data_born_ns;
  std::int64_t created_ns;  // since 1970; for people
  std::int32_t owner_pid;   // for people
  std::uint32_t zero;
  // Places that may have bits set in a slot.
  alignas(64) std::atomic<std::uint64_t> places;
  // Written by the owner.
  alignas(64) std::atomic<std::uint32_t> closed;  // he has given the segment up
  std::atomic<std::uint32_t> slots_used;          // slots from here on were never anybody's
};

// `holders` and `generation` change together by a 16-byte compare-and-swap, `holders` alone by an atomic and, or or.
struct alignas(16) Slot {
  std::atomic<std::uint64_t> holders;
  std::atomic<std::uint32_t> generation;
  std::uint32_t zero;
  std::atomic<std::uint64_t> offset;
  std::atomic<std::uint64_t> size;
};

inline constexpr std::size_t kSegmentHead = 4096;

static_assert(sizeof(SegmentHead) == 256 && sizeof(SegmentHead) <= kSegmentHead);
static_assert(offsetof(SegmentHead, id) == 16 && offsetof(SegmentHead, capacity) == 32 && offsetof(SegmentHead, data_device) == 40);
static_assert(offsetof(SegmentHead, created_ns) == 64 && offsetof(SegmentHead, owner_pid) == 72);
static_assert(offsetof(SegmentHead, places) == 128 && offsetof(SegmentHead, closed) == 192);
static_assert(offsetof(SegmentHead, slots_used) == 196);
static_assert(sizeof(Slot) == 32 && offsetof(Slot, generation) == 8 && offsetof(Slot, offset) == 16 && offsetof(Slot, size) == 24);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(std::atomic<std::uint64_t>) == 8);

// Bytes of the control that processes lock, far beyond its end.
inline constexpr std::uint64_t kOwnerByte = std::uint64_t{1} << 40;
inline constexpr std::uint64_t kPlaceBytes = kOwnerByte + 64;
inline constexpr std::uint64_t kLostBytes = kPlaceBytes + 64;     // of whoever has the place: children without one live
inline constexpr std::uint64_t kOwnerLostByte = kLostBytes + 64;  // of the owner, if he has no place

}  // namespace shmalloc::wire
