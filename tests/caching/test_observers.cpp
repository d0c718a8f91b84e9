// Who is told that memory is low or out: when, on which threads, and until when.
#include <condition_variable>
#include <thread>

#include "base/handle.hpp"
#include "support.hpp"

namespace {

constexpr std::uint32_t kLow = SHMALLOC_NOTICE_MEMORY_LOW;
constexpr std::uint32_t kOut = SHMALLOC_NOTICE_OUT_OF_MEMORY;

std::int32_t count(const shmalloc_notice *, void *userdata) {
  ++*static_cast<std::atomic<int> *>(userdata);
  return 0;
}
void count_end(void *userdata) { ++*static_cast<std::atomic<int> *>(userdata); }

std::uint64_t observe(Fixture &at, std::uint32_t kinds, shmalloc_observer_fn fn, void *userdata,
                      shmalloc_destroy_fn destroy_fn = nullptr) {
  auto id = at.cache.observe(kinds, fn, userdata, destroy_fn);
  good(id);
  assert_int_not_equal(*id, 0);
  return *id;
}

void observers_hear_what_they_asked_for(void **) {
  Fixture at(40 * kMiB);
  std::atomic<int> low{0};
  std::atomic<int> out{0};
  std::atomic<int> both{0};
  observe(at, kLow, count, &low);
  observe(at, kOut, count, &out);
  observe(at, kLow | kOut, count, &both);
  at.free(at.allocate(20 * kMiB));
  assert_int_equal(low, 1);
  assert_int_equal(out, 0);
  at.allocate(20 * kMiB);  // cached
  assert_int_equal(low, 1);
  at.fails(30 * kMiB);
  assert_int_equal(low, 2);
  assert_int_equal(out, 1);
  assert_int_equal(both, 3);
}

struct Hoard {
  Fixture *at = nullptr;
  Block *block = nullptr;
  int asked = 0;
  shmalloc_notice notice = {};
};
std::int32_t give_back(const shmalloc_notice *notice, void *userdata) {
  auto *own = static_cast<Hoard *>(userdata);
  ++own->asked;
  own->notice = *notice;
  assert_string_equal(notice->report, "");
  if (own->block == nullptr) return 0;
  own->at->free(own->block);
  own->block = nullptr;
  return 1;
}

void what_they_give_back_is_used_before_the_device_is_asked(void **) {
  Fixture at(40 * kMiB);
  Hoard hoard = {&at, at.allocate(20 * kMiB)};
  std::atomic<int> asked{0};
  observe(at, kLow, give_back, &hoard);
  observe(at, kLow, count, &asked);  // All are told, whatever the first one said.
  at.allocate(20 * kMiB - 5);
  assert_int_equal(hoard.asked, 1);
  assert_int_equal(asked, 1);
  assert_int_equal(at.machine.calls("allocate"), 1);
  assert_int_equal(hoard.notice.kind, SHMALLOC_NOTICE_MEMORY_LOW);
  assert_int_equal(hoard.notice.requested, 20 * kMiB - 5);
  assert_int_equal(hoard.notice.rounded, 20 * kMiB);
  assert_int_equal(hoard.notice.allocated, 20 * kMiB);
  assert_int_equal(hoard.notice.available, 20 * kMiB);
  assert_int_equal(hoard.notice.device, SHMALLOC_DEVICE_HOST);
  at.allocate(20 * kMiB);
  assert_int_equal(hoard.asked, 2);
  at.machine.refuse("memory_info");
  at.fails(1);
  assert_true(hoard.notice.available == UINT64_MAX);
}

// They may call the allocator, and do not hear of what they cause.
void they_run_with_no_lock_held(void **) {
  Fixture at(40 * kMiB);
  struct Caller {
    Fixture *at;
    int calls;
  } caller = {&at, 0};
  observe(
      at, kLow | kOut,
      [](const shmalloc_notice *, void *userdata) -> std::int32_t {
        auto *own = static_cast<Caller *>(userdata);
        ++own->calls;
        own->at->free(own->at->allocate(100));
        own->at->fails(50 * kMiB);
        good(own->at->cache.empty_cache());
        good(own->at->cache.observe(
            kLow, [](const shmalloc_notice *, void *) -> std::int32_t { return 0; }, nullptr, nullptr));
        return 0;
      },
      &caller);
  at.fails(60 * kMiB);
  assert_int_equal(caller.calls, 2);
  assert_int_equal(at.numbers().num_ooms, 3);
}

void there_are_sixteen(void **) {
  Fixture at;
  std::atomic<int> ended{0};
  std::uint64_t ids[16];
  for (std::uint64_t &id : ids) id = observe(at, kLow, count, &ended, count_end);
  bad(at.cache.observe(kLow, count, &ended, count_end), SHMALLOC_STATUS_NO_SPACE, "16 observers");
  bad(at.cache.observe(0, count, &ended, count_end), SHMALLOC_STATUS_INVALID, "kinds");
  bad(at.cache.observe(kLow, nullptr, &ended, count_end), SHMALLOC_STATUS_INVALID, "fn");
  bad(at.cache.observe(4, count, &ended, count_end), SHMALLOC_STATUS_UNSUPPORTED, "0x4");
  assert_int_equal(ended, 0);  // It is still the caller's.
  good(at.cache.unobserve(ids[3]));
  assert_int_equal(ended, 1);
  bad(at.cache.unobserve(ids[3]), SHMALLOC_STATUS_NOT_FOUND, "number");
  bad(at.cache.unobserve(0), SHMALLOC_STATUS_NOT_FOUND, "number");
  assert_true(observe(at, kLow, count, &ended) > ids[15]);  // A number is never used again.
  bad(at.cache.unobserve(ids[3]), SHMALLOC_STATUS_NOT_FOUND, "number");
  bad(at.cache.observe(kLow, count, &ended, count_end), SHMALLOC_STATUS_NO_SPACE, "16 observers");
  Fixture other;
  bad(other.cache.unobserve(ids[0]), SHMALLOC_STATUS_NOT_FOUND, "number");
}

void an_observer_cannot_take_itself_off(void **) {
  Fixture at;
  struct Self {
    Fixture *at;
    std::uint64_t id, other;
    std::atomic<int> ended;
  } self = {&at, 0, 0, {0}};
  const auto try_it = [](const shmalloc_notice *, void *userdata) -> std::int32_t {
    auto *own = static_cast<Self *>(userdata);
    bad(own->at->cache.unobserve(own->id), SHMALLOC_STATUS_BUSY, "its own end");
    if (own->other != 0) good(own->at->cache.unobserve(own->other));
    own->other = 0;
    return 0;
  };
  self.id = observe(at, kLow, try_it, &self, [](void *userdata) { ++static_cast<Self *>(userdata)->ended; });
  self.other = observe(at, kLow, count, &self.ended, count_end);
  at.allocate(100);
  assert_int_equal(self.ended, 1);  // The other one was never told, and is off.
  assert_int_equal(self.other, 0);
  good(at.cache.unobserve(self.id));
  assert_int_equal(self.ended, 2);
}

void the_end_of_the_allocator_gives_userdata_back(void **) {
  std::atomic<int> ended{0};
  {
    Fixture at;
    const std::uint64_t first = observe(at, kLow, count, &ended, count_end);
    observe(at, kOut, count, &ended, count_end);
    observe(at, kOut, count, &ended);
    good(at.cache.unobserve(first));
    assert_int_equal(ended, 1);
  }
  assert_int_equal(ended, 2);
  {
    Fixture at(20 * kMiB);
    observe(at, kLow | kOut, count, &ended, count_end);
    shmalloc::exiting = true;  // From now on nobody is called.
    at.fails(30 * kMiB);
  }
  shmalloc::exiting = false;
  assert_int_equal(ended, 2);
}

// A door that threads wait at.
class Door {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

// Both calls of an observer run, at once; who takes it off returns after the last of them, and no new one begins.
void taking_off_waits_for_calls(void **) {
  Fixture at;
  struct Slow {
    Door entered[2], leave[2];
    std::atomic<int> calls{0}, left{0}, ended_after{-1};
  } slow;
  const std::uint64_t id = observe(
      at, kLow,
      [](const shmalloc_notice *, void *userdata) -> std::int32_t {
        auto *own = static_cast<Slow *>(userdata);
        const int me = own->calls++;
        own->entered[me].open();
        own->leave[me].pass();
        ++own->left;
        return 0;
      },
      &slow,
      [](void *userdata) {
        auto *own = static_cast<Slow *>(userdata);
        own->ended_after = own->left.load();
      });
  std::thread callers[2];
  for (int i = 0; i < 2; ++i) {
    callers[i] = std::thread([&at, i] { static_cast<void>(at.cache.allocate((2 + static_cast<std::uint64_t>(i)) * kMiB, 0)); });
  }
  slow.entered[0].pass();
  slow.entered[1].pass();
  std::atomic<pid_t> remover_id{0};
  std::atomic<bool> removed{false};
  std::thread remover([&] {
    remover_id = gettid();
    if (at.cache.unobserve(id)) removed = true;
  });
  while (remover_id == 0 || !sleeps(remover_id)) std::this_thread::yield();
  bad(at.cache.unobserve(id), SHMALLOC_STATUS_NOT_FOUND, "number");  // It is as good as off.
  at.allocate(100);
  assert_int_equal(slow.calls, 2);
  slow.leave[0].open();
  while (slow.left != 1) std::this_thread::yield();
  assert_false(removed);
  slow.leave[1].open();
  remover.join();
  assert_true(removed);
  assert_int_equal(slow.ended_after, 2);
  for (std::thread &caller : callers) caller.join();
}

// Two that take each other off, on two threads: one of them is told no.
void two_observers_do_not_wait_for_each_other(void **) {
  Fixture at[2];
  struct Pair {
    Fixture *at;
    std::uint64_t ids[2];
    std::atomic<int> inside{0}, busy{0}, done{0};
  } pair;
  pair.at = at;
  static thread_local int me = 0;
  const auto meet = [](const shmalloc_notice *, void *userdata) -> std::int32_t {
    auto *own = static_cast<Pair *>(userdata);
    ++own->inside;
    while (own->inside < 2) std::this_thread::yield();
    const auto taken = own->at[1 - me].cache.unobserve(own->ids[1 - me]);
    if (taken) {
      ++own->done;
    } else if (taken.error().status == SHMALLOC_STATUS_BUSY) {
      ++own->busy;
    }
    return 0;
  };
  for (int i = 0; i < 2; ++i) pair.ids[i] = observe(at[i], kLow, meet, &pair);
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = std::thread([&at, i] {
      me = i;
      static_cast<void>(at[i].cache.allocate(100, 0));
    });
  }
  for (std::thread &thread : threads) thread.join();
  assert_int_equal(pair.done, 1);
  assert_int_equal(pair.busy, 1);
}

// Coming and going while others are told.
void observers_come_and_go(void **) {
  Fixture at;
  std::atomic<bool> over{false};
  std::vector<std::thread> told;
  for (int i = 0; i < 2; ++i) {
    told.emplace_back([&] {
      while (!over) {
        if (auto block = at.cache.allocate(30 * kMiB, 1); block) static_cast<void>(at.cache.free(*block));
        static_cast<void>(at.cache.empty_cache());
      }
    });
  }
  std::vector<std::thread> come;
  std::atomic<int> failures{0};
  for (int i = 0; i < 2; ++i) {
    come.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        auto alive = std::make_unique<std::atomic<int>>(1);
        auto id = at.cache.observe(
            kLow, [](const shmalloc_notice *, void *userdata) { return static_cast<std::atomic<int> *>(userdata)->load(); },
            alive.get(), [](void *userdata) { --*static_cast<std::atomic<int> *>(userdata); });
        if (!id || !at.cache.unobserve(*id) || *alive != 0) ++failures;
      }
    });
  }
  for (std::thread &thread : come) thread.join();
  over = true;
  for (std::thread &thread : told) thread.join();
  assert_int_equal(failures, 0);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(observers_hear_what_they_asked_for),
      cmocka_unit_test(what_they_give_back_is_used_before_the_device_is_asked),
      cmocka_unit_test(they_run_with_no_lock_held),
      cmocka_unit_test(there_are_sixteen),
      cmocka_unit_test(an_observer_cannot_take_itself_off),
      cmocka_unit_test(the_end_of_the_allocator_gives_userdata_back),
      cmocka_unit_test(taking_off_waits_for_calls),
      cmocka_unit_test(two_observers_do_not_wait_for_each_other),
      cmocka_unit_test(observers_come_and_go),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
