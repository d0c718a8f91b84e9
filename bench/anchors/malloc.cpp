#include "anchors/malloc.hpp"

#include <cstdio>

#include "harness/output.hpp"

namespace bench {

namespace {

// Asked of a child: the loader only warns, and a library that takes malloc over is not to be loaded here.
bool installed(const char *library) {
  FILE *warning = popen((std::string("LD_PRELOAD=") + library + " /bin/true 2>&1").c_str(), "re");
  if (warning == nullptr) return false;
  char letter;
  const bool warned = std::fread(&letter, 1, 1, warning) == 1;
  return pclose(warning) == 0 && !warned;
}

}  // namespace

std::vector<Malloc> mallocs(const std::string &peer) {
  std::vector<Malloc> all;
  if (peer.empty()) return all;
  const struct {
    const char *name, *library;
  } known[] = {{"glibc", ""},
               {"tcmalloc", "libtcmalloc_minimal.so.4"},
               {"jemalloc", "libjemalloc.so.2"},
               {"mimalloc", "libmimalloc.so.2.0"}};
  for (const auto &each : known) {
    if (each.library[0] != '\0' && !installed(each.library)) {
      write_note(std::string("no ") + each.name + " anchors: " + each.library + " is not installed");
      continue;
    }
    auto child = std::make_unique<Asked>(std::vector<std::string>{peer}, each.library);
    if (child->ready()) all.push_back({each.name, std::move(child)});
  }
  return all;
}

}  // namespace bench
