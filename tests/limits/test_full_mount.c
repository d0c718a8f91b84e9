/* /dev/shm is full. Whatever does not fit is NO_SPACE and leaves nothing behind, what fits can be touched to its last byte, and nobody
 * gets a SIGBUS. */
#include "mount.h"

TEST(too_much_is_no_space_and_leaves_nothing) {
  mount_small();
  shmalloc_allocator *populating = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "populate:1");
  shmalloc_allocator *bound = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "numa_node:0");
  shmalloc_storage *storage = NULL;
  if (create(bound, 4096, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &storage) != SHMALLOC_STATUS_OK) bound = map; /* no nodes here */
  shmalloc_storage_release(storage);
  const struct {
    shmalloc_allocator *allocator;
    uint32_t mapped;
    const char *name;
  } attempts[] = {
      {map, SHMALLOC_MAPPED_SHAREDMEM, NULL},
      {map, SHMALLOC_MAPPED_SHAREDMEM, "/named"},
      {map, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_EXCLUSIVE, "/named"},
      {map, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_KEEPFD, NULL},
      {map, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_UNLINK, NULL},
      {map, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NO_GROW, NULL},
      {map, SHMALLOC_MAPPED_SHARED, "/dev/shm/file"},
      {map, SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_EXCLUSIVE, "/dev/shm/file"},
      {map, SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_UNLINK, "/dev/shm/file"},
      {populating, SHMALLOC_MAPPED_SHAREDMEM, NULL},
      {bound, SHMALLOC_MAPPED_SHAREDMEM, NULL},
      {counted, 0, NULL},
      {counted, SHMALLOC_MAPPED_EXCLUSIVE, "/counted"},
  };
  /* More than the mount ever has; more than it has now, which the kernel finds out half way; one page more than that. */
  const struct {
    size_t left;
    size_t size;
    const char *asked;
  } rounds[] = {{kMount, kTooMuch, "2.00 MiB"}, {300 * kKiB, 512 * kKiB, "512."}, {60 * kKiB, 60 * kKiB + 1, "60."}};
  for (size_t round = 0; round < sizeof rounds / sizeof rounds[0]; ++round) {
    const int filler = take_all_but(rounds[round].left);
    char *before = picture("");
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; ++i) {
      storage = NULL;
      EXPECT(NO_SPACE, create(attempts[i].allocator, rounds[round].size, attempts[i].mapped, attempts[i].name, 0, &storage));
      says_no_space(rounds[round].asked);
      CHECK(storage == NULL);
      SAME(before, "");
    }
    close(filler);
  }
}

TEST(what_exists_keeps_its_length_when_it_can_not_be_longer) {
  mount_small();
  const int fd = sparse_object("/dev/shm/object", 5000);
  CHECK(pwrite(fd, "old", 3, 0) == 3 && fallocate(fd, 0, 0, 5000) == 0);
  char *before = picture("");
  shmalloc_storage *storage = NULL;
  EXPECT(NO_SPACE, create(map, kTooMuch, SHMALLOC_MAPPED_SHAREDMEM, "/object", 0, &storage));
  says_no_space("2.00 MiB");
  EXPECT(NO_SPACE, create(map, kTooMuch, SHMALLOC_MAPPED_SHARED, "/dev/shm/object", 0, &storage));
  says_no_space("2.00 MiB");
  EXPECT(NO_SPACE, create_from(map, fd, kTooMuch, SHMALLOC_MAPPED_SHARED, 0, &storage));
  SAYS("2.00 MiB");
  SAME(before, "");
  const int filler = take_all_but(100 * kKiB);
  before = picture("");
  EXPECT(NO_SPACE, create(map, 512 * kKiB, SHMALLOC_MAPPED_SHAREDMEM, "/object", 0, &storage));
  EXPECT(NO_SPACE, create(map, 512 * kKiB, SHMALLOC_MAPPED_SHARED, "/dev/shm/object", 0, &storage));
  EXPECT(NO_SPACE, create_from(map, fd, 512 * kKiB, SHMALLOC_MAPPED_SHARED, 0, &storage));
  SAME(before, "");
  close(filler);
  char text[4] = "";
  CHECK(pread(fd, text, 3, 0) == 3 && strcmp(text, "old") == 0);
}

TEST(growing_too_far_is_no_space_and_changes_nothing) {
  mount_small();
  const int fd = sparse_object("/dev/shm/given", 4096);
  shmalloc_storage *storages[4];
  EXPECT(OK, create(map, 4096, SHMALLOC_MAPPED_SHAREDMEM, NULL, 4 * kMiB, &storages[0]));
  EXPECT(OK, create(map, 4096, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_KEEPFD, NULL, 4 * kMiB, &storages[1]));
  EXPECT(OK, create(map, 4096, SHMALLOC_MAPPED_SHARED, "/dev/shm/file", 4 * kMiB, &storages[2]));
  EXPECT(OK, create_from(map, fd, 4096, SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_KEEPFD, 4 * kMiB, &storages[3]));
  for (unsigned i = 0; i < 4; ++i) fill(storages[i], i);
  char *before = picture("");
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT(NO_SPACE, shmalloc_storage_grow(storages[i], kTooMuch, SHMALLOC_STREAM_DEFAULT, &err));
    SAYS("2.00 MiB");
    if (i < 3) says_no_space("2.00 MiB");
    CHECK(shmalloc_storage_size(storages[i]) == 4096 && wrong_byte(storages[i], i) == SIZE_MAX);
    SAME(before, "");
  }
  const int filler = take_all_but(100 * kKiB);
  before = picture("");
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT(NO_SPACE, shmalloc_storage_grow(storages[i], 512 * kKiB, SHMALLOC_STREAM_DEFAULT, &err));
    SAME(before, "");
  }
  close(filler);
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT(OK, shmalloc_storage_grow(storages[i], 100 * kKiB, SHMALLOC_STREAM_DEFAULT, &err));
    fill(storages[i], i);
  }
}

