#include "support.h"

static shmalloc_allocator_info allocator_info(shmalloc_allocator *allocator) {
  shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
  OK(shmalloc_allocator_get_info(allocator, &info, err));
  return info;
}

static void create_makes_each_kind(void **state) {
  (void)state;
  static const struct {
    shmalloc_allocator_kind kind, real;
    uint32_t capabilities;
  } cases[] = {
      {SHMALLOC_ALLOCATOR_KIND_DEFAULT, SHMALLOC_ALLOCATOR_KIND_SHARED, SHMALLOC_CAPABILITY_EXPORT | SHMALLOC_CAPABILITY_GROW},
      {SHMALLOC_ALLOCATOR_KIND_DIRECT, SHMALLOC_ALLOCATOR_KIND_DIRECT, SHMALLOC_CAPABILITY_HOST_ACCESS},
      {SHMALLOC_ALLOCATOR_KIND_MAP, SHMALLOC_ALLOCATOR_KIND_MAP, SHMALLOC_CAPABILITY_READ_ONLY | SHMALLOC_CAPABILITY_EXPORT_BYTES},
      {SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, SHMALLOC_CAPABILITY_EXPORT},
      {SHMALLOC_ALLOCATOR_KIND_SHARED, SHMALLOC_ALLOCATOR_KIND_SHARED,
       SHMALLOC_CAPABILITY_EXPORT_BYTES | SHMALLOC_CAPABILITY_HOST_ACCESS},
  };
  uint64_t last_id = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
    params.kind = cases[i].kind;
    params.name = "weights";
    shmalloc_allocator *allocator = NULL;
    OK(shmalloc_allocator_create(&params, &allocator, err));
    const shmalloc_allocator_info info = allocator_info(allocator);
    assert_int_equal(info.kind, cases[i].real);
    assert_int_equal(info.capabilities & cases[i].capabilities, cases[i].capabilities);
    assert_string_equal(info.name, "weights");
    assert_int_equal(info.references, 1);
    assert_int_equal(info.live_storages, 0);
    assert_int_equal(info.device, SHMALLOC_DEVICE_HOST);
    assert_true(info.id > last_id);
    assert_true(info.alignment >= 16);
    last_id = info.id;
    shmalloc_allocator_retain(allocator);
    assert_int_equal(allocator_info(allocator).references, 2);
    shmalloc_allocator_release(allocator);
    shmalloc_allocator_release(allocator);
  }
  shmalloc_allocator_retain(NULL);
  shmalloc_allocator_release(NULL);
}

static void create_refuses_what_it_does_not_know(void **state) {
  (void)state;
  shmalloc_allocator *allocator = NULL;
  shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
  params.kind = 99;
  FAILS(UNSUPPORTED, "kind 99", shmalloc_allocator_create(&params, &allocator, err));
  params.kind = 0;
  params.device = SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_VULKAN, 0);
  FAILS(UNSUPPORTED, "type 7", shmalloc_allocator_create(&params, &allocator, err));
  params.device = 0;
  params.flags = 1U << 30;
  FAILS(UNSUPPORTED, "flags", shmalloc_allocator_create(&params, &allocator, err));
  params.flags = 0;
  char name[65];
  memset(name, 'n', 64);
  name[64] = 0;
  params.name = name;
  FAILS(INVALID, "63 bytes", shmalloc_allocator_create(&params, &allocator, err));
  params.name = NULL;
  FAILS(INVALID, "out_allocator", shmalloc_allocator_create(&params, NULL, err));
  assert_null(allocator);
}

static void struct_size_is_checked(void **state) {
  (void)state;
  struct {
    shmalloc_allocator_params params;
    char beyond[16];
  } longer;
  memset(&longer, 0, sizeof longer);
  shmalloc_allocator *allocator = NULL;
  longer.params.struct_size = sizeof longer;
  OK(shmalloc_allocator_create(&longer.params, &allocator, err)); /* Zeros beyond what the library knows are fine. */
  shmalloc_allocator_release(allocator);
  longer.beyond[7] = 1;
  FAILS(UNSUPPORTED, "does not know", shmalloc_allocator_create(&longer.params, &allocator, err));
  longer.params.struct_size = sizeof longer.params - 1;
  FAILS(INVALID, "struct_size", shmalloc_allocator_create(&longer.params, &allocator, err));
  longer.params.struct_size = 0;
  FAILS(INVALID, "SHMALLOC_INIT", shmalloc_allocator_create(&longer.params, &allocator, err));
  struct {
    shmalloc_allocator_info info;
    char beyond[16];
  } out;
  memset(&out, 0x5a, sizeof out);
  out.info.struct_size = sizeof out;
  OK(shmalloc_allocator_get_info(NULL, &out.info, err));
  assert_int_equal(out.info.struct_size, sizeof out); /* Read, never written. */
  for (size_t i = 0; i < sizeof out.beyond; ++i) assert_int_equal(out.beyond[i], 0);
}

