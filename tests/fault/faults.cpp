#include "faults.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "os/calls.hpp"

namespace faults {
namespace {

shmalloc::os::Calls real;
std::atomic<bool> armed{false};
long target = 0;
long count = 0;
int error_number = 0;
const char *failed_call = "";

bool now(const char *name) {
  if (!armed.load(std::memory_order_relaxed) || ++count != target) return false;
  failed_call = name;
  errno = error_number;
  return true;
}

// What a call answers when it fails.
template <class T>
T failure() {
  return static_cast<T>(-1);
}
template <>
void *failure<void *>() {
  return MAP_FAILED;
}
template <>
DIR *failure<DIR *>() {
  return nullptr;
}

template <auto Entry, class Function>
struct Wrap;
template <auto Entry, class Return, class... Arguments>
struct Wrap<Entry, Return (*)(Arguments...)> {
  static inline const char *name = "";
  static Return call(Arguments... arguments) {
    if (now(name)) return failure<Return>();
    return (real.*Entry)(arguments...);
  }
};

int open_call(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = va_arg(arguments, unsigned);
  va_end(arguments);
  return now("open") ? -1 : real.open(path, flags, mode);
}
int openat_call(int directory, const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = va_arg(arguments, unsigned);
  va_end(arguments);
  return now("openat") ? -1 : real.openat(directory, path, flags, mode);
}
int clone_call(int (*function)(void *), void *stack, int flags, void *argument, ...) {
  return now("clone") ? -1 : real.clone(function, stack, flags, argument);
}
int fcntl_call(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  return now("fcntl") ? -1 : real.fcntl(fd, command, argument);
}
long syscall_call(long number, ...) {
  va_list arguments;
  va_start(arguments, number);
  long values[6];
  for (long &value : values) value = va_arg(arguments, long);
  va_end(arguments);
  return now("syscall") ? -1 : real.syscall(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}
// Linux closes the descriptor whatever close says.
int close_call(int fd) {
  const bool fails = now("close");
  const int saved = errno;
  const int result = real.close(fd);
  errno = fails ? saved : errno;
  return fails ? -1 : result;
}
// The child is gone however the wait ends.
pid_t waitpid_call(pid_t pid, int *status, int options) {
  const bool fails = now("waitpid");
  const int saved = errno;
  const pid_t result = real.waitpid(pid, status, options);
  errno = fails ? saved : errno;
  return fails ? -1 : result;
}
int aligned_alloc_call(void **out, std::size_t alignment, std::size_t size) {
  return now("aligned_alloc") ? ENOMEM : real.aligned_alloc(out, alignment, size);
}
int thread_create_call(pthread_t *out, const pthread_attr_t *attributes, void *(*function)(void *), void *argument) {
  return now("thread_create") ? EAGAIN : real.thread_create(out, attributes, function, argument);
}
int atfork_call(void (*prepare)(), void (*parent)(), void (*child)()) {
  return now("atfork") ? ENOMEM : real.atfork(prepare, parent, child);
}

}  // namespace

void install() {
  using shmalloc::os::Calls;
  auto &calls = shmalloc::os::calls;
  real = calls;
#define WRAP(entry)                                           \
  Wrap<&Calls::entry, decltype(Calls::entry)>::name = #entry; \
  calls.entry = Wrap<&Calls::entry, decltype(Calls::entry)>::call
  WRAP(memfd_create);
  WRAP(statx);
  WRAP(statvfs);
  WRAP(ftruncate);
  WRAP(fallocate);
  WRAP(mmap);
  WRAP(mprotect);
  WRAP(madvise);
  WRAP(linkat);
  WRAP(lseek);
  WRAP(unlink);
  WRAP(dup3);
  WRAP(pipe2);
  WRAP(read);
  WRAP(write);
  WRAP(pwrite);
  WRAP(readlink);
  WRAP(getrandom);
  WRAP(getrlimit);
  WRAP(process_vm_readv);
  WRAP(socket);
  WRAP(bind);
  WRAP(listen);
  WRAP(accept4);
  WRAP(connect);
  WRAP(getsockopt);
  WRAP(setsockopt);
  WRAP(sendmsg);
  WRAP(recvmsg);
  WRAP(poll);
  WRAP(opendir);
#undef WRAP
  calls.open = open_call;
  calls.openat = openat_call;
  calls.clone = clone_call;
  calls.waitpid = waitpid_call;
  calls.fcntl = fcntl_call;
  calls.syscall = syscall_call;
  calls.close = close_call;
  calls.aligned_alloc = aligned_alloc_call;
  calls.thread_create = thread_create_call;
  calls.atfork = atfork_call;
}

void arm(long nth, int error) {
  target = nth;
  count = 0;
  error_number = error;
  failed_call = "";
  armed.store(true, std::memory_order_relaxed);
}

long disarm() {
  armed.store(false, std::memory_order_relaxed);
  return count;
}

const char *failed() { return failed_call; }

bool leaves_a_name() { return std::strcmp(failed_call, "unlink") == 0 || std::strcmp(failed_call, "statx") == 0; }

}  // namespace faults

// The standard library's allocations inside the library fail as well.
void *operator new(std::size_t size) {
  if (faults::now("new")) throw std::bad_alloc();
  void *memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void *operator new(std::size_t size, const std::nothrow_t &) noexcept { return faults::now("new") ? nullptr : std::malloc(size); }
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }
