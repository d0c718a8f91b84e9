#include "device/streams/host_device.hpp"

#include <atomic>
#include <memory>
#include <new>

#include "base/fork.hpp"
#include "device/streams/events.hpp"
#include "device/streams/memory.hpp"
#include "device/streams/streams.hpp"

namespace shmalloc::device {

// Streams end first, for their work touches the rest.
struct HostDevice::State {
  explicit State(std::uint32_t number) : index(number) {}

  const std::uint32_t index;
  const std::uint64_t generation = fork_generation();
  std::atomic<std::uint64_t> references{1};
  HostMemory memory;
  Events events;
  Streams streams;
};

Result<HostDevice> HostDevice::make(std::uint32_t index) {
  if (index >= kMost) return fail(SHMALLOC_STATUS_INVALID, 0, "host devices have numbers below %u, %u is none", kMost, index);
  std::unique_ptr<State> state(new (std::nothrow) State(index));
  if (state == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a device");
  SHMALLOC_CHECK(state->streams.prepare());
  return HostDevice(state.release());
}

HostDevice::HostDevice(const HostDevice &other) : state_(other.state_) {
  state_->references.fetch_add(1, std::memory_order_relaxed);
}

HostDevice::~HostDevice() {
  if (state_ == nullptr || state_->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // In a forked child the locks may be another's, and threads that are not there can't be joined.
  if (ours()) delete state_;
}

Result<void> HostDevice::ours() const {
  if (state_->generation == fork_generation()) return {};
  return fail(SHMALLOC_STATUS_BACKEND, 0, "host device %u was made before a fork: its streams are in the parent; make one here",
              state_->index);
}

Description HostDevice::describe() {
  Description description;
  description.name = "host " + std::to_string(state_->index);
  description.total = ours() ? state_->memory.info().total : 0;
  description.alignment = HostMemory::alignment();
  description.page = HostMemory::page();
  description.host_access = true;
  description.peers = true;
  return description;
}

Result<MemoryInfo> HostDevice::memory_info() {
  SHMALLOC_CHECK(ours());
  return state_->memory.info();
}

Result<void> HostDevice::set_limit(std::uint64_t bytes) {
  SHMALLOC_CHECK(ours());
  state_->memory.set_limit(bytes);
  return {};
}

Result<Address> HostDevice::allocate(std::size_t size) {
  SHMALLOC_CHECK(ours());
  return state_->memory.allocate(size);
}

Result<void> HostDevice::free(Address address) {
  SHMALLOC_CHECK(ours());
  return state_->memory.free(address);
}

Result<Address> HostDevice::reserve(std::size_t size) {
  SHMALLOC_CHECK(ours());
  return state_->memory.reserve(size);
}

Result<void> HostDevice::unreserve(Address address, std::size_t size) {
  SHMALLOC_CHECK(ours());
  return state_->memory.unreserve(address, size);
}

Result<Physical> HostDevice::create(std::size_t size) {
  SHMALLOC_CHECK(ours());
  return state_->memory.create(size);
}

Result<void> HostDevice::destroy(Physical physical) {
  SHMALLOC_CHECK(ours());
  return state_->memory.destroy(physical);
}

Result<void> HostDevice::map(Address address, std::size_t size, Physical physical) {
  SHMALLOC_CHECK(ours());
  return state_->memory.map(address, size, physical);
}

Result<void> HostDevice::unmap(Address address, std::size_t size) {
  SHMALLOC_CHECK(ours());
  return state_->memory.unmap(address, size);
}

Result<void> HostDevice::set_access(Address address, std::size_t size, Access access) {
  SHMALLOC_CHECK(ours());
  return state_->memory.set_access(address, size, access);
}

Result<os::UniqueFd> HostDevice::export_memory(Physical physical) {
  SHMALLOC_CHECK(ours());
  return state_->memory.export_memory(physical);
}

Result<Physical> HostDevice::import_memory(int fd, std::size_t size) {
  SHMALLOC_CHECK(ours());
  return state_->memory.import_memory(fd, size);
}

Result<void> HostDevice::allow_peer(const HostDevice &peer) {
  SHMALLOC_CHECK(ours());
  return peer.ours();
}

Result<Stream> HostDevice::create_stream() {
  SHMALLOC_CHECK(ours());
  return state_->streams.create();
}

Result<void> HostDevice::destroy_stream(Stream stream) {
  SHMALLOC_CHECK(ours());
  return state_->streams.destroy(stream);
}

Result<void> HostDevice::synchronize_stream(Stream stream) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_TRY(found, state_->streams.find(stream));
  SHMALLOC_TRY(end, found.queue->end(found.generation));
  found.queue->timeline.wait(end);
  return {};
}

Result<void> HostDevice::synchronize() {
  SHMALLOC_CHECK(ours());
  state_->streams.synchronize();
  return {};
}

Result<bool> HostDevice::capturing(Stream stream) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_TRY(found, state_->streams.find(stream));
  SHMALLOC_TRY(end, found.queue->end(found.generation));
  static_cast<void>(end);
  return false;
}

Result<Event> HostDevice::create_event() {
  SHMALLOC_CHECK(ours());
  return state_->events.create();
}

Result<void> HostDevice::destroy_event(Event event) {
  SHMALLOC_CHECK(ours());
  return state_->events.destroy(event);
}

Result<void> HostDevice::record(Event event, Stream stream) {
  SHMALLOC_CHECK(ours());
  return state_->events.record(event, state_->streams, stream);
}

Result<bool> HostDevice::done(Event event) {
  SHMALLOC_CHECK(ours());
  return state_->events.done(event);
}

Result<void> HostDevice::synchronize_event(Event event) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_TRY(last, state_->events.last(event));
  if (last.timeline != nullptr) last.timeline->wait(last.position);
  return {};
}

Result<void> HostDevice::wait(Stream stream, Event event) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_TRY(last, state_->events.last(event));
  SHMALLOC_TRY(found, state_->streams.find(stream));
  SHMALLOC_TRY(turn, found.queue->turn(found.generation, last.timeline != nullptr));
  if (last.timeline != nullptr) turn.put(last);
  return {};
}

// The host's memory is checked for nothing: like a memcpy, work that is given wrong addresses ends the process.
Result<void> HostDevice::copy(Address to, Address from, std::size_t size, Stream stream) {
  SHMALLOC_CHECK(ours());
  if (size != 0 && (to == 0 || from == 0)) return fail(SHMALLOC_STATUS_INVALID, 0, "a copy to or from address 0");
  SHMALLOC_TRY(found, state_->streams.find(stream));
  SHMALLOC_TRY(turn, found.queue->turn(found.generation, false));
  if (size != 0) turn.put(Copying{reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), size});
  return {};
}

Result<void> HostDevice::fill(Address to, std::uint8_t value, std::size_t size, Stream stream) {
  SHMALLOC_CHECK(ours());
  if (size != 0 && to == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "a fill of address 0");
  SHMALLOC_TRY(found, state_->streams.find(stream));
  SHMALLOC_TRY(turn, found.queue->turn(found.generation, false));
  if (size != 0) turn.put(Filling{reinterpret_cast<void *>(to), size, value});
  return {};
}

Result<void> HostDevice::call(Stream stream, Function function, void *argument) {
  SHMALLOC_CHECK(ours());
  if (function == nullptr) return fail(SHMALLOC_STATUS_INVALID, 0, "a call of no function");
  SHMALLOC_TRY(found, state_->streams.find(stream));
  SHMALLOC_TRY(turn, found.queue->turn(found.generation, true));
  turn.put(Invoking{function, argument});
  return {};
}

}  // namespace shmalloc::device
