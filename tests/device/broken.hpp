// Backends that break one rule each, made of the host's: the conformance suite has to find every one. And one that has no more than the
// contract asks for, which breaks none.
#pragma once

#include <map>

#include "device/streams/host_device.hpp"
#include "lab.hpp"

namespace broken {

using namespace conformance;

struct Host : HostDevice {
  explicit Host(HostDevice device) : HostDevice(std::move(device)) {}
};

struct Plain;

template <class B>
struct Subject {
  using Device = B;
  static Result<B> open(std::uint32_t index) {
    SHMALLOC_TRY(device, HostDevice::make(index));
    return B(std::move(device));
  }
  static constexpr long kPatience = std::is_same_v<B, Plain> ? 60 : 1;
  static constexpr bool kForeignStreams = false;
};

struct Plain : Host {
  using Host::Host;
  Result<void> call(Stream, Function, void *) = delete;
  Result<void> set_limit(std::uint64_t) = delete;
  Result<os::UniqueFd> export_memory(Physical) = delete;
  Result<void> allow_peer(const HostDevice &) = delete;
  static Error no_pages() { return (shmalloc::fail)(SHMALLOC_STATUS_UNSUPPORTED, 0, "there is no virtual memory here"); }
  Result<Address> reserve(std::size_t) { return no_pages(); }
  Result<Physical> create(std::size_t) { return no_pages(); }
  Description describe() {
    Description description = HostDevice::describe();
    description.page = 0;
    return description;
  }
};
static_assert(Backend<Plain> && !Calling<Plain> && !Limited<Plain> && !Sharing<Plain> && !Peering<Plain>);

// Order.

struct WaitsForNothing : Host {
  using Host::Host;
  Result<void> wait(Stream stream, Event event) {
    SHMALLOC_CHECK(capturing(stream));
    SHMALLOC_CHECK(done(event));
    return {};
  }
};

// Asks for the event when it is its turn, whatever was recorded since.
struct WaitsForLaterRecords : Host {
  using Host::Host;
  Result<void> wait(Stream stream, Event event) {
    SHMALLOC_CHECK(done(event));
    struct Wait {
      HostDevice device;
      Event event;
    };
    const auto poll = [](void *argument) {
      const std::unique_ptr<Wait> wait(static_cast<Wait *>(argument));
      for (;;) {
        auto is_done = wait->device.done(wait->event);
        if (!is_done || *is_done) return;
        std::this_thread::yield();
      }
    };
    return call(stream, poll, new Wait{*this, event});
  }
};

struct DefaultStreamDoesNotWait : Host {
  using Host::Host;
  Result<void> wait(Stream stream, Event event) {
    if (stream != 0) return HostDevice::wait(stream, event);
    SHMALLOC_CHECK(done(event));
    return {};
  }
};

struct AlwaysDone : Host {
  using Host::Host;
  Result<bool> done(Event event) {
    SHMALLOC_CHECK(HostDevice::done(event));
    return true;
  }
};

struct RecordsElsewhere : Host {
  using Host::Host;
  Result<void> record(Event event, Stream stream) {
    SHMALLOC_CHECK(capturing(stream));
    return HostDevice::record(event, 0);
  }
};

struct RecordsOnce : Host {
  using Host::Host;
  Result<void> record(Event event, Stream stream) {
    SHMALLOC_CHECK(capturing(stream));
    SHMALLOC_TRY(is_done, done(event));
    return is_done ? HostDevice::record(event, stream) : Result<void>();
  }
};

struct SynchronizesNothing : Host {
  using Host::Host;
  Result<void> synchronize() { return {}; }
};

struct SynchronizesNoEvent : Host {
  using Host::Host;
  Result<void> synchronize_event(Event event) {
    SHMALLOC_CHECK(done(event));
    return {};
  }
};

// Small work is done at once, whatever is queued before it.
struct LargeWorkOvertaken : Host {
  using Host::Host;
  Result<void> fill(Address to, std::uint8_t value, std::size_t size, Stream stream) {
    if (size > 1) return HostDevice::fill(to, value, size, stream);
    SHMALLOC_CHECK(capturing(stream));
    *reinterpret_cast<std::uint8_t *>(to) = value;
    return {};
  }
};

struct CallsTwice : Host {
  using Host::Host;
  Result<void> call(Stream stream, Function function, void *argument) {
    // A gate's function ends its argument: only the rule about functions must use this one.
    SHMALLOC_CHECK(HostDevice::call(stream, function, argument));
    return HostDevice::call(stream, function, argument);
  }
};

struct CopiesAreOthers : Host {
  using Host::Host;
  CopiesAreOthers(const CopiesAreOthers &) : Host(*HostDevice::make(9)) {}
  CopiesAreOthers(CopiesAreOthers &&) = default;
};

// What a stream has not done when it is destroyed is lost.
struct DropsWork : Host {
  using Host::Host;
  std::shared_ptr<std::map<Stream, std::shared_ptr<std::atomic<bool>>>> dropped =
      std::make_shared<std::map<Stream, std::shared_ptr<std::atomic<bool>>>>();

