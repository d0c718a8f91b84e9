/* Objects on a full /dev/shm whose blocks are not all there: made so by others, or lost to somebody who failed. Nobody gets a SIGBUS. */
#include "mount.h"

/* Objects of others without blocks: there is no room for these any more. */
TEST(attaching_to_a_sparse_object_is_no_space) {
  mount_small();
  const int fd = sparse_object("/dev/shm/sparse", 64 * kKiB);
  shmalloc_storage *storage = NULL;
  EXPECT(OK, create(map, 0, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE, "/sparse", 0, &storage));
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  EXPECT(OK, shmalloc_storage_export(storage, NULL, handle, &length, &err));
  shmalloc_storage_release(storage);
  CHECK(shmalloc_allocator_trim(NULL, 0, 0, NULL, NULL) == SHMALLOC_STATUS_OK);
  CHECK(ftruncate(fd, 0) == 0 && ftruncate(fd, 64 * kKiB) == 0);
  const int filler = take_all_but(8 * kKiB);
  char *before = picture("");
  EXPECT(NO_SPACE, create(map, 0, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE, "/sparse", 0, &storage));
  says_no_space("64.00 KiB");
  EXPECT(NO_SPACE, create(map, 64 * kKiB, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NO_GROW, "/sparse", 0, &storage));
  EXPECT(NO_SPACE, create(map, 0, SHMALLOC_MAPPED_SHARED, "/dev/shm/sparse", 0, &storage));
  EXPECT(NO_SPACE, create_from(map, fd, 0, SHMALLOC_MAPPED_SHARED, 0, &storage));
  EXPECT(NO_SPACE, create(counted, 60 * kKiB, SHMALLOC_MAPPED_NOCREATE, "/sparse", 0, &storage));
  EXPECT(NO_SPACE, shmalloc_storage_import(handle, length, NULL, 0, NULL, &storage, &err));
  EXPECT(NO_SPACE, shmalloc_storage_import(handle, length, &fd, 1, NULL, &storage, &err));
  shmalloc_import_params params = SHMALLOC_INIT(shmalloc_import_params);
  params.format = SHMALLOC_HANDLE_FORMAT_TORCH_FD;
  EXPECT(NO_SPACE, shmalloc_storage_import((const uint8_t *)"65536", 5, &fd, 1, &params, &storage, &err));
  SAME(before, "");
  close(filler);
  EXPECT(OK, create(map, 0, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE, "/sparse", 0, &storage));
  fill(storage, 1);
}

/* What is only read may be refused or mapped; when it is mapped, it can be read. A private view can be written as well. */
static void readable_or_no_space(shmalloc_status status, shmalloc_storage **made) {
  shmalloc_storage *storage = *made;
  if (status != SHMALLOC_STATUS_NO_SPACE) {
    EXPECT(OK, status);
    touch(storage);
    if ((info_of(storage).state & SHMALLOC_STORAGE_STATE_READ_ONLY) == 0) fill(storage, 9);
    shmalloc_storage_release(storage);
  }
}

TEST(views_of_a_sparse_object_are_refused_or_can_be_read) {
  mount_small();
  const int fd = sparse_object("/dev/shm/sparse", 64 * kKiB);
  const int reader = open("/dev/shm/sparse", O_RDONLY | O_CLOEXEC);
  shmalloc_storage *storage = NULL;
  char text[4096];
  for (size_t left = 0; left <= 72 * kKiB; left += 24 * kKiB) {
    CHECK(ftruncate(fd, 0) == 0 && ftruncate(fd, 64 * kKiB) == 0);
    const int filler = take_all_but(left);
    readable_or_no_space(create(map, 0, 0, "/dev/shm/sparse", 0, &storage), &storage);
    readable_or_no_space(create(map, 64 * kKiB, 0, "/dev/shm/sparse", 0, &storage), &storage);
    readable_or_no_space(create(map, 0, SHMALLOC_MAPPED_READ_ONLY, "/dev/shm/sparse", 0, &storage), &storage);
    readable_or_no_space(create(map, 0, SHMALLOC_MAPPED_READ_ONLY | SHMALLOC_MAPPED_SHARED, "/dev/shm/sparse", 0, &storage),
                         &storage);
    readable_or_no_space(create(map, 0, SHMALLOC_MAPPED_READ_ONLY | SHMALLOC_MAPPED_SHAREDMEM, "/sparse", 0, &storage), &storage);
    readable_or_no_space(create_from(map, reader, 0, SHMALLOC_MAPPED_READ_ONLY, 0, &storage), &storage);
    readable_or_no_space(create_from(map, reader, 0, 0, 0, &storage), &storage);
    CHECK(pread(fd, text, sizeof text, 0) == (ssize_t)sizeof text);
    close(filler);
  }
}

