/* Kind SHARED within one process: storages in segments are storages like all others, and none lies where another does. */
#include "shared.h"

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state >> 16;
}
static size_t random_size(uint64_t *state) { return 1 + next_random(state) % ((uint64_t)1 << (4 + next_random(state) % 18)); }

enum { kHeld = 200 };
struct churn {
  shmalloc_allocator *allocator;
  uint64_t random;
  int rounds;
  int wrong;
  pthread_mutex_t *mutex; /* of what threads hand to each other */
  shmalloc_storage **passed;
};

/* Makes, checks and releases; now and then changes one for another thread's. */
static void *churn(void *argument) {
  struct churn *self = argument;
  shmalloc_storage *held[kHeld] = {NULL};
  for (int round = 0; round < self->rounds; ++round) {
    const size_t at = next_random(&self->random) % kHeld;
    if (held[at] != NULL) {
      if (!intact(held[at], (unsigned)info_of(held[at]).size)) ++self->wrong;
      shmalloc_storage_release(held[at]);
      held[at] = NULL;
    } else {
      const size_t size = random_size(&self->random);
      held[at] = make_filled(self->allocator, size, (unsigned)size);
    }
    if (self->passed != NULL && round % 8 == 0) {
      pthread_mutex_lock(self->mutex);
      shmalloc_storage *other = self->passed[at % 16];
      self->passed[at % 16] = held[at];
      held[at] = other;
      pthread_mutex_unlock(self->mutex);
    }
  }
  for (int i = 0; i < kHeld; ++i) {
    if (held[i] != NULL && !intact(held[i], (unsigned)info_of(held[i]).size)) ++self->wrong;
    shmalloc_storage_release(held[i]);
  }
  return NULL;
}

