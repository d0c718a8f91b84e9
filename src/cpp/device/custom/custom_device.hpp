// A device made of a table of C functions (shmalloc/backend.h). What the table's functions need not know is done here: which numbers are
// there, of which size they are, whether an answer can be right, and what follows from a function that the table does not have.
//
// A device lasts as long as a copy of it; the end of the last gives userdata back. It belongs to the process that made it: in a forked
// child, and once the process exits, all calls answer BACKEND and none reaches the table.
#pragma once

#include "device/backend.hpp"
#include "shmalloc/backend.h"

namespace shmalloc::device {

class CustomDevice {
 public:
  // A copy of the table. If this fails, userdata stays the caller's. INVALID names the field or the function that is missing.
  static Result<CustomDevice> make(const shmalloc_backend &table, void *userdata, shmalloc_destroy_fn destroy_fn);

  CustomDevice(const CustomDevice &other);
  CustomDevice(CustomDevice &&other) noexcept : state_(other.state_) { other.state_ = nullptr; }
  CustomDevice &operator=(const CustomDevice &) = delete;
  CustomDevice &operator=(CustomDevice &&) = delete;
  ~CustomDevice();

  // Without memory_info all numbers of bytes are UINT64_MAX: not known, and no part of it is ever reached.
  Description describe();
  Result<MemoryInfo> memory_info();

  Result<Address> allocate(std::size_t size);
  Result<void> free(Address address);

  Result<Address> reserve(std::size_t size);
  Result<void> unreserve(Address address, std::size_t size);
  Result<Physical> create(std::size_t size);
  Result<void> destroy(Physical physical);
  Result<void> map(Address address, std::size_t size, Physical physical);
  Result<void> unmap(Address address, std::size_t size);
  Result<void> set_access(Address address, std::size_t size, Access access);
  // UNSUPPORTED for a device of other functions, which knows nothing of this one's userdata.
  Result<void> allow_peer(const CustomDevice &peer);

  // Streams that were made elsewhere may be used, but not destroyed here; events are only those that were made here.
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

  // What the host does in the table's place is done when the call returns, which waits for the stream first.
  Result<void> copy(Address to, Address from, std::size_t size, Stream stream);
  Result<void> fill(Address to, std::uint8_t value, std::size_t size, Stream stream);
  bool calls() const;
  Result<void> call(Stream stream, Function function, void *argument);

 private:
  struct State;
  explicit CustomDevice(State *owned) : state_(owned) {}

  State *state_;
};

static_assert(Backend<CustomDevice> && Calling<CustomDevice> && Peering<CustomDevice>);

}  // namespace shmalloc::device
