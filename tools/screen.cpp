#include "screen.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace shmalloc_tool {

Screen::Screen(Wish wish) : active_(wish == Wish::kTerminal && isatty(STDOUT_FILENO) == 1) {
  if (!active_) return;
  if (isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios keys = before_;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    keys.c_cc[VSUSP] = _POSIX_VDISABLE;  // Whoever suspends us would be left in our screen.
    keys.c_cc[VMIN] = 0;
    keys.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0) keys_ = STDIN_FILENO;
  }
  // The other screen, no cursor, long lines cut off.
  std::printf("\x1b[?1049h\x1b[?25l\x1b[?7l");
}

Screen::~Screen() {
  if (!active_) return;
  std::printf("\x1b[?7h\x1b[?25h\x1b[?1049l");
  std::fflush(stdout);
  if (keys_ >= 0) tcsetattr(keys_, TCSANOW, &before_);
}

std::size_t Screen::rows() const {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row : 24;
}

void Screen::show(const std::vector<std::string> &lines) {
  const std::size_t fitting = std::min(lines.size(), rows());
  std::printf("\x1b[H");
  for (std::size_t i = 0; i < fitting; ++i) std::printf("%s%s\x1b[K", i != 0 ? "\r\n" : "", lines[i].c_str());
  std::printf("\x1b[J");
}

}  // namespace shmalloc_tool
