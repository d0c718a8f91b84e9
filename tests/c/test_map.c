/* Sizing, names, descriptors and files of kind MAP. */
#include <signal.h>
#include <sys/stat.h>

#include "support.h"

static char path[64];

static void write_file(const char *text, off_t size) {
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  assert_int_equal(ftruncate(fd, size), 0);
  close(fd);
}

static off_t file_size(const char *file) {
  struct stat status;
  assert_int_equal(stat(file, &status), 0);
  return status.st_size;
}

static shmalloc_allocator *allocator;
static int setup(void **state) {
  (void)state;
  snprintf(path, sizeof path, "%s", own("/tmp/shmalloc-test-map"));
  allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  return 0;
}
static int teardown(void **state) {
  (void)state;
  shmalloc_allocator_release(allocator);
  unlink(path);
  return 0;
}

static void growing_a_file_changes_no_byte(void **state) {
  (void)state;
  write_file("ABCDEFGH", 8);
  shmalloc_storage *storage = NULL;
  OK(map_named(allocator, 10000, SHMALLOC_MAPPED_SHARED, path, &storage, err));
  assert_memory_equal(shmalloc_storage_data(storage), "ABCDEFGH\0\0", 10);
  assert_int_equal(file_size(path), 10000);
  shmalloc_storage_release(storage);
  assert_int_equal(file_size(path), 10000);
  OK(map_named(allocator, 4, SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_NOCREATE, path, &storage, err)); /* a part of it */
  assert_int_equal(shmalloc_storage_size(storage), 4);
  assert_int_equal(file_size(path), 10000);
  shmalloc_storage_release(storage);
}

static void what_may_not_grow_is_no_space_and_stays(void **state) {
  (void)state;
  write_file("ABCDEFGH", 8);
  shmalloc_storage *storage = NULL;
  FAILS(NO_SPACE, "8 bytes", map_named(allocator, 9, SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_NO_GROW, path, &storage, err));
  FAILS(NO_SPACE, "may not grow", map_named(allocator, 9, 0, path, &storage, err));
  FAILS(NO_SPACE, "may not grow", map_named(allocator, 9, SHMALLOC_MAPPED_KEEPFD, path, &storage, err));
  FAILS(NO_SPACE, "may not grow", map_named(allocator, 9, SHMALLOC_MAPPED_READ_ONLY, path, &storage, err));
  assert_int_equal(file_size(path), 8);
  assert_null(storage);
  /* When mapping fails after the file was made longer, it gets its length back. */
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.name = path;
  params.mapped = SHMALLOC_MAPPED_SHARED;
  params.capacity = UINT64_C(1) << 61;
  assert_int_not_equal(shmalloc_storage_create(allocator, 100, 0, &params, &storage, NULL), SHMALLOC_STATUS_OK);
  assert_int_equal(file_size(path), 8);
}

static void size_zero_maps_what_exists(void **state) {
  (void)state;
  write_file("ABCDEFGH", 12345);
  shmalloc_storage *storage = NULL;
  static const uint32_t flags[] = {SHMALLOC_MAPPED_SHARED, 0, SHMALLOC_MAPPED_READ_ONLY,
                                   SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_READ_ONLY};
  for (size_t i = 0; i < 4; ++i) {
    OK(map_named(allocator, 0, flags[i], path, &storage, err));
    assert_int_equal(shmalloc_storage_size(storage), 12345);
    assert_memory_equal(shmalloc_storage_data(storage), "ABCDEFGH", 8);
    shmalloc_storage_release(storage);
  }
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.name = path;
  params.file_offset = (uint64_t)sysconf(_SC_PAGESIZE);
  OK(shmalloc_storage_create(allocator, 0, 0, &params, &storage, err));
  assert_int_equal(shmalloc_storage_size(storage), 12345 - sysconf(_SC_PAGESIZE));
  shmalloc_storage_release(storage);
  params.file_offset = 1 << 20;
  FAILS(NO_SPACE, "too short", shmalloc_storage_create(allocator, 0, 0, &params, &storage, err));
  params.file_offset = 17;
  FAILS(INVALID, "file_offset", shmalloc_storage_create(allocator, 0, 0, &params, &storage, err));
}

