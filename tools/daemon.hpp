// `put --daemon`: the work is done by a child from the start, because a storage belongs to the process that made it.
#pragma once

#include "descriptor.hpp"

namespace shmalloc_tool {

class Daemon {
 public:
  // Returns in the child only. The parent waits until the child is ready, or has failed and said so, and leaves with its exit code;
  // when the parent dies before that, so does the child.
  Daemon();
  void ready();  // lets go of the terminal and of the parent

 private:
  Descriptor parent_;
};

}  // namespace shmalloc_tool