static void storages_of_all_sizes_never_overlap(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    struct churn one = {allocator, seed * 7919, 3000, 0, NULL, NULL};
    churn(&one);
    assert_int_equal(one.wrong, 0);
  }
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void nor_do_those_of_many_threads_that_pass_them_on(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  shmalloc_storage *passed[16] = {NULL};
  struct churn threads[6];
  pthread_t ids[6];
  for (int i = 0; i < 6; ++i) {
    threads[i] = (struct churn){allocator, (uint64_t)(i + 1) * 104729, 1500, 0, &mutex, passed};
    assert_int_equal(pthread_create(&ids[i], NULL, churn, &threads[i]), 0);
  }
  for (int i = 0; i < 6; ++i) {
    pthread_join(ids[i], NULL);
    assert_int_equal(threads[i].wrong, 0);
  }
  for (int i = 0; i < 16; ++i) shmalloc_storage_release(passed[i]);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void alignments_up_to_a_mebibyte(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  static const size_t sizes[] = {1, 64, 100, 4096, 10000, 16384, 100000, 1 << 20, 3000000};
  for (size_t alignment = 1; alignment <= 1 << 20; alignment *= 2) {
    shmalloc_storage *made[sizeof sizes / sizeof *sizes] = {NULL};
    shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
    params.alignment = alignment;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
      OK(shmalloc_storage_create(allocator, sizes[i], 0, &params, &made[i], err));
      assert_int_equal(shmalloc_storage_address(made[i]) % alignment, 0);
      fill(made[i], (unsigned)i);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
      assert_true(intact(made[i], (unsigned)i));
      shmalloc_storage_release(made[i]);
    }
  }
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *none = NULL;
  params.alignment = (uint64_t)1 << 31;
  FAILS(INVALID, "alignment", shmalloc_storage_create(allocator, 1, 0, &params, &none, err));
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void zeroed_ones_are_and_empty_ones_have_nothing(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  static const size_t sizes[] = {10, 5000, 100000, 9000000};
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
      shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
      shmalloc_storage *storage = NULL;
      params.flags = SHMALLOC_STORAGE_ZEROED;
      OK(shmalloc_storage_create(allocator, sizes[i], 0, &params, &storage, err));
      const char *bytes = shmalloc_storage_data(storage);
      for (size_t k = 0; k < sizes[i]; ++k) assert_int_equal(bytes[k], 0);
      memset(shmalloc_storage_data(storage), 0x5a, sizes[i]);
      shmalloc_storage_release(storage);
    }
  }
  shmalloc_storage *empty = NULL, *again = NULL;
  OK(shmalloc_storage_create(allocator, 0, 0, NULL, &empty, err));
  assert_null(shmalloc_storage_data(empty));
  assert_int_equal(shmalloc_storage_size(empty), 0);
  const struct handle handle = export_of(empty, 0, 0);
  OK(import_of(&handle, 0, &again, err));
  assert_int_equal(shmalloc_storage_size(again), 0);
  shmalloc_storage_release(again);
  shmalloc_storage_release(empty);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void isolated_ones_have_an_object_of_their_own(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_export_params reading = SHMALLOC_INIT(shmalloc_export_params);
  shmalloc_storage *storage = NULL, *again = NULL;
  struct handle handle = {.length = sizeof handle.bytes};
  shmalloc_handle_info info = SHMALLOC_INIT(shmalloc_handle_info);
  params.flags = SHMALLOC_STORAGE_ISOLATED;
  params.capacity = 100000;
  OK(shmalloc_storage_create(allocator, 5000, 0, &params, &storage, err));
  assert_true(info_of(storage).fd >= 0);
  assert_int_equal(segments().count, 0);
  fill(storage, 3);
  OK(shmalloc_storage_grow(storage, 90000, 0, err));
  assert_int_equal(shmalloc_storage_size(storage), 90000);
  reading.flags = SHMALLOC_EXPORT_READ_ONLY;
  OK(shmalloc_storage_export(storage, &reading, handle.bytes, &handle.length, err));
  OK(shmalloc_handle_get_info(handle.bytes, handle.length, &info, err));
  assert_int_equal(info.kind, SHMALLOC_ALLOCATOR_KIND_MAP);
  OK(import_of(&handle, 0, &again, err));
  assert_true((info_of(again).state & SHMALLOC_STORAGE_STATE_READ_ONLY) != 0);
  assert_int_equal(memcmp(shmalloc_storage_data(again), shmalloc_storage_data(storage), 90000), 0);
  assert_int_equal(allocator_info(allocator).live_storages, 1);
  shmalloc_storage_release(again);
  shmalloc_storage_release(storage);
  assert_int_equal(allocator_info(allocator).live_storages, 0);
  shmalloc_allocator_release(allocator);
}

static void what_a_segment_can_not_is_refused_in_words(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 1000, 1), *none = NULL;
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_export_params reading = SHMALLOC_INIT(shmalloc_export_params);
  uint8_t bytes[SHMALLOC_HANDLE_MAX];
  int32_t fds[2];
  size_t length = sizeof bytes, count = 2;
  reading.flags = SHMALLOC_EXPORT_READ_ONLY;
  FAILS(UNSUPPORTED, "ISOLATED", shmalloc_storage_export(storage, &reading, bytes, &length, err));
  FAILS(UNSUPPORTED, "ISOLATED", shmalloc_storage_export_fds(storage, &reading, fds, &count, err));
  reading.flags = 0;
  reading.format = SHMALLOC_HANDLE_FORMAT_TORCH_FD;
  FAILS(UNSUPPORTED, "PyTorch", shmalloc_storage_export(storage, &reading, bytes, &length, err));
  FAILS(UNSUPPORTED, "ISOLATED", shmalloc_storage_grow(storage, 2000, 0, err));
  FAILS(UNSUPPORTED, "ISOLATED", shmalloc_storage_seal(storage, err));
  params.name = "/x";
  FAILS(INVALID, "name", shmalloc_storage_create(allocator, 1000, 0, &params, &none, err));
  assert_true(intact(storage, 1));
  shmalloc_storage_release(storage);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void destroyed(void *userdata) { ++*(int *)userdata; }

