/* What a forked child may do with what it inherits, and what its parent must not notice. */
#include <sys/socket.h>

#include "support.h"

enum { kSize = 5000, kKinds = 10 };

static shmalloc_allocator *map, *counted, *direct;
static char path[64];

static void begin(void) {
  char config[64];
  snprintf(config, sizeof config, "prefix:%s", own_prefix());
  snprintf(path, sizeof path, "/dev/shm/%sfile", own_prefix());
  map = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
  counted = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, config);
  direct = new_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
}

struct kind {
  const char *name;
  shmalloc_storage *storage;
  int shared;   /* others see what is written */
  int writable; /* here */
};
static struct kind kinds[kKinds];
static int adopted_ended; /* in this process */
static unsigned char *adopted;

static void end_adopted(void *userdata) {
  (void)userdata;
  ++adopted_ended;
}

static void make_all(void) {
  const uint32_t shm = SHMALLOC_MAPPED_SHAREDMEM, keep = SHMALLOC_MAPPED_KEEPFD;
  for (int i = 0; i < kKinds; ++i) kinds[i] = (struct kind){"", NULL, 1, 1};
  kinds[0].name = "memfd";
  EXPECT(OK, create(map, kSize, 0, NULL, 2 * kSize, &kinds[0].storage));
  kinds[1].name = "shm object";
  EXPECT(OK, create(map, kSize, shm, NULL, 2 * kSize, &kinds[1].storage));
  kinds[2].name = "shm object with its descriptor";
  EXPECT(OK, create(map, kSize, shm | keep, NULL, 2 * kSize, &kinds[2].storage));
  kinds[3].name = "shm object without its name";
  EXPECT(OK, create(map, kSize, shm | keep | SHMALLOC_MAPPED_UNLINK, NULL, 0, &kinds[3].storage));
  kinds[4].name = "file";
  EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_SHARED, path, 2 * kSize, &kinds[4].storage));
  kinds[5].name = "counted object";
  EXPECT(OK, create(counted, kSize, 0, NULL, 0, &kinds[5].storage));
  kinds[6].name = "private memory";
  EXPECT(OK, create(direct, kSize, 0, NULL, 0, &kinds[6].storage));
  kinds[7].name = "adopted memory";
  adopted = malloc(kSize);
  EXPECT(OK,
         shmalloc_storage_adopt(SHMALLOC_DEVICE_HOST, (uintptr_t)adopted, kSize, NULL, NULL, end_adopted, &kinds[7].storage, &err));
  kinds[8].name = "imported memory";
  shmalloc_storage *origin = NULL;
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  EXPECT(OK, create(map, kSize, 0, NULL, 0, &origin));
  EXPECT(OK, shmalloc_storage_export(origin, NULL, handle, &length, &err));
  EXPECT(OK, shmalloc_storage_import(handle, length, NULL, 0, NULL, &kinds[8].storage, &err));
  kinds[9].name = "sealed memory";
  EXPECT(OK, create(map, kSize, 0, NULL, 0, &kinds[9].storage));
  fill(kinds[9].storage, 9);
  EXPECT(OK, shmalloc_storage_seal(kinds[9].storage, &err));
  kinds[6].shared = kinds[7].shared = kinds[9].writable = 0;
  for (unsigned i = 0; i < 9; ++i) fill(kinds[i].storage, i);
}

static void check_all(unsigned seed_of_shared) {
  for (unsigned i = 0; i < kKinds; ++i) {
    const unsigned seed = kinds[i].shared && kinds[i].writable ? i + seed_of_shared : i;
    if (wrong_byte(kinds[i].storage, seed) != SIZE_MAX) {
      failed(__FILE__, __LINE__, "%s: byte %zu is wrong", kinds[i].name, wrong_byte(kinds[i].storage, seed));
    }
  }
}

/* A process that knows nothing but the handles and messages that come through its socket: it checks the pattern, adds 1 to its seed. */
static pid_t start_stranger(int *out_socket, int type) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0);
  const pid_t pid = fork_child();
  *out_socket = ends[0];
  if (pid != 0) {
    close(ends[1]);
    return pid;
  }
  close(ends[0]);
  unsigned char bytes[1 + SHMALLOC_HANDLE_MAX];
  for (ssize_t got; (got = recv(ends[1], bytes, sizeof bytes, 0)) > 0;) {
    shmalloc_storage *storage = NULL;
    size_t count = 1;
    if (got > 1) EXPECT(OK, shmalloc_storage_import(bytes + 1, (size_t)got - 1, NULL, 0, NULL, &storage, &err));
    if (got == 1) EXPECT(OK, shmalloc_storage_receive(ends[1], NULL, &storage, &count, &err));
    CHECK(shmalloc_storage_size(storage) == kSize && wrong_byte(storage, bytes[0]) == SIZE_MAX);
    if ((info_of(storage).state & SHMALLOC_STORAGE_STATE_READ_ONLY) == 0) fill(storage, bytes[0] + 1U);
    shmalloc_storage_release(storage);
    CHECK(send(ends[1], "", 1, MSG_NOSIGNAL) == 1);
  }
  exit(0);
}

