/* Kind SHARED where something is used up: an error in words, nothing lost, and it goes on when there is room again. */
#include "shared.h"

static void set_limit(int resource, rlim_t soft) {
  struct rlimit limit;
  getrlimit(resource, &limit);
  limit.rlim_cur = soft;
  CHILD_CHECK(setrlimit(resource, &limit) == 0);
}
/* Until it is refused; how many. */
static int make_until(shmalloc_allocator *allocator, size_t size, shmalloc_storage **made, int most, shmalloc_error *error) {
  int count = 0;
  while (count < most && shmalloc_storage_create(allocator, size, 0, NULL, &made[count], error) == 0) {
    fill(made[count], (unsigned)count);
    ++count;
  }
  return count;
}

static void little_address_space(int socket) {
  static shmalloc_storage *made[2000];
  struct rlimit limit;
  shmalloc_error error = {0};
  getrlimit(RLIMIT_AS, &limit);
  uint64_t pages = 0;
  FILE *statm = fopen("/proc/self/statm", "re");
  CHILD_CHECK(statm != NULL && fscanf(statm, "%" SCNu64, &pages) == 1);
  fclose(statm);
  set_limit(RLIMIT_AS, pages * 4096 + (200 << 20));
  shmalloc_allocator *allocator = make_shared("export_ttl_ms:0"); /* 16 GiB are not to be had: it takes what it gets */
  const int count = make_until(allocator, 1 << 20, made, 2000, &error);
  CHILD_CHECK(count >= 32 && count < 200);
  CHILD_CHECK(error.status == SHMALLOC_STATUS_NO_MEMORY && error.message[0] != '\0');
  for (int i = 0; i < count; ++i) CHILD_CHECK(intact(made[i], (unsigned)i));
  for (int i = 0; i < count; ++i) shmalloc_storage_release(made[i]);
  CHILD_CHECK(make_until(allocator, 1 << 20, made, count, &error) == count);
  for (int i = 0; i < count; ++i) shmalloc_storage_release(made[i]);
  trim(allocator);
  CHILD_CHECK(segments().count == 0);
  set_limit(RLIMIT_AS, limit.rlim_cur);
  (void)socket;
}

static void short_files(int socket) {
  static shmalloc_storage *made[64];
  shmalloc_error error = {0};
  set_limit(RLIMIT_FSIZE, 20 << 20);
  signal(SIGXFSZ, SIG_DFL);
  shmalloc_allocator *allocator = make_shared("export_ttl_ms:0");
  const int count = make_until(allocator, 3 << 20, made, 64, &error); /* many short segments then */
  CHILD_CHECK(count == 64);
  for (int i = 0; i < count; ++i) CHILD_CHECK(intact(made[i], (unsigned)i));
  for (int i = 0; i < count; ++i) shmalloc_storage_release(made[i]);
  FAILS(NO_SPACE, "RLIMIT_FSIZE", shmalloc_storage_create(allocator, 30 << 20, 0, NULL, made, err));
  set_limit(RLIMIT_FSIZE, 1 << 20);
  trim(allocator);
  FAILS(NO_SPACE, "RLIMIT_FSIZE", shmalloc_storage_create(allocator, 3 << 20, 0, NULL, made, err));
  set_limit(RLIMIT_FSIZE, RLIM_INFINITY);
  OK(shmalloc_storage_create(allocator, 30 << 20, 0, NULL, made, err));
  shmalloc_storage_release(made[0]);
  trim(allocator);
  CHILD_CHECK(segments().count == 0);
  (void)socket;
}

static int take_all_descriptors(int *fds, int most) {
  int count = 0;
  while (count < most && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) ++count;
  return count;
}

