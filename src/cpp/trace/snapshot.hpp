// What an allocator has, as text: PyTorch's keys, so that its tools read it, and ours beside them.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "trace/recorder.hpp"

namespace shmalloc::trace {

enum class BlockState { active, pending, inactive };

struct Block {
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint64_t requested = 0;
  std::uint64_t storage_id = 0;
  BlockState state = BlockState::active;
};

struct Segment {
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint64_t stream = 0;
  int pool = SHMALLOC_STAT_POOL_SMALL;
  bool expandable = false;
  std::string name;           // that others can open it by; empty: none
  std::vector<Block> blocks;  // `arrange` makes them
};

// Who is told of.
struct Subject {
  std::uint64_t id = 0;
  int kind = 0;
  const char *name = "";
  std::string config;
};

// One block in use, and what its segment would be if it had one of its own.
struct Found {
  Block block;
  std::uint64_t stream = 0;
  int pool = SHMALLOC_STAT_POOL_SMALL;
  std::string name;
};

// Puts the blocks into the segments around them, and the free parts between them as well, so that they tile the segment; where `own` is
// false, makes a segment of each. All in order of address.
void arrange(std::vector<Segment> *segments, bool own, std::vector<Found> *found);

std::string write_snapshot(const Subject &subject, const std::vector<Segment> &segments, const Recorded &history,
                           const shmalloc_statistics &statistics);

}  // namespace shmalloc::trace
