#include "support.h"

static void version_matches_header(void **state) {
  (void)state;
  assert_int_equal(shmalloc_version(), SHMALLOC_VERSION);
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", SHMALLOC_VERSION_MAJOR, SHMALLOC_VERSION_MINOR, SHMALLOC_VERSION_PATCH);
  assert_string_equal(shmalloc_version_string(), text);
  assert_int_equal(SHMALLOC_VERSION, SHMALLOC_VERSION_MAJOR * 1000000 + SHMALLOC_VERSION_MINOR * 1000 + SHMALLOC_VERSION_PATCH);
  assert_true(SHMALLOC_VERSION_AT_LEAST(0, 1, 0));
  assert_false(SHMALLOC_VERSION_AT_LEAST(99, 0, 0));
}

static void every_status_has_a_name(void **state) {
  (void)state;
  for (int status = -18; status <= 0; ++status) assert_string_not_equal(shmalloc_status_name(status), "UNKNOWN");
  assert_string_equal(shmalloc_status_name(SHMALLOC_STATUS_OK), "OK");
  assert_string_equal(shmalloc_status_name(SHMALLOC_STATUS_STALE), "STALE");
  assert_string_equal(shmalloc_status_name(-19), "UNKNOWN");
  assert_string_equal(shmalloc_status_name(1), "UNKNOWN");
}

static void abi_lookup_knows_the_header(void **state) {
  (void)state;
  int64_t value = 0;
  OK(shmalloc_abi_lookup("SHMALLOC_STATUS_STALE", &value, err));
  assert_int_equal(value, SHMALLOC_STATUS_STALE);
  OK(shmalloc_abi_lookup("sizeof(shmalloc_error)", &value, err));
  assert_int_equal(value, 256);
  OK(shmalloc_abi_lookup("offsetof(shmalloc_error,message)", &value, err));
  assert_int_equal(value, 16);
  OK(shmalloc_abi_lookup("SHMALLOC_HANDLE_MAX", &value, err));
  assert_int_equal(value, 512);
  value = 77;
  FAILS(NOT_FOUND, "SHMALLOC_NO_SUCH", shmalloc_abi_lookup("SHMALLOC_NO_SUCH", &value, err));
  assert_int_equal(value, 77);
  FAILS(INVALID, "name", shmalloc_abi_lookup(NULL, &value, err));
  FAILS(INVALID, "out_value", shmalloc_abi_lookup("SHMALLOC_STATUS_OK", NULL, err));
}

