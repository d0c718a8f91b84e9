// Capturing streams into graphs, as far as an allocator has to know of it; graphs can be launched, not looked into.
#include <algorithm>

#include "operation.hpp"

using namespace sim;

namespace {

CUresult capture_info(State &s, const StreamRef &stream, CUstreamCaptureStatus *status, cuuint64_t *id) {
  for (const auto &capture : s.captures) {
    const bool implied =
        stream->legacy && std::any_of(capture->members.begin(), capture->members.end(), [&](const StreamRef &member) {
          return member->blocking && member->context == stream->context;
        });
    if (implied) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  const auto &capture = stream->capture;
  *status = capture == nullptr ? CU_STREAM_CAPTURE_STATUS_NONE
            : capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                               : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  if (id != nullptr && capture != nullptr) *id = capture->id;
  return CUDA_SUCCESS;
}

// What nodes a capture has so far is not told.
CUresult get_info(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id, const CUgraph *graph, bool nodes) {
  return call("cuStreamGetCaptureInfo", Needs::context, [&](State &s, Lock &) -> CUresult {
    const StreamRef stream = s.stream(handle);
    if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    if (status == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (graph != nullptr || nodes) return CUDA_ERROR_NOT_SUPPORTED;
    return capture_info(s, stream, status, id);
  });
}

bool all_joined(const Capture &capture) {
  const auto origin = capture.clocks.find(capture.origin->id);
  for (const auto &[stream, count] : capture.steps) {
    if (stream != capture.origin->id && (origin == capture.clocks.end() || origin->second.at(stream) < count)) return false;
  }
  return true;
}

CUresult end_capture(State &s, const StreamRef &stream, CUgraph *out) {
  const auto capture = stream->capture;
  if (capture == nullptr) return CUDA_ERROR_ILLEGAL_STATE;
  if (capture->origin != stream) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture->thread != thread_number())
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  for (const auto &member : capture->members) member->capture = nullptr;
  std::erase(s.captures, capture);
  *out = nullptr;
  if (capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!all_joined(*capture)) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  *out = as_handle<CUgraph>(s.graphs.add(capture->graph));
  return CUDA_SUCCESS;
}

}  // namespace

CUresult CUDAAPI cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode mode) {
  return call("cuStreamBeginCapture", Needs::context, [&](State &s, Lock &) -> CUresult {
    const StreamRef stream = s.stream(handle);
    if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    if (mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    if (stream->legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (stream->capture != nullptr) return CUDA_ERROR_ILLEGAL_STATE;
    auto capture = std::make_shared<Capture>();
    capture->id = s.next_capture++;
    capture->mode = mode;
    capture->thread = thread_number();
    capture->origin = stream;
    capture->graph = std::make_shared<Graph>();
    capture->members.push_back(stream);
    s.captures.push_back(capture);
    stream->capture = std::move(capture);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuStreamEndCapture(CUstream handle, CUgraph *out) {
  return call("cuStreamEndCapture", Needs::context, [&](State &s, Lock &) -> CUresult {
    const StreamRef stream = s.stream(handle);
    if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    return out == nullptr ? CUDA_ERROR_INVALID_VALUE : end_capture(s, stream, out);
  });
}

CUresult CUDAAPI cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status) {
  return call("cuStreamIsCapturing", Needs::context, [&](State &s, Lock &) -> CUresult {
    const StreamRef stream = s.stream(handle);
    if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    return status == nullptr ? CUDA_ERROR_INVALID_VALUE : capture_info(s, stream, status, nullptr);
  });
}

extern "C" CUresult CUDAAPI sim_capture_info_1(CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id) {
  return get_info(stream, status, id, nullptr, false);
}

extern "C" CUresult CUDAAPI cuStreamGetCaptureInfo_v2(CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id,
                                                      CUgraph *graph, const CUgraphNode **nodes, size_t *count) {
  return get_info(stream, status, id, graph, nodes != nullptr || count != nullptr);
}

extern "C" CUresult CUDAAPI cuStreamGetCaptureInfo_v3(CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id,
                                                      CUgraph *graph, const CUgraphNode **nodes, const CUgraphEdgeData **edges,
                                                      size_t *count) {
  return get_info(stream, status, id, graph, nodes != nullptr || edges != nullptr || count != nullptr);
}

CUresult CUDAAPI cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
  return call("cuThreadExchangeStreamCaptureMode", Needs::nothing, [&](State &, Lock &) -> CUresult {
    if (mode == nullptr || *mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    std::swap(*mode, thread_capture_mode());
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuGraphDestroy(CUgraph graph) {
  return call("cuGraphDestroy", Needs::driver,
              [&](State &s, Lock &) -> CUresult { return s.graphs.remove(graph) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; });
}

CUresult CUDAAPI cuGraphInstantiate(CUgraphExec *out, CUgraph graph, unsigned long long flags) {
  return call("cuGraphInstantiateWithFlags", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const auto found = s.graphs.find(graph);
    if (out == nullptr || found == nullptr || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    auto executable = std::make_shared<GraphExec>();
    executable->operations = found->operations;
    *out = as_handle<CUgraphExec>(s.executables.add(std::move(executable)));
    return CUDA_SUCCESS;
  });
}

// Its operations are done one after the other, in the order in which they were captured.
CUresult CUDAAPI cuGraphLaunch(CUgraphExec executable, CUstream handle) {
  return call("cuGraphLaunch", Needs::context, [&](State &s, Lock &lock) -> CUresult {
    const auto found = s.executables.find(executable);
    const StreamRef stream = s.stream(handle);
    if (found == nullptr || stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    for (const Operation &operation : found->operations) {
      const CUresult result = enqueue(s, lock, stream, operation);
      if (result != CUDA_SUCCESS) return result;
    }
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec executable) {
  return call("cuGraphExecDestroy", Needs::driver, [&](State &s, Lock &) -> CUresult {
    return s.executables.remove(executable) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}
