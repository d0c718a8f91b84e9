// Events.
#include <chrono>

#include "operation.hpp"

using namespace sim;

namespace {

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of an event that other processes may record too, all that was recorded by now must be done.
bool over(State &s, const Event &event, std::uint64_t recorded) {
  return event.shared ? s.world.event(*event.shared).completed >= recorded : event.until.over();
}

std::uint64_t recorded(State &s, const Event &event) { return event.shared ? s.world.event(*event.shared).recorded.load() : 0; }

CUresult record_captured(Event &event, const StreamRef &stream) {
  event.capture = stream->capture;
  event.capture_clock = stream->capture->clocks[stream->id];
  return CUDA_SUCCESS;
}

CUresult record(const char *name, CUevent handle, CUstream on) {
  return call(name, Needs::context, [&](State &s, Lock &) -> CUresult {
    const auto event = s.event(handle);
    const StreamRef stream = s.stream(on);
    if (event == nullptr || stream == nullptr || event->context != stream->context) return CUDA_ERROR_INVALID_HANDLE;
    const CUresult refused = check_capture(s, stream);
    if (refused != CUDA_SUCCESS) return refused;
    if (stream->capture != nullptr) return record_captured(*event, stream);
    Item item;
    item.after = order(s, stream);
    if (event->shared) s.world.recorded(*event->shared);
    item.run = [&s, time = event->time, shared = event->shared, count = recorded(s, *event)] {
      *time = now();
      if (shared) s.world.completed(*shared, count);
    };
    s.scheduler.push(stream, std::move(item));
    event->capture = nullptr;
    event->recorded = true;
    event->until = {stream, stream->enqueued};
    event->clock = stream->clock;
    return CUDA_SUCCESS;
  });
}

// A stream waits for work of a capture: it is in that capture from now on.
CUresult wait_captured(const Event &event, const StreamRef &stream, State &s) {
  const auto &capture = event.capture;
  bool going_on = false;
  for (const auto &one : s.captures) going_on = going_on || one == capture;
  if (!going_on) return CUDA_ERROR_CAPTURED_EVENT;
  if (stream->capture != nullptr && stream->capture != capture) {
    stream->capture->invalid = capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  if (capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (stream->legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream->capture == nullptr) {
    stream->capture = capture;
    capture->members.push_back(stream);
  }
  capture->clocks[stream->id].join(event.capture_clock);
  return CUDA_SUCCESS;
}

// Done, or why it can't be told.
CUresult ask(State &s, const Event &event) {
  if (event.capture != nullptr) return CUDA_ERROR_CAPTURED_EVENT;
  return refuse_unsafe(s);
}

}  // namespace

CUresult CUDAAPI cuEventCreate(CUevent *out, unsigned flags) {
  return call("cuEventCreate", Needs::context, [&](State &s, Lock &) -> CUresult {
    constexpr unsigned kKnown = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
    const bool shared = (flags & CU_EVENT_INTERPROCESS) != 0;
    if (out == nullptr || (flags & ~kKnown) != 0 || (shared && (flags & CU_EVENT_DISABLE_TIMING) == 0))
      return CUDA_ERROR_INVALID_VALUE;
    auto event = std::make_shared<Event>();
    event->context = s.current();
    event->flags = flags;
    if (shared) {
      event->shared = s.world.make_event();
      if (!event->shared) return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *out = as_handle<CUevent>(s.events.add(std::move(event)));
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuEventDestroy(CUevent handle) {
  return call("cuEventDestroy", Needs::context, [&](State &s, Lock &) -> CUresult {
    const auto event = s.event(handle);
    if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    if (event->shared) s.world.drop_event(*event->shared);
    s.events.remove(handle);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuEventRecord(CUevent event, CUstream stream) { return record("cuEventRecord", event, stream); }

CUresult CUDAAPI cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
  return flags == 0 ? record("cuEventRecordWithFlags", event, stream) : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuEventQuery(CUevent handle) {
  return call("cuEventQuery", Needs::context, [&](State &s, Lock &) -> CUresult {
    const auto event = s.event(handle);
    if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    const CUresult refused = ask(s, *event);
    if (refused != CUDA_SUCCESS) return refused;
    if (!over(s, *event, recorded(s, *event))) {
      s.scheduler.asked();
      return CUDA_ERROR_NOT_READY;
    }
    s.finished(event->until, event->clock);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuEventSynchronize(CUevent handle) {
  return call("cuEventSynchronize", Needs::context, [&](State &s, Lock &lock) -> CUresult {
    const auto event = s.event(handle);
    if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    const CUresult refused = ask(s, *event);
    if (refused != CUDA_SUCCESS) return refused;
    const Until until = event->until;
    const Clock clock = event->clock;
    if (event->shared) {
      s.scheduler.watch(&s.world);
      s.scheduler.wait(lock, [&, count = recorded(s, *event)] { return over(s, *event, count); });
    } else {
      s.scheduler.wait(lock, [&] { return until.over(); });
    }
    s.finished(until, clock);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuEventElapsedTime(float *milliseconds, CUevent first, CUevent last) {
  return call("cuEventElapsedTime", Needs::context, [&](State &s, Lock &) -> CUresult {
    const auto begin = s.event(first), end = s.event(last);
    if (milliseconds == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (begin == nullptr || end == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    if (((begin->flags | end->flags) & CU_EVENT_DISABLE_TIMING) != 0 || !begin->recorded || !end->recorded)
      return CUDA_ERROR_INVALID_HANDLE;
    if (!begin->until.over() || !end->until.over()) {
      s.scheduler.asked();
      return CUDA_ERROR_NOT_READY;
    }
    *milliseconds = static_cast<float>(static_cast<double>(*end->time - *begin->time) / 1e6);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuStreamWaitEvent(CUstream on, CUevent handle, unsigned flags) {
  return call("cuStreamWaitEvent", Needs::context, [&](State &s, Lock &) -> CUresult {
    if ((flags & ~static_cast<unsigned>(CU_EVENT_WAIT_EXTERNAL)) != 0) return CUDA_ERROR_INVALID_VALUE;
    const auto event = s.event(handle);
    const StreamRef stream = s.stream(on);
    if (event == nullptr || stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    const CUresult refused = check_capture(s, stream);
    if (refused != CUDA_SUCCESS) return refused;
    if (event->capture != nullptr) return wait_captured(*event, stream, s);
    if (!event->recorded && !event->shared) return CUDA_SUCCESS;
    if (stream->capture != nullptr) {
      stream->capture->invalid = true;
      return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
    Item item;
    item.after = order(s, stream);
    item.after.push_back(event->until);
    stream->clock.join(event->clock);
    if (event->shared) {
      s.scheduler.watch(&s.world);
      item.ready = [&s, event, count = recorded(s, *event)] { return over(s, *event, count); };
    }
    s.scheduler.push(stream, std::move(item));
    return CUDA_SUCCESS;
  });
}
