#include "allocators/caching/room.hpp"

#include <new>

#include "os/calls.hpp"
#include "os/mapping.hpp"
#include "os/pages.hpp"

namespace shmalloc::caching {
namespace {

constexpr std::align_val_t kLine{64};

}  // namespace

void *get_room(std::size_t size) {
  if (size < os::kHugePage) return ::operator new(size, kLine, std::nothrow);
  auto mapping = os::Mapping::anonymous(size, "a table");
  if (!mapping) return nullptr;
  void *room = mapping->base();
  mapping->forget();
  return room;
}

void put_room(void *room, std::size_t size) {
  if (size < os::kHugePage) {
    ::operator delete(room, kLine);
  } else {
    os::calls.munmap(room, size);
  }
}

}  // namespace shmalloc::caching
