/* Handles: every route, every way they can be wrong, read-only exports, time to live, revocation. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "handles.h"

/* Writes the checksum anew, so that what follows the checksum is looked at. Bitwise, not the library's own code. */
static void mend(struct handle *handle) {
  uint32_t crc = ~0U;
  for (size_t i = 12; i < handle->length; ++i) {
    crc ^= handle->bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
  }
  crc = ~crc;
  for (int i = 0; i < 4; ++i) handle->bytes[8 + i] = (uint8_t)(crc >> 8 * i);
}

static void every_route_leads_to_the_same_bytes(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  const char *path = own("/tmp/shmalloc-test-route");
  struct {
    uint32_t mapped;
    const char *name;
    int route;
  } cases[] = {{0, NULL, SHMALLOC_HANDLE_ROUTE_PROCESS},
               {SHMALLOC_MAPPED_SHAREDMEM, NULL, SHMALLOC_HANDLE_ROUTE_SHM},
               {SHMALLOC_MAPPED_SHARED, path, SHMALLOC_HANDLE_ROUTE_FILE},
               {SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_UNLINK | SHMALLOC_MAPPED_KEEPFD, NULL, SHMALLOC_HANDLE_ROUTE_PROCESS}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    shmalloc_storage *storage = NULL;
    OK(map_named(map, 10000, cases[i].mapped, cases[i].name, &storage, err));
    char *data = shmalloc_storage_data(storage);
    strcpy(data, "from the parent");
    struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
    const shmalloc_handle_info info = handle_info(&handle);
    assert_int_equal(info.route, cases[i].route);
    assert_int_equal(info.size, 10000);
    assert_int_equal(info.kind, SHMALLOC_ALLOCATOR_KIND_MAP);
    assert_int_equal(info.pid, getpid());
    assert_int_equal(info.version_major, 1);
    assert_true(handle.length <= SHMALLOC_HANDLE_MAX);
    IN_CHILD({
      shmalloc_storage *mine = NULL;
      shmalloc_error why;
      if (import_of(&handle, 0, &mine, &why) != SHMALLOC_STATUS_OK) {
        fprintf(stderr, "route %d: %s\n", cases[i].route, why.message);
        _exit(2);
      }
      CHILD_CHECK(strcmp(shmalloc_storage_data(mine), "from the parent") == 0);
      CHILD_CHECK(shmalloc_storage_size(mine) == 10000);
      strcpy(shmalloc_storage_data(mine), "from the child");
      /* It can be forwarded: another process imports what this one exports. */
      struct handle onward = export_of(mine, 0, SHMALLOC_TIME_NONE);
      const pid_t third = fork();
      if (third == 0) {
        shmalloc_storage *theirs = NULL;
        CHILD_CHECK(import_of(&onward, 0, &theirs, NULL) == SHMALLOC_STATUS_OK);
        strcpy((char *)shmalloc_storage_data(theirs) + 5000, "from the third");
        shmalloc_storage_release(theirs);
        _exit(0);
      }
      waitpid(third, &result, 0);
      shmalloc_storage_release(mine);
    });
    assert_string_equal(data, "from the child");
    assert_string_equal(data + 5000, "from the third");
    shmalloc_storage *again = NULL; /* in the exporting process too */
    OK(import_of(&handle, 0, &again, err));
    assert_string_equal(shmalloc_storage_data(again), "from the child");
    assert_int_not_equal(info_of(again).state & SHMALLOC_STORAGE_STATE_IMPORTED, 0);
    shmalloc_storage_release(again);
    OK(import_of(&handle, SHMALLOC_IMPORT_READ_ONLY, &again, err));
    FAILS(PERMISSION, "read-only", shmalloc_storage_pin(again, SHMALLOC_ACCESS_WRITE, NULL, NULL, err));
    shmalloc_storage_release(again);
    shmalloc_storage_release(storage);
    unlink(path);
    const shmalloc_status status = import_of(&handle, 0, &again, NULL);
    assert_true(status == SHMALLOC_STATUS_STALE || status == SHMALLOC_STATUS_NOT_FOUND);
  }
  shmalloc_allocator_release(map);
  SAME(before);
}

