/* Statistics, peaks, history and snapshots through the C ABI. What a snapshot says as JSON is read by tests/python/test_trace.py. */
#include <pthread.h>
#include <sched.h>

#include "support.h"

enum { ALL = SHMALLOC_STAT_POOL_ALL, SMALL = SHMALLOC_STAT_POOL_SMALL, LARGE = SHMALLOC_STAT_POOL_LARGE };
#define MIB (INT64_C(1) << 20)

static shmalloc_statistics numbers(shmalloc_allocator *allocator) {
  shmalloc_statistics statistics = SHMALLOC_INIT(shmalloc_statistics);
  OK(shmalloc_allocator_get_statistics(allocator, &statistics, err));
  return statistics;
}

/* Nothing is there any more, in any of the numbers. */
static void assert_empty(shmalloc_allocator *allocator) {
  const shmalloc_statistics now = numbers(allocator);
  const shmalloc_stat *stats = now.allocation;
  const size_t count = 9 * 3 + 4;
  assert_ptr_equal(&now.pending_bytes, stats + count - 1);
  for (size_t i = 0; i < count; ++i) {
    if (stats[i].current != 0) fail_msg("statistic %zu is %lld", i, (long long)stats[i].current);
    assert_int_equal(stats[i].allocated, stats[i].freed);
  }
}

static void assert_stat(const char *what, shmalloc_stat stat, int64_t current, int64_t peak, int64_t allocated, int64_t freed) {
  if (stat.current != current || stat.peak != peak || stat.allocated != allocated || stat.freed != freed) {
    fail_msg("%s: %lld %lld %lld %lld", what, (long long)stat.current, (long long)stat.peak, (long long)stat.allocated,
             (long long)stat.freed);
  }
}
#define STAT(stat, ...) assert_stat(#stat, stat, __VA_ARGS__)

static shmalloc_storage *make(shmalloc_allocator *allocator, size_t size) {
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(allocator, size, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
  return storage;
}

static void record(shmalloc_allocator *allocator, uint32_t flags, uint64_t max_entries) {
  shmalloc_history_params params = SHMALLOC_INIT(shmalloc_history_params);
  params.flags = flags;
  params.max_entries = max_entries;
  OK(shmalloc_allocator_record_history(allocator, &params, err));
}

/* The snapshot as a string of the test's own. */
static char *snapshot(shmalloc_allocator *allocator) {
  shmalloc_storage *storage = NULL;
  OK(shmalloc_allocator_snapshot(allocator, NULL, NULL, &storage, err));
  const size_t size = shmalloc_storage_size(storage);
  char *text = malloc(size + 1);
  assert_non_null(text);
  memcpy(text, shmalloc_storage_data(storage), size);
  text[size] = 0;
  assert_int_equal(strlen(text), size);
  shmalloc_storage_release(storage);
  return text;
}

static int count_of(const char *text, const char *word) {
  int count = 0;
  for (const char *at = text; (at = strstr(at, word)) != NULL; ++at) ++count;
  return count;
}

static int actions(const char *text, const char *action) {
  char word[64];
  snprintf(word, sizeof word, "\"action\":\"%s\"", action);
  return count_of(text, word);
}

static void every_kind_is_counted(void **state) {
  (void)state;
  const int64_t page = sysconf(_SC_PAGESIZE);
  const struct {
    shmalloc_allocator_kind kind;
    int64_t small, large; /* what 100 bytes and 3 MiB take */
  } kinds[] = {
      {SHMALLOC_ALLOCATOR_KIND_DIRECT, 100, 3 * MIB},
      {SHMALLOC_ALLOCATOR_KIND_MAP, page, 3 * MIB},
      {SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, page, 3 * MIB + page},
  };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
    shmalloc_allocator *allocator = make_allocator(kinds[i].kind, NULL);
    const int64_t small = kinds[i].small;
    const int64_t large = kinds[i].large;
    assert_empty(allocator);
    shmalloc_storage *one = make(allocator, 100);
    shmalloc_storage *two = make(allocator, 3 * MIB);
    shmalloc_storage *none = make(allocator, 0);
    shmalloc_statistics now = numbers(allocator);
    STAT(now.allocation[ALL], 3, 3, 3, 0);
    STAT(now.allocation[SMALL], 2, 2, 2, 0);
    STAT(now.allocation[LARGE], 1, 1, 1, 0);
    STAT(now.requested_bytes[ALL], 3 * MIB + 100, 3 * MIB + 100, 3 * MIB + 100, 0);
    STAT(now.allocated_bytes[ALL], small + large, small + large, small + large, 0);
    STAT(now.allocated_bytes[SMALL], small, small, small, 0);
    STAT(now.reserved_bytes[LARGE], large, large, large, 0);
    STAT(now.active_bytes[ALL], small + large, small + large, small + large, 0);
    STAT(now.segment[ALL], 3, 3, 3, 0);
    STAT(now.inactive_split_bytes[ALL], 0, 0, 0, 0);
    assert_int_equal(now.num_device_alloc, 3);
    assert_int_equal(now.num_device_free, 0);
    assert_int_equal(now.max_split_size, -1);
    shmalloc_storage_release(two);
    OK(shmalloc_storage_close(one, err));
    now = numbers(allocator);
    STAT(now.allocation[ALL], 1, 3, 3, 2);
    STAT(now.reserved_bytes[ALL], 0, small + large, small + large, small + large);
    shmalloc_storage_release(one);
    shmalloc_storage_release(none);
    assert_empty(allocator);
    assert_int_equal(numbers(allocator).num_device_free, 3);
    shmalloc_allocator_release(allocator);
  }
}

