// A terminal taken over for a while: an own screen, keys without Enter. Given back by the destructor.
#pragma once

#include <termios.h>

#include <cstddef>
#include <string>
#include <vector>

namespace shmalloc_tool {

class Screen {
 public:
  enum class Wish { kTerminal, kNever };
  // Nothing happens where standard output is no terminal, or with kNever.
  explicit Screen(Wish wish);
  Screen(const Screen &) = delete;
  Screen &operator=(const Screen &) = delete;
  ~Screen();

  bool active() const { return active_; }
  int keys() const { return keys_; }  // descriptor to read keys from; -1: none come
  std::size_t rows() const;
  // In place of what was there; what does not fit is cut off.
  void show(const std::vector<std::string> &lines);

 private:
  bool active_ = false;
  int keys_ = -1;
  termios before_{};
};

}  // namespace shmalloc_tool
