#include "torch/manager.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/wire/torch.hpp"
#include "os/holders.hpp"
#include "os/socket.hpp"

namespace shmalloc {
namespace {

// How often names are looked at that nobody registers any more but somebody still uses.
constexpr int kWatchMs = 500;
constexpr int kBacklog = 64;
constexpr int kRecordsATurn = 64;  // of one client, so that none starves the others

struct Client {
  os::UniqueFd fd;
  char record[sizeof(wire::TorchAllocInfo)];
  std::size_t filled = 0;
  std::multiset<std::string> names;
};

class Manager {
 public:
  Result<void> open(const char *path);
  Result<void> run(int stop_fd);
  ~Manager();

 private:
  Result<void> lock(const char *path);
  void accept_one();
  bool hear(Client &client);  // false: it is gone
  bool answer(Client &client, const wire::TorchAllocInfo &info);
  void forget(Client &client);
  void sweep();

  std::string path_;
  std::string lock_path_;
  os::UniqueFd lock_;  // held while we live: only its holder may remove a socket that nobody answers
  os::UniqueFd listener_;
  bool full_ = false;      // no descriptor was left for a client: give others time to go
  os::Identity identity_;  // of our socket's name
  std::vector<std::unique_ptr<Client>> clients_;
  std::map<std::string, int> registered_;  // how often
  std::set<std::string> orphans_;          // nobody registers them any more
};

Result<void> Manager::lock(const char *path) {
  lock_path_ = std::string(path) + ".lock";
  for (int tries = 0; tries < 64; ++tries) {
    lock_ = os::open_path(lock_path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (!lock_) return fail_errno(errno, "making %s failed%s", lock_path_.c_str(), os::hint_for(errno, "").text);
    SHMALLOC_TRY(locked, os::lock_presence(lock_.get(), true));
    if (!locked) {
      lock_.reset();
      return fail(SHMALLOC_STATUS_EXISTS, 0, "another manager has %s", path);
    }
    SHMALLOC_TRY(mine, os::look(lock_.get(), lock_path_.c_str()));
    os::FileFacts there;
    if (os::look_at(lock_path_.c_str(), &there) == 0 && there.identity == mine.identity) return {};
    // Its last holder removed the file between our two calls: once more.
  }
  return fail(SHMALLOC_STATUS_BUSY, 0, "%s comes and goes", lock_path_.c_str());
}

Result<void> Manager::open(const char *path) {
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  if (path[0] == '\0') return fail(SHMALLOC_STATUS_INVALID, 0, "the path of the manager's socket is empty");
  if (std::strlen(path) >= sizeof address.sun_path) {
    return fail(SHMALLOC_STATUS_NO_SPACE, 0, "the path of a socket has at most %zu bytes", sizeof address.sun_path - 1);
  }
  std::memcpy(address.sun_path, path, std::strlen(path) + 1);
  const auto *where = reinterpret_cast<const struct sockaddr *>(&address);
  path_ = path;
  SHMALLOC_CHECK(lock(path));
  listener_ = os::UniqueFd(os::calls.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_) return fail_errno(errno, "making a socket failed%s", os::hint_for(errno, "").text);
  if (os::calls.bind(listener_.get(), where, sizeof address) != 0) {
    if (errno != EADDRINUSE) return fail_errno(errno, "binding the socket %s failed", path);
    // Somebody lives there, or died there.
    const os::UniqueFd probe(os::calls.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe) return fail_errno(errno, "making a socket failed%s", os::hint_for(errno, "").text);
    if (os::calls.connect(probe.get(), where, sizeof address) == 0 || errno != ECONNREFUSED) {
      return fail(SHMALLOC_STATUS_EXISTS, EADDRINUSE, "somebody answers at %s already, or it is no socket", path);
    }
    if (os::calls.unlink(path) != 0 && errno != ENOENT) return fail_errno(errno, "removing the dead socket %s failed", path);
    if (os::calls.bind(listener_.get(), where, sizeof address) != 0) return fail_errno(errno, "binding the socket %s failed", path);
  }
  os::FileFacts facts;
  if (const int error = os::look_at(path, &facts); error != 0) {
    os::calls.unlink(path);
    return fail_errno(error, "looking at the socket %s failed", path);
  }
  identity_ = facts.identity;
  if (os::calls.listen(listener_.get(), kBacklog) != 0) return fail_errno(errno, "listening on %s failed", path);
  return {};
}

Manager::~Manager() {
  if (identity_.inode != 0) static_cast<void>(os::remove_name(path_.c_str(), identity_));
  if (lock_) os::calls.unlink(lock_path_.c_str());
}

void Manager::accept_one() {
  os::UniqueFd fd(os::calls.accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) {
    full_ = errno == EMFILE || errno == ENFILE;
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
      log(SHMALLOC_LOG_LEVEL_WARNING, "manager: accepting a client failed with errno %d", errno);
    return;
  }
  auto user = os::peer_user(fd.get());
  if (!user || *user != os::calls.geteuid()) {
    log(SHMALLOC_LOG_LEVEL_WARNING, "manager: a client of another user was refused");
    return;
  }
  auto client = std::make_unique<Client>();
  client->fd = std::move(fd);
  clients_.push_back(std::move(client));
}

bool Manager::answer(Client &client, const wire::TorchAllocInfo &info) {
  const std::size_t length = strnlen(info.filename, sizeof info.filename);
  const std::string name(info.filename, length);
  if (length < 2 || length == sizeof info.filename || name[0] != '/' || name.find('/', 1) != std::string::npos) {
    log(SHMALLOC_LOG_LEVEL_WARNING, "manager: a client named what is no shm object; it was dropped");
    return false;
  }
  if (info.free != 0) {
    // A client that lets go of a name may have sent it to somebody who has not opened it yet: it keeps the name until it goes itself,
    // unless nothing is left to keep.
    os::FileFacts facts;
    if (os::look_at((os::kShmDirectory + name).c_str(), &facts) == 0) return true;
    if (const auto at = client.names.find(name); at != client.names.end()) {
      client.names.erase(at);
      if (--registered_[name] == 0) registered_.erase(name);
    }
    return true;
  }
  client.names.insert(name);
  ++registered_[name];
  orphans_.erase(name);
  return static_cast<bool>(os::send_all(client.fd.get(), wire::kTorchOk, sizeof wire::kTorchOk, nullptr, 0));
}

bool Manager::hear(Client &client) {
  for (int records = 0; records < kRecordsATurn;) {
    const ssize_t got = os::calls.read(client.fd.get(), client.record + client.filled, sizeof client.record - client.filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    client.filled += static_cast<std::size_t>(got);
    if (client.filled < sizeof client.record) continue;
    client.filled = 0;
    ++records;
    wire::TorchAllocInfo info;
    std::memcpy(&info, client.record, sizeof info);
    if (!answer(client, info)) return false;
  }
  return true;
}

void Manager::forget(Client &client) {
  for (const std::string &name : client.names) {
    if (--registered_[name] != 0) continue;
    registered_.erase(name);
    orphans_.insert(name);
  }
}

// Removes the orphans that no process holds. One that is gone, or is not ours to remove, is dropped.
void Manager::sweep() {
  auto holders = os::find_holders();
  if (!holders) return;
  for (auto at = orphans_.begin(); at != orphans_.end();) {
    const std::string path = os::kShmDirectory + *at;
    os::FileFacts facts;
    bool done = os::look_at(path.c_str(), &facts) != 0 || !facts.regular || facts.uid != os::calls.geteuid();
    if (!done && holders->find(facts.identity) == nullptr && !holders->uncertain(facts.uid, facts.mode)) {
      const os::UniqueFd fd = os::open_path(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK);
      auto locked = fd ? os::lock_presence(fd.get(), true) : Result<bool>(false);
      if (locked && *locked) done = os::remove_name(path.c_str(), facts.identity) == 0;
    }
    at = done ? orphans_.erase(at) : std::next(at);
  }
}

Result<void> Manager::run(int stop_fd) {
  std::vector<struct pollfd> entries;
  for (;;) {
    entries.assign({{stop_fd, POLLIN, 0}, {full_ ? -1 : listener_.get(), POLLIN, 0}});
    for (const auto &client : clients_) entries.push_back({client->fd.get(), POLLIN, 0});
    const int ready = os::calls.poll(entries.data(), entries.size(), orphans_.empty() && !full_ ? -1 : kWatchMs);
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "waiting for the manager's clients failed");
    if (ready < 0) continue;
    full_ = false;
    const bool stop = entries[0].revents != 0;
    // What was said before we were told to stop still counts.
    for (std::size_t i = clients_.size(); i-- > 0;) {
      if (entries[i + 2].revents == 0 || hear(*clients_[i])) continue;
      forget(*clients_[i]);
      clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (entries[1].revents != 0) accept_one();
    if (stop) {
      for (const auto &client : clients_) forget(*client);
      clients_.clear();
    }
    if (!orphans_.empty()) sweep();
    if (stop) return {};
  }
}

}  // namespace

Result<void> run_manager(const char *path, int stop_fd) {
  if (os::calls.fcntl(stop_fd, F_GETFD) < 0) return fail(SHMALLOC_STATUS_INVALID, errno, "stop_fd %d is no descriptor", stop_fd);
  Manager manager;
  SHMALLOC_CHECK(manager.open(path));
  return manager.run(stop_fd);
}

}  // namespace shmalloc
