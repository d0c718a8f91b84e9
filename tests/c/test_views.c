/* Pins, and what they forbid: share, close, seal, grow. */
#include <sys/mman.h>

#include "support.h"

static int destroyed;
static void count_destroy(void *userdata) {
  (void)userdata;
  ++destroyed;
}

static void pin_keeps_memory_where_it_is(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(direct, 100, 0, NULL, &storage, err));
  void *data = NULL;
  size_t size = 0;
  OK(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_DEFAULT, &data, &size, err));
  assert_ptr_equal(data, shmalloc_storage_data(storage));
  assert_int_equal(size, 100);
  OK(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_READ, NULL, NULL, err));
  assert_int_equal(info_of(storage).pins, 2);
  assert_int_equal(info_of(storage).references, 3);
  FAILS(BUSY, "pinned 2 times", shmalloc_storage_share(storage, NULL, 0, err));
  FAILS(BUSY, "pinned", shmalloc_storage_close(storage, err));
  shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_DEFAULT);
  FAILS(BUSY, "pinned 1 times", shmalloc_storage_share(storage, NULL, 0, err));
  shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_READ);
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL); /* whose memory can be seen to go */
  OK(shmalloc_storage_share(storage, map, 0, err));
  shmalloc_allocator_release(map);
  FAILS(INVALID, "access 5", shmalloc_storage_pin(storage, (shmalloc_access)5, NULL, NULL, err));
  FAILS(INVALID, "storage", shmalloc_storage_pin(NULL, SHMALLOC_ACCESS_READ, NULL, NULL, err));

  /* The last pin is a reference like any other, but frees nothing itself. */
  OK(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, &data, NULL, err));
  shmalloc_storage_release(storage);
  memset(data, 1, 100);
  shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_WRITE);
  assert_int_equal(look().mappings, before.mappings + 1);
  shmalloc_allocator_release(direct); /* a call that catches up */
  SAME(before);
}

static void share_moves_the_bytes_for_every_holder(void **state) {
  (void)state;
  settle();
  const struct held before = look();
  shmalloc_storage *storage = NULL;
  static char memory[5000];
  memset(memory, 'x', sizeof memory);
  destroyed = 0;
  OK(shmalloc_storage_adopt(0, (uintptr_t)memory, sizeof memory, NULL, NULL, count_destroy, &storage, err));
  shmalloc_storage_retain(storage); /* another holder */
  assert_int_equal(info_of(storage).state & SHMALLOC_STORAGE_STATE_SHARED, 0);
  const uint64_t generation = info_of(storage).generation;
  OK(shmalloc_storage_share(storage, NULL, SHMALLOC_STREAM_DEFAULT, err));
  assert_int_equal(destroyed, 1);
  char *data = shmalloc_storage_data(storage);
  assert_ptr_not_equal(data, memory);
  assert_memory_equal(data, memory, sizeof memory);
  shmalloc_storage_info info = info_of(storage);
  assert_int_not_equal(info.state & SHMALLOC_STORAGE_STATE_SHARED, 0);
  assert_int_equal(info.generation, generation + 1);
  assert_int_equal(info.size, sizeof memory);
  OK(shmalloc_storage_share(storage, NULL, 0, err)); /* shareable already: nothing happens */
  assert_ptr_equal(shmalloc_storage_data(storage), data);
  shmalloc_storage *found = NULL;
  OK(shmalloc_storage_find(0, (uintptr_t)data + 10, &found, NULL, err));
  assert_ptr_equal(found, storage);
  shmalloc_storage_release(found);
  FAILS(NOT_FOUND, "address", shmalloc_storage_find(0, (uintptr_t)memory, &found, NULL, err));
  IN_CHILD({ data[0] = 'c'; });
  assert_int_equal(data[0], 'c');
  shmalloc_storage_release(storage);
  shmalloc_storage_release(storage);
  settle(); /* The segment that was made for it goes. */
  SAME(before);
}

