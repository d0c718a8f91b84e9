/* Kind SHARED and the memory it takes: how much, from where, and that all of it goes back. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "shared.h"

static uint64_t resident(void) { return segments().bytes; }

static void ten_thousand_storages_take_one_mapping_and_no_descriptors(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  static shmalloc_storage *made[10000], *held[10000];
  static struct handle handles[10000];
  made[0] = make_filled(allocator, 300, 0);
  handles[0] = export_of(made[0], 0, 0);
  OK(import_of(&handles[0], 0, &held[0], err));
  const struct held before = look();
  for (int i = 1; i < 10000; ++i) {
    made[i] = make_filled(allocator, 300, (unsigned)i);
    handles[i] = export_of(made[i], 0, 0);
    OK(import_of(&handles[i], 0, &held[i], err));
  }
  SAME(before);
  assert_int_equal(allocator_info(allocator).live_storages, 10000);
  assert_int_equal(segments().count, 1);
  for (int i = 0; i < 10000; ++i) {
    assert_true(intact(held[i], (unsigned)i));
    shmalloc_storage_release(made[i]);
    if (i % 2 == 0) shmalloc_storage_release(held[i]);
  }
  shmalloc_storage *again = NULL;
  trim(allocator);
  for (int i = 0; i < 10000; ++i) {
    if (i % 2 == 0) {
      FAILS(STALE, "gone", import_of(&handles[i], 0, &again, err));
    } else {
      assert_true(intact(held[i], (unsigned)i));
      shmalloc_storage_release(held[i]);
    }
  }
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void trim_gives_memory_back_and_takes_it_again(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared("segment_size:268435456,export_ttl_ms:0");
  shmalloc_storage *kept = make_filled(allocator, 100, 1), *large[8];
  for (int round = 0; round < 3; ++round) {
    uint64_t bytes = 0;
    for (int i = 0; i < 8; ++i) large[i] = make_filled(allocator, 9 << 20, (unsigned)i);
    assert_true(resident() >= 72 << 20);
    for (int i = 0; i < 8; ++i) {
      assert_true(intact(large[i], (unsigned)i));
      shmalloc_storage_release(large[i]);
    }
    assert_true(resident() >= 72 << 20); /* below the watermark: it stays */
    OK(shmalloc_allocator_trim(allocator, SHMALLOC_TRIM_FREE, 20 << 20, &bytes, err));
    assert_true(bytes >= 40 << 20);
    assert_in_range(resident(), 10 << 20, 26 << 20);
    trim(allocator);
    assert_true(resident() <= 4 << 20);
    assert_true(intact(kept, 1));
  }
  shmalloc_storage_release(kept);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void above_the_watermark_memory_goes_back_by_itself(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared("segment_size:1073741824,watermark:16777216,export_ttl_ms:0");
  shmalloc_storage *large[12], *kept = make_filled(allocator, 100, 1);
  for (int i = 0; i < 12; ++i) large[i] = make_filled(allocator, 16 << 20, (unsigned)i);
  for (int i = 0; i < 12; ++i) shmalloc_storage_release(large[i]);
  assert_true(resident() <= 90 << 20); /* of 192 MiB: the watermark, and some slack so that it does not go to and fro */
  shmalloc_storage_release(kept);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void settings_are_checked(void **state) {
  (void)state;
  static const char *const bad[] = {"segment_size:1000", "segment_size:x",       "growth:-1",  "watermark:1e9", "pages:large",
                                    "sealed:2",          "segment_size:2^46",    "populate:1", "alignment:64",  "prefix:a/b",
                                    "manager:/tmp/x",    "pages:auto,sealed:no", "mode:999",   "segment_size",  "pages:"};
  shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
  shmalloc_allocator *allocator = NULL;
  params.kind = SHMALLOC_ALLOCATOR_KIND_SHARED;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    params.config = bad[i];
    FAILS(INVALID, "", shmalloc_allocator_create(&params, &allocator, err));
  }
  allocator = make_shared("segment_size:4194304,growth:0,watermark:0,pages:small,sealed:1,export_ttl_ms:5");
  char text[256];
  size_t length = sizeof text;
  OK(shmalloc_allocator_get_config(allocator, "pages", text, &length, err));
  assert_string_equal(text, "small");
  shmalloc_storage *storage = make_filled(allocator, 1000, 1);
  assert_true((info_of(storage).state & SHMALLOC_STORAGE_STATE_SEALED) != 0);
  shmalloc_storage_release(storage);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void import_here(int socket) { holder(socket); }

/* Of any length: what a segment is rounded to, its importers must be able to map. */
static void segments_of_odd_sizes_open_elsewhere(void **state) {
  (void)state;
  static const char *const configs[] = {"segment_size:3000001", "segment_size:2097153", "segment_size:5242879,pages:small"};
  for (size_t i = 0; i < sizeof configs / sizeof *configs; ++i) {
    struct peer peer = begin_peer(import_here);
    shmalloc_allocator *allocator = make_shared(configs[i]);
    shmalloc_storage *small = make_filled(allocator, 1000, 1), *large = make_filled(allocator, 20 << 20, 2);
    const struct handle handles[] = {export_of(small, 0, SHMALLOC_TIME_NONE), export_of(large, 0, SHMALLOC_TIME_NONE)};
    let_hold(peer, &handles[0]);
    let_hold(peer, &handles[1]);
    let_release(peer);
    end_peer(peer);
    shmalloc_storage_release(small);
    shmalloc_storage_release(large);
    assert_empty(allocator);
    shmalloc_allocator_release(allocator);
  }
}

static void an_allocator_lives_as_long_as_its_storages(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *first = make_filled(allocator, 1000, 1), *second = make_filled(allocator, 1 << 20, 2), *again = NULL;
  struct handle handle = export_of(second, 0, SHMALLOC_TIME_NONE);
  shmalloc_allocator_release(allocator);
  assert_true(intact(first, 1) && intact(second, 2));
  OK(import_of(&handle, 0, &again, err));
  shmalloc_storage_release(second);
  shmalloc_storage_release(first);
  assert_true(intact(again, 2)); /* its memory outlives even the allocator */
  shmalloc_storage_release(again);
  OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
  FAILS(STALE, "", import_of(&handle, 0, &again, err));
  assert_int_equal(segments().count, 0);
  assert_int_equal(look().mappings, before.mappings);
}

static void addresses_lead_to_storages(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  static const size_t sizes[] = {1, 64, 1000, 8192, 8193, 100000, 5 << 20, 12 << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    shmalloc_storage *storage = make_filled(allocator, sizes[i], 1), *found = NULL, *held = NULL;
    const shmalloc_address first = shmalloc_storage_address(storage);
    const struct handle handle = export_of(storage, 0, 0);
    size_t offset = 1;
    for (size_t k = 0; k < 3; ++k) {
      const size_t at = k == 0 ? 0 : k == 1 ? sizes[i] / 2 : sizes[i] - 1;
      OK(shmalloc_storage_find(SHMALLOC_DEVICE_HOST, first + at, &found, &offset, err));
      assert_ptr_equal(found, storage);
      assert_int_equal(offset, at);
      shmalloc_storage_release(found);
    }
    FAILS(NOT_FOUND, "", shmalloc_storage_find(SHMALLOC_DEVICE_HOST, first + sizes[i], &found, &offset, err));
    OK(import_of(&handle, SHMALLOC_IMPORT_READ_ONLY, &held, err));
    const shmalloc_address reading = shmalloc_storage_address(held);
    assert_true(reading != first);
    OK(shmalloc_storage_find(SHMALLOC_DEVICE_HOST, reading + sizes[i] - 1, &found, &offset, err));
    assert_ptr_equal(found, held);
    shmalloc_storage_release(found);
    shmalloc_storage_release(held);
    FAILS(NOT_FOUND, "", shmalloc_storage_find(SHMALLOC_DEVICE_HOST, reading, &found, &offset, err));
    shmalloc_storage_release(storage);
    FAILS(NOT_FOUND, "", shmalloc_storage_find(SHMALLOC_DEVICE_HOST, first, &found, &offset, err));
  }
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static int stop;
static void *find_without_end(void *argument) {
  shmalloc_storage **shown = argument;
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    for (int i = 0; i < 8; ++i) {
      const uintptr_t address = __atomic_load_n((uintptr_t *)&shown[i], __ATOMIC_RELAXED);
      shmalloc_storage *found = NULL;
      size_t offset = 0;
      if (address == 0 || shmalloc_storage_find(SHMALLOC_DEVICE_HOST, address, &found, &offset, NULL) != 0) continue;
      shmalloc_storage_info info = SHMALLOC_INIT(shmalloc_storage_info);
      if (shmalloc_storage_get_info(found, &info, NULL) != 0 || address - info.address >= info.size) abort();
      shmalloc_storage_release(found);
    }
  }
  return NULL;
}

/* Storages come and go while others look for them by their address. */
static void addresses_are_looked_up_while_storages_go(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  static uintptr_t shown[8];
  pthread_t ids[2];
  stop = 0;
  for (int i = 0; i < 2; ++i) pthread_create(&ids[i], NULL, find_without_end, shown);
  for (unsigned round = 0; round < 20000; ++round) {
    shmalloc_storage *storage = NULL, *held = NULL;
    OK(shmalloc_storage_create(allocator, 64 + round % 5000, 0, NULL, &storage, err));
    __atomic_store_n(&shown[round % 8], (uintptr_t)shmalloc_storage_address(storage), __ATOMIC_RELAXED);
    if (round % 4 == 0) {
      const struct handle handle = export_of(storage, 0, 0);
      OK(import_of(&handle, round % 8 == 0 ? SHMALLOC_IMPORT_READ_ONLY : 0, &held, err));
      __atomic_store_n(&shown[(round + 1) % 8], (uintptr_t)shmalloc_storage_address(held), __ATOMIC_RELAXED);
      shmalloc_storage_release(held);
    }
    shmalloc_storage_release(storage);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < 2; ++i) pthread_join(ids[i], NULL);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void *release_all(void *argument) {
  shmalloc_storage **storages = argument;
  for (int i = 0; i < 40; ++i) shmalloc_storage_release(storages[i]);
  return NULL;
}

/* A thread that only releases leaves nothing behind: what it could use again goes to the others. */
static void threads_that_only_release_leave_nothing(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  for (int round = 0; round < 20; ++round) {
    shmalloc_storage *storages[40];
    pthread_t id;
    for (int i = 0; i < 40; ++i) storages[i] = make_filled(allocator, 100, (unsigned)i);
    pthread_create(&id, NULL, release_all, storages);
    pthread_join(id, NULL);
  }
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

enum { kOnTheWay = 256, kPassed = 6000 };
static _Atomic(shmalloc_storage *) on_the_way[kOnTheWay];

static void *check_and_release(void *argument) {
  long bad = 0;
  for (int i = 0; i < kPassed; ++i) {
    shmalloc_storage *storage;
    while ((storage = atomic_exchange(&on_the_way[i % kOnTheWay], NULL)) == NULL) sched_yield();
    bad += !intact(storage, (unsigned)i);
    shmalloc_storage_release(storage);
  }
  *(long *)argument = bad;
  return NULL;
}

/* One thread makes, another releases: what the second has too much of serves the first again, and all of it can be given back. */
static void memory_goes_from_thread_to_thread(void **state) {
  (void)state;
  static const size_t sizes[] = {64, 1000, 8192, 50000};
  shmalloc_allocator *allocator = make_shared("export_ttl_ms:0");
  for (size_t at = 0; at < sizeof sizes / sizeof *sizes; ++at) {
    pthread_t id;
    long bad = -1;
    uint64_t most = 0;
    pthread_create(&id, NULL, check_and_release, &bad);
    for (int i = 0; i < kPassed; ++i) {
      while (atomic_load(&on_the_way[i % kOnTheWay]) != NULL) sched_yield();
      atomic_store(&on_the_way[i % kOnTheWay], make_filled(allocator, sizes[at], (unsigned)i));
      if (i % 1000 == 0 && resident() > most) most = resident();
    }
    pthread_join(id, NULL);
    assert_int_equal(bad, 0);
    assert_int_equal(allocator_info(allocator).live_storages, 0);
    /* What may be on the way, what two threads keep, what is between them, and a segment's first step. */
    assert_in_range(most, 1, (kOnTheWay + 2 * 64 + 4 * 32) * sizes[at] * 9 / 8 + (24 << 20));
    trim(allocator);
    assert_empty(allocator);
  }
  shmalloc_allocator_release(allocator);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ten_thousand_storages_take_one_mapping_and_no_descriptors),
      cmocka_unit_test(trim_gives_memory_back_and_takes_it_again),
      cmocka_unit_test(above_the_watermark_memory_goes_back_by_itself),
      cmocka_unit_test(settings_are_checked),
      cmocka_unit_test(segments_of_odd_sizes_open_elsewhere),
      cmocka_unit_test(an_allocator_lives_as_long_as_its_storages),
      cmocka_unit_test(addresses_lead_to_storages),
      cmocka_unit_test(addresses_are_looked_up_while_storages_go),
      cmocka_unit_test(threads_that_only_release_leave_nothing),
      cmocka_unit_test(memory_goes_from_thread_to_thread),
  };
  return cmocka_run_group_tests_name("shared_memory", tests, NULL, NULL);
}
