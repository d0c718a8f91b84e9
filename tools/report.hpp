// How the tool fails: one exception that carries the exit code, and how it is told.
#pragma once

#include <shmalloc.h>

#include <string>

namespace shmalloc_tool {

// What scripts may rely on; listed in docs/shmalloc.1.
enum ExitCode : int {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kNotFound = 3,    // no such name, file or socket; a stale handle; its maker is gone
  kPermission = 4,  // refused
  kBusy = 5,        // somebody holds or answers it
  kNoSpace = 6,     // no space, or no memory
};

struct Failure {
  int exit_code = kFailed;
  std::string status;  // name of a shmalloc_status, or USAGE
  int os_error = 0;
  std::string message;
};

// The signal that ended a copy: main dies of it once everything has been taken back.
struct Interrupted {
  int signal = 0;
};

int exit_code_of(int status);
int status_of_errno(int error);

Failure failure_of(shmalloc_status status, const shmalloc_error &error);
Failure failure_of_errno(int error, const std::string &what);

void check(shmalloc_status status, const shmalloc_error &error);
[[noreturn]] void fail_errno(int error, const std::string &what);
[[noreturn]] void fail(int status, const std::string &message);
[[noreturn]] void fail_usage(const std::string &message);

// One line on stderr: "shmalloc COMMAND: message", or a JSON object.
void tell(const Failure &failure, const char *command, bool json);

}  // namespace shmalloc_tool