static void no_descriptors(int socket) {
  static int fds[64];
  struct handle handle;
  shmalloc_storage *storage = NULL, *held = NULL;
  CHILD_CHECK(hear(socket, &handle, sizeof handle));
  shmalloc_allocator *allocator = make_shared(NULL);
  OK(shmalloc_storage_create(allocator, 100, 0, NULL, &storage, err)); /* finds out where pages come from */
  shmalloc_storage_release(storage);
  trim(allocator);
  set_limit(RLIMIT_NOFILE, 48);
  for (int left = 0; left < 6; ++left) { /* it fails at each of the descriptors that it needs */
    int count = take_all_descriptors(fds, 64);
    for (int i = 0; i < left; ++i) close(fds[--count]);
    const struct held before = look();
    shmalloc_error error = {0};
    int status = import_of(&handle, 0, &held, &error);
    if (status == SHMALLOC_STATUS_OK) {
      CHILD_CHECK(intact(held, 1));
      shmalloc_storage_release(held);
      OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
    } else {
      if (status != SHMALLOC_STATUS_NO_SPACE || strstr(error.message, "ulimit -n") == NULL) {
        fprintf(stderr, "%d left: %s: %s\n", left, shmalloc_status_name(status), error.message);
        _exit(1);
      }
      CHILD_CHECK(look().descriptors == before.descriptors && look().mappings == before.mappings);
    }
    status = shmalloc_storage_create(allocator, 100, 0, NULL, &storage, &error);
    if (status == SHMALLOC_STATUS_OK) {
      shmalloc_storage_release(storage);
      trim(allocator);
    } else {
      CHILD_CHECK(status == SHMALLOC_STATUS_NO_SPACE && strstr(error.message, "ulimit -n") != NULL);
      CHILD_CHECK(look().descriptors == before.descriptors && look().mappings == before.mappings);
    }
    while (count > 0) close(fds[--count]);
  }
  held = import_in_peer(&handle);
  CHILD_CHECK(intact(held, 1));
  /* What is mapped already needs none any more, and a fork that finds none loses nothing. */
  OK(shmalloc_storage_create(allocator, 100, 0, NULL, &storage, err));
  fill(storage, 2);
  const int count = take_all_descriptors(fds, 64);
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 50; ++i) {
      CHILD_CHECK(intact(held, 1) && intact(storage, 2));
      usleep(1000);
    }
    _exit(0);
  }
  shmalloc_storage_release(held);
  shmalloc_storage_release(storage);
  for (unsigned i = 0; i < 100; ++i) shmalloc_storage_release(make_filled(allocator, 100, 100 + i));
  signal_peer(socket);
  int status = 0;
  waitpid(child, &status, 0);
  CHILD_CHECK(status == 0);
  for (int i = 0; i < count; ++i) close(fds[i]);
  await_peer(socket);
}

static void in_a_process_of_its_own(void (*body)(int socket)) { end_peer(begin_peer(body)); }

static void a_small_address_space_is_enough(void **state) {
  (void)state;
  if (ASAN || TSAN) return; /* their shadows are address space */
  in_a_process_of_its_own(little_address_space);
}

static void files_of_limited_length_are_enough(void **state) {
  (void)state;
  in_a_process_of_its_own(short_files);
}

static void a_full_table_of_descriptors_is_told(void **state) {
  (void)state;
  struct peer peer = begin_peer(no_descriptors);
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 1), *anchor = make_filled(allocator, 5000, 0);
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  tell(peer.socket, &handle, sizeof handle);
  await_peer(peer.socket);
  shmalloc_storage_release(storage);
  trim(allocator);
  for (unsigned i = 0; i < 100; ++i) shmalloc_storage_release(make_filled(allocator, 5000, i));
  signal_peer(peer.socket);
  end_peer(peer);
  shmalloc_storage_release(anchor);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

/* An application closes all descriptors, as daemons do, and opens its own under the same numbers. */
static void close_all_and_go_on(int socket) {
  char path[] = "/tmp/shmalloc-test-XXXXXX";
  struct handle handle;
  CHILD_CHECK(hear(socket, &handle, sizeof handle));
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 1), *held = import_in_peer(&handle), *large = NULL;
  export_of(storage, 0, 0);
  const int file = mkstemp(path);
  static char bytes[4 << 20];
  memset(bytes, 7, sizeof bytes);
  CHILD_CHECK(file >= 0 && write(file, bytes, sizeof bytes) == (ssize_t)sizeof bytes);
  for (int fd = 3; fd < 64; ++fd) {
    if (fd != socket && fd != file) dup2(file, fd);
  }
  struct stat before, after;
  fstat(file, &before);
  CHILD_CHECK(intact(storage, 1) && intact(held, 1));
  shmalloc_storage_release(held);
  shmalloc_error error = {0};
  if (shmalloc_storage_create(allocator, 50 << 20, 0, NULL, &large, &error) == 0) shmalloc_storage_release(large);
  shmalloc_storage_release(storage);
  const pid_t child = fork();
  if (child == 0) {
    trim(allocator);
    _exit(0);
  }
  waitpid(child, NULL, 0);
  trim(allocator);
  OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
  CHILD_CHECK(fstat(open(path, O_RDONLY), &after) == 0); /* theirs is as it was */
  CHILD_CHECK(before.st_size == after.st_size && before.st_blocks == after.st_blocks);
  unlink(path);
}

static void descriptors_that_were_closed_are_not_touched(void **state) {
  (void)state;
  struct peer peer = begin_peer(close_all_and_go_on);
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 1);
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  tell(peer.socket, &handle, sizeof handle);
  end_peer(peer);
  shmalloc_storage_release(storage);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_small_address_space_is_enough),
      cmocka_unit_test(files_of_limited_length_are_enough),
      cmocka_unit_test(a_full_table_of_descriptors_is_told),
      cmocka_unit_test(descriptors_that_were_closed_are_not_touched),
  };
  return cmocka_run_group_tests_name("shared_limits", tests, NULL, NULL);
}
