// Reserved addresses, memory without addresses, and the two together.
#include <fcntl.h>
#include <sys/mman.h>

#include "base/text.hpp"
#include "device/streams/memory.hpp"
#include "os/file.hpp"
#include "os/mapping.hpp"
#include "os/pages.hpp"

namespace shmalloc::device {
namespace {

constexpr int kNothing = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

void *pointer(Address address) { return reinterpret_cast<void *>(address); }

Result<void> check_size(std::uint64_t size) {
  if (size != 0 && size % HostMemory::page() == 0) return {};
  return fail(SHMALLOC_STATUS_INVALID, 0, "%llu bytes are no multiple of the device's pages of %s",
              static_cast<unsigned long long>(size), size_text(HostMemory::page()).text);
}

Error no_physical() { return fail(SHMALLOC_STATUS_INVALID, 0, "there is no such physical memory on this device, or no longer"); }

}  // namespace

Result<Address> HostMemory::reserve(std::size_t size) {
  SHMALLOC_CHECK(check_size(size));
  const std::lock_guard lock(mutex_);
  SHMALLOC_CHECK(reservations_.make_room());
  SHMALLOC_TRY(mapping, os::Mapping::map(-1, 0, size, PROT_NONE, kNothing, page(), "a device's addresses"));
  const auto address = reinterpret_cast<Address>(mapping.base());
  mapping.forget();
  reservations_.insert({address, size});
  return address;
}

Result<void> HostMemory::unreserve(Address address, std::size_t size) {
  const std::lock_guard lock(mutex_);
  Range *one = reservations_.find(address);
  if (one == nullptr || one->size != size) return fail(SHMALLOC_STATUS_INVALID, 0, "that is no reserved range of this device");
  const Piece *piece = pieces_.lower(address);
  if (piece != pieces_.end() && piece->begin < address + size) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "there is still memory mapped in the reserved range");
  }
  if (os::calls.munmap(pointer(address), size) != 0) return fail_errno(errno, "giving addresses back failed");
  reservations_.erase(one, one + 1);
  return {};
}

Result<HostMemory::Store *> HostMemory::store_of(Physical physical) {
  Store *store = stores_.find(static_cast<std::uint64_t>(physical));
  if (store == nullptr || store->fd < 0) return no_physical();
  return store;
}

Result<Physical> HostMemory::enter(os::UniqueFd fd, std::size_t size, bool ours) {
  stores_.insert({++last_number_, size, 0, fd.take(), ours});
  return Physical{last_number_};
}

Result<Physical> HostMemory::create(std::size_t size) {
  SHMALLOC_CHECK(check_size(size));
  {
    const std::lock_guard lock(mutex_);
    SHMALLOC_CHECK(take(size));
  }
  // Filling takes its time; others need not wait for it.
  auto file = [&]() -> Result<os::UniqueFd> {
    SHMALLOC_TRY(made, os::make_segment_file("shmalloc device", os::Pages::automatic, true));
    if (os::calls.ftruncate(made.fd.get(), static_cast<off_t>(size)) != 0)
      return fail_errno(errno, "sizing a device's memory failed");
    SHMALLOC_CHECK(os::reserve(made.fd.get(), 0, size, 0, {nullptr, true}, "a device's memory"));
    SHMALLOC_CHECK(os::add_seals(made.fd.get(), F_SEAL_SHRINK | F_SEAL_GROW, "a device's memory"));
    return std::move(made.fd);
  }();
  const std::lock_guard lock(mutex_);
  const auto room = file ? stores_.make_room() : Result<void>(file.error());
  if (!room) {
    used_ -= size;
    return room.error();
  }
  return enter(std::move(*file), size, true);
}

void HostMemory::forget_if_gone(Store *store) {
  if (store->fd >= 0 || store->mapped != 0) return;
  if (store->ours) used_ -= store->size;
  stores_.erase(store, store + 1);
}

Result<void> HostMemory::destroy(Physical physical) {
  const std::lock_guard lock(mutex_);
  SHMALLOC_TRY(store, store_of(physical));
  os::UniqueFd(store->fd).reset();
  store->fd = -1;
  forget_if_gone(store);
  return {};
}

