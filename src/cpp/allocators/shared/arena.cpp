#include "allocators/shared/arena.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "os/mapping.hpp"

namespace shmalloc {
namespace {

constexpr std::uint64_t kChunk = std::uint64_t{2} << 20;
constexpr std::uint32_t kChunkUnits = kChunk / classes::kUnit;

Result<os::Mapping> private_table(std::uint64_t size) {
  return os::Mapping::map(-1, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0,
                          "a segment's tables");
}

}  // namespace

Result<Arena *> Arena::make(const SegmentRequest &request) {
  SHMALLOC_TRY(segment, Segment::create(request));
  auto *arena = new (std::nothrow) Arena();
  if (arena == nullptr) {
    segment->close_as_owner();
    return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a segment");
  }
  arena->segment = segment;
  arena->unit_count = static_cast<std::uint32_t>(segment->capacity() / classes::kUnit);
  std::fill_n(arena->bins, kBins, kNone);
  const auto tables = [&]() -> Result<void> {
    SHMALLOC_TRY(of_units, private_table(std::uint64_t{arena->unit_count} * sizeof(Unit)));
    SHMALLOC_TRY(of_slots, private_table(std::uint64_t{segment->head().slot_count} * sizeof(SlotInfo)));
    SHMALLOC_TRY(chunks, private_table(arena->unit_count / kChunkUnits + 1));
    arena->units_map = std::move(of_units);
    arena->slots_map = std::move(of_slots);
    arena->chunks_map = std::move(chunks);
    return {};
  }();
  if (!tables) {
    arena->destroy();
    return tables.error();
  }
  arena->units = static_cast<Unit *>(arena->units_map.base());
  arena->slots = static_cast<SlotInfo *>(arena->slots_map.base());
  arena->committed = static_cast<bool *>(arena->chunks_map.base());
  return arena;
}

// Every slab and block, found by their units.
void Arena::free_blocks() {
  for (std::uint32_t at = 0; at < end;) {
    const Unit &unit = units[at];
    if (unit.state == Unit::slab) {
      std::free(unit.owner);
      at += classes::kSlabUnits;
    } else if (unit.state == Unit::large) {
      auto *block = static_cast<Block *>(unit.owner);
      at += block->units;
      delete block;
    } else {
      at += unit.state == Unit::free ? unit.length : 1;
    }
  }
}

void Arena::destroy() {
  segment->close_as_owner();
  delete this;
}

int Arena::bin_of(std::uint32_t length) {
  if (length < 8) return static_cast<int>(length);
  const int top = 31 - __builtin_clz(length);
  return std::min((top - 2) * 8 + static_cast<int>((length >> (top - 3)) & 7U), kBins - 1);
}

void Arena::link(std::uint32_t start, std::uint32_t length) {
  const int bin = bin_of(length);
  Unit &first = units[start];
  first.state = units[start + length - 1].state = Unit::free;
  first.length = units[start + length - 1].length = length;
  first.previous = kNone;
  first.next = bins[bin];
  if (first.next != kNone) units[first.next].previous = start;
  bins[bin] = start;
  bins_used[bin / 64] |= std::uint64_t{1} << (bin % 64);
  free_units += length;
}

void Arena::unlink(std::uint32_t start) {
  Unit &first = units[start];
  const int bin = bin_of(first.length);
  if (first.next != kNone) units[first.next].previous = first.previous;
  if (first.previous != kNone) {
    units[first.previous].next = first.next;
  } else {
    bins[bin] = first.next;
    if (first.next == kNone) bins_used[bin / 64] &= ~(std::uint64_t{1} << (bin % 64));
  }
  free_units -= first.length;
  units[start + first.length - 1].state = Unit::unused;
  first.state = Unit::unused;
}

// Whether an aligned span fits into the free one that begins at `start`, and how many units before it stay free.
bool Arena::fits(std::uint32_t start, std::uint32_t length, std::uint64_t alignment, std::uint32_t *skip) const {
  *skip = 0;
  if (alignment > classes::kUnit) {
    const auto address = reinterpret_cast<std::uintptr_t>(segment->data()) + std::uint64_t{start} * classes::kUnit;
    const std::uint64_t distance = (alignment - address % alignment) % alignment;
    if (distance / classes::kUnit >= units[start].length) return false;
    *skip = static_cast<std::uint32_t>(distance / classes::kUnit);
  }
  return units[start].length - *skip >= length;
}

std::uint32_t Arena::take_span(std::uint32_t length, std::uint64_t alignment) {
  std::uint32_t skip = 0;
  for (int bin = bin_of(length); bin < kBins;) {
    const std::uint64_t left = bins_used[bin / 64] >> (bin % 64);
    if (left == 0) {
      bin = (bin / 64 + 1) * 64;
      continue;
    }
    bin += __builtin_ctzll(left);
    if (bin >= kBins) break;
    int tries = 0;
    for (std::uint32_t at = bins[bin]; at != kNone && tries < 16; at = units[at].next, ++tries) {
      if (!fits(at, length, alignment, &skip)) continue;
      const std::uint32_t whole = units[at].length;
      unlink(at);
      if (skip > 0) link(at, skip);
      if (whole > skip + length) link(at + skip + length, whole - skip - length);
      return at + skip;
    }
    ++bin;
  }
  return kNone;
}

void Arena::give_span(std::uint32_t start, std::uint32_t length) {
  if (start > 0 && units[start - 1].state == Unit::free) {
    const std::uint32_t before = units[start - 1].length;
    unlink(start - before);
    start -= before;
    length += before;
  }
  if (start + length < end && units[start + length].state == Unit::free) {
    const std::uint32_t behind = units[start + length].length;
    unlink(start + length);
    length += behind;
  }
  link(start, length);
}

Result<void> Arena::extend(std::uint32_t length, std::uint64_t alignment, std::uint64_t growth) {
  std::uint64_t needed = length;
  const bool free_end = end > 0 && units[end - 1].state == Unit::free;
  if (alignment > classes::kUnit) {
    needed += alignment / classes::kUnit;
  } else if (free_end) {
    needed -= std::min<std::uint64_t>(needed - 1, units[end - 1].length);
  }
  // Half as much again as there is, so that a segment that grows a lot does so seldom.
  const std::uint64_t step = std::clamp<std::uint64_t>(std::uint64_t{end} * classes::kUnit / 2, kChunk, std::max(growth, kChunk));
  std::uint64_t to = end + std::max<std::uint64_t>(needed, step / classes::kUnit);
  to = (to + kChunkUnits - 1) / kChunkUnits * kChunkUnits;
  if (to > unit_count) to = unit_count;
  if (end + needed > to) return fail(SHMALLOC_STATUS_NO_SPACE, 0, "the segment has no address space left");
  auto reserved = segment->reserve(std::uint64_t{end} * classes::kUnit, to * classes::kUnit);
  if (!reserved) {  // Perhaps just what is needed.
    to = std::min<std::uint64_t>((end + needed + kChunkUnits - 1) / kChunkUnits * kChunkUnits, unit_count);
    SHMALLOC_CHECK(segment->reserve(std::uint64_t{end} * classes::kUnit, to * classes::kUnit));
  }
  for (std::uint64_t chunk = end / kChunkUnits; chunk < (to + kChunkUnits - 1) / kChunkUnits; ++chunk) committed[chunk] = true;
  const std::uint32_t start = end;
  end = static_cast<std::uint32_t>(to);
  give_span(start, end - start);
  return {};
}

Result<void> Arena::commit(std::uint32_t start, std::uint32_t length) {
  if (punched == 0) return {};
  for (std::uint32_t chunk = start / kChunkUnits; chunk <= (start + length - 1) / kChunkUnits; ++chunk) {
    if (committed[chunk]) continue;
    SHMALLOC_CHECK(segment->reserve(chunk * kChunk, std::min((chunk + 1) * kChunk, std::uint64_t{end} * classes::kUnit)));
    committed[chunk] = true;
    punched -= kChunk;
  }
  return {};
}

std::uint64_t Arena::trim(std::uint64_t keep) {
  std::uint64_t bytes = 0;
  for (int bin = kBins - 1; bin >= 0 && kept() > keep; --bin) {
    for (std::uint32_t at = bins[bin]; at != kNone && kept() > keep; at = units[at].next) {
      const std::uint32_t first = (at + kChunkUnits - 1) / kChunkUnits;
      const std::uint32_t last = (at + units[at].length) / kChunkUnits;
      for (std::uint32_t chunk = first; chunk < last && kept() > keep;) {
        const std::uint32_t from = chunk;
        while (chunk < last && committed[chunk] && kept() > keep) {
          committed[chunk++] = false;
          punched += kChunk;
          bytes += kChunk;
        }
        if (chunk == from) {
          ++chunk;
        } else {
          segment->punch(from * kChunk, chunk * kChunk);
        }
      }
    }
  }
  return bytes;
}

void Arena::set_owner(std::uint32_t start, std::uint32_t length, Unit::State state, void *owner) {
  for (std::uint32_t i = start; i < start + length; ++i) {
    units[i].state = state;
    units[i].owner = owner;
  }
}

Block *Arena::find_block(std::uint64_t offset) const {
  if (offset >= std::uint64_t{end} * classes::kUnit) return nullptr;
  const Unit &unit = units[offset / classes::kUnit];
  if (unit.state == Unit::large) return static_cast<Block *>(unit.owner);
  if (unit.state != Unit::slab) return nullptr;
  auto *slab = static_cast<Slab *>(unit.owner);
  const std::uint64_t at = (offset - slab->unit * classes::kUnit) / classes::size_of(slab->blocks()[0].index);
  return at < slab->count ? slab->blocks() + at : nullptr;
}

Result<std::uint32_t> Arena::take_slot() {
  if (free_slot != 0) {
    const std::uint32_t slot = free_slot - 1;
    free_slot = slots[slot].next;
    return slot;
  }
  SHMALLOC_TRY(slot, segment->new_slot());
  slots[slot].generation = 0;
  return slot;
}

void Arena::give_slot(std::uint32_t slot) {
  if (slots[slot].generation == wire::kLastGeneration) return;  // Never again.
  slots[slot].next = free_slot;
  free_slot = slot + 1;
}

}  // namespace shmalloc
