// Goal 28, its first part: what it costs to load the library and make the first storage, each time in a fresh process.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/machine.hpp"

namespace bench {

namespace {

std::string library_path() {
  Dl_info info{};
  check(dladdr(reinterpret_cast<const void *>(&shmalloc_version), &info) != 0, "dladdr");
  return info.dli_fname;
}

// What the probe says under one name.
double ask_probe(const std::string &probe, const std::string &library, const char *mode) {
  int ends[2];
  check(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  const pid_t pid = fork();
  check(pid >= 0, "fork");
  if (pid == 0) {
    dup2(ends[1], 1);
    execl(probe.c_str(), probe.c_str(), mode, library.c_str(), static_cast<char *>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  char text[64] = "";
  const ssize_t length = read(ends[0], text, sizeof text - 1);
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  if (length <= 0 || status != 0) stop("load probe", mode);
  return std::strtod(text, nullptr);
}

}  // namespace

void measure_load(Options &options) {
  if (options.load_probe.empty() || !wanted(options, "load", "fresh process")) return;
  const std::string probe = options.load_probe, library = library_path();
  const auto by = [=](const char *mode) {
    return [=](long n) {
      double sum = 0;
      for (long time = 0; time < n; ++time) sum += ask_probe(probe, library, mode);
      return sum / static_cast<double>(n);
    };
  };
  Comparison comparison{"load", "fresh process", {}, {}, true};
  comparison.sides.push_back({"ours", by("all"), 1 << 30, 3});
  comparison.sides.push_back({"dlopen libstdc++ alone", by("cpp"), 1 << 30, 3});
  comparison.sides.push_back({"ours, libstdc++ there", by("after-cpp"), 1 << 30, 3});
  comparison.sides.push_back({"first create+release", by("create"), 1 << 30, 3});
  measure(options, comparison);
}

}  // namespace bench
