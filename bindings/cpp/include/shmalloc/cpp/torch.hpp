/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/torch.hpp - what only those who talk to PyTorch processes need. */
#ifndef SHMALLOC_CPP_TORCH_HPP
#define SHMALLOC_CPP_TORCH_HPP

#include "shmalloc/cpp/storage.hpp"
#include "shmalloc/torch.h"

namespace shmalloc {
inline namespace v0 {
namespace torch {

/** PyTorch's count of a storage of kind map_refcounted, after `change` was added to it. */
inline int refcount(const Storage &storage, int change = 0) {
  std::int32_t count = 0;
  detail::call(shmalloc_torch_refcount, storage.native(), std::int32_t{change}, &count);
  return count;
}

/** Answer PyTorch's torch_shm_manager protocol at `path`, on this thread, until `stop_fd` becomes readable or its other end is closed. */
inline void manager_run(std::string_view path, int stop_fd) {
  detail::call(shmalloc_torch_manager_run, detail::Text(path).get(), std::int32_t{stop_fd});
}

}  // namespace torch
}  // namespace v0
}  // namespace shmalloc

#endif
