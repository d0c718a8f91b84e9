#include "os/holders.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/text.hpp"

namespace shmalloc::os {
namespace {

// "/#12 (deleted)" is a file that never had a name on a mount that no path leads to, as the data of segments may be.
bool interesting(std::string_view link) {
  return link.starts_with("/dev/shm/") || link.starts_with("/memfd:") || link.starts_with("/#");
}

void add(Holders *holders, std::uint64_t device, std::uint64_t inode, std::string_view link, int pid, const char *fd_path,
         std::uint64_t mapped) {
  HeldObject &object = holders->objects[{device, inode}];
  if (object.link.empty()) object.link = link;
  if (object.last_pid != pid) ++object.holders;
  object.pid = object.last_pid = pid;
  if (fd_path != nullptr && object.fd_path.empty()) object.fd_path = fd_path;
  object.mapped = std::max(object.mapped, mapped);
}

// "7f00-7f10 rw-s 00000000 00:01 1234   /memfd:name (deleted)"
void read_mapping(Holders *holders, int pid, const char *line) {
  const char *slash = std::strchr(line, '/');
  if (slash == nullptr || !interesting(slash)) return;
  unsigned long long start = 0;
  unsigned long long end = 0;
  unsigned major = 0;
  unsigned minor = 0;
  unsigned long long inode = 0;
  if (std::sscanf(line, "%llx-%llx %*4s %*x %x:%x %llu", &start, &end, &major, &minor, &inode) != 5) return;
  add(holders, static_cast<std::uint64_t>(major) << 32 | minor, inode, slash, pid, nullptr, end - start);
}

bool read_maps(Holders *holders, int pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/maps", pid);
  const UniqueFd fd = open_path(path, O_RDONLY);
  if (!fd) return errno != EACCES && errno != EPERM;  // A process that is gone holds nothing.
  std::string pending;
  char buffer[16384];
  for (;;) {
    const ssize_t got = calls.read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno != EACCES && errno != EPERM;
    if (got == 0) return true;
    pending.append(buffer, static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t newline; (newline = pending.find('\n', begin)) != std::string::npos; begin = newline + 1) {
      pending[newline] = '\0';
      read_mapping(holders, pid, pending.c_str() + begin);
    }
    pending.erase(0, begin);
  }
}

bool read_descriptors(Holders *holders, int pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd", pid);
  auto names = list_directory(path);
  if (!names) return names.error().os_error != EACCES && names.error().os_error != EPERM;
  bool seen = true;  // A list of descriptors may be readable where they are not.
  for (const std::string &name : *names) {
    std::snprintf(path, sizeof path, "/proc/%d/fd/%.16s", pid, name.c_str());
    char link[512];
    const ssize_t length = calls.readlink(path, link, sizeof link - 1);
    if (length < 0 && (errno == EACCES || errno == EPERM)) seen = false;
    if (length <= 0) continue;
    link[length] = '\0';
    FileFacts facts;
    if (!interesting(link) || look_at(path, &facts) != 0) continue;
    add(holders, facts.identity.device, facts.identity.inode, link, pid, path, 0);
  }
  return seen;
}

}  // namespace

bool Holders::uncertain(std::uint32_t uid, std::uint32_t mode) const {
  return std::any_of(hidden.begin(), hidden.end(),
                     [=](std::uint32_t user) { return user == uid || (user != 0 && (mode & 0066U) != 0); });
}

Result<std::vector<std::string>> list_directory(const char *path) {
  DIR *directory;
  do {
    directory = calls.opendir(path);
  } while (directory == nullptr && errno == EINTR);
  if (directory == nullptr) return fail_errno(errno, "listing %s failed", path);
  struct Close {
    DIR *directory;
    ~Close() { closedir(directory); }
  } close{directory};
  std::vector<std::string> names;
  while (const struct dirent *entry = readdir(directory)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) names.emplace_back(entry->d_name);
  }
  return names;
}

Result<Holders> find_holders() {
  Holders holders;
  // Elsewhere than in the machine's first pid namespace there are processes that /proc does not show.
  char link[64];
  const ssize_t length = calls.readlink("/proc/self/ns/pid", link, sizeof link);
  holders.complete = length > 0 && std::string_view(link, static_cast<std::size_t>(length)) == "pid:[4026531836]";
  bool saw_first = false;
  SHMALLOC_TRY(names, list_directory("/proc"));
  for (const std::string &name : names) {
    std::uint64_t pid = 0;
    if (!parse_number(name, &pid)) continue;
    saw_first = saw_first || pid == 1;
    const bool maps = read_maps(&holders, static_cast<int>(pid));
    const bool descriptors = read_descriptors(&holders, static_cast<int>(pid));
    if (maps && descriptors) continue;
    if (pid == 1 && holders.complete) continue;  // The machine's init, which a root with fewer rights can't look into, holds none.
    FileFacts facts;
    const std::string path = "/proc/" + name;
    if (look_at(path.c_str(), &facts) == 0) holders.hidden.push_back(facts.uid);
  }
  holders.complete = holders.complete && saw_first;  // Mounted with hidepid it shows only our own.
  return holders;
}

}  // namespace shmalloc::os
