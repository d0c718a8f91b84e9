// Reserved addresses, memory without addresses, both together, and who may touch it.
#include <fcntl.h>

#include <algorithm>

#include "base/text.hpp"
#include "device/cuda/state.hpp"

namespace shmalloc::device {

using cuda::Driver;
using cuda::failed;
using cuda::Piece;
using cuda::Range;
using cuda::Store;
using cuda::api::Code;

namespace {

cuda::api::MemoryAccess access_of(cuda::api::Device device, Access access) {
  const auto protection = access == Access::write  ? cuda::api::Protection::read_write
                          : access == Access::read ? cuda::api::Protection::read
                                                   : cuda::api::Protection::none;
  return {{cuda::api::LocationType::device, device}, protection};
}

Result<void> check_size(std::uint64_t size, std::uint64_t page) {
  if (size != 0 && size % page == 0) return {};
  return fail(SHMALLOC_STATUS_INVALID, 0, "%llu bytes are no multiple of the device's pages of %s",
              static_cast<unsigned long long>(size), size_text(page).text);
}

Result<Store *> store_of(cuda::VirtualMemory &memory, Physical physical) {
  Store *store = memory.stores.find(static_cast<std::uint64_t>(physical));
  if (store != nullptr) return store;
  return fail(SHMALLOC_STATUS_INVALID, 0, "there is no such physical memory on this device, or no longer");
}

// Pieces side by side that fill the range from end to end.
struct Pieces {
  Piece *first;
  Piece *last;
};
Result<Pieces> pieces_of(cuda::VirtualMemory &memory, Address address, std::size_t size) {
  Piece *first = memory.pieces.find(address);
  Piece *at = first;
  std::uint64_t covered = 0;
  for (; at != nullptr && at != memory.pieces.end() && covered < size && at->begin == address + covered; ++at) covered += at->size;
  if (covered == size) return Pieces{first, at};
  return fail(SHMALLOC_STATUS_INVALID, 0, "what is mapped at %#llx does not end where that range does",
              static_cast<unsigned long long>(address));
}

// Taking back what was done on the way; a failure may be that of earlier work, so it is tried once more. That it is lost then is told by
// the next call, for such a driver answers none.
template <class Call>
void insist(Call &&call) {
  if (call() != Code::success) static_cast<void>(call());
}

}  // namespace

Result<void> CudaDevice::has_virtual_memory() const {
  SHMALLOC_CHECK(ours());
  if (state_->description.page != 0) return {};
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "CUDA device %u or its driver has no virtual memory", state_->index);
}

Result<Address> CudaDevice::reserve(std::size_t size) {
  SHMALLOC_CHECK(has_virtual_memory());
  SHMALLOC_CHECK(check_size(size, state_->description.page));
  const Driver &driver = state_->driver;
  cuda::VirtualMemory &memory = state_->memory;
  const std::lock_guard lock(memory.mutex);
  SHMALLOC_CHECK(memory.reservations.make_room());
  cuda::api::Pointer address = 0;
  const Code code = state_->run([&] { return driver.reserve(&address, size, 0, 0, 0); });
  if (code != Code::success)
    return failed(driver, code, "reserving %s of addresses of CUDA device %u", size_text(size).text, state_->index);
  memory.reservations.insert({address, size});
  return Address{address};
}

Result<void> CudaDevice::unreserve(Address address, std::size_t size) {
  SHMALLOC_CHECK(has_virtual_memory());
  if (cuda::is_over()) return {};
  const Driver &driver = state_->driver;
  cuda::VirtualMemory &memory = state_->memory;
  const std::lock_guard lock(memory.mutex);
  Range *range = memory.reservations.find(address);
  if (range == nullptr || range->size != size) return fail(SHMALLOC_STATUS_INVALID, 0, "that is no reserved range of this device");
  const Piece *piece = memory.pieces.lower(address);
  if (piece != memory.pieces.end() && piece->begin < address + size) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "there is still memory mapped in the reserved range");
  }
  const Code code = state_->run([&] { return driver.unreserve(address, size); });
  if (!cuda::given_back(code)) return failed(driver, code, "giving back addresses of CUDA device %u", state_->index);
  memory.reservations.erase(range, range + 1);
  return {};
}

