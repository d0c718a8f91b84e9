// One device, whatever its backend: the whole contract of backend.hpp as a table, for all that is not compiled once for each backend. What
// a backend does not have answers UNSUPPORTED.
#pragma once

#include <memory>
#include <utility>

#include "device/backend.hpp"

namespace shmalloc::device {

class Device {
 public:
  Device() = default;
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;
  virtual ~Device() = default;

  virtual Description describe() = 0;
  virtual Result<MemoryInfo> memory_info() = 0;
  virtual Result<Address> allocate(std::size_t size) = 0;
  virtual Result<void> free(Address address) = 0;

  virtual Result<Address> reserve(std::size_t size) = 0;
  virtual Result<void> unreserve(Address address, std::size_t size) = 0;
  virtual Result<Physical> create(std::size_t size) = 0;
  virtual Result<void> destroy(Physical physical) = 0;
  virtual Result<void> map(Address address, std::size_t size, Physical physical) = 0;
  virtual Result<void> unmap(Address address, std::size_t size) = 0;
  virtual Result<void> set_access(Address address, std::size_t size, Access access) = 0;

  virtual Result<Stream> create_stream() = 0;
  virtual Result<void> destroy_stream(Stream stream) = 0;
  virtual Result<void> synchronize_stream(Stream stream) = 0;
  virtual Result<void> synchronize() = 0;
  virtual Result<bool> capturing(Stream stream) = 0;

  virtual Result<Event> create_event() = 0;
  virtual Result<void> destroy_event(Event event) = 0;
  virtual Result<void> record(Event event, Stream stream) = 0;
  virtual Result<bool> done(Event event) = 0;
  virtual Result<void> synchronize_event(Event event) = 0;
  virtual Result<void> wait(Stream stream, Event event) = 0;

  virtual Result<void> copy(Address to, Address from, std::size_t size, Stream stream) = 0;
  virtual Result<void> fill(Address to, std::uint8_t value, std::size_t size, Stream stream) = 0;

  virtual bool calls() const = 0;
  virtual Result<void> call(Stream stream, Function function, void *argument) = 0;
  // Of the same backend; the registry sees to it.
  virtual Result<void> allow_peer(Device &peer) = 0;
};

template <Backend B>
class DeviceOf final : public Device {
 public:
  explicit DeviceOf(B backend) : backend_(std::move(backend)) {}

  Description describe() override { return backend_.describe(); }
  Result<MemoryInfo> memory_info() override { return backend_.memory_info(); }
  Result<Address> allocate(std::size_t size) override { return backend_.allocate(size); }
  Result<void> free(Address address) override { return backend_.free(address); }

  Result<Address> reserve(std::size_t size) override { return backend_.reserve(size); }
  Result<void> unreserve(Address address, std::size_t size) override { return backend_.unreserve(address, size); }
  Result<Physical> create(std::size_t size) override { return backend_.create(size); }
  Result<void> destroy(Physical physical) override { return backend_.destroy(physical); }
  Result<void> map(Address address, std::size_t size, Physical physical) override { return backend_.map(address, size, physical); }
  Result<void> unmap(Address address, std::size_t size) override { return backend_.unmap(address, size); }
  Result<void> set_access(Address address, std::size_t size, Access access) override {
    return backend_.set_access(address, size, access);
  }

  Result<Stream> create_stream() override { return backend_.create_stream(); }
  Result<void> destroy_stream(Stream stream) override { return backend_.destroy_stream(stream); }
  Result<void> synchronize_stream(Stream stream) override { return backend_.synchronize_stream(stream); }
  Result<void> synchronize() override { return backend_.synchronize(); }
  Result<bool> capturing(Stream stream) override { return backend_.capturing(stream); }

  Result<Event> create_event() override { return backend_.create_event(); }
  Result<void> destroy_event(Event event) override { return backend_.destroy_event(event); }
  Result<void> record(Event event, Stream stream) override { return backend_.record(event, stream); }
  Result<bool> done(Event event) override { return backend_.done(event); }
  Result<void> synchronize_event(Event event) override { return backend_.synchronize_event(event); }
  Result<void> wait(Stream stream, Event event) override { return backend_.wait(stream, event); }

  Result<void> copy(Address to, Address from, std::size_t size, Stream stream) override {
    return backend_.copy(to, from, size, stream);
  }
  Result<void> fill(Address to, std::uint8_t value, std::size_t size, Stream stream) override {
    return backend_.fill(to, value, size, stream);
  }

  bool calls() const override {
    if constexpr (requires { backend_.calls(); }) {
      return backend_.calls();  // It depends on the device.
    } else {
      return Calling<B>;
    }
  }
  Result<void> call([[maybe_unused]] Stream stream, [[maybe_unused]] Function function, [[maybe_unused]] void *argument) override {
    if constexpr (Calling<B>) {
      return backend_.call(stream, function, argument);
    } else {
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "devices of this kind can't call functions of the host");
    }
  }
  Result<void> allow_peer([[maybe_unused]] Device &peer) override {
    if constexpr (Peering<B>) {
      return backend_.allow_peer(static_cast<DeviceOf &>(peer).backend_);
    } else {
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "devices of this kind have no peers");
    }
  }

 private:
  B backend_;
};

// NULL: there is no memory for it.
template <Backend B>
std::unique_ptr<Device> erase(B backend) {
  return std::unique_ptr<Device>(new (std::nothrow) DeviceOf<B>(std::move(backend)));
}

}  // namespace shmalloc::device
