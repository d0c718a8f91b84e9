#include <cstdio>
#include <cstring>
#include <optional>

#include "api.hpp"
#include "commands.hpp"
#include "report.hpp"
#include "text.hpp"

namespace shmalloc_tool {
namespace {

constexpr char kHelp[] = R"(Usage: shmalloc gc [OPTION]...

Removes every named shared object of shmalloc's and of PyTorch's making that
no living process holds: what 'ls --abandoned' lists.

  -n, --dry-run        only tell what would be removed
      --prefix=PREFIX  what names of shmalloc's making begin with (shmalloc)
)";

std::vector<shmalloc_object_info> candidates(const char *prefix) {
  std::vector<shmalloc_object_info> found = shared_objects(prefix);
  std::erase_if(found, [](const shmalloc_object_info &object) { return !reclaimable(object); });
  return found;
}

int run(const Arguments &arguments, bool json) {
  arguments.none();
  const char *prefix = prefix_of(arguments);
  const bool dry = arguments.has("dry-run");
  std::vector<shmalloc_object_info> removed = candidates(prefix);

  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  shmalloc_error error{};
  const std::uint32_t flags = dry ? SHMALLOC_RECLAIM_DRY_RUN : 0;
  const shmalloc_status status = shmalloc_machine_reclaim(nullptr, prefix, flags, &objects, &bytes, &error);
  // The library counts; the names are those that were there before and are gone now.
  if (!dry) {
    const std::vector<shmalloc_object_info> left = candidates(prefix);
    std::erase_if(removed, [&](const shmalloc_object_info &object) {
      for (const auto &still : left)
        if (std::strcmp(still.name, object.name) == 0) return true;
      return false;
    });
  }
  if (json) {
    JsonWriter out;
    out.object();
    out.key("dry_run").boolean(dry);
    out.key("objects").size(objects);
    out.key("bytes").size(bytes);
    out.key("removed").array();
    for (const auto &object : removed) write_object(out, object);
    out.end().end();
    std::printf("%s\n", out.str().c_str());
  } else {
    const char *verb = dry ? "would remove" : "removed";
    for (const auto &object : removed)
      std::printf("%s %s, %s\n", verb, printable(object.name).c_str(), format_size(object.resident).c_str());
    std::printf("%s %llu %s, %s\n", verb, static_cast<unsigned long long>(objects), objects == 1 ? "object" : "objects",
                format_size(bytes).c_str());
  }
  check(status, error);
  return kOk;
}

}  // namespace

Command command_gc() {
  return {"gc",
          "remove all shared objects that nobody holds any more",
          kHelp,
          {{"dry-run", 'n', nullptr}, {"prefix", 0, "PREFIX"}},
          run};
}

}  // namespace shmalloc_tool
