#include "os/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>

#include "base/text.hpp"
#include "os/memory_info.hpp"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif

namespace shmalloc::os {
namespace {

// A long fallocate that a signal interrupts starts anew, so it is done in pieces that get smaller when that happens.
constexpr std::uint64_t kPiece = std::uint64_t{64} << 20;

std::uint64_t nanoseconds(const struct statx_timestamp &time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1000000000U + time.tv_nsec;
}

void fill(FileFacts *facts, const struct statx &status) {
  facts->identity.device = static_cast<std::uint64_t>(status.stx_dev_major) << 32 | status.stx_dev_minor;
  facts->identity.inode = status.stx_ino;
  facts->identity.born_ns = (status.stx_mask & STATX_BTIME) != 0 ? nanoseconds(status.stx_btime) : 0;
  facts->size = status.stx_size;
  facts->resident = status.stx_blocks * 512;
  facts->changed_ns = static_cast<std::int64_t>(nanoseconds(status.stx_ctime));
  facts->links = status.stx_nlink;
  facts->mode = status.stx_mode & 07777U;
  facts->uid = status.stx_uid;
  facts->regular = (status.stx_mode & S_IFMT) == S_IFREG;
}

constexpr unsigned kMask = STATX_BASIC_STATS | STATX_BTIME;

// Where a file system can't reserve: zeros written behind the old end take the blocks just as well.
int write_zeros(int fd, std::uint64_t from, std::uint64_t to) {
  static constexpr char kZeros[65536] = {};
  while (from < to) {
    const ssize_t written = calls.pwrite(fd, kZeros, std::min<std::uint64_t>(sizeof kZeros, to - from), static_cast<off_t>(from));
    if (written < 0 && errno != EINTR) return errno;
    if (written > 0) from += static_cast<std::uint64_t>(written);
  }
  return 0;
}

// Moves *from on as far as it got.
int reserve_blocks(int fd, std::uint64_t *from, std::uint64_t to, std::uint64_t old_size, std::uint64_t page) {
  std::uint64_t piece = kPiece;
  while (*from < to) {
    const std::uint64_t size = std::min(piece, to - *from);
    if (calls.fallocate(fd, 0, static_cast<off_t>(*from), static_cast<off_t>(size)) == 0) {
      *from += size;
      continue;
    }
    if (errno == EINTR) {
      piece = std::max(page, piece / 4);
    } else if (errno == EOPNOTSUPP) {
      return to > old_size ? write_zeros(fd, std::max(*from, old_size), to) : 0;
    } else {
      return errno;
    }
  }
  return 0;
}

}  // namespace

std::size_t page_size() {
  static constinit std::atomic<std::size_t> known{0};
  std::size_t size = known.load(std::memory_order_relaxed);
  if (size == 0) known.store(size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), std::memory_order_relaxed);
  return size;
}

Result<FileFacts> look(int fd, const char *what) {
  struct statx status;
  if (calls.statx(fd, "", AT_EMPTY_PATH, kMask, &status) != 0) return fail_errno(errno, "looking at %s failed", what);
  FileFacts facts;
  fill(&facts, status);
  return facts;
}

int look_at(const char *path, FileFacts *out) {
  struct statx status;
  if (calls.statx(AT_FDCWD, path, 0, kMask, &status) != 0) return errno;
  fill(out, status);
  return 0;
}

UniqueFd open_path(const char *path, int flags, unsigned mode) {
  int fd;
  do {
    fd = calls.open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
  } while (fd < 0 && errno == EINTR);
  return UniqueFd(fd);
}

Result<UniqueFd> reopen(int fd, int flags) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  UniqueFd again = open_path(path, flags);
  if (!again) return fail_errno(errno, "opening descriptor %d once more (through /proc) failed%s", fd, hint_for(errno, "").text);
  return again;
}

Result<UniqueFd> duplicate(int fd) {
  UniqueFd copy(calls.fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) return fail_errno(errno, "duplicating descriptor %d failed%s", fd, hint_for(errno, "").text);
  return copy;
}

