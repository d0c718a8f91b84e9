// Fork: a child has its parent's numbers and none of its memory, whatever other threads were doing; it makes allocators of its own.
#include <pthread.h>
#include <sys/wait.h>

#include <random>
#include <thread>

#include "base/fork.hpp"
#include "support.hpp"

namespace {

using shmalloc::caching::BlockCache;

// The device's lock is the test's own, and goes the same way as the allocators'.
fake::Machine *forked_machine = nullptr;

// g++'s thread sanitizer stops at the second lock of a thread that it does not know in the child, and the address sanitizer's allocator
// keeps the locks that others had: there a child allocates nothing.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kChildMayAllocate = false;
#else
constexpr bool kChildMayAllocate = true;
#endif

template <class T>
bool refused(const Result<T> &result) {
  return !result && result.error().status == SHMALLOC_STATUS_BACKEND && strstr(result.error().message, "fork") != nullptr;
}

void own_allocator_works() {
  fake::Machine machine(100 * kMiB);
  Caching<fake::Device> cache{fake::Device(machine)};
  for (int i = 0; i < 3; ++i) {
    auto block = cache.allocate(5000, 1);
    CHILD_CHECK(block && cache.record_stream(*block, 2) && cache.free(*block));
    auto large = cache.allocate(60 * kMiB, 1);
    CHILD_CHECK(large && cache.free(*large));
  }
  auto released = cache.empty_cache();
  CHILD_CHECK(released && machine.used() == 0 && cache.live().blocks == 0);
}

std::int32_t nothing(const shmalloc_notice *, void *) { return 0; }

void a_child_has_numbers_and_no_memory(void **) {
  auto at = std::make_unique<Fixture>();
  Block *block = at->allocate(5000, 1);
  Block *shared = at->allocate(3 * kMiB, 1);
  Block *kept = at->allocate(7000, 1);
  Block *waiting = at->allocate(9000, 1);
  Block *others[3];
  for (Block *&other : others) other = at->allocate(3000, 4);
  at->share(shared, 2);
  at->share(waiting, 2);
  at->free(kept);
  at->free(waiting);
  static bool destroyed = false;
  good(at->cache.observe(SHMALLOC_NOTICE_MEMORY_LOW, nothing, nullptr, [](void *) { destroyed = true; }));
  const auto calls = [&at] {
    long sum = 0;
    for (const char *name :
         {"allocate", "free", "record", "done", "create_event", "destroy_event", "synchronize", "memory_info", "capturing"}) {
      sum += at->machine.calls(name);
    }
    return sum;
  };
  const long before = calls();
  IN_CHILD({
    auto &cache = at->cache;
    CHILD_CHECK(refused(cache.allocate(7000, 1)) && refused(cache.allocate(100, 3)) && refused(cache.allocate(200 * kMiB, 1)));
    CHILD_CHECK(refused(cache.empty_cache()) && refused(cache.cache_info()));
    auto nothing_at_all = cache.allocate(0, 1);
    CHILD_CHECK(nothing_at_all && *nothing_at_all == nullptr);
    CHILD_CHECK(cache.live().blocks == 5 && cache.live().requested == 5000 + 3 * kMiB + 3 * 3000);
    auto found = cache.find(block->address);
    CHILD_CHECK(found && *found == block);
    const auto inactive = at->numbers().inactive_split_bytes[0].current;
    CHILD_CHECK(cache.record_stream(block, 2) && cache.free(block) && cache.free_at(shared->address, 3));
    CHILD_CHECK(!cache.free(block) && !cache.free_at(shared->address, 3));
    CHILD_CHECK(cache.live().blocks == 3 && at->numbers().pending.current == 1);
    CHILD_CHECK(at->numbers().inactive_split_bytes[0].current == inactive);  // Nobody can have it.
    cache.reset_statistics(0);
    CHILD_CHECK(at->numbers().reserved_bytes[0].current == static_cast<std::int64_t>(24 * kMiB));
    std::vector<shmalloc::trace::Segment> segments;
    cache.survey(&segments);
    CHILD_CHECK(segments.size() == 3);
    CHILD_CHECK(cache.configure("max_split_size_mb:30") && cache.settings().max_split == 30 * kMiB);
    cache.set_tracing(true);
    if (kChildMayAllocate) {
      std::thread([&] {  // Nor does a thread of the child's keep what it frees.
        for (Block *other : others) CHILD_CHECK(cache.free(other));
        CHILD_CHECK(refused(cache.allocate(3000, 4)));
      })
          .join();
      own_allocator_works();
    }
    const long now = calls();
    CHILD_CHECK(now == before);
    // Its end is nobody's business but this process'.
    at->cache.~Caching();
    CHILD_CHECK(calls() == before && !destroyed);
  });
  at->free(block);
  at->free(shared);
  for (Block *other : others) at->free(other);
  at->machine.finish(2);
  good(at->cache.empty_cache());
  assert_int_equal(at->machine.used(), 0);
  at->clean();
  at.reset();
  assert_true(destroyed);
}

// Threads that allocate, free, wait for memory, collect, look, begin and end, while others fork.
void forks_among_busy_threads(void **) {
  Fixture at(60 * kMiB, "garbage_collection_threshold:0.5");
  forked_machine = &at.machine;
  std::atomic<bool> over{false};
  std::atomic<int> told{0};
  Block *mine = at.allocate(5000);
  Block *at_address = at.allocate(7000, 2);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&at, &over, i] {
      std::mt19937_64 random(i);
      while (!over) {
        Block *blocks[8] = {};
        for (Block *&block : blocks) {
          const std::uint64_t size = random() % 4 != 0 ? 512 + random() % 4 * 512 : random() % (20 * kMiB);
          if (auto made = at.cache.allocate(size, random() % 8 == 0 ? i + 1 : i); made) block = *made;
        }
        for (Block *block : blocks) {
          if (block != nullptr && random() % 8 == 0) static_cast<void>(at.cache.record_stream(block, random() % 4));
          static_cast<void>(at.cache.free(block));
        }
        if (random() % 16 == 0) static_cast<void>(at.cache.empty_cache());
        if (random() % 16 == 0) static_cast<void>(at.numbers());
      }
    });
  }
  threads.emplace_back([&at, &over, &told] {
    while (!over) {
      auto id = at.cache.observe(
          SHMALLOC_NOTICE_MEMORY_LOW,
          [](const shmalloc_notice *, void *count) { return ++*static_cast<std::atomic<int> *>(count) * 0; }, &told, nullptr);
      if (id) static_cast<void>(at.cache.unobserve(*id));
    }
  });
  threads.emplace_back([&over] {  // allocators and threads come and go
    fake::Machine machine(10 * kMiB);
    for (int i = 0; !over; ++i) {
      Caching<fake::Device> cache{fake::Device(machine)};
      if (i % 64 != 0) continue;
      std::thread([&cache] {
        if (auto block = cache.allocate(100, 1); block) static_cast<void>(cache.free(*block));
      }).join();
    }
  });
  for (int i = 0; i < 150; ++i) {
    IN_CHILD({
      CHILD_CHECK(refused(at.cache.allocate(512, 0)) && refused(at.cache.allocate(30 * kMiB, 0)) &&
                  refused(at.cache.empty_cache()));
      CHILD_CHECK(at.cache.record_stream(mine, 3) && at.cache.free(mine) && at.cache.free_at(at_address->address, 1));
      at.cache.reset_statistics(0);
      static_cast<void>(at.numbers());
      at.cache.set_tracing(true);
      auto id = at.cache.observe(SHMALLOC_NOTICE_MEMORY_LOW, nothing, nullptr, nullptr);
      CHILD_CHECK(id && at.cache.unobserve(*id));
      if (kChildMayAllocate) {
        std::vector<shmalloc::trace::Segment> segments;
        at.cache.survey(&segments);
        own_allocator_works();
      }
      at.cache.~Caching();
    });
  }
  over = true;
  for (std::thread &thread : threads) thread.join();
  forked_machine = nullptr;
  at.free(mine);
  at.free(at_address);
  good(at.cache.empty_cache());
  assert_int_equal(at.machine.used(), 0);
  assert_int_equal(at.cache.live().blocks, 0);
  at.clean();
}

