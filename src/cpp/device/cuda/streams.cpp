// Streams, events and the work on streams.
#include "device/cuda/state.hpp"

namespace shmalloc::device {

using cuda::Driver;
using cuda::failed;
using cuda::OwnStream;
using cuda::api::Code;

namespace {

// A number that is void serves again after so many others at the earliest.
constexpr std::uint32_t kResting = 32;

cuda::api::Stream *handle(Stream stream) { return reinterpret_cast<cuda::api::Stream *>(stream); }

// Numbers that we know to be none: those of our streams that are destroyed, and what is no address.
Result<void> check(cuda::OwnStreams &streams, Stream stream) {
  bool good = stream >> 63 == 0;
  if (good && streams.retired.load(std::memory_order_acquire) != 0) {
    const std::lock_guard lock(streams.mutex);
    const OwnStream *own = streams.all.find(stream);
    good = own == nullptr || own->retired == 0;
  }
  if (good) return {};
  return fail(SHMALLOC_STATUS_INVALID, 0, "there is no such stream, or no longer");
}

// The driver would refuse it, and may spoil the capture for that.
Result<void> check_not_captured(const cuda::Events &events, Event event) {
  if (!events.captured(event)) return {};
  return fail(SHMALLOC_STATUS_BUSY, 0,
              "the event was recorded in a capture: it can't be asked or waited for until it is recorded again");
}

// The one that was destroyed first, if enough are.
OwnStream *longest_retired(cuda::OwnStreams &streams) {
  if (streams.retired.load(std::memory_order_relaxed) <= kResting) return nullptr;
  OwnStream *oldest = nullptr;
  for (OwnStream &one : streams.all) {
    if (one.retired != 0 && (oldest == nullptr || one.retired < oldest->retired)) oldest = &one;
  }
  return oldest;
}

}  // namespace

Result<Stream> CudaDevice::create_stream() {
  SHMALLOC_CHECK(ours());
  const Driver &driver = state_->driver;
  cuda::OwnStreams &streams = state_->streams;
  const std::lock_guard lock(streams.mutex);
  SHMALLOC_CHECK(streams.all.make_room());
  if (OwnStream *one = longest_retired(streams); one != nullptr) {
    // Only one that has nothing left to do, and is in no capture, which asking would spoil.
    const Code code = state_->run([&] {
      auto status = cuda::api::CaptureStatus::none;
      const Code known = driver.is_capturing(handle(one->begin), &status);
      if (known != Code::success) return known;
      return status == cuda::api::CaptureStatus::none ? driver.query_stream(handle(one->begin)) : Code::not_ready;
    });
    if (code == Code::success) {
      one->retired = 0;
      streams.retired.fetch_sub(1, std::memory_order_relaxed);
      return one->begin;
    }
    if (code != Code::not_ready) return failed(driver, code, "making a stream of CUDA device %u", state_->index);
    one->retired = ++streams.retirements;  // The next in its place.
  }
  cuda::api::Stream *made = nullptr;
  const Code code = state_->run([&] { return driver.create_stream(&made, cuda::api::kStreamNonBlocking); });
  if (code != Code::success) return failed(driver, code, "making a stream of CUDA device %u", state_->index);
  const auto number = reinterpret_cast<Stream>(made);
  streams.all.insert({number, 0});
  return number;
}

Result<void> CudaDevice::destroy_stream(Stream stream) {
  SHMALLOC_CHECK(ours());
  cuda::OwnStreams &streams = state_->streams;
  const std::lock_guard lock(streams.mutex);
  OwnStream *own = streams.all.find(stream);
  if (own == nullptr || own->retired != 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "that is no stream that was made here, or no longer");
  }
  if (!cuda::is_over()) {
    auto captured = is_captured(stream);  // One that can't be asked goes all the same.
    if (captured && *captured) return fail(SHMALLOC_STATUS_BUSY, 0, "a stream can't be destroyed while it is captured");
  }
  own->retired = ++streams.retirements;
  streams.retired.fetch_add(1, std::memory_order_release);
  return {};
}

// A legacy stream that is no use because another one is captured counts as captured.
Result<bool> CudaDevice::is_captured(Stream stream) {
  auto status = cuda::api::CaptureStatus::none;
  const Driver &driver = state_->driver;
  const Code code = state_->queue([&] { return driver.is_capturing(handle(stream), &status); });
  if (code == Code::stream_capture_implicit) return true;
  if (code != Code::success) return failed(driver, code, "asking whether a stream of CUDA device %u is captured", state_->index);
  return status != cuda::api::CaptureStatus::none;
}

Result<bool> CudaDevice::capturing(Stream stream) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_CHECK(check(state_->streams, stream));
  return is_captured(stream);
}

Result<void> CudaDevice::synchronize_stream(Stream stream) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_CHECK(check(state_->streams, stream));
  SHMALLOC_TRY(captured, is_captured(stream));
  if (captured) return fail(SHMALLOC_STATUS_BUSY, 0, "a stream can't be waited for while it is captured");
  const Driver &driver = state_->driver;
  const Code code = state_->run([&] { return driver.synchronize_stream(handle(stream)); });
  if (code != Code::success) return failed(driver, code, "waiting for a stream of CUDA device %u", state_->index);
  return {};
}