static void references_pins_and_copies_are_as_with_other_kinds(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 1), *adopted = NULL;
  static char memory[5000];
  int ended = 0;
  void *data = NULL;
  size_t size = 0;
  OK(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, &data, &size, err));
  assert_int_equal(size, 5000);
  FAILS(BUSY, "pinned", shmalloc_storage_close(storage, err));
  OK(shmalloc_storage_adopt(SHMALLOC_DEVICE_HOST, (uintptr_t)memory, sizeof memory, NULL, &ended, destroyed, &adopted, err));
  OK(shmalloc_storage_copy(adopted, 0, storage, 0, SHMALLOC_SIZE_ALL, 0, 0, err));
  assert_true(intact(adopted, 1));
  memset(data, 0, size);
  OK(shmalloc_storage_copy(storage, 0, adopted, 0, SHMALLOC_SIZE_ALL, 0, 0, err));
  assert_true(intact(storage, 1));
  shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_WRITE);
  shmalloc_storage_release(adopted);
  assert_int_equal(ended, 1);
  shmalloc_storage_retain(storage);
  assert_int_equal(info_of(storage).references, 2);
  OK(shmalloc_storage_close(storage, err));
  assert_null(shmalloc_storage_data(storage));
  FAILS(CLOSED, "closed", shmalloc_storage_pin(storage, SHMALLOC_ACCESS_READ, NULL, NULL, err));
  OK(shmalloc_storage_close(storage, err));
  assert_int_equal(allocator_info(allocator).live_storages, 0);
  shmalloc_storage_release(storage);
  shmalloc_storage_release(storage);
  storage = make_filled(allocator, 100, 2); /* the last reference is a pin's */
  OK(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_READ, NULL, NULL, err));
  shmalloc_storage_release(storage);
  shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_READ);
  shmalloc_release_deferred(make_filled(allocator, 100, 3));
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void private_memory_moves_into_a_segment(void **state) {
  (void)state;
  shmalloc_allocator *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL), *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(direct, 5000, 1), *again = NULL, *found = NULL;
  OK(shmalloc_storage_share(storage, allocator, 0, err));
  assert_true(intact(storage, 1));
  assert_int_equal(info_of(storage).kind, SHMALLOC_ALLOCATOR_KIND_SHARED);
  assert_int_equal(info_of(storage).allocator_id, allocator_info(allocator).id);
  assert_int_equal(allocator_info(direct).live_storages, 0);
  assert_int_equal(allocator_info(allocator).live_storages, 1);
  assert_int_equal(allocator_info(allocator).live_bytes, 5000);
  size_t offset = 0;
  OK(shmalloc_storage_find(SHMALLOC_DEVICE_HOST, shmalloc_storage_address(storage) + 77, &found, &offset, err));
  assert_ptr_equal(found, storage);
  assert_int_equal(offset, 77);
  shmalloc_storage_release(found);
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  OK(import_of(&handle, 0, &again, err));
  assert_true(intact(again, 1));
  shmalloc_allocator_release(allocator);
  shmalloc_storage_release(storage);
  assert_true(intact(again, 1));
  shmalloc_storage_release(again);
  FAILS(STALE, "", import_of(&handle, 0, &again, err));
  OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
  assert_int_equal(segments().count, 0);
  shmalloc_allocator_release(direct);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(storages_of_all_sizes_never_overlap),
      cmocka_unit_test(nor_do_those_of_many_threads_that_pass_them_on),
      cmocka_unit_test(alignments_up_to_a_mebibyte),
      cmocka_unit_test(zeroed_ones_are_and_empty_ones_have_nothing),
      cmocka_unit_test(isolated_ones_have_an_object_of_their_own),
      cmocka_unit_test(what_a_segment_can_not_is_refused_in_words),
      cmocka_unit_test(references_pins_and_copies_are_as_with_other_kinds),
      cmocka_unit_test(private_memory_moves_into_a_segment),
  };
  return cmocka_run_group_tests_name("shared", tests, NULL, NULL);
}
