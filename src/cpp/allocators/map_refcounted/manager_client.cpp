#include "allocators/map_refcounted/manager_client.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstring>

#include "base/wire/torch.hpp"
#include "os/file.hpp"
#include "os/socket.hpp"

namespace shmalloc {
namespace {

constexpr std::int64_t kPatienceNs = 5000000000;

Result<void> say(int fd, const char *name, bool free) {
  wire::TorchAllocInfo info{};
  info.pid = os::calls.getpid();
  info.free = free ? 1 : 0;
  std::memcpy(info.filename, name, strnlen(name, sizeof info.filename - 1));
  return os::send_all(fd, &info, sizeof info, nullptr, 0);
}

}  // namespace

Result<std::unique_ptr<ManagerRegistration>> ManagerRegistration::open(const char *path, const char *name) {
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "the path of a manager's socket has at most %zu bytes", sizeof address.sun_path - 1);
  }
  if (std::strlen(name) >= sizeof(wire::TorchAllocInfo::filename)) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "PyTorch's manager takes names of at most 59 bytes, %s is longer", name);
  }
  std::memcpy(address.sun_path, path, std::strlen(path) + 1);
  std::unique_ptr<ManagerRegistration> made(new (std::nothrow) ManagerRegistration());
  if (made == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a registration");
  made->path_ = path;
  made->name_ = name;
  made->socket_ = os::UniqueFd(os::calls.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!made->socket_) return fail_errno(errno, "making a socket failed%s", os::hint_for(errno, "").text);
  const int fd = made->socket_.get();
  // A manager that accepts nobody must not hang us.
  const struct timeval patience = {kPatienceNs / 1000000000, 0};
  if (os::calls.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0)
    return fail_errno(errno, "limiting a wait failed");
  int connected;
  do {
    connected = os::calls.connect(fd, reinterpret_cast<const struct sockaddr *>(&address), sizeof address);
  } while (connected != 0 && errno == EINTR);
  if (connected != 0 && errno != EISCONN) {
    return fail(SHMALLOC_STATUS_PEER_GONE, errno, "no manager answers at %s", path);
  }
  SHMALLOC_CHECK(say(fd, name, false));
  char answer[sizeof wire::kTorchOk] = {};
  for (;;) {
    const auto waited = os::wait_readable(fd, kPatienceNs);
    if (waited) break;
    if (waited.error().status != SHMALLOC_STATUS_INTERRUPTED) return waited.error();
  }
  SHMALLOC_CHECK(os::receive_rest(fd, answer, sizeof answer));
  if (std::memcmp(answer, wire::kTorchOk, sizeof answer) != 0) {
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "what answers at %s is no torch_shm_manager", path);
  }
  return made;
}

void ManagerRegistration::close(bool inherited) {
  if (socket_ && !inherited)
    static_cast<void>(say(socket_.get(), name_.c_str(), true));  // It may be gone: nothing to do about that.
  socket_.reset();
}

}  // namespace shmalloc
