/* What is shared on the machine, and taking back what nobody holds. */
#include <signal.h>

#include "support.h"

struct found {
  const char *name;
  shmalloc_object_info info;
  int times;
};
static int32_t find(const shmalloc_object_info *object, void *userdata) {
  struct found *found = userdata;
  assert_int_equal(object->struct_size, sizeof *object);
  if (strcmp(object->name, found->name) == 0) {
    found->info = *object;
    ++found->times;
  }
  return 0;
}
static shmalloc_object_info look_for(const char *name, int times) {
  struct found found = {.name = name};
  OK(shmalloc_machine_walk(NULL, find, &found, err));
  assert_int_equal(found.times, times);
  return found.info;
}
static int32_t stop_at_once(const shmalloc_object_info *object, void *userdata) {
  (void)object;
  ++*(int *)userdata;
  return 1;
}

/* A child that makes a named object of its own and waits to be killed; its name comes back. */
static pid_t owner(shmalloc_allocator_kind kind, uint32_t mapped, char *name) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    shmalloc_allocator *allocator = make_allocator(kind, NULL);
    shmalloc_storage *storage = NULL;
    size_t length = 128;
    char mine[128] = {0};
    if (map_named(allocator, 10000, mapped, NULL, &storage, NULL) != SHMALLOC_STATUS_OK) _exit(1);
    if (shmalloc_storage_get_name(storage, mine, &length, NULL) != SHMALLOC_STATUS_OK) _exit(1);
    if (write(ends[1], mine, sizeof mine) != sizeof mine) _exit(1);
    for (;;) pause();
  }
  assert_int_equal(read(ends[0], name, 128), 128);
  close(ends[0]);
  close(ends[1]);
  return child;
}

static void describe_is_json_that_says_what_is_missing(void **state) {
  (void)state;
  static char text[16384];
  size_t length = 10;
  FAILS(NO_SPACE, "bytes", shmalloc_machine_describe(text, &length, err));
  assert_true(length > 500);
  length = sizeof text;
  OK(shmalloc_machine_describe(text, &length, err));
  assert_int_equal(length, strlen(text) + 1);
  static const char *const parts[] = {"{\"version\":\"0.1.0\"",
                                      "\"shm\":{\"path\":\"/dev/shm\"",
                                      "\"nofile\":",
                                      "\"max_map_count\":",
                                      "\"huge_pages\":[",
                                      "{\"name\":\"map\",\"available\":true}",
                                      "\"why\":\"",
                                      "\"segments\":{\"pages\":\"",
                                      "{\"way\":\"memfd_thp\",\"available\":",
                                      "{\"way\":\"tmpfs\",\"available\":",
                                      "{\"way\":\"small\",\"available\":true}"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
    if (strstr(text, parts[i]) == NULL) fail_msg("no %s in %s", parts[i], text);
  }
  /* The way that is used is one of those that are available. */
  char way[32] = "";
  char used[64];
  const char *segments = strstr(strstr(text, "\"segments\":"), "\"way\":");
  assert_int_equal(sscanf(segments, "\"way\":\"%31[a-z_]", way), 1);
  snprintf(used, sizeof used, "{\"way\":\"%s\",\"available\":true}", way);
  if (strstr(text, used) == NULL) fail_msg("no %s in %s", used, text);
  int depth = 0;
  for (const char *c = text; *c != 0; ++c) depth += (*c == '{' || *c == '[') - (*c == '}' || *c == ']');
  assert_int_equal(depth, 0);
}