static void config_is_all_or_nothing(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "prefix:mine,mode:0640");
  char text[256];
  size_t length = sizeof text;
  OK(shmalloc_allocator_get_config(allocator, NULL, text, &length, err));
  assert_string_equal(text, "numa_node:-1,prefix:mine,mode:0640,populate:0,export_ttl_ms:10000");
  assert_int_equal(length, strlen(text) + 1);
  FAILS(INVALID, "colour", shmalloc_allocator_configure(allocator, "populate:1,colour:red", err));
  length = sizeof text;
  OK(shmalloc_allocator_get_config(allocator, "populate", text, &length, err));
  assert_string_equal(text, "0");
  OK(shmalloc_allocator_configure(allocator, "populate:1,export_ttl_ms:5", err));
  length = sizeof text;
  OK(shmalloc_allocator_get_config(allocator, "export_ttl_ms", text, &length, err));
  assert_string_equal(text, "5");
  length = sizeof text;
  FAILS(NOT_FOUND, "alignment", shmalloc_allocator_get_config(allocator, "alignment", text, &length, err));
  length = 3;
  FAILS(NO_SPACE, "bytes", shmalloc_allocator_get_config(allocator, "prefix", text, &length, err));
  assert_int_equal(length, 5);
  FAILS(INVALID, "config", shmalloc_allocator_configure(allocator, NULL, err));
  shmalloc_allocator_release(allocator);
}

static void bad_settings_are_named(void **state) {
  (void)state;
  static const struct {
    shmalloc_allocator_kind kind;
    const char *config, *word;
  } cases[] = {
      {SHMALLOC_ALLOCATOR_KIND_MAP, "prefix", "prefix"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, "prefix:", "prefix"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, "prefix:a/b", "prefix"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, "prefix:aaaaaaaaaabbbbbbbbbbccccccccccdd", "1 to 31"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, "mode:0888", "mode"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, "mode:1777", "mode"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, "populate:yes", "populate"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, "populate:1,", "comma"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, ",", "no value"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, "export_ttl_ms:-1", "export_ttl_ms"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, "numa_node:99999", "numa_node"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, "manager:/tmp/x", "manager"},
      {SHMALLOC_ALLOCATOR_KIND_MAP, "alignment:64", "alignment"},
      {SHMALLOC_ALLOCATOR_KIND_DIRECT, "alignment:48", "power of two"},
      {SHMALLOC_ALLOCATOR_KIND_DIRECT, "alignment:8", "at least 16"},
      {SHMALLOC_ALLOCATOR_KIND_DIRECT, "prefix:x", "prefix"},
      {SHMALLOC_ALLOCATOR_KIND_DEFAULT, "manager:x", "manager"},
      {SHMALLOC_ALLOCATOR_KIND_SHARED, "mode:1000", "mode"},
      {SHMALLOC_ALLOCATOR_KIND_SHARED, "segment_size:many", "segment_size"},
      {SHMALLOC_ALLOCATOR_KIND_SHARED, "pages:gigantic", "pages"},
      {SHMALLOC_ALLOCATOR_KIND_SHARED, "sealed:2", "sealed"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
    shmalloc_allocator *allocator = NULL;
    params.kind = cases[i].kind;
    params.config = cases[i].config;
    FAILS(INVALID, cases[i].word, shmalloc_allocator_create(&params, &allocator, err));
    assert_null(allocator);
  }
}

static void environment_comes_after_config_when_asked(void **state) {
  (void)state;
  shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
  shmalloc_allocator *allocator = NULL;
  char text[64];
  size_t length = sizeof text;
  params.kind = SHMALLOC_ALLOCATOR_KIND_MAP;
  params.config = "prefix:one";
  setenv("SHMALLOC_CONF", "prefix:two", 1);
  OK(shmalloc_allocator_create(&params, &allocator, err));
  OK(shmalloc_allocator_get_config(allocator, "prefix", text, &length, err));
  assert_string_equal(text, "one");
  shmalloc_allocator_release(allocator);
  params.flags = SHMALLOC_ALLOCATOR_ENVIRONMENT;
  OK(shmalloc_allocator_create(&params, &allocator, err));
  length = sizeof text;
  OK(shmalloc_allocator_get_config(allocator, "prefix", text, &length, err));
  assert_string_equal(text, "two");
  shmalloc_allocator_release(allocator);
  setenv("SHMALLOC_CONF", "nonsense:1", 1);
  FAILS(INVALID, "nonsense", shmalloc_allocator_create(&params, &allocator, err));
  unsetenv("SHMALLOC_CONF");
}

static void current_is_replaced_only_while_unused(void **state) {
  (void)state;
  shmalloc_allocator *current = NULL;
  shmalloc_allocator *again = NULL;
  OK(shmalloc_allocator_get_current(SHMALLOC_DEVICE_HOST, &current, err));
  OK(shmalloc_allocator_get_current(SHMALLOC_DEVICE_HOST, &again, err));
  assert_ptr_equal(current, again);
  FAILS(UNSUPPORTED, "type 7", shmalloc_allocator_get_current(SHMALLOC_DEVICE(7, 0), &again, err));
  shmalloc_allocator *mine = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(NULL, 100, 0, NULL, &storage, err));
  assert_int_equal(allocator_info(NULL).live_storages, 1);
  assert_int_equal(allocator_info(NULL).live_bytes, 100);
  FAILS(BUSY, "1 live", shmalloc_allocator_set_current(mine, err));
  shmalloc_storage_release(storage);
  OK(shmalloc_allocator_set_current(mine, err));
  OK(shmalloc_storage_create(NULL, 100, 0, NULL, &storage, err));
  assert_int_equal(info_of(storage).kind, SHMALLOC_ALLOCATOR_KIND_DIRECT);
  assert_int_equal(info_of(storage).allocator_id, allocator_info(mine).id);
  shmalloc_storage_release(storage);
  OK(shmalloc_allocator_set_current(current, err));
  FAILS(INVALID, "allocator", shmalloc_allocator_set_current(NULL, err));
  shmalloc_allocator_release(mine);
  shmalloc_allocator_release(current);
  shmalloc_allocator_release(again);
}

