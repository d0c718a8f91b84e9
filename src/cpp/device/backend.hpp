// What a device's API must do for us, whatever it is: the contract of docs/backends.md. The caching allocator and all that is above it
// know nothing else of a device.
//
// Addresses are the device's own; whether the host may touch them is told by `host_access`. Work is queued on streams and done in each
// stream's order; 0 is the default stream, which every backend has. Every call may be made by any thread. Calls that fail change nothing,
// and say NO_MEMORY for a device without memory, UNSUPPORTED for what the device or its driver does not have, INVALID for what it was not
// given right, and BACKEND with the driver's own code for the rest.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "shmalloc/device.h"

namespace shmalloc::device {

using Address = std::uint64_t;
using Stream = std::uint64_t;

// An event of the device, and memory of it that has no address yet: numbers that only the backend understands. 0: none.
enum class Event : std::uint64_t { none = 0 };
enum class Physical : std::uint64_t { none = 0 };

enum class Access : std::uint8_t { none, read, write };

struct Description {
  std::string name;             // for people
  std::uint64_t total = 0;      // bytes of memory
  std::uint64_t alignment = 0;  // bytes: of what `allocate` gives
  std::uint64_t page = 0;       // bytes: sizes and addresses of reserve, create and map are multiples of it; 0: there are no such calls
  bool host_access = false;     // the host may read and write its addresses
  bool peers = false;           // there are other devices of this kind, which may be asked for access
  bool captures = false;        // streams may be captured
};

struct MemoryInfo {
  std::uint64_t available = 0;  // bytes, to this process, as far as the device says
  std::uint64_t total = 0;
};

// One device. Copies of a backend mean the same device.
template <class B>
concept Backend = requires(B &b, Address address, Stream stream, Event event, Physical physical, std::size_t size) {
  { b.describe() } -> std::same_as<Description>;
  { b.memory_info() } -> std::same_as<Result<MemoryInfo>>;

  // Memory with an address. free waits for no one: who frees has seen to it that no work uses it any more, or calls synchronize before.
  { b.allocate(size) } -> std::same_as<Result<Address>>;
  { b.free(address) } -> std::same_as<Result<void>>;

  // Addresses without memory, memory without addresses, and both together. What is mapped can't be touched before access is set.
  { b.reserve(size) } -> std::same_as<Result<Address>>;
  { b.unreserve(address, size) } -> std::same_as<Result<void>>;
  { b.create(size) } -> std::same_as<Result<Physical>>;
  { b.destroy(physical) } -> std::same_as<Result<void>>;
  { b.map(address, size, physical) } -> std::same_as<Result<void>>;
  { b.unmap(address, size) } -> std::same_as<Result<void>>;
  { b.set_access(address, size, Access::write) } -> std::same_as<Result<void>>;

  // destroy_stream lets what is queued be done first, without waiting for it.
  { b.create_stream() } -> std::same_as<Result<Stream>>;
  { b.destroy_stream(stream) } -> std::same_as<Result<void>>;
  { b.synchronize_stream(stream) } -> std::same_as<Result<void>>;
  { b.synchronize() } -> std::same_as<Result<void>>;  // all streams
  { b.capturing(stream) } -> std::same_as<Result<bool>>;

  // An event is done when all that was on the stream at `record` is. One that was never recorded is done.
  { b.create_event() } -> std::same_as<Result<Event>>;
  { b.destroy_event(event) } -> std::same_as<Result<void>>;
  { b.record(event, stream) } -> std::same_as<Result<void>>;
  { b.done(event) } -> std::same_as<Result<bool>>;
  { b.synchronize_event(event) } -> std::same_as<Result<void>>;
  { b.wait(stream, event) } -> std::same_as<Result<void>>;  // what comes on the stream later comes after the event

  // Queued on the stream. Either end may be an address of the device or of the host. From and to the host's ordinary memory it may be done
  // on return.
  { b.copy(address, address, size, stream) } -> std::same_as<Result<void>>;
  { b.fill(address, std::uint8_t{0}, size, stream) } -> std::same_as<Result<void>>;
};

}  // namespace shmalloc::device
