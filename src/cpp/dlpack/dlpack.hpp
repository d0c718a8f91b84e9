// Storages to and from DLPack's managed tensors.
#pragma once

#include <memory>

#include "allocators/memory.hpp"
#include "base/result.hpp"
#include "base/wire/dlpack.hpp"
#include "shmalloc/dlpack.h"

namespace shmalloc {

class Storage;

// A tensor that holds a pin. `Managed` is one of wire's two.
template <class Managed>
Result<Managed *> export_tensor(Storage &storage, const shmalloc_tensor &wanted);

// What its maker says, as we say it; CORRUPT if that can't be; and where its bytes are.
struct Span {
  void *data;
  std::size_t size;
  shmalloc_device device;
};
Result<Span> read_tensor(const wire::DlTensor &from, std::uint64_t flags, shmalloc_tensor *tensor);

}  // namespace shmalloc
