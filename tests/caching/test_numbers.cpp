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

// Every field, in every part: all, small and large.
struct Field {
  const char *name;
  shmalloc_stat shmalloc_statistics::*one;
  shmalloc_stat (shmalloc_statistics::*three)[3];
};
constexpr Field kFields[] = {
    {"allocation", nullptr, &shmalloc_statistics::allocation},
    {"segment", nullptr, &shmalloc_statistics::segment},
    {"active", nullptr, &shmalloc_statistics::active},
    {"inactive_split", nullptr, &shmalloc_statistics::inactive_split},
    {"allocated_bytes", nullptr, &shmalloc_statistics::allocated_bytes},
    {"reserved_bytes", nullptr, &shmalloc_statistics::reserved_bytes},
    {"active_bytes", nullptr, &shmalloc_statistics::active_bytes},
    {"inactive_split_bytes", nullptr, &shmalloc_statistics::inactive_split_bytes},
    {"requested_bytes", nullptr, &shmalloc_statistics::requested_bytes},
    {"oversize_allocations", &shmalloc_statistics::oversize_allocations, nullptr},
    {"oversize_segments", &shmalloc_statistics::oversize_segments, nullptr},
    {"pending", &shmalloc_statistics::pending, nullptr},
    {"pending_bytes", &shmalloc_statistics::pending_bytes, nullptr},
};
template <class Function>
void each_stat(const shmalloc_statistics &numbers, const shmalloc_statistics &others, Function function) {
  for (const Field &field : kFields) {
    if (field.one != nullptr) function(field.name, numbers.*field.one, others.*field.one);
    for (int pool = 0; field.three != nullptr && pool < 3; ++pool)
      function(field.name, (numbers.*field.three)[pool], (others.*field.three)[pool]);
  }
}

void everything_happens(Fixture &at) {
  at.allocate(1000);
  Block *small = at.allocate(1500);
  Block *middle = at.allocate(3 * kMiB - 1);
  at.allocate(40 * kMiB);
  Block *large = at.allocate(50 * kMiB);
  at.free(large);
  good(at.cache.empty_cache());
  at.fails(400 * kMiB);
  at.share(small, 1);
  at.free(small);
  at.machine.finish(1);
  at.put_back();
  at.share(middle, 1);
  at.free(middle);
}

void every_field_is_right(void **) {
  Fixture at(300 * kMiB, "max_split_size_mb:30");
  everything_happens(at);
  const shmalloc_statistics numbers = at.numbers();
  const std::int64_t mib = kMiB;
  is(numbers.allocation[kAll], 2, 5, 5, 3);
  is(numbers.allocation[kSmallPool], 1, 2, 2, 1);
  is(numbers.allocation[kLargePool], 1, 3, 3, 2);
  is(numbers.active[kAll], 3, 5, 5, 2);
  is(numbers.active[kSmallPool], 1, 2, 2, 1);
  is(numbers.active[kLargePool], 2, 3, 3, 1);
  is(numbers.allocated_bytes[kAll], 40 * mib + 1024, 93 * mib + 2560, 93 * mib + 2560, 53 * mib + 1536);
  is(numbers.allocated_bytes[kSmallPool], 1024, 2560, 2560, 1536);
  is(numbers.allocated_bytes[kLargePool], 40 * mib, 93 * mib, 93 * mib, 53 * mib);
  is(numbers.active_bytes[kAll], 43 * mib + 1024, 93 * mib + 2560, 93 * mib + 2560, 50 * mib + 1536);
  is(numbers.active_bytes[kSmallPool], 1024, 2560, 2560, 1536);
  is(numbers.active_bytes[kLargePool], 43 * mib, 93 * mib, 93 * mib, 50 * mib);
  // Its peak is that of the blocks.
  is(numbers.requested_bytes[kAll], 40 * mib + 1000, 93 * mib + 2560, 93 * mib + 2499, 53 * mib + 1499);
  is(numbers.requested_bytes[kSmallPool], 1000, 2560, 2500, 1500);
  is(numbers.requested_bytes[kLargePool], 40 * mib, 93 * mib, 93 * mib - 1, 53 * mib - 1);
  is(numbers.segment[kAll], 3, 4, 4, 1);
  is(numbers.segment[kSmallPool], 1, 1, 1, 0);
  is(numbers.segment[kLargePool], 2, 3, 3, 1);
  is(numbers.reserved_bytes[kAll], 62 * mib, 112 * mib, 112 * mib, 50 * mib);
  is(numbers.reserved_bytes[kSmallPool], 2 * mib, 2 * mib, 2 * mib, 0);
  is(numbers.reserved_bytes[kLargePool], 60 * mib, 110 * mib, 110 * mib, 50 * mib);
  // The small rest was made, cut for the second block, and joined with it again.
  is(numbers.inactive_split[kAll], 2, 2, 4, 2);
  is(numbers.inactive_split[kSmallPool], 1, 1, 3, 2);
  is(numbers.inactive_split[kLargePool], 1, 1, 1, 0);
  is(numbers.inactive_split_bytes[kAll], 19 * mib - 1024, 19 * mib - 1024, 23 * mib - 1024 - 3584, 4 * mib - 3584);
  is(numbers.inactive_split_bytes[kSmallPool], 2 * mib - 1024, 2 * mib - 1024, 6 * mib - 1024 - 3584, 4 * mib - 3584);
  is(numbers.inactive_split_bytes[kLargePool], 17 * mib, 17 * mib, 17 * mib, 0);
  is(numbers.oversize_allocations, 1, 2, 2, 1);
  is(numbers.oversize_segments, 1, 2, 2, 1);
  is(numbers.pending, 1, 1, 2, 1);
  is(numbers.pending_bytes, 3 * mib, 3 * mib, 3 * mib + 1536, 1536);
  assert_int_equal(numbers.num_alloc_retries, 1);
  assert_int_equal(numbers.num_ooms, 1);
  assert_int_equal(numbers.num_sync_all_streams, 2);
  assert_int_equal(numbers.num_device_alloc, 4);
  assert_int_equal(numbers.num_device_free, 1);
  assert_int_equal(numbers.max_split_size, 30 * mib);
  assert_int_equal(numbers.struct_size, sizeof numbers);
}

