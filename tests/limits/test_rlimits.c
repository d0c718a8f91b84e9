/* A process at its limits of file size, address space and mappings. Each call succeeds, or names the limit and leaves nothing behind. */
#include <sys/resource.h>

#include "support.h"

static shmalloc_allocator *map, *counted, *direct;
static char file_path[64];
static uint8_t handle[SHMALLOC_HANDLE_MAX];
static size_t handle_length;

static void begin(void) {
  char config[64];
  snprintf(config, sizeof config, "prefix:%s", own_prefix());
  snprintf(file_path, sizeof file_path, "/dev/shm/%sfile", own_prefix());
  map = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
  counted = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, config);
  direct = new_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
}

static void set_limit(int resource, rlim_t value) {
  struct rlimit limit;
  CHECK(getrlimit(resource, &limit) == 0);
  limit.rlim_cur = value;
  CHECK(setrlimit(resource, &limit) == 0);
}

/* ---- file size: the signal SIGXFSZ ends this process if it is sent ---- */

TEST(the_limit_of_file_sizes_is_no_space_without_a_signal) {
  begin();
  shmalloc_allocator *bound = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "populate:1,prefix:limits");
  shmalloc_storage *small = NULL, *private_one = NULL, *storage = NULL;
  EXPECT(OK, create(map, 4096, 0, NULL, kMiB, &small));
  EXPECT(OK, create(direct, kMiB, 0, NULL, 0, &private_one));
  set_limit(RLIMIT_FSIZE, 64 * kKiB);
  char *before = picture(own_prefix());
  for (size_t size = 100; size <= 64 * kKiB; size += 64 * kKiB - 100) { /* up to the limit */
    EXPECT(OK, create(map, size, 0, NULL, 0, &storage));
    shmalloc_storage_release(storage);
    EXPECT(OK, create(map, size, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &storage));
    shmalloc_storage_release(storage);
    EXPECT(OK, create(counted, size - 64, 0, NULL, 0, &storage));
    shmalloc_storage_release(storage);
  }
  EXPECT(NO_SPACE, create(map, kMiB, 0, NULL, 0, &storage));
  SAYS("RLIMIT_FSIZE");
  SAYS("64.00 KiB");
  EXPECT(NO_SPACE, create(bound, kMiB, 0, NULL, 0, &storage));
  EXPECT(NO_SPACE, create(map, kMiB, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &storage));
  EXPECT(NO_SPACE, create(map, kMiB, SHMALLOC_MAPPED_SHARED, file_path, 0, &storage));
  EXPECT(NO_SPACE, create(counted, kMiB, 0, NULL, 0, &storage));
  EXPECT(NO_SPACE, create(counted, 64 * kKiB, 0, NULL, 0, &storage));
  EXPECT(NO_SPACE, shmalloc_storage_grow(small, 65 * kKiB, SHMALLOC_STREAM_DEFAULT, &err));
  EXPECT(NO_SPACE, shmalloc_storage_share(private_one, map, SHMALLOC_STREAM_DEFAULT, &err));
  SAYS("RLIMIT_FSIZE");
  SAME(before, own_prefix());
  EXPECT(OK, shmalloc_storage_grow(small, 64 * kKiB, SHMALLOC_STREAM_DEFAULT, &err));
  fill(small, 1);
}

/* Memory that is bound to a node gets its length before its blocks. */
TEST(the_limit_of_file_sizes_holds_for_bound_memory) {
  begin();
  shmalloc_allocator *bound = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "numa_node:0");
  shmalloc_storage *storage = NULL;
  if (create(bound, 4096, 0, NULL, 0, &storage) != SHMALLOC_STATUS_OK) SKIP("memory can't be bound to node 0 here");
  char *before = picture(own_prefix());
  set_limit(RLIMIT_FSIZE, 64 * kKiB);
  EXPECT(NO_SPACE, create(bound, kMiB, 0, NULL, 0, &storage));
  EXPECT(NO_SPACE, create(bound, kMiB, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &storage));
  SAME(before, own_prefix());
}

