#include <cstdio>

#include "api.hpp"
#include "commands.hpp"
#include "report.hpp"
#include "text.hpp"

namespace shmalloc_tool {
namespace {

constexpr char kHelp[] = R"(Usage: shmalloc rm [OPTION]... NAME...

Removes named shared objects that no living process holds. One that is held
stays, and the exit code is 5.

  -f, --force          remove it though it is held: the holders keep the
                       memory, others can't open it any more
      --prefix=PREFIX  what names of shmalloc's making begin with (shmalloc)
)";

int run(const Arguments &arguments, bool json) {
  const std::uint32_t flags = arguments.has("force") ? SHMALLOC_RECLAIM_FORCE : 0;
  if (arguments.rest().empty()) fail_usage("no NAME given");
  // An empty one must not reach the library, where no name at all means all of them.
  for (const std::string &name : arguments.rest())
    if (name.empty() || name == "/") fail_usage("a NAME is empty");

  int exit_code = kOk;
  JsonWriter out;
  out.object().key("removed").array();
  for (const std::string &name : arguments.rest()) {
    std::uint64_t objects = 0;
    std::uint64_t bytes = 0;
    shmalloc_error error{};
    const shmalloc_status status = shmalloc_machine_reclaim(name.c_str(), prefix_of(arguments), flags, &objects, &bytes, &error);
    if (status != SHMALLOC_STATUS_OK) {
      // The others are removed all the same; the first failure is the exit code.
      const Failure failure = failure_of(status, error);
      tell(failure, "rm", json);
      if (exit_code == kOk) exit_code = failure.exit_code;
      continue;
    }
    out.object().key("name").text(name);
    out.key("bytes").size(bytes).end();
    if (!json) std::printf("removed %s, %s\n", printable(name).c_str(), format_size(bytes).c_str());
  }
  out.end().end();
  if (json) std::printf("%s\n", out.str().c_str());
  return exit_code;
}

}  // namespace

Command command_rm() {
  return {"rm", "remove named shared objects", kHelp, {{"force", 'f', nullptr}, {"prefix", 0, "PREFIX"}}, run};
}

}  // namespace shmalloc_tool
