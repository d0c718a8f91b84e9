// Copies and fills.
#include "operation.hpp"

using namespace sim;

namespace {

std::uint64_t number_of(const void *pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

Operation copy(std::uint64_t to, std::uint64_t from, std::uint64_t size, bool peer = false) {
  Operation operation;
  operation.kind = Operation::Kind::copy;
  operation.to = to;
  operation.from = from;
  operation.size = size;
  operation.peer = peer;
  return operation;
}

CUresult queue(const char *name, CUstream stream, const Operation &operation) {
  return call(name, Needs::context, [&](State &s, Lock &lock) -> CUresult {
    if (operation.size == 0) return CUDA_SUCCESS;
    if (operation.kind == Operation::Kind::fill && operation.to % operation.width != 0) return CUDA_ERROR_INVALID_VALUE;
    return enqueue(s, lock, stream, operation);
  });
}

// On the default stream; whether the host waits depends on what is copied.
CUresult do_now(const char *name, const Operation &operation, bool wait) {
  return call(name, Needs::context, [&](State &s, Lock &lock) -> CUresult {
    const CUresult refused = refuse_unsafe(s);
    if (refused != CUDA_SUCCESS || operation.size == 0) return refused;
    if (operation.kind == Operation::Kind::fill && operation.to % operation.width != 0) return CUDA_ERROR_INVALID_VALUE;
    const StreamRef stream = s.stream(nullptr);
    const CUresult result = enqueue(s, lock, stream, operation);
    if (result != CUDA_SUCCESS || !wait) return result;
    const Until until{stream, stream->enqueued};
    const Clock clock = stream->clock;
    s.scheduler.wait(lock, [&] { return until.over(); });
    s.finished(until, clock);
    return CUDA_SUCCESS;
  });
}

Operation fill(std::uint64_t to, std::uint32_t value, unsigned width, std::uint64_t count) {
  Operation operation;
  operation.kind = Operation::Kind::fill;
  operation.to = to;
  operation.value = value;
  operation.width = width;
  operation.size = count > UINT64_MAX / width ? UINT64_MAX : count * width;
  return operation;
}

}  // namespace

CUresult CUDAAPI cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t size) { return do_now("cuMemcpy", copy(to, from, size), true); }

CUresult CUDAAPI cuMemcpyHtoD(CUdeviceptr to, const void *from, size_t size) {
  return do_now("cuMemcpyHtoD", copy(to, number_of(from), size), true);
}

CUresult CUDAAPI cuMemcpyDtoH(void *to, CUdeviceptr from, size_t size) {
  return do_now("cuMemcpyDtoH", copy(number_of(to), from, size), true);
}

CUresult CUDAAPI cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, size_t size) {
  return do_now("cuMemcpyDtoD", copy(to, from, size), false);
}

CUresult CUDAAPI cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
  return queue("cuMemcpyAsync", stream, copy(to, from, size));
}

CUresult CUDAAPI cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t size, CUstream stream) {
  return queue("cuMemcpyHtoDAsync", stream, copy(to, number_of(from), size));
}

CUresult CUDAAPI cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t size, CUstream stream) {
  return queue("cuMemcpyDtoHAsync", stream, copy(number_of(to), from, size));
}

CUresult CUDAAPI cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
  return queue("cuMemcpyDtoDAsync", stream, copy(to, from, size));
}

CUresult CUDAAPI cuMemcpyPeer(CUdeviceptr to, CUcontext, CUdeviceptr from, CUcontext, size_t size) {
  return do_now("cuMemcpyPeer", copy(to, from, size, true), false);
}

CUresult CUDAAPI cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t size,
                                   CUstream stream) {
  return call("cuMemcpyPeerAsync", Needs::context, [&](State &s, Lock &lock) -> CUresult {
    if (s.contexts.find(to_context) == nullptr || s.contexts.find(from_context) == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    return size == 0 ? CUDA_SUCCESS : enqueue(s, lock, stream, copy(to, from, size, true));
  });
}

CUresult CUDAAPI cuMemsetD8(CUdeviceptr to, unsigned char value, size_t count) {
  return do_now("cuMemsetD8", fill(to, value, 1, count), false);
}

CUresult CUDAAPI cuMemsetD32(CUdeviceptr to, unsigned value, size_t count) {
  return do_now("cuMemsetD32", fill(to, value, 4, count), false);
}

CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return queue("cuMemsetD8Async", stream, fill(to, value, 1, count));
}

CUresult CUDAAPI cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count, CUstream stream) {
  return queue("cuMemsetD16Async", stream, fill(to, value, 2, count));
}

CUresult CUDAAPI cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  return queue("cuMemsetD32Async", stream, fill(to, value, 4, count));
}