// Observers that run in the parent, or are waited for, run in the child no more.
void calls_of_others_are_forgotten(void **) {
  Fixture at;
  struct Slow {
    std::atomic<bool> inside{false}, leave{false};
  } slow;
  auto id = at.cache.observe(
      SHMALLOC_NOTICE_MEMORY_LOW,
      [](const shmalloc_notice *, void *userdata) {
        auto *own = static_cast<Slow *>(userdata);
        own->inside = true;
        while (!own->leave) std::this_thread::yield();
        return 0;
      },
      &slow, nullptr);
  good(id);
  std::thread caller([&] { static_cast<void>(at.cache.allocate(100, 1)); });
  while (!slow.inside) std::this_thread::yield();
  IN_CHILD(CHILD_CHECK(at.cache.unobserve(*id)));
  std::atomic<pid_t> remover_id{0};
  std::thread remover([&] {
    remover_id = gettid();
    static_cast<void>(at.cache.unobserve(*id));
  });
  while (remover_id == 0 || !sleeps(remover_id)) std::this_thread::yield();
  IN_CHILD(CHILD_CHECK(at.cache.unobserve(*id)));
  slow.leave = true;
  caller.join();
  remover.join();
}

#ifdef SHMALLOC_CACHING_MUTANTS
std::atomic<bool> in_step{false}, leave_step{false};