Result<Physical> CudaDevice::create(std::size_t size) {
  SHMALLOC_CHECK(has_virtual_memory());
  SHMALLOC_CHECK(check_size(size, state_->description.page));
  const Driver &driver = state_->driver;
  cuda::VirtualMemory &memory = state_->memory;
  const std::lock_guard lock(memory.mutex);
  SHMALLOC_CHECK(memory.stores.make_room());
  cuda::api::MemoryProperties properties{};
  properties.type = cuda::api::AllocationType::pinned;
  properties.handles = state_->descriptors ? cuda::api::HandleType::posix_descriptor : cuda::api::HandleType::none;
  properties.location = {cuda::api::LocationType::device, state_->device};
  cuda::api::Memory made = 0;
  const Code code = state_->run([&] { return driver.create_memory(&made, size, &properties, 0); });
  if (code != Code::success)
    return failed(driver, code, "making %s of memory on CUDA device %u", size_text(size).text, state_->index);
  memory.stores.insert({++memory.last_number, size, made});
  return Physical{memory.last_number};
}

Result<void> CudaDevice::destroy(Physical physical) {
  SHMALLOC_CHECK(has_virtual_memory());
  if (cuda::is_over()) return {};
  const Driver &driver = state_->driver;
  cuda::VirtualMemory &memory = state_->memory;
  const std::lock_guard lock(memory.mutex);
  SHMALLOC_TRY(store, store_of(memory, physical));
  const Code code = state_->run([&] { return driver.release_memory(store->memory); });
  if (!cuda::given_back(code)) return failed(driver, code, "giving back memory of CUDA device %u", state_->index);
  memory.stores.erase(store, store + 1);
  return {};
}

Result<void> CudaDevice::map(Address address, std::size_t size, Physical physical) {
  SHMALLOC_CHECK(has_virtual_memory());
  SHMALLOC_CHECK(check_size(size, state_->description.page));
  const Driver &driver = state_->driver;
  cuda::VirtualMemory &memory = state_->memory;
  const std::lock_guard lock(memory.mutex);
  SHMALLOC_TRY(store, store_of(memory, physical));
  if (store->size != size) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "physical memory of %s is mapped whole, not %s of it", size_text(store->size).text,
                size_text(size).text);
  }
  const Range *range = memory.reservations.before(address);
  if (address % state_->description.page != 0 || range == nullptr || address - range->begin > range->size ||
      size > range->size - (address - range->begin)) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "%#llx and what follows is not in a reserved range, or not at a page of the device",
                static_cast<unsigned long long>(address));
  }
  const Piece *below = memory.pieces.before(address + size - 1);
  if (below != nullptr && below->begin + below->size > address) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "there is memory mapped already at %#llx", static_cast<unsigned long long>(address));
  }
  SHMALLOC_CHECK(memory.pieces.make_room());
  const Code code = state_->run([&] { return driver.map(address, size, 0, store->memory, 0); });
  if (code != Code::success) return failed(driver, code, "mapping %s of CUDA device %u", size_text(size).text, state_->index);
  memory.pieces.insert({address, size, Access::none});
  return {};
}

Result<void> CudaDevice::unmap(Address address, std::size_t size) {
  SHMALLOC_CHECK(has_virtual_memory());
  if (cuda::is_over()) return {};
  SHMALLOC_CHECK(check_size(size, state_->description.page));
  const Driver &driver = state_->driver;
  cuda::VirtualMemory &memory = state_->memory;
  const std::lock_guard lock(memory.mutex);
  SHMALLOC_TRY(pieces, pieces_of(memory, address, size));
  const Code code = state_->run([&] { return driver.unmap(address, size); });
  if (!cuda::given_back(code)) return failed(driver, code, "unmapping %s of CUDA device %u", size_text(size).text, state_->index);
  memory.pieces.erase(pieces.first, pieces.last);
  return {};
}

Result<void> CudaDevice::set_access(Address address, std::size_t size, Access access) {
  SHMALLOC_CHECK(has_virtual_memory());
  SHMALLOC_CHECK(check_size(size, state_->description.page));
  const Driver &driver = state_->driver;
  cuda::VirtualMemory &memory = state_->memory;
  const std::lock_guard lock(memory.mutex);
  SHMALLOC_TRY(pieces, pieces_of(memory, address, size));
  cuda::api::MemoryAccess wanted[kMost + 1];
  std::size_t count = 0;
  wanted[count++] = access_of(state_->device, access);
  for (std::size_t i = 0; i < memory.peer_count; ++i) wanted[count++] = access_of(memory.peers[i], access);
  const Code code = state_->run([&] { return driver.set_access(address, size, wanted, count); });
  if (code != Code::success)
    return failed(driver, code, "setting who may use %s of CUDA device %u", size_text(size).text, state_->index);
  for (Piece *piece = pieces.first; piece != pieces.last; ++piece) piece->access = access;
  return {};
}