Result<void> HostMemory::map(Address address, std::size_t size, Physical physical) {
  SHMALLOC_CHECK(check_size(size));
  const std::lock_guard lock(mutex_);
  SHMALLOC_TRY(store, store_of(physical));
  if (store->size != size) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "physical memory of %s is mapped whole, not %s of it", size_text(store->size).text,
                size_text(size).text);
  }
  const Range *range = reservations_.before(address);
  if (address % page() != 0 || range == nullptr || address - range->begin > range->size ||
      size > range->size - (address - range->begin)) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "%#llx and what follows is not in a reserved range, or not at a page of the device",
                static_cast<unsigned long long>(address));
  }
  const Piece *below = pieces_.before(address + size - 1);
  if (below != nullptr && below->begin + below->size > address) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "there is memory mapped already at %#llx", static_cast<unsigned long long>(address));
  }
  SHMALLOC_CHECK(pieces_.make_room());
  if (os::calls.mmap(pointer(address), size, PROT_NONE, MAP_SHARED | MAP_FIXED, store->fd, 0) == MAP_FAILED) {
    return fail_errno(errno, "mapping a device's memory failed");
  }
  ++store->mapped;
  pieces_.insert({address, size, store->begin});
  return {};
}

Result<void> HostMemory::pieces_of(Address address, std::size_t size, Piece **first, Piece **last) {
  SHMALLOC_CHECK(check_size(size));
  Piece *at = pieces_.find(address);
  *first = at;
  std::uint64_t covered = 0;
  for (; at != nullptr && at != pieces_.end() && covered < size && at->begin == address + covered; ++at) covered += at->size;
  *last = at;
  if (covered == size) return {};
  return fail(SHMALLOC_STATUS_INVALID, 0, "what is mapped at %#llx does not end where that range does",
              static_cast<unsigned long long>(address));
}

Result<void> HostMemory::unmap(Address address, std::size_t size) {
  const std::lock_guard lock(mutex_);
  Piece *first;
  Piece *last;
  SHMALLOC_CHECK(pieces_of(address, size, &first, &last));
  // Never without a mapping: the addresses stay reserved.
  if (os::calls.mmap(pointer(address), size, PROT_NONE, kNothing | MAP_FIXED, -1, 0) == MAP_FAILED) {
    return fail_errno(errno, "unmapping a device's memory failed");
  }
  for (const Piece *piece = first; piece != last; ++piece) {
    Store *store = stores_.find(piece->physical);
    --store->mapped;
    forget_if_gone(store);
  }
  pieces_.erase(first, last);
  return {};
}

Result<void> HostMemory::set_access(Address address, std::size_t size, Access access) {
  const std::lock_guard lock(mutex_);
  Piece *first;
  Piece *last;
  SHMALLOC_CHECK(pieces_of(address, size, &first, &last));
  const int protection = access == Access::none ? PROT_NONE : access == Access::read ? PROT_READ : PROT_READ | PROT_WRITE;
  if (os::calls.mprotect(pointer(address), size, protection) != 0) {
    return fail_errno(errno, "setting the access to a device's memory failed");
  }
  return {};
}

Result<os::UniqueFd> HostMemory::export_memory(Physical physical) {
  const std::lock_guard lock(mutex_);
  SHMALLOC_TRY(store, store_of(physical));
  return os::duplicate(store->fd);
}

Result<Physical> HostMemory::import_memory(int fd, std::size_t size) {
  SHMALLOC_CHECK(check_size(size));
  SHMALLOC_TRY(own, os::duplicate(fd));
  // What could be cut short under us would be a SIGBUS.
  if ((os::seals_of(own.get()) & F_SEAL_SHRINK) == 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "the descriptor is not one of a device's memory: it is not sealed");
  }
  SHMALLOC_TRY(facts, os::look(own.get(), "a device's memory"));
  if (facts.size != size) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "the descriptor is one of %s of memory, not %s", size_text(facts.size).text,
                size_text(size).text);
  }
  const std::lock_guard lock(mutex_);
  SHMALLOC_CHECK(stores_.make_room());
  return enter(std::move(own), size, false);
}

}  // namespace shmalloc::device
