/* What every C test needs: cmocka, calls that must succeed or fail in a given way, and a look at what the process holds. */
#ifndef SHMALLOC_TESTS_SUPPORT_H
#define SHMALLOC_TESTS_SUPPORT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif
#include <cmocka.h>
#ifdef __cplusplus
}
#endif

#include "shmalloc.h"

/* The rest of a test makes no sense here. cmocka's own tells TAP "not ok", which counts as a failure. */
#undef skip
#define skip()                                           \
  do {                                                   \
    fprintf(stderr, "# %s is skipped here\n", __func__); \
    return;                                              \
  } while (0)

/* A call that must be OK; its error is printed if it is not. `err` is the error to pass. */
#define OK(...)                                                                                            \
  do {                                                                                                     \
    shmalloc_error error_;                                                                                 \
    memset(&error_, 0, sizeof error_);                                                                     \
    shmalloc_error *err = &error_;                                                                         \
    const int status_ = (__VA_ARGS__);                                                                     \
    (void)err;                                                                                             \
    if (status_ != 0) fail_msg("%s: %s: %s", #__VA_ARGS__, shmalloc_status_name(status_), error_.message); \
  } while (0)

/* A call that must fail with this status, fill the error alike, and say `word` in its message. */
#define FAILS(wanted, word, ...)                                                                            \
  do {                                                                                                      \
    shmalloc_error error_;                                                                                  \
    memset(&error_, 0, sizeof error_);                                                                      \
    shmalloc_error *err = &error_;                                                                          \
    const int status_ = (__VA_ARGS__);                                                                      \
    if (status_ != SHMALLOC_STATUS_##wanted)                                                                \
      fail_msg("%s: %s, not " #wanted ": %s", #__VA_ARGS__, shmalloc_status_name(status_), error_.message); \
    assert_int_equal(error_.status, status_);                                                               \
    if (strstr(error_.message, word) == NULL) fail_msg("\"%s\" does not say \"%s\"", error_.message, word); \
  } while (0)

/* What a process holds: descriptors, mappings of shared memory, names in /dev/shm. */
struct held {
  int descriptors;
  int mappings;
  int names;
};

/* Entries whose name has `part` in it. */
static inline int count_directory(const char *path, const char *part) {
  int count = 0;
  DIR *directory = opendir(path);
  if (directory == NULL) return -1;
  for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) count += strstr(entry->d_name, part) != NULL;
  closedir(directory);
  return count;
}

/* A name of this process alone: other tests run at the same time. */
static inline const char *own(const char *format) {
  static char text[4][128];
  static int next;
  char *at = text[next++ % 4];
  snprintf(at, sizeof text[0], "%s_%d_", format, getpid());
  return at;
}

static inline struct held look(void) {
  struct held held = {count_directory("/proc/self/fd", ""), 0, count_directory("/dev/shm", own(""))};
  char line[512];
  FILE *maps = fopen("/proc/self/maps", "re");
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    if (strstr(line, "/dev/shm/") != NULL || strstr(line, "/memfd:shm") != NULL || strstr(line, "/tmp/shmalloc-test") != NULL)
      ++held.mappings;
  }
  if (maps != NULL) fclose(maps);
  return held;
}

/* The default allocator's segments go, and what it keeps for good (where its pages come from) is there: what is held can be compared. */
static inline void settle(void) {
  shmalloc_storage *storage = NULL;
  if (shmalloc_storage_create(NULL, 1, SHMALLOC_STREAM_DEFAULT, NULL, &storage, NULL) == SHMALLOC_STATUS_OK)
    shmalloc_storage_release(storage);
  shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_FREE, 0, NULL, NULL);
}

#define SAME(before)                                          \
  do {                                                        \
    const struct held now_ = look();                          \
    assert_int_equal((before).descriptors, now_.descriptors); \
    assert_int_equal((before).mappings, now_.mappings);       \
    assert_int_equal((before).names, now_.names);             \
  } while (0)

/* Runs `body` in a forked child; the child must exit with 0. */
#define IN_CHILD(...)                                            \
  do {                                                           \
    fflush(NULL);                                                \
    const pid_t child_ = fork();                                 \
    assert_true(child_ >= 0);                                    \
    if (child_ == 0) {                                           \
      int result = 0;                                            \
      __VA_ARGS__;                                               \
      _exit(result);                                             \
    }                                                            \
    int wait_status_ = 0;                                        \
    assert_int_equal(waitpid(child_, &wait_status_, 0), child_); \
    const unsigned how_ = wait_status_;                          \
    if (how_ != 0) fail_msg("child ended with %#x", how_);       \
  } while (0)

/* In a child, where cmocka can't report: exits with the number of the line. */
#define CHILD_CHECK(condition)                                                         \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      fprintf(stderr, "%s:%d: child: %s is not so\n", __FILE__, __LINE__, #condition); \
      _exit(1);                                                                        \
    }                                                                                  \
  } while (0)

static inline shmalloc_allocator *make_allocator(shmalloc_allocator_kind kind, const char *config) {
  shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
  shmalloc_allocator *allocator = NULL;
  params.kind = kind;
  params.config = config;
  OK(shmalloc_allocator_create(&params, &allocator, err));
  return allocator;
}

/* A storage of the allocator with mapping flags and a name. */
static inline shmalloc_status map_named(shmalloc_allocator *allocator, size_t size, uint32_t mapped, const char *name,
                                        shmalloc_storage **out, shmalloc_error *err) {
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.mapped = mapped;
  params.name = name;
  return shmalloc_storage_create(allocator, size, SHMALLOC_STREAM_DEFAULT, &params, out, err);
}

static inline shmalloc_storage_info info_of(shmalloc_storage *storage) {
  shmalloc_storage_info info = SHMALLOC_INIT(shmalloc_storage_info);
  OK(shmalloc_storage_get_info(storage, &info, err));
  return info;
}

#endif