static void file_offset_reaches_the_right_bytes(void **state) {
  (void)state;
  const long page = sysconf(_SC_PAGESIZE);
  write_file("first", page);
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *storage = NULL;
  params.name = path;
  params.mapped = SHMALLOC_MAPPED_SHARED;
  params.file_offset = (uint64_t)page;
  OK(shmalloc_storage_create(allocator, 100, 0, &params, &storage, err));
  strcpy(shmalloc_storage_data(storage), "second");
  shmalloc_storage_release(storage);
  assert_int_equal(file_size(path), page + 100);
  char bytes[7] = {0};
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  assert_int_equal(pread(fd, bytes, 6, page), 6);
  assert_string_equal(bytes, "second");
  assert_int_equal(pread(fd, bytes, 5, 0), 5);
  assert_memory_equal(bytes, "first", 5);
  close(fd);
}

static void private_view_writes_reach_nobody(void **state) {
  (void)state;
  write_file("ABCDEFGH", 4096);
  shmalloc_storage *storage = NULL;
  OK(map_named(allocator, 4096, 0, path, &storage, err));
  ((char *)shmalloc_storage_data(storage))[0] = 'x';
  char byte = 0;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  assert_int_equal(read(fd, &byte, 1), 1);
  assert_int_equal(byte, 'A');
  close(fd);
  assert_int_equal(info_of(storage).state, 0); /* neither shared nor safe from truncation */
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  FAILS(UNSUPPORTED, "share", shmalloc_storage_export(storage, NULL, handle, &length, err));
  FAILS(UNSUPPORTED, "private view", shmalloc_storage_grow(storage, 5000, 0, err));
  OK(shmalloc_storage_share(storage, NULL, 0, err)); /* what was written goes along */
  assert_memory_equal(shmalloc_storage_data(storage), "xBCDEFGH", 8);
  shmalloc_storage_release(storage);
}

static void read_only_maps_refuse_writers(void **state) {
  (void)state;
  write_file("ABCDEFGH", 4096);
  shmalloc_storage *storage = NULL;
  OK(map_named(allocator, 4096, SHMALLOC_MAPPED_READ_ONLY | SHMALLOC_MAPPED_KEEPFD, path, &storage, err));
  assert_int_not_equal(info_of(storage).state & SHMALLOC_STORAGE_STATE_READ_ONLY, 0);
  FAILS(PERMISSION, "read-only", shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, NULL, NULL, err));
  OK(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_DEFAULT, NULL, NULL, err));
  shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_DEFAULT);
  assert_int_equal(info_of(storage).pins, 0);
  FAILS(PERMISSION, "read-only", shmalloc_storage_copy(storage, 0, storage, 0, 1, 0, 0, err));
  IN_CHILD({
    const pid_t writer = fork();
    if (writer == 0) {
      signal(SIGSEGV, SIG_DFL);                                   /* not cmocka's */
      ((volatile char *)shmalloc_storage_data(storage))[0] = 'x'; /* faults */
      _exit(0);
    }
    int status = 0;
    waitpid(writer, &status, 0);
    result = status == 0; /* a sanitizer turns the signal into an exit code */
  });
  shmalloc_storage_release(storage);
  FAILS(NOT_FOUND, "opening", map_named(allocator, 0, SHMALLOC_MAPPED_READ_ONLY, "/tmp/shmalloc-test-none", &storage, err));
}