Result<UniqueFd> make_memfd(const char *name, std::uint64_t huge_page) {
  // Kernels from 6.3 on want to hear whether code will run from it; older ones do not know the word.
  static constinit std::atomic<unsigned> no_exec{MFD_NOEXEC_SEAL};
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  if (huge_page != 0) {
    flags |= MFD_HUGETLB | static_cast<unsigned>(__builtin_ctzll(huge_page)) << MFD_HUGE_SHIFT;
  } else {
    flags |= no_exec.load(std::memory_order_relaxed);
  }
  UniqueFd fd(calls.memfd_create(name, flags));
  if (!fd && errno == EINVAL && (flags & MFD_NOEXEC_SEAL) != 0) {
    no_exec.store(0, std::memory_order_relaxed);
    fd = UniqueFd(calls.memfd_create(name, flags & ~MFD_NOEXEC_SEAL));
  }
  if (fd) return fd;
  if (huge_page != 0 && (errno == ENODEV || errno == EINVAL || errno == ENOENT)) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, errno, "this kernel has no huge pages of %s", size_text(huge_page).text);
  }
  return fail_errno(errno, "making a memfd failed%s", hint_for(errno, "").text);
}

UniqueFd make_unnamed(const char *directory, unsigned mode) { return open_path(directory, O_TMPFILE | O_RDWR, mode); }

int give_name(int fd, const char *path) {
  char from[32];
  std::snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
  return calls.linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

int remove_name(const char *path, const Identity &identity) {
  FileFacts facts;
  const int error = look_at(path, &facts);
  if (error == ENOENT || (error == 0 && facts.identity != identity)) return 0;
  if (error != 0) return error;
  return calls.unlink(path) == 0 || errno == ENOENT ? 0 : errno;
}

Result<void> check_file_limit(std::uint64_t size, const char *what) {
  struct rlimit limit;
  if (calls.getrlimit(RLIMIT_FSIZE, &limit) != 0) return fail_errno(errno, "reading RLIMIT_FSIZE failed");
  if (limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur) return {};
  return fail(SHMALLOC_STATUS_NO_SPACE, EFBIG, "%s must be %s long, but RLIMIT_FSIZE (ulimit -f) of this process is %s", what,
              size_text(size).text, size_text(limit.rlim_cur).text);
}

void cut_back(int fd, std::uint64_t from, std::uint64_t to) {
  struct statx status;
  if (calls.statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &status) != 0 || status.stx_size != from) return;
  static_cast<void>(calls.ftruncate(fd, static_cast<off_t>(to)));
}

Result<void> reserve(int fd, std::uint64_t from, std::uint64_t size, std::uint64_t old_size, const Limits &limits,
                     const char *what) {
  if (size > static_cast<std::uint64_t>(INT64_MAX)) {
    return fail(SHMALLOC_STATUS_NO_SPACE, EFBIG, "%s can't be %s long", what, size_text(size).text);
  }
  if (size > old_size) SHMALLOC_CHECK(check_file_limit(size, what));
  char mount[32] = "";
  if (limits.mount != nullptr && limits.mount[0] == '\0') std::snprintf(mount, sizeof mount, "/proc/self/fd/%d", fd);
  const char *path = limits.mount != nullptr && limits.mount[0] != '\0' ? limits.mount : mount;
  // Asked before it is filled: of too much not a single block is taken, and nobody calls the out-of-memory killer.
  const std::uint64_t wanted = size > from ? size - from : 0;
  if (wanted >= kPiece) {
    SHMALLOC_TRY(facts, look(fd, what));
    const std::uint64_t missing = wanted > facts.resident ? wanted - facts.resident : 0;
    struct statvfs status;
    if (path[0] != '\0' && calls.statvfs(path, &status) == 0 && status.f_blocks != 0 &&
        missing > static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize) {
      return fail_errno(ENOSPC, "reserving %s for %s failed%s", size_text(size).text, what, hint_for(ENOSPC, path).text);
    }
    const MemoryInfo memory = limits.memory ? memory_info() : MemoryInfo();
    if (memory.known && missing > memory.available) {
      return fail(SHMALLOC_STATUS_NO_MEMORY, ENOMEM, "%s needs %s of memory, %s is available%s", what, size_text(missing).text,
                  size_text(memory.available).text, memory.by_cgroup ? " under this control group's limit" : "");
    }
  }
  std::uint64_t reached = from;
  const int error = reserve_blocks(fd, &reached, size, old_size, page_size());
  if (error == 0) return {};
  if (reached > old_size) cut_back(fd, reached, old_size);
  return fail_errno(error, "reserving %s for %s failed%s", size_text(size).text, what, hint_for(error, path).text);
}

