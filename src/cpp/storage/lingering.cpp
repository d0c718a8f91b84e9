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
  std::int64_t deadline;
  std::uint64_t allocator_id;
  std::uint64_t fork_generation;
};

constinit std::mutex mutex;
std::vector<Entry> &entries() {
  alignas(std::vector<Entry>) static char space[sizeof(std::vector<Entry>)];
  static auto *made = new (space) std::vector<Entry>();
  return *made;
}

// With the mutex: somebody is to come back for the next one.
void set_next_deadline() {
  for (const Entry &entry : entries()) due(entry.deadline);
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
    entries().reserve(entries().size() + 1);
  } catch (...) {
    return false;
  }
  memory->account.keep();
  if (SharedMemory *shared = memory->shared(); shared != nullptr) shared->linger();
  entries().push_back({std::move(memory), deadline, allocator_id, fork_generation});
  set_next_deadline();
  return true;
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
      if (found == entries().end() || (keep_bytes != 0 && kept <= keep_bytes)) {
        set_next_deadline();
        return ended;
      }
      std::swap(*found, entries().back());
      oldest = std::move(entries().back());
      entries().pop_back();
      set_next_deadline();
    }
    ended += oldest.memory->size;
    close(oldest);
  }
}

void visit_lingering(void (*visit)(Memory &memory, void *to), void *to) {
  const std::lock_guard lock(mutex);
  for (Entry &entry : entries()) visit(*entry.memory, to);
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
