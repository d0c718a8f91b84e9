/* Sizes that nobody has: refused at once, by arithmetic, before a single block is taken. A seccomp filter ends the process when a block
 * is asked for, so nothing here can call the machine's out-of-memory killer. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "support.h"

static shmalloc_allocator *map, *counted, *direct;
static char file_path[64];

static void begin(void) {
  char config[64];
  snprintf(config, sizeof config, "prefix:%s", own_prefix());
  snprintf(file_path, sizeof file_path, "/dev/shm/%sfile", own_prefix());
  map = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
  counted = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, config);
  direct = new_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
}

/* From here on a fallocate of more than 16 MiB ends with `action`. */
static void no_blocks(unsigned action) {
  const struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3]) + 4), /* the length's high half (little endian) */
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])), /* its low half */
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 16 * kMiB, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {sizeof code / sizeof code[0], (struct sock_filter *)(uintptr_t)code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    SKIP("without a seccomp filter this could take all memory of the machine");
  }
}

/* More than any machine that runs this has. */
static const size_t kHuge = (size_t)1 << 46;

TEST(a_memfd_larger_than_memory_is_no_memory_at_once) {
  begin();
  no_blocks(SECCOMP_RET_KILL_PROCESS);
  shmalloc_storage *storage = NULL;
  char *before = picture(own_prefix());
  for (size_t size = (size_t)1 << 40; size <= kHuge; size *= 4) {
    EXPECT(NO_MEMORY, create(map, size, 0, NULL, 0, &storage));
    SAYS(size < kHuge ? "TiB of memory" : "64.00 TiB of memory");
    SAYS("is available");
  }
  SAME(before, own_prefix());
  EXPECT(OK, create(map, 4096, 0, NULL, (size_t)1 << 40, &storage)); /* address space costs nothing */
  before = picture(own_prefix());
  EXPECT(NO_MEMORY, shmalloc_storage_grow(storage, (size_t)1 << 40, SHMALLOC_STREAM_DEFAULT, &err));
  SAME(before, own_prefix());
  fill(storage, 1);
}

/* What is available stands in a file, which takes a descriptor to read. */
TEST(a_full_descriptor_table_does_not_hide_how_much_memory_there_is) {
  begin();
  no_blocks(SECCOMP_RET_KILL_PROCESS);
  shmalloc_storage *storage = NULL;
  for (int spare = 0; spare < 6; ++spare) {
    const struct rlimit limit = {64, 64};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int last = -1, fd;
    while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) last = fd;
    for (int i = 0; i < spare; ++i) close(last - i);
    const shmalloc_status status = create(map, (size_t)1 << 40, 0, NULL, 0, &storage);
    CHECK(status == SHMALLOC_STATUS_NO_SPACE || status == SHMALLOC_STATUS_NO_MEMORY);
    while (last > STDERR_FILENO) close(last--);
  }
}

/* The mount of a small machine may be set to more than its memory: a shm object is as large as a memfd then. */
TEST(a_shm_object_larger_than_the_mount_takes_no_block_of_it) {
  begin();
  no_blocks(SECCOMP_RET_KILL_PROCESS);
  shmalloc_storage *storage = NULL;
  char *before = picture(own_prefix());
  EXPECT(NO_SPACE, create(map, kHuge, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &storage));
  SAYS("/dev/shm");
  EXPECT(NO_SPACE, create(map, kHuge, SHMALLOC_MAPPED_SHARED, file_path, 0, &storage));
  EXPECT(NO_SPACE, create(counted, kHuge, 0, NULL, 0, &storage));
  SAME(before, own_prefix());
}

/* ---- arithmetic ---- */

static const size_t kSizes[] = {SIZE_MAX,       SIZE_MAX - 1,          SIZE_MAX - 63,   SIZE_MAX - 4095,       (SIZE_MAX >> 1) + 1,
                                SIZE_MAX >> 1,  ((size_t)1 << 62) + 1, (size_t)1 << 62, ((size_t)1 << 62) - 1, (size_t)1 << 61,
                                (size_t)1 << 56};
enum { kSizeCount = sizeof kSizes / sizeof kSizes[0] };

static void refused(shmalloc_status status, const char *what, size_t size) {
  if (status == SHMALLOC_STATUS_NO_SPACE || status == SHMALLOC_STATUS_NO_MEMORY || status == SHMALLOC_STATUS_INVALID) return;
  failed(__FILE__, __LINE__, "%s of %#zx is %s: %s", what, size, shmalloc_status_name(status), err.message);
}

