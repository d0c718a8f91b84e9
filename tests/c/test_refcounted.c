/* Kind MAP_REFCOUNTED: PyTorch's 64 bytes, its count, and who removes the name. */
#include <sys/mman.h>
#include <sys/stat.h>

#include "shmalloc/torch.h"
#include "support.h"

static shmalloc_allocator *allocator;
static int setup(void **state) {
  (void)state;
  allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, NULL);
  return 0;
}
static int teardown(void **state) {
  (void)state;
  shmalloc_allocator_release(allocator);
  return 0;
}

static int count_of(shmalloc_storage *storage) {
  int32_t count = -1;
  OK(shmalloc_torch_refcount(storage, 0, &count, err));
  return count;
}

static void name_of(shmalloc_storage *storage, char *file) {
  strcpy(file, "/dev/shm");
  size_t length = 200;
  OK(shmalloc_storage_get_name(storage, file + 8, &length, err));
}

static void layout_is_pytorchs(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_storage *storage = NULL;
  char file[220];
  OK(shmalloc_storage_create(allocator, 1000, 0, NULL, &storage, err));
  name_of(storage, file);
  memset(shmalloc_storage_data(storage), 'd', 1000);
  const int fd = open(file, O_RDONLY | O_CLOEXEC);
  struct stat status;
  assert_int_equal(fstat(fd, &status), 0);
  assert_int_equal(status.st_size, 1064);
  char bytes[1064];
  assert_int_equal(pread(fd, bytes, 1064, 0), 1064);
  int32_t count = 0;
  memcpy(&count, bytes, 4);
  assert_int_equal(count, 1);
  for (int i = 4; i < 64; ++i) assert_int_equal(bytes[i], 0);
  for (int i = 64; i < 1064; ++i) assert_int_equal(bytes[i], 'd');
  close(fd);
  assert_int_equal((uintptr_t)shmalloc_storage_data(storage) % 64, 0);
  shmalloc_storage_release(storage);
  SAME(before);
}

static void last_one_out_removes_the_name(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_storage *first = NULL;
  shmalloc_storage *second = NULL;
  char file[220];
  OK(shmalloc_storage_create(allocator, 100, 0, NULL, &first, err));
  name_of(first, file);
  OK(map_named(allocator, 100, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE, file + 8, &second, err));
  assert_int_equal(count_of(first), 2);
  strcpy(shmalloc_storage_data(first), "both");
  assert_string_equal(shmalloc_storage_data(second), "both");
  OK(shmalloc_storage_close(first, err)); /* the maker may go first */
  assert_int_equal(access(file, F_OK), 0);
  assert_int_equal(count_of(second), 1);
  OK(shmalloc_storage_close(second, err));
  assert_int_equal(access(file, F_OK), -1);
  OK(shmalloc_storage_close(second, err));
  FAILS(CLOSED, "closed", shmalloc_torch_refcount(second, 0, NULL, err));
  shmalloc_storage_release(first);
  shmalloc_storage_release(second);
  SAME(before);
}

static void a_count_of_zero_is_never_raised(void **state) {
  (void)state;
  shmalloc_storage *storage = NULL;
  shmalloc_storage *late = NULL;
  char file[220];
  int32_t count = 9;
  OK(shmalloc_storage_create(allocator, 100, 0, NULL, &storage, err));
  name_of(storage, file);
  OK(shmalloc_torch_refcount(storage, 3, &count, err));
  assert_int_equal(count, 4);
  FAILS(INVALID, "can't be lowered by 5", shmalloc_torch_refcount(storage, -5, &count, err));
  assert_int_equal(count, 4);
  FAILS(INVALID, "can't hold", shmalloc_torch_refcount(storage, INT32_MAX, &count, err));
  OK(shmalloc_torch_refcount(storage, -4, &count, err));
  assert_int_equal(count, 0);
  assert_int_equal(access(file, F_OK), 0); /* lowering removes nothing, closing does */
  FAILS(STALE, "being removed", shmalloc_torch_refcount(storage, 1, &count, err));
  const struct held before = look();
  FAILS(STALE, "being removed",
        map_named(allocator, 100, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE, file + 8, &late, err));
  SAME(before);
  assert_null(late);
  OK(shmalloc_storage_close(storage, err)); /* the count was taken from under us: an error of nobody's */
  shmalloc_storage_release(storage);
  unlink(file);
  FAILS(INVALID, "storage", shmalloc_torch_refcount(NULL, 1, &count, err));
  OK(shmalloc_storage_create(NULL, 100, 0, NULL, &storage, err));
  FAILS(UNSUPPORTED, "MAP_REFCOUNTED", shmalloc_torch_refcount(storage, 1, &count, err));
  shmalloc_storage_release(storage);
}

