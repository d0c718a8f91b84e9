/* What the tests of limits share. Every test runs in a child process of its own, which may break, fill, limit or lose whatever it likes:
 *     TEST(name) { ... }        the body runs in the child; cmocka's test around it sees how the child ended
 *     CHECK(c), EXPECT(S, call) end the process that they are in, a grandchild or one thread of many as well, with a line on stderr
 *     SKIP("why")               the child ends; the test counts as skipped, with the reason in its name
 * A child that hangs is ended by its alarm. */
#ifndef SHMALLOC_TESTS_LIMITS_SUPPORT_H
#define SHMALLOC_TESTS_LIMITS_SUPPORT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
/* It needs the headers before it. */
#include <cmocka.h>

#include "shmalloc.h"
#include "shmalloc/torch.h"

#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define ASAN 1
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; } /* so that NO_MEMORY can be tested */
#else
#define ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define TSAN 1
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "allocator_may_return_null=1"; }
#else
#define TSAN 0
#endif
#define SANITIZED (ASAN || TSAN)

enum { kWatchdogSeconds = SANITIZED ? 300 : 60, kSkipped = 77, kKiB = 1024, kMiB = 1024 * 1024 };

/* ---- checks ---- */

static _Thread_local shmalloc_error err; /* of the last call that failed in this thread */

__attribute__((noreturn, format(printf, 3, 4))) static inline void failed(const char *file, int line, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  dprintf(STDERR_FILENO, "# %s:%d: %s\n", file, line, text);
  _exit(1);
}

#define CHECK(condition)                                                                             \
  do {                                                                                               \
    if (!(condition)) failed(__FILE__, __LINE__, "%s is not so (errno %d)", #condition, (int)errno); \
  } while (0)

static inline void expect(shmalloc_status wanted, shmalloc_status got, const char *call, const char *file, int line) {
  if (wanted == got) return;
  failed(file, line, "%s\n#   is %s, not %s: %s", call, shmalloc_status_name(got), shmalloc_status_name(wanted),
         got != SHMALLOC_STATUS_OK ? err.message : "");
}
#define EXPECT(wanted, call) expect(SHMALLOC_STATUS_##wanted, (call), #call, __FILE__, __LINE__)

/* The message of the last error has these words in it. */
static inline void says(const char *word, const char *file, int line) {
  if (strstr(err.message, word) == NULL) failed(file, line, "\"%s\" does not say \"%s\"", err.message, word);
}
#define SAYS(word) says(word, __FILE__, __LINE__)

/* What a test holds until its end is no leak: LeakSanitizer finds it here. */
struct kept {
  void *pointer;
  struct kept *next;
};
static struct kept *kept_;
static inline void *keep(void *pointer) {
  struct kept *const one = malloc(sizeof *one);
  CHECK(one != NULL);
  *one = (struct kept){pointer, kept_};
  kept_ = one;
  return pointer;
}

/* ---- children ---- */

struct between { /* parent and child */
  char skip[256];
};
static struct between *between_;
static struct CMUnitTest *tests_;
static size_t test_count_;

__attribute__((noreturn)) static inline void skip_test(const char *why) {
  snprintf(between_->skip, sizeof between_->skip, "%s", why);
  _exit(kSkipped);
}
#define SKIP(why) skip_test(why)

/* A process that ends with its parent, and by itself if it hangs. */
static inline pid_t fork_child(void) {
  fflush(NULL);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) failed(__FILE__, __LINE__, "fork failed with errno %d", errno);
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGXFSZ}; /* cmocka catches most of them */
  for (size_t i = 0; i < sizeof caught / sizeof caught[0]; ++i) signal(caught[i], SIG_DFL);
  alarm(kWatchdogSeconds);
  return 0;
}

static inline int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) CHECK(errno == EINTR);
  return status;
}
/* The child ended well. */
#define JOIN(pid)                                                                                          \
  do {                                                                                                     \
    const int status_ = wait_for(pid);                                                                     \
    if (status_ != 0) failed(__FILE__, __LINE__, "a child ended with wait status %#x", (unsigned)status_); \
  } while (0)

