// A tmpfs that no path leads to, whose files get 2 MiB pages whatever the machine's setting for memfds is.
#pragma once

#include <cstdint>

#include "os/fd.hpp"

namespace shmalloc::os {

// Where a try ended. Fits into 5 bits.
enum class MountStep : std::uint8_t {
  none,
  filesystem,
  huge,
  size,
  inodes,
  mode,
  create,
  mount,
  file,
  page,
  clone,
  ended,
  unshare,
  groups,
  user,
  group
};
const char *words_of(MountStep step);

struct MountFailure {
  MountStep step = MountStep::none;
  std::uint16_t error = 0;  // errno; 0 beside `ended`
};

struct HugeMount {
  UniqueFd fd;  // the root of the mount, close-on-exec; invalid where both tries failed
  bool inside = false;
  MountFailure of_direct;  // as the user we are
  MountFailure of_inside;  // in a user namespace of a child's; not tried unless the first was forbidden
};
// Leaves nothing behind but the descriptor. No atfork handler runs, no SIGCHLD is sent, no lock is taken.
HugeMount make_huge_mount();

// Whether the same call may succeed a moment later.
bool may_pass(int os_error);

}  // namespace shmalloc::os
