// What a rule of the conformance suite works with: a device of its own, things on it that go away by themselves, and a gate that holds a
// stream until the rule opens it.
#pragma once

#include <sys/mman.h>
#include <time.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "device/backend.hpp"
#include "support.h"

namespace conformance {

using namespace shmalloc;
using namespace shmalloc::device;

// A rule returns NULL, or says what does not hold.
#define CONFORMANCE_TEXT(number) #number
#define CONFORMANCE_LINE(number) CONFORMANCE_TEXT(number)
#define HOLDS(...)                                                                        \
  do {                                                                                    \
    if (!(__VA_ARGS__)) return __FILE__ ":" CONFORMANCE_LINE(__LINE__) ": " #__VA_ARGS__; \
  } while (false)

template <class T>
bool fails(const Result<T> &result, Status status) {
  if (result) return false;
  if (result.error().status != status) print_message("# %s: %s\n", status_name(result.error().status), result.error().message);
  return result.error().status == status && result.error().message[0] != 0;
}
template <class T>
bool invalid(const Result<T> &result) {
  return fails(result, SHMALLOC_STATUS_INVALID);
}
template <class T>
bool fine(const Result<T> &result) {
  if (!result) print_message("# %s: %s\n", status_name(result.error().status), result.error().message);
  return static_cast<bool>(result);
}

// Work that isn't done before `open`. Only a device with functions of the host's has it: for others it is work that takes a while, which a
// rule must not rely on.
template <class B>
class Gate {
 public:
  static constexpr bool kHolds = Calling<B>;

  Gate(B &device, Stream stream) {
    if constexpr (kHolds) {
      auto *kept = new std::shared_ptr<Flags>(flags_);
      const auto pass = [](void *argument) {
        const std::unique_ptr<std::shared_ptr<Flags>> flags(static_cast<std::shared_ptr<Flags> *>(argument));
        (*flags)->reached.store(true);
        (*flags)->reached.notify_all();
        (*flags)->open.wait(false);
      };
      closed_ = fine(device.call(stream, pass, kept));
      if (!closed_) delete kept;
    } else {
      constexpr std::size_t kLarge = std::size_t{16} << 20;
      auto memory = device.allocate(kLarge);
      closed_ = fine(memory);
      for (int i = 0; closed_ && i < 8; ++i) closed_ = fine(device.fill(*memory, 0, kLarge, stream));
      release_ = [device, address = closed_ ? *memory : 0]() mutable {
        if (address == 0) return;
        static_cast<void>(device.synchronize());
        static_cast<void>(device.free(address));
      };
    }
  }
  Gate(const Gate &) = delete;
  Gate &operator=(const Gate &) = delete;
  ~Gate() {
    open();
    if (release_) release_();
  }

  explicit operator bool() const { return closed_; }
  void open() {
    flags_->open.store(true);
    flags_->open.notify_all();
  }
  // The stream has come here. A driver may have one thread for the functions of all streams: the next gate is reached when this one is open.
  void reach() {
    if constexpr (kHolds) flags_->reached.wait(false);
  }

 private:
  struct Flags {
    std::atomic<bool> reached{false}, open{false};
  };
  std::shared_ptr<Flags> flags_ = std::make_shared<Flags>();
  std::function<void()> release_;
  bool closed_ = false;
};

template <class S>
class Lab {
 public:
  using Device = typename S::Device;

  explicit Lab(std::uint32_t index = 0) : opened_(S::open(index)) {
    if (!fine(opened_)) return;
    page = device().describe().page;
    reader_ = stream();
  }
  Lab(const Lab &) = delete;
  Lab &operator=(const Lab &) = delete;
  ~Lab() {
    if (!opened_) return;
    // By all the ways there are: of a broken backend some do not work, and memory in use must not go.
    static_cast<void>(device().synchronize());
    for (const Stream one : streams_) static_cast<void>(device().synchronize_stream(one));
    for (const Event one : events_) static_cast<void>(eventually(one));
    for (const Event one : events_) static_cast<void>(device().destroy_event(one));
    for (const Stream one : streams_) static_cast<void>(device().destroy_stream(one));
    for (const Address one : blocks_) static_cast<void>(device().free(one));
  }

  Device &device() { return *opened_; }
  // Whether all that was made could be made.
  explicit operator bool() const { return opened_ && good_; }

  Address block(std::size_t size) { return keep(device().allocate(size), blocks_, Address{0}); }
  Stream stream() { return keep(device().create_stream(), streams_, Stream{0}); }
  Event event() { return keep(device().create_event(), events_, Event::none); }

  // Whether the memory has this value in all its bytes, by the reader's stream, which nothing else uses.
  bool reads(Address from, std::size_t size, std::uint8_t value) {
    std::vector<std::uint8_t> bytes(size, static_cast<std::uint8_t>(~value));
    if (!fine(device().copy(reinterpret_cast<Address>(bytes.data()), from, size, reader_))) return false;
    if (!fine(device().synchronize_stream(reader_))) return false;
    for (std::size_t i = 0; i < size; ++i) {
      if (bytes[i] == value) continue;
      print_message("# byte %zu of %zu is %d, not %d\n", i, size, bytes[i], value);
      return false;
    }
    return true;
  }
  // Done here and now, by the same stream.
  bool fills(Address to, std::size_t size, std::uint8_t value) {
    return fine(device().fill(to, value, size, reader_)) && fine(device().synchronize_stream(reader_));
  }
  // As `synchronize_event`, but what never comes is a failure in the end, not a hang.
  bool eventually(Event event) {
    for (long i = 0; i < S::kPatience * 1000; ++i) {
      auto done = device().done(event);
      if (!fine(done)) return false;
      if (*done) return true;
      const struct timespec pause = {0, 1000000};
      if (i > 20) nanosleep(&pause, nullptr);
      std::this_thread::yield();
    }
    return false;
  }
  bool pending(Event event) {
    auto done = device().done(event);
    return fine(done) && !*done;
  }
  bool is_done(Event event) {
    auto done = device().done(event);
    return fine(done) && *done;
  }
  // Still not done after a good deal of other work, during which a backend that does not keep it back had its chance. The more it fails to
  // see, the less it is worth: it is never wrong about one that does.
  bool stays_pending(Event event) {
    if (!Gate<Device>::kHolds) return true;
    constexpr std::size_t kSize = 1 << 20;
    if (other_work_ == 0) other_work_ = block(kSize);
    for (std::uint8_t i = 0; i < 8; ++i) {
      if (!pending(event) || !fills(other_work_, kSize, i)) return false;
      std::this_thread::yield();
    }
    return pending(event);
  }

  std::uint64_t page = 0;

 private:
  template <class T>
  T keep(Result<T> made, std::vector<T> &list, T none) {
    if (!fine(made)) {
      good_ = false;
      return none;
    }
    list.push_back(*made);
    return *made;
  }

  Result<Device> opened_;
  bool good_ = true;
  Stream reader_ = 0;
  Address other_work_ = 0;
  std::vector<Address> blocks_;
  std::vector<Stream> streams_;
  std::vector<Event> events_;
};

}  // namespace conformance
