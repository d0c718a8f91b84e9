#include "base/error.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace shmalloc {
namespace {

void write(Error &error, Status status, int os_error, const char *format, va_list arguments) {
  error.status = status;
  error.os_error = os_error;
  error.backend_error = 0;
  const int length = std::vsnprintf(error.message, sizeof error.message, format, arguments);
  if (os_error != 0 && length >= 0 && static_cast<std::size_t>(length) < sizeof error.message - 1) {
    const char *text = strerrordesc_np(os_error);
    std::snprintf(error.message + length, sizeof error.message - static_cast<std::size_t>(length), ": %s",
                  text != nullptr ? text : "unknown error");
  }
  make_clean(error.message);
}

}  // namespace

void make_clean(char *text) {
  auto *at = reinterpret_cast<unsigned char *>(text);
  while (*at != 0) {
    const int more = *at < 0x80                            ? 0
                     : (*at & 0xe0) == 0xc0 && *at >= 0xc2 ? 1
                     : (*at & 0xf0) == 0xe0                ? 2
                     : (*at & 0xf8) == 0xf0 && *at < 0xf5  ? 3
                                                           : -1;
    int have = 0;
    while (have < more && (at[have + 1] & 0xc0) == 0x80) ++have;
    const bool bad = more < 0 || have < more ||
                     (more == 2 && ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f))) ||
                     (more == 3 && ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f)));
    if (bad || *at < 0x20) *at = bad ? '?' : ' ';
    at += bad ? 1 : more + 1;
  }
}

Error fail(Status status, int os_error, const char *format, ...) {
  Error error;
  va_list arguments;
  va_start(arguments, format);
  write(error, status, os_error, format, arguments);
  va_end(arguments);
  return error;
}

Error fail_errno(int os_error, const char *format, ...) {
  Error error;
  va_list arguments;
  va_start(arguments, format);
  write(error, status_of(os_error), os_error, format, arguments);
  va_end(arguments);
  return error;
}

Status status_of(int os_error) {
  switch (os_error) {
    case ENOENT:
    case ENOTDIR:
      return SHMALLOC_STATUS_NOT_FOUND;
    case EEXIST:
      return SHMALLOC_STATUS_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
      return SHMALLOC_STATUS_PERMISSION;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case EFBIG:
    case ENOBUFS:
    case ETOOMANYREFS:
      return SHMALLOC_STATUS_NO_SPACE;
    case ENOMEM:
      return SHMALLOC_STATUS_NO_MEMORY;
    case ENAMETOOLONG:
    case ENXIO:
    case ENODEV:
    case ELOOP:
    case EBADF:
    case EISDIR:
    case ENOTSOCK:
      return SHMALLOC_STATUS_INVALID;
    case EAGAIN:
    case ETIMEDOUT:
      return SHMALLOC_STATUS_TIMEOUT;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ENOTCONN:
    case ESRCH:
      return SHMALLOC_STATUS_PEER_GONE;
    case ENOSYS:
    case EOPNOTSUPP:
      return SHMALLOC_STATUS_UNSUPPORTED;
    case EINTR:
      return SHMALLOC_STATUS_INTERRUPTED;
    case EBUSY:
    case ETXTBSY:
      return SHMALLOC_STATUS_BUSY;
    default:
      return SHMALLOC_STATUS_SYSTEM;
  }
}

const char *status_name(int status) {
  switch (status) {
    case SHMALLOC_STATUS_OK:
      return "OK";
    case SHMALLOC_STATUS_INVALID:
      return "INVALID";
    case SHMALLOC_STATUS_NO_MEMORY:
      return "NO_MEMORY";
    case SHMALLOC_STATUS_NO_SPACE:
      return "NO_SPACE";
    case SHMALLOC_STATUS_NOT_FOUND:
      return "NOT_FOUND";
    case SHMALLOC_STATUS_EXISTS:
      return "EXISTS";
    case SHMALLOC_STATUS_PERMISSION:
      return "PERMISSION";
    case SHMALLOC_STATUS_BUSY:
      return "BUSY";
    case SHMALLOC_STATUS_TIMEOUT:
      return "TIMEOUT";
    case SHMALLOC_STATUS_UNSUPPORTED:
      return "UNSUPPORTED";
    case SHMALLOC_STATUS_VERSION:
      return "VERSION";
    case SHMALLOC_STATUS_CORRUPT:
      return "CORRUPT";
    case SHMALLOC_STATUS_STALE:
      return "STALE";
    case SHMALLOC_STATUS_PEER_GONE:
      return "PEER_GONE";
    case SHMALLOC_STATUS_CLOSED:
      return "CLOSED";
    case SHMALLOC_STATUS_INTERRUPTED:
      return "INTERRUPTED";
    case SHMALLOC_STATUS_SYSTEM:
      return "SYSTEM";
    case SHMALLOC_STATUS_BACKEND:
      return "BACKEND";
    case SHMALLOC_STATUS_INTERNAL:
      return "INTERNAL";
    default:
      return "UNKNOWN";
  }
}

}  // namespace shmalloc
