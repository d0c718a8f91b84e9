#include "storage/lingering.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "base/due.hpp"
#include "base/log.hpp"
#include "os/process.hpp"
#include "storage/storage.hpp"

namespace shmalloc {
namespace {

struct Entry {
  std::unique_ptr<Memory> memory;
  std::int64_t deadline = 0;
  std::uint64_t allocator_id = 0;
  std::uint64_t fork_generation = 0;
};

constinit std::mutex mutex;
std::vector<Entry> &entries() {
  alignas(std::vector<Entry>) static char space[sizeof(std::vector<Entry>)];
  static auto *made = new (space) std::vector<Entry>();
  return *made;
}

// With the mutex: somebody is to come back for the next one.
void set_next_deadline() {
  std::int64_t next = kNever;
  for (const Entry &entry : entries()) next = std::min(next, entry.deadline);
  if (next != kNever) due(next);
}

void close(Entry &entry) {
  entry.memory->account.end();
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
    if (entries().size() == entries().capacity()) entries().reserve(2 * entries().size() + 8);
  } catch (...) {
    return false;
  }
  memory->account.keep();
  if (SharedMemory *shared = memory->shared(); shared != nullptr) shared->linger();
  entries().push_back({std::move(memory), deadline, allocator_id, fork_generation});
  due(deadline);
  return true;
}

std::uint64_t end_expired(std::uint64_t allocator_id, std::uint64_t keep_bytes) {
  std::uint64_t ended = 0;
  const std::int64_t now = os::coarse_now();
  for (;;) {
    Entry batch[32];
    std::size_t count = 0;
    {
      const std::lock_guard lock(mutex);
      std::vector<Entry> &all = entries();
      const auto concerned = [&](const Entry &entry) { return allocator_id == 0 || entry.allocator_id == allocator_id; };
      std::uint64_t kept = 0;
      if (keep_bytes != 0) {
        // Oldest first, as many as must go.
        std::sort(all.begin(), all.end(), [](const Entry &a, const Entry &b) { return a.deadline < b.deadline; });
        for (const Entry &entry : all) kept += concerned(entry) ? entry.memory->size : 0;
      }
      auto to = all.begin();
      for (auto at = all.begin(); at != all.end(); ++at) {
        if (count < std::size(batch) && concerned(*at) && at->deadline <= now && (keep_bytes == 0 || kept > keep_bytes)) {
          kept -= keep_bytes != 0 ? at->memory->size : 0;
          batch[count++] = std::move(*at);
        } else {
          if (to != at) *to = std::move(*at);
          ++to;
        }
      }
      all.erase(to, all.end());
      set_next_deadline();
    }
    for (std::size_t i = 0; i < count; ++i) {
      ended += batch[i].memory->size;
      close(batch[i]);
    }
    if (count < std::size(batch)) return ended;
  }
}

void visit_lingering(void (*visit)(Memory &memory, void *to), void *to) {
  const std::lock_guard lock(mutex);
  for (const Entry &entry : entries()) visit(*entry.memory, to);
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
