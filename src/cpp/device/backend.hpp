// What a device's API must do for us, whatever it is: the contract of docs/backends.md. The caching allocator and all that is above it
// know nothing else of a device. What the contract says is tried by tests/device/conformance.hpp.
//
// Addresses are the device's own; whether the host may touch them is told by `host_access`. Work is queued on streams and done in each
// stream's order; 0 is the default stream, which every backend has. Every call may be made by any thread. Calls that fail change nothing,
// and say NO_MEMORY for a device without memory, NO_SPACE for a table that is full, UNSUPPORTED for what the device or its driver does not
// have, INVALID for what it was not given right, and BACKEND with the driver's own code for the rest: also for a device that was made
// before a fork, in the child.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "os/fd.hpp"
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
  std::uint64_t page = 0;  // bytes: sizes and addresses of reserve, create and map are multiples of it; 0: there are no such calls
  bool host_access = false;  // the host may read and write its addresses
  bool streams = true;       // there are more than the default one
  bool peers = false;        // there are other devices of this kind, which may be asked for access
  bool captures = false;     // streams may be captured
  Stream per_thread = 0;     // a number that means another stream in each thread; 0: there is none
};

struct MemoryInfo {
  std::uint64_t available = 0;  // bytes, to this process, as far as the device says
  std::uint64_t total = 0;
};

// One device. Copies of a backend mean the same device.
template <class B>
concept Backend = requires(B &b, Address address, Stream stream, Event event, Physical physical, std::size_t size) {
  requires std::copy_constructible<B>;
  { b.describe() } -> std::same_as<Description>;
  { b.memory_info() } -> std::same_as<Result<MemoryInfo>>;

  // Memory with an address, of any size but 0. free waits for no one: who frees has seen to it that no work uses it any more, or calls
  // synchronize before. It takes what allocate gave, once.
  { b.allocate(size) } -> std::same_as<Result<Address>>;
  { b.free(address) } -> std::same_as<Result<void>>;

  // Addresses without memory, memory without addresses, and both together. map takes the whole of a physical memory, which may be mapped
  // at several places, into a reserved range where nothing is. What is mapped can't be touched before access is set. unmap and set_access
  // take one mapped piece or several that lie side by side, never a part of one. unreserve takes what reserve gave, with nothing mapped
  // in it. Memory that is destroyed is still there where it is mapped, and goes back to the device with the last unmap.
  { b.reserve(size) } -> std::same_as<Result<Address>>;
  { b.unreserve(address, size) } -> std::same_as<Result<void>>;
  { b.create(size) } -> std::same_as<Result<Physical>>;
  { b.destroy(physical) } -> std::same_as<Result<void>>;
  { b.map(address, size, physical) } -> std::same_as<Result<void>>;
  { b.unmap(address, size) } -> std::same_as<Result<void>>;
  { b.set_access(address, size, Access::write) } -> std::same_as<Result<void>>;

  // destroy_stream lets what is queued be done first, without waiting for it; the number is void at once. The default stream stays.
  { b.create_stream() } -> std::same_as<Result<Stream>>;
  { b.destroy_stream(stream) } -> std::same_as<Result<void>>;
  { b.synchronize_stream(stream) } -> std::same_as<Result<void>>;
  { b.synchronize() } -> std::same_as<Result<void>>;  // all streams, also those destroyed with work left
  { b.capturing(stream) } -> std::same_as<Result<bool>>;

  // An event is done when all that was on the stream at the last `record` is. One that was never recorded is done. wait and
  // synchronize_event mean the record that was the last one when they were called; what was recorded on a stream that is destroyed
  // since, and waits for an event that is destroyed since, keep their meaning.
  { b.create_event() } -> std::same_as<Result<Event>>;
  { b.destroy_event(event) } -> std::same_as<Result<void>>;
  { b.record(event, stream) } -> std::same_as<Result<void>>;
  { b.done(event) } -> std::same_as<Result<bool>>;
  { b.synchronize_event(event) } -> std::same_as<Result<void>>;
  {
    b.wait(stream, event)
    } -> std::same_as<Result<void>>;  // the host goes on; what comes on the stream later comes after the event

  // Queued on the stream. Either end may be an address of the device or of the host. From and to the host's ordinary memory it may be done
  // on return, and need not be: that memory must last until it is. Ranges don't overlap. Nothing is done for a size of 0.
  { b.copy(address, address, size, stream) } -> std::same_as<Result<void>>;
  { b.fill(address, std::uint8_t{0}, size, stream) } -> std::same_as<Result<void>>;
};

// What only some have. The suite tries these parts where they are there.

// A function of the host's as a piece of work. It makes no call to the device, and waits for nothing that comes after it on a stream.
using Function = void (*)(void *);
template <class B>
concept Calling = Backend<B> && requires(B &b, Stream stream, Function function, void *argument) {
  { b.call(stream, function, argument) } -> std::same_as<Result<void>>;
};

// A device that can be told to give this process no more than so many bytes; 0: no limit. What is given already stays given.
template <class B>
concept Limited = Backend<B> && requires(B &b, std::uint64_t bytes) {
  { b.set_limit(bytes) } -> std::same_as<Result<void>>;
};

// Physical memory by a descriptor: of this process or, sent over a socket, of another one. import_memory keeps none of the caller's.
template <class B>
concept Sharing = Backend<B> && requires(B &b, Physical physical, int fd, std::size_t size) {
  { b.export_memory(physical) } -> std::same_as<Result<os::UniqueFd>>;
  { b.import_memory(fd, size) } -> std::same_as<Result<Physical>>;
};

// Streams of a peer may use this device's memory from now on, what is given and mapped later included. Asking again is no failure.
template <class B>
concept Peering = Backend<B> && requires(B &b, const B &peer) {
  { b.allow_peer(peer) } -> std::same_as<Result<void>>;
};

}  // namespace shmalloc::device
