// Unix sockets with descriptors, and what can happen to them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.hpp"
#include "os/fd.hpp"

namespace shmalloc::os {

inline constexpr int kMaxDescriptors = 253;  // SCM_MAX_FD

// SOCK_STREAM, SOCK_SEQPACKET; an error for anything that is not a unix socket of these types.
Result<int> socket_type(int fd);
// The effective user at the other end.
Result<std::uint32_t> peer_user(int fd);

// Sends all of it with the descriptors beside its first byte. Waits on a non-blocking socket only once something is on its way.
Result<void> send_all(int fd, const void *bytes, std::size_t size, const int *fds, std::size_t fd_count);

struct Received {
  std::size_t size = 0;
  std::size_t fd_count = 0;
  bool truncated = false;  // longer than the room (not on a stream)
  bool fds_lost = false;   // the descriptor table was full
  UniqueFd fds[kMaxDescriptors];
};
// Whether the other end closed, and nothing more will come.
bool hung_up(int fd);
// Waits until there is something to read: timeout in nanoseconds, negative for ever. TIMEOUT, INTERRUPTED.
Result<void> wait_readable(int fd, std::int64_t timeout_ns);
// One look at what comes next without taking it. Size 0 at the end of the stream.
Result<std::size_t> peek(int fd, void *bytes, std::size_t size);
// Takes up to `size` bytes and the descriptors with them. A stream that ends gives size 0.
Result<void> receive(int fd, void *bytes, std::size_t size, Received *out);
// Takes exactly `size` bytes of a stream; waits for them even when the socket is non-blocking. PEER_GONE at the end.
Result<void> receive_rest(int fd, void *bytes, std::size_t size);

}  // namespace shmalloc::os
