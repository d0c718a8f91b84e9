// Storages in segments: objects that serve again and again.
#include <pthread.h>

#include <cerrno>
#include <mutex>

#include "allocators/shared/shared.hpp"
#include "allocators/shared/steps.hpp"
#include "os/process.hpp"
#include "storage/lingering.hpp"
#include "storage/storage.hpp"

namespace shmalloc {
namespace {

// How often a thread began and ended to give a last reference back, see release_quickly: odd while it is in the middle of it. Only its thread
// writes it. Never freed: another thread's serves again.
struct Mark {
  std::atomic<std::uint64_t> steps{0};
  bool taken = false;
  Mark *next = nullptr;
};

// Objects without a storage: of this thread, and of all.
struct Shells {
  Storage *first;
  std::uint32_t count;
  Mark *mark;  // a thread's own; while it has one, its end gives its objects to the others
};
constexpr std::uint32_t kMost = 64;
[[gnu::tls_model("initial-exec")]] thread_local constinit Shells own = {nullptr, 0, nullptr};

constinit std::mutex mutex;
constinit Shells everyones = {nullptr, 0, nullptr};
// Lists of kMost / 2 of them, which go from thread to thread in one piece.
constexpr std::uint32_t kMostBatches = 32;
constinit Storage *batches[kMostBatches] = {};
constinit std::uint32_t batch_count = 0;
constinit Mark *marks = nullptr;
// Somebody looks for storages by their addresses; or the system has no fence for him.
constinit std::atomic<bool> seeking{true};
constinit bool prepared = false;
constinit std::atomic<bool> key_made{false};
pthread_key_t key;

// Numbers of storages are taken from all threads' by the thousand.
struct Numbers {
  std::uint64_t next, end;
};
[[gnu::tls_model("initial-exec")]] thread_local constinit Numbers numbers = {0, 0};

}  // namespace

void Storage::lock_shells() { mutex.lock(); }
void Storage::unlock_shells(bool in_child) {
  if (in_child) {
    for (Mark *mark = marks; mark != nullptr; mark = mark->next) {
      if (mark != own.mark) mark->steps.store(0, std::memory_order_relaxed);
      mark->taken = mark == own.mark;
    }
  }
  mutex.unlock();
}

// Two threads may come here; the second must not end what somebody seeks meanwhile.
void Storage::prepare_shells() {
  const std::lock_guard lock(mutex);
  if (prepared) return;
  prepared = true;
  seeking.store(!os::can_fence_all_threads(), std::memory_order_relaxed);
}

// With the mutex, or at the thread's end.
template <class Next>
void move_shells(Shells *from, Shells *to, std::uint32_t count, Next next) {
  for (; count > 0 && from->first != nullptr; --count) {
    Storage *shell = from->first;
    from->first = shell->*next;
    shell->*next = to->first;
    to->first = shell;
    --from->count;
    ++to->count;
  }
}

// So that the end of this thread gives its list to the others.
bool Storage::watch_thread(Storage *shell) {
  if (!key_made.load(std::memory_order_acquire)) {
    const std::lock_guard lock(mutex);
    if (!key_made.load(std::memory_order_relaxed)) {
      const auto at_end = [](void *) {
        const std::lock_guard at_end_lock(mutex);
        if (own.mark != nullptr) own.mark->taken = false;
        own.mark = nullptr;
        move_shells(&own, &everyones, own.count, &Storage::next_shell_);
      };
      if (pthread_key_create(&key, at_end) != 0) return false;
      key_made.store(true, std::memory_order_release);
    }
  }
  const std::lock_guard lock(mutex);
  Mark *mark = marks;
  while (mark != nullptr && mark->taken) mark = mark->next;
  if (mark == nullptr) {
    mark = new (std::nothrow) Mark;
    if (mark == nullptr) return false;
    mark->next = marks;
    marks = mark;
  }
  if (pthread_setspecific(key, shell) != 0) return false;
  mark->taken = true;
  own.mark = mark;
  return true;
}

Result<Storage *> Storage::take_shell() {
  if (own.first == nullptr) [[unlikely]] {
    {
      const std::lock_guard lock(mutex);
      if (batch_count > 0) {
        own.first = batches[--batch_count];
        own.count = kMost / 2;
      } else {
        move_shells(&everyones, &own, kMost / 2, &Storage::next_shell_);
      }
    }
    if (own.first == nullptr) {
      auto *made = new (std::nothrow) Storage({}, SHMALLOC_ALLOCATOR_KIND_SHARED, false);
      if (made == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
      made->drop_last();  // As long as it is no storage there is nothing to make a reference of.
      own.first = made;
      own.count = 1;
    }
    if (own.mark == nullptr && !watch_thread(own.first)) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
  }
  Storage *shell = own.first;
  if (shell->memory_ == nullptr) {
    shell->memory_.reset(shell->shell_ = new (std::nothrow) SharedMemory());
    if (shell->shell_ == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
  }
  own.first = shell->next_shell_;
  --own.count;
  return shell;
}

void Storage::put_shell() {
  if (own.mark == nullptr && !watch_thread(this)) [[unlikely]] {  // A thread that only releases.
    const std::lock_guard lock(mutex);
    next_shell_ = everyones.first;
    everyones.first = this;
    ++everyones.count;
    return;
  }
  next_shell_ = own.first;
  own.first = this;
  if (++own.count <= kMost) [[likely]]
    return;
  Shells half = {nullptr, 0, nullptr};
  move_shells(&own, &half, kMost / 2, &Storage::next_shell_);
  const std::lock_guard lock(mutex);
  if (batch_count < kMostBatches)
    batches[batch_count++] = half.first;
  else
    move_shells(&half, &everyones, kMost / 2, &Storage::next_shell_);
}

inline void Storage::begin(shmalloc_allocator_kind kind, bool imported) {
  if (numbers.next == numbers.end) [[unlikely]] {
    numbers.next = new_storage_id(1024);
    numbers.end = numbers.next + 1024;
  }
  SharedMemory *memory = shell_;
  id_ = numbers.next++;
  generation_ = 1;
  fork_generation_ = shmalloc::fork_generation();
  kind_ = kind;
  imported_ = imported;
  pins_.store(0, std::memory_order_relaxed);
  closed_.store(false, std::memory_order_relaxed);
  data_.store(memory->data, std::memory_order_relaxed);
  size_.store(memory->size, std::memory_order_relaxed);
  read_only_.store(memory->read_only, std::memory_order_relaxed);
  memory->storage.store(this, std::memory_order_release);
  revive();
}

Storage *Storage::make_quickly(SharedAllocator &allocator, std::size_t size) {
  Storage *shell = own.first;
  if (shell == nullptr || shell->shell_ == nullptr || numbers.next == numbers.end || size == 0) [[unlikely]]
    return nullptr;
  SharedMemory *memory = shell->shell_;
  memory->read_only = false;
  if (!allocator.heap().allocate_quickly(size, false, memory)) [[unlikely]]
    return nullptr;
  own.first = shell->next_shell_;
  --own.count;
  shell->begin(SHMALLOC_ALLOCATOR_KIND_SHARED, false);
  memory->tell(trace::Action::alloc, shell->id_);
  return shell;
}

Result<Ref<Storage>> Storage::make_shared(SharedAllocator &allocator, std::size_t size, std::uint64_t alignment, bool zeroed) {
  SHMALLOC_TRY(shell, take_shell());
  shell->shell_->read_only = false;
  if (auto allocated = allocator.heap().allocate(size, alignment, zeroed, shell->shell_); !allocated) {
    shell->put_shell();
    return allocated.error();
  }
  shell->begin(SHMALLOC_ALLOCATOR_KIND_SHARED, false);
  shell->shell_->tell(trace::Action::alloc, shell->id_);
  return Ref<Storage>(shell);
}

Result<Ref<Storage>> Storage::hold_shared(Segment *segment, const Ticket &ticket, bool read_only) {
  auto shell = take_shell();
  if (!shell) {
    segment->release();
    return shell.error();
  }
  if (auto held = (*shell)->shell_->open(segment, ticket, read_only); !held) {
    (*shell)->put_shell();
    segment->release();
    return held.error();
  }
  (*shell)->begin(SHMALLOC_ALLOCATOR_KIND_SHARED, true);
  return Ref<Storage>(*shell);
}

// A last reference is given back by a look and a store instead of an atomic instruction, which is the dearest part of a release. That may
// be, for nobody can make a second one of a last one but find_shared, which looks for storages that it has no reference to: it says so,
// fences all threads, and waits for those that had begun before.
bool Storage::release_quickly() {
  Mark *mark = own.mark;
  if (mark == nullptr || shell_ == nullptr) [[unlikely]]
    return false;
  const std::uint64_t before = mark->steps.load(std::memory_order_relaxed);
  mark->steps.store(before + 1, std::memory_order_relaxed);
  std::atomic_signal_fence(
      std::memory_order_seq_cst);  // The seeker's fence does the rest. The order of the two looks matters, too.
  const bool last = !seeking.load(std::memory_order_acquire) && is_last();
  SHMALLOC_STEP();
  if (last) drop_last();
  mark->steps.store(before + 2, std::memory_order_release);
  if (last) destroy();
  return last;
}

void Storage::destroy() {
  if (shell_ == nullptr) {
    delete this;
    return;
  }
  if (!closed()) {
    shell_->storage.store(nullptr, std::memory_order_relaxed);
    shell_->tell(trace::Action::free_requested, id_);
    if (exported_until_ != 0 && linger(memory_, exported_until_, shell_->allocator_id(), fork_generation_)) {
      shell_ = nullptr;  // The next storage gets another one.
    } else {
      shell_->give_back();
    }
  }
  exported_until_ = 0;
  size_.store(0, std::memory_order_relaxed);
  data_.store(nullptr, std::memory_order_relaxed);
  put_shell();
}

// A storage in a segment that holds the address, one reference.
Result<Ref<Storage>> Storage::find_shared(std::uintptr_t address) {
  Storage *found = nullptr;
  const auto visit = [](SharedMemory *memory, void *context) {
    auto *storage = static_cast<Storage *>(memory->storage.load(std::memory_order_acquire));
    if (storage == nullptr || !storage->retain_if_alive()) return false;
    *static_cast<Storage **>(context) = storage;
    return true;
  };
  {
    const std::lock_guard lock(mutex);            // One seeker at a time.
    if (marks == nullptr) return Ref<Storage>();  // No thread has had a storage in a segment yet.
    const bool usual = !seeking.exchange(!SHMALLOC_MUTANT(22), std::memory_order_relaxed);
    if (usual && !os::fence_all_threads())  // It said that it could. From now on `seeking` stays, and nothing is done quickly.
      return fail(SHMALLOC_STATUS_SYSTEM, errno,
                  "membarrier was refused all of a sudden; looking for the address again will do without");
    for (const Mark *mark = marks; mark != nullptr; mark = mark->next) {
      // Who begins from here on sees us: only what had begun before is waited for.
      const std::uint64_t seen = mark->steps.load(std::memory_order_acquire);
      while (!SHMALLOC_MUTANT(21) && seen % 2 != 0 && mark->steps.load(std::memory_order_acquire) == seen) os::yield();
    }
    if (!Heap::find_address(address, visit, &found)) Segment::find_address(address, visit, &found);
    if (usual) seeking.store(false, std::memory_order_release);
  }
  if (found == nullptr) return Ref<Storage>();
  // It may serve another storage by now.
  const auto start = reinterpret_cast<std::uintptr_t>(found->data());
  if (start != 0 && address >= start && address - start < found->size()) return Ref<Storage>(found);
  found->release();
  return Ref<Storage>();
}

}  // namespace shmalloc
