// Where the memory of a large shared segment comes from. Pages of 2 MiB are filled and mapped 10 to 100 times faster than small ones, but
// how to get them differs from machine to machine, so a process finds out once.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "os/fd.hpp"

namespace shmalloc::os {

inline constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;

enum class Pages : std::uint8_t { automatic, huge, small };

struct SegmentFile {
  UniqueFd fd;            // read/write, close-on-exec, length 0, no name
  bool sealable = false;  // takes F_ADD_SEALS
  bool huge = false;      // 2 MiB pages where the kernel has some left, small ones else
  // With `huge`: only a mapping that was told MADV_HUGEPAGE gets them, by touching it or by MADV_POPULATE_WRITE, not by fallocate.
  bool advise = false;
};

// A nameless file for a segment. automatic: 2 MiB pages where the machine gives them, else a memfd. huge: those, or UNSUPPORTED with the
// reason. small: a memfd. `sealed`: only what can take seals is good enough. `name` is for people, in /proc/PID/maps.
// Pages are chosen by the file's length: make it as long as it will be (ftruncate) before its blocks are reserved, map it at a multiple of
// kHugePage. No mount limits it, the machine's memory does.
Result<SegmentFile> make_segment_file(const char *name, Pages wanted, bool sealed);

// Which way is used, and of those that are not the reason. Makes the choice if none was made yet.
struct PagesReport {
  struct Way {
    const char *name = "";
    bool available = false;
    char why[320] = {};  // empty where it is available
  };
  const char *way = "";  // the name of the one that is used
  char pages[64] = {};
  bool sealable = false;
  Way ways[4];  // best first
};
PagesReport pages_report();

// For tests: gives the mount back, the next call chooses anew.
void forget_pages();

}  // namespace shmalloc::os
