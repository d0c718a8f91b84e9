#include "os/huge_mount.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstring>
#include <new>

#include "os/memory_info.hpp"

// Older C libraries do not know these; their numbers are the same on every machine but alpha.
#ifndef SYS_fsopen
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif

namespace shmalloc::os {
namespace {

// Of linux/mount.h, which C libraries and kernels of different age fight about.
constexpr long kOpenCloexec = 1;   // FSOPEN_CLOEXEC
constexpr long kMountCloexec = 1;  // FSMOUNT_CLOEXEC
constexpr long kSetString = 1;     // FSCONFIG_SET_STRING
constexpr long kCreate = 6;        // FSCONFIG_CMD_CREATE
constexpr long kAttributes = 14;   // MOUNT_ATTR_NOSUID | NODEV | NOEXEC

#if defined(__SANITIZE_THREAD__)
constexpr bool kOwnMemory = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr bool kOwnMemory = true;  // The sanitizer's clone mends its own state in the child, which must then be a copy.
#else
constexpr bool kOwnMemory = false;
#endif
#else
constexpr bool kOwnMemory = false;
#endif

struct Text {
  char text[48] = {};
  int length = 0;
};

// What a child is told, and tells: it lies in memory that both share, for one kind of child has no other in common with us.
struct Work {
  bool direct = false;  // whether the child also tries it without a namespace
  bool finished = false;
  MountFailure failures[2];  // without, and inside a namespace
  int current = 0;           // which of them is being tried
  // The table of descriptors is one: what the child opens is left to us to close, however it ends.
  int opened[5] = {-1, -1, -1, -1, -1};
  int count = 0;
  int mount = -1;
  Text user;
  Text group;
};

// From here on what runs in the child too: nothing but system calls, for any lock may be taken by a thread that the child lacks.
bool failed(Work *work, MountStep step) {
  work->failures[work->current] = {step, static_cast<std::uint16_t>(errno)};
  return false;
}

int keep(Work *work, long fd) {
  if (fd >= 0) work->opened[work->count++] = static_cast<int>(fd);
  return static_cast<int>(fd);
}

bool mount_tmpfs(Work *work) {
  const int context = keep(work, calls.syscall(SYS_fsopen, "tmpfs", kOpenCloexec));
  if (context < 0) return failed(work, MountStep::filesystem);
  // No limits, like a memfd's: the machine's memory is the limit of both. Only we may look inside.
  static constexpr struct {
    MountStep step;
    char name[10];
    char value[12];
  } kOptions[] = {{MountStep::huge, "huge", "within_size"},
                  {MountStep::size, "size", "0"},
                  {MountStep::inodes, "nr_inodes", "0"},
                  {MountStep::mode, "mode", "0700"}};
  for (const auto &option : kOptions) {
    if (calls.syscall(SYS_fsconfig, long{context}, kSetString, option.name, option.value, 0L) != 0)
      return failed(work, option.step);
  }
  if (calls.syscall(SYS_fsconfig, long{context}, kCreate, nullptr, nullptr, 0L) != 0) return failed(work, MountStep::create);
  work->mount = static_cast<int>(calls.syscall(SYS_fsmount, long{context}, kMountCloexec, kAttributes));
  return work->mount >= 0 || failed(work, MountStep::mount);
}

bool put(Work *work, const char *path, const char *text, int length) {
  const int fd = keep(work, calls.syscall(SYS_openat, long{AT_FDCWD}, path, long{O_WRONLY | O_CLOEXEC}, 0L));
  if (fd < 0) return false;
  const long written = calls.syscall(SYS_write, long{fd}, text, long{length});
  if (written >= 0 && written != length) errno = EIO;
  return written == length;
}

// The files that others make on the mount belong to us only where the namespace knows our user and group.
bool enter_namespace(Work *work) {
  if (calls.syscall(SYS_unshare, long{CLONE_NEWUSER | CLONE_NEWNS}) != 0) return failed(work, MountStep::unshare);
  if (!put(work, "/proc/self/setgroups", "deny", 4) && errno != ENOENT) return failed(work, MountStep::groups);
  if (!put(work, "/proc/self/uid_map", work->user.text, work->user.length)) return failed(work, MountStep::user);
  return put(work, "/proc/self/gid_map", work->group.text, work->group.length) || failed(work, MountStep::group);
}

bool forbidden(const MountFailure &failure) { return failure.error == EPERM || failure.error == EACCES; }

int child(void *argument) {
  auto *work = static_cast<Work *>(argument);
  if (!work->direct || (!mount_tmpfs(work) && forbidden(work->failures[0]))) {
    work->current = 1;
    if (enter_namespace(work)) mount_tmpfs(work);
  }
  work->finished = true;
  return 0;
}
// Up to here.

// Like a child of posix_spawn: it has our memory, so nothing is copied however much we have, and we stand still until it is gone. It also
// has our descriptors, so what it opens is ours at once. Its end sends no signal, and an application that waits for any child of its own
// does not see it.
void in_child(Work *work, bool own_memory) {
  alignas(64) char stack[32768];
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  // No handler of the application may run in the child.
  calls.block_signals(SIG_SETMASK, &all, &before);
  const int flags = CLONE_FILES | CLONE_VFORK | (own_memory ? 0 : CLONE_VM);
  work->current = work->direct ? 0 : 1;
  const int pid = calls.clone(child, stack + sizeof stack, flags, work);
  if (pid < 0) failed(work, MountStep::clone);
  while (pid > 0 && calls.waitpid(pid, nullptr, __WCLONE) < 0 && errno == EINTR) {
  }
  calls.block_signals(SIG_SETMASK, &before, nullptr);
  if (pid > 0 && !work->finished) work->failures[work->current] = {MountStep::ended, 0};
}

// A filter of system calls may kill for one that it does not like. Then a child has to try, one that does not take us with it: some kernels
// end all who share the memory. Who can't tell is careful.
bool may_be_filtered() {
  char text[16384];
  return read_file("/proc/self/status", text, sizeof text) <= 0 || std::strstr(text, "\nSeccomp:\t0\n") == nullptr;
}

void set(Text *out, unsigned id) { out->length = std::snprintf(out->text, sizeof out->text, "%u %u 1", id, id); }

}  // namespace

bool may_pass(int os_error) {
  return os_error == EMFILE || os_error == ENFILE || os_error == ENOMEM || os_error == ENOBUFS || os_error == EAGAIN ||
         os_error == EINTR;
}

const char *words_of(MountStep step) {
  switch (step) {
    case MountStep::filesystem:
      return "fsopen(tmpfs)";
    case MountStep::huge:
      return "setting huge=within_size";
    case MountStep::size:
      return "setting size=0";
    case MountStep::inodes:
      return "setting nr_inodes=0";
    case MountStep::mode:
      return "setting mode=0700";
    case MountStep::create:
      return "making the tmpfs";
    case MountStep::mount:
      return "fsmount";
    case MountStep::file:
      return "making a file on it";
    case MountStep::page:
      return "getting memory for a child";
    case MountStep::clone:
      return "making a child";
    case MountStep::ended:
      return "the child was killed (a filter of system calls?)";
    case MountStep::unshare:
      return "making a user namespace";
    case MountStep::groups:
      return "writing /proc/self/setgroups";
    case MountStep::user:
      return "writing /proc/self/uid_map";
    case MountStep::group:
      return "writing /proc/self/gid_map";
    case MountStep::none:
      break;
  }
  return "not tried";
}

HugeMount make_huge_mount() {
  HugeMount out;
  const bool filtered = may_be_filtered();
  void *page = calls.mmap(nullptr, sizeof(Work), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    out.of_direct = {MountStep::page, static_cast<std::uint16_t>(errno)};
    return out;
  }
  auto *work = new (page) Work();
  set(&work->user, calls.geteuid());
  set(&work->group, calls.getegid());
  work->direct = filtered;
  if (filtered || (!mount_tmpfs(work) && forbidden(work->failures[0]))) in_child(work, filtered || kOwnMemory);
  out.fd = UniqueFd(work->mount);
  for (const int fd : work->opened) UniqueFd{fd}.reset();
  out.inside = work->current == 1;
  out.of_direct = work->failures[0];
  out.of_inside = work->failures[1];
  calls.munmap(page, sizeof(Work));
  return out;
}

}  // namespace shmalloc::os