/* Blocks behind the end hide the holes before it from who only compares numbers. */
TEST(blocks_behind_the_end_do_not_hide_holes) {
  mount_small();
  const int fd = sparse_object("/dev/shm/sparse", 64 * kKiB);
  CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 64 * kKiB, 64 * kKiB) == 0);
  take_all_but(0);
  shmalloc_storage *storage = NULL;
  EXPECT(NO_SPACE, create(map, 0, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE, "/sparse", 0, &storage));
  readable_or_no_space(create(map, 0, 0, "/dev/shm/sparse", 0, &storage), &storage);
  readable_or_no_space(create(map, 0, SHMALLOC_MAPPED_READ_ONLY, "/dev/shm/sparse", 0, &storage), &storage);
}

/* grow(0) takes whatever the object holds now: not what it only promises. */
TEST(a_reader_does_not_grow_into_holes) {
  mount_small();
  const int fd = sparse_object("/dev/shm/object", 4096);
  CHECK(fallocate(fd, 0, 0, 4096) == 0);
  shmalloc_storage *reader = NULL, *writer = NULL;
  const uint32_t mapped = SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_KEEPFD;
  EXPECT(OK, create(map, 0, mapped | SHMALLOC_MAPPED_READ_ONLY, "/object", 64 * kKiB, &reader));
  EXPECT(OK, create(map, 0, mapped | SHMALLOC_MAPPED_NOCREATE, "/object", 64 * kKiB, &writer));
  CHECK(ftruncate(fd, 64 * kKiB) == 0);
  take_all_but(0);
  EXPECT(NO_SPACE, shmalloc_storage_grow(writer, 0, SHMALLOC_STREAM_DEFAULT, &err));
  CHECK(shmalloc_storage_size(writer) == 4096);
  readable_or_no_space(shmalloc_storage_grow(reader, 0, SHMALLOC_STREAM_DEFAULT, &err), &reader);
}

/* Reserved is reserved, untouched pages too, whoever fails to get more of the same object. */
TEST(a_reservation_outlives_a_peer_that_fails) {
  mount_small();
  shmalloc_storage *storage = NULL, *peer = NULL, *grown = NULL;
  const uint32_t mapped = SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_KEEPFD;
  EXPECT(OK, create(map, 100 * kKiB, mapped | SHMALLOC_MAPPED_EXCLUSIVE, "/object", kMount, &storage));
  EXPECT(OK, create(map, 0, mapped | SHMALLOC_MAPPED_NOCREATE, "/object", kMount, &grown));
  EXPECT(OK, shmalloc_storage_grow(grown, 200 * kKiB, SHMALLOC_STREAM_DEFAULT, &err));
  const int filler = take_all_but(400 * kKiB);
  EXPECT(NO_SPACE, create(map, 900 * kKiB, mapped | SHMALLOC_MAPPED_NOCREATE, "/object", 0, &peer));
  EXPECT(NO_SPACE, create_from(map, info_of(storage).fd, 900 * kKiB, SHMALLOC_MAPPED_SHARED, 0, &peer));
  EXPECT(NO_SPACE, shmalloc_storage_grow(storage, 900 * kKiB, SHMALLOC_STREAM_DEFAULT, &err));
  take_all_but(0);
  close(filler);
  take_all_but(0);
  fill(storage, 1);
  fill(grown, 2);
}

/* One that can't grow takes back what it tried, never what another process grew meanwhile. */
TEST(a_growth_that_fails_cuts_nothing_of_a_peer) {
  mount_small();
  shmalloc_storage *storage = NULL, *peer = NULL;
  const uint32_t mapped = SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_KEEPFD;
  take_all_but(kMount - 8 * kKiB);
  for (int round = 0; round < (SANITIZED ? 40 : 400); ++round) {
    EXPECT(OK, create(map, 4096, mapped | SHMALLOC_MAPPED_EXCLUSIVE, "/grown", 4 * kMiB, &storage));
    const pid_t child = fork_child();
    if (child == 0) {
      for (;;) shmalloc_storage_grow(storage, kMount, SHMALLOC_STREAM_DEFAULT, NULL); /* until it is killed; one page is taken */
    }
    EXPECT(OK, create(map, 0, mapped | SHMALLOC_MAPPED_NOCREATE, "/grown", 4 * kMiB, &peer));
    for (size_t size = 8192; size <= 400 * kKiB;) {
      const shmalloc_status status = shmalloc_storage_grow(peer, size, SHMALLOC_STREAM_DEFAULT, &err);
      if (status == SHMALLOC_STATUS_NO_SPACE) continue; /* the other one has the room for a moment */
      EXPECT(OK, status);
      volatile char *bytes = shmalloc_storage_data(peer);
      for (size_t at = 0; at < size; at += 4096) bytes[at] = 1; /* no SIGBUS */
      size += 4096;
    }
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    shmalloc_storage_release(peer);
    shmalloc_storage_release(storage);
  }
}

RUN(cmocka_unit_test(attaching_to_a_sparse_object_is_no_space),
    cmocka_unit_test(views_of_a_sparse_object_are_refused_or_can_be_read),
    cmocka_unit_test(blocks_behind_the_end_do_not_hide_holes), cmocka_unit_test(a_reader_does_not_grow_into_holes),
    cmocka_unit_test(a_reservation_outlives_a_peer_that_fails), cmocka_unit_test(a_growth_that_fails_cuts_nothing_of_a_peer))