// Two ways to the same end: the peer's context for what has an address of its own, the pieces one by one for what is mapped.
Result<void> CudaDevice::allow_peer(const CudaDevice &peer) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_CHECK(peer.ours());
  if (state_ == peer.state_) return {};
  const Driver &driver = state_->driver;
  cuda::VirtualMemory &memory = state_->memory;
  const std::lock_guard lock(memory.mutex);
  cuda::api::Device *end = memory.peers + memory.peer_count;
  if (std::find(memory.peers, end, peer.state_->device) != end) return {};
  int can = 0;
  Code code = driver.can_access_peer(&can, peer.state_->device, state_->device);
  if (code != Code::success)
    return failed(driver, code, "asking whether CUDA device %u reaches %u", peer.state_->index, state_->index);
  if (can == 0) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "CUDA device %u has no way to the memory of device %u", peer.state_->index,
                state_->index);
  }
  const auto set = [&](const Piece &piece, Access access) {
    const auto wanted = access_of(peer.state_->device, access);
    return state_->run([&] { return driver.set_access(piece.begin, piece.size, &wanted, 1); });
  };
  Piece *piece = memory.pieces.begin();
  for (; code == Code::success && piece != memory.pieces.end(); ++piece) {
    if (piece->access != Access::none) code = set(*piece, piece->access);
  }
  if (code == Code::success) code = peer.state_->run([&] { return driver.enable_peer_access(state_->context, 0); });
  if (code == Code::peer_access_already_enabled) code = Code::success;
  if (code == Code::success) {
    memory.peers[memory.peer_count++] = peer.state_->device;
    return {};
  }
  while (piece != memory.pieces.begin()) {
    if ((--piece)->access != Access::none) insist([&] { return set(*piece, Access::none); });
  }
  return failed(driver, code, "giving CUDA device %u access to the memory of device %u", peer.state_->index, state_->index);
}

Result<os::UniqueFd> CudaDevice::export_memory(Physical physical) {
  SHMALLOC_CHECK(has_virtual_memory());
  const Driver &driver = state_->driver;
  cuda::VirtualMemory &memory = state_->memory;
  const std::lock_guard lock(memory.mutex);
  SHMALLOC_TRY(store, store_of(memory, physical));
  if (!state_->descriptors)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "memory of CUDA device %u has no descriptors", state_->index);
  int fd = -1;
  const Code code =
      state_->run([&] { return driver.export_memory(&fd, store->memory, cuda::api::HandleType::posix_descriptor, 0); });
  if (code != Code::success) return failed(driver, code, "exporting memory of CUDA device %u", state_->index);
  os::UniqueFd owned(fd);
  // The driver may have made one that a program started from here would inherit.
  if (os::calls.fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
    return fail_errno(errno, "keeping a descriptor of memory from programs failed");
  return owned;
}

// The driver tells no size of what it imports; that there is so much shows when it is mapped.
Result<Physical> CudaDevice::import_memory(int fd, std::size_t size) {
  SHMALLOC_CHECK(has_virtual_memory());
  SHMALLOC_CHECK(check_size(size, state_->description.page));
  if (fd < 0) return fail(SHMALLOC_STATUS_INVALID, 0, "%d is no descriptor", fd);
  const Driver &driver = state_->driver;
  cuda::VirtualMemory &memory = state_->memory;
  const std::lock_guard lock(memory.mutex);
  SHMALLOC_CHECK(memory.stores.make_room());
  cuda::api::Memory made = 0;
  cuda::api::Pointer address = 0;
  void *given = reinterpret_cast<void *>(static_cast<std::intptr_t>(fd));
  const Code code = state_->run([&] {
    Code last = driver.import_memory(&made, given, cuda::api::HandleType::posix_descriptor);
    if (last != Code::success) return last;
    last = driver.reserve(&address, size, 0, 0, 0);
    if (last == Code::success) {
      last = driver.map(address, size, 0, made, 0);
      if (last == Code::success) insist([&] { return driver.unmap(address, size); });
      insist([&] { return driver.unreserve(address, size); });
    }
    if (last != Code::success) insist([&] { return driver.release_memory(made); });
    return last;
  });
  if (code != Code::success) {
    return failed(driver, code, "importing %s from descriptor %d to CUDA device %u", size_text(size).text, fd, state_->index);
  }
  memory.stores.insert({++memory.last_number, size, made});
  return Physical{memory.last_number};
}

}  // namespace shmalloc::device