static void what_has_no_allocator_is_not_counted(void **state) {
  (void)state;
  static char memory[100];
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "export_ttl_ms:0");
  shmalloc_storage *storage = make(allocator, 100);
  shmalloc_storage *adopted = NULL;
  shmalloc_storage *imported = NULL;
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  const int64_t before = numbers(NULL).allocation[ALL].allocated;
  OK(shmalloc_storage_adopt(0, (uintptr_t)memory, sizeof memory, NULL, NULL, NULL, &adopted, err));
  OK(shmalloc_storage_export(storage, NULL, handle, &length, err));
  OK(shmalloc_storage_import(handle, length, NULL, 0, NULL, &imported, err));
  assert_int_equal(numbers(allocator).allocation[ALL].current, 1);
  shmalloc_storage_release(storage);
  assert_empty(allocator);
  shmalloc_storage_release(imported);
  shmalloc_storage_release(adopted);
  assert_empty(allocator);
  assert_int_equal(numbers(NULL).allocation[ALL].allocated, before);
  shmalloc_allocator_release(allocator);
}

static void growth_is_counted(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  const int64_t page = sysconf(_SC_PAGESIZE);
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *storage = NULL;
  params.capacity = 8 * MIB;
  OK(shmalloc_storage_create(allocator, 10, 0, &params, &storage, err));
  record(allocator, SHMALLOC_HISTORY_RECORD, 0);
  OK(shmalloc_storage_grow(storage, 20, 0, err));
  shmalloc_statistics now = numbers(allocator);
  STAT(now.requested_bytes[ALL], 20, 20, 20, 0);
  STAT(now.reserved_bytes[SMALL], page, page, page, 0);
  OK(shmalloc_storage_grow(storage, 4 * MIB, 0, err));
  now = numbers(allocator);
  STAT(now.allocation[ALL], 1, 1, 1, 0);
  STAT(now.requested_bytes[SMALL], 4 * MIB, 4 * MIB, 4 * MIB, 0); /* in the pool that it was made in */
  STAT(now.active_bytes[ALL], 4 * MIB, 4 * MIB, 4 * MIB, 0);
  char *text = snapshot(allocator);
  assert_int_equal(actions(text, "segment_map"), 1);
  assert_int_equal(actions(text, "alloc"), 2);
  free(text);
  shmalloc_storage_release(storage);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void share_moves_from_one_allocator_to_another(void **state) {
  (void)state;
  shmalloc_allocator *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *storage = make(direct, 5000);
  OK(shmalloc_storage_share(storage, map, 0, err));
  assert_empty(direct);
  assert_int_equal(numbers(map).requested_bytes[ALL].current, 5000);
  shmalloc_storage_release(storage);
  assert_empty(map);
  shmalloc_allocator_release(direct);
  shmalloc_allocator_release(map);
}

static void exports_keep_memory_pending(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "export_ttl_ms:600000");
  const int64_t page = sysconf(_SC_PAGESIZE);
  shmalloc_export_params soon = SHMALLOC_INIT(shmalloc_export_params);
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  record(allocator, SHMALLOC_HISTORY_RECORD, 0);
  shmalloc_storage *storage = make(allocator, 100);
  soon.ttl_ns = 50000000;
  OK(shmalloc_storage_export(storage, &soon, handle, &length, err));
  shmalloc_storage_release(storage);
  shmalloc_statistics now = numbers(allocator);
  if (now.pending.current == 1) { /* else this machine was too slow for the time */
    STAT(now.allocation[ALL], 0, 1, 1, 1);
    STAT(now.active[ALL], 1, 1, 1, 0);
    STAT(now.reserved_bytes[ALL], page, page, page, 0);
    STAT(now.pending, 1, 1, 1, 0);
    STAT(now.pending_bytes, page, page, page, 0);
    char *text = snapshot(allocator);
    if (numbers(allocator).pending.current == 1) assert_int_equal(count_of(text, "active_pending_free"), 1);
    free(text);
  }
  while (numbers(allocator).pending.current != 0) OK(shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_EXPIRED, 0, NULL, err));
  assert_empty(allocator);
  char *text = snapshot(allocator);
  assert_int_equal(actions(text, "free_requested"), 1);
  assert_int_equal(actions(text, "free_completed"), 1);
  assert_int_equal(actions(text, "segment_free"), 1);
  free(text);
  /* Memory that outlives its allocator closes its account all the same. */
  storage = make(allocator, 100);
  length = sizeof handle;
  OK(shmalloc_storage_export(storage, &soon, handle, &length, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(allocator);
}

static void reset_begins_anew(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_storage *kept = make(allocator, 1000);
  shmalloc_storage_release(make(allocator, 500));
  STAT(numbers(allocator).requested_bytes[ALL], 1000, 1500, 1500, 500);
  OK(shmalloc_allocator_reset_statistics(allocator, SHMALLOC_RESET_PEAKS, err));
  STAT(numbers(allocator).requested_bytes[ALL], 1000, 1000, 1500, 500);
  OK(shmalloc_allocator_reset_statistics(allocator, SHMALLOC_RESET_ACCUMULATED, err));
  STAT(numbers(allocator).requested_bytes[ALL], 1000, 1000, 0, 0);
  assert_int_equal(numbers(allocator).num_device_alloc, 0);
  shmalloc_storage_release(make(allocator, 20));
  STAT(numbers(allocator).requested_bytes[ALL], 1000, 1020, 20, 20);
  OK(shmalloc_allocator_reset_statistics(allocator, 0, err));
  STAT(numbers(allocator).requested_bytes[SMALL], 1000, 1000, 0, 0);
  FAILS(UNSUPPORTED, "reset", shmalloc_allocator_reset_statistics(allocator, 4, err));
  shmalloc_storage_release(kept);
  STAT(numbers(allocator).requested_bytes[ALL], 0, 1000, 0, 1000);
  shmalloc_allocator_release(allocator);
}

enum { THREADS = 4, EACH = 8, ROUNDS = 300 };
static pthread_barrier_t barrier;

static void *allocate_much(void *allocator) {
  for (int round = 0; round < ROUNDS; ++round) {
    shmalloc_storage *storages[EACH] = {NULL};
    for (int i = 0; i < EACH; ++i) {
      if (shmalloc_storage_create(allocator, 64, 0, NULL, &storages[i], NULL) != SHMALLOC_STATUS_OK) return allocator;
    }
    if (round == ROUNDS / 2) pthread_barrier_wait(&barrier);
    for (int i = 0; i < EACH; ++i) shmalloc_storage_release(storages[i]);
  }
  return NULL;
}

/* Once all threads held as much as they ever do; no more than that was ever there, and it was seen. */
static void peaks_are_exact_with_threads(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  pthread_t threads[THREADS];
  pthread_barrier_init(&barrier, NULL, THREADS);
  for (int i = 0; i < THREADS; ++i) assert_int_equal(pthread_create(&threads[i], NULL, allocate_much, allocator), 0);
  for (int i = 0; i < 100; ++i) {
    const shmalloc_statistics now = numbers(allocator);
    assert_true(now.allocation[ALL].current >= 0 && now.allocation[ALL].current <= THREADS * EACH);
    assert_true(now.allocation[ALL].peak >= now.allocation[ALL].current);
  }
  for (int i = 0; i < THREADS; ++i) {
    void *failed = NULL;
    pthread_join(threads[i], &failed);
    assert_null(failed);
  }
  const int64_t total = (int64_t)THREADS * EACH * ROUNDS;
  const shmalloc_statistics now = numbers(allocator);
  STAT(now.allocation[ALL], 0, (int64_t)THREADS * EACH, total, total);
  STAT(now.active[SMALL], 0, (int64_t)THREADS * EACH, total, total);
  STAT(now.requested_bytes[ALL], 0, (int64_t)THREADS * EACH * 64, total * 64, total * 64);
  assert_empty(allocator);
  pthread_barrier_destroy(&barrier);
  shmalloc_allocator_release(allocator);
}

static void what_could_not_be_made_is_counted(void **state) {
  (void)state;
  static const shmalloc_allocator_kind kinds[] = {SHMALLOC_ALLOCATOR_KIND_DIRECT, SHMALLOC_ALLOCATOR_KIND_MAP,
                                                  SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED};
  for (size_t i = 0; i < 3; ++i) {
    shmalloc_allocator *allocator = make_allocator(kinds[i], NULL);
    shmalloc_storage *storage = NULL;
    record(allocator, SHMALLOC_HISTORY_RECORD, 0);
    const shmalloc_status status = shmalloc_storage_create(allocator, (size_t)1 << 55, 0, NULL, &storage, NULL);
    assert_true(status == SHMALLOC_STATUS_NO_MEMORY || status == SHMALLOC_STATUS_NO_SPACE);
    shmalloc_storage_params wrong = SHMALLOC_INIT(shmalloc_storage_params);
    wrong.flags = SHMALLOC_STORAGE_ZEROED;
    wrong.page_size = 5;
    FAILS(INVALID, "", shmalloc_storage_create(allocator, 10, 0, &wrong, &storage, err));
    assert_int_equal(numbers(allocator).num_ooms, 1);
    assert_empty(allocator);
    char *text = snapshot(allocator);
    assert_int_equal(actions(text, "oom"), 1);
    assert_int_equal(count_of(text, "\"size\":36028797018963968"), 1);
    assert_int_equal(count_of(text, "\"device_free\":"), 1);
    free(text);
    OK(shmalloc_allocator_reset_statistics(allocator, 0, err));
    assert_int_equal(numbers(allocator).num_ooms, 0);
    shmalloc_allocator_release(allocator);
  }
}

static void history_keeps_the_newest(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_storage_release(make(allocator, 11)); /* off at first */
  record(allocator, SHMALLOC_HISTORY_RECORD, 6);
  shmalloc_storage *storage = make(allocator, 22);
  shmalloc_storage_release(storage);
  shmalloc_storage_release(make(allocator, 33));
  OK(shmalloc_allocator_record_history(allocator, NULL, err));
  shmalloc_storage_release(make(allocator, 44));
  char *text = snapshot(allocator);
  assert_int_equal(count_of(text, "\"size\":11,"), 0);
  assert_int_equal(count_of(text, "\"size\":44,"), 0);
  /* Of ten entries the first four are gone: those that tell how the storage of 22 bytes was made and released. */
  assert_int_equal(count_of(text, "\"action\":"), 6);
  assert_int_equal(count_of(text, "\"size\":22,"), 1);
  assert_int_equal(count_of(text, "\"size\":33,"), 5);
  assert_true(strstr(text, "\"size\":22,") < strstr(text, "\"size\":33,"));
  assert_int_equal(count_of(text, "\"recording\":false,\"entries\":6,\"dropped\":4"), 1);
  free(text);
  record(allocator, SHMALLOC_HISTORY_RECORD, 2); /* shorter: the newest stay */
  text = snapshot(allocator);
  assert_int_equal(count_of(text, "\"action\":"), 2);
  assert_int_equal(actions(text, "segment_free"), 1);
  assert_int_equal(actions(text, "snapshot"), 1);
  free(text);
  record(allocator, SHMALLOC_HISTORY_RECORD, 4); /* longer: nothing is lost */
  shmalloc_storage *more = make(allocator, 55);
  text = snapshot(allocator);
  assert_int_equal(count_of(text, "\"action\":"), 4);
  assert_int_equal(actions(text, "snapshot"), 2);
  assert_int_equal(count_of(text, "\"size\":55,"), 4); /* three entries, and the block that is there */
  free(text);
  record(allocator, SHMALLOC_HISTORY_CLEAR, 0);
  text = snapshot(allocator);
  assert_int_equal(count_of(text, "\"action\":"), 0);
  free(text);
  shmalloc_storage_release(more);
  shmalloc_history_params params = SHMALLOC_INIT(shmalloc_history_params);
  params.flags = 4;
  FAILS(UNSUPPORTED, "history", shmalloc_allocator_record_history(allocator, &params, err));
  params.flags = 0;
  params.reserved = 1;
  FAILS(INVALID, "reserved", shmalloc_allocator_record_history(allocator, &params, err));
  params.struct_size = 8;
  FAILS(INVALID, "struct_size", shmalloc_allocator_record_history(allocator, &params, err));
  shmalloc_allocator_release(allocator);
}

static void snapshot_lies_where_it_is_asked_for(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "export_ttl_ms:0");
  shmalloc_storage *text = NULL;
  OK(shmalloc_allocator_snapshot(map, NULL, map, &text, err));
  assert_int_equal(numbers(map).allocation[ALL].current, 1);
  assert_null(memmem(shmalloc_storage_data(text), shmalloc_storage_size(text), "storage_id", 10)); /* itself is not in it */
  assert_int_equal(((const char *)shmalloc_storage_data(text))[shmalloc_storage_size(text) - 1], '\n');
  assert_true((info_of(text).state & SHMALLOC_STORAGE_STATE_SHARED) != 0);
  shmalloc_storage_release(text);
  text = NULL;
  OK(shmalloc_allocator_snapshot(NULL, NULL, NULL, &text, err));
  assert_int_equal(info_of(text).kind, SHMALLOC_ALLOCATOR_KIND_DIRECT);
  shmalloc_allocator_info current = SHMALLOC_INIT(shmalloc_allocator_info);
  OK(shmalloc_allocator_get_info(NULL, &current, err));
  assert_true(info_of(text).allocator_id != current.id);
  shmalloc_storage_release(text);
  text = NULL;
  shmalloc_snapshot_params params = SHMALLOC_INIT(shmalloc_snapshot_params);
  params.format = 1;
  FAILS(UNSUPPORTED, "format", shmalloc_allocator_snapshot(map, &params, NULL, &text, err));
  params.format = 0;
  params.flags = 1;
  FAILS(UNSUPPORTED, "flags", shmalloc_allocator_snapshot(map, &params, NULL, &text, err));
  FAILS(INVALID, "out_storage", shmalloc_allocator_snapshot(map, NULL, NULL, NULL, err));
  FAILS(INVALID, "out_statistics", shmalloc_allocator_get_statistics(map, NULL, err));
  shmalloc_statistics little = SHMALLOC_INIT(shmalloc_statistics);
  little.struct_size = 100;
  FAILS(INVALID, "struct_size", shmalloc_allocator_get_statistics(map, &little, err));
  assert_null(text);
  shmalloc_storage *storage = make(map, 100);
  shmalloc_allocator *wrong = (shmalloc_allocator *)storage;
  little.struct_size = sizeof little;
  FAILS(INVALID, "allocator", shmalloc_allocator_get_statistics(wrong, &little, err));
  FAILS(INVALID, "to", shmalloc_allocator_snapshot(map, NULL, wrong, &text, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(map);
  SAME(before);
}

static int stop, ordering;

static void *churn(void *allocator) {
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  while (__atomic_load_n(&stop, __ATOMIC_RELAXED) == 0) {
    shmalloc_storage *storage = NULL;
    size_t length = sizeof handle;
    if (shmalloc_storage_create(allocator, 5000, 0, NULL, &storage, NULL) != SHMALLOC_STATUS_OK) continue;
    shmalloc_storage_export(storage, NULL, handle, &length, NULL);
    shmalloc_storage_release(storage);
  }
  return NULL;
}

/* Has the histories locked most of the time: a long one is put in order again and again. */
static void *put_in_order(void *unused) {
  (void)unused;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  record(allocator, SHMALLOC_HISTORY_RECORD, 100000);
  for (int i = 0; i < 20000 || __atomic_load_n(&stop, __ATOMIC_RELAXED) == 0; ++i) {
    shmalloc_storage_release(make(allocator, 10));
    if (i < 20000) continue;
    __atomic_store_n(&ordering, 1, __ATOMIC_RELAXED);
    record(allocator, SHMALLOC_HISTORY_RECORD, 100000);
  }
  shmalloc_allocator_release(allocator);
  return NULL;
}

/* While other threads record; the child finds no lock taken, and its numbers are its own. */
static void fork_at_any_time(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "export_ttl_ms:1");
  shmalloc_storage *storage = make(allocator, 100);
  IN_CHILD({
    CHILD_CHECK(numbers(allocator).allocation[ALL].current == 1);
    shmalloc_storage_release(storage);
    CHILD_CHECK(numbers(allocator).allocation[ALL].current == 0);
  });
  STAT(numbers(allocator).allocation[ALL], 1, 1, 1, 0);
  record(allocator, SHMALLOC_HISTORY_RECORD, 100);
  pthread_t threads[2];
  assert_int_equal(pthread_create(&threads[0], NULL, churn, allocator), 0);
  assert_int_equal(pthread_create(&threads[1], NULL, put_in_order, NULL), 0);
  while (__atomic_load_n(&ordering, __ATOMIC_RELAXED) == 0) sched_yield();
  for (int i = 0; i < 50; ++i) {
    IN_CHILD({
      shmalloc_storage *text = NULL;
      CHILD_CHECK(shmalloc_allocator_snapshot(allocator, NULL, NULL, &text, NULL) == SHMALLOC_STATUS_OK);
      shmalloc_storage_release(text);
      shmalloc_storage_release(make(allocator, 10));
    });
    free(snapshot(allocator));
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  shmalloc_storage_release(storage);
  while (numbers(allocator).pending.current != 0) OK(shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_EXPIRED, 0, NULL, err));
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kind_is_counted),
      cmocka_unit_test(what_has_no_allocator_is_not_counted),
      cmocka_unit_test(growth_is_counted),
      cmocka_unit_test(share_moves_from_one_allocator_to_another),
      cmocka_unit_test(exports_keep_memory_pending),
      cmocka_unit_test(reset_begins_anew),
      cmocka_unit_test(peaks_are_exact_with_threads),
      cmocka_unit_test(what_could_not_be_made_is_counted),
      cmocka_unit_test(history_keeps_the_newest),
      cmocka_unit_test(snapshot_lies_where_it_is_asked_for),
      cmocka_unit_test(fork_at_any_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