static void walk_sees_who_holds_what(void **state) {
  (void)state;
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *storage = NULL;
  char name[128];
  size_t length = sizeof name;
  OK(map_named(map, 100000, SHMALLOC_MAPPED_SHAREDMEM, NULL, &storage,
               err)); /* no descriptor is kept: the mapping holds the lock */
  OK(shmalloc_storage_get_name(storage, name, &length, err));
  shmalloc_object_info info = look_for(name, 1);
  assert_int_equal(info.maker, SHMALLOC_OBJECT_MAKER_SHMALLOC);
  assert_int_equal(info.size, 100000);
  assert_true(info.resident >= 100000);
  assert_int_equal(info.state & (SHMALLOC_OBJECT_NAMED | SHMALLOC_OBJECT_LOCKED), SHMALLOC_OBJECT_NAMED | SHMALLOC_OBJECT_LOCKED);
  assert_int_equal(info.state & SHMALLOC_OBJECT_ABANDONED, 0);
  assert_int_equal(info.holders, 1);
  assert_int_equal(info.holder_pid, getpid());
  assert_int_equal(info.uid, geteuid());
  assert_int_equal(info.mode, 0600);
  assert_int_equal(info.refcount, -1);
  uint64_t objects = 9;
  FAILS(BUSY, "held by 1 processes", shmalloc_machine_reclaim(name, NULL, 0, &objects, NULL, err));
  assert_int_equal(objects, 9);
  shmalloc_storage_release(storage);
  look_for(name, 0);
  FAILS(NOT_FOUND, name, shmalloc_machine_reclaim(name, NULL, 0, NULL, NULL, err));
  shmalloc_allocator_release(map);
  int calls = 0;
  OK(shmalloc_storage_create(NULL, 4096, 0, NULL, &storage, err)); /* one nameless object there is at least */
  OK(shmalloc_machine_walk(NULL, stop_at_once, &calls, err));
  assert_int_equal(calls, 1);
  shmalloc_storage_release(storage);
  FAILS(INVALID, "fn", shmalloc_machine_walk(NULL, NULL, NULL, err));
  FAILS(INVALID, "prefix", shmalloc_machine_walk("a/b", find, NULL, err));
}

static void the_dead_leave_what_reclaim_takes(void **state) {
  (void)state;
  static const shmalloc_allocator_kind kinds[] = {SHMALLOC_ALLOCATOR_KIND_MAP, SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED};
  for (size_t i = 0; i < 2; ++i) {
    char name[128];
    const pid_t child = owner(kinds[i], SHMALLOC_MAPPED_SHAREDMEM, name);
    assert_int_equal(look_for(name, 1).holder_pid, child);
    FAILS(BUSY, "held", shmalloc_machine_reclaim(name, NULL, 0, NULL, NULL, err));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    const shmalloc_object_info info = look_for(name, 1);
    assert_int_not_equal(info.state & SHMALLOC_OBJECT_ABANDONED, 0);
    assert_int_equal(info.holders, 0);
    uint64_t objects = 0;
    uint64_t bytes = 0;
    OK(shmalloc_machine_reclaim(name, NULL, SHMALLOC_RECLAIM_DRY_RUN, &objects, &bytes, err));
    assert_int_equal(objects, 1);
    assert_true(bytes >= 10000);
    look_for(name, 1);
    OK(shmalloc_machine_reclaim(name + 1, NULL, 0, &objects, &bytes, err)); /* without the slash, too */
    look_for(name, 0);
  }
}