/* Begins all names that this test makes; different in each run. */
static char own_prefix_[32];
static inline const char *own_prefix(void) { return own_prefix_; }
static inline void set_own_prefix(pid_t pid) { snprintf(own_prefix_, sizeof own_prefix_, "limits.%d.", (int)pid); }

static inline int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where) {
  (void)status, (void)kind, (void)where;
  return remove(path) != 0 && errno != ENOENT;
}
/* What a test left in /dev/shm: when it failed, and what it made itself. */
static inline void remove_names(pid_t pid) {
  set_own_prefix(pid);
  struct dirent **entries = NULL;
  const int count = scandir("/dev/shm", &entries, NULL, NULL);
  for (int i = 0; i < count; ++i) {
    char path[512];
    snprintf(path, sizeof path, "/dev/shm/%s", entries[i]->d_name);
    if (strncmp(entries[i]->d_name, own_prefix_, strlen(own_prefix_)) == 0) nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(entries[i]);
  }
  free(entries);
}

static inline void run_in_child(void (*body)(void), const char *name) {
  between_->skip[0] = '\0';
  const pid_t pid = fork_child();
  if (pid == 0) {
    set_own_prefix(getpid());
    body();
    exit(0); /* runs what the library and the sanitizers do at exit */
  }
  const int status = wait_for(pid);
  remove_names(pid);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kSkipped) {
    /* cmocka 1.1.5 writes a skipped test as "not ok", which Meson counts as failed. */
    char *skipped = NULL;
    CHECK(asprintf(&skipped, "%s # SKIP %s", name, between_->skip) > 0);
    keep(skipped);
    for (size_t i = 0; i < test_count_; ++i) {
      if (strcmp(tests_[i].name, name) == 0) tests_[i].name = skipped;
    }
    fprintf(stderr, "# SKIP %s: %s\n", name, between_->skip);
    return;
  }
  if (WIFSIGNALED(status)) {
    fail_msg("ended by signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)),
             WTERMSIG(status) == SIGALRM ? ": it hung" : "");
  }
  if (status != 0) fail_msg("ended with status %d", WEXITSTATUS(status));
}

#define TEST(name)                    \
  static void name##_body(void);      \
  static void name(void **state) {    \
    (void)state;                      \
    run_in_child(name##_body, #name); \
  }                                   \
  static void name##_body(void)

static inline int run_group(struct CMUnitTest *tests, size_t count) {
  between_ = mmap(NULL, sizeof *between_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(between_ != MAP_FAILED);
  tests_ = tests;
  test_count_ = count;
  return _cmocka_run_group_tests("limits", tests, count, NULL, NULL);
}
#define RUN(...)                                             \
  int main(void) {                                           \
    struct CMUnitTest tests[] = {__VA_ARGS__};               \
    return run_group(tests, sizeof tests / sizeof tests[0]); \
  }

/* ---- what a process holds ---- */

static inline void list_directory(FILE *out, const char *path, const char *prefix, int links) {
  struct dirent **entries = NULL;
  const int count = scandir(path, &entries, NULL, alphasort);
  CHECK(count >= 0);
  for (int i = 0; i < count; ++i) {
    char name[512];
    char link[512] = "";
    struct stat status;
    snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
    if (entries[i]->d_name[0] != '.' && strncmp(entries[i]->d_name, prefix, strlen(prefix)) == 0) {
      if (links && readlink(name, link, sizeof link - 1) > 0) fprintf(out, "%s -> %s\n", name, link);
      if (!links && lstat(name, &status) == 0) {
        fprintf(out, "%s: %lld bytes, %lld blocks\n", name, (long long)status.st_size, (long long)status.st_blocks);
      }
    }
    free(entries[i]);
  }
  free(entries);
}

/* Names in /dev/shm that begin with the prefix, descriptors, mappings of files. With an empty prefix, all of /dev/shm and its use. */
static inline char *picture(const char *prefix) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  CHECK(out != NULL);
  list_directory(out, "/dev/shm", prefix, 0);
  list_directory(out, "/proc/self/fd", "", 1);
  FILE *maps = fopen("/proc/self/maps", "re");
  CHECK(maps != NULL);
  char line[1024];
  while (fgets(line, sizeof line, maps) != NULL) {
    if (strstr(line, "/memfd:") != NULL || strstr(line, "/dev/shm/") != NULL) fputs(line, out);
  }
  fclose(maps);
  struct statvfs mount;
  if (prefix[0] == '\0' && statvfs("/dev/shm", &mount) == 0) fprintf(out, "%llu blocks free\n", (unsigned long long)mount.f_bfree);
  fclose(out);
  return keep(text);
}

/* Lines of one picture that the other does not have. */
static inline int print_missing(const char *text, const char *other, char sign) {
  int count = 0;
  for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
    char line[1024];
    snprintf(line, sizeof line, "%.*s\n", (int)(end - text), text);
    if (strstr(other, line) == NULL && ++count <= 10) dprintf(STDERR_FILENO, "# %c %s", sign, line);
  }
  return count;
}
/* Nothing came or went since the picture was taken. */
static inline void same(const char *before, const char *prefix, const char *file, int line) {
  const char *const now = picture(prefix);
  if (strcmp(before, now) != 0 && print_missing(before, now, '-') + print_missing(now, before, '+') > 0) {
    failed(file, line, "the process holds something else than before");
  }
}
#define SAME(before, prefix) same(before, prefix, __FILE__, __LINE__)