static void fromfd_takes_a_copy_of_the_descriptor(void **state) {
  (void)state;
  write_file("ABCDEFGH", 8);
  const struct held before = look();
  int fd = open(path, O_RDWR | O_CLOEXEC);
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *storage = NULL;
  params.mapped = SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_FROMFD | SHMALLOC_MAPPED_KEEPFD;
  params.fd = fd;
  assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
  OK(shmalloc_storage_create(allocator, 100, 0, &params, &storage, err)); /* grows, touches no byte, moves no offset */
  assert_memory_equal(shmalloc_storage_data(storage), "ABCDEFGH", 8);
  assert_int_equal(lseek(fd, 0, SEEK_CUR), 3);
  assert_int_not_equal(info_of(storage).fd, fd);
  close(fd);
  memset(shmalloc_storage_data(storage), 'y', 100);
  shmalloc_storage_release(storage);
  params.mapped = SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_FROMFD;
  fd = open(path, O_RDONLY | O_CLOEXEC);
  params.fd = fd;
  FAILS(PERMISSION, "reading only", shmalloc_storage_create(allocator, 100, 0, &params, &storage, err));
  params.mapped = SHMALLOC_MAPPED_FROMFD;
  OK(shmalloc_storage_create(allocator, 100, 0, &params, &storage, err)); /* a private view of it */
  ((char *)shmalloc_storage_data(storage))[0] = 'p';
  shmalloc_storage_release(storage);
  params.mapped = SHMALLOC_MAPPED_FROMFD | SHMALLOC_MAPPED_READ_ONLY;
  OK(shmalloc_storage_create(allocator, 0, 0, &params, &storage, err));
  assert_int_equal(((char *)shmalloc_storage_data(storage))[0], 'y');
  shmalloc_storage_release(storage);
  close(fd);
  fd = open(path, O_WRONLY | O_CLOEXEC);
  params.fd = fd;
  FAILS(PERMISSION, "can't be read", shmalloc_storage_create(allocator, 0, 0, &params, &storage, err));
  close(fd);
  FAILS(INVALID, "duplicating", shmalloc_storage_create(allocator, 0, 0, &params, &storage, err)); /* closed by now */
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  params.fd = ends[0];
  FAILS(INVALID, "neither a file", shmalloc_storage_create(allocator, 0, 0, &params, &storage, err));
  close(ends[0]);
  close(ends[1]);
  SAME(before);
}

static void names_are_new_unguessable_and_fork_safe(void **state) {
  (void)state;
  char one[128];
  char two[128];
  size_t length = sizeof one;
  OK(shmalloc_make_name("data", one, &length, err));
  assert_int_equal(length, strlen(one) + 1);
  assert_memory_equal(one, "/data_", 6);
  length = sizeof two;
  OK(shmalloc_make_name(NULL, two, &length, err));
  assert_memory_equal(two, "/shmalloc_", 10);
  length = sizeof two;
  OK(shmalloc_make_name("data", two, &length, err));
  assert_string_not_equal(one, two);
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  IN_CHILD({
    char mine[128] = {0};
    size_t room = sizeof mine;
    result =
        shmalloc_make_name("data", mine, &room, NULL) != SHMALLOC_STATUS_OK || write(ends[1], mine, sizeof mine) != sizeof mine;
  });
  assert_int_equal(read(ends[0], two, sizeof two), sizeof two);
  close(ends[0]);
  close(ends[1]);
  length = sizeof one;
  OK(shmalloc_make_name("data", one, &length, err));
  assert_string_not_equal(one, two);
  length = 5;
  FAILS(NO_SPACE, "name", shmalloc_make_name("data", one, &length, err));
  FAILS(INVALID, "prefix", shmalloc_make_name("", one, &length, err));
  FAILS(INVALID, "prefix", shmalloc_make_name("a b", one, &length, err));
}

