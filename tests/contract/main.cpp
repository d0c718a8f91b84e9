// Runs each rule in its own process and prints TAP. On the driver that the loader finds; SHMALLOC_CONTRACT_DRIVER=real says that it must be a
// machine's own, and makes its absence a skip. Arguments: the names of rules, all by default; --list prints them.
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "contract.hpp"

namespace contract {
namespace {

constexpr int kBroken = 1, kSkipped = 77;
constexpr unsigned kSeconds = 60;  // for one rule; only a hang takes so long
int report = -1;                   // where a rule's process says why it ended

void write_all(const std::string &text) {
  if (write(report, text.data(), text.size()) < 0) std::perror("contract");
}

}  // namespace

std::vector<Rule> &rules() {
  static std::vector<Rule> all;
  return all;
}

void broken(const char *file, int line, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  write_all(std::string(file) + ":" + std::to_string(line) + ": " + text + "\n");
  _exit(kBroken);
}

void skip(const char *why) {
  write_all(why);
  _exit(kSkipped);
}

namespace {

// A simulator that both processes of a rule share, new for each rule. A real driver doesn't look at it.
int new_world() {
  const int file = memfd_create("shmalloc-contract", MFD_CLOEXEC);
  setenv("SHMALLOC_SIM", ("/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file)).c_str(), 1);
  return file;
}

template <class Body>
pid_t start(Body &&body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child != 0) return child;
  alarm(kSeconds);
  body();
  _exit(0);  // what the driver would do at exit is not the rule's matter
}

int wait_for(pid_t child) {
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return kBroken;
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  write_all("ended by signal " + std::to_string(WTERMSIG(status)) + (WTERMSIG(status) == SIGALRM ? ": it hangs\n" : "\n"));
  return kBroken;
}

int run(const Rule &rule) {
  if (rule.second == nullptr) return wait_for(start([&] { rule.first(); }));
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) return kBroken;
  const pid_t first = start([&] {
    close(pair[1]);
    rule.first_of_two(pair[0]);
  });
  const pid_t second = start([&] {
    close(pair[0]);
    rule.second(pair[1]);
  });
  close(pair[0]);
  close(pair[1]);
  const int one = wait_for(first), other = wait_for(second);
  if (one == kSkipped || other == kSkipped) return kSkipped;
  return one != 0 ? one : other;
}

// The reason it says if any; in its first line.
std::string said(int pipe) {
  std::string text;
  char part[512];
  for (ssize_t got = 0; (got = read(pipe, part, sizeof part)) > 0;) text.append(part, static_cast<std::size_t>(got));
  return text;
}

bool run_and_print(const Rule &rule, int number) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  report = ends[1];
  const int world = new_world();
  const int result = run(rule);
  close(world);
  close(ends[1]);
  const std::string why = said(ends[0]);
  close(ends[0]);
  if (result == kSkipped) {
    std::printf("ok %d - %s # SKIP %s\n", number, rule.name, why.c_str());
    return true;
  }
  if (result != 0 && !why.empty()) std::printf("# %s", why.c_str());
  std::printf("%sok %d - %s\n", result == 0 ? "" : "not ", number, rule.name);
  return result == 0;
}

// Why there is no driver to ask; nothing if there is one. In a process of its own: the rules start without any.
std::string absent() {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  report = ends[1];
  const int result = wait_for(start([] {
    if (cu.cuInit == nullptr || cu.cuDeviceGetCount == nullptr) skip("the driver is too old or a stub");
    const CUresult initialised = cu.cuInit(0);
    if (initialised != CUDA_SUCCESS) skip((std::string("cuInit gives ") + name_of(initialised)).c_str());
    int count = 0;
    if (cu.cuDeviceGetCount(&count) != CUDA_SUCCESS || count == 0) skip("there is no device");
  }));
  close(ends[1]);
  const std::string why = said(ends[0]);
  close(ends[0]);
  if (result == 0) return "";
  return why.empty() ? "the driver can't be initialised" : why;
}

int run_all(int count, char **names) {
  const char *wanted = std::getenv("SHMALLOC_CONTRACT_DRIVER");
  const bool real = wanted != nullptr && std::strcmp(wanted, "real") == 0;
  std::string why = cu.load() ? "" : "no libcuda.so.1 with cuGetProcAddress_v2 (CUDA 12)";
  const int world = new_world();
  if (why.empty()) why = absent();
  close(world);
  if (!why.empty()) {
    std::printf("1..0 # SKIP %s\n", why.c_str());
    return real ? 77 : 1;
  }
  bool fine = true;
  int number = 0;
  for (const Rule &rule : rules()) {
    bool chosen = count == 0;
    for (int i = 0; i < count; ++i) chosen = chosen || std::strcmp(names[i], rule.name) == 0;
    if (chosen) fine = run_and_print(rule, ++number) && fine;
  }
  std::printf("1..%d\n", number);
  return fine && number != 0 ? 0 : 1;
}

}  // namespace
}  // namespace contract

int main(int count, char **arguments) {
  if (count == 2 && std::strcmp(arguments[1], "--list") == 0) {
    for (const auto &rule : contract::rules()) std::printf("%s\n", rule.name);
    return 0;
  }
  return contract::run_all(count - 1, arguments + 1);
}
