// This machine's memory as a device: what a program on a machine without a GPU uses for one, and what all that is above devices is tested
// on. Its streams are threads, its events are numbers in memory.
//
// A device lasts as long as a copy of it: the end of the last waits for what is queued, ends the threads and gives back what was not given
// back. It belongs to the process that made it. A forked child has no threads, so all calls on what it inherited answer BACKEND, and its
// end does nothing; memory that it inherited can be read on, and goes with the process. It makes devices of its own.
#pragma once

#include "device/backend.hpp"

namespace shmalloc::device {

class HostDevice {
 public:
  static constexpr std::uint32_t kMost = 64;

  // A new device: the index is its name, no more. INVALID for one that is too high.
  static Result<HostDevice> make(std::uint32_t index);

  HostDevice(const HostDevice &other);
  HostDevice(HostDevice &&other) noexcept : state_(other.state_) { other.state_ = nullptr; }
  HostDevice &operator=(const HostDevice &) = delete;
  HostDevice &operator=(HostDevice &&) = delete;
  ~HostDevice();

  Description describe();
  Result<MemoryInfo> memory_info();
  // Without one, it is what the machine has, or the control group.
  Result<void> set_limit(std::uint64_t bytes);

  Result<Address> allocate(std::size_t size);
  Result<void> free(Address address);

  Result<Address> reserve(std::size_t size);
  Result<void> unreserve(Address address, std::size_t size);
  Result<Physical> create(std::size_t size);
  Result<void> destroy(Physical physical);
  Result<void> map(Address address, std::size_t size, Physical physical);
  Result<void> unmap(Address address, std::size_t size);
  Result<void> set_access(Address address, std::size_t size, Access access);
  // Between processes the other one has to be trusted: who has the descriptor may write.
  Result<os::UniqueFd> export_memory(Physical physical);
  Result<Physical> import_memory(int fd, std::size_t size);
  // All host devices are the same memory: there is nothing to allow.
  Result<void> allow_peer(const HostDevice &peer);

  Result<Stream> create_stream();
  Result<void> destroy_stream(Stream stream);
  Result<void> synchronize_stream(Stream stream);
  Result<void> synchronize();
  Result<bool> capturing(Stream stream);

  Result<Event> create_event();
  Result<void> destroy_event(Event event);
  Result<void> record(Event event, Stream stream);
  Result<bool> done(Event event);
  Result<void> synchronize_event(Event event);
  Result<void> wait(Stream stream, Event event);

  Result<void> copy(Address to, Address from, std::size_t size, Stream stream);
  Result<void> fill(Address to, std::uint8_t value, std::size_t size, Stream stream);
  Result<void> call(Stream stream, Function function, void *argument);

 private:
  struct State;
  explicit HostDevice(State *owned) : state_(owned) {}
  Result<void> ours() const;

  State *state_;
};

static_assert(Backend<HostDevice> && Calling<HostDevice> && Limited<HostDevice> && Sharing<HostDevice> && Peering<HostDevice>);

}  // namespace shmalloc::device
