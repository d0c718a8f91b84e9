// The caching allocator on a backend: what holds the two together. Everything that can be done with it is in cache.hpp.
#pragma once

#include "allocators/caching/cache.hpp"

namespace shmalloc::caching {

// Stands before the allocator, which calls it in its constructor and its destructor.
template <device::Backend B>
struct CallsFirst {
  explicit CallsFirst(B backend) : calls_of_backend(std::move(backend)) {}
  CallsOf<B> calls_of_backend;
};

template <device::Backend B>
class Caching final : private CallsFirst<B>, public BlockCache {
 public:
  explicit Caching(B backend) : CallsFirst<B>(std::move(backend)), BlockCache(this->calls_of_backend) {}
};

}  // namespace shmalloc::caching
