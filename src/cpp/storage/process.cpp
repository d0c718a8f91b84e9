// What fork and exit do. Locks are taken in one order everywhere: changes of storages, the table, lingering memory, allocators, the log;
// fork takes them all, so the child finds them free and what they guard whole.
#include <cstdlib>

#include "base/log.hpp"
#include "os/calls.hpp"
#include "storage/lingering.hpp"
#include "storage/storage.hpp"

namespace shmalloc {
namespace {

constinit std::mutex setup_mutex;
constinit std::atomic<bool> ready{false};
constinit std::atomic<std::uint64_t> generation{0};

void before_fork() {
  setup_mutex.lock();
  Storage::lock_all();
  lock_lingering();
  Allocator::lock_all();
  lock_log();
}

void unlock_others() {
  Allocator::unlock_all();
  unlock_lingering();
  Storage::unlock_all();
  setup_mutex.unlock();
}

void in_parent() {
  unlock_log();
  unlock_others();
}

void in_child() {
  generation.fetch_add(1, std::memory_order_relaxed);
  renew_log_lock();
  unlock_others();
}

// What finalizers put off and exports kept: names would be left behind otherwise.
void at_exit() {
  Handle::drain_deferred();
  end_all();
}

}  // namespace

std::uint64_t fork_generation() { return generation.load(std::memory_order_relaxed); }

Result<void> prepare_process() {
  if (ready.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(setup_mutex);
  if (ready.load(std::memory_order_relaxed)) return {};
  if (const int error = os::calls.atfork(before_fork, in_parent, in_child); error != 0) {
    return fail_errno(error, "setting up for fork failed");
  }
  if (std::atexit(at_exit) != 0) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "setting up for exit failed");
  ready.store(true, std::memory_order_release);
  return {};
}

}  // namespace shmalloc
