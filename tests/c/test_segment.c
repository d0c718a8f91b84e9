/* Storages in segments, as other processes see them. */
#include "handles.h"

/* Of a segment there are two, its control and its data, which lead to all that lies in it. */
static void descriptors_of_a_segment_lead_to_its_storages(void **state) {
  (void)state;
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  struct {
    struct handle handle;
    int32_t fds[2], wrong[2];
  } told;
  const pid_t child = fork(); /* one that has not mapped the segments */
  if (child == 0) {
    shmalloc_storage *storage = NULL;
    CHILD_CHECK(read(ends[0], &told, sizeof told) == sizeof told);
    const int32_t numbers[4] = {told.fds[0], told.fds[1], told.wrong[0], told.wrong[1]};
    int32_t opened[4];
    for (int i = 0; i < 4; ++i) {
      char path[64];
      snprintf(path, sizeof path, "/proc/%d/fd/%d", getppid(), numbers[i]);
      opened[i] = open(path, O_RDWR | O_CLOEXEC);
      CHILD_CHECK(opened[i] >= 0);
    }
    const struct handle *handle = &told.handle;
    const int32_t swapped[2] = {opened[1], opened[0]};
    const int32_t mixed[2] = {opened[0], opened[3]};
    CHILD_CHECK(import_of(handle, 0, &storage, NULL) == SHMALLOC_STATUS_INVALID);
    CHILD_CHECK(shmalloc_storage_import(handle->bytes, handle->length, opened, 1, NULL, &storage, NULL) == SHMALLOC_STATUS_INVALID);
    CHILD_CHECK(shmalloc_storage_import(handle->bytes, handle->length, swapped, 2, NULL, &storage, NULL) ==
                SHMALLOC_STATUS_CORRUPT);
    CHILD_CHECK(shmalloc_storage_import(handle->bytes, handle->length, mixed, 2, NULL, &storage, NULL) == SHMALLOC_STATUS_CORRUPT);
    CHILD_CHECK(shmalloc_storage_import(handle->bytes, handle->length, opened + 2, 2, NULL, &storage, NULL) != SHMALLOC_STATUS_OK);
    CHILD_CHECK(shmalloc_storage_import(handle->bytes, handle->length, opened, 2, NULL, &storage, NULL) == SHMALLOC_STATUS_OK);
    CHILD_CHECK(strcmp(shmalloc_storage_data(storage), "in a segment") == 0);
    strcpy(shmalloc_storage_data(storage), "seen by another");
    shmalloc_storage_release(storage);
    _exit(0);
  }
  shmalloc_allocator *shared = make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, NULL);
  shmalloc_allocator *elsewhere = make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, NULL);
  shmalloc_storage *storage = NULL;
  shmalloc_storage *other = NULL;
  OK(shmalloc_storage_create(shared, 4096, 0, NULL, &storage, err));
  OK(shmalloc_storage_create(elsewhere, 4096, 0, NULL, &other, err));
  assert_int_equal(info_of(storage).fd, -1); /* none leads to the storage alone */
  strcpy(shmalloc_storage_data(storage), "in a segment");
  told.handle = export_of(storage, SHMALLOC_EXPORT_DESCRIPTOR, SHMALLOC_TIME_NONE);
  assert_int_equal(handle_info(&told.handle).route, SHMALLOC_HANDLE_ROUTE_DESCRIPTOR);
  assert_int_equal(handle_info(&told.handle).kind, SHMALLOC_ALLOCATOR_KIND_SHARED);
  size_t count = 1;
  FAILS(NO_SPACE, "has 2 descriptors", shmalloc_storage_export_fds(storage, NULL, told.fds, &count, err));
  assert_int_equal(count, 2);
  OK(shmalloc_storage_export_fds(storage, NULL, told.fds, &count, err));
  OK(shmalloc_storage_export_fds(other, NULL, told.wrong, &count, err));
  assert_int_equal(count, 2);
  assert_int_equal(fcntl(told.fds[0], F_GETFD) & fcntl(told.fds[1], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  assert_int_equal(write(ends[1], &told, sizeof told), sizeof told);
  int result = 0;
  assert_int_equal(waitpid(child, &result, 0), child);
  assert_int_equal(result, 0);
  assert_string_equal(shmalloc_storage_data(storage), "seen by another");
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.flags = SHMALLOC_EXPORT_READ_ONLY;
  int32_t none[2];
  FAILS(UNSUPPORTED, "ISOLATED", shmalloc_storage_export_fds(storage, &params, none, &count, err));
  params.flags = 0;
  params.format = SHMALLOC_HANDLE_FORMAT_TORCH_FD; /* PyTorch would map the first one, the control, and write there */
  count = 0;
  FAILS(UNSUPPORTED, "PyTorch", shmalloc_storage_export_fds(storage, &params, NULL, &count, err));
  count = 2;
  FAILS(UNSUPPORTED, "PyTorch", shmalloc_storage_export_fds(storage, &params, none, &count, err));
  FAILS(UNSUPPORTED, "PyTorch", shmalloc_storage_export(storage, &params, NULL, &count, err));
  for (int i = 0; i < 2; ++i) {
    close(told.fds[i]);
    close(told.wrong[i]);
    close(ends[i]);
  }
  shmalloc_storage_release(storage);
  shmalloc_storage_release(other);
  shmalloc_allocator_release(shared);
  shmalloc_allocator_release(elsewhere);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(descriptors_of_a_segment_lead_to_its_storages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
