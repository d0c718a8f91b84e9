// malloc of several makes, each in a child process of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/asked.hpp"

namespace bench {

struct Malloc {
  std::string name;
  std::unique_ptr<Asked> child;
};

// glibc's, and those of the others that are installed. `peer`: the program that does the work; "": none.
std::vector<Malloc> mallocs(const std::string &peer);

}  // namespace bench
