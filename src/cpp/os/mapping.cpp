#include "os/mapping.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/text.hpp"
#include "os/fd.hpp"
#include "os/file.hpp"
#include "os/memory_info.hpp"
#include "os/pages.hpp"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace shmalloc::os {
namespace {

// ENOMEM of mmap means three things; the table of mappings is one. How many it may have if it is full, else 0.
std::uint64_t map_table_full() {
  std::uint64_t most = 0;
  const UniqueFd fd = open_path("/proc/self/maps", O_RDONLY);
  if (!fd || !read_number("/proc/sys/vm/max_map_count", &most)) return 0;
  std::uint64_t lines = 0;
  char buffer[16384];
  for (ssize_t got; (got = calls.read(fd.get(), buffer, sizeof buffer)) > 0;)
    lines += static_cast<std::uint64_t>(std::count(buffer, buffer + got, '\n'));
  return lines + 2 >= most ? most : 0;
}

Error map_error(int error, std::size_t size, const char *what) {
  if (const std::uint64_t most = error == ENOMEM ? map_table_full() : 0; most != 0) {
    return fail(SHMALLOC_STATUS_NO_SPACE, error,
                "mapping %s of %s failed: this process has all the %llu mappings it may have (sysctl vm.max_map_count)",
                size_text(size).text, what, static_cast<unsigned long long>(most));
  }
  if (error == ENODEV) return fail(SHMALLOC_STATUS_UNSUPPORTED, error, "%s can't be mapped", what);
  return fail_errno(error, "mapping %s of %s failed%s", size_text(size).text, what, hint_for(error, "").text);
}

std::size_t round_up(std::size_t size, std::size_t to) { return (size + to - 1) / to * to; }

}  // namespace

Result<Mapping> Mapping::map(int fd, std::uint64_t offset, std::size_t size, int protection, int flags, std::size_t alignment,
                             const char *what) {
  Mapping mapping;
  if (alignment <= page_size()) {
    void *base = calls.mmap(nullptr, size, protection, flags, fd, static_cast<off_t>(offset));
    if (base == MAP_FAILED) return map_error(errno, size, what);
    mapping.base_ = base;
    mapping.size_ = size;
    return mapping;
  }
  // Reserve enough address space to find an aligned place in it, map there, give the rest back.
  const std::size_t length = round_up(size, page_size());
  if (length < size || length > SIZE_MAX - alignment) return map_error(ENOMEM, size, what);
  void *space = calls.mmap(nullptr, length + alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED) return map_error(errno, size, what);
  const auto start = reinterpret_cast<std::uintptr_t>(space);
  const std::uintptr_t aligned = round_up(start, alignment);
  void *base = calls.mmap(reinterpret_cast<void *>(aligned), size, protection, flags | MAP_FIXED, fd, static_cast<off_t>(offset));
  if (base == MAP_FAILED) {
    const int error = errno;
    calls.munmap(space, length + alignment);
    return map_error(error, size, what);
  }
  if (aligned > start) calls.munmap(space, aligned - start);
  if (start + alignment > aligned) calls.munmap(reinterpret_cast<void *>(aligned + length), start + alignment - aligned);
  mapping.base_ = base;
  mapping.size_ = size;
  return mapping;
}

Result<Mapping> Mapping::anonymous(std::size_t size, const char *what) {
  const bool large = size >= kHugePage;
  SHMALLOC_TRY(made, map(-1, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, large ? kHugePage : 0, what));
  // Small pages do as well where there are no others.
  if (large) static_cast<void>(calls.madvise(made.base_, size, MADV_HUGEPAGE));
  return std::move(made);
}

Result<void> Mapping::replace(int fd, std::uint64_t offset, int protection, int flags, const char *what) {
  // Readers may be reading it: the bytes stay what they are, so thread sanitizers, which take libc's mmap for a write, must not see it.
  const long base =
      calls.syscall(SYS_mmap, base_, size_, long{protection}, long{flags} | MAP_FIXED, long{fd}, static_cast<off_t>(offset));
  if (base == -1) return map_error(errno, size_, what);
  return {};
}

Result<void> Mapping::bind(int node) {
  constexpr unsigned long kBind = 2;  // MPOL_BIND
  unsigned long mask[16] = {};
  constexpr int kBits = static_cast<int>(sizeof(unsigned long) * 8);
  if (node < 0 || node >= kBits * 16) return fail(SHMALLOC_STATUS_INVALID, 0, "there is no NUMA node %d", node);
  mask[node / kBits] = 1UL << (node % kBits);
  if (calls.syscall(SYS_mbind, base_, size_, kBind, mask, sizeof mask * 8 + 1, 0UL) == 0) return {};
  if (errno == EINVAL) return fail(SHMALLOC_STATUS_NOT_FOUND, errno, "binding memory to NUMA node %d failed: no such node?", node);
  return fail_errno(errno, "binding memory to NUMA node %d failed", node);
}

