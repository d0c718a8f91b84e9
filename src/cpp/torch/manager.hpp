// Answers PyTorch's torch_shm_manager protocol.
//
// Unlike PyTorch's own: a name is removed when no client who registered it is connected any more *and* no process has it open or mapped, so it is neither
// taken from under processes that never registered nor kept until the last client of all goes. Only processes of the same user are heard,
// and only objects of that user removed.
#pragma once

#include "base/result.hpp"

namespace shmalloc {

Result<void> run_manager(const char *path, int stop_fd);

}  // namespace shmalloc
