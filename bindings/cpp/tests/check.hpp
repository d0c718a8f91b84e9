/* What the tests share: claims that end the program when they are wrong, and a second process, which is this program again. */
#ifndef SHMALLOC_CPP_TESTS_CHECK_HPP
#define SHMALLOC_CPP_TESTS_CHECK_HPP

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "shmalloc.hpp"

#define CHECK(...)                                                                     \
  do {                                                                                 \
    if (!(__VA_ARGS__)) {                                                              \
      std::fprintf(stderr, "%s:%d: %s is not so\n", __FILE__, __LINE__, #__VA_ARGS__); \
      std::_Exit(1);                                                                   \
    }                                                                                  \
  } while (0)

/* The expression throws exactly this class; its message is not empty. */
#define THROWS(type, ...)                                                                                           \
  do {                                                                                                              \
    std::string told_;                                                                                              \
    try {                                                                                                           \
      static_cast<void>(__VA_ARGS__);                                                                               \
    } catch (const type &error) {                                                                                   \
      told_ = error.what();                                                                                         \
    } catch (const std::exception &error) {                                                                         \
      std::fprintf(stderr, "%s:%d: %s throws another thing: %s\n", __FILE__, __LINE__, #__VA_ARGS__, error.what()); \
      std::_Exit(1);                                                                                                \
    }                                                                                                               \
    if (told_.empty()) {                                                                                            \
      std::fprintf(stderr, "%s:%d: %s does not throw " #type "\n", __FILE__, __LINE__, #__VA_ARGS__);               \
      std::_Exit(1);                                                                                                \
    }                                                                                                               \
  } while (0)

/* Two ends of a unix socket that keeps messages apart. */
struct Sockets {
  shmalloc::Descriptor here, there;

  Sockets() {
    std::array<int, 2> ends{};
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.data()) == 0);
    here = shmalloc::Descriptor(ends[0]);
    there = shmalloc::Descriptor(ends[1]);
  }
};

/* This program once more, from exec on: main() sees the words as its arguments. Killed if it is still there at the end. */
class Process {
 public:
  explicit Process(std::vector<std::string> words) {
    std::vector<char *> arguments{const_cast<char *>("/proc/self/exe")};
    for (std::string &word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    CHECK(pid_ >= 0);
    if (pid_ == 0) {
      execv(arguments[0], arguments.data());
      std::_Exit(127);
    }
  }
  Process(const Process &) = delete;
  Process &operator=(const Process &) = delete;
  ~Process() {
    if (pid_ > 0) kill();
  }

  /* Its exit status, once it is gone. */
  int wait() {
    int status = 0;
    CHECK(waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  int kill() {
    ::kill(pid_, SIGKILL);
    return wait();
  }

 private:
  pid_t pid_;
};

/* What is in /dev/shm with our prefix; the test's own names carry the number of its process. */
inline std::size_t names_left() {
  std::size_t left = 0;
  for (const auto &object : shmalloc::shared_objects())
    if (has(object.state, shmalloc::ObjectState::named) &&
        object.name.find("_" + std::to_string(getpid()) + "_") != std::string::npos)
      ++left;
  return left;
}

#endif