  Result<void> fill(Address to, std::uint8_t value, std::size_t size, Stream stream) {
    struct Fill {
      Address to;
      std::uint8_t value;
      std::size_t size;
      std::shared_ptr<std::atomic<bool>> dropped;
    };
    auto &mark = (*dropped)[stream];
    if (mark == nullptr) mark = std::make_shared<std::atomic<bool>>(false);
    auto work = std::make_unique<Fill>(Fill{to, value, size, mark});
    const auto run = [](void *argument) {
      const std::unique_ptr<Fill> one(static_cast<Fill *>(argument));
      if (!*one->dropped) memset(reinterpret_cast<void *>(one->to), one->value, one->size);
    };
    SHMALLOC_CHECK(call(stream, run, work.get()));
    static_cast<void>(work.release());
    return {};
  }
  Result<void> destroy_stream(Stream stream) {
    SHMALLOC_CHECK(HostDevice::destroy_stream(stream));
    if (const auto mark = dropped->find(stream); mark != dropped->end()) *mark->second = true;
    return {};
  }
};

// Memory.

struct FreesAnything : Host {
  using Host::Host;
  Result<void> free(Address address) {
    static_cast<void>(HostDevice::free(address));
    return {};
  }
};

struct FreesNothing : Host {
  using Host::Host;
  Result<void> free(Address) { return {}; }
};

struct GivesNothingForNothing : Host {
  using Host::Host;
  Result<Address> allocate(std::size_t size) { return HostDevice::allocate(size == 0 ? 1 : size); }
};

struct GivesLess : Host {
  using Host::Host;
  Result<Address> allocate(std::size_t size) {
    SHMALLOC_TRY(block, HostDevice::allocate(size + 4096));
    return block + 64;
  }
  Result<void> free(Address address) { return HostDevice::free(address - 64); }
};

struct KnowsNoLimit : Host {
  using Host::Host;
  Result<void> set_limit(std::uint64_t) { return {}; }
};

struct CopiesLess : Host {
  using Host::Host;
  Result<void> copy(Address to, Address from, std::size_t size, Stream stream) {
    return HostDevice::copy(to, from, size > 4096 ? size - 1 : size, stream);
  }
};

struct FillsWithOneValue : Host {
  using Host::Host;
  Result<void> fill(Address to, std::uint8_t, std::size_t size, Stream stream) { return HostDevice::fill(to, 1, size, stream); }
};

struct UnmapsNothing : Host {
  using Host::Host;
  Result<void> unmap(Address, std::size_t) { return {}; }
};

struct AccessWithoutAsking : Host {
  using Host::Host;
  Result<void> map(Address address, std::size_t size, Physical physical) {
    SHMALLOC_CHECK(HostDevice::map(address, size, physical));
    return set_access(address, size, Access::write);
  }
};

struct WritesWhatIsForReading : Host {
  using Host::Host;
  Result<void> set_access(Address address, std::size_t size, Access access) {
    return HostDevice::set_access(address, size, access == Access::read ? Access::write : access);
  }
};

// Ends and limits of things.

struct KeepsStreams : Host {
  using Host::Host;
  Result<void> destroy_stream(Stream stream) { return stream == 0 ? HostDevice::destroy_stream(0) : Result<void>(); }
};

struct DestroysTheDefault : Host {
  using Host::Host;
  Result<void> destroy_stream(Stream stream) { return stream == 0 ? Result<void>() : HostDevice::destroy_stream(stream); }
};

struct KeepsEvents : Host {
  using Host::Host;
  Result<void> destroy_event(Event) { return {}; }
};

struct CapturesAlways : Host {
  using Host::Host;
  Result<bool> capturing(Stream stream) {
    SHMALLOC_CHECK(HostDevice::capturing(stream));
    return true;
  }
};

// As if the number were a pointer to something that was given again.
struct TakesOldEvents : Host {
  using Host::Host;
  Result<bool> done(Event event) {
    auto is_done = HostDevice::done(event);
    return is_done ? Result<bool>(*is_done) : Result<bool>(true);
  }
};

struct NamesAreTheSame : Host {
  using Host::Host;
  Description describe() {
    Description description = HostDevice::describe();
    description.name = "a device";
    return description;
  }
};

struct ImportsACopy : Host {
  using Host::Host;
  Result<Physical> import_memory(int fd, std::size_t size) {
    SHMALLOC_TRY(imported, HostDevice::import_memory(fd, size));
    SHMALLOC_CHECK(destroy(imported));
    return create(size);
  }
};

}  // namespace broken
