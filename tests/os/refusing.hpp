// A machine of our making: settings of huge pages as a test wants them, and calls that fail when it says so. One test file includes it.
#pragma once

#include "pages_support.hpp"

namespace {

const Calls real = calls;
std::string all_sizes;  // shmem_enabled; "" where there is none
std::string one_size;   // that of 2 MiB
std::string page_bytes = "2097152\n";

int told(const std::string &text) {
  if (text.empty()) {
    errno = ENOENT;
    return -1;
  }
  const int fd = memfd_create("setting", MFD_CLOEXEC);
  if (write(fd, text.data(), text.size()) < 0) return -1;
  lseek(fd, 0, SEEK_SET);
  return fd;
}
int open_call(const char *path, int flags, ...) {
  constexpr char kFolder[] = "/sys/kernel/mm/transparent_hugepage/";
  if (strncmp(path, kFolder, sizeof kFolder - 1) != 0) return real.open(path, flags);
  const std::string name = path + sizeof kFolder - 1;
  if (name == "hpage_pmd_size") return told(page_bytes);
  return told(name == "shmem_enabled" ? all_sizes : one_size);
}

// The nth of the calls that can fail, from 1 on, fails so; 0: none. `only`: just this entry, and system call, counts.
long nth;
// Shared, for under the thread sanitizer and under filters the library's child has a memory of its own.
long &counted = *static_cast<long *>(mmap(nullptr, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
int with_error;
const void *only;
long only_number;
bool fails(const void *entry, long number = 0) {
  if (only != nullptr && (only != entry || only_number != number)) return false;
  if (++counted != nth && nth != -1) return false;
  errno = with_error;
  return true;
}
int failing_open(const char *path, int flags, ...) { return fails(&calls.open) ? -1 : open_call(path, flags); }
int failing_openat(int directory, const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = va_arg(arguments, unsigned);
  va_end(arguments);
  return fails(&calls.openat) ? -1 : real.openat(directory, path, flags, mode);
}
int clone_flags;
int failing_clone(int (*function)(void *), void *stack, int flags, void *argument, ...) {
  clone_flags = flags;
  return fails(&calls.clone) ? -1 : real.clone(function, stack, flags, argument);
}
void *failing_mmap(void *address, std::size_t size, int protection, int flags, int fd, off_t offset) {
  return fails(&calls.mmap) ? MAP_FAILED : real.mmap(address, size, protection, flags, fd, offset);
}
bool forbid_direct;
pid_t we;
long failing_syscall(long number, ...) {
  va_list arguments;
  va_start(arguments, number);
  long values[6];
  for (long &value : values) value = va_arg(arguments, long);
  va_end(arguments);
  if (fails(&calls.syscall, number) || (errno = EPERM, forbid_direct && number == SYS_fsopen && getpid() == we)) return -1;
  return real.syscall(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}

void install() {
  calls = real;
  we = getpid();
  nth = counted = 0;
  only = nullptr;
  only_number = 0;
  forbid_direct = false;
  all_sizes = "always within_size advise [never] deny force\n";
  one_size = "always [inherit] within_size advise never\n";
  page_bytes = "2097152\n";
  calls.open = failing_open;
  calls.openat = failing_openat;
  calls.clone = failing_clone;
  calls.mmap = failing_mmap;
  calls.syscall = failing_syscall;
}
void refuse(const void *entry, int error, long number = 0) {
  nth = -1;
  counted = 0;
  with_error = error;
  only = entry;
  only_number = number;
}

// Whether a tmpfs can be mounted here; in a container it mostly can't.
bool may_mount() {
  const Fresh fresh;
  install();
  return strcmp(pages_report().way, "tmpfs") == 0;
}
bool may_mount_inside() {
  const Fresh fresh;
  install();
  forbid_direct = true;
  return strcmp(pages_report().way, "tmpfs") == 0;
}

}  // namespace
