#include "support.h"

static int destroyed;
static void count_destroy(void *userdata) {
  ++destroyed;
  if (userdata != NULL) free(userdata);
}

static void direct_is_aligned_private_memory(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, "alignment:256");
  static const size_t sizes[] = {1, 63, 4096, 1 << 20, 100 << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
    params.flags = SHMALLOC_STORAGE_ZEROED;
    params.alignment = i % 2 == 0 ? 0 : 65536;
    shmalloc_storage *storage = NULL;
    OK(shmalloc_storage_create(allocator, sizes[i], SHMALLOC_STREAM_DEFAULT, &params, &storage, err));
    unsigned char *data = shmalloc_storage_data(storage);
    assert_int_equal((uintptr_t)data % (i % 2 == 0 ? 256 : 65536), 0);
    assert_int_equal(shmalloc_storage_size(storage), sizes[i]);
    assert_int_equal(shmalloc_storage_address(storage), (uintptr_t)data);
    assert_int_equal(data[0] | data[sizes[i] / 2] | data[sizes[i] - 1], 0);
    memset(data, 7, sizes[i]);
    const shmalloc_storage_info info = info_of(storage);
    assert_int_equal(info.state, SHMALLOC_STORAGE_STATE_SEALED);
    assert_int_equal(info.fd, -1);
    assert_int_equal(info.capacity, sizes[i]);
    shmalloc_storage_release(storage);
  }
  shmalloc_storage *storage = NULL;
  FAILS(NO_MEMORY, "private memory", shmalloc_storage_create(allocator, SIZE_MAX, 0, NULL, &storage, err));
  FAILS(NO_MEMORY, "private memory", shmalloc_storage_create(allocator, SIZE_MAX / 2, 0, NULL, &storage, err));
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.name = "x";
  FAILS(INVALID, "name", shmalloc_storage_create(allocator, 1, 0, &params, &storage, err));
  params.name = NULL;
  params.alignment = 24;
  FAILS(INVALID, "power of two", shmalloc_storage_create(allocator, 1, 0, &params, &storage, err));
  params.alignment = 0;
  params.capacity = 2;
  FAILS(INVALID, "can't grow", shmalloc_storage_create(allocator, 1, 0, &params, &storage, err));
  params.capacity = 0;
  params.flags = 1U << 31;
  FAILS(UNSUPPORTED, "flags", shmalloc_storage_create(allocator, 1, 0, &params, &storage, err));
  params.flags = 0;
  params.reserved = 1;
  FAILS(INVALID, "reserved", shmalloc_storage_create(allocator, 1, 0, &params, &storage, err));
  FAILS(INVALID, "out_storage", shmalloc_storage_create(allocator, 1, 0, NULL, NULL, err));
  assert_null(storage);
  shmalloc_allocator_release(allocator);
  SAME(before);
}

static void numa_node_binds_or_says_why_not(void **state) {
  (void)state;
  static const shmalloc_allocator_kind kinds[] = {SHMALLOC_ALLOCATOR_KIND_DIRECT, SHMALLOC_ALLOCATOR_KIND_MAP};
  const struct held before = look();
  for (size_t i = 0; i < 2; ++i) {
    shmalloc_allocator *allocator = make_allocator(kinds[i], NULL);
    shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
    shmalloc_storage *storage = NULL;
    shmalloc_error error;
    params.numa_node = 1; /* node 0 */
    const shmalloc_status status = shmalloc_storage_create(allocator, 1 << 20, 0, &params, &storage, &error);
    if (status == SHMALLOC_STATUS_OK) {
      memset(shmalloc_storage_data(storage), 3, 1 << 20);
      shmalloc_storage_release(storage);
    } else {
      assert_int_equal(status, SHMALLOC_STATUS_UNSUPPORTED); /* a kernel without NUMA */
      assert_non_null(strstr(error.message, "NUMA node 0"));
    }
    params.numa_node = 1000;
    assert_int_not_equal(shmalloc_storage_create(allocator, 1 << 20, 0, &params, &storage, NULL), SHMALLOC_STATUS_OK);
    params.numa_node = -1;
    OK(shmalloc_storage_create(allocator, 1 << 20, 0, &params, &storage, err));
    shmalloc_storage_release(storage);
    shmalloc_allocator_release(allocator);
  }
  SAME(before);
}

