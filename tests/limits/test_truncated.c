/* A peer truncates an object while we hold it. Our own loads would raise SIGBUS, which is his doing and documented; every call of the
 * library answers with a status all the same. Memory that is sealed can't be truncated. */
#include "support.h"

enum { kSize = 64 * kKiB };

static shmalloc_allocator *map, *counted;
static char path[160]; /* of a file or shm object */

static void begin(void) {
  char config[64];
  snprintf(config, sizeof config, "prefix:%s", own_prefix());
  map = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
  counted = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, config);
  snprintf(path, sizeof path, "/dev/shm/%sobject", own_prefix());
}

static shmalloc_storage *private_storage(unsigned seed) {
  shmalloc_allocator *direct = new_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_storage *storage = NULL;
  EXPECT(OK, create(direct, kSize, 0, NULL, 0, &storage));
  fill(storage, seed);
  return storage;
}

/* What the peer has: a descriptor of the same object. */
struct held {
  const char *name;
  shmalloc_storage *storage;
  int peer;
  int created; /* a name that goes with the storage */
};
enum { kHeld = 7 };

static void hold(struct held *all) {
  const uint32_t keep = SHMALLOC_MAPPED_KEEPFD;
  char name[128];
  size_t length = sizeof name;
  for (int i = 0; i < kHeld; ++i) all[i] = (struct held){.peer = -1};
  all[0].name = "file";
  EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_SHARED | keep, path, 2 * kSize, &all[0].storage));
  all[0].peer = open(path, O_RDWR | O_CLOEXEC);
  unlink(path);
  all[1].name = "file without its descriptor";
  EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_SHARED, path, 2 * kSize, &all[1].storage));
  all[1].peer = open(path, O_RDWR | O_CLOEXEC);
  all[2].name = "shm object";
  EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_SHAREDMEM | keep, NULL, 2 * kSize, &all[2].storage));
  all[2].peer = fcntl(info_of(all[2].storage).fd, F_DUPFD_CLOEXEC, 0);
  all[3].name = "foreign memfd";
  all[3].peer = memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  CHECK(fallocate(all[3].peer, 0, 0, kSize) == 0);
  EXPECT(OK, create_from(map, all[3].peer, 0, SHMALLOC_MAPPED_SHARED | keep, 2 * kSize, &all[3].storage));
  all[4].name = "private view";
  EXPECT(OK, create(map, kSize, 0, path, 0, &all[4].storage));
  all[4].peer = all[1].peer;
  all[5].name = "read-only view";
  all[5].peer = open(path, O_RDWR | O_CLOEXEC);
  EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_READ_ONLY | keep, path, 2 * kSize, &all[5].storage));
  all[6].name = "counted object";
  EXPECT(OK, create(counted, kSize, 0, NULL, 0, &all[6].storage));
  EXPECT(OK, shmalloc_storage_get_name(all[6].storage, name, &length, &err));
  snprintf(path + strlen("/dev/shm"), sizeof path - strlen("/dev/shm"), "%s", name);
  all[6].peer = open(path, O_RDWR | O_CLOEXEC);
  for (int i = 0; i < kHeld; ++i) CHECK(all[i].peer >= 0);
}

static void one_of(shmalloc_status status, shmalloc_status one, shmalloc_status other, const char *name, const char *call,
                   int line) {
  if (status == one || status == other) return;
  failed(__FILE__, line, "%s: %s is %s: %s", name, call, shmalloc_status_name(status), err.message);
}
#define ONE_OF(one, other, call) one_of((call), SHMALLOC_STATUS_##one, SHMALLOC_STATUS_##other, held->name, #call, __LINE__)