void every_field_is_reset(void **) {
  for (const std::uint32_t what : {1, 2, 3, 0}) {
    Fixture at(300 * kMiB, "max_split_size_mb:30");
    everything_happens(at);
    const shmalloc_statistics before = at.numbers();
    at.cache.reset_statistics(what);
    const shmalloc_statistics after = at.numbers();
    const bool peaks = what != SHMALLOC_RESET_ACCUMULATED;
    const bool sums = what != SHMALLOC_RESET_PEAKS;
    each_stat(before, after, [=](const char *name, const shmalloc_stat &old, const shmalloc_stat &now) {
      const std::int64_t peak = !peaks ? old.peak : strcmp(name, "requested_bytes") == 0 ? now.peak : old.current;
      const bool right = now.current == old.current && now.peak == peak && now.allocated == (sums ? 0 : old.allocated) &&
                         now.freed == (sums ? 0 : old.freed);
      if (!right) fail_msg("%s after a reset of %u", name, what);
    });
    for (int pool = 0; pool < 3; ++pool) assert_int_equal(after.requested_bytes[pool].peak, after.allocated_bytes[pool].peak);
    assert_int_equal(after.num_alloc_retries, sums ? 0 : 1);
    assert_int_equal(after.num_ooms, sums ? 0 : 1);
    assert_int_equal(after.num_sync_all_streams, sums ? 0 : 2);
    assert_int_equal(after.num_device_alloc, sums ? 0 : 4);
    assert_int_equal(after.num_device_free, sums ? 0 : 1);
    assert_int_equal(after.max_split_size, before.max_split_size);
    // What comes later counts from there.
    everything_happens(at);
    const shmalloc_statistics later = at.numbers();
    each_stat(after, later, [](const char *name, const shmalloc_stat &old, const shmalloc_stat &now) {
      const bool right = now.current - old.current == now.allocated - now.freed - (old.allocated - old.freed) &&
                         now.peak >= now.current && now.peak >= old.peak && now.allocated >= old.allocated &&
                         now.freed >= old.freed;
      if (!right) fail_msg("%s after more of it", name);
    });
    assert_int_equal(later.num_ooms, after.num_ooms + 1);
  }
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

// What threads keep goes back to the bins: what was in use before counts all the same.
void peaks_outlive_what_is_reclaimed(void **) {
  Fixture at;
  Block *one = at.allocate(40 * kMiB);
  Block *two = at.allocate(100 * kMiB);
  at.free(one);
  at.free(two);
  good(at.cache.empty_cache());
  assert_int_equal(at.numbers().allocated_bytes[0].peak, 140 * kMiB);
  assert_int_equal(at.numbers().active_bytes[0].peak, 140 * kMiB);
  Fixture other;
  other.free(other.allocate(kMiB / 2));
  other.put_back();
  assert_int_equal(other.numbers().allocated_bytes[0].peak, kMiB / 2);
  // A larger one that the thread keeps is cut.
  Fixture cut;
  Block *first = cut.allocate(kMiB);
  Block *second = cut.allocate(kMiB - 512);
  Block *third = cut.allocate(512);
  cut.free(second);
  Block *fourth = cut.allocate(1024);
  assert_int_equal(cut.numbers().allocated_bytes[0].peak, 2 * kMiB);
  for (Block *block : {first, third, fourth}) cut.free(block);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(everything_is_counted),
      cmocka_unit_test(the_peak_of_bytes_is_exact),
      cmocka_unit_test(peaks_outlive_what_is_reclaimed),
      cmocka_unit_test(resets_keep_what_is_current),
      cmocka_unit_test(threads_add_up),
      cmocka_unit_test(a_thread_keeps_only_some),
      cmocka_unit_test(the_peak_stays_where_it_is),
      cmocka_unit_test(every_field_is_right),
      cmocka_unit_test(every_field_is_reset),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