static void empty_storages_are_legal(void **state) {
  (void)state;
  const struct held before = look();
  static const shmalloc_allocator_kind kinds[] = {SHMALLOC_ALLOCATOR_KIND_DIRECT, SHMALLOC_ALLOCATOR_KIND_MAP,
                                                  SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED};
  for (size_t i = 0; i < 3; ++i) {
    shmalloc_allocator *allocator = make_allocator(kinds[i], NULL);
    shmalloc_storage *storage = NULL;
    OK(shmalloc_storage_create(allocator, 0, 0, NULL, &storage, err));
    assert_null(shmalloc_storage_data(storage));
    assert_int_equal(shmalloc_storage_size(storage), 0);
    void *data = &data;
    size_t size = 9;
    OK(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, &data, &size, err));
    assert_null(data);
    assert_int_equal(size, 0);
    shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_WRITE);
    OK(shmalloc_storage_copy(storage, 0, storage, 0, SHMALLOC_SIZE_ALL, 0, 0, err));
    shmalloc_storage_release(storage);
    shmalloc_allocator_release(allocator);
  }
  SAME(before);
}

static void references_keep_it_and_null_is_ignored(void **state) {
  (void)state;
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(NULL, 4096, 0, NULL, &storage, err));
  const uint64_t id = info_of(storage).id;
  shmalloc_storage_retain(storage);
  assert_int_equal(info_of(storage).references, 2);
  shmalloc_storage_release(storage);
  assert_int_equal(info_of(storage).references, 1);
  memset(shmalloc_storage_data(storage), 1, 4096);
  shmalloc_storage_release(storage);
  OK(shmalloc_storage_create(NULL, 4096, 0, NULL, &storage, err));
  assert_true(info_of(storage).id > id);
  shmalloc_storage_release(storage);
  shmalloc_storage_retain(NULL);
  shmalloc_storage_release(NULL);
  shmalloc_storage_unpin(NULL, SHMALLOC_ACCESS_READ);
  assert_null(shmalloc_storage_data(NULL));
  assert_int_equal(shmalloc_storage_size(NULL), 0);
  assert_int_equal(shmalloc_storage_address(NULL), 0);
  shmalloc_storage_info info = SHMALLOC_INIT(shmalloc_storage_info);
  FAILS(INVALID, "storage", shmalloc_storage_get_info(NULL, &info, err));
  /* A handle of something else is told apart. */
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  FAILS(INVALID, "something else", shmalloc_storage_close((shmalloc_storage *)(void *)allocator, err));
  shmalloc_allocator_release(allocator);
}

static void adopted_memory_is_given_back_once_on_every_path(void **state) {
  (void)state;
  shmalloc_storage *storage = NULL;
  shmalloc_adopt_params params = SHMALLOC_INIT(shmalloc_adopt_params);
  destroyed = 0;
  char *memory = malloc(1000);
  OK(shmalloc_storage_adopt(SHMALLOC_DEVICE_HOST, (uintptr_t)memory, 1000, NULL, memory, count_destroy, &storage, err));
  assert_ptr_equal(shmalloc_storage_data(storage), memory);
  assert_int_equal(info_of(storage).kind, SHMALLOC_ALLOCATOR_KIND_DEFAULT);
  assert_int_equal(info_of(storage).allocator_id, 0);
  shmalloc_storage_retain(storage);
  shmalloc_storage_release(storage);
  assert_int_equal(destroyed, 0);
  shmalloc_storage_release(storage);
  assert_int_equal(destroyed, 1);

  static char fixed[16];
  storage = NULL;
  FAILS(INVALID, "address", shmalloc_storage_adopt(0, 0, 5, NULL, NULL, count_destroy, &storage, err));
  assert_int_equal(destroyed, 2);
  params.access = 7;
  FAILS(INVALID, "access", shmalloc_storage_adopt(0, (uintptr_t)fixed, 5, &params, NULL, count_destroy, &storage, err));
  params.access = 0;
  params.flags = 1;
  FAILS(UNSUPPORTED, "flags", shmalloc_storage_adopt(0, (uintptr_t)fixed, 5, &params, NULL, count_destroy, &storage, err));
  FAILS(UNSUPPORTED, "type 7", shmalloc_storage_adopt(SHMALLOC_DEVICE(7, 0), 1, 5, NULL, NULL, count_destroy, &storage, err));
  FAILS(INVALID, "out_storage", shmalloc_storage_adopt(0, (uintptr_t)fixed, 5, NULL, NULL, count_destroy, NULL, err));
  FAILS(INVALID, "past the end", shmalloc_storage_adopt(0, (uintptr_t)fixed, SIZE_MAX, NULL, NULL, count_destroy, &storage, err));
  assert_int_equal(destroyed, 7);
  assert_null(storage);
  OK(shmalloc_storage_adopt(0, (uintptr_t)fixed, 16, NULL, NULL, NULL, &storage, err)); /* destroy_fn may be NULL */
  shmalloc_storage_release(storage);

  params = (shmalloc_adopt_params)SHMALLOC_INIT(shmalloc_adopt_params);
  params.access = SHMALLOC_ACCESS_READ;
  OK(shmalloc_storage_adopt(0, (uintptr_t)fixed, 16, &params, NULL, count_destroy, &storage, err));
  FAILS(PERMISSION, "read-only", shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, NULL, NULL, err));
  FAILS(PERMISSION, "read-only", shmalloc_storage_copy(storage, 0, storage, 8, 8, 0, 0, err));
  OK(shmalloc_storage_close(storage, err));
  assert_int_equal(destroyed, 8);
  OK(shmalloc_storage_close(storage, err));
  shmalloc_storage_release(storage);
  assert_int_equal(destroyed, 8);
}

