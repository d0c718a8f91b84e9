#include "daemon.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "report.hpp"
#include "signals.hpp"

namespace shmalloc_tool {
namespace {

[[noreturn]] void wait_for(pid_t child, int fd) {
  char ready = 0;
  ssize_t got = 0;
  do {
    got = read(fd, &ready, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) std::_Exit(kOk);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) die_of(WTERMSIG(status));
  std::_Exit(WEXITSTATUS(status));
}

// What came through exec is not close-on-exec, unlike all that the tool and the library opened: a lock that the caller's shell holds on
// descriptor 9 must not live as long as this process.
void close_inherited() {
  DIR *folder = opendir("/proc/self/fd");
  if (folder == nullptr) return;
  while (const dirent *entry = readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    const int flags = fd > STDERR_FILENO ? fcntl(fd, F_GETFD) : -1;
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) close(fd);
  }
  closedir(folder);
}

}  // namespace

Daemon::Daemon() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail_errno(errno, "can't make a pipe");
  Descriptor from_child(ends[0]);
  parent_ = Descriptor(ends[1]);
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) fail_errno(errno, "can't start the background process");
  if (child > 0) {
    parent_.close();
    wait_for(child, from_child.get());
  }
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) std::raise(SIGTERM);
}

void Daemon::ready() {
  setsid();
  prctl(PR_SET_PDEATHSIG, 0);
  const Descriptor nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nowhere) fail_errno(errno, "can't open /dev/null");
  std::fflush(nullptr);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nowhere.get(), fd);
  close_inherited();
  if (chdir("/") != 0) fail_errno(errno, "can't leave the current folder");
  const char byte = 1;
  const ssize_t told = write(parent_.get(), &byte, 1);
  if (told != 1) fail_errno(errno, "the process that started this one is gone");
  parent_.close();
}

}  // namespace shmalloc_tool
