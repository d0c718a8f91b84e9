#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "text.hpp"

namespace shmalloc_tool {

std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

Progress::Progress(ProgressWish wish, const char *verb, std::uint64_t total)
    : verb_(verb), total_(total), terminal_(isatty(STDERR_FILENO) == 1), began_(monotonic_ns()) {
  shown_ = wish == ProgressWish::kAlways || (wish == ProgressWish::kTerminal && terminal_);
  next_ = began_ + INT64_C(500000000);
}

std::string Progress::line(std::uint64_t done, double seconds) const {
  const double speed = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string out = verb_;
  if (total_ == kUnknown) {
    out += "  " + format_size(done);
  } else {
    const double part = total_ == 0 ? 1 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
    constexpr std::size_t kBar = 24;
    const auto full = static_cast<std::size_t>(part * kBar);
    char percent[16];
    std::snprintf(percent, sizeof percent, " %3d%% [", static_cast<int>(part * 100));
    out +=
        percent + std::string(full, '=') + std::string(kBar - full, ' ') + "] " + format_size(done) + " of " + format_size(total_);
  }
  if (speed >= 1) {
    out += ", " + format_size(static_cast<std::uint64_t>(speed)) + "/s";
    if (total_ != kUnknown && done < total_) {
      char left[32];
      std::snprintf(left, sizeof left, ", %.0f s left", static_cast<double>(total_ - done) / speed);
      out += left;
    }
  }
  return out;
}

void Progress::at(std::uint64_t done) {
  done_ = done;
  if (!shown_) return;
  const std::int64_t now = monotonic_ns();
  if (now < next_) return;
  next_ = now + (terminal_ ? INT64_C(100000000) : INT64_C(1000000000));
  const std::string text = line(done, static_cast<double>(now - began_) / 1e9);
  if (terminal_) {
    std::fprintf(stderr, "\r%s\x1b[K", text.c_str());
    drawn_ = true;
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::fflush(stderr);
}

void Progress::finish() {
  wipe();
  if (shown_ && !terminal_) std::fprintf(stderr, "%s\n", line(done_, static_cast<double>(monotonic_ns() - began_) / 1e9).c_str());
  shown_ = false;
}

void Progress::wipe() {
  if (drawn_) std::fprintf(stderr, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace shmalloc_tool
