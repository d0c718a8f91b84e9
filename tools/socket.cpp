#include "socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "report.hpp"

namespace shmalloc_tool {
namespace {

sockaddr_un address_of(const std::string &path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    fail(SHMALLOC_STATUS_INVALID,
         "a socket's path has 1 to " + std::to_string(sizeof address.sun_path - 1) + " bytes: '" + path + "'");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Descriptor make_socket(int flags) {
  Descriptor made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!made) fail_errno(errno, "can't make a socket");
  return made;
}

int try_connect(int fd, const sockaddr_un &address) {
  // sockaddr is the interface's own base type: there is no other way to pass an address.
  return connect(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address);
}

}  // namespace

ListeningSocket::ListeningSocket(const std::string &path, unsigned mode) {
  const sockaddr_un address = address_of(path);
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  name_ = slash == std::string::npos ? path : path.substr(slash + 1);
  folder_ = Descriptor(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder_) fail_errno(errno, "can't open the folder of '" + path + "'");
  fd_ = make_socket(SOCK_NONBLOCK);

  const auto bind_it = [&] {
    const mode_t before = umask(static_cast<mode_t>(~mode & 0777U));
    const int failed = bind(fd_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address);
    const int error = errno;
    umask(before);
    errno = error;
    return failed == 0;
  };
  if (!bind_it()) {
    if (errno != EADDRINUSE) fail_errno(errno, "can't make the socket '" + path + "'");
    const Descriptor probe = make_socket(0);
    if (try_connect(probe.get(), address) == 0) fail(SHMALLOC_STATUS_BUSY, "somebody answers on '" + path + "' already");
    struct stat there {};
    if (errno != ECONNREFUSED || fstatat(folder_.get(), name_.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISSOCK(there.st_mode))
      fail(SHMALLOC_STATUS_EXISTS, "'" + path + "' exists and is no socket that a dead process left");
    if (unlinkat(folder_.get(), name_.c_str(), 0) != 0 || !bind_it()) fail_errno(errno, "can't make the socket '" + path + "'");
  }
  struct stat made {};
  if (fstatat(folder_.get(), name_.c_str(), &made, AT_SYMLINK_NOFOLLOW) == 0) {
    device_ = made.st_dev;
    inode_ = made.st_ino;
  }
  if (listen(fd_.get(), SOMAXCONN) != 0) fail_errno(errno, "can't listen on '" + path + "'");
}

bool ListeningSocket::still_ours() const {
  struct stat there {};
  return inode_ != 0 && fstatat(folder_.get(), name_.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_dev == device_ &&
         there.st_ino == inode_;
}

ListeningSocket::~ListeningSocket() {
  if (still_ours()) unlinkat(folder_.get(), name_.c_str(), 0);
}

Descriptor ListeningSocket::accept() const {
  Descriptor client(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
    fail_errno(errno, "can't take a client");
  return client;
}

Descriptor connect_to(const std::string &path) {
  const sockaddr_un address = address_of(path);
  Descriptor fd = make_socket(0);
  if (try_connect(fd.get(), address) != 0) fail_errno(errno, "can't connect to '" + path + "'");
  return fd;
}

}  // namespace shmalloc_tool
