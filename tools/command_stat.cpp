#include <cstdio>
#include <optional>

#include "api.hpp"
#include "commands.hpp"
#include "report.hpp"
#include "text.hpp"

namespace shmalloc_tool {
namespace {

constexpr char kHelp[] = R"(Usage: shmalloc stat [OPTION]... NAME|HANDLE

Tells everything about one shared object: of a NAME as 'ls' shows it (with or
without its leading slash), what the machine knows; of a HANDLE (-: it stands
on standard input), what it says and what opening it gives. Exits with 3 if
there is no such object any more.

      --no-open        only read the handle, open nothing
      --prefix=PREFIX  what names of shmalloc's making begin with (shmalloc)
)";

const char *route_name(std::int32_t route) {
  switch (route) {
    case SHMALLOC_HANDLE_ROUTE_DESCRIPTOR:
      return "descriptor";
    case SHMALLOC_HANDLE_ROUTE_SHM:
      return "shm";
    case SHMALLOC_HANDLE_ROUTE_FILE:
      return "file";
    case SHMALLOC_HANDLE_ROUTE_PROCESS:
      return "process";
    case SHMALLOC_HANDLE_ROUTE_EMPTY:
      return "empty";
    default:
      return "unknown";
  }
}

std::string hex(const std::uint8_t *bytes, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", bytes[i]);
    out += two;
  }
  return out;
}

std::string device_name(shmalloc_device device) {
  if (device == SHMALLOC_DEVICE_HOST) return "host";
  const auto type = static_cast<std::uint32_t>(device >> 32);
  const char *name = type == SHMALLOC_DEVICE_TYPE_CUDA ? "cuda" : type == SHMALLOC_DEVICE_TYPE_VULKAN ? "vulkan" : nullptr;
  return (name != nullptr ? name : "type " + std::to_string(type)) + ":" + std::to_string(static_cast<std::uint32_t>(device));
}

std::string size_and_bytes(std::uint64_t size) {
  return size < 1024 ? format_size(size) : format_size(size) + " (" + std::to_string(size) + " bytes)";
}

std::vector<std::string> export_flags(std::uint32_t flags) {
  std::vector<std::string> words;
  if ((flags & SHMALLOC_EXPORT_READ_ONLY) != 0) words.emplace_back("read-only");
  if ((flags & SHMALLOC_EXPORT_DESCRIPTOR) != 0) words.emplace_back("descriptor");
  if ((flags & SHMALLOC_EXPORT_COUNTED) != 0) words.emplace_back("counted");
  return words;
}

// ---- a name ----

void print_object(const shmalloc_object_info &object) {
  char mode[16];
  std::snprintf(mode, sizeof mode, "%04o", object.mode);
  Table table(2);
  table.row({"name", printable(object.name)});
  table.row({"maker", maker_name(object.maker)});
  table.row({"size", size_and_bytes(object.size)});
  table.row({"resident", size_and_bytes(object.resident)});
  table.row({"holders", std::to_string(object.holders)});
  table.row({"pid", object.holder_pid != 0 ? std::to_string(object.holder_pid) : "-"});
  table.row({"state", joined(object_state(object.state), ", ")});
  if ((object.state & SHMALLOC_OBJECT_COUNTED) != 0) table.row({"count", std::to_string(object.refcount)});
  table.row({"owner", std::to_string(object.uid)});
  table.row({"mode", mode});
  table.row({"changed", format_time(object.modified_ns)});
  table.print();
}

int stat_name(const std::string &word, const char *prefix, bool json) {
  std::vector<shmalloc_object_info> found = shared_objects(prefix);
  std::erase_if(found, [&](const shmalloc_object_info &object) { return object.name != word && object.name != "/" + word; });
  if (found.empty())
    fail(SHMALLOC_STATUS_NOT_FOUND, "'" + word + "' is no handle, nor a shared object of shmalloc's or PyTorch's making");
  if (json) {
    JsonWriter out;
    out.object().key("objects").array();
    for (const auto &object : found) write_object(out, object);
    out.end().end();
    std::printf("%s\n", out.str().c_str());
    return kOk;
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i != 0) std::printf("\n");
    print_object(found[i]);
  }
  return kOk;
}

// ---- a handle ----

struct Opened {
  std::optional<shmalloc_storage_info> info;
  std::string name;
  std::optional<Failure> failure;
};

