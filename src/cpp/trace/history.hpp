// What an allocator did: a ring of the newest entries. Off, it costs its owner one look at a flag; on, one short lock for all of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "shmalloc/trace.h"

namespace shmalloc::trace {

// Names in PyTorch's order; see action_name.
enum class Action : std::int32_t {
  alloc,
  free_requested,
  free_completed,
  segment_alloc,
  segment_free,
  segment_map,
  segment_unmap,
  snapshot,
  oom
};
const char *action_name(Action action);

struct Entry {
  std::int64_t time_ns = 0;      // since 1970
  std::uint64_t address = 0;     // oom: bytes that were still to be had
  std::uint64_t size = 0;        // bytes
  std::uint64_t stream = 0;      // 0 on the host
  std::uint64_t storage_id = 0;  // 0: of no storage
  Action action = Action::alloc;
  std::int32_t thread = 0;  // the kernel's number of it
};
static_assert(sizeof(Entry) == 48);  // as trace.h says

// A copy of what a ring holds, the oldest first.
struct Recorded {
  std::vector<Entry> entries;
  std::uint64_t dropped = 0;  // older ones that are gone
  std::uint64_t max_entries = 0;
  bool recording = false;
};

// How many histories of this process record: the only thing that everybody looks at.
inline constinit std::atomic<std::uint32_t> recording{0};

class History {
 public:
  History() = default;
  History(const History &) = delete;
  History &operator=(const History &) = delete;
  ~History() { switch_to(false); }

  bool on() const { return recording.load(std::memory_order_relaxed) != 0 && on_.load(std::memory_order_relaxed); }
  Result<void> configure(const shmalloc_history_params &params);
  // Fills in time and thread. Never fails: without memory the oldest entry makes room.
  void push(Entry entry) noexcept;
  Recorded copy() const;

 private:
  void switch_to(bool on);
  void shrink(std::size_t most);

  std::atomic<bool> on_{false};
  std::vector<Entry> entries_;
  std::size_t next_ = 0;  // of a full ring: where the oldest is
  std::size_t most_ = 0;
  std::uint64_t dropped_ = 0;
};

// One lock for all histories, held across fork. Whoever takes it takes no other while he has it.
void lock_history();
void unlock_history();

}  // namespace shmalloc::trace
