// A second process at the other end of a socket, for what takes two.
#pragma once

#include <sys/types.h>

#include <functional>

namespace bench {

class Peer {
 public:
  // `body` gets the child's end; the child ends when it returns, or with its parent.
  Peer(int cpu, int socket_type, const std::function<void(int socket)> &body);
  Peer(const Peer &) = delete;
  Peer &operator=(const Peer &) = delete;
  ~Peer();
  int socket() const { return socket_; }
  // By SIGKILL; returns when it is gone.
  void end();

 private:
  int socket_ = -1;
  pid_t pid_ = -1;
};

void write_token(int socket);
// False at the end of the conversation.
bool read_token(int socket);

}  // namespace bench
