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

// The vector is a heap: what ends first stands first.
bool later(const Entry &a, const Entry &b) { return a.deadline > b.deadline; }

// With the mutex: somebody is to come back for the next one.
void set_next_deadline() {
  if (!entries().empty()) due(entries().front().deadline);
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
  std::push_heap(entries().begin(), entries().end(), later);
  set_next_deadline();
  return true;
}

namespace {

// The next of all that is past its time, if any.
bool take_expired(std::int64_t now, Entry *out) {
  const std::lock_guard lock(mutex);
  if (entries().empty() || entries().front().deadline > now) {
    set_next_deadline();  // Whoever asked has forgotten when it is due.
    return false;
  }
  std::pop_heap(entries().begin(), entries().end(), later);
  *out = std::move(entries().back());
  entries().pop_back();
  set_next_deadline();
  return true;
}

// Of one allocator, or down to some bytes: the oldest first.
std::vector<Entry> take_some_expired(std::int64_t now, std::uint64_t allocator_id, std::uint64_t keep_bytes) {
  std::vector<Entry> taken;
  const std::lock_guard lock(mutex);
  const auto meant = [&](const Entry &entry) { return allocator_id == 0 || entry.allocator_id == allocator_id; };
  taken.reserve(entries().size());
  std::uint64_t kept = 0;
  for (const Entry &entry : entries()) kept += meant(entry) ? entry.memory->size : 0;
  std::sort(entries().begin(), entries().end(), [](const Entry &a, const Entry &b) { return later(b, a); });  // A heap as well.
  for (Entry &entry : entries()) {
    if (entry.deadline > now || (keep_bytes != 0 && kept <= keep_bytes)) break;
    if (!meant(entry)) continue;
    kept -= entry.memory->size;
    taken.push_back(std::move(entry));
  }
  std::erase_if(entries(), [](const Entry &entry) { return entry.memory == nullptr; });  // In the same order, so a heap still.
  set_next_deadline();
  return taken;
}

}  // namespace

std::uint64_t end_expired(std::uint64_t allocator_id, std::uint64_t keep_bytes) {
  std::uint64_t ended = 0;
  const std::int64_t now = os::coarse_now();
  if (allocator_id == 0 && keep_bytes == 0) {
    for (Entry oldest{}; take_expired(now, &oldest);) {
      ended += oldest.memory->size;
      close(oldest);
    }
    return ended;
  }
  for (Entry &entry : take_some_expired(now, allocator_id, keep_bytes)) {
    ended += entry.memory->size;
    close(entry);
  }
  return ended;
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
