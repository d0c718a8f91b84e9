// shmalloc: the command line. What is shared, by whom; sharing a file; taking back what nobody holds.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <new>

#include "commands.hpp"
#include "json_writer.hpp"
#include "report.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace shmalloc_tool {

ProgressWish progress_wish(const Arguments &arguments) {
  if (arguments.has("no-progress")) return ProgressWish::kNever;
  return arguments.has("progress") ? ProgressWish::kAlways : ProgressWish::kTerminal;
}

const char *prefix_of(const Arguments &arguments) {
  const std::string *prefix = arguments.value("prefix");
  return prefix != nullptr ? prefix->c_str() : nullptr;
}

namespace {

constexpr char kCommonHelp[] = R"(
      --json           results as JSON on standard output, errors as
                       {"error": {...}} on standard error
  -h, --help           this text

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found or gone,
4 not permitted, 5 held by somebody, 6 no space or memory.
)";

const std::vector<Command> &commands() {
  static const std::vector<Command> all = {command_info(), command_put(),  command_get(), command_ls(),
                                           command_top(),  command_stat(), command_rm(),  command_gc()};
  return all;
}

const Command &find_command(const std::string &name) {
  for (const Command &command : commands())
    if (name == command.name) return command;
  fail_usage("'" + name + "' is no command");
}

void print_overview() {
  std::printf(
      "Usage: shmalloc [--json] COMMAND [OPTION]... [ARGUMENT]...\n\nShared memory of this machine, from the command line.\n\n");
  for (const Command &command : commands()) std::printf("  %-6s %s\n", command.name, command.summary);
  std::printf("  %-6s %s\n\n", "help", "tell about one command: shmalloc help COMMAND");
  std::printf("  -V, --version        versions of the tool and the library\n%s", kCommonHelp + 1);
}

void print_help(const Command &command) {
  std::printf("shmalloc %s: %s\n\n%s%s", command.name, command.summary, command.help, kCommonHelp);
}

void print_version(bool json) {
  const std::string tool = std::to_string(SHMALLOC_VERSION_MAJOR) + "." + std::to_string(SHMALLOC_VERSION_MINOR) + "." +
                           std::to_string(SHMALLOC_VERSION_PATCH);
  if (json) {
    JsonWriter out;
    out.object().key("version").text(tool).key("library").text(shmalloc_version_string()).end();
    std::printf("%s\n", out.str().c_str());
  } else {
    std::printf("shmalloc %s, library %s\n", tool.c_str(), shmalloc_version_string());
  }
}

int help(const std::vector<std::string> &words) {
  if (words.size() > 1) fail_usage("'" + words[1] + "' is one word too many: one COMMAND at a time");
  if (words.empty() || words[0] == "help")
    print_overview();
  else
    print_help(find_command(words[0]));
  return kOk;
}

bool is_help(const std::string &word) { return word == "--help" || word == "-h"; }

int dispatch(std::vector<std::string> words, const char **name, bool json) {
  std::size_t first = 0;
  for (; first < words.size() && words[first].size() > 1 && words[first][0] == '-'; ++first) {
    if (is_help(words[first])) return help({});
    if (words[first] == "--version" || words[first] == "-V") {
      print_version(json);
      return kOk;
    }
    if (words[first] != "--json") fail_usage("unknown option '" + words[first] + "' before the command");
  }
  if (first == words.size()) fail_usage("no command given");
  const std::string word = words[first];
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(first) + 1);
  if (word == "help") {
    std::erase(words, "--json");
    return help(words);
  }
  const Command &command = find_command(word);
  *name = command.name;
  std::vector<Option> options = command.options;
  options.insert(options.end(), {{"json", 0, nullptr}, {"help", 'h', nullptr}});
  const Arguments arguments(words, options);
  if (arguments.has("help")) return help({command.name});
  return command.run(arguments, json);
}

bool wants_json(const std::vector<std::string> &words) {
  for (const std::string &word : words) {
    if (word == "--") return false;
    if (word == "--json") return true;
  }
  return false;
}

// What no call can return: a release that could not give something back.
void hear_log(std::int32_t level, const char *message, void *userdata) {
  const bool json = userdata != nullptr;
  const char *kind = level == SHMALLOC_LOG_LEVEL_ERROR ? "error" : "warning";
  if (json) {
    JsonWriter out;
    out.object().key("log").object().key("level").text(kind).key("message").text(message).end().end();
    std::fprintf(stderr, "%s\n", out.str().c_str());
  } else {
    std::fprintf(stderr, "shmalloc: %s: %s\n", kind, printable(message).c_str());
  }
}

int guarded(const std::vector<std::string> &words) {
  const bool json = wants_json(words);
  const char *name = "";
  static char yes = 1;
  shmalloc_set_log(hear_log, SHMALLOC_LOG_LEVEL_WARNING, json ? &yes : nullptr, nullptr, nullptr);
  try {
    const int code = dispatch(words, &name, json);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) fail_errno(errno, "can't write to standard output");
    return code;
  } catch (const Failure &failure) {
    tell(failure, name, json);
    return failure.exit_code;
  } catch (const Interrupted &interrupted) {
    die_of(interrupted.signal);
  } catch (const std::bad_alloc &) {
    tell({kNoSpace, shmalloc_status_name(SHMALLOC_STATUS_NO_MEMORY), ENOMEM, "this process has no memory left"}, name, json);
    return kNoSpace;
  }
}

}  // namespace
}  // namespace shmalloc_tool

int main(int argc, char **argv) {
  // A descriptor of ours must not become what others take for standard output.
  for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = open("/dev/null", O_RDWR)) {
    if (fd <= STDERR_FILENO) continue;
    close(fd);
    break;
  }
  // Both are errors of the write, then.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  return shmalloc_tool::guarded({argv + (argc > 0 ? 1 : 0), argv + argc});
}
