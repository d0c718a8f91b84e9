// PyTorch in a child process, asked for one figure at a time.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>

namespace bench {

class Torch {
 public:
  // Not ready where the interpreter or PyTorch is missing; then why() says so.
  Torch(const std::string &python, const std::string &script);
  Torch(const Torch &) = delete;
  Torch &operator=(const Torch &) = delete;
  ~Torch();

  bool ready() const { return ready_; }
  const std::string &why() const { return why_; }
  // Nanoseconds each; `what` is "create", "share", or one of them with "+fill"; `strategy` is PyTorch's name of it.
  double ask(const std::string &what, const std::string &strategy, std::size_t size, int cpu, long times);

 private:
  std::string answer();

  pid_t pid_ = -1;
  FILE *questions_ = nullptr, *answers_ = nullptr;
  bool ready_ = false;
  std::string why_;
};

}  // namespace bench
