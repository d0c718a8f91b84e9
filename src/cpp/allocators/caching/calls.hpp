// The few calls of a backend that the allocator makes, as a table, so that all but the common path is compiled once.
//
// With the allocator's mutex held only those are made that wait for nobody: create_event, destroy_event, record, done, capturing and
// describe. allocate, free, memory_info and synchronize are made without it.
#pragma once

#include "device/backend.hpp"

namespace shmalloc::caching {

using device::Address;
using device::Event;
using device::Stream;

class Calls {
 public:
  Calls() = default;
  Calls(const Calls &) = delete;
  Calls &operator=(const Calls &) = delete;

  virtual device::Description describe() = 0;
  virtual Result<device::MemoryInfo> memory_info() = 0;
  virtual Result<Address> allocate(std::size_t size) = 0;
  virtual Result<void> free(Address address) = 0;
  virtual Result<void> synchronize() = 0;
  virtual Result<bool> capturing(Stream stream) = 0;
  virtual Result<Event> create_event() = 0;
  virtual Result<void> destroy_event(Event event) = 0;
  virtual Result<void> record(Event event, Stream stream) = 0;
  virtual Result<bool> done(Event event) = 0;

 protected:
  ~Calls() = default;
};

template <device::Backend B>
class CallsOf final : public Calls {
 public:
  explicit CallsOf(B backend) : backend_(std::move(backend)) {}
  device::Description describe() override { return backend_.describe(); }
  Result<device::MemoryInfo> memory_info() override { return backend_.memory_info(); }
  Result<Address> allocate(std::size_t size) override { return backend_.allocate(size); }
  Result<void> free(Address address) override { return backend_.free(address); }
  Result<void> synchronize() override { return backend_.synchronize(); }
  Result<bool> capturing(Stream stream) override { return backend_.capturing(stream); }
  Result<Event> create_event() override { return backend_.create_event(); }
  Result<void> destroy_event(Event event) override { return backend_.destroy_event(event); }
  Result<void> record(Event event, Stream stream) override { return backend_.record(event, stream); }
  Result<bool> done(Event event) override { return backend_.done(event); }

 private:
  B backend_;
};

}  // namespace shmalloc::caching