static void format_size_rounds_as_people_do(void **state) {
  (void)state;
  static const struct {
    uint64_t size;
    const char *text;
  } cases[] = {{0, "0 bytes"},           {1, "1 byte"},         {1023, "1023 bytes"},  {1024, "1.00 KiB"},
               {1536, "1.50 KiB"},       {1048575, "1.00 MiB"}, {1048576, "1.00 MiB"}, {UINT64_C(2) << 30, "2.00 GiB"},
               {UINT64_MAX, "16.00 EiB"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    char text[32];
    size_t length = sizeof text;
    OK(shmalloc_format_size(cases[i].size, text, &length, err));
    assert_string_equal(text, cases[i].text);
    assert_int_equal(length, strlen(text) + 1);
  }
}

static void short_buffers_get_the_length_and_nothing_else(void **state) {
  (void)state;
  char text[8] = "before";
  size_t length = 4;
  FAILS(NO_SPACE, "9 bytes", shmalloc_format_size(1024, text, &length, err));
  assert_int_equal(length, 9);
  assert_string_equal(text, "before");
  length = 1000; /* NULL has no room, whatever the length says. */
  FAILS(NO_SPACE, "9 bytes", shmalloc_format_size(1024, NULL, &length, err));
  assert_int_equal(length, 9);
  FAILS(INVALID, "inout_length", shmalloc_format_size(1024, text, NULL, err));
  length = 9;
  char exact[9];
  OK(shmalloc_format_size(1024, exact, &length, err));
}

static int lines;
static int destroyed;
static char last_line[512];

static void listen(int32_t level, const char *message, void *userdata) {
  assert_true(level >= 1 && level <= 3);
  assert_ptr_equal(userdata, &lines);
  ++lines;
  snprintf(last_line, sizeof last_line, "%s", message);
  /* A listener may call the library, and can't replace itself. */
  size_t length = 0;
  assert_int_equal(shmalloc_format_size(1, NULL, &length, NULL), SHMALLOC_STATUS_NO_SPACE);
  assert_int_equal(shmalloc_set_log(NULL, SHMALLOC_LOG_LEVEL_NONE, NULL, NULL, NULL), SHMALLOC_STATUS_BUSY);
}
static void destroy(void *userdata) {
  assert_ptr_equal(userdata, &lines);
  ++destroyed;
}

/* A release that can't remove its name has nobody to tell: only the log hears of it. */
static void provoke_a_line(void) {
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *storage = NULL;
  char link[160];
  char name[128];
  OK(map_named(allocator, 4096, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_KEEPFD, NULL, &storage, err));
  size_t length = sizeof name;
  OK(shmalloc_storage_get_name(storage, name, &length, err));
  snprintf(link, sizeof link, "/dev/shm%s", name);
  if (geteuid() != 0) {
    shmalloc_storage_release(storage);
    shmalloc_allocator_release(allocator);
    return;
  }
  /* The directory is sticky: another user may not remove the name. */
  assert_int_equal(seteuid(65534), 0);
  shmalloc_storage_release(storage);
  assert_int_equal(seteuid(0), 0);
  unlink(link);
  shmalloc_allocator_release(allocator);
}

static void log_hears_what_release_can_not_say(void **state) {
  (void)state;
  if (geteuid() != 0) skip();
  lines = destroyed = 0;
  provoke_a_line(); /* Nobody listens: nothing happens. */
  OK(shmalloc_set_log(listen, SHMALLOC_LOG_LEVEL_NOTE, &lines, destroy, err));
  provoke_a_line();
  assert_int_equal(lines, 1);
  assert_non_null(strstr(last_line, "could not be removed"));
  OK(shmalloc_set_log(listen, SHMALLOC_LOG_LEVEL_NONE, &lines, destroy, err));
  assert_int_equal(destroyed, 1);
  provoke_a_line(); /* Not at this level. */
  assert_int_equal(lines, 1);
  OK(shmalloc_set_log(NULL, SHMALLOC_LOG_LEVEL_NONE, NULL, NULL, err));
  assert_int_equal(destroyed, 2);
  OK(shmalloc_set_log(NULL, SHMALLOC_LOG_LEVEL_NONE, &lines, destroy, err)); /* Given back at once. */
  assert_int_equal(destroyed, 3);
  FAILS(INVALID, "9", shmalloc_set_log(listen, (shmalloc_log_level)9, &lines, destroy, err));
  assert_int_equal(destroyed, 4);
}

static void messages_are_utf8_and_end(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *storage = NULL;
  char path[400] = "/nowhere/\xff\xc3\x28/\xc3\xa4/";
  memset(path + strlen(path), 'x', 300);
  shmalloc_error error;
  memset(&error, 0x7f, sizeof error);
  assert_int_equal(map_named(allocator, 1, SHMALLOC_MAPPED_SHARED, path, &storage, &error), SHMALLOC_STATUS_NOT_FOUND);
  assert_int_equal(error.os_error, ENOENT);
  assert_int_equal(error.backend_error, 0);
  assert_non_null(memchr(error.message, 0, sizeof error.message));
  assert_null(strchr(error.message, '\xff'));
  assert_non_null(strstr(error.message, "\xc3\xa4"));
  assert_null(storage);
  shmalloc_allocator_release(allocator);
}

static void null_error_is_fine(void **state) {
  (void)state;
  assert_int_equal(shmalloc_abi_lookup(NULL, NULL, NULL), SHMALLOC_STATUS_INVALID);
}

static void deferred_release_takes_any_handle_and_null(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_release_deferred(NULL);
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(allocator, 4096, 0, NULL, &storage, err));
  shmalloc_storage_retain(storage);
  shmalloc_release_deferred(storage);
  shmalloc_release_deferred(storage); /* Both references, one handle. */
  assert_int_equal(look().mappings, before.mappings + 1);
  shmalloc_release_deferred(allocator);
  OK(shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_DEFERRED, 0, NULL, err));
  SAME(before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(version_matches_header),
      cmocka_unit_test(every_status_has_a_name),
      cmocka_unit_test(abi_lookup_knows_the_header),
      cmocka_unit_test(format_size_rounds_as_people_do),
      cmocka_unit_test(short_buffers_get_the_length_and_nothing_else),
      cmocka_unit_test(log_hears_what_release_can_not_say),
      cmocka_unit_test(messages_are_utf8_and_end),
      cmocka_unit_test(null_error_is_fine),
      cmocka_unit_test(deferred_release_takes_any_handle_and_null),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
