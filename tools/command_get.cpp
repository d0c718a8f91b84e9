#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "api.hpp"
#include "commands.hpp"
#include "output_file.hpp"
#include "report.hpp"
#include "signals.hpp"
#include "socket.hpp"

namespace shmalloc_tool {
namespace {

constexpr char kHelp[] = R"(Usage: shmalloc get [OPTION]... [HANDLE]
       shmalloc get [OPTION]... --socket PATH

Opens a storage of another process and writes its bytes to standard output.
HANDLE is what 'put' prints or shmalloc_handle_to_text makes; -: it stands on
standard input; /NAME: a POSIX shm object; none: the variable SHMALLOC_HANDLE.

  -o, --output=FILE    write to FILE (-: standard output), which is there with
                       all its bytes or not at all
  -f, --force          replace FILE if it exists
  -s, --socket=PATH    take the storage from a unix socket, as 'put --socket'
                       and shmalloc_storage_send serve it
      --same-user      .. only if this user runs the other end
  -t, --timeout=SECS   .. and wait no longer than this

      --progress       tell how far the copy is, terminal or not
      --no-progress    never tell
)";

constexpr std::size_t kChunk = std::size_t{4} << 20;

Storage open_storage(const Arguments &arguments) {
  if (arguments.has("socket")) {
    if (!arguments.rest().empty()) fail_usage("give a HANDLE or --socket, not both");
    const std::int64_t timeout = arguments.has("timeout") ? arguments.nanoseconds("timeout") : SHMALLOC_TIME_DEFAULT;
    const Descriptor socket = connect_to(arguments.text("socket"));
    return receive_one(socket.get(), timeout, arguments.has("same-user"));
  }
  for (const char *option : {"timeout", "same-user"})
    if (arguments.has(option)) fail_usage(std::string("--") + option + " goes with --socket, which is not given");
  const char *environment = std::getenv("SHMALLOC_HANDLE");
  const bool from_environment = arguments.rest().empty() && environment != nullptr && *environment != '\0';
  const std::string word = from_environment ? environment : arguments.only("HANDLE");
  if (word.empty()) fail_usage("the HANDLE is empty");
  if (word[0] == '/') return open_name(word);
  return open_handle(handle_from_text(handle_word(word)));
}

void copy(const Storage &storage, int fd, const std::string &what, ProgressWish wish, const StopSignals *signals) {
  const Pin pin(storage, SHMALLOC_ACCESS_READ);
  if (pin.data() == nullptr && pin.size() != 0) fail(SHMALLOC_STATUS_UNSUPPORTED, "its bytes are where the host can't read them");
  Progress progress(wish, "get", pin.size());
  for (std::size_t done = 0; done < pin.size();) {
    const std::size_t size = std::min(kChunk, pin.size() - done);
    write_all(fd, pin.data() + done, size, what);
    done += size;
    progress.at(done);
    if (signals != nullptr) signals->throw_if_any();
  }
  progress.finish();
}

int run(const Arguments &arguments, bool json) {
  const std::string path = arguments.text("output");
  if (arguments.has("output") && path.empty()) fail_usage("option '--output': the FILE is empty");
  const bool to_stdout = path.empty() || path == "-";
  const Storage storage = open_storage(arguments);
  const std::uint64_t size = shmalloc_storage_size(storage.get());
  if (to_stdout) {
    copy(storage, STDOUT_FILENO, "standard output", progress_wish(arguments), nullptr);
  } else {
    // From before the file is made. Of what is no file no half can be left: there signals do what they always do.
    std::optional<StopSignals> signals;
    if (!is_special(path)) signals.emplace();
    OutputFile file(path, arguments.has("force"));
    file.reserve(size);
    copy(storage, file.fd(), "'" + path + "'", progress_wish(arguments), signals ? &*signals : nullptr);
    file.finish();
  }
  if (json) {
    JsonWriter out;
    out.object();
    out.key("file").text_or_null(to_stdout ? "" : path);
    out.key("size").size(size);
    out.end();
    std::fprintf(to_stdout ? stderr : stdout, "%s\n", out.str().c_str());
  }
  return kOk;
}

}  // namespace

Command command_get() {
  return {"get",
          "write the bytes of a shared storage to a file or standard output",
          kHelp,
          {{"output", 'o', "FILE"},
           {"force", 'f', nullptr},
           {"socket", 's', "PATH"},
           {"same-user", 0, nullptr},
           {"timeout", 't', "SECS"},
           {"progress", 0, nullptr},
           {"no-progress", 0, nullptr}},
          run};
}

}  // namespace shmalloc_tool
