// What a capture of a stream forbids and allows.
#include <cstring>
#include <thread>

#include "contract.hpp"

using namespace contract;

namespace {

constexpr std::size_t kSize = 4096;

CUstreamCaptureStatus status_of(CUstream stream) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  OK(cu.cuStreamIsCapturing(stream, &status));
  return status;
}

CUstream begin(CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL, unsigned flags = CU_STREAM_NON_BLOCKING) {
  const CUstream stream = new_stream(flags);
  OK(cu.cuStreamBeginCapture(stream, mode));
  return stream;
}

CUgraph end(CUstream stream) {
  CUgraph graph = nullptr;
  OK(cu.cuStreamEndCapture(stream, &graph));
  SO(graph != nullptr);
  return graph;
}

void ends_spoiled(CUstream stream) {
  CUgraph graph = nullptr;
  SO(status_of(stream) == CU_STREAM_CAPTURE_STATUS_INVALIDATED);
  GIVES(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cu.cuStreamEndCapture(stream, &graph));
  SO(graph == nullptr && status_of(stream) == CU_STREAM_CAPTURE_STATUS_NONE);
}

}  // namespace

RULE(captured_work_is_done_by_the_graph) {
  CUgraphExec executable = nullptr;
  use();
  const CUdeviceptr address = allocate(kSize);
  fill(address, 1, kSize);
  const CUstream stream = begin();
  SO(status_of(stream) == CU_STREAM_CAPTURE_STATUS_ACTIVE);
  OK(cu.cuMemsetD8Async(address, 2, kSize, stream));
  const CUgraph graph = end(stream);
  SO(status_of(stream) == CU_STREAM_CAPTURE_STATUS_NONE);
  SO(filled(address, 1, kSize));
  OK(cu.cuGraphInstantiateWithFlags(&executable, graph, 0));
  OK(cu.cuGraphLaunch(executable, stream));
  OK(cu.cuStreamSynchronize(stream));
  SO(filled(address, 2, kSize));
}

RULE(the_mode_is_exchanged_without_a_context) {
  OK(cu.cuInit(0));
  const auto exchange = [] {
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    OK(cu.cuThreadExchangeStreamCaptureMode(&mode));
    SO(mode == CU_STREAM_CAPTURE_MODE_GLOBAL);
    OK(cu.cuThreadExchangeStreamCaptureMode(&mode));
    SO(mode == CU_STREAM_CAPTURE_MODE_RELAXED);
  };
  exchange();
  std::thread(exchange).join();
}

RULE(ordinary_host_memory_is_copied_by_a_graph) {
  CUgraphExec executable = nullptr;
  unsigned char bytes[64];
  use();
  const CUdeviceptr address = allocate(sizeof bytes);
  fill(address, 1, sizeof bytes);
  memset(bytes, 2, sizeof bytes);
  const CUstream stream = begin();
  OK(cu.cuMemcpyAsync(address, reinterpret_cast<CUdeviceptr>(bytes), sizeof bytes, stream));
  const CUgraph graph = end(stream);
  SO(filled(address, 1, sizeof bytes));
  OK(cu.cuGraphInstantiateWithFlags(&executable, graph, 0));
  OK(cu.cuGraphLaunch(executable, stream));
  OK(cu.cuStreamSynchronize(stream));
  SO(filled(address, 2, sizeof bytes));
}

RULE(each_capture_has_its_number) {
  CUstreamCaptureStatus status;
  cuuint64_t one = 0, again = 0, other = 0;
  use();
  const CUstream stream = begin();
  OK(cu.cuStreamGetCaptureInfo(stream, &status, &one));
  OK(cu.cuStreamGetCaptureInfo(stream, &status, &again));
  SO(status == CU_STREAM_CAPTURE_STATUS_ACTIVE && one == again);
  end(stream);
  OK(cu.cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  OK(cu.cuStreamGetCaptureInfo(stream, &status, &other));
  SO(one != other);
}

RULE(asking_for_an_event_spoils_a_capture) {
  use();
  const CUevent event = recorded(new_stream());
  const CUstream stream = begin();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.cuEventQuery(event));
  ends_spoiled(stream);
}

RULE(allocating_spoils_a_capture) {
  CUdeviceptr address = 0;
  use();
  const CUstream stream = begin();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.cuMemAlloc(&address, kSize));
  ends_spoiled(stream);
}