static void arguments_are_checked_before_anything_is_opened(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_storage *storage = NULL;
  static const uint32_t refused[] = {SHMALLOC_MAPPED_SHARED, SHMALLOC_MAPPED_KEEPFD, SHMALLOC_MAPPED_FROMFD,
                                     SHMALLOC_MAPPED_UNLINK, SHMALLOC_MAPPED_MEMFD,  SHMALLOC_MAPPED_READ_ONLY,
                                     SHMALLOC_MAPPED_HUGETLB};
  const char *name = own("/shmalloc_rc");
  for (size_t i = 0; i < sizeof refused / sizeof *refused; ++i) {
    FAILS(INVALID, "MAP_REFCOUNTED takes",
          map_named(allocator, 100, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_EXCLUSIVE | refused[i], name, &storage, err));
  }
  FAILS(INVALID, "needs EXCLUSIVE or NOCREATE", map_named(allocator, 100, SHMALLOC_MAPPED_SHAREDMEM, name, &storage, err));
  FAILS(INVALID, "contradicts",
        map_named(allocator, 100, SHMALLOC_MAPPED_EXCLUSIVE | SHMALLOC_MAPPED_NOCREATE, name, &storage, err));
  FAILS(NOT_FOUND, "opening", map_named(allocator, 100, SHMALLOC_MAPPED_NOCREATE, name, &storage, err));
  OK(map_named(allocator, 100, SHMALLOC_MAPPED_EXCLUSIVE, name, &storage, err));
  shmalloc_storage *again = NULL;
  FAILS(EXISTS, "naming", map_named(allocator, 100, SHMALLOC_MAPPED_EXCLUSIVE, name, &again, err));
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.file_offset = 4096;
  FAILS(INVALID, "file_offset", shmalloc_storage_create(allocator, 100, 0, &params, &again, err));
  params.file_offset = 0;
  params.capacity = 200;
  FAILS(INVALID, "grow", shmalloc_storage_create(allocator, 100, 0, &params, &again, err));
  params.capacity = 0;
  params.alignment = 4096;
  FAILS(INVALID, "alignment", shmalloc_storage_create(allocator, 100, 0, &params, &again, err));
  FAILS(UNSUPPORTED, "grow", shmalloc_storage_grow(storage, 200, 0, err));
  FAILS(UNSUPPORTED, "seal", shmalloc_storage_seal(storage, err));
  shmalloc_storage_release(storage);
  SAME(before);
}

static void size_zero_attaches_to_all_of_it(void **state) {
  (void)state;
  shmalloc_storage *maker = NULL;
  shmalloc_storage *other = NULL;
  char file[220];
  OK(shmalloc_storage_create(allocator, 5000, 0, NULL, &maker, err));
  name_of(maker, file);
  OK(map_named(allocator, 0, SHMALLOC_MAPPED_NOCREATE, file + 8, &other, err));
  assert_int_equal(shmalloc_storage_size(other), 5000);
  shmalloc_storage_release(other);
  shmalloc_storage_release(maker);
}

static void handles_join_the_count(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_export_params to = SHMALLOC_INIT(shmalloc_export_params);
  shmalloc_import_params from = SHMALLOC_INIT(shmalloc_import_params);
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  shmalloc_storage *maker = NULL;
  shmalloc_storage *other = NULL;
  OK(shmalloc_storage_create(allocator, 100, 0, NULL, &maker, err));
  to.ttl_ns = SHMALLOC_TIME_NONE;
  OK(shmalloc_storage_export(maker, &to, handle, &length, err));
  assert_int_equal(count_of(maker), 1);
  OK(shmalloc_storage_import(handle, length, NULL, 0, NULL, &other, err));
  assert_int_equal(count_of(maker), 2);
  assert_int_equal(info_of(other).kind, SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED);
  shmalloc_storage_release(other);
  assert_int_equal(count_of(maker), 1);

  /* PyTorch's form, as its pickles count: one for the message, which the receiver takes over. */
  to.format = from.format = SHMALLOC_HANDLE_FORMAT_TORCH_FILE;
  to.flags = SHMALLOC_EXPORT_COUNTED;
  from.flags = SHMALLOC_IMPORT_COUNTED;
  length = 3;
  FAILS(NO_SPACE, "handle", shmalloc_storage_export(maker, &to, handle, &length, err));
  assert_int_equal(count_of(maker), 1); /* asking for the length counts nothing */
  length = sizeof handle;
  OK(shmalloc_storage_export(maker, &to, handle, &length, err));
  assert_int_equal(count_of(maker), 2);
  assert_int_equal(handle[0], '\n'); /* no manager */
  OK(shmalloc_storage_import(handle, length, NULL, 0, &from, &other, err));
  assert_int_equal(count_of(maker), 2);
  memset(shmalloc_storage_data(other), 1, 100);
  shmalloc_storage_release(maker);
  assert_int_equal(count_of(other), 1);
  shmalloc_storage_release(other);
  SAME(before);

  static const char *const bad[] = {
      "", "a", "a\nb", "\n/x\n", "\n/x\nabc", "\nx\n10", "\n/x/y\n10", "\n/x\n-1", "\n/x\n99999999999999999999"};
  from.flags = 0;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    const shmalloc_status status = shmalloc_storage_import((const uint8_t *)bad[i], strlen(bad[i]), NULL, 0, &from, &other, NULL);
    assert_true(status == SHMALLOC_STATUS_CORRUPT || status == SHMALLOC_STATUS_INVALID);
  }
  const char *gone = "\n/shmalloc_no_such_object\n10";
  FAILS(NOT_FOUND, "no_such", shmalloc_storage_import((const uint8_t *)gone, strlen(gone), NULL, 0, &from, &other, err));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(layout_is_pytorchs),
      cmocka_unit_test(last_one_out_removes_the_name),
      cmocka_unit_test(a_count_of_zero_is_never_raised),
      cmocka_unit_test(arguments_are_checked_before_anything_is_opened),
      cmocka_unit_test(size_zero_attaches_to_all_of_it),
      cmocka_unit_test(handles_join_the_count),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
