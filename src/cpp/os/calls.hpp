// Every system call that the library makes goes through this one table, so that tests can make each of them fail.
#pragma once

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#include <cstddef>

namespace shmalloc::os {

struct Calls {
  int (*open)(const char *path, int flags, ...);
  int (*openat)(int directory, const char *path, int flags, ...);
  int (*close)(int fd);
  int (*memfd_create)(const char *name, unsigned flags);
  int (*statx)(int directory, const char *path, int flags, unsigned mask, struct statx *out);
  int (*statvfs)(const char *path, struct statvfs *out);
  int (*ftruncate)(int fd, off_t size);
  int (*fallocate)(int fd, int mode, off_t offset, off_t size);
  void *(*mmap)(void *address, std::size_t size, int protection, int flags, int fd, off_t offset);
  int (*munmap)(void *address, std::size_t size);
  int (*mprotect)(void *address, std::size_t size, int protection);
  int (*madvise)(void *address, std::size_t size, int advice);
  long (*syscall)(long number, ...);  // mbind, futex, fsopen and such: not every libc has wrappers for them.
  int (*fcntl)(int fd, int command, ...);
  off_t (*lseek)(int fd, off_t offset, int whence);
  int (*linkat)(int from_directory, const char *from, int to_directory, const char *to, int flags);
  int (*unlink)(const char *path);
  int (*dup3)(int from, int to, int flags);
  int (*pipe2)(int *fds, int flags);
  ssize_t (*read)(int fd, void *buffer, std::size_t size);
  ssize_t (*write)(int fd, const void *buffer, std::size_t size);
  ssize_t (*pwrite)(int fd, const void *buffer, std::size_t size, off_t offset);
  ssize_t (*readlink)(const char *path, char *buffer, std::size_t size);
  ssize_t (*getrandom)(void *buffer, std::size_t size, unsigned flags);
  int (*getrlimit)(int resource, struct rlimit *out);  // NOLINT: a plain int in C++ as well
  ssize_t (*process_vm_readv)(pid_t pid, const struct iovec *to, unsigned long to_count, const struct iovec *from,
                              unsigned long from_count, unsigned long flags);
  int (*socket)(int domain, int type, int protocol);
  int (*bind)(int fd, const struct sockaddr *address, socklen_t size);
  int (*listen)(int fd, int backlog);
  int (*accept4)(int fd, struct sockaddr *address, socklen_t *size, int flags);
  int (*connect)(int fd, const struct sockaddr *address, socklen_t size);
  int (*getsockopt)(int fd, int level, int name, void *value, socklen_t *size);
  int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t size);
  ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
  ssize_t (*recvmsg)(int fd, struct msghdr *message, int flags);
  int (*poll)(struct pollfd *fds, nfds_t count, int timeout_ms);
  DIR *(*opendir)(const char *path);
  int (*sysinfo)(struct sysinfo *out);
  int (*uname)(struct utsname *out);
  pid_t (*getpid)();
  uid_t (*geteuid)();
  int (*sched_yield)();
  gid_t (*getegid)();
  int (*clone)(int (*function)(void *), void *stack, int flags, void *argument, ...);
  pid_t (*waitpid)(pid_t pid, int *status, int options);
  int (*block_signals)(int how, const sigset_t *set, sigset_t *before);       // pthread_sigmask, which can't fail
  int (*aligned_alloc)(void **out, std::size_t alignment, std::size_t size);  // posix_memalign
  int (*thread_create)(pthread_t *out, const pthread_attr_t *attributes, void *(*function)(void *), void *argument);
  int (*atfork)(void (*prepare)(), void (*parent)(), void (*child)());  // pthread_atfork
};

extern Calls calls;

}  // namespace shmalloc::os