RULE(freeing_spoils_a_capture) {
  use();
  const CUdeviceptr address = allocate(kSize);
  const CUstream stream = begin();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.cuMemFree(address));
  ends_spoiled(stream);
}

RULE(another_threads_call_spoils_a_global_capture) {
  const CUcontext context = use();
  const CUevent event = recorded(new_stream());
  const CUstream stream = begin();
  CUresult result = CUDA_SUCCESS;
  std::thread([&] {
    OK(cu.cuCtxSetCurrent(context));
    result = cu.cuEventQuery(event);
  }).join();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, result);
  ends_spoiled(stream);
}

RULE(another_threads_call_does_not_mind_a_threads_capture) {
  const CUcontext context = use();
  const CUstream stream = begin(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  CUresult result = CUDA_ERROR_UNKNOWN;
  std::thread([&] {
    CUdeviceptr address = 0;
    OK(cu.cuCtxSetCurrent(context));
    result = cu.cuMemAlloc(&address, kSize);
  }).join();
  OK(result);
  end(stream);
}

RULE(a_thread_in_relaxed_mode_allocates_during_a_capture) {
  CUdeviceptr address = 0;
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  use();
  const CUstream stream = begin();
  OK(cu.cuThreadExchangeStreamCaptureMode(&mode));
  SO(mode == CU_STREAM_CAPTURE_MODE_GLOBAL);
  OK(cu.cuMemAlloc(&address, kSize));
  OK(cu.cuMemFree(address));
  OK(cu.cuThreadExchangeStreamCaptureMode(&mode));
  SO(mode == CU_STREAM_CAPTURE_MODE_RELAXED);
  end(stream);
}

RULE(a_thread_in_relaxed_mode_asks_and_waits_during_a_capture) {
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  std::size_t available = 0, total = 0;
  use();
  const CUstream other = new_stream();
  const CUevent event = recorded(other);
  const CUstream stream = begin();
  OK(cu.cuThreadExchangeStreamCaptureMode(&mode));
  OK(cu.cuEventSynchronize(event));
  OK(cu.cuEventQuery(event));
  OK(cu.cuStreamSynchronize(other));
  OK(cu.cuStreamQuery(other));
  OK(cu.cuMemGetInfo(&available, &total));
  new_stream();
  OK(cu.cuEventDestroy(new_event()));
  OK(cu.cuThreadExchangeStreamCaptureMode(&mode));
  end(stream);
}

RULE(a_thread_in_relaxed_mode_maps_memory_during_a_capture) {
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  granularity();
  use();
  const CUstream stream = begin();
  OK(cu.cuThreadExchangeStreamCaptureMode(&mode));
  const Mapping mapping = map_new();
  OK(cu.cuMemUnmap(mapping.address, mapping.size));
  OK(cu.cuMemRelease(mapping.handle));
  OK(cu.cuMemAddressFree(mapping.address, mapping.size));
  OK(cu.cuThreadExchangeStreamCaptureMode(&mode));
  end(stream);
}

RULE(a_relaxed_capture_minds_no_call) {
  CUdeviceptr address = 0;
  use();
  const CUevent event = recorded(new_stream());
  const CUstream stream = begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  OK(cu.cuMemAlloc(&address, kSize));
  OK(cu.cuEventSynchronize(event));
  OK(cu.cuMemFree(address));
  end(stream);
}

RULE(mapping_memory_does_not_mind_a_relaxed_capture) {
  granularity();
  use();
  const CUstream stream = begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  const Mapping mapping = map_new();
  OK(cu.cuMemsetD8Async(mapping.address, 1, mapping.size, stream));
  end(stream);
}

RULE(a_capturing_stream_is_not_waited_for) {
  use();
  const CUstream stream = begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.cuStreamSynchronize(stream));
  ends_spoiled(stream);
}

RULE(a_capturing_stream_is_not_asked) {
  use();
  const CUstream stream = begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.cuStreamQuery(stream));
}

RULE(a_capturing_device_is_not_waited_for) {
  use();
  begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.cuCtxSynchronize());
}

RULE(a_captured_event_is_not_asked) {
  use();
  const CUstream stream = begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  const CUevent event = recorded(stream);
  GIVES(CUDA_ERROR_CAPTURED_EVENT, cu.cuEventQuery(event));
  GIVES(CUDA_ERROR_CAPTURED_EVENT, cu.cuEventSynchronize(event));
}

