#include "device/custom/custom_device.hpp"

#include <cstring>
#include <new>

#include "base/handle.hpp"
#include "base/text.hpp"
#include "device/custom/state.hpp"

namespace shmalloc::device {

Result<CustomDevice> CustomDevice::make(const shmalloc_backend &table, void *userdata, shmalloc_destroy_fn destroy_fn) {
  SHMALLOC_CHECK(FunctionTable::check(table));
  std::unique_ptr<State> state(new (std::nothrow) State(table, userdata));
  if (state == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a device");
  SHMALLOC_CHECK(state->ready());
  SHMALLOC_TRY(info, state->memory_info());
  state->total = info.total;
  state->destroy_fn = destroy_fn;
  return CustomDevice(state.release());
}

CustomDevice::CustomDevice(const CustomDevice &other) : state_(other.state_) {
  state_->references.fetch_add(1, std::memory_order_relaxed);
}

CustomDevice::~CustomDevice() {
  if (state_ == nullptr || state_->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // In a forked child the locks may be another's, and userdata is the parent's.
  if (state_->generation != fork_generation()) return;
  const shmalloc_destroy_fn destroy_fn = state_->destroy_fn;
  void *userdata = state_->table.userdata();
  delete state_;
  if (destroy_fn != nullptr && !exiting.load(std::memory_order_relaxed)) destroy_fn(userdata);
}

Result<void> CustomDevice::State::ready() const {
  if (generation != fork_generation()) {
    return fail(SHMALLOC_STATUS_BACKEND, 0,
                "device \"%s\" was registered before a fork: its functions are called in the parent only", table.name());
  }
  if (exiting.load(std::memory_order_relaxed)) {
    return fail(SHMALLOC_STATUS_BACKEND, 0, "device \"%s\": its functions are not called once the process exits", table.name());
  }
  return {};
}

Error CustomDevice::State::none_such(const char *what, std::uint64_t number) const {
  return fail(SHMALLOC_STATUS_INVALID, 0, "device \"%s\" gave no %s %#llx, or it was given back", table.name(), what,
              static_cast<unsigned long long>(number));
}

Description CustomDevice::describe() {
  const FunctionTable &table = state_->table;
  Description description;
  description.name = table.name();
  description.total = state_->total;
  description.alignment = table.of().alignment;
  description.page = table.of().page_size;
  description.host_access = table.host_access();
  description.streams = table.has_streams();
  description.peers = table.of().enable_peer != nullptr;
  description.captures = table.of().stream_capturing != nullptr;
  return description;
}

Result<MemoryInfo> CustomDevice::State::memory_info() const {
  MemoryInfo info{.available = UINT64_MAX, .total = UINT64_MAX};
  if (table.of().memory_info == nullptr) return info;
  info.total = 0;
  SHMALLOC_CHECK(table.call("memory_info", table.of().memory_info, &info.available, &info.total));
  if (info.total == 0 || info.available > info.total) {
    return fail(SHMALLOC_STATUS_BACKEND, 0, "device \"%s\": its function memory_info says that %s of %s can be had", table.name(),
                size_text(info.available).text, size_text(info.total).text);
  }
  return info;
}

Result<MemoryInfo> CustomDevice::memory_info() {
  SHMALLOC_CHECK(state_->ready());
  return state_->memory_info();
}

Result<Address> CustomDevice::allocate(std::size_t size) {
  SHMALLOC_CHECK(state_->ready());
  if (size == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "an allocation of 0 bytes");
  const FunctionTable &table = state_->table;
  const auto unfit = [&](Address address) -> const char * {
    if (address % table.of().alignment != 0) return "which is no multiple of its alignment";
    return address + size < address ? "an address with fewer bytes behind it" : nullptr;
  };
  const auto undo = [&](Address address) { return table.call("deallocate", table.of().deallocate, address, std::uint64_t{size}); };
  return state_->make(state_->blocks, "allocate", table.of().allocate, size, unfit, undo);
}

Result<void> CustomDevice::free(Address address) {
  SHMALLOC_CHECK(state_->ready());
  const FunctionTable &table = state_->table;
  return state_->end(state_->blocks, "memory at address", address,
                     [&](std::uint64_t size) { return table.call("deallocate", table.of().deallocate, address, size); });
}

Result<void> CustomDevice::allow_peer(const CustomDevice &peer) {
  SHMALLOC_CHECK(state_->ready());
  SHMALLOC_CHECK(peer.state_->ready());
  if (&peer == this || peer.state_ == state_) return {};
  const FunctionTable &table = state_->table;
  if (table.of().enable_peer == nullptr) return table.missing("enable_peer");
  if (peer.state_->table.of().enable_peer != table.of().enable_peer) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                "devices \"%s\" and \"%s\" can't be peers: their functions enable_peer are not the same", table.name(),
                peer.state_->table.name());
  }
  return table.call("enable_peer", table.of().enable_peer, peer.state_->table.userdata());
}

Result<void> CustomDevice::State::host_instead(const char *function, Stream stream) const {
  if (!table.host_access()) return table.missing(function);
  SHMALLOC_CHECK(check_not_captured(stream));  // The host would do it now, and the graph never.
  return synchronize_stream(stream);
}

Result<void> CustomDevice::copy(Address to, Address from, std::size_t size, Stream stream) {
  SHMALLOC_CHECK(state_->ready());
  SHMALLOC_CHECK(state_->check_stream(stream));
  const FunctionTable &table = state_->table;
  if (size != 0 && (to == 0 || from == 0)) return fail(SHMALLOC_STATUS_INVALID, 0, "a copy to or from address 0");
  if (table.of().copy != nullptr)
    return size != 0 ? table.call("copy", table.of().copy, to, from, std::uint64_t{size}, stream) : Result<void>();
  SHMALLOC_CHECK(state_->host_instead("copy", stream));
  if (size != 0) std::memcpy(reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), size);
  return {};
}

Result<void> CustomDevice::fill(Address to, std::uint8_t value, std::size_t size, Stream stream) {
  SHMALLOC_CHECK(state_->ready());
  SHMALLOC_CHECK(state_->check_stream(stream));
  const FunctionTable &table = state_->table;
  if (size != 0 && to == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "a fill of address 0");
  if (table.of().fill != nullptr)
    return size != 0 ? table.call("fill", table.of().fill, to, std::uint32_t{value}, std::uint64_t{size}, stream) : Result<void>();
  SHMALLOC_CHECK(state_->host_instead("fill", stream));
  if (size != 0) std::memset(reinterpret_cast<void *>(to), value, size);
  return {};
}

bool CustomDevice::calls() const { return state_->table.of().call != nullptr; }

Result<void> CustomDevice::call(Stream stream, Function function, void *argument) {
  SHMALLOC_CHECK(state_->ready());
  SHMALLOC_CHECK(state_->check_stream(stream));
  if (function == nullptr) return fail(SHMALLOC_STATUS_INVALID, 0, "a call of no function");
  const FunctionTable &table = state_->table;
  if (!calls()) return table.missing("call");
  return table.call("call", table.of().call, stream, function, argument);
}

}  // namespace shmalloc::device
