#include "harness/peer.hpp"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "harness/check.hpp"
#include "harness/machine.hpp"

namespace bench {

Peer::Peer(int cpu, int socket_type, const std::function<void(int socket)> &body) {
  int ends[2];
  check(socketpair(AF_UNIX, socket_type | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  std::fflush(stdout);
  pid_ = fork();
  check(pid_ >= 0, "fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    pin(cpu);
    body(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  socket_ = ends[0];
  count_as_own(pid_);
}

Peer::~Peer() {
  close(socket_);
  // A later peer may hold a copy of our end, so that the child sees no end of the conversation.
  end();
}

void Peer::end() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  forget_own(pid_);
  pid_ = -1;
}

void write_token(int socket) {
  const char token = 'x';
  check(write(socket, &token, 1) == 1, "write of one byte to the peer");
}

bool read_token(int socket) {
  char token = 0;
  return read(socket, &token, 1) == 1;
}

}  // namespace bench
