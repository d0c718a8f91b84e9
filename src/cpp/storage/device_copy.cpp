// Copies with a device at one end or at both.
//
// What is queued must find its memory when it runs. A device's own allocator keeps memory for a stream that uses it; any other memory is
// kept by a pin that a function gives back, queued behind the copy. Where no function can be queued, the copy is waited for.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "device/registry.hpp"
#include "storage/copy.hpp"
#include "storage/storage.hpp"

namespace shmalloc {
namespace {

// Pins until a stream has passed: of a writer first, of a reader second.
struct Kept {
  Storage *written = nullptr;
  Storage *read = nullptr;
};

// On a thread of the device's: unpin is a leaf.
void let_go(void *of) {
  const std::unique_ptr<Kept> kept(static_cast<Kept *>(of));
  if (kept->written != nullptr) kept->written->unpin(SHMALLOC_ACCESS_WRITE);
  if (kept->read != nullptr) kept->read->unpin(SHMALLOC_ACCESS_READ);
}

// Whether what was queued on the stream touches nothing any more, after waiting for the stream failed.
bool is_over(device::Device &device) { return static_cast<bool>(device.synchronize()); }

// The host's memory that a peer may cut short is touched by checked copies alone, a piece at a time.
Result<void> copy_in_pieces(device::Device &device, const Part &to, const Part &from, std::size_t size, std::uint64_t stream) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::unique_ptr<unsigned char, decltype(&std::free)> buffer(static_cast<unsigned char *>(std::malloc(std::min(size, kPiece))),
                                                              &std::free);
  if (buffer == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a piece of a copy");
  const auto middle = reinterpret_cast<std::uintptr_t>(buffer.get());
  const auto wait = [&]() -> Result<void> {
    auto waited = device.synchronize_stream(stream);
    if (!waited && !is_over(device)) static_cast<void>(buffer.release());  // Lost, for the device may still be at it.
    return waited;
  };
  for (std::size_t done = 0; done < size;) {
    const std::size_t piece = std::min(size - done, kPiece);
    if (from.storage.device() == SHMALLOC_DEVICE_HOST) {
      SHMALLOC_CHECK(copy_bytes(buffer.get(), reinterpret_cast<const void *>(from.address + done), piece, false));
      SHMALLOC_CHECK(device.copy(to.address + done, middle, piece, stream));
      SHMALLOC_CHECK(wait());
    } else {
      SHMALLOC_CHECK(device.copy(middle, from.address + done, piece, stream));
      SHMALLOC_CHECK(wait());
      SHMALLOC_CHECK(copy_bytes(reinterpret_cast<void *>(to.address + done), buffer.get(), piece, false));
    }
    done += piece;
  }
  return {};
}

// Whether the part's allocator keeps it for the stream: only one of the same device knows the stream.
Result<bool> kept_by_allocator(const Part &part, const device::Device &device, std::uint64_t stream) {
  if (part.storage.on() != &device) return false;
  return part.storage.used_on(stream);
}

// Keeps what no allocator keeps. NULL: there is nothing to be kept.
Result<std::unique_ptr<Kept>> keep(const Part &to, const Part &from, const device::Device &device, std::uint64_t stream) {
  SHMALLOC_TRY(to_kept, kept_by_allocator(to, device, stream));
  SHMALLOC_TRY(from_kept, kept_by_allocator(from, device, stream));
  if (to_kept && from_kept) return std::unique_ptr<Kept>();
  std::unique_ptr<Kept> kept(new (std::nothrow) Kept());
  if (kept == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory to keep a storage until it is copied");
  if (!to_kept) {
    SHMALLOC_CHECK(to.storage.pin_as(SHMALLOC_ACCESS_WRITE));
    kept->written = &to.storage;
  }
  if (!from_kept) {
    if (const auto pinned = from.storage.pin_as(SHMALLOC_ACCESS_READ); !pinned) {
      let_go(kept.release());
      return pinned.error();
    }
    kept->read = &from.storage;
  }
  return kept;
}

}  // namespace

Result<void> copy_on_device(const Part &to, const Part &from, std::size_t size, std::uint64_t stream, bool non_blocking) {
  const shmalloc_device to_device = to.storage.device();
  const shmalloc_device from_device = from.storage.device();
  const bool both = to_device != SHMALLOC_DEVICE_HOST && from_device != SHMALLOC_DEVICE_HOST;
  if (both && to_device != from_device &&
      (device::type_of(to_device) != device::type_of(from_device) || device::type_of(to_device) == SHMALLOC_DEVICE_TYPE_CUSTOM)) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "no way leads from device %#llx to device %#llx: copy by way of the host",
                static_cast<unsigned long long>(from_device), static_cast<unsigned long long>(to_device));
  }
  if (to_device == from_device && to.address < from.address + size && from.address < to.address + size)
    return fail(SHMALLOC_STATUS_INVALID, 0, "the two ranges overlap: a device can't copy that");
  device::Device &device = *(to_device != SHMALLOC_DEVICE_HOST ? to : from).storage.on();
  const Storage *host = to_device == SHMALLOC_DEVICE_HOST     ? &to.storage
                        : from_device == SHMALLOC_DEVICE_HOST ? &from.storage
                                                              : nullptr;
  const bool in_pieces = host != nullptr && !host->stable();
  SHMALLOC_TRY(captured, device.capturing(stream));
  if (captured) {
    if (!non_blocking || in_pieces)
      return fail(SHMALLOC_STATUS_BUSY, 0, "the stream is being captured: a copy that is waited for can't be part of a graph%s",
                  in_pieces ? ", nor one of host memory that a peer could cut short" : "");
    // The graph runs whenever its owner likes: he keeps what it uses.
    return device.copy(to.address, from.address, size, stream);
  }
  if (in_pieces) return copy_in_pieces(device, to, from, size, stream);
  if (!non_blocking) {
    SHMALLOC_CHECK(device.copy(to.address, from.address, size, stream));
    return device.synchronize_stream(stream);
  }
  SHMALLOC_TRY(kept, keep(to, from, device, stream));
  const auto queued = device.copy(to.address, from.address, size, stream);
  if (kept == nullptr) return queued;
  if (queued && device.calls() && device.call(stream, let_go, kept.get())) {
    static_cast<void>(kept.release());
    return {};
  }
  const auto waited = device.synchronize_stream(stream);
  if (waited || !queued || is_over(device)) {
    let_go(kept.release());
  } else {
    static_cast<void>(kept.release());  // It stays pinned: the device may still be at it.
  }
  return queued ? waited : queued;  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks)
}

}  // namespace shmalloc