static void find_tells_which_storage_holds_an_address(void **state) {
  (void)state;
  shmalloc_storage *outer = NULL;
  shmalloc_storage *inner = NULL;
  shmalloc_storage *found = NULL;
  size_t offset = 77;
  static char memory[4096];
  OK(shmalloc_storage_adopt(0, (uintptr_t)memory, sizeof memory, NULL, NULL, NULL, &outer, err));
  OK(shmalloc_storage_adopt(0, (uintptr_t)memory + 100, 10, NULL, NULL, NULL, &inner, err));
  OK(shmalloc_storage_find(0, (uintptr_t)memory + 4095, &found, &offset, err));
  assert_ptr_equal(found, outer); /* behind the inner one, which ends before */
  assert_int_equal(offset, 4095);
  assert_int_equal(info_of(outer).references, 2);
  shmalloc_storage_release(found);
  OK(shmalloc_storage_find(0, (uintptr_t)memory + 105, &found, NULL, err));
  shmalloc_storage_release(found);
  found = NULL;
  FAILS(NOT_FOUND, "address", shmalloc_storage_find(0, (uintptr_t)memory + 4096, &found, &offset, err));
  FAILS(NOT_FOUND, "address", shmalloc_storage_find(0, 0, &found, &offset, err));
  FAILS(NOT_FOUND, "that device", shmalloc_storage_find(SHMALLOC_DEVICE(2, 0), (uintptr_t)memory, &found, &offset, err));
  FAILS(INVALID, "out_storage", shmalloc_storage_find(0, (uintptr_t)memory, NULL, &offset, err));
  OK(shmalloc_storage_close(outer, err));
  FAILS(NOT_FOUND, "address", shmalloc_storage_find(0, (uintptr_t)memory + 4000, &found, &offset, err));
  assert_null(found);
  shmalloc_storage_release(outer);
  shmalloc_storage_release(inner);
}