static void share_into_other_allocators(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_allocator *counted = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, NULL);
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(direct, 64, 0, NULL, &storage, err));
  strcpy(shmalloc_storage_data(storage), "move me");
  FAILS(INVALID, "can't be shared", shmalloc_storage_share(storage, direct, 0, err));
  OK(shmalloc_storage_share(storage, counted, 0, err));
  assert_string_equal(shmalloc_storage_data(storage), "move me");
  assert_int_equal(info_of(storage).kind, SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED);
  shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
  OK(shmalloc_allocator_get_info(direct, &info, err));
  assert_int_equal(info.live_storages, 0);
  OK(shmalloc_allocator_get_info(counted, &info, err));
  assert_int_equal(info.live_storages, 1);
  assert_int_equal(info.live_bytes, 64);
  OK(shmalloc_storage_close(storage, err));
  FAILS(CLOSED, "closed", shmalloc_storage_share(storage, NULL, 0, err));
  shmalloc_storage_release(storage);

  /* Into a segment, whose allocator counts it once, and outlives its handle. */
  shmalloc_allocator *shared = make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, NULL);
  OK(shmalloc_storage_create(direct, 64, 0, NULL, &storage, err));
  strcpy(shmalloc_storage_data(storage), "move me");
  OK(shmalloc_storage_share(storage, shared, 0, err));
  OK(shmalloc_allocator_get_info(shared, &info, err));
  assert_int_equal(info.live_storages, 1);
  assert_int_equal(info.live_bytes, 64);
  assert_int_equal(info_of(storage).allocator_id, info.id);
  shmalloc_allocator_release(shared);
  assert_string_equal(shmalloc_storage_data(storage), "move me");
  OK(shmalloc_storage_close(storage, err));
  FAILS(INVALID, "storage", shmalloc_storage_share(NULL, NULL, 0, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(direct);
  shmalloc_allocator_release(counted);
  SAME(before);
}

/* What was adopted for reading only is so in this process; its bytes, once shared, are as any others. */
static void read_only_memory_can_be_shared(void **state) {
  (void)state;
  static const char text[] = "not to be written";
  static const int32_t kinds[] = {SHMALLOC_ALLOCATOR_KIND_SHARED, SHMALLOC_ALLOCATOR_KIND_MAP};
  for (size_t at = 0; at < sizeof kinds / sizeof *kinds; ++at) {
    shmalloc_allocator *to = make_allocator(kinds[at], NULL);
    shmalloc_adopt_params read = SHMALLOC_INIT(shmalloc_adopt_params);
    read.access = SHMALLOC_ACCESS_READ;
    shmalloc_storage *storage = NULL, *opened = NULL;
    OK(shmalloc_storage_adopt(0, (uintptr_t)text, sizeof text, &read, NULL, NULL, &storage, err));
    OK(shmalloc_storage_share(storage, to, 0, err));
    FAILS(PERMISSION, "read-only", shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, NULL, NULL, err));
    uint8_t bytes[SHMALLOC_HANDLE_MAX];
    size_t length = sizeof bytes;
    OK(shmalloc_storage_export(storage, NULL, bytes, &length, err));
    OK(shmalloc_storage_import(bytes, length, NULL, 0, NULL, &opened, err));
    *(char *)shmalloc_storage_data(opened) = 'N';
    IN_CHILD({ /* who inherited it may pass it on as its maker may */
               uint8_t again[SHMALLOC_HANDLE_MAX];
               size_t room = sizeof again;
               OK(shmalloc_storage_export(storage, NULL, again, &room, err));
    });
    assert_string_equal(shmalloc_storage_data(storage), "Not to be written");
    shmalloc_storage_release(opened);
    shmalloc_storage_release(storage);
    shmalloc_allocator_release(to);
  }
}