static void new_shm_object_has_a_name_until_its_maker_closes_it(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_storage *maker = NULL;
  shmalloc_storage *other = NULL;
  char name[128];
  char file[160];
  size_t length = sizeof name;
  OK(map_named(allocator, 4096, SHMALLOC_MAPPED_SHAREDMEM, NULL, &maker, err));
  OK(shmalloc_storage_get_name(maker, name, &length, err));
  assert_int_equal(length, strlen(name) + 1);
  assert_memory_equal(name, "/shmalloc_", 10);
  snprintf(file, sizeof file, "/dev/shm%s", name);
  struct stat status;
  assert_int_equal(stat(file, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0600);
  OK(map_named(allocator, 4096, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE, name, &other, err));
  strcpy(shmalloc_storage_data(maker), "seen");
  assert_string_equal(shmalloc_storage_data(other), "seen");
  shmalloc_storage_release(other);
  assert_int_equal(access(file, F_OK), 0); /* attaching and leaving removes nothing */
  length = 3;
  FAILS(NO_SPACE, "name", shmalloc_storage_get_name(maker, name, &length, err));
  /* A name that somebody removed, or gave to another object, is no failure, and the other object stays. */
  unlink(file);
  const int stranger = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  assert_true(stranger >= 0);
  OK(shmalloc_storage_close(maker, err));
  assert_int_equal(access(file, F_OK), 0);
  close(stranger);
  unlink(file);
  shmalloc_storage_release(maker);
  SAME(before);
}

static void unlinked_shm_is_what_pytorch_sends_by_descriptor(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_storage *storage = NULL;
  OK(map_named(allocator, 4096,
               SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_EXCLUSIVE | SHMALLOC_MAPPED_KEEPFD | SHMALLOC_MAPPED_UNLINK, NULL,
               &storage, err));
  assert_int_equal(look().names, before.names);
  const shmalloc_storage_info info = info_of(storage);
  assert_true(info.fd >= 0);
  assert_int_not_equal(info.state & SHMALLOC_STORAGE_STATE_SHARED, 0);
  char name[16];
  size_t length = sizeof name;
  FAILS(NOT_FOUND, "no name", shmalloc_storage_get_name(storage, name, &length, err));
  shmalloc_storage_release(storage);
  /* The descriptor is kept without being asked for: nothing else leads there any more. */
  OK(map_named(allocator, 4096, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_UNLINK, NULL, &storage, err));
  assert_int_not_equal(info_of(storage).state & SHMALLOC_STORAGE_STATE_SHARED, 0);
  shmalloc_storage_release(storage);
  SAME(before);
}

static void mode_and_alignment_are_as_asked(void **state) {
  (void)state;
  unlink(path);
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *storage = NULL;
  const mode_t mask = umask(0);
  params.name = path;
  params.mapped = SHMALLOC_MAPPED_SHARED;
  params.mode = 0644;
  params.alignment = 1 << 21;
  OK(shmalloc_storage_create(allocator, 10000, 0, &params, &storage, err));
  assert_int_equal((uintptr_t)shmalloc_storage_data(storage) % (1 << 21), 0);
  memset(shmalloc_storage_data(storage), 1, 10000);
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0644);
  umask(mask);
  shmalloc_storage_release(storage);
  params.mode = 010000;
  FAILS(INVALID, "mode", shmalloc_storage_create(allocator, 1, 0, &params, &storage, err));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(growing_a_file_changes_no_byte),
      cmocka_unit_test(what_may_not_grow_is_no_space_and_stays),
      cmocka_unit_test(size_zero_maps_what_exists),
      cmocka_unit_test(file_offset_reaches_the_right_bytes),
      cmocka_unit_test(private_view_writes_reach_nobody),
      cmocka_unit_test(read_only_maps_refuse_writers),
      cmocka_unit_test(fromfd_takes_a_copy_of_the_descriptor),
      cmocka_unit_test(names_are_new_unguessable_and_fork_safe),
      cmocka_unit_test(new_shm_object_has_a_name_until_its_maker_closes_it),
      cmocka_unit_test(unlinked_shm_is_what_pytorch_sends_by_descriptor),
      cmocka_unit_test(mode_and_alignment_are_as_asked),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