Opened try_to_open(const Handle &handle) {
  Opened opened;
  try {
    const Storage storage = open_handle(handle);
    opened.info = storage_info(storage);
    opened.name = storage_name(storage);
  } catch (const Failure &failure) {
    opened.failure = failure;
  }
  return opened;
}

void write_handle(JsonWriter &out, const shmalloc_handle_info &info) {
  out.object();
  out.key("size").size(info.size);
  out.key("capacity").size(info.capacity);
  out.key("offset").size(info.offset);
  out.key("device").text(device_name(info.device));
  out.key("kind").text(kind_name(info.kind));
  out.key("route").text(route_name(info.route));
  out.key("flags");
  write_words(out, export_flags(info.flags));
  out.key("pid").number(info.pid);
  out.key("identity").text(hex(info.identity, sizeof info.identity));
  out.key("version").text(std::to_string(info.version_major) + "." + std::to_string(info.version_minor));
  out.end();
}

void write_opened(JsonWriter &out, const Opened &opened) {
  out.key("storage");
  if (opened.info) {
    out.object();
    out.key("size").size(opened.info->size);
    out.key("capacity").size(opened.info->capacity);
    out.key("name").text_or_null(opened.name);
    out.key("state");
    write_words(out, storage_state(opened.info->state));
    out.end();
  } else {
    out.null();
  }
  out.key("why_not");
  if (opened.failure) {
    out.object();
    out.key("status").text(opened.failure->status);
    out.key("os_error").number(opened.failure->os_error);
    out.key("message").text(opened.failure->message);
    out.end();
  } else {
    out.null();
  }
}

void print_handle(const shmalloc_handle_info &info, const Opened &opened, bool open) {
  Table table(2);
  table.row({"size", size_and_bytes(info.size)});
  table.row({"capacity", size_and_bytes(info.capacity)});
  table.row({"offset", std::to_string(info.offset)});
  table.row({"device", device_name(info.device)});
  table.row({"kind", kind_name(info.kind)});
  table.row({"route", route_name(info.route)});
  table.row({"flags", info.flags != 0 ? joined(export_flags(info.flags), ", ") : "-"});
  table.row({"pid", std::to_string(info.pid)});
  table.row({"identity", hex(info.identity, sizeof info.identity)});
  table.row({"version", std::to_string(info.version_major) + "." + std::to_string(info.version_minor)});
  if (open && opened.info) {
    table.row({"opens", "yes"});
    table.row({"size now", size_and_bytes(opened.info->size)});
    if (!opened.name.empty()) table.row({"name", printable(opened.name)});
    table.row({"state", joined(storage_state(opened.info->state), ", ")});
  } else if (open) {
    table.row({"opens", "no, " + opened.failure->status + ": " + printable(opened.failure->message)});
  }
  table.print();
}

int stat_handle(const Handle &handle, bool open, bool json) {
  auto info = SHMALLOC_INIT(shmalloc_handle_info);
  shmalloc_error error{};
  check(shmalloc_handle_get_info(handle.bytes, handle.length, &info, &error), error);
  const Opened opened = open ? try_to_open(handle) : Opened();
  if (json) {
    JsonWriter out;
    out.object().key("handle");
    write_handle(out, info);
    if (open) write_opened(out, opened);
    out.end();
    std::printf("%s\n", out.str().c_str());
  } else {
    print_handle(info, opened, open);
  }
  return opened.failure ? opened.failure->exit_code : kOk;
}

// A handle's text has a colon. So have the names of objects without a name, which begin with a word and one.
bool looks_like_handle(const std::string &word) {
  for (const char *begin : {"/", "memfd:", "deleted:"})
    if (word.rfind(begin, 0) == 0) return false;
  return word.find(':') != std::string::npos;
}

int run(const Arguments &arguments, bool json) {
  const std::string word = handle_word(arguments.only("NAME or HANDLE"));
  if (!looks_like_handle(word)) return stat_name(word, prefix_of(arguments), json);
  return stat_handle(handle_from_text(word), !arguments.has("no-open"), json);
}

}  // namespace

Command command_stat() {
  return {
      "stat", "tell everything about one shared object or handle", kHelp, {{"no-open", 0, nullptr}, {"prefix", 0, "PREFIX"}}, run};
}

}  // namespace shmalloc_tool
