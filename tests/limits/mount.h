/* A /dev/shm of 1 MiB that only this process and its children see. */
#ifndef SHMALLOC_TESTS_LIMITS_MOUNT_H
#define SHMALLOC_TESTS_LIMITS_MOUNT_H

#include <sched.h>
#include <sys/mount.h>

#include "support.h"

enum { kMount = kMiB, kTooMuch = 2 * kMiB };

static shmalloc_allocator *map, *counted, *direct;

static inline void write_file(const char *path, const char *text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  close(fd);
}

static inline void mount_small(void) {
  const unsigned user = getuid(), group = getgid();
  const int flags = CLONE_NEWNS | (geteuid() != 0 ? CLONE_NEWUSER : 0);
  if (unshare(flags) != 0) SKIP("no mount namespace of its own: run it as root, or allow user namespaces");
  if ((flags & CLONE_NEWUSER) != 0) {
    char text[64];
    snprintf(text, sizeof text, "0 %u 1", user);
    write_file("/proc/self/uid_map", text);
    write_file("/proc/self/setgroups", "deny");
    snprintf(text, sizeof text, "0 %u 1", group);
    write_file("/proc/self/gid_map", text);
  }
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("limits", "/dev/shm", "tmpfs", 0, "size=1m") != 0) {
    SKIP("mounting is forbidden, even in a namespace of its own");
  }
  map = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  counted = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, NULL);
  direct = new_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
}

/* Takes all but `left` bytes of the mount; the descriptor keeps them. */
static inline int take_all_but(size_t left) {
  struct statvfs mount_now;
  CHECK(statvfs("/dev/shm", &mount_now) == 0);
  const size_t all = mount_now.f_bavail * mount_now.f_frsize;
  const int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && all >= left && (all == left || fallocate(fd, 0, 0, (off_t)(all - left)) == 0));
  return fd;
}

static inline int sparse_object(const char *path, off_t size) {
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && ftruncate(fd, size) == 0);
  return fd;
}

/* NO_SPACE, and it says on which mount, how large that is and how much was asked for. */
static inline void says_no_space(const char *asked) {
  SAYS("/dev/shm");
  SAYS("of 1.00 MiB are free on");
  SAYS(asked);
}

#endif