static void every_call(struct held *held, off_t left) {
  shmalloc_storage *const storage = held->storage, *const heap = private_storage(1);
  const int writable = (info_of(storage).state & SHMALLOC_STORAGE_STATE_READ_ONLY) == 0;
  const int private_view = strcmp(held->name, "private view") == 0;
  CHECK(shmalloc_storage_size(storage) == kSize && shmalloc_storage_data(storage) != NULL);
  ONE_OF(STALE, STALE, shmalloc_storage_copy(heap, 0, storage, 0, SHMALLOC_SIZE_ALL, 0, 0, &err));
  ONE_OF(STALE, STALE, shmalloc_storage_copy(heap, 0, storage, kSize - 1, 1, 0, 0, &err));
  if (writable) {
    ONE_OF(STALE, STALE, shmalloc_storage_copy(storage, 0, heap, 0, SHMALLOC_SIZE_ALL, 0, 0, &err));
    ONE_OF(STALE, STALE, shmalloc_storage_copy(storage, kSize - 1, heap, 0, 1, 0, 0, &err));
    ONE_OF(STALE, STALE, shmalloc_storage_copy(storage, 0, storage, kSize / 2, kSize / 2, 0, 0, &err));
    ONE_OF(STALE, STALE, shmalloc_storage_copy(storage, 1, storage, 0, kSize - 1, 0, 0, &err)); /* overlapping */
  }
  if (left >= 8192 && !private_view) { /* what is there still can be copied */
    ONE_OF(OK, OK, shmalloc_storage_copy(heap, 0, storage, 0, 4096, 0, 0, &err));
    if (writable) ONE_OF(OK, OK, shmalloc_storage_copy(storage, 0, heap, 0, 4096, 0, 0, &err));
  }
  shmalloc_storage_info info = info_of(storage);
  CHECK(info.size == kSize && (info.state & SHMALLOC_STORAGE_STATE_SEALED) == 0);
  ONE_OF(OK, UNSUPPORTED, shmalloc_storage_grow(storage, 0, 0, &err));
  ONE_OF(OK, UNSUPPORTED, shmalloc_storage_grow(storage, kSize, 0, &err));
  ONE_OF(OK, UNSUPPORTED, shmalloc_storage_revoke(storage, &err));
  char name[128];
  size_t length = sizeof name;
  ONE_OF(OK, NOT_FOUND, shmalloc_storage_get_name(storage, name, &length, &err));
  const int has_count = info.kind == SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED;
  int32_t count = 0;
  if (!has_count) ONE_OF(UNSUPPORTED, UNSUPPORTED, shmalloc_torch_refcount(storage, 0, &count, &err));
  if (has_count && left == 0) ONE_OF(STALE, STALE, shmalloc_torch_refcount(storage, 1, &count, &err));
  if (has_count && left != 0) ONE_OF(OK, OK, shmalloc_torch_refcount(storage, 0, &count, &err));
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  length = sizeof handle;
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.ttl_ns = SHMALLOC_TIME_NONE;
  shmalloc_storage *imported = NULL;
  const shmalloc_status exported = shmalloc_storage_export(storage, &params, handle, &length, &err);
  if (exported == SHMALLOC_STATUS_OK) { /* whose name is gone, whose length: nobody can have it */
    const shmalloc_status status = shmalloc_storage_import(handle, length, NULL, 0, NULL, &imported, &err);
    if (status == SHMALLOC_STATUS_OK || status == SHMALLOC_STATUS_SYSTEM || status == SHMALLOC_STATUS_INTERNAL) {
      failed(__FILE__, __LINE__, "%s: importing it is %s", held->name, shmalloc_status_name(status));
    }
  }
  int32_t fd = -1;
  size_t one = 1;
  if (shmalloc_storage_export_fds(storage, &params, &fd, &one, &err) == SHMALLOC_STATUS_OK) close(fd);
  if (private_view) ONE_OF(STALE, STALE, shmalloc_storage_share(storage, map, 0, &err));
  CHECK(shmalloc_storage_size(storage) == kSize);
  shmalloc_storage_release(heap);
}