/* ---- allocators and storages ---- */

static inline shmalloc_allocator *new_allocator(shmalloc_allocator_kind kind, const char *config) {
  shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
  shmalloc_allocator *allocator = NULL;
  params.kind = kind;
  params.config = config;
  EXPECT(OK, shmalloc_allocator_create(&params, &allocator, &err));
  return keep(allocator);
}

static inline shmalloc_status create(shmalloc_allocator *allocator, size_t size, uint32_t mapped, const char *name,
                                     uint64_t capacity, shmalloc_storage **out) {
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.mapped = mapped;
  params.name = name;
  params.capacity = capacity;
  return shmalloc_storage_create(allocator, size, SHMALLOC_STREAM_DEFAULT, &params, out, &err);
}

static inline shmalloc_status create_from(shmalloc_allocator *allocator, int fd, size_t size, uint32_t mapped, uint64_t capacity,
                                          shmalloc_storage **out) {
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.mapped = mapped | SHMALLOC_MAPPED_FROMFD;
  params.fd = fd;
  params.capacity = capacity;
  return shmalloc_storage_create(allocator, size, SHMALLOC_STREAM_DEFAULT, &params, out, &err);
}

/* Every byte can be written and read: the pattern of `seed`. */
static inline void fill(shmalloc_storage *storage, unsigned seed) {
  volatile unsigned char *bytes = shmalloc_storage_data(storage);
  for (size_t i = 0, size = shmalloc_storage_size(storage); i < size; ++i) bytes[i] = (unsigned char)(i * 31 + seed);
}
static inline size_t wrong_byte(shmalloc_storage *storage, unsigned seed) { /* SIZE_MAX: none */
  const volatile unsigned char *bytes = shmalloc_storage_data(storage);
  for (size_t i = 0, size = shmalloc_storage_size(storage); i < size; ++i) {
    if (bytes[i] != (unsigned char)(i * 31 + seed)) return i;
  }
  return SIZE_MAX;
}
static inline void touch(shmalloc_storage *storage) {
  const volatile unsigned char *bytes = shmalloc_storage_data(storage);
  unsigned sum = 0;
  for (size_t i = 0, size = shmalloc_storage_size(storage); i < size; ++i) sum += bytes[i];
  (void)sum;
}

static inline shmalloc_storage_info info_of(shmalloc_storage *storage) {
  shmalloc_storage_info info = SHMALLOC_INIT(shmalloc_storage_info);
  EXPECT(OK, shmalloc_storage_get_info(storage, &info, &err));
  return info;
}

#endif
