/* What a process has of segments, seen from outside the library: descriptors, locks, and the tables themselves
 * (src/cpp/base/wire/segment.hpp). */
#include <dirent.h>
#include <sys/stat.h>

#include "world.h"

enum { kOwnerAt = 72, kPlacesAt = 128, kUsedAt = 196, kPlaces = 64, kFirstSlot = 4096, kSlot = 32 };
static const off_t kPlaceBytes = ((off_t)1 << 40) + 64;

int nothing_is_held(char *text, size_t room);
int segments_here(void);

/* Calls `visit` for each control of a segment that this process has open. */
static int each_control(int (*visit)(int fd, char *text, size_t room), char *text, size_t room) {
  DIR *directory = opendir("/proc/self/fd");
  int good = 1;
  for (const struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
    char path[300], link[300] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
    if (readlink(path, link, sizeof link - 1) < 0 || strstr(link, "shmalloc_control") == NULL) continue;
    const int fd = open(path, O_RDWR | O_CLOEXEC); /* a description of our own: it sees the locks of all others */
    if (fd < 0) continue;
    good = visit(fd, text, room) && good;
    close(fd);
  }
  if (directory != NULL) closedir(directory);
  return good;
}

static int is_free(int fd, char *text, size_t room) {
  struct stat status;
  int good = 1;
  for (int place = 0; place < kPlaces; ++place) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = kPlaceBytes + place, .l_len = 1};
    if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK) continue;
    snprintf(text, room, "place %d is taken", place);
    good = 0;
  }
  if (fstat(fd, &status) != 0) return 0;
  const char *control = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (control == MAP_FAILED) return 0;
  const uint32_t used = *(const volatile uint32_t *)(const void *)(control + kUsedAt);
  for (uint32_t i = 0; i < used; ++i) {
    const uint64_t holders = *(const volatile uint64_t *)(const void *)(control + kFirstSlot + (size_t)i * kSlot);
    if (holders == 0) continue;
    const uint64_t *slot = (const void *)(control + kFirstSlot + (size_t)i * kSlot);
    snprintf(text, room, "slot %u of %u has holders %#llx, generation %u, %llu bytes; places %#llx; owner %d", i, used,
             (unsigned long long)holders, (unsigned)slot[1], (unsigned long long)slot[3],
             (unsigned long long)*(const uint64_t *)(const void *)(control + kPlacesAt),
             *(const int *)(const void *)(control + kOwnerAt));
    good = 0;
  }
  munmap((void *)(uintptr_t)control, (size_t)status.st_size);
  return good;
}

int nothing_is_held(char *text, size_t room) { return each_control(is_free, text, room); }

static int count_one(int fd, char *text, size_t room) {
  (void)fd, (void)room;
  ++*(int *)(void *)text;
  return 1;
}
int segments_here(void) {
  int count = 0;
  each_control(count_one, (char *)(void *)&count, sizeof count);
  return count;
}
