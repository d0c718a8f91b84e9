// Errors are the public struct itself, filled where the failure is known best.
#pragma once

#include "shmalloc/base.h"

namespace shmalloc {

using Status = shmalloc_status;
using Error = shmalloc_error;

// An error with a message in printf's manner, cut to fit. `os_error` is an errno or 0; its text is appended.
[[gnu::format(printf, 3, 4)]] Error fail(Status status, int os_error, const char *format, ...);

// The status that an errno stands for.
Status status_of(int os_error);

// The same as fail(status_of(os_error), os_error, ...).
[[gnu::format(printf, 2, 3)]] Error fail_errno(int os_error, const char *format, ...);

// Makes text valid UTF-8 on one line: what is none becomes '?', the character that an end cut included.
void make_clean(char *text);

const char *status_name(int status);

}  // namespace shmalloc