/* ---- address space and mappings ---- */

static void no_room_to_map(shmalloc_status wanted, const char *words) {
  shmalloc_storage *storage = NULL;
  char path[80];
  snprintf(path, sizeof path, "%s.2", file_path);
  enum { kSize = 64 * kMiB };
  const int fd = open(file_path, O_RDONLY | O_CLOEXEC);
  CHECK(fd >= 0);
#define REFUSED(call) expect(wanted, (call), #call, __FILE__, __LINE__), SAYS(words)
  REFUSED(create(map, 4096, 0, NULL, kSize, &storage));
  REFUSED(create(map, 4096, SHMALLOC_MAPPED_SHAREDMEM, NULL, kSize, &storage));
  REFUSED(create(map, 4096, SHMALLOC_MAPPED_SHARED, path, kSize, &storage));
  REFUSED(create(map, 0, 0, file_path, 0, &storage));
  REFUSED(create_from(map, fd, 0, SHMALLOC_MAPPED_READ_ONLY, 0, &storage));
  REFUSED(shmalloc_storage_import(handle, handle_length, NULL, 0, NULL, &storage, &err));
#undef REFUSED
  close(fd);
}

static void prepare_large(void) {
  begin();
  shmalloc_storage *source = NULL;
  EXPECT(OK, create(map, 4096, 0, NULL, 64 * kMiB, &source));
  handle_length = sizeof handle;
  EXPECT(OK, shmalloc_storage_export(source, NULL, handle, &handle_length, &err));
  const int fd = open(file_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && ftruncate(fd, 64 * kMiB) == 0);
  close(fd);
}

TEST(no_address_space_left_is_no_memory) {
  if (SANITIZED) SKIP("a sanitizer needs terabytes of address space");
  prepare_large();
  unsigned long pages = 0;
  FILE *statm = fopen("/proc/self/statm", "re");
  CHECK(statm != NULL && fscanf(statm, "%lu", &pages) == 1);
  fclose(statm);
  char *before = picture(own_prefix());
  set_limit(RLIMIT_AS, (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + 8 * kMiB);
  no_room_to_map(SHMALLOC_STATUS_NO_MEMORY, "ulimit -v");
  shmalloc_storage *storage = NULL;
  EXPECT(NO_MEMORY, create(direct, 64 * kMiB, 0, NULL, 0, &storage));
  set_limit(RLIMIT_AS, RLIM_INFINITY);
  SAME(before, own_prefix());
}

TEST(a_full_map_table_is_no_space) {
  if (SANITIZED) SKIP("a sanitizer needs mappings of its own");
  unsigned long most = 0;
  FILE *limit = fopen("/proc/sys/vm/max_map_count", "re");
  if (limit == NULL || fscanf(limit, "%lu", &most) != 1 || most > 300000) SKIP("vm.max_map_count is too high to be reached");
  fclose(limit);
  prepare_large();
  char *before = picture(own_prefix());
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const size_t size = 2 * (size_t)most * page;
  char *const all = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(all != MAP_FAILED);
  size_t at = 0;
  while (at < size && mprotect(all + at, page, PROT_READ) == 0) at += 2 * page;
  CHECK(errno == ENOMEM && mmap(NULL, page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != NULL);
  while (mmap(NULL, page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) continue;
  char words[32];
  snprintf(words, sizeof words, "%lu", most);
  no_room_to_map(SHMALLOC_STATUS_NO_SPACE, words);
  munmap(all, size);
  SAME(before, own_prefix());
}

RUN(cmocka_unit_test(the_limit_of_file_sizes_is_no_space_without_a_signal),
    cmocka_unit_test(the_limit_of_file_sizes_holds_for_bound_memory), cmocka_unit_test(no_address_space_left_is_no_memory),
    cmocka_unit_test(a_full_map_table_is_no_space))