RULE(a_record_outside_makes_a_captured_event_an_ordinary_one) {
  use();
  const CUstream stream = begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  const CUevent event = recorded(stream);
  end(stream);
  GIVES(CUDA_ERROR_CAPTURED_EVENT, cu.cuEventQuery(event));
  OK(cu.cuEventRecord(event, stream));
  OK(cu.cuEventSynchronize(event));
  OK(cu.cuEventQuery(event));
}

RULE(the_legacy_stream_is_not_captured) {
  use();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.cuStreamBeginCapture(nullptr, CU_STREAM_CAPTURE_MODE_GLOBAL));
}

RULE(the_legacy_stream_is_no_use_while_a_blocking_one_is_captured) {
  CUstreamCaptureStatus status;
  use();
  const CUdeviceptr address = allocate(kSize);
  const CUstream stream = begin(CU_STREAM_CAPTURE_MODE_RELAXED, CU_STREAM_DEFAULT);
  GIVES(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cu.cuStreamIsCapturing(nullptr, &status));
  GIVES(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cu.cuMemsetD8Async(address, 1, kSize, nullptr));
  ends_spoiled(stream);
}

RULE(asking_whether_the_legacy_stream_is_captured_spoils_nothing) {
  CUstreamCaptureStatus status;
  use();
  const CUstream stream = begin(CU_STREAM_CAPTURE_MODE_GLOBAL, CU_STREAM_DEFAULT);
  GIVES(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cu.cuStreamIsCapturing(nullptr, &status));
  end(stream);
}

RULE(the_legacy_stream_does_not_mind_a_non_blocking_one_captured) {
  use();
  const CUdeviceptr address = allocate(kSize);
  const CUstream stream = begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  SO(status_of(nullptr) == CU_STREAM_CAPTURE_STATUS_NONE);
  OK(cu.cuMemsetD8Async(address, 1, kSize, nullptr));
  end(stream);
}

RULE(an_event_takes_another_stream_into_the_capture) {
  use();
  const CUdeviceptr address = allocate(kSize);
  const CUstream other = new_stream(), stream = begin();
  OK(cu.cuStreamWaitEvent(other, recorded(stream), 0));
  SO(status_of(other) == CU_STREAM_CAPTURE_STATUS_ACTIVE);
  OK(cu.cuMemsetD8Async(address, 1, kSize, other));
  OK(cu.cuStreamWaitEvent(stream, recorded(other), 0));
  end(stream);
  SO(status_of(other) == CU_STREAM_CAPTURE_STATUS_NONE);
}

RULE(a_capture_ends_when_all_its_streams_came_back) {
  CUgraph graph = nullptr;
  use();
  const CUdeviceptr address = allocate(kSize);
  const CUstream other = new_stream(), stream = begin();
  OK(cu.cuStreamWaitEvent(other, recorded(stream), 0));
  OK(cu.cuMemsetD8Async(address, 1, kSize, other));
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, cu.cuStreamEndCapture(stream, &graph));
}

RULE(a_capture_does_not_wait_for_work_from_before_it) {
  use();
  const CUevent event = recorded(new_stream());
  const CUstream stream = begin();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, cu.cuStreamWaitEvent(stream, event, 0));
}

RULE(a_capture_ends_on_its_thread) {
  const CUcontext context = use();
  const CUstream stream = begin();
  CUresult result = CUDA_SUCCESS;
  std::thread([&] {
    CUgraph graph = nullptr;
    OK(cu.cuCtxSetCurrent(context));
    result = cu.cuStreamEndCapture(stream, &graph);
  }).join();
  GIVES(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, result);
}

RULE(a_capture_ends_where_it_began) {
  CUgraph graph = nullptr;
  use();
  const CUstream other = new_stream(), stream = begin();
  OK(cu.cuStreamWaitEvent(other, recorded(stream), 0));
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, cu.cuStreamEndCapture(other, &graph));
}

RULE(a_stream_that_is_not_captured_has_no_capture_to_end) {
  CUgraph graph = nullptr;
  use();
  GIVES(CUDA_ERROR_ILLEGAL_STATE, cu.cuStreamEndCapture(new_stream(), &graph));
}
