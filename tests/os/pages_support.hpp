// What the tests of os/pages need: a table of calls whose answers they choose, and a look at the pages that a file got.
#pragma once

#include <grp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <string>

#include "os/calls.hpp"
#include "os/pages.hpp"
#include "support.h"

using namespace shmalloc::os;

// Chosen anew from the calls as they are now, and given back; afterwards the table is what it was and no descriptor is left.
struct Fresh {
  Calls before = calls;
  int descriptors;
  Fresh() {
    forget_pages();
    descriptors = count_directory("/proc/self/fd", "");
  }
  ~Fresh() {
    calls = before;
    forget_pages();
    const int now = count_directory("/proc/self/fd", "");
    if (now != descriptors) fail_msg("%d descriptors, were %d", now, descriptors);
  }
  Fresh(const Fresh &) = delete;
  Fresh &operator=(const Fresh &) = delete;
};

inline bool uses(const char *way) {
  const PagesReport report = pages_report();
  if (strcmp(report.way, way) != 0)
    print_message("# %s, for memfd_thp: %s; tmpfs: %s\n", report.way, report.ways[0].why, report.ways[1].why);
  return strcmp(report.way, way) == 0;
}
inline bool says(int way, const char *word) {
  const PagesReport report = pages_report();
  if (strstr(report.ways[way].why, word) == nullptr) print_message("# \"%s\" does not say \"%s\"\n", report.ways[way].why, word);
  return strstr(report.ways[way].why, word) != nullptr && !report.ways[way].available;
}

// A file as promised. `out` is where it stays, if anywhere.
inline bool good(Pages wanted, bool sealed, bool huge, SegmentFile *out = nullptr) {
  auto file = make_segment_file("shmalloc test", wanted, sealed);
  if (!file) {
    print_message("# %s\n", file.error().message);
    return false;
  }
  struct stat status {};
  const int fd = file->fd.get();
  const bool seals = fcntl(fd, F_GET_SEALS) >= 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0;
  const bool fine = fstat(fd, &status) == 0 && status.st_size == 0 && status.st_nlink == 0 && S_ISREG(status.st_mode) &&
                    (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR &&
                    file->sealable == seals && file->huge == huge && (!sealed || seals);
  if (!fine) print_message("# huge %d, sealable %d (%d)\n", file->huge, file->sealable, seals);
  if (out != nullptr) *out = std::move(*file);
  return fine;
}
inline bool refused(bool sealed, const char *word) {
  auto file = make_segment_file("shmalloc test", Pages::huge, sealed);
  if (file) return false;
  if (strstr(file.error().message, word) == nullptr) print_message("# \"%s\" does not say \"%s\"\n", file.error().message, word);
  return file.error().status == SHMALLOC_STATUS_UNSUPPORTED && strstr(file.error().message, word) != nullptr;
}

// KiB of huge pages that this process has mapped of a file of 4 MiB, once touched.
inline long mapped_huge(const SegmentFile &file) {
  constexpr std::size_t kSize = 2 * kHugePage;
  auto *space = static_cast<char *>(mmap(nullptr, kSize + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  char *at = space + (kHugePage - reinterpret_cast<std::uintptr_t>(space) % kHugePage);
  if (ftruncate(file.fd.get(), kSize) != 0 ||
      mmap(at, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file.fd.get(), 0) == MAP_FAILED) {
    return -1;
  }
  if (file.advise) madvise(at, kSize, MADV_HUGEPAGE);
  for (std::size_t i = 0; i < kSize; i += 4096) at[i] = 1;
  long sum = 0;
  long value = 0;
  char line[512];
  FILE *maps = fopen("/proc/self/smaps", "re");
  while (maps != nullptr && fgets(line, sizeof line, maps) != nullptr) {
    if (sscanf(line, "ShmemPmdMapped: %ld", &value) == 1) sum += value;
  }
  if (maps != nullptr) fclose(maps);
  munmap(space, kSize + kHugePage);
  return sum;
}

// A process that is nobody, as one that the system started as such: not one that just gave up more rights.
inline bool become_nobody(bool dumpable) {
  if (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0) return false;
  return prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0) == 0;
}
