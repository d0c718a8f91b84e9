// The statistics: exact, whatever threads keep, with resets.
#include <thread>

#include "support.hpp"

namespace {

void is(const shmalloc_stat &stat, std::int64_t current, std::int64_t peak, std::int64_t allocated, std::int64_t freed) {
  assert_int_equal(stat.current, current);
  assert_int_equal(stat.peak, peak);
  assert_int_equal(stat.allocated, allocated);
  assert_int_equal(stat.freed, freed);
}
constexpr auto kAll = SHMALLOC_STAT_POOL_ALL;
constexpr auto kSmallPool = SHMALLOC_STAT_POOL_SMALL;
constexpr auto kLargePool = SHMALLOC_STAT_POOL_LARGE;

void everything_is_counted(void **) {
  Fixture at;
  Block *small = at.allocate(1000);
  Block *large = at.allocate(3 * kMiB + 1);
  at.free(at.allocate(1500));
  shmalloc_statistics numbers = at.numbers();
  is(numbers.allocation[kAll], 2, 3, 3, 1);
  is(numbers.allocation[kLargePool], 1, 1, 1, 0);
  is(numbers.allocated_bytes[kAll], 1024 + 3 * kMiB + 512, 1024 + 1536 + 3 * kMiB + 512, 1024 + 1536 + 3 * kMiB + 512, 1536);
  is(numbers.allocated_bytes[kSmallPool], 1024, 1024 + 1536, 1024 + 1536, 1536);
  assert_int_equal(numbers.requested_bytes[kAll].current, 1000 + 3 * kMiB + 1);
  assert_int_equal(numbers.requested_bytes[kAll].allocated, 1000 + 1500 + 3 * kMiB + 1);
  assert_int_equal(numbers.requested_bytes[kSmallPool].freed, 1500);
  is(numbers.segment[kAll], 2, 2, 2, 0);
  is(numbers.reserved_bytes[kAll], 22 * kMiB, 22 * kMiB, 22 * kMiB, 0);
  is(numbers.reserved_bytes[kSmallPool], 2 * kMiB, 2 * kMiB, 2 * kMiB, 0);
  at.put_back();
  numbers = at.numbers();
  assert_int_equal(numbers.inactive_split[kAll].current, 2);
  assert_int_equal(numbers.inactive_split_bytes[kSmallPool].current, 2 * kMiB - 1024);
  assert_int_equal(numbers.inactive_split_bytes[kLargePool].current, 17 * kMiB - 512);
  at.free(small);
  at.free(large);
  at.put_back();
  numbers = at.numbers();
  for (const auto *array : {&numbers.allocation, &numbers.active, &numbers.allocated_bytes, &numbers.active_bytes,
                            &numbers.inactive_split, &numbers.inactive_split_bytes, &numbers.requested_bytes}) {
    for (const shmalloc_stat &stat : *array) {
      assert_int_equal(stat.current, 0);
      assert_int_equal(stat.allocated, stat.freed);
    }
  }
  good(at.cache.empty_cache());
  numbers = at.numbers();
  is(numbers.segment[kAll], 0, 2, 2, 2);
  is(numbers.reserved_bytes[kAll], 0, 22 * kMiB, 22 * kMiB, 22 * kMiB);
  assert_int_equal(numbers.num_device_alloc, 2);
  assert_int_equal(numbers.num_device_free, 2);
  assert_int_equal(numbers.max_split_size, -1);
}

// What this thread keeps ready is not in it.
void the_peak_of_bytes_is_exact(void **) {
  Fixture at;
  for (const std::uint64_t size : {4 * kMiB, 5 * kMiB, 100 * kKiB, 4 * kMiB, 700 * kKiB, 100 * kMiB, 600 * kKiB, 100 * kMiB})
    at.free(at.allocate(size));
  Block *one = at.allocate(60 * kMiB);
  Block *two = at.allocate(30 * kMiB);
  at.free(one);
  at.free(two);
  assert_int_equal(at.numbers().allocated_bytes[kAll].peak, 100 * kMiB);
  assert_int_equal(at.numbers().allocated_bytes[kSmallPool].peak, 700 * kKiB);
  assert_int_equal(at.numbers().active_bytes[kAll].peak, 100 * kMiB);
  at.cache.reset_statistics(SHMALLOC_RESET_PEAKS);
  assert_int_equal(at.numbers().allocated_bytes[kAll].peak, 0);
  one = at.allocate(60 * kMiB);
  two = at.allocate(512);
  at.free(one);
  is(at.numbers().allocated_bytes[kAll], 512, 60 * kMiB + 512, at.numbers().allocated_bytes[kAll].allocated,
     at.numbers().allocated_bytes[kAll].freed);
  // A block that waits is active.
  at.cache.reset_statistics(SHMALLOC_RESET_PEAKS);
  one = at.allocate(60 * kMiB);
  at.share(one, 1);
  at.free(one);
  two = at.allocate(20 * kMiB);
  assert_int_equal(at.numbers().active_bytes[kAll].current, 80 * kMiB + 512);
  assert_int_equal(at.numbers().active_bytes[kAll].peak, 80 * kMiB + 512);
  assert_int_equal(at.numbers().allocated_bytes[kAll].peak, 60 * kMiB + 512);
}

void resets_keep_what_is_current(void **) {
  Fixture at(100 * kMiB);
  at.allocate(1000);
  Block *waiting = at.allocate(3 * kMiB);
  at.share(waiting, 1);
  at.free(waiting);
  at.fails(200 * kMiB);
  assert_int_equal(at.numbers().num_ooms, 1);
  assert_int_equal(at.numbers().num_sync_all_streams, 1);
  waiting = at.allocate(3 * kMiB);
  at.share(waiting, 1);
  at.free(waiting);
  at.cache.reset_statistics(SHMALLOC_RESET_ACCUMULATED);
  shmalloc_statistics numbers = at.numbers();
  assert_int_equal(numbers.allocation[kAll].current, 1);
  assert_int_equal(numbers.allocation[kAll].allocated, 0);
  assert_int_equal(numbers.allocation[kAll].freed, 0);
  assert_int_equal(numbers.active[kAll].current, 2);
  assert_int_equal(numbers.active[kAll].freed, 0);
  assert_int_equal(numbers.pending.current, 1);
  assert_int_equal(numbers.pending.allocated, 0);
  assert_int_equal(numbers.num_ooms, 0);
  assert_int_equal(numbers.num_device_alloc, 0);
  assert_true(numbers.allocated_bytes[kAll].peak > 1024);
  at.machine.finish(1);
  at.put_back();
  numbers = at.numbers();
  assert_int_equal(numbers.active[kAll].freed, 1);
  assert_int_equal(numbers.active_bytes[kAll].freed, 3 * kMiB);
  assert_int_equal(numbers.pending.freed, 1);
  at.cache.reset_statistics(0);
  numbers = at.numbers();
  is(numbers.allocated_bytes[kAll], 1024, 1024, 0, 0);
  is(numbers.pending, 0, 0, 0, 0);
  is(numbers.active_bytes[kAll], 1024, 1024, 0, 0);
}

// Made by one thread, freed by another, which ends.
void threads_add_up(void **) {
  Fixture at;
  std::vector<Block *> blocks;
  for (int i = 0; i < 100; ++i) blocks.push_back(at.allocate(1000));
  std::thread([&] {
    for (Block *block : blocks) at.free(block);
    assert_int_equal(at.numbers().allocation[kAll].current, 0);
  }).join();
  is(at.numbers().allocation[kAll], 0, 100, 100, 100);
  is(at.numbers().allocated_bytes[kAll], 0, 102400, 102400, 102400);
  const Block *again = at.allocate(2 * kMiB - 512 * 3);
  assert_int_equal(at.numbers().segment[kAll].current, 2);
  assert_non_null(again);
  // What the thread kept is back: all of the small segment is one free block.
  good(at.cache.empty_cache());
  assert_int_equal(at.numbers().segment[kAll].current, 1);
}

// Back and forth between two threads the peak does not grow.
void the_peak_stays_where_it_is(void **) {
  Fixture at;
  for (int round = 0; round < 50; ++round) {
    std::vector<Block *> blocks;
    for (int i = 0; i < 300; ++i) blocks.push_back(at.allocate(1000));
    std::thread([&] {
      for (Block *block : blocks) at.free(block);
    }).join();
  }
  const shmalloc_stat peak = at.numbers().allocated_bytes[kAll];
  assert_true(peak.peak >= 300 * 1024 && peak.peak <= (300 + 2 * 64) * 1024);
  assert_int_equal(peak.allocated, 50 * 300 * 1024);
}

void a_thread_keeps_only_some(void **) {
  Fixture at;
  std::vector<Block *> blocks;
  for (int i = 0; i < 1000; ++i) blocks.push_back(at.allocate(1000));
  for (Block *block : blocks) at.free(block);
  const std::int64_t kept = 2 * kMiB - at.numbers().inactive_split_bytes[kAll].current;
  assert_in_range(kept, 1024, 64 * 1024);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(everything_is_counted),       cmocka_unit_test(the_peak_of_bytes_is_exact),
      cmocka_unit_test(resets_keep_what_is_current), cmocka_unit_test(threads_add_up),
      cmocka_unit_test(a_thread_keeps_only_some),    cmocka_unit_test(the_peak_stays_where_it_is),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
