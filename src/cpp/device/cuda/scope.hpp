// What has to hold around calls of the driver: the device's context is current, and a capture that goes on anywhere does not mind. Both
// are as they were afterwards, whatever the calls did.
#pragma once

#include "device/cuda/driver.hpp"

namespace shmalloc::device::cuda {

// A context is current in this thread. Costs one call of the driver's where it is already, which is the usual case.
class Current {
 public:
  Current(const Driver &driver, api::Context *context) : driver_(driver), context_(context) {
    if (is_current()) return;
    code_ = driver.push_context(context);
    pushed_ = code_ == api::Code::success;
  }
  Current(const Current &) = delete;
  Current &operator=(const Current &) = delete;
  ~Current() {
    api::Context *popped = nullptr;
    // A failing pop may have popped all the same: the failure can be that of earlier work. Never pop the caller's.
    if (pushed_ && driver_.pop_context(&popped) != api::Code::success && is_current()) {
      static_cast<void>(driver_.pop_context(&popped));
    }
  }
  api::Code code() const { return code_; }

 private:
  bool is_current() const {
    api::Context *current = nullptr;
    return driver_.current_context(&current) == api::Code::success && current == context_;
  }

  const Driver &driver_;
  api::Context *context_;
  api::Code code_ = api::Code::success;
  bool pushed_ = false;
};

// Calls of this thread don't spoil captures: not its own, nor those of other threads.
class Relaxed {
 public:
  explicit Relaxed(const Driver &driver) : driver_(driver), code_(driver.exchange_capture_mode(&mode_)) {}
  Relaxed(const Relaxed &) = delete;
  Relaxed &operator=(const Relaxed &) = delete;
  ~Relaxed() {
    if (code_ != api::Code::success || mode_ == api::CaptureMode::relaxed) return;
    // Giving the same mode twice does no harm.
    for (int i = 0; i < 2; ++i) {
      api::CaptureMode mode = mode_;
      if (driver_.exchange_capture_mode(&mode) == api::Code::success) return;
    }
  }
  api::Code code() const { return code_; }

 private:
  const Driver &driver_;
  api::CaptureMode mode_ = api::CaptureMode::relaxed;
  api::Code code_;
};

}  // namespace shmalloc::device::cuda
