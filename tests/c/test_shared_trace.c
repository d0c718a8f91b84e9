/* What an allocator of kind SHARED tells of itself. */
#include <time.h>

#include "shared.h"

static shmalloc_statistics statistics(shmalloc_allocator *allocator) {
  shmalloc_statistics found = SHMALLOC_INIT(shmalloc_statistics);
  OK(shmalloc_allocator_get_statistics(allocator, &found, err));
  return found;
}

static void numbers_are_exact_once_threads_are_quiet(void **state) {
  (void)state;
  enum { kCount = 50 };
  shmalloc_allocator *allocator = make_shared("export_ttl_ms:0");
  shmalloc_storage *storages[kCount];
  int64_t asked = 0;
  for (int i = 0; i < kCount; ++i) {
    storages[i] = make_filled(allocator, (size_t)(i + 1) * 1000, 1);
    asked += (i + 1) * 1000;
  }
  shmalloc_statistics now = statistics(allocator);
  assert_int_equal(now.allocation[SHMALLOC_STAT_POOL_ALL].current, kCount);
  assert_int_equal(now.allocation[SHMALLOC_STAT_POOL_SMALL].current, 8); /* up to 8 KiB */
  assert_int_equal(now.allocation[SHMALLOC_STAT_POOL_LARGE].current, kCount - 8);
  assert_int_equal(now.allocation[0].allocated, kCount);
  assert_int_equal(now.requested_bytes[0].current, asked);
  assert_true(now.allocated_bytes[0].current >= asked && now.allocated_bytes[0].current <= now.reserved_bytes[0].current);
  assert_true(now.allocation[0].peak >= kCount && now.allocated_bytes[0].peak >= now.allocated_bytes[0].current);
  assert_int_equal(now.segment[0].current, 1);
  assert_int_equal(now.num_device_alloc, 1);
  /* What others hold is pending. */
  shmalloc_storage *held = NULL;
  const struct handle handle = export_of(storages[0], 0, SHMALLOC_TIME_NONE);
  OK(import_of(&handle, 0, &held, err));
  for (int i = 0; i < kCount; ++i) shmalloc_storage_release(storages[i]);
  now = statistics(allocator);
  assert_int_equal(now.allocation[0].current, 0);
  assert_int_equal(now.allocation[0].freed, kCount);
  assert_int_equal(now.pending.current, 1);
  assert_int_equal(now.active[0].current, 1);
  OK(shmalloc_allocator_reset_statistics(allocator, 0, err));
  shmalloc_storage_release(held);
  OK(shmalloc_allocator_trim(allocator, 0, 0, NULL, err));
  now = statistics(allocator);
  assert_int_equal(now.pending.current, 0);
  assert_int_equal(now.active[0].current, 0);
  assert_int_equal(now.allocated_bytes[0].current, 0);
  assert_int_equal(now.requested_bytes[0].current, 0);
  assert_int_equal(now.segment[0].current, 0);
  assert_int_equal(now.reserved_bytes[0].current, 0);
  assert_int_equal(now.allocation[0].allocated, 0);
  assert_int_equal(now.num_device_free, 1);
  shmalloc_allocator_release(allocator);
}

static int count_of(const char *text, size_t length, const char *word) {
  int count = 0;
  for (size_t i = 0; i + strlen(word) <= length; ++i) count += memcmp(text + i, word, strlen(word)) == 0;
  return count;
}

static void history_and_snapshot_know_blocks(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared("export_ttl_ms:0");
  shmalloc_history_params history = SHMALLOC_INIT(shmalloc_history_params);
  history.flags = SHMALLOC_HISTORY_RECORD;
  OK(shmalloc_allocator_record_history(allocator, &history, err));
  shmalloc_storage *kept = make_filled(allocator, 100000, 1), *gone = make_filled(allocator, 3000, 2), *text = NULL;
  shmalloc_storage_release(gone);
  OK(shmalloc_allocator_snapshot(allocator, NULL, NULL, &text, err));
  const char *json = shmalloc_storage_data(text);
  const size_t length = shmalloc_storage_size(text);
  assert_int_equal(count_of(json, length, "\"active_allocated\""), 1);
  assert_int_equal(count_of(json, length, "\"requested_size\":100000"), 2); /* the block, and its segment */
  assert_int_equal(count_of(json, length, "\"action\":\"alloc\""), 2);
  assert_int_equal(count_of(json, length, "\"action\":\"free_requested\""), 1);
  assert_int_equal(count_of(json, length, "\"action\":\"free_completed\""), 1);
  assert_int_equal(count_of(json, length, "\"action\":\"segment_alloc\""), 1);
  shmalloc_storage_release(text);
  shmalloc_storage_release(kept);
  shmalloc_allocator_release(allocator);
}

/* An export's end is not forgotten because something else was due before it. */
static void exports_end_though_other_things_are_due_first(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 1);
  export_of(storage, 0, 50000000);
  shmalloc_storage_release(storage);
  assert_int_equal(statistics(allocator).pending.current, 1);
  shmalloc_release_deferred(make_filled(allocator, 100, 1)); /* due at once */
  OK(shmalloc_allocator_configure(allocator, "watermark:0", err));
  const struct timespec pause = {0, 5000000};
  int64_t pending = 1;
  for (int tries = 0; pending != 0 && tries < 2000; ++tries) {
    nanosleep(&pause, NULL);
    pending = statistics(allocator).pending.current; /* a call that catches up with what is due */
  }
  assert_int_equal(pending, 0);
  shmalloc_allocator_release(allocator);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_are_exact_once_threads_are_quiet),
      cmocka_unit_test(history_and_snapshot_know_blocks),
      cmocka_unit_test(exports_end_though_other_things_are_due_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
