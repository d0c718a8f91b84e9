#include "report.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "json_writer.hpp"
#include "text.hpp"

namespace shmalloc_tool {

int exit_code_of(int status) {
  switch (status) {
    case SHMALLOC_STATUS_OK:
      return kOk;
    case SHMALLOC_STATUS_NOT_FOUND:
    case SHMALLOC_STATUS_STALE:
    case SHMALLOC_STATUS_PEER_GONE:
      return kNotFound;
    case SHMALLOC_STATUS_PERMISSION:
      return kPermission;
    case SHMALLOC_STATUS_BUSY:
      return kBusy;
    case SHMALLOC_STATUS_NO_SPACE:
    case SHMALLOC_STATUS_NO_MEMORY:
      return kNoSpace;
    default:
      return kFailed;
  }
}

int status_of_errno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return SHMALLOC_STATUS_NOT_FOUND;
    case ECONNREFUSED:
      return SHMALLOC_STATUS_PEER_GONE;
    case EACCES:
    case EPERM:
    case EROFS:
      return SHMALLOC_STATUS_PERMISSION;
    case EBUSY:
    case EADDRINUSE:
    case ETXTBSY:
      return SHMALLOC_STATUS_BUSY;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      return SHMALLOC_STATUS_NO_SPACE;
    case ENOMEM:
      return SHMALLOC_STATUS_NO_MEMORY;
    case EEXIST:
      return SHMALLOC_STATUS_EXISTS;
    default:
      return SHMALLOC_STATUS_SYSTEM;
  }
}

Failure failure_of(shmalloc_status status, const shmalloc_error &error) {
  return {exit_code_of(status), shmalloc_status_name(status), error.os_error, error.message};
}

Failure failure_of_errno(int error, const std::string &what) {
  const int status = status_of_errno(error);
  return {exit_code_of(status), shmalloc_status_name(status), error, what + ": " + std::strerror(error)};
}

void check(shmalloc_status status, const shmalloc_error &error) {
  if (status != SHMALLOC_STATUS_OK) throw failure_of(status, error);
}

void fail_errno(int error, const std::string &what) { throw failure_of_errno(error, what); }

void fail(int status, const std::string &message) { throw Failure{exit_code_of(status), shmalloc_status_name(status), 0, message}; }

void fail_usage(const std::string &message) { throw Failure{kUsage, "USAGE", 0, message}; }

void tell(const Failure &failure, const char *command, bool json) {
  std::fflush(stdout);
  if (json) {
    JsonWriter out;
    out.object().key("error").object();
    out.key("command").text(command);
    out.key("exit_code").number(failure.exit_code);
    out.key("status").text(failure.status);
    out.key("os_error").number(failure.os_error);
    out.key("message").text(failure.message);
    out.end().end();
    std::fprintf(stderr, "%s\n", out.str().c_str());
    return;
  }
  const char *space = *command != '\0' ? " " : "";
  std::fprintf(stderr, "shmalloc%s%s: %s\n", space, command, printable(failure.message).c_str());
  if (failure.exit_code == kUsage) std::fprintf(stderr, "Try 'shmalloc %s%s--help'.\n", command, space);
}

}  // namespace shmalloc_tool
