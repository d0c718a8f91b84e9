// Streams.
#include <algorithm>

#include "operation.hpp"

using namespace sim;

namespace {

constexpr int kLeast = 0, kGreatest = -5;

CUresult create(const char *name, CUstream *out, unsigned flags, int priority) {
  return call(name, Needs::context, [&](State &s, Lock &) -> CUresult {
    if (out == nullptr || (flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING)) != 0) return CUDA_ERROR_INVALID_VALUE;
    auto stream = s.scheduler.make(s.current());
    stream->blocking = (flags & CU_STREAM_NON_BLOCKING) == 0;
    stream->flags = flags;
    stream->priority = std::max(kGreatest, std::min(kLeast, priority));
    *out = as_handle<CUstream>(s.streams.add(stream));
    return CUDA_SUCCESS;
  });
}

// A stream in a capture can't be asked or waited for.
CUresult refuse_captured(State &s, const StreamRef &stream) {
  const CUresult result = check_capture(s, stream);
  if (result != CUDA_SUCCESS) return result;
  if (stream->capture == nullptr) return CUDA_SUCCESS;
  stream->capture->invalid = true;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

template <class Body>
CUresult with(const char *name, CUstream handle, Body &&body) {
  return call(name, Needs::context, [&](State &s, Lock &lock) -> CUresult {
    const StreamRef stream = s.stream(handle);
    return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : body(s, lock, stream);
  });
}

// The legacy stream is done when all are that take part in its order.
Until end_of(State &s, const StreamRef &stream) {
  if (stream->legacy) s.scheduler.push(stream, {nullptr, order(s, stream), nullptr, false});
  return {stream, stream->enqueued};
}

}  // namespace

CUresult CUDAAPI cuStreamCreate(CUstream *out, unsigned flags) { return create("cuStreamCreate", out, flags, 0); }

CUresult CUDAAPI cuStreamCreateWithPriority(CUstream *out, unsigned flags, int priority) {
  return create("cuStreamCreateWithPriority", out, flags, priority);
}

CUresult CUDAAPI cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  return call("cuCtxGetStreamPriorityRange", Needs::context, [&](State &, Lock &) -> CUresult {
    if (least != nullptr) *least = kLeast;
    if (greatest != nullptr) *greatest = kGreatest;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuStreamDestroy(CUstream handle) {
  return call("cuStreamDestroy", Needs::context, [&](State &s, Lock &) -> CUresult {
    if (handle == nullptr || handle == CU_STREAM_LEGACY || handle == CU_STREAM_PER_THREAD) return CUDA_ERROR_INVALID_HANDLE;
    const StreamRef stream = s.stream(handle);
    if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture != nullptr) stream->capture->invalid = true;
    stream->destroyed = true;
    s.streams.remove(handle);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuStreamGetPriority(CUstream handle, int *priority) {
  return with("cuStreamGetPriority", handle, [&](State &, Lock &, const StreamRef &stream) -> CUresult {
    if (priority == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *priority = stream->priority;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuStreamGetFlags(CUstream handle, unsigned *flags) {
  return with("cuStreamGetFlags", handle, [&](State &, Lock &, const StreamRef &stream) -> CUresult {
    if (flags == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *flags = stream->flags;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuStreamGetCtx(CUstream handle, CUcontext *context) {
  return with("cuStreamGetCtx", handle, [&](State &, Lock &, const StreamRef &stream) -> CUresult {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *context = as_handle<CUcontext>(stream->context->handle);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuStreamGetId(CUstream handle, unsigned long long *id) {
  return with("cuStreamGetId", handle, [&](State &, Lock &, const StreamRef &stream) -> CUresult {
    if (id == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *id = stream->id;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuStreamQuery(CUstream handle) {
  return with("cuStreamQuery", handle, [&](State &s, Lock &, const StreamRef &stream) -> CUresult {
    CUresult refused = refuse_captured(s, stream);
    if (refused == CUDA_SUCCESS) refused = refuse_unsafe(s);
    if (refused != CUDA_SUCCESS) return refused;
    bool idle = stream->idle();
    Clock clock = stream->clock;
    for (const auto &other : s.scheduler.streams()) {
      if (!stream->legacy || other->context != stream->context || !other->blocking) continue;
      idle = idle && other->idle();
      clock.join(other->clock);
    }
    if (!idle) {
      s.scheduler.asked();
      return CUDA_ERROR_NOT_READY;
    }
    s.finished({stream, stream->enqueued}, clock);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuStreamSynchronize(CUstream handle) {
  return with("cuStreamSynchronize", handle, [&](State &s, Lock &lock, const StreamRef &stream) -> CUresult {
    CUresult refused = refuse_captured(s, stream);
    if (refused == CUDA_SUCCESS) refused = refuse_unsafe(s);
    if (refused != CUDA_SUCCESS) return refused;
    const Until until = end_of(s, stream);
    const Clock clock = stream->clock;
    s.scheduler.wait(lock, [&] { return until.over(); });
    s.finished(until, clock);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuLaunchHostFunc(CUstream handle, CUhostFn function, void *data) {
  return with("cuLaunchHostFunc", handle, [&](State &s, Lock &lock, const StreamRef &stream) -> CUresult {
    if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
    Operation operation;
    operation.kind = Operation::Kind::function;
    operation.function = function;
    operation.data = data;
    return enqueue(s, lock, stream, operation);
  });
}