static void grow_keeps_address_and_bytes(void **state) {
  (void)state;
  settle();
  const struct held before = look();
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *storage = NULL;
  params.capacity = 1 << 20;
  OK(shmalloc_storage_create(NULL, 5000, 0, &params, &storage, err));
  char *data = shmalloc_storage_data(storage);
  memset(data, 'g', 5000);
  assert_int_equal(info_of(storage).capacity, 1 << 20);
  for (size_t size = 5001; size <= 1 << 20; size = size * 3 / 2) {
    OK(shmalloc_storage_grow(storage, size, SHMALLOC_STREAM_DEFAULT, err));
    assert_ptr_equal(shmalloc_storage_data(storage), data);
    assert_int_equal(shmalloc_storage_size(storage), size);
    assert_int_equal(data[0], 'g');
    assert_int_equal(data[4999], 'g');
    assert_int_equal(data[5000], 0);
    assert_int_equal(data[size - 1], 0);
  }
  const size_t now = shmalloc_storage_size(storage);
  OK(shmalloc_storage_grow(storage, 10, 0, err)); /* never shrinks */
  assert_int_equal(shmalloc_storage_size(storage), now);
  FAILS(NO_SPACE, "capacity of 1.00 MiB", shmalloc_storage_grow(storage, (1 << 20) + 1, 0, err));
  FAILS(INVALID, "storage", shmalloc_storage_grow(NULL, 1, 0, err));

  /* Another process follows with the same call, or with 0. */
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  shmalloc_storage *other = NULL;
  OK(shmalloc_storage_export(storage, NULL, handle, &length, err));
  OK(shmalloc_storage_import(handle, length, NULL, 0, NULL, &other, err));
  OK(shmalloc_storage_grow(storage, 1 << 20, 0, err));
  data[(1 << 20) - 1] = 'e';
  assert_int_equal(shmalloc_storage_size(other), now);
  OK(shmalloc_storage_grow(other, 0, 0, err));
  assert_int_equal(shmalloc_storage_size(other), 1 << 20);
  assert_int_equal(((char *)shmalloc_storage_data(other))[(1 << 20) - 1], 'e');
  shmalloc_storage_release(other);

  /* Sealed or closed storages, and those that were not made for it, do not grow. */
  OK(shmalloc_storage_close(storage, err));
  FAILS(CLOSED, "closed", shmalloc_storage_grow(storage, 10, 0, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  OK(shmalloc_storage_create(map, 100, 0, NULL, &storage, err));
  FAILS(NO_SPACE, "capacity", shmalloc_storage_grow(storage, 101, 0, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(map);
  OK(shmalloc_storage_create(NULL, 100, 0, NULL, &storage, err)); /* among others, with one behind it */
  FAILS(UNSUPPORTED, "capacity", shmalloc_storage_grow(storage, 101, 0, err));
  OK(shmalloc_storage_grow(storage, 100, 0, err)); /* not more than now */
  shmalloc_storage_release(storage);
  shmalloc_allocator *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  OK(shmalloc_storage_create(direct, 100, 0, NULL, &storage, err));
  FAILS(UNSUPPORTED, "grow", shmalloc_storage_grow(storage, 101, 0, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(direct);
  settle();
  SAME(before);
}

static void seal_ends_all_writing(void **state) {
  (void)state;
  settle();
  const struct held before = look();
  shmalloc_storage_params isolated = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *storage = NULL;
  void *data = NULL;
  OK(shmalloc_storage_create(NULL, 8192, 0, NULL, &storage, err));
  FAILS(UNSUPPORTED, "ISOLATED", shmalloc_storage_seal(storage, err)); /* neighbours would be sealed too */
  strcpy(shmalloc_storage_data(storage), "writable");
  shmalloc_storage_release(storage);
  settle();
  isolated.flags = SHMALLOC_STORAGE_ISOLATED;
  OK(shmalloc_storage_create(NULL, 8192, 0, &isolated, &storage, err));
  strcpy(shmalloc_storage_data(storage), "for ever");
  OK(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, &data, NULL, err));
  FAILS(BUSY, "pinned", shmalloc_storage_seal(storage, err));
  shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_WRITE);

  /* Somebody else who writes is in the way; afterwards all is as before. */
  int32_t fd = -1;
  size_t count = 1;
  OK(shmalloc_storage_export_fds(storage, NULL, &fd, &count, err));
  char *other = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  assert_ptr_not_equal(other, MAP_FAILED);
  FAILS(BUSY, "maps it for writing", shmalloc_storage_seal(storage, err));
  strcpy(shmalloc_storage_data(storage), "still writable");
  munmap(other, 8192);

  OK(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_READ, &data, NULL, err)); /* a reader may stay */
  OK(shmalloc_storage_seal(storage, err));
  OK(shmalloc_storage_seal(storage, err)); /* so already */
  assert_ptr_equal(data, shmalloc_storage_data(storage));
  assert_string_equal(data, "still writable");
  shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_READ);
  const uint32_t now = info_of(storage).state;
  assert_int_not_equal(now & SHMALLOC_STORAGE_STATE_IMMUTABLE, 0);
  assert_int_not_equal(now & SHMALLOC_STORAGE_STATE_READ_ONLY, 0);
  assert_int_not_equal(now & SHMALLOC_STORAGE_STATE_WRITE_SEALED, 0);
  FAILS(PERMISSION, "read-only", shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, NULL, NULL, err));
  FAILS(PERMISSION, "read-only", shmalloc_storage_copy(storage, 0, storage, 8, 8, 0, 0, err));
  assert_ptr_equal(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
  assert_int_equal(pwrite(fd, "x", 1, 0), -1);
  assert_int_equal(ftruncate(fd, 0), -1);
  close(fd);

  /* Who imports it sees that it is immutable. */
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  shmalloc_storage *imported = NULL;
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  FAILS(PERMISSION, "READ_ONLY", shmalloc_storage_export(storage, NULL, handle, &length, err));
  params.flags = SHMALLOC_EXPORT_READ_ONLY;
  params.ttl_ns = SHMALLOC_TIME_NONE;
  OK(shmalloc_storage_export(storage, &params, handle, &length, err));
  OK(shmalloc_storage_import(handle, length, NULL, 0, NULL, &imported, err));
  assert_int_not_equal(info_of(imported).state & SHMALLOC_STORAGE_STATE_IMMUTABLE, 0);
  assert_string_equal(shmalloc_storage_data(imported), "still writable");
  shmalloc_storage_release(imported);
  shmalloc_storage_release(storage);

  shmalloc_allocator *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  OK(shmalloc_storage_create(direct, 100, 0, NULL, &storage, err));
  FAILS(UNSUPPORTED, "nameless", shmalloc_storage_seal(storage, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(direct);
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  OK(map_named(map, 100, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_KEEPFD, NULL, &storage, err));
  FAILS(UNSUPPORTED, "nameless", shmalloc_storage_seal(storage, err));
  memset(shmalloc_storage_data(storage), 1, 100);
  OK(shmalloc_storage_close(storage, err));
  FAILS(CLOSED, "closed", shmalloc_storage_seal(storage, err));
  FAILS(INVALID, "storage", shmalloc_storage_seal(NULL, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(map);
  SAME(before);
}

static void close_is_for_all_and_only_once(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(map, 4096, 0, NULL, &storage, err));
  OK(shmalloc_storage_close(storage, err));
  SAME(before); /* given back though a reference is left */
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(map);
  OK(shmalloc_storage_create(NULL, 4096, 0, NULL, &storage, err));
  shmalloc_storage_retain(storage);
  OK(shmalloc_storage_close(storage, err));
  shmalloc_storage *next = NULL;
  OK(shmalloc_storage_create(NULL, 4096, 0, NULL, &next, err)); /* its memory is free again, its handle is still closed */
  memset(shmalloc_storage_data(next), 1, 4096);
  shmalloc_storage_release(next);
  assert_null(shmalloc_storage_data(storage));
  assert_int_equal(shmalloc_storage_size(storage), 0);
  assert_int_equal(info_of(storage).state, SHMALLOC_STORAGE_STATE_CLOSED);
  OK(shmalloc_storage_close(storage, err));
  FAILS(CLOSED, "closed", shmalloc_storage_pin(storage, SHMALLOC_ACCESS_READ, NULL, NULL, err));
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  FAILS(CLOSED, "closed", shmalloc_storage_export(storage, NULL, handle, &length, err));
  FAILS(CLOSED, "closed", shmalloc_storage_export_fds(storage, NULL, NULL, &length, err));
  FAILS(CLOSED, "closed", shmalloc_storage_revoke(storage, err));
  char text[16];
  length = sizeof text;
  FAILS(CLOSED, "closed", shmalloc_storage_get_name(storage, text, &length, err));
  shmalloc_storage_release(storage);
  shmalloc_storage_release(storage);
  FAILS(INVALID, "storage", shmalloc_storage_close(NULL, err));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pin_keeps_memory_where_it_is),   cmocka_unit_test(share_moves_the_bytes_for_every_holder),
      cmocka_unit_test(share_into_other_allocators),    cmocka_unit_test(read_only_memory_can_be_shared),
      cmocka_unit_test(grow_keeps_address_and_bytes),   cmocka_unit_test(seal_ends_all_writing),
      cmocka_unit_test(close_is_for_all_and_only_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