static void copy_checks_bounds_and_moves_bytes(void **state) {
  (void)state;
  shmalloc_allocator *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_storage *a = NULL;
  shmalloc_storage *b = NULL;
  OK(shmalloc_storage_create(direct, 100, 0, NULL, &a, err));
  OK(shmalloc_storage_create(NULL, 50, 0, NULL, &b, err));
  char *from = shmalloc_storage_data(a);
  char *to = shmalloc_storage_data(b);
  for (int i = 0; i < 100; ++i) from[i] = (char)i;
  OK(shmalloc_storage_copy(b, 10, a, 60, 40, SHMALLOC_STREAM_DEFAULT, SHMALLOC_COPY_NON_BLOCKING, err));
  for (int i = 0; i < 40; ++i) assert_int_equal(to[10 + i], 60 + i);
  FAILS(INVALID, "40 are left in dst", shmalloc_storage_copy(b, 10, a, 0, 41, 0, 0, err));
  FAILS(INVALID, "do not fit", shmalloc_storage_copy(b, 0, a, 99, 2, 0, 0, err));
  FAILS(INVALID, "beyond", shmalloc_storage_copy(b, 51, a, 0, 0, 0, 0, err));
  FAILS(INVALID, "onto 50", shmalloc_storage_copy(b, 0, a, 0, SHMALLOC_SIZE_ALL, 0, 0, err));
  OK(shmalloc_storage_copy(b, 0, a, 50, SHMALLOC_SIZE_ALL, 0, 0, err));
  assert_int_equal(to[49], 99);
  OK(shmalloc_storage_copy(a, 1, a, 0, 99, 0, 0, err)); /* onto itself, as memmove */
  for (int i = 0; i < 99; ++i) assert_int_equal(from[1 + i], i);
  FAILS(INVALID, "dst", shmalloc_storage_copy(NULL, 0, a, 0, 1, 0, 0, err));
  FAILS(INVALID, "src", shmalloc_storage_copy(a, 0, NULL, 0, 1, 0, 0, err));
  FAILS(UNSUPPORTED, "flags", shmalloc_storage_copy(a, 0, b, 0, 1, 0, 64, err));
  shmalloc_storage_release(a);
  OK(shmalloc_storage_close(b, err));
  OK(shmalloc_storage_create(direct, 100, 0, NULL, &a, err));
  FAILS(CLOSED, "closed", shmalloc_storage_copy(b, 0, a, 0, 1, 0, 0, err));
  shmalloc_storage_release(a);
  shmalloc_storage_release(b);
  shmalloc_allocator_release(direct);
}

static void large_copies_are_exact(void **state) {
  (void)state;
  const size_t size = (33 << 20) + 12345;
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  /* The default; what a peer could truncate, which the kernel copies for us; what nobody can, which is copied directly. */
  const struct {
    shmalloc_allocator *allocator;
    uint32_t mapped;
  } cases[] = {{NULL, 0}, {map, SHMALLOC_MAPPED_SHAREDMEM}, {map, 0}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
    shmalloc_storage *a = NULL;
    shmalloc_storage *b = NULL;
    OK(map_named(cases[c].allocator, size, cases[c].mapped, NULL, &a, err));
    OK(map_named(cases[c].allocator, size, cases[c].mapped, NULL, &b, err));
    uint32_t *words = shmalloc_storage_data(a);
    for (size_t i = 0; i < size / 4; ++i) words[i] = (uint32_t)(i * 2654435761U);
    OK(shmalloc_storage_copy(b, 0, a, 0, SHMALLOC_SIZE_ALL, 0, 0, err));
    assert_memory_equal(shmalloc_storage_data(a), shmalloc_storage_data(b), size);
    /* Overlapping ones too, in both directions, at any distance. */
    static const size_t distances[] = {1, 3, 7, 8, 63, 4097, 70000};
    for (size_t d = 0; d < sizeof distances / sizeof *distances; ++d) {
      const size_t by = distances[d];
      OK(shmalloc_storage_copy(b, by, b, 0, size - by, 0, 0, err));
      assert_memory_equal((char *)shmalloc_storage_data(b) + by, shmalloc_storage_data(a), size - by);
      OK(shmalloc_storage_copy(b, 0, b, by, size - by, 0, 0, err));
      assert_memory_equal(shmalloc_storage_data(b), shmalloc_storage_data(a), size - by);
      OK(shmalloc_storage_copy(b, 0, a, 0, size, 0, 0, err));
    }
    shmalloc_storage_release(a);
    shmalloc_storage_release(b);
  }
  shmalloc_allocator_release(map);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(direct_is_aligned_private_memory),
      cmocka_unit_test(numa_node_binds_or_says_why_not),
      cmocka_unit_test(empty_storages_are_legal),
      cmocka_unit_test(references_keep_it_and_null_is_ignored),
      cmocka_unit_test(adopted_memory_is_given_back_once_on_every_path),
      cmocka_unit_test(find_tells_which_storage_holds_an_address),
      cmocka_unit_test(copy_checks_bounds_and_moves_bytes),
      cmocka_unit_test(large_copies_are_exact),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