Result<void> Mapping::populate(std::size_t size, bool write, const char *what) {
  const std::size_t length = std::min(round_up(size, page_size()), size_);
  while (calls.madvise(base_, length, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) != 0) {
    if (errno == EINTR || errno == EAGAIN) continue;
    if (errno == EINVAL) return {};  // Older than Linux 5.14: first touch will do.
    const int error = errno == EFAULT || errno == EHWPOISON ? ENOSPC : errno;
    return fail_errno(error, "populating %s of %s failed%s", size_text(size).text, what, hint_for(error, kShmDirectory).text);
  }
  return {};
}

Result<void> Mapping::inherit(bool inherited) {
  if (calls.madvise(base_, size_, inherited ? MADV_DOFORK : MADV_DONTFORK) == 0) return {};
  return fail_errno(errno, "keeping a mapping from being inherited failed");
}

void Mapping::reset() {
  if (base_ == nullptr) return;
  const int saved = errno;
  // The kernel refuses only to cut a mapping in two when it has too many; ours end whole.
  calls.munmap(base_, size_);
  errno = saved;
  base_ = nullptr;
  size_ = 0;
}

namespace {

// Through a pipe, where process_vm_readv is not to be had (seccomp filters forbid it): write(2) and read(2) answer EFAULT as well.
int copy_by_pipe(char *to, const char *from, std::size_t size) {
  int ends[2];
  if (calls.pipe2(ends, O_CLOEXEC) != 0) return errno;
  const UniqueFd out(ends[0]);
  const UniqueFd in(ends[1]);
  while (size > 0) {
    const std::size_t piece = std::min<std::size_t>(size, 4096);  // Less than a pipe holds: never blocks.
    ssize_t got = calls.write(in.get(), from, piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    auto left = static_cast<std::size_t>(got);
    while (left > 0) {
      got = calls.read(out.get(), to, left);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return got < 0 ? errno : EIO;
      to += got;
      left -= static_cast<std::size_t>(got);
      from += got;
      size -= static_cast<std::size_t>(got);
    }
  }
  return 0;
}

}  // namespace

int checked_add(std::int32_t *number, std::int32_t by) {
  // What a futex call does to its second word before it wakes anybody: we have nobody to wake.
  std::int32_t nobody = 0;
  while (by != 0) {
    const std::int32_t step = std::clamp(by, -2048, 2047);  // twelve bits
    const auto operation = static_cast<std::uint32_t>(FUTEX_OP(FUTEX_OP_ADD, step, FUTEX_OP_CMP_EQ, 0));
    if (calls.syscall(SYS_futex, &nobody, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 0, nullptr, number, operation) < 0) {
      if (errno == EFAULT) return EFAULT;
      // A kernel that does not add for us: the instruction then, with the risk that it was to spare us.
      std::atomic_ref(*number).fetch_add(step);
    }
    by -= step;
  }
  return 0;
}

int checked_copy(void *to, const void *from, std::size_t size) {
  auto *target = static_cast<char *>(to);
  const auto *source = static_cast<const char *>(from);
  // Overlapping ranges move like memmove's: from the end when the target lies behind the source. The kernel does not do that, in neither
  // direction: it begins with a whole word, and then reads again from inside it.
  if (target < source + size && source < target + size && target != source) {
    char bounce[65536];
    for (std::size_t done = 0, piece = 0; done < size; done += piece) {
      piece = std::min(sizeof bounce, size - done);
      const std::size_t at = target > source ? size - done - piece : done;
      if (const int error = checked_copy(bounce, source + at, piece); error != 0) return error;
      if (const int error = checked_copy(target + at, bounce, piece); error != 0) return error;
    }
    return 0;
  }
  while (size > 0) {
    const std::size_t piece = std::min<std::size_t>(size, std::size_t{256} << 20);
    const struct iovec local = {target, piece};
    const struct iovec remote = {const_cast<char *>(source), piece};
    const ssize_t got = calls.process_vm_readv(calls.getpid(), &local, 1, &remote, 1, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0 || (got < 0 && errno == EFAULT)) return EFAULT;
    if (got < 0) return copy_by_pipe(target, source, size);
    target += got;
    source += got;
    size -= static_cast<std::size_t>(got);
  }
  return 0;
}

}  // namespace shmalloc::os