static void show(int socket, shmalloc_storage *storage, unsigned seed, int by_message, uint32_t flags) {
  unsigned char bytes[1 + SHMALLOC_HANDLE_MAX] = {(unsigned char)seed};
  size_t length = SHMALLOC_HANDLE_MAX;
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.flags = flags;
  if (by_message) {
    CHECK(send(socket, bytes, 1, MSG_NOSIGNAL) == 1);
    EXPECT(OK, shmalloc_storage_send(socket, &storage, 1, &params, &err));
  } else {
    EXPECT(OK, shmalloc_storage_export(storage, &params, bytes + 1, &length, &err));
    CHECK(send(socket, bytes, 1 + length, MSG_NOSIGNAL) == (ssize_t)(1 + length));
  }
  CHECK(recv(socket, bytes, 1, 0) == 1);
}

static void use_in_child(int stranger) {
  shmalloc_storage *heap = NULL;
  EXPECT(OK, create(direct, kSize, 0, NULL, 0, &heap));
  check_all(0);
  for (unsigned i = 0; i < kKinds; ++i) {
    shmalloc_storage *const storage = kinds[i].storage, *found = NULL;
    const shmalloc_storage_info info = info_of(storage);
    size_t offset = 0;
    void *data = NULL;
    if ((info.state & SHMALLOC_STORAGE_STATE_FORKED) == 0)
      failed(__FILE__, __LINE__, "%s does not know of the fork", kinds[i].name);
    EXPECT(OK, shmalloc_storage_find(0, info.address + 10, &found, &offset, &err));
    CHECK(found == storage && offset == 10);
    shmalloc_storage_release(found);
    EXPECT(OK, shmalloc_storage_pin(storage, SHMALLOC_ACCESS_DEFAULT, &data, NULL, &err));
    EXPECT(BUSY, shmalloc_storage_close(storage, &err));
    CHECK(data == info.data);
    shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_DEFAULT);
    EXPECT(OK, shmalloc_storage_copy(heap, 0, storage, 0, SHMALLOC_SIZE_ALL, 0, 0, &err));
    CHECK(wrong_byte(heap, i) == SIZE_MAX);
    if (kinds[i].writable) {
      fill(heap, i + 1);
      EXPECT(OK, shmalloc_storage_copy(storage, 0, heap, 0, SHMALLOC_SIZE_ALL, 0, 0, &err));
    }
    if (!kinds[i].shared) continue;
    const uint32_t flags = kinds[i].writable ? 0 : SHMALLOC_EXPORT_READ_ONLY;
    show(stranger, storage, kinds[i].writable ? i + 1 : i, 0, flags);
    show(stranger, storage, kinds[i].writable ? i + 2 : i, 1, flags);
    CHECK(wrong_byte(storage, kinds[i].writable ? i + 3 : i) == SIZE_MAX);
  }
  shmalloc_storage_release(heap);
}

/* Every second way of giving things back. */
static void give_back_in_child(int way) {
  for (unsigned i = 0; i < kKinds; ++i) {
    if (way == 1) EXPECT(OK, shmalloc_storage_close(kinds[i].storage, &err));
    if (way == 2) shmalloc_release_deferred(kinds[i].storage);
    if (way != 2) shmalloc_storage_release(kinds[i].storage);
  }
  if (way != 2) CHECK(shmalloc_allocator_trim(NULL, 0, 0, NULL, NULL) == SHMALLOC_STATUS_OK);
  shmalloc_allocator_release(map);
  shmalloc_allocator_release(counted);
  shmalloc_allocator_release(direct);
  CHECK(adopted_ended == 0);
}

TEST(a_child_uses_and_gives_back_what_it_inherits) {
  begin();
  int stranger = -1;
  const pid_t stranger_pid = start_stranger(&stranger, SOCK_SEQPACKET);
  make_all();
  char *before = picture(own_prefix());
  for (int way = 0; way < 5; ++way) { /* 0: release, 1: close, 2: defer, 3: nothing, 4: nothing at all, not even exit */
    for (unsigned i = 0; i < 9; ++i) fill(kinds[i].storage, i);
    const pid_t child = fork_child();
    if (child == 0) {
      use_in_child(stranger);
      if (way < 3) give_back_in_child(way);
      if (way == 4) _exit(0);
      exit(0);
    }
    JOIN(child);
    check_all(3);
    SAME(before, own_prefix());
    int32_t count = 0;
    EXPECT(OK, shmalloc_torch_refcount(kinds[5].storage, 0, &count, &err));
    CHECK(count == 1 && adopted_ended == 0);
    for (unsigned i = 0; i < kKinds; ++i) {
      const shmalloc_storage_info info = info_of(kinds[i].storage);
      CHECK((info.state & SHMALLOC_STORAGE_STATE_FORKED) == 0 && info.references == 1 && info.pins == 0);
    }
    shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
    EXPECT(OK, shmalloc_allocator_get_info(map, &info, &err));
    CHECK(info.live_storages == 7); /* the one that was imported is in there as what it was imported from */
  }
  for (unsigned i = 0; i < kKinds; ++i) { /* and they are whole */
    if (kinds[i].shared)
      show(stranger, kinds[i].storage, kinds[i].writable ? i + 3 : i, 1, kinds[i].writable ? 0 : SHMALLOC_EXPORT_READ_ONLY);
  }
  close(stranger);
  JOIN(stranger_pid);
  for (unsigned i = 0; i < kKinds; ++i) shmalloc_storage_release(kinds[i].storage);
  CHECK(adopted_ended == 1);
  free(adopted);
}

TEST(a_child_that_execs_takes_nothing_along) {
  begin();
  make_all();
  char *before = picture(own_prefix());
  const pid_t child = fork_child();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "ls -l /proc/$$/fd /proc/self/fd | grep -q -e memfd -e limits. && exit 1; exit 0", (char *)NULL);
    _exit(1);
  }
  JOIN(child);
  SAME(before, own_prefix());
  check_all(0);
}

TEST(what_a_child_changes_is_its_own) {
  begin();
  make_all();
  const pid_t child = fork_child();
  if (child == 0) {
    for (unsigned i = 0; i < 5; ++i) { /* longer, for all who have it */
      if (i != 3) EXPECT(OK, shmalloc_storage_grow(kinds[i].storage, 2 * kSize, 0, &err));
      fill(kinds[i].storage, i);
    }
    EXPECT(OK, shmalloc_storage_share(kinds[6].storage, map, 0, &err));
    EXPECT(OK, shmalloc_storage_share(kinds[7].storage, map, 0, &err));
    CHECK(wrong_byte(kinds[6].storage, 6) == SIZE_MAX && adopted_ended == 0);
    fill(kinds[6].storage, 1);
    EXPECT(OK, shmalloc_torch_refcount(kinds[5].storage, 1, NULL, &err)); /* a count is everybody's */
    EXPECT(OK, shmalloc_storage_revoke(kinds[0].storage, &err));
    exit(0);
  }
  JOIN(child);
  int32_t count = 0;
  EXPECT(OK, shmalloc_torch_refcount(kinds[5].storage, -1, &count, &err));
  CHECK(count == 1);
  for (unsigned i = 0; i < 5; ++i) {
    EXPECT(OK, shmalloc_storage_grow(kinds[i].storage, 0, 0, &err));
    CHECK(shmalloc_storage_size(kinds[i].storage) >= (i == 3 ? kSize : 2 * kSize));
  }
  CHECK((info_of(kinds[6].storage).state & SHMALLOC_STORAGE_STATE_SHARED) == 0);
  check_all(0);
  shmalloc_storage_release(kinds[4].storage);
}

/* Memory that the child moved is the child's, though the storage was inherited. */
TEST(what_a_child_shares_goes_with_the_child) {
  begin();
  make_all();
  char *before = picture(own_prefix());
  for (int way = 0; way < 2; ++way) {
    const pid_t child = fork_child();
    if (child == 0) {
      EXPECT(OK, shmalloc_storage_share(kinds[6].storage, counted, 0, &err));
      CHECK(wrong_byte(kinds[6].storage, 6) == SIZE_MAX);
      if (way == 0) EXPECT(OK, shmalloc_storage_close(kinds[6].storage, &err));
      shmalloc_storage_release(kinds[6].storage);
      exit(0);
    }
    JOIN(child);
    SAME(before, own_prefix());
  }
}

RUN(cmocka_unit_test(a_child_uses_and_gives_back_what_it_inherits), cmocka_unit_test(a_child_that_execs_takes_nothing_along),
    cmocka_unit_test(what_a_child_changes_is_its_own), cmocka_unit_test(what_a_child_shares_goes_with_the_child))