static void truncated_to(off_t left) {
  begin();
  char *before = picture(own_prefix());
  for (int how = 0; how < 2; ++how) { /* with pages that were touched, without */
    struct held all[kHeld];
    hold(all);
    for (int i = 0; i < kHeld && how == 1; ++i) touch(all[i].storage);
    for (int i = 0; i < kHeld; ++i) {
      CHECK(ftruncate(all[i].peer, left) == 0);
      every_call(&all[i], left);
      CHECK(ftruncate(all[i].peer, left) == 0); /* growing made it whole again */
    }
    unlink(path); /* a counted object without its count belongs to nobody */
    snprintf(path, sizeof path, "/dev/shm/%sobject", own_prefix());
    unlink(path);
    for (int i = 0; i < kHeld; ++i) {
      if (how == 0) EXPECT(OK, shmalloc_storage_close(all[i].storage, &err));
      shmalloc_storage_release(all[i].storage);
      if (i != 4) close(all[i].peer);
    }
  }
  SAME(before, own_prefix());
}
TEST(truncated_to_nothing) { truncated_to(0); }
TEST(truncated_to_half) { truncated_to(kSize / 2); }
TEST(truncated_to_a_few_bytes) { truncated_to(10); }

TEST(growing_makes_a_truncated_object_whole_again) {
  begin();
  struct held all[kHeld];
  hold(all);
  for (int i = 0; i < 4; ++i) {
    CHECK(ftruncate(all[i].peer, 0) == 0);
    EXPECT(OK, shmalloc_storage_grow(all[i].storage, kSize + 4096, 0, &err));
    fill(all[i].storage, 1); /* no SIGBUS: reserved from its new end on */
  }
}

TEST(a_counted_object_without_its_count_leaves_no_name) {
  begin();
  char *before = picture(own_prefix());
  shmalloc_storage *storage = NULL;
  EXPECT(OK, create(counted, kSize, 0, NULL, 0, &storage));
  char name[128];
  size_t length = sizeof name;
  EXPECT(OK, shmalloc_storage_get_name(storage, name, &length, &err));
  snprintf(path, sizeof path, "/dev/shm%s", name);
  CHECK(truncate(path, 0) == 0);
  EXPECT(STALE, shmalloc_torch_refcount(storage, 0, NULL, &err));
  EXPECT(STALE, shmalloc_torch_refcount(storage, 1, NULL, &err));
  EXPECT(OK, shmalloc_storage_close(storage, &err));
  shmalloc_storage_release(storage);
  EXPECT(OK, shmalloc_machine_reclaim(NULL, own_prefix(), 0, NULL, NULL, &err)); /* if not at once, then here */
  SAME(before, own_prefix());
}

/* ---- while it happens ---- */

static pid_t truncate_for_ever(int fd, off_t size) {
  const pid_t child = fork_child();
  if (child != 0) return child;
  for (;;) {
    if (ftruncate(fd, 0) != 0 || ftruncate(fd, size) != 0) _exit(1);
  }
}

TEST(calls_race_with_a_peer_that_truncates) {
  begin();
  shmalloc_storage *const heap = private_storage(1);
  for (int kind = 0; kind < 3; ++kind) {
    shmalloc_storage *storage = NULL;
    int fd = memfd_create("foreign", MFD_CLOEXEC);
    CHECK(fallocate(fd, 0, 0, kSize) == 0);
    if (kind == 0) EXPECT(OK, create_from(map, fd, 0, SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_KEEPFD, 2 * kSize, &storage));
    if (kind == 1) EXPECT(OK, create_from(map, fd, 0, 0, 0, &storage)); /* copy on write */
    if (kind == 2) {
      EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_KEEPFD, NULL, 0, &storage));
      close(fd);
      fd = fcntl(info_of(storage).fd, F_DUPFD_CLOEXEC, 0);
    }
    struct held one = {kind == 0 ? "memfd" : kind == 1 ? "private view" : "shm object", storage, fd, 0}, *const held = &one;
    const pid_t peer = truncate_for_ever(fd, kSize);
    int lost = 0, copied = 0;
    for (int i = 0; i < (SANITIZED ? 3000 : 20000) || lost == 0 || copied == 0; ++i) {
      const size_t size = 1 + (size_t)(i % kSize);
      const shmalloc_status status = shmalloc_storage_copy(heap, 0, storage, 0, size, 0, 0, &err);
      if (status == SHMALLOC_STATUS_STALE)
        ++lost;
      else
        ++copied;
      ONE_OF(OK, STALE, status);
      ONE_OF(OK, STALE, shmalloc_storage_copy(storage, kSize - size, heap, 0, size, 0, 0, &err));
      if (i % 16 == 0) ONE_OF(OK, UNSUPPORTED, shmalloc_storage_grow(storage, 0, 0, &err));
      if (i % 16 == 0) info_of(storage);
      if (kind == 1 && i % 16 == 0) {
        shmalloc_storage *view = NULL;
        const shmalloc_status made = create_from(map, fd, 0, 0, 0, &view);
        ONE_OF(OK, NO_SPACE, made);
        if (made == SHMALLOC_STATUS_OK && shmalloc_storage_size(view) != 0)
          ONE_OF(OK, STALE, shmalloc_storage_share(view, map, 0, &err));
        if (made == SHMALLOC_STATUS_OK) shmalloc_storage_release(view);
      }
    }
    CHECK(kill(peer, SIGKILL) == 0 && waitpid(peer, NULL, 0) == peer);
    shmalloc_storage_release(storage);
    close(fd);
  }
}