TEST(sizes_near_the_end_of_numbers_are_refused) {
  begin();
  no_blocks(SECCOMP_RET_ERRNO | ENOSPC);
  shmalloc_storage *storage = NULL;
  CHECK(close(open(file_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == 0);
  const int fd = open(file_path, O_RDWR | O_CLOEXEC);
  CHECK(fd >= 0 && fallocate(fd, 0, 0, 8192) == 0);
  char *before = picture(own_prefix());
  for (int i = 0; i < kSizeCount; ++i) {
    const size_t size = kSizes[i];
    refused(create(map, size, 0, NULL, 0, &storage), "a memfd", size);
    refused(create(map, size, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &storage), "a shm object", size);
    refused(create(map, size, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_UNLINK, NULL, 0, &storage), "a removed object", size);
    refused(create(map, size, SHMALLOC_MAPPED_SHARED, file_path, 0, &storage), "a file", size);
    refused(create(map, size, 0, file_path, 0, &storage), "a private view", size);
    refused(create(map, size, SHMALLOC_MAPPED_READ_ONLY, file_path, 0, &storage), "a read-only view", size);
    refused(create_from(map, fd, size, SHMALLOC_MAPPED_SHARED, 0, &storage), "a descriptor", size);
    refused(create(counted, size, 0, NULL, 0, &storage), "a counted object", size);
    refused(create(direct, size, 0, NULL, 0, &storage), "private memory", size);
    SAME(before, own_prefix());
    struct stat status;
    CHECK(fstat(fd, &status) == 0 && status.st_size == 8192);
  }
}

TEST(capacities_and_offsets_near_the_end_of_numbers_are_refused) {
  begin();
  no_blocks(SECCOMP_RET_ERRNO | ENOSPC);
  shmalloc_storage *storage = NULL;
  const int fd = open(file_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && fallocate(fd, 0, 0, 8192) == 0);
  char *before = picture(own_prefix());
  for (int i = 0; i < kSizeCount; ++i) {
    const size_t size = kSizes[i];
    refused(create(map, 4096, 0, NULL, size, &storage), "a memfd with a capacity", size);
    refused(create(map, 4096, SHMALLOC_MAPPED_SHAREDMEM, NULL, size, &storage), "a shm object with a capacity", size);
    refused(create(map, 4096, SHMALLOC_MAPPED_SHARED, file_path, size, &storage), "a file with a capacity", size);
    refused(create(map, 4096, 0, file_path, size, &storage), "a private view with a capacity", size);
    refused(create_from(map, fd, 0, SHMALLOC_MAPPED_READ_ONLY, size, &storage), "a descriptor with a capacity", size);
    refused(create(counted, 4096, 0, NULL, size, &storage), "a counted object with a capacity", size);
    refused(create(direct, 4096, 0, NULL, size, &storage), "private memory with a capacity", size);
    shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
    params.name = file_path;
    params.mapped = SHMALLOC_MAPPED_SHARED;
    params.file_offset = size & ~(size_t)4095;
    for (int k = 0; k < kSizeCount; ++k) {
      refused(shmalloc_storage_create(map, kSizes[k], SHMALLOC_STREAM_DEFAULT, &params, &storage, &err), "an offset", size);
    }
    refused(shmalloc_storage_create(map, 0, SHMALLOC_STREAM_DEFAULT, &params, &storage, &err), "an offset", size);
    params.file_offset = 0;
    params.alignment = (size & (size - 1)) == 0 ? size : (size_t)1 << 60;
    refused(shmalloc_storage_create(map, 4096, SHMALLOC_STREAM_DEFAULT, &params, &storage, &err), "an alignment", size);
    params.name = NULL;
    params.mapped = 0;
    if (!SANITIZED) /* whose posix_memalign can't add so large numbers */
      refused(shmalloc_storage_create(direct, 4096, SHMALLOC_STREAM_DEFAULT, &params, &storage, &err), "an alignment", size);
    SAME(before, own_prefix());
  }
}

TEST(growing_copying_and_importing_near_the_end_of_numbers_are_refused) {
  begin();
  no_blocks(SECCOMP_RET_ERRNO | ENOSPC);
  shmalloc_storage *storage = NULL, *other = NULL;
  EXPECT(OK, create(map, 4096, 0, NULL, 8192, &storage));
  fill(storage, 1);
  char *before = picture(own_prefix());
  shmalloc_import_params params = SHMALLOC_INIT(shmalloc_import_params);
  params.format = SHMALLOC_HANDLE_FORMAT_TORCH_FD;
  const int fd = info_of(storage).fd;
  for (int i = 0; i < kSizeCount; ++i) {
    const size_t size = kSizes[i];
    refused(shmalloc_storage_grow(storage, size, SHMALLOC_STREAM_DEFAULT, &err), "growing", size);
    if (size != SHMALLOC_SIZE_ALL) EXPECT(INVALID, shmalloc_storage_copy(storage, 0, storage, 1, size, 0, 0, &err));
    EXPECT(INVALID, shmalloc_storage_copy(storage, size, storage, 0, 1, 0, 0, &err));
    EXPECT(INVALID, shmalloc_storage_copy(storage, 0, storage, size, SHMALLOC_SIZE_ALL, 0, 0, &err));
    EXPECT(INVALID, shmalloc_storage_copy(storage, 4096, storage, size, size, 0, 0, &err));
    char text[32];
    snprintf(text, sizeof text, "%zu", size);
    const shmalloc_status status = shmalloc_storage_import((const uint8_t *)text, strlen(text), &fd, 1, &params, &other, &err);
    if (status != SHMALLOC_STATUS_CORRUPT) refused(status, "importing", size);
    SAME(before, own_prefix());
  }
  CHECK(shmalloc_storage_size(storage) == 4096 && wrong_byte(storage, 1) == SIZE_MAX);
}

RUN(cmocka_unit_test(a_memfd_larger_than_memory_is_no_memory_at_once),
    cmocka_unit_test(a_full_descriptor_table_does_not_hide_how_much_memory_there_is),
    cmocka_unit_test(a_shm_object_larger_than_the_mount_takes_no_block_of_it),
    cmocka_unit_test(sizes_near_the_end_of_numbers_are_refused),
    cmocka_unit_test(capacities_and_offsets_near_the_end_of_numbers_are_refused),
    cmocka_unit_test(growing_copying_and_importing_near_the_end_of_numbers_are_refused))
