// The commands, and what they have in common.
#pragma once

#include <string>
#include <vector>

#include "arguments.hpp"
#include "progress.hpp"

namespace shmalloc_tool {

struct Command {
  const char *name;
  const char *summary;
  const char *help;  // after the line of summary
  std::vector<Option> options;
  int (*run)(const Arguments &arguments, bool json);  // returns an exit code
};

Command command_info();
Command command_put();
Command command_get();
Command command_ls();
Command command_top();
Command command_stat();
Command command_rm();
Command command_gc();

// --progress and --no-progress.
ProgressWish progress_wish(const Arguments &arguments);
// --prefix, for the library's calls: nullptr when it is not given.
const char *prefix_of(const Arguments &arguments);

}  // namespace shmalloc_tool