Result<void> CudaDevice::synchronize() {
  SHMALLOC_CHECK(ours());
  // The driver would spoil a capture: those that we can know of are looked for first. The default stream knows of blocking ones.
  SHMALLOC_TRY(by_default, is_captured(0));
  bool captured = by_default;
  {
    const std::lock_guard lock(state_->streams.mutex);
    for (const OwnStream &one : state_->streams.all) {
      SHMALLOC_TRY(own, is_captured(one.begin));
      captured = captured || own;
    }
  }
  if (captured)
    return fail(SHMALLOC_STATUS_BUSY, 0, "CUDA device %u can't be waited for while a stream is captured", state_->index);
  const Driver &driver = state_->driver;
  const Code code = state_->run([&] { return driver.synchronize(); });
  if (code != Code::success) return failed(driver, code, "waiting for CUDA device %u", state_->index);
  return {};
}

Result<Event> CudaDevice::create_event() {
  SHMALLOC_CHECK(ours());
  return state_->events.create([&]() -> Result<cuda::api::Event *> {
    const Driver &driver = state_->driver;
    cuda::api::Event *event = nullptr;
    const Code code = state_->run([&] { return driver.create_event(&event, cuda::api::kEventWithoutTiming); });
    if (code != Code::success) return failed(driver, code, "making an event of CUDA device %u", state_->index);
    return event;
  });
}

Result<void> CudaDevice::destroy_event(Event event) {
  SHMALLOC_CHECK(ours());
  if (cuda::is_over()) return {};
  return state_->events.destroy(event, [&](cuda::api::Event *found) -> Result<void> {
    const Driver &driver = state_->driver;
    const Code code = state_->run([&] { return driver.destroy_event(found); });
    if (cuda::given_back(code)) return {};
    return failed(driver, code, "giving back an event of CUDA device %u", state_->index);
  });
}

Result<void> CudaDevice::record(Event event, Stream stream) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_TRY(found, state_->events.find(event));
  SHMALLOC_CHECK(check(state_->streams, stream));
  const Driver &driver = state_->driver;
  auto status = cuda::api::CaptureStatus::none;
  const Code code = state_->queue([&] {
    // One that can't be asked is not captured; what else is wrong, the record tells.
    static_cast<void>(driver.is_capturing(handle(stream), &status));
    return driver.record(found, handle(stream));
  });
  if (code != Code::success) return failed(driver, code, "recording an event of CUDA device %u", state_->index);
  state_->events.note_capture(event, status != cuda::api::CaptureStatus::none);
  return {};
}

Result<bool> CudaDevice::done(Event event) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_TRY(found, state_->events.find(event));
  SHMALLOC_CHECK(check_not_captured(state_->events, event));
  const Driver &driver = state_->driver;
  const Code code = state_->run([&] { return driver.query_event(found); });
  if (code == Code::not_ready) return false;
  if (code != Code::success) return failed(driver, code, "asking for an event of CUDA device %u", state_->index);
  return true;
}

Result<void> CudaDevice::synchronize_event(Event event) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_TRY(found, state_->events.find(event));
  SHMALLOC_CHECK(check_not_captured(state_->events, event));
  const Driver &driver = state_->driver;
  const Code code = state_->run([&] { return driver.synchronize_event(found); });
  if (code != Code::success) return failed(driver, code, "waiting for an event of CUDA device %u", state_->index);
  return {};
}

Result<void> CudaDevice::wait(Stream stream, Event event) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_TRY(found, state_->events.find(event));
  SHMALLOC_CHECK(check(state_->streams, stream));
  const Driver &driver = state_->driver;
  const Code code = state_->queue([&] { return driver.wait(handle(stream), found, 0); });
  if (code != Code::success) return failed(driver, code, "having a stream of CUDA device %u wait for an event", state_->index);
  return {};
}

Result<void> CudaDevice::copy(Address to, Address from, std::size_t size, Stream stream) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_CHECK(check(state_->streams, stream));
  if (size == 0) return {};
  if (to == 0 || from == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "a copy to or from address 0");
  const Driver &driver = state_->driver;
  const Code code = state_->queue([&] { return driver.copy(to, from, size, handle(stream)); });
  if (code != Code::success) return failed(driver, code, "copying %zu bytes on CUDA device %u", size, state_->index);
  return {};
}

Result<void> CudaDevice::fill(Address to, std::uint8_t value, std::size_t size, Stream stream) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_CHECK(check(state_->streams, stream));
  if (size == 0) return {};
  if (to == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "a fill of address 0");
  const Driver &driver = state_->driver;
  const Code code = state_->queue([&] { return driver.fill(to, value, size, handle(stream)); });
  if (code != Code::success) return failed(driver, code, "filling %zu bytes on CUDA device %u", size, state_->index);
  return {};
}

Result<void> CudaDevice::call(Stream stream, Function function, void *argument) {
  SHMALLOC_CHECK(ours());
  SHMALLOC_CHECK(check(state_->streams, stream));
  if (function == nullptr) return fail(SHMALLOC_STATUS_INVALID, 0, "a call of no function");
  const Driver &driver = state_->driver;
  const Code code = state_->queue([&] { return driver.call(handle(stream), function, argument); });
  if (code != Code::success) return failed(driver, code, "queueing a function on CUDA device %u", state_->index);
  return {};
}

}  // namespace shmalloc::device
