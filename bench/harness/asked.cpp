#include "harness/asked.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "harness/check.hpp"
#include "harness/machine.hpp"

namespace bench {

Asked::Asked(const std::vector<std::string> &command, const std::string &preload) {
  if (command.empty() || command[0].empty()) {
    why_ = "no program was named";
    return;
  }
  name_ = command.back();
  int in[2], out[2];
  check(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0, "pipe");
  std::vector<char *> words;
  for (const std::string &word : command) words.push_back(const_cast<char *>(word.c_str()));
  words.push_back(nullptr);
  pid_ = fork();
  check(pid_ >= 0, "fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(in[0], 0);
    dup2(out[1], 1);
    if (!preload.empty()) setenv("LD_PRELOAD", preload.c_str(), 1);
    execvp(words[0], words.data());
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
    why_ = hello.empty() ? command[0] + " did not start" : hello;
    return;
  }
  for (std::size_t position = 5; position < hello.size();) {
    const int pid = std::atoi(hello.c_str() + position);
    if (pid > 0) count_as_own(pid);
    position = hello.find(' ', position + 1);
  }
}

Asked::~Asked() {
  if (questions_ != nullptr) std::fclose(questions_);
  if (answers_ != nullptr) std::fclose(answers_);
  if (pid_ > 0) {
    waitpid(pid_, nullptr, 0);
    forget_own(pid_);
  }
}

std::string Asked::answer() {
  std::vector<char> line(512);
  if (std::fgets(line.data(), static_cast<int>(line.size()), answers_) == nullptr) return "";
  std::string text = line.data();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

double Asked::ask(const std::string &question) {
  check(ready_ && std::fprintf(questions_, "%s\n", question.c_str()) > 0 && std::fflush(questions_) == 0, "question to a child");
  const std::string text = answer();
  char *end = nullptr;
  const double ns = std::strtod(text.c_str(), &end);
  if (end == text.c_str()) stop(name_.c_str(), text.empty() ? "is gone" : text.c_str());
  return ns;
}

}  // namespace bench
