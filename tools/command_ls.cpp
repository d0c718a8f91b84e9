#include <cstdio>

#include "api.hpp"
#include "commands.hpp"
#include "report.hpp"
#include "text.hpp"

namespace shmalloc_tool {
namespace {

constexpr char kHelp[] = R"(Usage: shmalloc ls [OPTION]...

Lists the shared objects of shmalloc's and of PyTorch's making that this user
can see: those in /dev/shm, and those without a name that a process holds.

  -a, --abandoned      only what nobody holds and 'gc' would remove
  -n, --named          only what has a name in /dev/shm
  -l, --long           owner, mode, last change and PyTorch's count as well
  -q, --quiet          only the names, one a line
      --prefix=PREFIX  what names of shmalloc's making begin with (shmalloc)

Storages of the default kind lie in segments, which are two objects each:
memfd:shmalloc_control, and memfd:shmalloc_segment or deleted:/#number, whose
SIZE is what it may grow to. What lies in them can't be seen from outside.

State: 'held' by HOLDERS processes, of which PID is one; 'abandoned'; with '?'
where some processes could not be looked into.
)";

int run(const Arguments &arguments, bool json) {
  arguments.none();
  std::vector<shmalloc_object_info> objects = shared_objects(prefix_of(arguments));
  std::erase_if(objects, [&](const shmalloc_object_info &object) {
    return (arguments.has("abandoned") && !reclaimable(object)) ||
           (arguments.has("named") && (object.state & SHMALLOC_OBJECT_NAMED) == 0);
  });
  if (json) {
    JsonWriter out;
    out.object().key("objects").array();
    for (const auto &object : objects) write_object(out, object);
    out.end().end();
    std::printf("%s\n", out.str().c_str());
    return kOk;
  }
  if (arguments.has("quiet")) {
    for (const auto &object : objects) std::printf("%s\n", printable(object.name).c_str());
    return kOk;
  }
  const bool detailed = arguments.has("long");
  std::vector<std::string> head = {"NAME", "MAKER", "SIZE", "RESIDENT", "HOLDERS", "PID", "STATE"};
  if (detailed) head.insert(head.end(), {"COUNT", "OWNER", "MODE", "CHANGED"});
  Table table(head);
  for (const std::size_t column : {2, 3, 4, 5, 7, 8, 9}) table.right(column);
  for (const auto &object : objects) {
    const std::string pid = object.holder_pid != 0 ? std::to_string(object.holder_pid) : "-";
    std::vector<std::string> cells = {printable(object.name),       maker_name(object.maker),       format_size(object.size),
                                      format_size(object.resident), std::to_string(object.holders), pid,
                                      held_word(object.state)};
    if (detailed) {
      const bool counted = (object.state & SHMALLOC_OBJECT_COUNTED) != 0;
      char mode[16];
      std::snprintf(mode, sizeof mode, "%04o", object.mode);
      cells.insert(cells.end(), {counted ? std::to_string(object.refcount) : "-", std::to_string(object.uid), mode,
                                 format_time(object.modified_ns)});
    }
    table.row(cells);
  }
  table.print();
  return kOk;
}

}  // namespace

Command command_ls() {
  return {"ls",
          "list shared objects, their holders and what nobody holds any more",
          kHelp,
          {{"abandoned", 'a', nullptr},
           {"named", 'n', nullptr},
           {"long", 'l', nullptr},
           {"quiet", 'q', nullptr},
           {"prefix", 0, "PREFIX"}},
          run};
}

}  // namespace shmalloc_tool
