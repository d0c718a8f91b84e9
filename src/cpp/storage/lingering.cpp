#include "storage/lingering.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <vector>

#include "base/log.hpp"
#include "os/process.hpp"
#include "storage/storage.hpp"

namespace shmalloc {
namespace {

struct Entry {
  std::unique_ptr<Memory> memory;
  std::int64_t deadline;
  std::uint64_t allocator_id;
  std::uint64_t fork_generation;
};

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

constinit std::mutex mutex;
constinit std::atomic<std::int64_t> next_deadline{kNever};
std::vector<Entry> &entries() {
  alignas(std::vector<Entry>) static char space[sizeof(std::vector<Entry>)];
  static auto *made = new (space) std::vector<Entry>();
  return *made;
}

void set_next_deadline() {
  std::int64_t next = kNever;
  for (const Entry &entry : entries()) next = std::min(next, entry.deadline);
  next_deadline.store(next, std::memory_order_relaxed);
}

void close(Entry &entry) {
  const auto closed = entry.memory->close(entry.fork_generation != fork_generation());
  if (!closed) log(SHMALLOC_LOG_LEVEL_ERROR, "giving back an expired export: %s", closed.error().message);
}

}  // namespace

bool linger(std::unique_ptr<Memory> &memory, std::int64_t deadline, std::uint64_t allocator_id, std::uint64_t fork_generation) {
  if (exiting.load(std::memory_order_relaxed) || deadline <= os::coarse_now()) return false;
  SharedObject *object = memory->object();
  if (object == nullptr && memory->shared() == nullptr) return false;
  const std::lock_guard lock(mutex);
  try {
    entries().reserve(entries().size() + 1);
  } catch (...) {
    return false;
  }
  entries().push_back({std::move(memory), deadline, allocator_id, fork_generation});
  if (deadline < next_deadline.load(std::memory_order_relaxed)) next_deadline.store(deadline, std::memory_order_relaxed);
  return true;
}

bool any_expired() {
  const std::int64_t deadline = next_deadline.load(std::memory_order_relaxed);
  return deadline != kNever && deadline <= os::coarse_now();
}

std::uint64_t end_expired(std::uint64_t allocator_id, std::uint64_t keep_bytes) {
  std::uint64_t ended = 0;
  const std::int64_t now = os::coarse_now();
  for (;;) {
    Entry oldest{};
    {
      const std::lock_guard lock(mutex);
      std::uint64_t kept = 0;
      auto found = entries().end();
      for (auto at = entries().begin(); at != entries().end(); ++at) {
        if (allocator_id != 0 && at->allocator_id != allocator_id) continue;
        kept += at->memory->size;
        if (at->deadline <= now && (found == entries().end() || at->deadline < found->deadline)) found = at;
      }
      if (found == entries().end() || (keep_bytes != 0 && kept <= keep_bytes)) return ended;
      std::swap(*found, entries().back());
      oldest = std::move(entries().back());
      entries().pop_back();
      set_next_deadline();
    }
    ended += oldest.memory->size;
    close(oldest);
  }
}

void end_all() {
  std::vector<Entry> all;
  {
    const std::lock_guard lock(mutex);
    all.swap(entries());
    set_next_deadline();
  }
  for (Entry &entry : all) close(entry);
}

void lock_lingering() { mutex.lock(); }
void unlock_lingering() { mutex.unlock(); }

}  // namespace shmalloc
