// PyTorch and Python's own shared memory in child processes, asked for one figure at a time.
#pragma once

#include "harness/asked.hpp"

namespace bench {

// Not ready where the interpreter or what it needs is missing; then why() says so.
class Torch : public Asked {
 public:
  Torch(const std::string &python, const std::string &script) : Asked({python, script}) {}
  // Nanoseconds each; `what` is "create", "share", one of them with "+fill", "resend" or "move"; `strategy` is PyTorch's name of it.
  double ask(const std::string &what, const std::string &strategy, std::size_t size, int cpu, long times) {
    return Asked::ask(what + " " + strategy + " " + std::to_string(size) + " " + std::to_string(cpu) + " " + std::to_string(times));
  }
};

}  // namespace bench