bool has_holes(int fd, std::uint64_t from, std::uint64_t to) {
  auto own = reopen(fd, O_RDONLY);  // The place in the file belongs to all who share the descriptor.
  if (!own) return true;
  const off_t hole = calls.lseek(own->get(), static_cast<off_t>(from), SEEK_HOLE);
  return hole < 0 || static_cast<std::uint64_t>(hole) < to;
}

namespace {

struct flock one_byte(std::uint64_t byte, int type) {
  struct flock range {};
  range.l_type = static_cast<short>(type);
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(byte);
  range.l_len = 1;
  return range;
}

}  // namespace

Result<bool> lock_byte(int fd, std::uint64_t byte, Lock lock) {
  struct flock range = one_byte(byte, lock == Lock::none ? F_UNLCK : lock == Lock::shared ? F_RDLCK : F_WRLCK);
  if (calls.fcntl(fd, F_OFD_SETLK, &range) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return fail_errno(errno, "locking a shared object failed");
}

bool byte_locked(int fd, std::uint64_t byte) {
  struct flock range = one_byte(byte, F_WRLCK);
  return calls.fcntl(fd, F_OFD_GETLK, &range) != 0 || range.l_type != F_UNLCK;
}

Result<bool> lock_presence(int fd, bool exclusively) { return lock_byte(fd, 0, exclusively ? Lock::exclusive : Lock::shared); }

bool presence_locked(int fd) {
  struct flock range = one_byte(0, F_WRLCK);
  return calls.fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

Result<void> add_seals(int fd, int seals, const char *what) {
  if (calls.fcntl(fd, F_ADD_SEALS, seals) == 0) return {};
  if (errno == EBUSY) return fail(SHMALLOC_STATUS_BUSY, errno, "sealing %s: somebody maps it for writing", what);
  if (errno == EINVAL)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "%s can't be sealed: only nameless objects (memfd) have seals", what);
  if (errno == EPERM)
    return fail(SHMALLOC_STATUS_PERMISSION, errno, "%s can't be sealed: its seals are sealed, or it is open for reading only",
                what);
  return fail_errno(errno, "sealing %s failed", what);
}

int seals_of(int fd) {
  const int seals = calls.fcntl(fd, F_GET_SEALS);
  return seals < 0 ? 0 : seals;
}

Hint hint_for(int os_error, const char *path) {
  Hint hint{};
  struct rlimit limit;
  if (os_error == EMFILE && calls.getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    std::snprintf(hint.text, sizeof hint.text, " (this process may have %llu descriptors: ulimit -n)",
                  static_cast<unsigned long long>(limit.rlim_cur));
  } else if (os_error == ENOSPC && path[0] != '\0') {
    struct statvfs mount;
    if (calls.statvfs(path, &mount) == 0) {
      std::snprintf(hint.text, sizeof hint.text, " (%s of %s are free on %s: make room, or remount it with a larger size=)",
                    size_text(static_cast<std::uint64_t>(mount.f_bavail) * mount.f_frsize).text,
                    size_text(static_cast<std::uint64_t>(mount.f_blocks) * mount.f_frsize).text, path);
    }
  } else if (os_error == ENOMEM) {
    std::snprintf(hint.text, sizeof hint.text,
                  " (memory, address space (ulimit -v) or mappings (sysctl vm.max_map_count) are used up)");
  }
  return hint;
}

}  // namespace shmalloc::os
