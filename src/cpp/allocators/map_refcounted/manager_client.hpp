// A client of PyTorch's torch_shm_manager: names registered there are removed when all who registered are dead.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "os/fd.hpp"

namespace shmalloc {

// One registration of one name, on a connection of its own: the manager forgets it when the connection closes. In a forked child the
// descriptor is closed without a word, for the registration is the parent's.
class ManagerRegistration {
 public:
  // Waits at most 5 seconds for the manager's answer.
  static Result<std::unique_ptr<ManagerRegistration>> open(const char *path, const char *name);
  // Says that the name is closed here.
  void close(bool inherited);
  const char *path() const { return path_.c_str(); }

 private:
  os::UniqueFd socket_;
  std::string path_;
  std::string name_;
};

}  // namespace shmalloc