// A thread that is at its lists at the moment of the fork.
void nobody_is_waited_for_in_a_child(void **) {
  Fixture at;
  at.free(at.allocate(512));
  std::thread busy([&] {
    at.free(at.allocate(512));
    shmalloc::caching::at_step = [] {
      in_step = true;
      while (!leave_step) std::this_thread::yield();
    };
    at.free(at.allocate(512));
  });
  while (!in_step) std::this_thread::yield();
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);
    shmalloc::caching::at_step = nullptr;
    at.cache.reset_statistics(0);
    std::vector<shmalloc::trace::Segment> segments;
    at.cache.survey(&segments);
    _exit(0);
  }
  leave_step = true;
  busy.join();
  shmalloc::caching::at_step = nullptr;
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}
#endif

// An observer forks in its call: in the child the allocation that it was told of is refused, and its own call still counts.
void an_observer_may_fork(void **) {
  Fixture at(40 * kMiB);
  struct Forker {
    Fixture *at;
    std::uint64_t id;
    pid_t child;
  } forker = {&at, 0, -1};
  auto id = at.cache.observe(
      SHMALLOC_NOTICE_MEMORY_LOW,
      [](const shmalloc_notice *, void *userdata) -> std::int32_t {
        auto *own = static_cast<Forker *>(userdata);
        own->child = fork();
        if (own->child == 0) {
          alarm(60);
          const auto taken = own->at->cache.unobserve(own->id);
          CHILD_CHECK(!taken && taken.error().status == SHMALLOC_STATUS_BUSY);
        }
        return 1;
      },
      &forker, nullptr);
  good(id);
  forker.id = *id;
  auto block = at.cache.allocate(30 * kMiB, 1);
  if (forker.child == 0) {
    CHILD_CHECK(refused(block));
    CHILD_CHECK(at.cache.unobserve(forker.id));
    _exit(0);
  }
  good(block);
  int status = 0;
  assert_int_equal(waitpid(forker.child, &status, 0), forker.child);
  assert_int_equal(status, 0);
  good(at.cache.unobserve(forker.id));
}

}  // namespace

int main() {
  choose_mutant();
  // As the library does when it is first called.
  pthread_atfork(
      [] {
        BlockCache::before_fork();
        if (forked_machine != nullptr) forked_machine->lock();
      },
      [] {
        if (forked_machine != nullptr) forked_machine->unlock();
        BlockCache::in_parent();
      },
      [] {
        shmalloc::forks.fetch_add(1, std::memory_order_relaxed);
        if (forked_machine != nullptr) forked_machine->unlock();
        BlockCache::in_child();
      });
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_child_has_numbers_and_no_memory), cmocka_unit_test(an_observer_may_fork),
      cmocka_unit_test(calls_of_others_are_forgotten),
#ifdef SHMALLOC_CACHING_MUTANTS
      cmocka_unit_test(nobody_is_waited_for_in_a_child),
#endif
      cmocka_unit_test(forks_among_busy_threads),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
