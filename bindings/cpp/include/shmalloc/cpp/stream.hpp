/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/stream.hpp - the order of work on a device: streams and events. */
#ifndef SHMALLOC_CPP_STREAM_HPP
#define SHMALLOC_CPP_STREAM_HPP

#include <unistd.h>

#include <utility>

#include "shmalloc/cpp/adopt.hpp"
#include "shmalloc/cpp/device.hpp"

namespace shmalloc {
inline namespace v0 {
namespace detail {

/* What Stream and Event have in common: a number of a device's, to be given back or somebody else's. What a forked child inherited is
 * nothing there: its number may mean something of the child's own. */
template <shmalloc_status (*kDestroy)(shmalloc_device, std::uint64_t, shmalloc_error *)>
class OnDevice {
 public:
  OnDevice() noexcept = default;
  OnDevice(OnDevice &&other) noexcept
      : device_(other.device_), number_(other.number_), maker_(other.maker_), hold_(std::exchange(other.hold_, Hold::nothing)) {}
  OnDevice &operator=(OnDevice &&other) noexcept {
    OnDevice old(std::move(other));
    std::swap(device_, old.device_);
    std::swap(number_, old.number_);
    std::swap(maker_, old.maker_);
    std::swap(hold_, old.hold_);
    return *this;
  }
  ~OnDevice() {
    if (ours()) kDestroy(device_.number(), number_, nullptr);
  }

  explicit operator bool() const noexcept { return hold_ != Hold::nothing; }

  Device device() const {
    check();
    return device_;
  }

  /** For the C library, and for the device's own API. */
  std::uint64_t number() const {
    check();
    return number_;
  }

  /** Give it back now, and tell if that fails, which a destructor can't. What is queued is done all the same. A second close does
   *  nothing, nor does that of a foreign one, or of one that a forked child inherited. */
  void close() {
    if (ours()) call(kDestroy, device_.number(), number_);
    hold_ = Hold::nothing;
  }

 protected:
  enum class Hold : std::uint8_t { nothing, foreign, own };

  OnDevice(Device device, std::uint64_t number, Hold hold) noexcept
      : device_(device), number_(number), maker_(hold == Hold::own ? getpid() : 0), hold_(hold) {}

  void check() const {
    if (hold_ == Hold::nothing) throw ClosedError("this object is empty: it was closed or moved from, or never had anything");
  }

 private:
  bool ours() const noexcept { return hold_ == Hold::own && maker_ == getpid(); }

  Device device_;
  std::uint64_t number_ = 0;
  pid_t maker_ = 0;
  Hold hold_ = Hold::nothing;
};

}  // namespace detail

/** A mark in streams: done when all is done that was queued before it. It is done until it is recorded. Objects that were moved from or
 *  closed are empty, and their calls throw ClosedError. Any thread may use it, several at once. */
class Event : public detail::OnDevice<shmalloc_event_destroy> {
 public:
  /** Empty. */
  Event() noexcept = default;

  explicit Event(Device device) : OnDevice(device, made(device), Hold::own) {}

  /** One that somebody else gives back: by its number, or by a handle of the device's own API (a CUevent). */
  static Event foreign(Device device, shmalloc_event number) noexcept { return {device, number, Hold::foreign}; }
  template <class Handle>
  static Event foreign(Device device, Handle *handle) noexcept {
    return {device, address_of(handle), Hold::foreign};
  }

  /** From now on it means what is queued on the stream so far, and nothing that it meant before. */
  void record(StreamRef stream) const { detail::call(shmalloc_event_record, device().number(), number(), stream.number()); }

  /** Whether what it means is done. */
  bool done() const {
    std::int32_t yes = 0;
    detail::call(shmalloc_event_query, device().number(), number(), &yes);
    return yes != 0;
  }

  /** Wait until what it means is done. */
  void synchronize() const { detail::call(shmalloc_event_synchronize, device().number(), number()); }

 private:
  Event(Device device, shmalloc_event number, Hold hold) noexcept : OnDevice(device, number, hold) {}

  static shmalloc_event made(Device device) {
    shmalloc_event number = 0;
    detail::call(shmalloc_event_create, device.number(), &number);
    return number;
  }
};

/** A queue of work on a device, which does it in this order. What different streams do has no order but by events. Release what allocators
 *  made for a stream before the stream goes, and have them trimmed: what they keep for it serves nobody then. Objects that were moved
 *  from or closed are empty, and their calls throw ClosedError. Any thread may use it, several at once. */
class Stream : public detail::OnDevice<shmalloc_stream_destroy> {
 public:
  /** Empty; no option either: the default stream is foreign(device, 0), or StreamRef(). */
  Stream() noexcept = default;

  explicit Stream(Device device) : OnDevice(device, made(device), Hold::own) {}

  /** One that somebody else gives back: by its number, or by a handle of the device's own API (a CUstream). */
  static Stream foreign(Device device, StreamRef stream) noexcept { return {device, stream.number(), Hold::foreign}; }

  /** For options and calls; a stream that ends with the expression is none for them. */
  operator StreamRef() const & { return number(); }  // NOLINT(google-explicit-constructor): arguments shall just fit
  operator StreamRef() && = delete;

  /** Wait until all is done that was queued on it. */
  void synchronize() const { detail::call(shmalloc_stream_synchronize, device().number(), number()); }

  /** What comes on it from here on comes after the event, as that was recorded last. The caller goes on. InvalidError: the event is of
   *  another device. */
  void wait(const Event &event) const {
    if (event.device() != device()) throw InvalidError("an event of another device: its number would mean another event here");
    detail::call(shmalloc_stream_wait, device().number(), number(), event.number());
  }

  /** Queue a function without arguments. It runs once, on a thread of the device's, and is destroyed there. Neither of the two may call
   *  the device, nor give back storages or views: what it uses is held by somebody else. An exception from it can't go anywhere, so it
   *  ends the program. UnsupportedError: the device is without Capability::call. */
  template <class Function>
  void call(Function function) const {
    const Device on = device();
    auto box = detail::Box<Work<Function>>::of(Work<Function>{std::move(function)});
    detail::call(shmalloc_stream_call, on.number(), number(), shmalloc_work_fn{&Work<Function>::run},
                 static_cast<void *>(box.get()));
    static_cast<void>(box.release());
  }

 private:
  Stream(Device device, shmalloc_stream number, Hold hold) noexcept : OnDevice(device, number, hold) {}

  static shmalloc_stream made(Device device) {
    shmalloc_stream number = 0;
    detail::call(shmalloc_stream_create, device.number(), &number);
    return number;
  }

  template <class Function>
  struct Work {
    Function function;

    static void run(void *userdata) noexcept {
      const std::unique_ptr<detail::Box<Work>> box(static_cast<detail::Box<Work> *>(userdata));
      static_cast<void>(box->owner.function());
    }
  };
};

}  // namespace v0
}  // namespace shmalloc

#endif
