/* Segments with names: their handles are bytes that lead to them from everywhere, and no name outlives those who use it. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include "shared.h"

static const char *named_config(void) {
  static char text[96];
  snprintf(text, sizeof text, "named:1,growth:0,export_ttl_ms:0,prefix:%s", own("named"));
  return text;
}

static int names(void) { return count_directory("/dev/shm", own("named")); }

static void bytes_lead_to_it_by_name(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *allocator = make_shared(named_config());
  shmalloc_storage *storage = make_filled(allocator, 5000, 3), *again = NULL;
  assert_int_equal(names(), 2); /* control and data */
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  shmalloc_handle_info info = SHMALLOC_INIT(shmalloc_handle_info);
  OK(shmalloc_handle_get_info(handle.bytes, handle.length, &info, err));
  assert_int_equal(info.route, SHMALLOC_HANDLE_ROUTE_SHM);
  IN_CHILD({
    shmalloc_storage_release(storage);
    CHILD_CHECK(import_of(&handle, 0, &again, NULL) == SHMALLOC_STATUS_OK);
    CHILD_CHECK(intact(again, 3));
    shmalloc_storage_release(again);
  });
  /* Descriptors are for those who need not trust the sender. */
  int32_t fds[2];
  size_t count = 2, length = SHMALLOC_HANDLE_MAX;
  uint8_t bytes[SHMALLOC_HANDLE_MAX];
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.flags = SHMALLOC_EXPORT_DESCRIPTOR;
  FAILS(UNSUPPORTED, "names", shmalloc_storage_export(storage, &params, bytes, &length, err));
  FAILS(UNSUPPORTED, "names", shmalloc_storage_export_fds(storage, &params, fds, &count, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(allocator);
  FAILS(NOT_FOUND, "", import_of(&handle, 0, &again, err));
  SAME(before);
}

/* A container: no process of the outside is seen there, only names. */
static void a_name_leads_through_pid_namespaces(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(named_config());
  shmalloc_storage *storage = make_filled(allocator, 5000, 4);
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  int status = 0;
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    shmalloc_storage *again = NULL;
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) _exit(77);
    const pid_t first = fork();
    if (first == 0) {
      if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("proc", "/proc", "proc", 0, NULL) != 0) _exit(77);
      CHILD_CHECK(import_of(&handle, 0, &again, NULL) == SHMALLOC_STATUS_OK);
      CHILD_CHECK(intact(again, 4));
      _exit(0);
    }
    CHILD_CHECK(first > 0 && waitpid(first, &status, 0) == first);
    _exit(WEXITSTATUS(status));
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(allocator);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip();
  assert_int_equal(status, 0);
}

static void no_name_outlives_its_users(void **state) {
  (void)state;
  const char *const config = named_config();
  int ready[2], go[2];
  for (int killed = 0; killed < 2; ++killed) {
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    const pid_t owner = fork();
    assert_true(owner >= 0);
    if (owner == 0) {
      shmalloc_allocator *allocator = make_shared(config);
      const struct handle handle = export_of(make_filled(allocator, 5000, 5), 0, SHMALLOC_TIME_FOREVER);
      CHILD_CHECK(write(ready[1], &handle, sizeof handle) == sizeof handle);
      if (killed) pause();
      char byte;
      close(go[1]);
      CHILD_CHECK(read(go[0], &byte, 1) == 0);
      exit(0); /* nothing is released */
    }
    struct handle handle;
    shmalloc_storage *mine = NULL;
    assert_int_equal(read(ready[0], &handle, sizeof handle), sizeof handle);
    OK(import_of(&handle, 0, &mine, err));
    close(go[1]);
    if (killed) assert_int_equal(kill(owner, SIGKILL), 0);
    int status = 0;
    assert_int_equal(waitpid(owner, &status, 0), owner);
    close(ready[0]);
    close(ready[1]);
    close(go[0]);
    assert_true(intact(mine, 5));
    if (killed) {
      uint64_t objects = 9;
      assert_int_equal(names(), 2);
      OK(shmalloc_machine_reclaim(NULL, strstr(config, "prefix:") + 7, 0, &objects, NULL, err));
      assert_int_equal(objects, 0); /* we have it */
      assert_int_equal(names(), 2);
    } else {
      assert_int_equal(names(), 0);
    }
    shmalloc_storage_release(mine);
    OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
    for (int tries = 0; tries < 200 && names() != 0; ++tries) {
      OK(shmalloc_machine_reclaim(NULL, strstr(config, "prefix:") + 7, 0, NULL, NULL, err));
    }
    assert_int_equal(names(), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_lead_to_it_by_name),
      cmocka_unit_test(a_name_leads_through_pid_namespaces),
      cmocka_unit_test(no_name_outlives_its_users),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
