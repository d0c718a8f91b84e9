// The two ends of `--socket PATH`: a unix socket that hands the storage to whoever connects.
#pragma once

#include <string>

#include "descriptor.hpp"

namespace shmalloc_tool {

// Listens, and takes its path away again at the end, wherever the process has gone meanwhile. A path that a dead process left is taken over.
class ListeningSocket {
 public:
  ListeningSocket(const std::string &path, unsigned mode);
  ListeningSocket(const ListeningSocket &) = delete;
  ListeningSocket &operator=(const ListeningSocket &) = delete;
  ~ListeningSocket();

  int fd() const { return fd_.get(); }
  Descriptor accept() const;  // none: nobody is there any more; fails only when there is no descriptor or memory for one

 private:
  bool still_ours() const;

  Descriptor folder_;  // of the path
  Descriptor fd_;
  std::string name_;  // in the folder
  unsigned long long device_ = 0;
  unsigned long long inode_ = 0;
};

Descriptor connect_to(const std::string &path);

}  // namespace shmalloc_tool
