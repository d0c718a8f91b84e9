/* PyTorch's seven mapping flags: every one of the 128 combinations, against what its rules say. */
#include <sys/stat.h>

#include "support.h"

enum { S = 1, M = 2, E = 4, N = 8, K = 16, F = 32, U = 64 };

static char path[64];
static char shm[64];
static char shm_file[80];

/* The two flags that contradict, or NULL: written down once more, not taken from the library. */
static const char *contradiction(unsigned flags) {
  if ((flags & S) && (flags & M)) return "SHARED contradicts SHAREDMEM";
  if ((flags & E) && (flags & N)) return "EXCLUSIVE contradicts NOCREATE";
  if ((flags & E) && (flags & F)) return "EXCLUSIVE contradicts FROMFD";
  if ((flags & U) && (flags & F)) return "UNLINK contradicts FROMFD";
  if ((flags & E) && !(flags & (S | M))) return "EXCLUSIVE needs SHARED or SHAREDMEM";
  return NULL;
}

static void fill(const char *file) {
  const int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "ABCDEFGH", 8), 8);
  assert_int_equal(ftruncate(fd, 8192), 0);
  close(fd);
}

static int exists(const char *file) { return access(file, F_OK) == 0; }

static char first_byte(const char *file) {
  char byte = 0;
  const int fd = open(file, O_RDONLY | O_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(read(fd, &byte, 1), 1);
  close(fd);
  return byte;
}

/* One combination on an object that exists (or not): checks opening, what writing reaches, the descriptor, the name while open and after. */
static void check(shmalloc_allocator *allocator, unsigned flags, int present) {
  unlink(path);
  unlink(shm_file);
  if (present) {
    fill(path);
    fill(shm_file);
  }
  const int in_shm = (flags & M) != 0;
  const char *file = in_shm ? shm_file : path;
  const struct held before = look();
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.mapped = flags;
  int fd = -1;
  if (flags & F) {
    fd = open(present ? file : "/nowhere", O_RDWR | O_CLOEXEC);
    params.fd = fd;
  } else {
    params.name = in_shm ? shm : path;
  }
  shmalloc_storage *storage = NULL;
  shmalloc_error error = {0};
  const shmalloc_status status = shmalloc_storage_create(allocator, 4096, 0, &params, &storage, &error);
  int expected = SHMALLOC_STATUS_OK;
  if (contradiction(flags) != NULL) {
    expected = SHMALLOC_STATUS_INVALID;
    assert_non_null(strstr(error.message, contradiction(flags)));
  } else if ((flags & F) && !present) {
    expected = SHMALLOC_STATUS_INVALID; /* descriptor -1 */
  } else if (flags & F) {
    expected = SHMALLOC_STATUS_OK;
  } else if ((flags & E) && present) {
    expected = SHMALLOC_STATUS_EXISTS;
  } else if (!present && ((flags & N) || !(flags & (S | M)))) {
    expected = SHMALLOC_STATUS_NOT_FOUND;
  }
  if (status != expected) fail_msg("flags %u present %d: %s: %s", flags, present, shmalloc_status_name(status), error.message);
  if (status != SHMALLOC_STATUS_OK) {
    assert_int_equal(exists(file), present); /* nothing made, nothing removed */
    if (fd >= 0) close(fd);
    if (fd >= 0) return;
    SAME(before);
    return;
  }
  const shmalloc_storage_info info = info_of(storage);
  /* What nothing else leads to keeps its descriptor. */
  const int keeps = (flags & K) || ((flags & (S | M)) && (flags & (F | U)));
  assert_int_equal(info.mapped & 127U, flags | (keeps ? K : 0));
  assert_int_equal(info.fd >= 0, keeps);
  if (keeps) assert_int_equal(fcntl(info.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  char *data = shmalloc_storage_data(storage);
  if (present) assert_memory_equal(data, "ABCDEFGH", 8);
  data[0] = 'z';
  if (!(flags & U)) assert_int_equal(first_byte(file), (flags & (S | M)) ? 'z' : 'A');
  assert_int_equal(exists(file), !(flags & U));
  shmalloc_storage_release(storage);
  /* Only the one who created a shm object removes its name at the end; files stay. */
  const int created = !present;
  assert_int_equal(exists(file), !(flags & U) && !(in_shm && created));
  if (fd >= 0) close(fd);
}

static void every_combination_means_one_thing(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  for (unsigned flags = 0; flags < 128; ++flags) {
    check(allocator, flags, 0);
    check(allocator, flags, 1);
  }
  unlink(path);
  unlink(shm_file);
  shmalloc_allocator_release(allocator);
}

static void ours_contradict_as_documented(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *storage = NULL;
  static const uint32_t own[] = {SHMALLOC_MAPPED_MEMFD, SHMALLOC_MAPPED_HUGETLB};
  static const uint32_t others[] = {S, M, E | S, N, F, U, SHMALLOC_MAPPED_READ_ONLY};
  for (size_t i = 0; i < 2; ++i) {
    for (size_t k = 0; k < sizeof others / sizeof *others; ++k) {
      FAILS(INVALID, "contradicts", map_named(allocator, 4096, own[i] | others[k], NULL, &storage, err));
    }
    FAILS(INVALID, "take no name", map_named(allocator, 4096, own[i], "name", &storage, err));
  }
  FAILS(INVALID, "EXCLUSIVE contradicts READ_ONLY",
        map_named(allocator, 1, S | E | SHMALLOC_MAPPED_READ_ONLY, path, &storage, err));
  FAILS(INVALID, "needs the name", map_named(allocator, 1, M | N, NULL, &storage, err));
  FAILS(INVALID, "SHARED needs the name", map_named(allocator, 1, S, NULL, &storage, err));
  FAILS(INVALID, "takes no name", map_named(allocator, 1, F, "name", &storage, err));
  FAILS(INVALID, "private view", map_named(allocator, 1, U, NULL, &storage, err));
  FAILS(UNSUPPORTED, "not known", map_named(allocator, 1, 1U << 20, NULL, &storage, err));
  FAILS(INVALID, "name of a shm object", map_named(allocator, 1, M, "/a/b", &storage, err));
  FAILS(INVALID, "name of a shm object", map_named(allocator, 1, M, "/", &storage, err));
  FAILS(INVALID, "name of a shm object", map_named(allocator, 1, M, "..", &storage, err));
  FAILS(INVALID, "path", map_named(allocator, 1, S, "", &storage, err));
  assert_null(storage);
  shmalloc_allocator_release(allocator);
}

static void memfd_is_what_you_get_for_nothing(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "prefix:shmtest");
  shmalloc_storage *storage = NULL;
  OK(map_named(allocator, 5000, 0, NULL, &storage, err));
  const shmalloc_storage_info info = info_of(storage);
  assert_int_equal(info.mapped, SHMALLOC_MAPPED_MEMFD | SHMALLOC_MAPPED_KEEPFD);
  assert_int_equal(info.state, SHMALLOC_STORAGE_STATE_SHARED | SHMALLOC_STORAGE_STATE_SEALED);
  char link[64];
  char target[128] = {0};
  snprintf(link, sizeof link, "/proc/self/fd/%d", info.fd);
  assert_true(readlink(link, target, sizeof target - 1) > 0);
  assert_string_equal(target, "/memfd:shmtest (deleted)");
  assert_int_equal(ftruncate(info.fd, 1), -1);
  assert_int_equal(ftruncate(info.fd, 100000), -1);
  struct stat status;
  assert_int_equal(fstat(info.fd, &status), 0);
  assert_int_equal(status.st_size, 5000);
  assert_true(status.st_blocks * 512 >= 5000); /* reserved */
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(allocator);
  SAME(before);
}

static void hugetlb_works_or_says_what_is_missing(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *storage = NULL;
  shmalloc_error error = {0};
  params.mapped = SHMALLOC_MAPPED_HUGETLB;
  params.page_size = 2 << 20;
  const shmalloc_status status = shmalloc_storage_create(allocator, 3 << 20, 0, &params, &storage, &error);
  if (status == SHMALLOC_STATUS_OK) {
    memset(shmalloc_storage_data(storage), 1, 3 << 20);
    assert_int_equal((uintptr_t)shmalloc_storage_data(storage) % (2 << 20), 0);
    assert_int_equal(info_of(storage).capacity, 4 << 20);
    shmalloc_storage_release(storage);
  } else {
    assert_true(status == SHMALLOC_STATUS_NO_SPACE || status == SHMALLOC_STATUS_UNSUPPORTED);
    assert_non_null(strstr(error.message, "huge pages of 2.00 MiB"));
  }
  params.page_size = 3 << 20;
  FAILS(INVALID, "page_size", shmalloc_storage_create(allocator, 1, 0, &params, &storage, err));
  params.page_size = 64 << 20; /* a power of two that no x86 has */
  assert_int_not_equal(shmalloc_storage_create(allocator, 1, 0, &params, &storage, NULL), SHMALLOC_STATUS_OK);
  params.mapped = 0;
  FAILS(INVALID, "HUGETLB", shmalloc_storage_create(allocator, 1, 0, &params, &storage, err));
  shmalloc_allocator_release(allocator);
  SAME(before);
}

int main(void) {
  snprintf(path, sizeof path, "%s", own("/tmp/shmalloc-test-flags"));
  snprintf(shm, sizeof shm, "%s", own("/shmalloc_flags"));
  snprintf(shm_file, sizeof shm_file, "/dev/shm%s", shm);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_combination_means_one_thing),
      cmocka_unit_test(ours_contradict_as_documented),
      cmocka_unit_test(memfd_is_what_you_get_for_nothing),
      cmocka_unit_test(hugetlb_works_or_says_what_is_missing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