/* A descriptor's own mount is known too. */
TEST(the_mount_of_a_descriptor_is_named_too) {
  mount_small();
  const int fd = sparse_object("/dev/shm/given", 4096);
  shmalloc_storage *storage = NULL;
  EXPECT(NO_SPACE, create_from(map, fd, kTooMuch, SHMALLOC_MAPPED_SHARED, 0, &storage));
  SAYS("1.00 MiB"); /* the size of the mount */
}

TEST(sharing_what_does_not_fit_leaves_it_private) {
  mount_small();
  shmalloc_storage *storage = NULL;
  EXPECT(OK, create(direct, kTooMuch, 0, NULL, 0, &storage));
  fill(storage, 7);
  void *const data = shmalloc_storage_data(storage);
  char *before = picture("");
  EXPECT(NO_SPACE, shmalloc_storage_share(storage, counted, SHMALLOC_STREAM_DEFAULT, &err));
  says_no_space("2.00 MiB");
  SAME(before, "");
  CHECK(shmalloc_storage_data(storage) == data && wrong_byte(storage, 7) == SIZE_MAX);
  CHECK((info_of(storage).state & SHMALLOC_STORAGE_STATE_SHARED) == 0);
  EXPECT(OK, shmalloc_storage_share(storage, NULL, SHMALLOC_STREAM_DEFAULT, &err)); /* a memfd needs no room on the mount */
  CHECK(wrong_byte(storage, 7) == SIZE_MAX);
}

TEST(importing_more_than_there_is_is_refused) {
  mount_small();
  shmalloc_storage *storage = NULL, *imported = NULL;
  EXPECT(OK, create(counted, 4096, 0, NULL, 0, &storage));
  char name[128], text[256];
  size_t length = sizeof name;
  EXPECT(OK, shmalloc_storage_get_name(storage, name, &length, &err));
  const int fd = sparse_object("/dev/shm/given", 4096);
  char *before = picture("");
  shmalloc_import_params params = SHMALLOC_INIT(shmalloc_import_params);
  params.format = SHMALLOC_HANDLE_FORMAT_TORCH_FD;
  EXPECT(NO_SPACE, shmalloc_storage_import((const uint8_t *)"2097152", 7, &fd, 1, &params, &imported, &err));
  params.format = SHMALLOC_HANDLE_FORMAT_TORCH_FILE;
  snprintf(text, sizeof text, "\n%s\n2097152", name);
  EXPECT(NO_SPACE, shmalloc_storage_import((const uint8_t *)text, strlen(text), NULL, 0, &params, &imported, &err));
  SAME(before, "");
}

TEST(to_the_brim_every_byte_can_be_touched) {
  mount_small();
  shmalloc_storage *storage = NULL, *more = NULL;
  EXPECT(OK, create(map, kMount, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &storage));
  fill(storage, 1);
  CHECK(wrong_byte(storage, 1) == SIZE_MAX);
  EXPECT(NO_SPACE, create(map, 1, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &more));
  says_no_space("0 bytes of");
  shmalloc_storage_release(storage);
  EXPECT(OK, create(counted, kMount - 64, 0, NULL, 0, &storage));
  fill(storage, 2);
  shmalloc_storage_release(storage);
  EXPECT(OK, create(map, kMount, SHMALLOC_MAPPED_SHARED, "/dev/shm/file", 0, &storage));
  fill(storage, 3);
  CHECK(unlink("/dev/shm/file") == 0);
  shmalloc_storage_release(storage);
  EXPECT(OK, create(map, 1, SHMALLOC_MAPPED_SHAREDMEM, NULL, kMount, &storage)); /* by growing */
  for (size_t size = 4096; size <= kMount; size += 12288) {
    EXPECT(OK, shmalloc_storage_grow(storage, size, SHMALLOC_STREAM_DEFAULT, &err));
    fill(storage, 4);
  }
  EXPECT(OK, shmalloc_storage_grow(storage, kMount, SHMALLOC_STREAM_DEFAULT, &err));
  fill(storage, 5);
}

TEST(the_default_kind_needs_no_room_there) {
  mount_small();
  take_all_but(0);
  shmalloc_storage *storage = NULL, *copy = NULL;
  EXPECT(OK, shmalloc_storage_create(NULL, 4 * kMiB, SHMALLOC_STREAM_DEFAULT, NULL, &storage, &err));
  fill(storage, 3);
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  EXPECT(OK, shmalloc_storage_export(storage, NULL, handle, &length, &err));
  EXPECT(OK, shmalloc_storage_import(handle, length, NULL, 0, NULL, &copy, &err));
  CHECK(wrong_byte(copy, 3) == SIZE_MAX);
  shmalloc_storage_release(copy);
  shmalloc_storage_release(storage);
}

RUN(cmocka_unit_test(too_much_is_no_space_and_leaves_nothing),
    cmocka_unit_test(what_exists_keeps_its_length_when_it_can_not_be_longer),
    cmocka_unit_test(growing_too_far_is_no_space_and_changes_nothing), cmocka_unit_test(the_mount_of_a_descriptor_is_named_too),
    cmocka_unit_test(sharing_what_does_not_fit_leaves_it_private), cmocka_unit_test(importing_more_than_there_is_is_refused),
    cmocka_unit_test(to_the_brim_every_byte_can_be_touched), cmocka_unit_test(the_default_kind_needs_no_room_there))