/* Another test may run at the same time: so all of one prefix of our own. */
static void reclaim_all_takes_only_what_nobody_holds(void **state) {
  (void)state;
  char config[64];
  char prefix[32];
  snprintf(prefix, sizeof prefix, "gctest%d", getpid());
  snprintf(config, sizeof config, "prefix:%s", prefix);
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    shmalloc_allocator *allocator = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
    shmalloc_storage *storage = NULL;
    for (int i = 0; i < 5; ++i) {
      if (map_named(allocator, 5000, SHMALLOC_MAPPED_SHAREDMEM, NULL, &storage, NULL) != SHMALLOC_STATUS_OK) _exit(1);
    }
    kill(getpid(), SIGKILL);
  }
  waitpid(child, NULL, 0);
  close(ends[0]);
  close(ends[1]);
  shmalloc_allocator *mine = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
  shmalloc_storage *held_here = NULL;
  OK(map_named(mine, 5000, SHMALLOC_MAPPED_SHAREDMEM, NULL, &held_here, err));
  uint64_t objects = 0;
  uint64_t bytes = 0;
  OK(shmalloc_machine_reclaim(NULL, prefix, SHMALLOC_RECLAIM_DRY_RUN, &objects, &bytes, err));
  assert_true(objects >= 5); /* abandoned objects of PyTorch's making count as well */
  assert_int_equal(count_directory("/dev/shm", prefix), 6);
  OK(shmalloc_machine_reclaim(NULL, prefix, 0, &objects, &bytes, err));
  assert_int_equal(count_directory("/dev/shm", prefix), 1);
  memset(shmalloc_storage_data(held_here), 1, 5000);
  shmalloc_storage_release(held_here);
  assert_int_equal(count_directory("/dev/shm", prefix), 0);
  shmalloc_allocator_release(mine);
  FAILS(INVALID, "FORCE", shmalloc_machine_reclaim(NULL, NULL, SHMALLOC_RECLAIM_FORCE, NULL, NULL, err));
  FAILS(UNSUPPORTED, "flags", shmalloc_machine_reclaim(NULL, NULL, 1U << 30, NULL, NULL, err));
  FAILS(INVALID, "no name", shmalloc_machine_reclaim("/a/b", NULL, 0, NULL, NULL, err));
}

static void force_takes_the_name_and_leaves_the_memory(void **state) {
  (void)state;
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *storage = NULL;
  char name[128];
  size_t length = sizeof name;
  OK(map_named(map, 5000, SHMALLOC_MAPPED_SHAREDMEM, NULL, &storage, err));
  OK(shmalloc_storage_get_name(storage, name, &length, err));
  OK(shmalloc_machine_reclaim(name, NULL, SHMALLOC_RECLAIM_FORCE, NULL, NULL, err));
  memset(shmalloc_storage_data(storage), 1, 5000);
  OK(shmalloc_storage_close(storage, err)); /* a name that is gone is no failure */
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(map);
}

struct segment_seen {
  int controls, data;
  uint64_t resident;
};
static int32_t see_segments(const shmalloc_object_info *object, void *userdata) {
  struct segment_seen *seen = userdata;
  if (object->holder_pid != getpid()) return 0;
  assert_int_equal(object->maker, SHMALLOC_OBJECT_MAKER_SHMALLOC);
  if (strcmp(object->name, "memfd:shmalloc_control") == 0) ++seen->controls;
  if (strcmp(object->name, "memfd:shmalloc_segment") == 0 || strncmp(object->name, "deleted:/#", 10) == 0) {
    ++seen->data;
    seen->resident += object->resident;
    assert_int_equal(object->holders, 1);
    assert_int_equal(object->state & SHMALLOC_OBJECT_ABANDONED, 0);
  }
  return 0;
}

static void walk_shows_segments(void **state) {
  (void)state;
  shmalloc_storage *storage = NULL;
  settle();
  struct segment_seen seen = {0};
  OK(shmalloc_machine_walk(NULL, see_segments, &seen, err));
  assert_int_equal(seen.controls + seen.data, 0);
  OK(shmalloc_storage_create(NULL, 5 << 20, 0, NULL, &storage, err));
  OK(shmalloc_machine_walk(NULL, see_segments, &seen, err));
  assert_int_equal(seen.controls, 1);
  assert_int_equal(seen.data, 1);
  assert_in_range(seen.resident, 5 << 20, 64 << 20);
  seen = (struct segment_seen){0};
  OK(shmalloc_machine_walk("another", see_segments, &seen, err));
  assert_int_equal(seen.controls + seen.data, 0);
  shmalloc_storage_release(storage);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(describe_is_json_that_says_what_is_missing), cmocka_unit_test(walk_sees_who_holds_what),
      cmocka_unit_test(the_dead_leave_what_reclaim_takes),          cmocka_unit_test(reclaim_all_takes_only_what_nobody_holds),
      cmocka_unit_test(force_takes_the_name_and_leaves_the_memory), cmocka_unit_test(walk_shows_segments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
