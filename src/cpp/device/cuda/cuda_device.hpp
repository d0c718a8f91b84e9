// A GPU by way of NVIDIA's driver: its driver API, found at run time (driver.hpp). Neither the runtime library nor a toolkit is needed.
//
// There is one device for each index in the process; its primary context, which the CUDA runtime and frameworks use as well, is retained
// by the first `open` and kept until the process ends. Each call makes it current for as long as it takes. A forked child can't use the
// driver: there all calls answer BACKEND without a call of the driver's. Once the process has begun to exit, giving back is no call
// either: the driver may be gone, and all goes with it.
#pragma once

#include "device/backend.hpp"

namespace shmalloc::device {

class CudaDevice {
 public:
  static constexpr std::uint32_t kMost = 64;

  // At least one. UNSUPPORTED: there is no driver, none that can be used, or no device, and which of these.
  static Result<int> count();
  // The same device each time. NOT_FOUND: there are not so many.
  static Result<CudaDevice> open(std::uint32_t index);
  // "CUDA driver 13.0, 2 devices", or why there is none.
  static std::string driver_line();

  Description describe();
  Result<MemoryInfo> memory_info();

  // free: INVALID for what is not allocated by a driver's rules, whoever allocated it.
  Result<Address> allocate(std::size_t size);
  Result<void> free(Address address);

  Result<Address> reserve(std::size_t size);
  Result<void> unreserve(Address address, std::size_t size);
  Result<Physical> create(std::size_t size);
  Result<void> destroy(Physical physical);
  Result<void> map(Address address, std::size_t size, Physical physical);
  Result<void> unmap(Address address, std::size_t size);
  // Also for the peers that are allowed.
  Result<void> set_access(Address address, std::size_t size, Access access);
  // UNSUPPORTED where the device has no such descriptors.
  Result<os::UniqueFd> export_memory(Physical physical);
  Result<Physical> import_memory(int fd, std::size_t size);
  Result<void> allow_peer(const CudaDevice &peer);

  // A stream's number is the driver's own (a CUstream), so that streams made elsewhere are as good as these in all calls but
  // destroy_stream. 0 and 1 are the legacy default stream, 2 is the calling thread's own. New ones don't wait for the legacy stream.
  Result<Stream> create_stream();
  Result<void> destroy_stream(Stream stream);
  // BUSY: it is being captured. For the whole device such a capture may be spoiled, if it is of streams made elsewhere.
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
  // Not of ordinary memory of the host's, which the driver does not fill.
  Result<void> fill(Address to, std::uint8_t value, std::size_t size, Stream stream);
  Result<void> call(Stream stream, Function function, void *argument);

 private:
  struct State;
  explicit CudaDevice(State *state) : state_(state) {}
  static Result<State *> make(std::uint32_t index);
  Result<void> ours() const;
  Result<void> has_virtual_memory() const;
  Result<bool> is_captured(Stream stream);

  State *state_;  // never given back
};

static_assert(Backend<CudaDevice> && Calling<CudaDevice> && Sharing<CudaDevice> && Peering<CudaDevice> && !Limited<CudaDevice>);

}  // namespace shmalloc::device
