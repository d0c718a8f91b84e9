#include "os/calls.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace shmalloc::os {
namespace {

int get_limit(int resource, struct rlimit *out) { return ::getrlimit(static_cast<__rlimit_resource>(resource), out); }

}  // namespace

constinit Calls calls = {
    .open = ::open,
    .openat = ::openat,
    .close = ::close,
    .memfd_create = ::memfd_create,
    .statx = ::statx,
    .statvfs = ::statvfs,
    .ftruncate = ::ftruncate,
    .fallocate = ::fallocate,
    .mmap = ::mmap,
    .munmap = ::munmap,
    .mprotect = ::mprotect,
    .madvise = ::madvise,
    .syscall = ::syscall,
    .fcntl = ::fcntl,
    .lseek = ::lseek,
    .linkat = ::linkat,
    .unlink = ::unlink,
    .dup3 = ::dup3,
    .pipe2 = ::pipe2,
    .read = ::read,
    .write = ::write,
    .pwrite = ::pwrite,
    .readlink = ::readlink,
    .getrandom = ::getrandom,
    .getrlimit = get_limit,
    .process_vm_readv = ::process_vm_readv,
    .socket = ::socket,
    .bind = ::bind,
    .listen = ::listen,
    .accept4 = ::accept4,
    .connect = ::connect,
    .getsockopt = ::getsockopt,
    .setsockopt = ::setsockopt,
    .sendmsg = ::sendmsg,
    .recvmsg = ::recvmsg,
    .poll = ::poll,
    .opendir = ::opendir,
    .sysinfo = ::sysinfo,
    .uname = ::uname,
    .getpid = ::getpid,
    .geteuid = ::geteuid,
    .sched_yield = ::sched_yield,
    .getegid = ::getegid,
    .clone = ::clone,
    .waitpid = ::waitpid,
    .block_signals = ::pthread_sigmask,
    .aligned_alloc = ::posix_memalign,
    .thread_create = ::pthread_create,
    .atfork = ::pthread_atfork,
};

}  // namespace shmalloc::os
