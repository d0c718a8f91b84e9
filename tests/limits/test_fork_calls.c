/* Fork between the moment when something is put off and the moment when it is done, beside a manager, and inside a destroy function. */
#include <sys/socket.h>
#include <sys/un.h>

#include "support.h"

enum { kSize = 5000 };

static shmalloc_allocator *map;

static void begin(void) {
  char config[64];
  snprintf(config, sizeof config, "prefix:%s", own_prefix());
  map = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
}

TEST(deferred_releases_and_lingering_exports_are_the_parents) {
  begin();
  shmalloc_storage *deferred = NULL, *lingering = NULL, *mine = NULL, *imported = NULL;
  EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &deferred));
  EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &lingering));
  EXPECT(OK, create(map, kSize, 0, NULL, 0, &mine));
  fill(lingering, 4);
  fill(mine, 5);
  uint8_t handles[2][SHMALLOC_HANDLE_MAX];
  size_t lengths[2] = {SHMALLOC_HANDLE_MAX, SHMALLOC_HANDLE_MAX};
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.ttl_ns = SHMALLOC_TIME_FOREVER;
  EXPECT(OK, shmalloc_storage_export(lingering, &params, handles[0], &lengths[0], &err));
  EXPECT(OK, shmalloc_storage_export(mine, &params, handles[1], &lengths[1], &err));
  shmalloc_storage_release(lingering);
  shmalloc_storage_release(mine);
  shmalloc_release_deferred(deferred);
  char *before = picture(own_prefix());
  for (int way = 0; way < 3; ++way) {
    const pid_t child = fork_child();
    if (child == 0) {
      uint64_t given = 1;
      if (way == 1) EXPECT(OK, shmalloc_allocator_trim(NULL, 0, 0, &given, &err));
      if (way == 2) EXPECT(OK, shmalloc_storage_import(handles[0], lengths[0], NULL, 0, NULL, &imported, &err));
      exit(0);
    }
    JOIN(child);
    SAME(before, own_prefix());
  }
  EXPECT(OK, shmalloc_storage_import(handles[0], lengths[0], NULL, 0, NULL, &imported, &err)); /* ends the deferred one */
  CHECK(wrong_byte(imported, 4) == SIZE_MAX);
  shmalloc_storage_release(imported);
  EXPECT(OK, shmalloc_storage_import(handles[1], lengths[1], NULL, 0, NULL, &imported, &err));
  CHECK(wrong_byte(imported, 5) == SIZE_MAX);
  char *now = picture(own_prefix());
  CHECK(strcmp(before, now) != 0);
}

/* What a client of PyTorch's manager says, heard by a manager that only listens. */
TEST(a_childs_release_tells_the_manager_nothing) {
  begin();
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/dev/shm/%smanager", own_prefix());
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
  int said[2];
  CHECK(pipe2(said, O_CLOEXEC) == 0);
  const pid_t manager = fork_child();
  if (manager == 0) {
    close(said[0]);
    const int client = accept(listener, NULL, NULL);
    char record[68];
    CHECK(client >= 0 && recv(client, record, sizeof record, MSG_WAITALL) == sizeof record && send(client, "OK", 2, 0) == 2);
    for (ssize_t got; (got = read(client, record, sizeof record)) > 0;) CHECK(write(said[1], record, (size_t)got) == got);
    exit(0);
  }
  close(said[1]);
  char config[160];
  snprintf(config, sizeof config, "manager:%s,prefix:%s", address.sun_path, own_prefix());
  shmalloc_allocator *registered = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, config);
  shmalloc_storage *storage = NULL;
  EXPECT(OK, create(registered, kSize, 0, NULL, 0, &storage));
  char *before = picture(own_prefix());
  const pid_t child = fork_child();
  if (child == 0) {
    EXPECT(OK, shmalloc_storage_close(storage, &err));
    shmalloc_storage_release(storage);
    exit(0);
  }
  JOIN(child);
  SAME(before, own_prefix());
  char record[69];
  CHECK(fcntl(said[0], F_SETFL, O_NONBLOCK) == 0 && read(said[0], record, sizeof record) < 0 && errno == EAGAIN);
  shmalloc_storage_release(storage); /* the owner's release does tell it */
  JOIN(manager);
  CHECK(read(said[0], record, sizeof record) == 68 && record[4] == 1);
}

static int depth;
static void fork_and_go_on(void *userdata) {
  ++depth;
  const pid_t child = fork_child();
  if (child != 0) {
    JOIN(child);
    return;
  }
  *(int *)userdata = 1; /* the child returns into the library, and out of it again */
  shmalloc_storage *storage = NULL;
  EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &storage));
  fill(storage, 1);
  shmalloc_storage_release(storage);
}

TEST(a_destroy_function_may_fork) {
  begin();
  char *before = picture(own_prefix());
  unsigned char bytes[64];
  for (int way = 0; way < 5; ++way) { /* release, close, share, trim, a failed adoption */
    int in_child = 0;
    shmalloc_storage *storage = NULL, *others = NULL;
    EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &others));
    if (way < 4) {
      EXPECT(OK, shmalloc_storage_adopt(0, (uintptr_t)bytes, sizeof bytes, NULL, &in_child, fork_and_go_on, &storage, &err));
    } else {
      EXPECT(INVALID, shmalloc_storage_adopt(0, 0, sizeof bytes, NULL, &in_child, fork_and_go_on, &storage, &err));
    }
    if (way == 1) EXPECT(OK, shmalloc_storage_close(storage, &err));
    if (way == 2) EXPECT(OK, shmalloc_storage_share(storage, map, 0, &err));
    if (way == 3) shmalloc_release_deferred(storage);
    if (way == 3) EXPECT(OK, shmalloc_allocator_trim(NULL, 0, 0, NULL, &err));
    if (way < 3) shmalloc_storage_release(storage);
    CHECK(depth == way + 1);
    shmalloc_storage_release(others);
    if (in_child) exit(0);
    SAME(before, own_prefix());
  }
}

RUN(cmocka_unit_test(deferred_releases_and_lingering_exports_are_the_parents),
    cmocka_unit_test(a_childs_release_tells_the_manager_nothing), cmocka_unit_test(a_destroy_function_may_fork))