static void allocator_outlives_its_handle_while_storages_live(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(allocator, 4096, 0, NULL, &storage, err));
  shmalloc_allocator_release(allocator);
  memset(shmalloc_storage_data(storage), 1, 4096);
  shmalloc_storage_release(storage);
}

static void trim_refuses_unknown_bits(void **state) {
  (void)state;
  uint64_t bytes = 5;
  FAILS(UNSUPPORTED, "trim", shmalloc_allocator_trim(NULL, 1U << 20, 0, &bytes, err));
  assert_int_equal(bytes, 5);
  OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err)); /* What tests before left free. */
  OK(shmalloc_allocator_trim(NULL, 0, 0, &bytes, err));
  assert_int_equal(bytes, 0);
}

static void trim_gives_free_memory_of_segments_back(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, NULL);
  shmalloc_storage *kept = NULL;
  shmalloc_storage *large = NULL;
  uint64_t bytes = 0;
  OK(shmalloc_storage_create(allocator, 100, 0, NULL, &kept, err));
  OK(shmalloc_storage_create(allocator, 40 << 20, 0, NULL, &large, err));
  memset(shmalloc_storage_data(large), 1, 40 << 20);
  shmalloc_storage_release(large);
  OK(shmalloc_allocator_trim(allocator, SHMALLOC_TRIM_EXPIRED, 0, &bytes, err)); /* something else */
  assert_int_equal(bytes, 0);
  OK(shmalloc_allocator_trim(allocator, SHMALLOC_TRIM_FREE, 20 << 20, &bytes, err));
  assert_in_range(bytes, 16 << 20, 40 << 20);
  OK(shmalloc_allocator_trim(allocator, SHMALLOC_TRIM_FREE, 0, &bytes, err));
  assert_in_range(bytes, 10 << 20, 40 << 20);
  OK(shmalloc_storage_create(allocator, 40 << 20, 0, NULL, &large, err)); /* what was given back is taken again */
  memset(shmalloc_storage_data(large), 2, 40 << 20);
  shmalloc_storage_release(large);
  shmalloc_storage_release(kept);
  OK(shmalloc_allocator_trim(allocator, 0, 0, &bytes, err));
  assert_true(bytes >= 40 << 20);
  SAME(before); /* not even the segment */
  shmalloc_allocator_release(allocator);
}

static void device_tells_of_the_host(void **state) {
  (void)state;
  shmalloc_device_info info = SHMALLOC_INIT(shmalloc_device_info);
  OK(shmalloc_device_get_info(SHMALLOC_DEVICE_HOST, &info, err));
  assert_true(info.total > 0 && info.available <= info.total + (UINT64_C(1) << 50));
  assert_int_equal(info.page_size, sysconf(_SC_PAGESIZE));
  assert_int_equal(info.count, 1);
  assert_true((info.capabilities & SHMALLOC_CAPABILITY_EXPORT) != 0);
  assert_true(info.name[0] != 0);
  FAILS(UNSUPPORTED, "type 7", shmalloc_device_get_info(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_VULKAN, 0), &info, err));
  FAILS(NOT_FOUND, "one host", shmalloc_device_get_info(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST, 1), &info, err));
  FAILS(INVALID, "out_info", shmalloc_device_get_info(SHMALLOC_DEVICE_HOST, NULL, err));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(create_makes_each_kind),
      cmocka_unit_test(create_refuses_what_it_does_not_know),
      cmocka_unit_test(struct_size_is_checked),
      cmocka_unit_test(config_is_all_or_nothing),
      cmocka_unit_test(bad_settings_are_named),
      cmocka_unit_test(environment_comes_after_config_when_asked),
      cmocka_unit_test(current_is_replaced_only_while_unused),
      cmocka_unit_test(allocator_outlives_its_handle_while_storages_live),
      cmocka_unit_test(trim_refuses_unknown_bits),
      cmocka_unit_test(trim_gives_free_memory_of_segments_back),
      cmocka_unit_test(device_tells_of_the_host),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