TEST(the_count_races_with_a_peer_that_truncates) {
  begin();
  shmalloc_storage *storage = NULL;
  EXPECT(OK, create(counted, 100, 0, NULL, 0, &storage));
  char name[128];
  size_t length = sizeof name;
  EXPECT(OK, shmalloc_storage_get_name(storage, name, &length, &err));
  snprintf(path, sizeof path, "/dev/shm%s", name);
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  const pid_t peer = truncate_for_ever(fd, 164);
  struct held one = {"counted object", storage, fd, 0}, *const held = &one;
  int lost = 0;
  for (int i = 0; i < (SANITIZED ? 50000 : 500000) || lost == 0; ++i) {
    const shmalloc_status status = shmalloc_torch_refcount(storage, 0, NULL, &err);
    ONE_OF(OK, STALE, status);
    ONE_OF(OK, STALE, shmalloc_torch_refcount(storage, -1, NULL, &err)); /* OK once, before the count was lost */
    if (status == SHMALLOC_STATUS_STALE) ++lost;
  }
  CHECK(kill(peer, SIGKILL) == 0 && waitpid(peer, NULL, 0) == peer);
}

/* ---- sealed ---- */

TEST(nobody_truncates_what_is_sealed) {
  begin();
  shmalloc_storage *storage = NULL;
  EXPECT(OK, create(map, kSize, 0, NULL, 2 * kSize, &storage));
  fill(storage, 1);
  const shmalloc_storage_info info = info_of(storage);
  CHECK((info.state & SHMALLOC_STORAGE_STATE_SEALED) != 0);
  const pid_t peer = fork_child();
  if (peer == 0) {
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", getppid(), info.fd);
    const int fd = open(link, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, 0) != 0 && errno == EPERM && ftruncate(fd, kSize - 1) != 0 && errno == EPERM);
    CHECK(open(link, O_RDWR | O_TRUNC | O_CLOEXEC) < 0 && truncate(link, 0) != 0);
    CHECK(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096) != 0);
    _exit(0);
  }
  JOIN(peer);
  CHECK(wrong_byte(storage, 1) == SIZE_MAX);
  EXPECT(OK, shmalloc_storage_grow(storage, 2 * kSize, 0, &err));
  fill(storage, 2);
  EXPECT(OK, shmalloc_storage_seal(storage, &err));
  CHECK(ftruncate(info.fd, 0) != 0 && ftruncate(info.fd, 4 * kSize) != 0 && wrong_byte(storage, 2) == SIZE_MAX);
}

RUN(cmocka_unit_test(truncated_to_nothing), cmocka_unit_test(truncated_to_half), cmocka_unit_test(truncated_to_a_few_bytes),
    cmocka_unit_test(growing_makes_a_truncated_object_whole_again),
    cmocka_unit_test(a_counted_object_without_its_count_leaves_no_name), cmocka_unit_test(calls_race_with_a_peer_that_truncates),
    cmocka_unit_test(the_count_races_with_a_peer_that_truncates), cmocka_unit_test(nobody_truncates_what_is_sealed))
