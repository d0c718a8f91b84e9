#include "anchors/raw.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/check.hpp"
#include "harness/clock.hpp"
#include "harness/peer.hpp"

namespace bench::raw {

namespace {

constexpr std::size_t message_max = 253;

// A message of one byte with room for descriptors.
struct Message {
  char byte = 'x';
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(message_max * sizeof(int))];
  msghdr header{};

  explicit Message(std::size_t count) {
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(count * sizeof(int));
  }
};

}  // namespace

int create(std::size_t size, Blocks blocks) {
  const bool seal = blocks == Blocks::sealed;
  const int fd = memfd_create("bench", seal ? MFD_CLOEXEC | MFD_ALLOW_SEALING : MFD_CLOEXEC);
  check(fd >= 0, "memfd_create");
  const auto length = static_cast<off_t>(size);
  if (blocks == Blocks::lazy) {
    check(ftruncate(fd, length) == 0, "ftruncate");
  } else {
    check(fallocate(fd, 0, 0, length) == 0, "fallocate");
  }
  if (seal) check(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0, "F_ADD_SEALS");
  return fd;
}

void *map(int fd, std::size_t size) {
  void *data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  check(data != MAP_FAILED, "mmap");
  return data;
}

void unmap(void *data, std::size_t size) { check(munmap(data, size) == 0, "munmap"); }

void lifecycle(std::size_t size, Blocks blocks, bool fill) {
  const int fd = create(size, blocks);
  void *data = map(fd, size);
  if (fill) touch_pages(data, 0, size);
  unmap(data, size);
  close(fd);
}

void send_descriptors(int socket, const int *fds, std::size_t count) {
  Message message(count);
  cmsghdr *control = CMSG_FIRSTHDR(&message.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(count * sizeof(int));
  std::memcpy(CMSG_DATA(control), fds, count * sizeof(int));
  check(sendmsg(socket, &message.header, MSG_NOSIGNAL) == 1, "sendmsg");
}

std::size_t receive_descriptors(int socket, int *fds, std::size_t room) {
  Message message(room);
  if (recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC) != 1) return 0;
  const cmsghdr *control = CMSG_FIRSTHDR(&message.header);
  check(control != nullptr && control->cmsg_type == SCM_RIGHTS, "recvmsg without descriptors");
  const std::size_t bytes = control->cmsg_len - CMSG_LEN(0);
  std::memcpy(fds, CMSG_DATA(control), bytes);
  return bytes / sizeof(int);
}

void share(int socket, std::size_t size, Blocks blocks, bool fill) {
  const int fd = create(size, blocks);
  void *data = map(fd, size);
  touch_pages(data, 0, fill ? size : 1);
  send_descriptors(socket, &fd, 1);
  check(read_token(socket), "acknowledgement");
  unmap(data, size);
  close(fd);
}

void answer_shares(int socket, std::size_t size) {
  int fd = -1;
  while (receive_descriptors(socket, &fd, 1) == 1) {
    void *data = map(fd, size);
    read_byte(data);
    write_token(socket);
    unmap(data, size);
    close(fd);
  }
}

}  // namespace bench::raw
