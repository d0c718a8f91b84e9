#include "trace/history.hpp"

#include <algorithm>
#include <mutex>

#include "os/process.hpp"

namespace shmalloc::trace {
namespace {

constinit std::mutex mutex;
constexpr std::uint64_t kUsualEntries = 100000;

}  // namespace

const char *action_name(Action action) {
  static constexpr const char *kNames[] = {"alloc",         "free_requested", "free_completed",
                                           "segment_alloc", "segment_free",   "segment_map",
                                           "segment_unmap", "snapshot",       "oom"};
  return kNames[static_cast<int>(action)];
}

void History::switch_to(bool on) {
  if (on_.exchange(on, std::memory_order_relaxed) != on) recording.fetch_add(on ? 1U : ~0U, std::memory_order_relaxed);
}

Result<void> History::configure(const shmalloc_history_params &params) {
  constexpr std::uint32_t kKnown = SHMALLOC_HISTORY_RECORD | SHMALLOC_HISTORY_CLEAR;
  if ((params.flags & ~kKnown) != 0) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "history: flags %#x are not known to this version", params.flags & ~kKnown);
  }
  if (params.reserved != 0) return fail(SHMALLOC_STATUS_INVALID, 0, "history: reserved must be 0");
  std::uint64_t most = params.max_entries != 0 ? params.max_entries : kUsualEntries;
  const std::lock_guard lock(mutex);
  if ((params.flags & SHMALLOC_HISTORY_CLEAR) != 0) {
    std::vector<Entry>().swap(entries_);
    next_ = 0;
    dropped_ = 0;
  }
  if ((params.flags & SHMALLOC_HISTORY_RECORD) != 0) {
    most = std::min<std::uint64_t>(most, entries_.max_size());
    shrink(static_cast<std::size_t>(most));
    most_ = static_cast<std::size_t>(most);
  }
  switch_to((params.flags & SHMALLOC_HISTORY_RECORD) != 0);
  return {};
}

// The oldest first, and no more than `most`: a full ring that may get longer grows at its end.
void History::shrink(std::size_t most) {
  std::rotate(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(next_), entries_.end());
  next_ = 0;
  if (entries_.size() <= most) return;
  const std::size_t gone = entries_.size() - most;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(gone));
  dropped_ += gone;
}

void History::push(Entry entry) noexcept {
  entry.time_ns = os::wall_now();
  entry.thread = os::thread_id();
  const std::lock_guard lock(mutex);
  if (!on()) return;
  if (entries_.size() < most_) {
    try {
      entries_.push_back(entry);
      return;
    } catch (...) {
      most_ = entries_.size();  // There is no memory for more: from now on the ring is as long as it is.
    }
  }
  ++dropped_;
  if (entries_.empty()) {
    most_ = 1;  // Nothing at all could be kept; the next entry may try again.
    return;
  }
  entries_[next_] = entry;
  next_ = next_ + 1 < entries_.size() ? next_ + 1 : 0;
}

Recorded History::copy() const {
  Recorded recorded;
  const std::lock_guard lock(mutex);
  recorded.entries.reserve(entries_.size());
  const auto oldest = entries_.begin() + static_cast<std::ptrdiff_t>(next_);
  recorded.entries.insert(recorded.entries.end(), oldest, entries_.end());
  recorded.entries.insert(recorded.entries.end(), entries_.begin(), oldest);
  recorded.dropped = dropped_;
  recorded.max_entries = most_;
  recorded.recording = on();
  return recorded;
}

void lock_history() { mutex.lock(); }
void unlock_history() { mutex.unlock(); }

}  // namespace shmalloc::trace
