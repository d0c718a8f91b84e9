#include "anchors/torch.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "harness/check.hpp"
#include "harness/machine.hpp"

namespace bench {

Torch::Torch(const std::string &python, const std::string &script) {
  if (python.empty()) {
    why_ = "no interpreter was named";
    return;
  }
  int in[2], out[2];
  check(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0, "pipe");
  pid_ = fork();
  check(pid_ >= 0, "fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(in[0], 0);
    dup2(out[1], 1);
    execlp(python.c_str(), python.c_str(), script.c_str(), static_cast<char *>(nullptr));
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  questions_ = fdopen(in[1], "w");
  answers_ = fdopen(out[0], "r");
  count_as_own(pid_);
  const std::string hello = answer();
  ready_ = hello.rfind("ready", 0) == 0;
  if (!ready_) {
    why_ = hello.empty() ? python + " did not start" : hello;
    return;
  }
  // The processes that PyTorch started, after the word.
  std::size_t position = 5;
  while (position < hello.size()) {
    const int pid = std::atoi(hello.c_str() + position);
    if (pid > 0) count_as_own(pid);
    position = hello.find(' ', position + 1);
    if (position == std::string::npos) break;
  }
}

Torch::~Torch() {
  if (questions_ != nullptr) std::fclose(questions_);
  if (answers_ != nullptr) std::fclose(answers_);
  if (pid_ > 0) {
    waitpid(pid_, nullptr, 0);
    forget_own(pid_);
  }
}

std::string Torch::answer() {
  std::vector<char> line(512);
  if (std::fgets(line.data(), static_cast<int>(line.size()), answers_) == nullptr) return "";
  std::string text = line.data();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

double Torch::ask(const std::string &what, const std::string &strategy, std::size_t size, int cpu, long times) {
  check(ready_ && std::fprintf(questions_, "%s %s %zu %d %ld\n", what.c_str(), strategy.c_str(), size, cpu, times) > 0 &&
            std::fflush(questions_) == 0,
        "question to the PyTorch process");
  const std::string text = answer();
  char *end = nullptr;
  const double ns = std::strtod(text.c_str(), &end);
  if (end == text.c_str()) stop("PyTorch process", text.empty() ? "is gone" : text.c_str());
  return ns;
}

}  // namespace bench
