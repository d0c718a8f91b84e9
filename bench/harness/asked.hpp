// A child process that is asked by lines on its standard input and answers each with a figure.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

namespace bench {

class Asked {
 public:
  // Ready when its first line begins with "ready"; the processes that it started stand behind the word. Else why() is that line.
  // `preload`: a library that its loader puts first, or "".
  explicit Asked(const std::vector<std::string> &command, const std::string &preload = "");
  Asked(const Asked &) = delete;
  Asked &operator=(const Asked &) = delete;
  ~Asked();

  bool ready() const { return ready_; }
  const std::string &why() const { return why_; }
  double ask(const std::string &question);

 private:
  std::string answer();

  std::string name_;
  pid_t pid_ = -1;
  FILE *questions_ = nullptr, *answers_ = nullptr;
  bool ready_ = false;
  std::string why_;
};

}  // namespace bench
