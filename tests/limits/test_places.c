/* Where there is nothing to map, somebody else's name, or no permission: an answer, nothing opened by force, nothing left behind. */
#include <grp.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "support.h"

enum { kNobody = 65534 };

static shmalloc_allocator *map, *counted;

static void begin(void) {
  char config[64];
  snprintf(config, sizeof config, "prefix:%s", own_prefix());
  map = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
  counted = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, config);
}

/* "/dev/shm/PREFIXname"; the part from the last slash on is the name of a shm object. */
static const char *place(const char *name) {
  static _Thread_local char path[4][96];
  static _Thread_local unsigned next;
  char *const text = path[next++ % 4];
  snprintf(text, sizeof path[0], "/dev/shm/%s%s", own_prefix(), name);
  return text;
}
static const char *object(const char *name) { return place(name) + strlen("/dev/shm"); }

static void make_file(const char *name, mode_t mode, size_t size) {
  const int fd = open(place(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  CHECK(fd >= 0 && fchmod(fd, mode) == 0 && fallocate(fd, 0, 0, (off_t)size) == 0);
  close(fd);
}

/* Becomes somebody without rights; what it opened before stays open. */
static void drop_rights(void) { CHECK(setgroups(0, NULL) == 0 && setgid(kNobody) == 0 && setuid(kNobody) == 0); }

TEST(a_taken_name_is_exists_and_untouched) {
  begin();
  make_file("taken", 0600, 4096);
  CHECK(mkdir(place("directory"), 0700) == 0);
  shmalloc_storage *storage = NULL;
  char *before = picture(own_prefix());
  const uint32_t exclusive = SHMALLOC_MAPPED_EXCLUSIVE;
  EXPECT(EXISTS, create(map, 8192, SHMALLOC_MAPPED_SHAREDMEM | exclusive, object("taken"), 0, &storage));
  SAYS(object("taken"));
  EXPECT(EXISTS, create(map, 8192, SHMALLOC_MAPPED_SHARED | exclusive, place("taken"), 0, &storage));
  SAYS(place("taken"));
  EXPECT(EXISTS, create(counted, 8192, exclusive, object("taken"), 0, &storage));
  EXPECT(EXISTS, create(map, 8192, SHMALLOC_MAPPED_SHAREDMEM | exclusive, object("directory"), 0, &storage));
  EXPECT(EXISTS, create(map, 8192, SHMALLOC_MAPPED_SHARED | exclusive, place("directory"), 0, &storage));
  SAME(before, own_prefix());
  EXPECT(NOT_FOUND, create(map, 0, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE, object("nothing"), 0, &storage));
  EXPECT(NOT_FOUND, create(map, 0, SHMALLOC_MAPPED_SHARED, "/dev/shm/no/such/directory", 0, &storage));
  EXPECT(NOT_FOUND, create(map, 0, SHMALLOC_MAPPED_SHARED, "/dev/null/file", 0, &storage));
  SAME(before, own_prefix());
}

static void no_place(const char *name, size_t size) {
  const uint32_t flags[] = {SHMALLOC_MAPPED_SHARED,
                            SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_NOCREATE,
                            SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_UNLINK,
                            SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_KEEPFD,
                            SHMALLOC_MAPPED_READ_ONLY,
                            SHMALLOC_MAPPED_NO_GROW,
                            0,
                            SHMALLOC_MAPPED_SHAREDMEM,
                            SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE,
                            SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_UNLINK,
                            SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_READ_ONLY};
  char *before = picture(own_prefix());
  shmalloc_storage *storage = NULL;
  for (size_t i = 0; i <= sizeof flags / sizeof flags[0]; ++i) {
    shmalloc_status status;
    if (i == sizeof flags / sizeof flags[0]) {
      status = create(counted, 4096, SHMALLOC_MAPPED_NOCREATE, object(name), 0, &storage);
    } else {
      status = create(map, size, flags[i], (flags[i] & SHMALLOC_MAPPED_SHAREDMEM) != 0 ? object(name) : place(name), 0, &storage);
    }
    if (status != SHMALLOC_STATUS_INVALID && status != SHMALLOC_STATUS_PERMISSION) {
      failed(__FILE__, __LINE__, "a %s with flags %zu is %s: %s", name, i, shmalloc_status_name(status), err.message);
    }
    SAYS(name);
    SAME(before, own_prefix());
  }
}

TEST(what_is_no_file_is_invalid_and_not_harmed) {
  begin();
  const char *const names[] = {"directory", "fifo", "socket", "device", "link", "loop"};
  CHECK(mkdir(place("directory"), 0700) == 0 && mkfifo(place("fifo"), 0600) == 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, place("socket"));
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
  CHECK(symlink(place("directory"), place("link")) == 0 && symlink(place("loop"), place("loop")) == 0);
  const int devices = mknod(place("device"), S_IFCHR | 0600, makedev(1, 3)) == 0; /* /dev/null */
  for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i) {
    if (strcmp(names[i], "device") == 0 && !devices) continue;
    no_place(names[i], 0);
    no_place(names[i], 4096);
  }
  if (!devices) fprintf(stderr, "# without devices: mknod needs root\n");
  /* As descriptors, too. */
  shmalloc_storage *storage = NULL;
  int others[] = {listener, open("/dev/null", O_RDWR | O_CLOEXEC), open("/dev/zero", O_RDWR | O_CLOEXEC),
                  open(place("fifo"), O_RDWR | O_CLOEXEC), open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  char *before = picture(own_prefix());
  for (size_t i = 0; i < sizeof others / sizeof others[0]; ++i) {
    EXPECT(INVALID, create_from(map, others[i], 4096, SHMALLOC_MAPPED_READ_ONLY, 0, &storage));
    EXPECT(INVALID, create_from(map, others[i], 4096, 0, 0, &storage));
  }
  EXPECT(INVALID, create_from(map, 9999, 4096, SHMALLOC_MAPPED_SHARED, 0, &storage));
  EXPECT(INVALID, create_from(map, -1, 4096, SHMALLOC_MAPPED_SHARED, 0, &storage));
  SAME(before, own_prefix());
}

TEST(a_handle_of_what_became_something_else_is_not_opened) {
  begin();
  shmalloc_storage *storage = NULL, *imported = NULL;
  EXPECT(OK, create(map, 4096, SHMALLOC_MAPPED_SHARED, place("file"), 0, &storage));
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  EXPECT(OK, shmalloc_storage_export(storage, NULL, handle, &length, &err));
  CHECK(unlink(place("file")) == 0 && mkfifo(place("file"), 0600) == 0);
  EXPECT(STALE, shmalloc_storage_import(handle, length, NULL, 0, NULL, &imported, &err));
  CHECK(unlink(place("file")) == 0 && mkdir(place("file"), 0700) == 0);
  EXPECT(STALE, shmalloc_storage_import(handle, length, NULL, 0, NULL, &imported, &err));
  CHECK(rmdir(place("file")) == 0);
  EXPECT(NOT_FOUND, shmalloc_storage_import(handle, length, NULL, 0, NULL, &imported, &err));
}

TEST(files_of_others_are_permission) {
  if (geteuid() != 0) SKIP("becoming somebody else needs root");
  begin();
  make_file("private", 0600, 4096);
  make_file("readable", 0444, 4096);
  make_file("own.0400", 0400, 4096);
  CHECK(chown(place("own.0400"), kNobody, kNobody) == 0);
  CHECK(mkdir(place("closed"), 0700) == 0 && mkdir(place("open"), 0755) == 0);
  make_file("closed/file", 0666, 4096);
  drop_rights();
  shmalloc_storage *storage = NULL;
  char *before = picture(own_prefix());
  const uint32_t shared = SHMALLOC_MAPPED_SHARED, object_of = SHMALLOC_MAPPED_SHAREDMEM;
  EXPECT(PERMISSION, create(map, 0, shared, place("private"), 0, &storage));
  SAYS(place("private"));
  EXPECT(PERMISSION, create(map, 0, object_of, object("private"), 0, &storage));
  SAYS(object("private"));
  EXPECT(PERMISSION, create(map, 0, SHMALLOC_MAPPED_READ_ONLY, place("private"), 0, &storage));
  EXPECT(PERMISSION, create(map, 0, 0, place("private"), 0, &storage));
  EXPECT(PERMISSION, create(counted, 4032, SHMALLOC_MAPPED_NOCREATE, object("private"), 0, &storage));
  EXPECT(PERMISSION, create(map, 0, shared, place("readable"), 0, &storage));
  EXPECT(PERMISSION, create(map, 0, object_of | SHMALLOC_MAPPED_NOCREATE, object("readable"), 0, &storage));
  EXPECT(PERMISSION, create(map, 0, shared, place("own.0400"), 0, &storage));
  EXPECT(PERMISSION, create(map, 0, shared, place("closed/file"), 0, &storage));
  EXPECT(PERMISSION, create(map, 4096, shared, place("closed/new"), 0, &storage));
  EXPECT(PERMISSION, create(map, 4096, shared, place("open/new"), 0, &storage));
  EXPECT(PERMISSION, create(map, 4096, shared | SHMALLOC_MAPPED_EXCLUSIVE, place("open/new"), 0, &storage));
  const int fd = open(place("own.0400"), O_RDONLY | O_CLOEXEC);
  EXPECT(PERMISSION, create_from(map, fd, 0, shared, 0, &storage));
  SAYS("READ_ONLY");
  close(fd);
  EXPECT(PERMISSION, shmalloc_machine_reclaim(object("private"), NULL, SHMALLOC_RECLAIM_FORCE, NULL, NULL, &err));
  SAME(before, own_prefix());
  for (int i = 0; i < 2; ++i) { /* what may be read can be read */
    const char *name = i == 0 ? "readable" : "own.0400";
    EXPECT(OK, create(map, 0, SHMALLOC_MAPPED_READ_ONLY, place(name), 8192, &storage));
    touch(storage);
    EXPECT(PERMISSION, shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, NULL, NULL, &err));
    EXPECT(PERMISSION, shmalloc_storage_grow(storage, 8192, SHMALLOC_STREAM_DEFAULT, &err));
    shmalloc_storage_release(storage);
    EXPECT(OK, create(map, 0, 0, place(name), 0, &storage)); /* and privately written */
    fill(storage, 1);
    shmalloc_storage_release(storage);
  }
  SAME(before, own_prefix());
}

TEST(memory_of_another_user_comes_by_socket_only) {
  if (geteuid() != 0) SKIP("becoming somebody else needs root");
  begin();
  shmalloc_storage *nameless = NULL, *named = NULL, *storage = NULL;
  EXPECT(OK, create(map, 5000, 0, NULL, 0, &nameless));
  EXPECT(OK, create(map, 5000, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &named));
  fill(nameless, 1);
  fill(named, 2);
  uint8_t handles[2][SHMALLOC_HANDLE_MAX];
  size_t lengths[2] = {SHMALLOC_HANDLE_MAX, SHMALLOC_HANDLE_MAX};
  EXPECT(OK, shmalloc_storage_export(nameless, NULL, handles[0], &lengths[0], &err));
  EXPECT(OK, shmalloc_storage_export(named, NULL, handles[1], &lengths[1], &err));
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const pid_t child = fork_child();
  if (child == 0) {
    drop_rights();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char *before = picture(own_prefix());
    EXPECT(PERMISSION, shmalloc_storage_import(handles[0], lengths[0], NULL, 0, NULL, &storage, &err));
    SAYS("shmalloc_storage_send");
    EXPECT(PERMISSION, shmalloc_storage_import(handles[1], lengths[1], NULL, 0, NULL, &storage, &err));
    SAME(before, own_prefix());
    shmalloc_storage *got[2];
    size_t count = 2;
    EXPECT(OK, shmalloc_storage_receive(ends[1], NULL, got, &count, &err));
    CHECK(count == 2 && wrong_byte(got[0], 1) == SIZE_MAX && wrong_byte(got[1], 2) == SIZE_MAX);
    fill(got[0], 3);
    /* Who gave up his rights still shares what he makes. */
    EXPECT(OK, create(map, 5000, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &storage));
    shmalloc_storage_release(storage);
    EXPECT(OK, create(counted, 5000, 0, NULL, 0, &storage));
    shmalloc_storage_release(storage);
    EXPECT(OK, create(map, 5000, 0, NULL, 0, &storage));
    EXPECT(OK, shmalloc_storage_seal(storage, &err));
    shmalloc_import_params params = SHMALLOC_INIT(shmalloc_import_params);
    params.flags = SHMALLOC_IMPORT_SAME_USER;
    EXPECT(PERMISSION, shmalloc_storage_receive(ends[1], &params, got, &count, &err));
    _exit(0);
  }
  shmalloc_storage *const both[] = {nameless, named};
  EXPECT(OK, shmalloc_storage_send(ends[0], both, 2, NULL, &err));
  JOIN(child);
  CHECK(wrong_byte(nameless, 3) == SIZE_MAX);
}

RUN(cmocka_unit_test(a_taken_name_is_exists_and_untouched), cmocka_unit_test(what_is_no_file_is_invalid_and_not_harmed),
    cmocka_unit_test(a_handle_of_what_became_something_else_is_not_opened), cmocka_unit_test(files_of_others_are_permission),
    cmocka_unit_test(memory_of_another_user_comes_by_socket_only))
