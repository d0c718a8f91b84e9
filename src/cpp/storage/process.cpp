// What fork and exit do. Locks are taken in one order everywhere: the log, channels, changes of storages, the table, lingering memory,
// allocators, histories; fork takes them all, so the child finds them free and what they guard whole.
#include <cstdlib>

#include "allocators/shared/heap.hpp"
#include "base/log.hpp"
#include "os/calls.hpp"
#include "storage/lingering.hpp"
#include "storage/storage.hpp"

namespace shmalloc {
namespace {

// Two threads may register the handlers twice, for there is no lock that a fork in between could not leave taken: only the first counts.
thread_local int depth = 0;

void before_fork() {
  if (depth++ != 0) return;
  lock_log();
  lock_channels();
  Storage::lock_all();
  lock_lingering();
  Allocator::lock_all();
  trace::lock_history();
}

void unlock_others(bool in_child) {
  trace::unlock_history();
  Allocator::unlock_all(in_child);
  unlock_lingering();
  Storage::unlock_all(in_child);
  unlock_channels(in_child);
}

void in_parent() {
  if (--depth != 0) return;
  unlock_others(false);
  unlock_log();
}

void in_child() {
  if (--depth != 0) return;
  forks.fetch_add(1, std::memory_order_relaxed);
  unlock_others(true);
  forget_other_listeners();
  unlock_log();
}

// What finalizers put off and exports kept: names would be left behind otherwise.
void at_exit() {
  exiting.store(true, std::memory_order_relaxed);
  Handle::drain_deferred();
  end_all();
  Heap::at_exit();
}

}  // namespace

Result<void> prepare_process_once() {
  if (const int error = os::calls.atfork(before_fork, in_parent, in_child); error != 0) {
    return fail_errno(error, "setting up for fork failed");
  }
  if (std::atexit(at_exit) != 0) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "setting up for exit failed");
  Storage::prepare_shells();
  process_ready.store(true, std::memory_order_release);
  return {};
}

}  // namespace shmalloc
