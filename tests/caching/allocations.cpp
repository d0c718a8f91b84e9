#include "allocations.hpp"

#include <cstdlib>
#include <new>

namespace allocations {

bool armed = false;
long count = 0;

namespace {
long from = 0, to = 0;
}  // namespace

void arm(long first, long last) {
  from = first;
  to = last;
  count = 0;
  armed = true;
}

}  // namespace allocations

namespace {

void *get(std::size_t size) {
  if (allocations::armed) {
    ++allocations::count;
    if (allocations::count >= allocations::from && allocations::count <= allocations::to) return nullptr;
  }
  return std::malloc(size);
}
void *get_or_throw(std::size_t size) {
  void *memory = get(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void *operator new(std::size_t size) { return get_or_throw(size); }
void *operator new[](std::size_t size) { return get_or_throw(size); }
void *operator new(std::size_t size, const std::nothrow_t & /*tag*/) noexcept { return get(size); }
void *operator new[](std::size_t size, const std::nothrow_t & /*tag*/) noexcept { return get(size); }
void *operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t & /*tag*/) noexcept {
  const auto line = static_cast<std::size_t>(alignment);
  void *probe = get(1);  // counted, and fails
  std::free(probe);
  return probe != nullptr ? std::aligned_alloc(line, (size + line - 1) / line * line) : nullptr;
}
void operator delete(void *memory, std::align_val_t /*alignment*/) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept { std::free(memory); }
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete[](void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t /*size*/) noexcept { std::free(memory); }
void operator delete[](void *memory, std::size_t /*size*/) noexcept { std::free(memory); }
