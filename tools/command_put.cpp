#include <cstdio>
#include <optional>

#include "api.hpp"
#include "commands.hpp"
#include "daemon.hpp"
#include "report.hpp"
#include "serve.hpp"
#include "source.hpp"

namespace shmalloc_tool {
namespace {

constexpr char kHelp[] = R"(Usage: shmalloc put [OPTION]... FILE

Copies FILE (-: standard input) into a shared storage, prints its handle, and
serves it until SIGINT, SIGTERM or SIGHUP. Other processes open it with the
handle: 'shmalloc get HANDLE', shmalloc_storage_import, or a binding.

What the storage is
      --name=NAME      a POSIX shm object of this name, which must be free
      --shm            a POSIX shm object of a generated name; without these
                       two the object has no name, and a handle's reader needs
                       the right to look into this process, or --socket
      --prefix=PREFIX  what names begin with (shmalloc), generated ones and
                       those that 'ls' and 'gc' see
      --mode=OCTAL     permission bits of the object and the socket (0600)
  -r, --read-only      nobody can write it any more, this process included;
                       not with --name and --shm
      --config=TEXT    settings of its allocator, key:value,key:value

How it is served
  -d, --daemon         go to the background once the handle is printed
  -s, --socket=PATH    send it to whoever connects to this unix socket, too
      --clients=N      end after N clients of the socket
  -t, --timeout=SECS   end after this time
      --until-eof      end when standard input does

      --progress       tell how far the copy is, terminal or not
      --no-progress    never tell
)";

StorageWish wish_of(const Arguments &arguments) {
  StorageWish wish;
  wish.name = arguments.text("name");
  wish.shm = arguments.has("shm");
  wish.prefix = arguments.text("prefix");
  wish.config = arguments.text("config");
  if (arguments.has("mode")) wish.mode = static_cast<std::uint32_t>(arguments.number("mode", 8, 0777));
  if (arguments.has("name") && wish.name.empty())
    fail_usage("option '--name': a name has at least one character; --shm makes one up");
  if (arguments.has("prefix") && wish.prefix.empty()) fail_usage("option '--prefix': a prefix has at least one character");
  if (arguments.has("read-only") && (wish.shm || !wish.name.empty()))
    fail_usage("--read-only is for objects without a name: leave --name and --shm away");
  return wish;
}

// ls and gc know what shmalloc made by how its name begins: one of another name would be nobody's once this process is killed.
void warn_of_name(const std::string &name, const std::string &prefix) {
  const std::string_view bare = std::string_view(name).substr(name[0] == '/' ? 1 : 0);
  const std::string_view known = prefix.empty() ? "shmalloc" : std::string_view(prefix);
  if (bare.substr(0, known.size()) == known) return;
  std::fprintf(stderr, "shmalloc put: note: 'ls' and 'gc' see this name only with a --prefix that it begins with\n");
}

std::string export_text(const Storage &storage, bool read_only) {
  auto params = SHMALLOC_INIT(shmalloc_export_params);
  params.flags = read_only ? SHMALLOC_EXPORT_READ_ONLY : 0;
  Handle handle;
  shmalloc_error error{};
  check(shmalloc_storage_export(storage.get(), &params, handle.bytes, &handle.length, &error), error);
  return handle_to_text(handle);
}

void print_handle(const Storage &storage, const Arguments &arguments, bool json) {
  const std::string handle = export_text(storage, arguments.has("read-only"));
  if (!json) {
    std::printf("%s\n", handle.c_str());
  } else {
    JsonWriter out;
    const std::string name = storage_name(storage);
    out.object();
    out.key("handle").text(handle);
    out.key("size").size(shmalloc_storage_size(storage.get()));
    out.key("pid").number(getpid());
    out.key("name").text_or_null(name);
    out.key("socket").text_or_null(arguments.text("socket"));
    out.key("read_only").boolean(arguments.has("read-only"));
    out.end();
    std::printf("%s\n", out.str().c_str());
  }
  if (std::fflush(stdout) != 0) fail_errno(errno, "can't print the handle");
}

int run(const Arguments &arguments, bool json) {
  const std::string &path = arguments.only("FILE");
  const StorageWish wish = wish_of(arguments);
  ServeParams params;
  params.read_only = arguments.has("read-only");
  params.json = json;
  params.until_eof = arguments.has("until-eof");
  if (arguments.has("timeout")) params.timeout_ns = arguments.nanoseconds("timeout");
  if (arguments.has("clients")) params.clients = arguments.number("clients", 10, UINT32_MAX);
  const bool background = arguments.has("daemon");
  if (params.until_eof && (background || path == "-"))
    fail_usage("--until-eof needs standard input for itself: not with --daemon or FILE '-'");
  if (arguments.has("clients") && !arguments.has("socket")) fail_usage("--clients counts those of --socket, which is not given");

  if (!wish.name.empty() && !json) warn_of_name(wish.name, wish.prefix);

  std::optional<Daemon> daemon;
  if (background) daemon.emplace();
  const StopSignals signals;
  const Storage storage = storage_of_file(path, wish, progress_wish(arguments), signals);
  shmalloc_error error{};
  if (params.read_only && shmalloc_storage_size(storage.get()) != 0) check(shmalloc_storage_seal(storage.get(), &error), error);

  std::optional<ListeningSocket> socket;
  if (arguments.has("socket")) {
    socket.emplace(arguments.text("socket"), wish.mode != 0 ? wish.mode : 0600U);
    params.socket = &*socket;
  }
  print_handle(storage, arguments, json);
  if (daemon) daemon->ready();
  serve(storage, signals, params);

  socket.reset();
  check(shmalloc_storage_close(storage.get(), &error), error);
  return kOk;
}

}  // namespace

Command command_put() {
  return {"put",
          "copy a file into a shared storage and serve it",
          kHelp,
          {{"name", 0, "NAME"},
           {"shm", 0, nullptr},
           {"prefix", 0, "PREFIX"},
           {"mode", 0, "OCTAL"},
           {"read-only", 'r', nullptr},
           {"config", 0, "TEXT"},
           {"daemon", 'd', nullptr},
           {"socket", 's', "PATH"},
           {"clients", 0, "N"},
           {"timeout", 't', "SECS"},
           {"until-eof", 0, nullptr},
           {"progress", 0, nullptr},
           {"no-progress", 0, nullptr}},
          run};
}

}  // namespace shmalloc_tool