static void descriptors_travel_beside_the_bytes(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *storage = NULL;
  shmalloc_storage *other = NULL;
  shmalloc_storage *imported = NULL;
  int32_t fds[2] = {-1, -1};
  size_t count = 0;
  OK(shmalloc_storage_create(map, 4096, 0, NULL, &storage, err));
  OK(shmalloc_storage_create(map, 4096, 0, NULL, &other, err));
  struct handle handle = export_of(storage, SHMALLOC_EXPORT_DESCRIPTOR, SHMALLOC_TIME_DEFAULT);
  assert_int_equal(handle_info(&handle).route, SHMALLOC_HANDLE_ROUTE_DESCRIPTOR);
  FAILS(INVALID, "needs the descriptor", import_of(&handle, 0, &imported, err));
  FAILS(NO_SPACE, "has 1 descriptor", shmalloc_storage_export_fds(storage, NULL, fds, &count, err));
  assert_int_equal(count, 1);
  count = 2;
  OK(shmalloc_storage_export_fds(storage, NULL, fds, &count, err));
  assert_int_equal(count, 1);
  assert_int_equal(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  OK(shmalloc_storage_import(handle.bytes, handle.length, fds, 1, NULL, &imported, err));
  strcpy(shmalloc_storage_data(imported), "same");
  assert_string_equal(shmalloc_storage_data(storage), "same");
  shmalloc_storage_release(imported);
  imported = NULL;
  FAILS(INVALID, "2 were given", shmalloc_storage_import(handle.bytes, handle.length, fds, 2, NULL, &imported, err));
  FAILS(INVALID, "fds", shmalloc_storage_import(handle.bytes, handle.length, NULL, 1, NULL, &imported, err));
  int32_t wrong = -1;
  count = 1;
  OK(shmalloc_storage_export_fds(other, NULL, &wrong, &count, err));
  FAILS(CORRUPT, "not the one", shmalloc_storage_import(handle.bytes, handle.length, &wrong, 1, NULL, &imported, err));
  close(wrong);
  FAILS(INVALID, "looking", shmalloc_storage_import(handle.bytes, handle.length, &wrong, 1, NULL, &imported, err));
  close(fds[0]);
  assert_null(imported);
  shmalloc_allocator *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_storage *private = NULL;
  OK(shmalloc_storage_create(direct, 10, 0, NULL, &private, err));
  FAILS(UNSUPPORTED, "shmalloc_storage_share", shmalloc_storage_export_fds(private, NULL, fds, &count, err));
  size_t length = 0;
  FAILS(UNSUPPORTED, "shmalloc_storage_share", shmalloc_storage_export(private, NULL, NULL, &length, err));
  shmalloc_storage_release(private);
  shmalloc_allocator_release(direct);
  shmalloc_storage_release(storage);
  shmalloc_storage_release(other);
  shmalloc_allocator_release(map);
  SAME(before);
}

static void wrong_bytes_get_their_own_error(void **state) {
  (void)state;
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *storage = NULL;
  shmalloc_storage *imported = NULL;
  OK(shmalloc_storage_create(map, 4096, 0, NULL, &storage, err));
  const struct handle good = export_of(storage, 0, SHMALLOC_TIME_NONE);
  const struct held before = look();
  struct handle bad = good;
  for (size_t length = 0; length < good.length; ++length) { /* truncated anywhere */
    bad.length = length;
    FAILS(CORRUPT, "no handle", import_of(&bad, 0, &imported, err));
  }
  for (size_t i = 0; i < good.length * 8; ++i) { /* every single bit */
    bad = good;
    bad.bytes[i / 8] ^= (uint8_t)(1U << i % 8);
    const shmalloc_status status = import_of(&bad, 0, &imported, NULL);
    if (i / 8 == 4) {
      assert_int_equal(status, SHMALLOC_STATUS_VERSION);
    } else if (i / 8 != 5) {
      assert_int_equal(status, SHMALLOC_STATUS_CORRUPT);
    } else {
      assert_int_equal(status, SHMALLOC_STATUS_OK); /* a newer minor version is read as far as it is known */
      shmalloc_storage_release(imported);
      imported = NULL;
    }
  }
  /* Forged with a right checksum: sizes, offsets, routes and identities that are not true. */
  static const struct {
    size_t at;
    int bytes;
    uint64_t value;
  } forged[] = {{24, 8, 4097},
                {24, 8, UINT64_MAX},
                {24, 8, UINT64_C(1) << 61},
                {32, 8, 0},
                {32, 8, UINT64_C(1) << 61},
                {40, 8, 1},
                {40, 8, 4096},
                {40, 8, UINT64_C(1) << 61},
                {52, 1, 77},
                {52, 1, 1},
                {52, 1, 2},
                {56, 8, 99},
                {64, 8, 1},
                {72, 8, 1},
                {80, 4, 64},
                {80, 4, UINT32_MAX},
                {84, 4, 1},
                {84, 4, UINT32_MAX},
                {96, 4, 0},
                {96, 4, UINT32_MAX},
                {100, 4, 1},
                {100, 4, 65535},
                {16, 8, UINT64_C(2) << 32},
                {104, 0, 0}};
  for (size_t i = 0; i < sizeof forged / sizeof *forged; ++i) {
    bad = good;
    for (int k = 0; k < forged[i].bytes; ++k) bad.bytes[forged[i].at + (size_t)k] = (uint8_t)(forged[i].value >> 8 * k);
    if (forged[i].bytes == 0) bad.bytes[bad.length++] = 'x';
    mend(&bad);
    shmalloc_error error;
    const shmalloc_status status = import_of(&bad, 0, &imported, &error);
    if (status == SHMALLOC_STATUS_OK || status == SHMALLOC_STATUS_INTERNAL) {
      fail_msg("forged field at %zu (%llu) gave %s", forged[i].at, (unsigned long long)forged[i].value,
               shmalloc_status_name(status));
    }
  }
  FAILS(CORRUPT, "no handle", shmalloc_storage_import((const uint8_t *)"", 0, NULL, 0, NULL, &imported, err));
  FAILS(INVALID, "bytes", shmalloc_storage_import(NULL, 0, NULL, 0, NULL, &imported, err));
  FAILS(INVALID, "out_storage", shmalloc_storage_import(good.bytes, good.length, NULL, 0, NULL, NULL, err));
  FAILS(UNSUPPORTED, "import flags", import_of(&good, 1U << 20, &imported, err));
  FAILS(INVALID, "COUNTED", import_of(&good, SHMALLOC_IMPORT_COUNTED, &imported, err));
  assert_null(imported);
  SAME(before);
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(map);
}

static void text_survives_and_is_checked(void **state) {
  (void)state;
  shmalloc_storage *storage = NULL;
  shmalloc_storage *imported = NULL;
  OK(shmalloc_storage_create(NULL, 4096, 0, NULL, &storage, err));
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  char text[SHMALLOC_HANDLE_TEXT_MAX];
  char spaced[SHMALLOC_HANDLE_TEXT_MAX + 8];
  size_t length = sizeof text;
  struct handle back = {.length = SHMALLOC_HANDLE_MAX};
  OK(shmalloc_handle_to_text(handle.bytes, handle.length, text, &length, err));
  assert_int_equal(length, strlen(text) + 1);
  for (const char *c = text; *c != 0; ++c) {
    assert_true((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_' || *c == '-' ||
                *c == ':');
  }
  snprintf(spaced, sizeof spaced, " \n%s\t\n", text);
  OK(shmalloc_handle_from_text(spaced, back.bytes, &back.length, err));
  assert_int_equal(back.length, handle.length);
  assert_memory_equal(back.bytes, handle.bytes, handle.length);
  OK(import_of(&back, 0, &imported, err));
  shmalloc_storage_release(imported);
  back.length = 10;
  FAILS(NO_SPACE, "handle", shmalloc_handle_from_text(text, back.bytes, &back.length, err));
  assert_int_equal(back.length, handle.length);
  length = 10;
  FAILS(NO_SPACE, "text", shmalloc_handle_to_text(handle.bytes, handle.length, text, &length, err));
  FAILS(CORRUPT, "no handle", shmalloc_handle_to_text(handle.bytes, handle.length - 1, text, &length, err));
  FAILS(INVALID, "bytes", shmalloc_handle_to_text(NULL, 5, text, &length, err));
  FAILS(INVALID, "text", shmalloc_handle_from_text(NULL, back.bytes, &back.length, err));
  static const char *const wrong[] = {
      "", "shmalloc1", "shmalloc1:", "shmalloc2:AAAA", "shmalloc1:A", "shmalloc1:AAAA", "shmalloc1:!!!!", "x"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
    back.length = sizeof back.bytes;
    FAILS(CORRUPT, "", shmalloc_handle_from_text(wrong[i], back.bytes, &back.length, err));
  }
  text[strlen(text) - 1] = text[strlen(text) - 1] == 'A' ? 'B' : 'A';
  back.length = sizeof back.bytes;
  FAILS(CORRUPT, "", shmalloc_handle_from_text(text, back.bytes, &back.length, err));
  shmalloc_handle_info info = SHMALLOC_INIT(shmalloc_handle_info);
  FAILS(CORRUPT, "no handle", shmalloc_handle_get_info((const uint8_t *)"abc", 3, &info, err));
  FAILS(INVALID, "out_info", shmalloc_handle_get_info(handle.bytes, handle.length, NULL, err));
  shmalloc_storage_release(storage);
}

static void read_only_export_can_not_be_made_writable(void **state) {
  (void)state;
  shmalloc_storage_params isolated = SHMALLOC_INIT(shmalloc_storage_params);
  isolated.flags = SHMALLOC_STORAGE_ISOLATED;
  shmalloc_storage *storage = NULL;
  shmalloc_storage *imported = NULL;
  OK(shmalloc_storage_create(NULL, 8192, 0, &isolated, &storage, err));
  char *data = shmalloc_storage_data(storage);
  strcpy(data, "look, don't touch");
  struct handle before = export_of(storage, 0, SHMALLOC_TIME_NONE);
  struct handle handle = export_of(storage, SHMALLOC_EXPORT_READ_ONLY, SHMALLOC_TIME_NONE);
  strcpy(data, "the maker writes"); /* still */
  int32_t fd = -1;
  size_t count = 1;
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.flags = SHMALLOC_EXPORT_READ_ONLY;
  OK(shmalloc_storage_export_fds(storage, &params, &fd, &count, err));
  OK(import_of(&handle, 0, &imported, err));
  assert_string_equal(shmalloc_storage_data(imported), "the maker writes");
  const shmalloc_storage_info info = info_of(imported);
  assert_int_not_equal(info.state & SHMALLOC_STORAGE_STATE_READ_ONLY, 0);
  assert_int_not_equal(info.state & SHMALLOC_STORAGE_STATE_WRITE_SEALED, 0);
  assert_int_equal(info.state & SHMALLOC_STORAGE_STATE_IMMUTABLE, 0);
  /* Whatever a receiver tries, root or not. */
  assert_int_equal(mprotect(shmalloc_storage_data(imported), 4096, PROT_READ | PROT_WRITE), -1);
  const int all[2] = {fd, info.fd};
  for (int i = 0; i < 2; ++i) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", all[i]);
    const int again = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(again >= 0 ? again : all[i], "x", 1, 0), -1);
    assert_ptr_equal(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, again >= 0 ? again : all[i], 0), MAP_FAILED);
    assert_int_equal(ftruncate(again >= 0 ? again : all[i], 0), -1);
    assert_int_equal(fallocate(again >= 0 ? again : all[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
    if (again >= 0) close(again);
  }
  close(fd);
  shmalloc_storage *second = NULL;
  FAILS(PERMISSION, "sealed", import_of(&before, 0, &second, err)); /* an older writable handle neither */
  size_t length = SHMALLOC_HANDLE_MAX;
  FAILS(PERMISSION, "READ_ONLY", shmalloc_storage_export(storage, NULL, before.bytes, &length, err));
  FAILS(PERMISSION, "READ_ONLY", shmalloc_storage_export(imported, NULL, before.bytes, &length, err));
  shmalloc_storage_release(imported);
  shmalloc_storage_release(storage);
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  OK(map_named(map, 4096, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_KEEPFD, NULL, &storage, err));
  FAILS(UNSUPPORTED, "nameless", shmalloc_storage_export(storage, &params, handle.bytes, &length, err));
  shmalloc_storage_release(storage);
  OK(shmalloc_storage_create(NULL, 4096, 0, NULL, &storage, err)); /* with neighbours, which the receiver could write */
  FAILS(UNSUPPORTED, "ISOLATED", shmalloc_storage_export(storage, &params, handle.bytes, &length, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(map);
}

static void exports_live_their_time_and_no_longer(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "export_ttl_ms:1000000");
  shmalloc_storage *storage = NULL;
  shmalloc_storage *imported = NULL;
  uint64_t bytes = 0;
  OK(shmalloc_storage_create(map, 4096, 0, NULL, &storage, err));
  strcpy(shmalloc_storage_data(storage), "kept");
  struct handle handle = export_of(storage, 0, SHMALLOC_TIME_DEFAULT);
  shmalloc_storage_release(storage); /* "export, release" is no surprise */
  OK(import_of(&handle, 0, &imported, err));
  assert_string_equal(shmalloc_storage_data(imported), "kept");
  shmalloc_storage_release(imported);
  OK(shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_EXPIRED, 0, &bytes, err)); /* its time is not up */
  assert_int_equal(bytes, 0);
  OK(import_of(&handle, 0, &imported, err));
  shmalloc_storage_release(imported);

  OK(shmalloc_storage_create(map, 4096, 0, NULL, &storage, err));
  handle = export_of(storage, 0, 1); /* a nanosecond: over with the clock's next tick */
  shmalloc_storage_release(storage);
  while (bytes == 0) OK(shmalloc_allocator_trim(map, SHMALLOC_TRIM_EXPIRED, 0, &bytes, err));
  assert_int_equal(bytes, 4096);
  FAILS(STALE, "", import_of(&handle, 0, &imported, err));
  OK(shmalloc_storage_create(map, 4096, 0, NULL, &storage, err));
  handle = export_of(storage, 0, SHMALLOC_TIME_FOREVER);
  OK(shmalloc_storage_close(storage, err)); /* close ends exports at once */
  FAILS(STALE, "", import_of(&handle, 0, &imported, err));
  shmalloc_storage_release(storage);
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  size_t length = 0;
  OK(shmalloc_storage_create(map, 1, 0, NULL, &storage, err));
  params.ttl_ns = -3;
  FAILS(INVALID, "ttl_ns", shmalloc_storage_export(storage, &params, NULL, &length, err));
  params.ttl_ns = 0;
  params.flags = 1U << 30;
  FAILS(UNSUPPORTED, "export flags", shmalloc_storage_export(storage, &params, NULL, &length, err));
  params.flags = SHMALLOC_EXPORT_COUNTED;
  FAILS(INVALID, "COUNTED", shmalloc_storage_export(storage, &params, NULL, &length, err));
  params.format = 9;
  FAILS(UNSUPPORTED, "format 9", shmalloc_storage_export(storage, &params, NULL, &length, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(map);

  /* The one that is still kept ends with the process: in a child that exits, a named one leaves no name. */
  IN_CHILD({
    shmalloc_allocator *mine = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "export_ttl_ms:1000000");
    shmalloc_storage *named = NULL;
    CHILD_CHECK(map_named(mine, 4096, SHMALLOC_MAPPED_SHAREDMEM, NULL, &named, NULL) == SHMALLOC_STATUS_OK);
    export_of(named, 0, SHMALLOC_TIME_DEFAULT);
    shmalloc_storage_release(named);
    CHILD_CHECK(count_directory("/dev/shm", own("")) == 1);
    exit(0);
  });
  assert_int_equal(look().names, before.names);
}

static void revoked_handles_are_stale_for_ever(void **state) {
  (void)state;
  shmalloc_storage_params isolated = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *storage = NULL;
  shmalloc_storage *imported = NULL;
  for (isolated.flags = 0; isolated.flags <= SHMALLOC_STORAGE_ISOLATED; isolated.flags += SHMALLOC_STORAGE_ISOLATED) {
    OK(shmalloc_storage_create(NULL, 4096, 0, &isolated, &storage, err));
    struct handle old = export_of(storage, 0, SHMALLOC_TIME_NONE);
    OK(import_of(&old, 0, &imported, err));
    OK(shmalloc_storage_revoke(storage, err));
    strcpy(shmalloc_storage_data(storage), "those who have it keep it");
    assert_string_equal(shmalloc_storage_data(imported), "those who have it keep it");
    shmalloc_storage_release(imported);
    imported = NULL;
    FAILS(STALE, "", import_of(&old, 0, &imported, err));
    /* Not even when descriptors of the same memory are given out afterwards. */
    int32_t fds[8][2];
    size_t count = 2;
    for (int i = 0; i < 8; ++i) {
      count = 2;
      OK(shmalloc_storage_export_fds(storage, NULL, fds[i], &count, err));
    }
    FAILS(STALE, "", import_of(&old, 0, &imported, err));
    for (size_t i = 0; i < 8 * count; ++i) close(fds[i / count][i % count]);
    struct handle new = export_of(storage, 0, SHMALLOC_TIME_NONE);
    OK(import_of(&new, 0, &imported, err));
    shmalloc_storage_release(imported);
    shmalloc_storage_release(storage);
    FAILS(STALE, "", import_of(&new, 0, &imported, err));
  }
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  OK(map_named(map, 4096, SHMALLOC_MAPPED_SHAREDMEM, NULL, &storage, err));
  FAILS(UNSUPPORTED, "name", shmalloc_storage_revoke(storage, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(map);
  FAILS(INVALID, "storage", shmalloc_storage_revoke(NULL, err));
}

static void dead_exporters_and_replaced_names_are_told_apart(void **state) {
  (void)state;
  struct handle handle;
  shmalloc_storage *held = NULL;
  shmalloc_storage *imported = NULL;
  for (int isolated = 0; isolated < 2; ++isolated) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
      shmalloc_storage *storage = NULL;
      params.flags = isolated ? SHMALLOC_STORAGE_ISOLATED : 0;
      if (shmalloc_storage_create(NULL, 4096, 0, &params, &storage, NULL) != SHMALLOC_STATUS_OK) _exit(1);
      handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
      if (write(ends[1], &handle, sizeof handle) != sizeof handle) _exit(1);
      pause();
    }
    assert_int_equal(read(ends[0], &handle, sizeof handle), sizeof handle);
    OK(import_of(&handle, 0, &held, err));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    memset(shmalloc_storage_data(held), 1, 4096); /* who has it keeps it */
    if (isolated) {
      FAILS(PEER_GONE, "is gone", import_of(&handle, 0, &imported, err));
    } else { /* a process that has the segment asks nobody */
      OK(import_of(&handle, 0, &imported, err));
      assert_int_equal(((char *)shmalloc_storage_data(imported))[4095], 1);
      shmalloc_storage_release(imported);
      imported = NULL;
    }
    shmalloc_storage_release(held);
    OK(shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_FREE, 0, NULL, err)); /* now the memory has gone to the system */
    FAILS(PEER_GONE, "is gone", import_of(&handle, 0, &imported, err));
    close(ends[0]);
    close(ends[1]);
  }

  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  const char *name = own("/shmalloc_again");
  for (int i = 0; i < 2; ++i) {
    shmalloc_storage *storage = NULL;
    OK(map_named(map, 4096, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_EXCLUSIVE, name, &storage, err));
    if (i == 1) FAILS(STALE, "another one", import_of(&handle, 0, &imported, err)); /* same name, other object */
    handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
    shmalloc_storage_release(storage);
    FAILS(NOT_FOUND, "gone", import_of(&handle, 0, &imported, err));
  }
  shmalloc_allocator_release(map);
  assert_null(imported);
}

static void long_names_and_empty_storages(void **state) {
  (void)state;
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  char path[600];
  snprintf(path, sizeof path, "%s", own("/tmp/shmalloc-test-long"));
  for (int i = 0; i < 4; ++i) {
    assert_int_equal(mkdir(path, 0700) == 0 || errno == EEXIST, 1);
    strcat(path, "/ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd");
  }
  shmalloc_storage *storage = NULL;
  size_t length = SHMALLOC_HANDLE_MAX;
  uint8_t bytes[SHMALLOC_HANDLE_MAX];
  OK(map_named(map, 4096, SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_KEEPFD, path, &storage, err));
  FAILS(UNSUPPORTED, "room for", shmalloc_storage_export(storage, NULL, bytes, &length, err));
  struct handle handle = export_of(storage, SHMALLOC_EXPORT_DESCRIPTOR, 0);
  assert_true(handle.length < 200);
  shmalloc_storage_release(storage);
  unlink(path);
  for (int i = 0; i < 4; ++i) {
    *strrchr(path, '/') = 0;
    rmdir(path);
  }
  OK(shmalloc_storage_create(map, 0, 0, NULL, &storage, err));
  handle = export_of(storage, 0, 0);
  assert_int_equal(handle_info(&handle).route, SHMALLOC_HANDLE_ROUTE_EMPTY);
  shmalloc_storage *imported = NULL;
  OK(import_of(&handle, 0, &imported, err));
  assert_int_equal(shmalloc_storage_size(imported), 0);
  shmalloc_storage_release(imported);
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(map);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_route_leads_to_the_same_bytes),
      cmocka_unit_test(descriptors_travel_beside_the_bytes),
      cmocka_unit_test(wrong_bytes_get_their_own_error),
      cmocka_unit_test(text_survives_and_is_checked),
      cmocka_unit_test(read_only_export_can_not_be_made_writable),
      cmocka_unit_test(exports_live_their_time_and_no_longer),
      cmocka_unit_test(revoked_handles_are_stale_for_ever),
      cmocka_unit_test(dead_exporters_and_replaced_names_are_told_apart),
      cmocka_unit_test(long_names_and_empty_storages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
