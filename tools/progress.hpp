// How far a long copy is, on stderr.
#pragma once

#include <cstdint>
#include <string>

namespace shmalloc_tool {

enum class ProgressWish { kTerminal, kAlways, kNever };

// On a terminal one line that is written over, from half a second on, and wiped at the end; elsewhere, when asked for, a line a second
// and one at the end.
class Progress {
 public:
  static constexpr std::uint64_t kUnknown = UINT64_MAX;

  Progress(ProgressWish wish, const char *verb, std::uint64_t total);
  void at(std::uint64_t done);
  void finish();

  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;
  ~Progress() { wipe(); }

 private:
  void wipe();
  std::string line(std::uint64_t done, double seconds) const;

  const char *verb_;
  std::uint64_t total_;
  bool shown_;  // at all
  bool terminal_;
  bool drawn_ = false;
  std::uint64_t done_ = 0;
  std::int64_t began_;
  std::int64_t next_;
};

std::int64_t monotonic_ns();

}  // namespace shmalloc_tool
