#include "os/socket.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "os/file.hpp"
#include "os/process.hpp"

namespace shmalloc::os {
namespace {

// How long a peer may let us wait in the middle of a message, all in all, before it counts as broken.
constexpr std::int64_t kPatienceNs = 10000000000;

Result<void> wait_until(int fd, short events, std::int64_t deadline) {
  struct pollfd entry = {fd, events, 0};
  for (;;) {
    const std::int64_t left = deadline - coarse_now();
    const int ready = left > 0 ? calls.poll(&entry, 1, static_cast<int>(left / 1000000 + 1)) : 0;
    if (ready > 0) return {};
    if (ready == 0) return fail(SHMALLOC_STATUS_PEER_GONE, ETIMEDOUT, "the other end stopped in the middle of a message");
    if (errno != EINTR) return fail_errno(errno, "waiting for the socket failed");
  }
}

Error send_error(int error) {
  if (error == EAGAIN) return fail(SHMALLOC_STATUS_TIMEOUT, error, "the socket is full");
  if (error == EMSGSIZE)
    return fail(SHMALLOC_STATUS_NO_SPACE, error, "the message is larger than the socket takes (sysctl net.core.wmem_max)");
  return fail_errno(error, "sending over the socket failed%s", hint_for(error, "").text);
}

}  // namespace

Result<int> socket_type(int fd) {
  int domain = 0;
  int type = 0;
  socklen_t size = sizeof domain;
  if (calls.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) {
    return fail(SHMALLOC_STATUS_INVALID, errno, "descriptor %d is no socket", fd);
  }
  size = sizeof type;
  if (calls.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return fail_errno(errno, "asking for the socket's type failed");
  if (domain != AF_UNIX || (type != SOCK_STREAM && type != SOCK_SEQPACKET)) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "descriptor %d is no unix socket of type stream or seqpacket", fd);
  }
  return type;
}

Result<std::uint32_t> peer_user(int fd) {
  struct ucred peer {};
  socklen_t size = sizeof peer;
  if (calls.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return fail_errno(errno, "asking who is at the socket's other end failed");
  }
  return peer.uid;
}

Result<void> send_all(int fd, const void *bytes, std::size_t size, const int *fds, std::size_t fd_count) {
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
  const char *at = static_cast<const char *>(bytes);
  bool begun = false;
  std::int64_t deadline = 0;
  while (size > 0) {
    struct iovec part = {const_cast<char *>(at), size};
    struct msghdr message {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!begun && fd_count > 0) {
      const std::size_t length = sizeof(int) * fd_count;
      std::memset(control, 0, CMSG_SPACE(length));
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(length);
      struct cmsghdr *header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(length);
      std::memcpy(CMSG_DATA(header), fds, length);
    }
    // Once begun it must not hang on a peer that stopped reading.
    const ssize_t sent = calls.sendmsg(fd, &message, begun ? MSG_NOSIGNAL | MSG_DONTWAIT : MSG_NOSIGNAL);
    if (sent < 0) {
      const int error = errno;
      if (!begun || (error != EAGAIN && error != EINTR)) return send_error(error);
      if (error == EAGAIN) SHMALLOC_CHECK(wait_until(fd, POLLOUT, deadline));
      continue;
    }
    if (!begun) deadline = coarse_now() + kPatienceNs;
    begun = true;
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return {};
}

bool hung_up(int fd) {
  struct pollfd entry = {fd, POLLIN | POLLRDHUP, 0};
  return calls.poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLRDHUP)) != 0;
}

Result<void> wait_readable(int fd, std::int64_t timeout_ns) {
  struct pollfd entry = {fd, POLLIN, 0};
  const std::int64_t ms = timeout_ns < 0 ? -1 : timeout_ns / 1000000 + (timeout_ns % 1000000 != 0 ? 1 : 0);
  const int ready = calls.poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(ms, INT32_MAX)));
  if (ready > 0) return {};
  if (ready == 0) return fail(SHMALLOC_STATUS_TIMEOUT, 0, "no message came in the time given");
  return fail_errno(errno, "waiting for a message failed");
}

Result<std::size_t> peek(int fd, void *bytes, std::size_t size) {
  struct iovec part = {bytes, size};
  struct msghdr message {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t got = calls.recvmsg(fd, &message, MSG_PEEK);
  if (got < 0 && errno == EAGAIN) return fail(SHMALLOC_STATUS_TIMEOUT, errno, "no message has come");
  if (got < 0) return fail_errno(errno, "receiving from the socket failed");
  return static_cast<std::size_t>(got);
}

Result<void> receive(int fd, void *bytes, std::size_t size, Received *out) {
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
  struct iovec part = {bytes, size};
  struct msghdr message {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = calls.recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno(errno, "receiving from the socket failed");
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int received = -1;
      std::memcpy(&received, CMSG_DATA(header) + i * sizeof(int), sizeof received);
      UniqueFd owned(received);
      if (out->fd_count < kMaxDescriptors) out->fds[out->fd_count++] = static_cast<UniqueFd &&>(owned);
    }
  }
  out->size = static_cast<std::size_t>(got);
  out->truncated = (message.msg_flags & MSG_TRUNC) != 0;
  out->fds_lost = (message.msg_flags & MSG_CTRUNC) != 0;
  return {};
}

Result<void> receive_rest(int fd, void *bytes, std::size_t size) {
  char *at = static_cast<char *>(bytes);
  const std::int64_t deadline = coarse_now() + kPatienceNs;
  while (size > 0) {
    struct iovec part = {at, size};
    struct msghdr message {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t got = calls.recvmsg(fd, &message, MSG_DONTWAIT);
    if (got == 0) return fail(SHMALLOC_STATUS_PEER_GONE, 0, "the other end closed the socket in the middle of a message");
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {
      SHMALLOC_CHECK(wait_until(fd, POLLIN, deadline));
      continue;
    }
    if (got < 0) return fail_errno(errno, "receiving from the socket failed");
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return {};
}

}  // namespace shmalloc::os
