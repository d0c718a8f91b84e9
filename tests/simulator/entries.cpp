#include "entries.hpp"

#include <cuda.h>

#include <cstring>

#include "state.hpp"

extern "C" {
CUresult CUDAAPI cuCtxCreate_v2(CUcontext *, unsigned, CUdevice);
CUresult CUDAAPI sim_capture_info_1(CUstream, CUstreamCaptureStatus *, cuuint64_t *);
CUresult CUDAAPI cuStreamGetCaptureInfo_v2(CUstream, CUstreamCaptureStatus *, cuuint64_t *, CUgraph *, const CUgraphNode **,
                                           size_t *);
}

namespace sim {
namespace {

// The same function, to be called with stream 0 as the thread's own stream.
template <auto function>
struct PerThread;
template <class... Arguments, CUresult (*function)(Arguments...)>
struct PerThread<function> {
  static CUresult call(Arguments... arguments) {
    const DefaultStream scope(true);
    return function(arguments...);
  }
};

template <class Function>
void *address(Function *function) {
  return reinterpret_cast<void *>(function);
}

}  // namespace

// cuda.h makes the right symbol of a plain name.
#define PLAIN(name, since) \
  { #name, since, address(&name), nullptr }
#define STREAM(name, since) \
  { #name, since, address(&name), address(&PerThread <&name>::call) }
#define NAMED(name, since, symbol) \
  { name, since, address(&symbol), nullptr }
#define NAMED_STREAM(name, since, symbol) \
  { name, since, address(&symbol), address(&PerThread<&symbol>::call) }

const std::vector<Entry> &entries() {
  static const std::vector<Entry> all = {
      PLAIN(cuInit, 2000),
      PLAIN(cuDriverGetVersion, 2020),
      PLAIN(cuGetErrorName, 6000),
      PLAIN(cuGetErrorString, 6000),
      NAMED("cuGetProcAddress", 12000, cuGetProcAddress_v2),
      PLAIN(cuDeviceGet, 2000),
      PLAIN(cuDeviceGetCount, 2000),
      PLAIN(cuDeviceGetName, 2000),
      PLAIN(cuDeviceGetUuid, 9020),
      PLAIN(cuDeviceTotalMem, 3020),
      PLAIN(cuDeviceGetAttribute, 2000),
      PLAIN(cuDevicePrimaryCtxRetain, 7000),
      PLAIN(cuDevicePrimaryCtxRelease, 7000),
      PLAIN(cuDevicePrimaryCtxGetState, 7000),
      NAMED("cuCtxCreate", 3020, cuCtxCreate_v2),
      PLAIN(cuCtxCreate, 12050),
      PLAIN(cuCtxDestroy, 4000),
      PLAIN(cuCtxSetCurrent, 4000),
      PLAIN(cuCtxGetCurrent, 4000),
      PLAIN(cuCtxPushCurrent, 4000),
      PLAIN(cuCtxPopCurrent, 4000),
      PLAIN(cuCtxGetDevice, 2000),
      PLAIN(cuCtxSynchronize, 2000),
      PLAIN(cuCtxGetStreamPriorityRange, 5050),
      PLAIN(cuDeviceCanAccessPeer, 4000),
      PLAIN(cuDeviceGetP2PAttribute, 8000),
      PLAIN(cuCtxEnablePeerAccess, 4000),
      PLAIN(cuCtxDisablePeerAccess, 4000),
      PLAIN(cuMemGetInfo, 3020),
      PLAIN(cuMemAlloc, 3020),
      PLAIN(cuMemAllocManaged, 6000),
      PLAIN(cuMemFree, 3020),
      PLAIN(cuMemGetAddressRange, 3020),
      PLAIN(cuMemHostAlloc, 2020),
      PLAIN(cuMemAllocHost, 3020),
      PLAIN(cuMemFreeHost, 2000),
      PLAIN(cuMemHostRegister, 4000),
      PLAIN(cuMemHostUnregister, 4000),
      PLAIN(cuMemHostGetDevicePointer, 3020),
      PLAIN(cuPointerGetAttribute, 4000),
      PLAIN(cuPointerGetAttributes, 7000),
      PLAIN(cuMemGetAllocationGranularity, 10020),
      PLAIN(cuMemAddressReserve, 10020),
      PLAIN(cuMemAddressFree, 10020),
      PLAIN(cuMemCreate, 10020),
      PLAIN(cuMemRelease, 10020),
      PLAIN(cuMemMap, 10020),
      PLAIN(cuMemUnmap, 10020),
      PLAIN(cuMemSetAccess, 10020),
      PLAIN(cuMemGetAccess, 10020),
      PLAIN(cuMemExportToShareableHandle, 10020),
      PLAIN(cuMemImportFromShareableHandle, 10020),
      PLAIN(cuMemGetAllocationPropertiesFromHandle, 10020),
      PLAIN(cuMemRetainAllocationHandle, 11000),
      PLAIN(cuStreamCreate, 2000),
      PLAIN(cuStreamCreateWithPriority, 5050),
      PLAIN(cuStreamDestroy, 4000),
      STREAM(cuStreamGetPriority, 5050),
      STREAM(cuStreamGetFlags, 5050),
      STREAM(cuStreamGetCtx, 9020),
      STREAM(cuStreamGetId, 12000),
      STREAM(cuStreamQuery, 2000),
      STREAM(cuStreamSynchronize, 2000),
      STREAM(cuStreamWaitEvent, 3020),
      STREAM(cuLaunchHostFunc, 10000),
      PLAIN(cuEventCreate, 2000),
      PLAIN(cuEventDestroy, 4000),
      STREAM(cuEventRecord, 2000),
      STREAM(cuEventRecordWithFlags, 11010),
      PLAIN(cuEventQuery, 2000),
      PLAIN(cuEventSynchronize, 2000),
      PLAIN(cuEventElapsedTime, 2000),
      STREAM(cuMemcpy, 4000),
      STREAM(cuMemcpyHtoD, 3020),
      STREAM(cuMemcpyDtoH, 3020),
      STREAM(cuMemcpyDtoD, 3020),
      STREAM(cuMemcpyAsync, 4000),
      STREAM(cuMemcpyHtoDAsync, 3020),
      STREAM(cuMemcpyDtoHAsync, 3020),
      STREAM(cuMemcpyDtoDAsync, 3020),
      STREAM(cuMemcpyPeer, 4000),
      STREAM(cuMemcpyPeerAsync, 4000),
      STREAM(cuMemsetD8, 3020),
      STREAM(cuMemsetD32, 3020),
      STREAM(cuMemsetD8Async, 3020),
      STREAM(cuMemsetD16Async, 3020),
      STREAM(cuMemsetD32Async, 3020),
      PLAIN(cuIpcGetMemHandle, 4010),
      PLAIN(cuIpcOpenMemHandle, 4010),
      PLAIN(cuIpcCloseMemHandle, 4010),
      PLAIN(cuIpcGetEventHandle, 4010),
      PLAIN(cuIpcOpenEventHandle, 4010),
      STREAM(cuStreamBeginCapture, 10010),
      STREAM(cuStreamEndCapture, 10000),
      STREAM(cuStreamIsCapturing, 10000),
      NAMED_STREAM("cuStreamGetCaptureInfo", 10010, sim_capture_info_1),
      NAMED_STREAM("cuStreamGetCaptureInfo", 11030, cuStreamGetCaptureInfo_v2),
      NAMED_STREAM("cuStreamGetCaptureInfo", 12030, cuStreamGetCaptureInfo_v3),
      PLAIN(cuThreadExchangeStreamCaptureMode, 10010),
      PLAIN(cuGraphDestroy, 10000),
      NAMED("cuGraphInstantiateWithFlags", 11040, cuGraphInstantiateWithFlags),
      STREAM(cuGraphLaunch, 10000),
      PLAIN(cuGraphExecDestroy, 10000),
  };
  return all;
}

}  // namespace sim

using namespace sim;

CUresult CUDAAPI cuGetProcAddress(const char *name, void **out, int version, cuuint64_t flags,
                                  CUdriverProcAddressQueryResult *status) {
  return call("cuGetProcAddress", Needs::nothing, [&](State &s, Lock &) -> CUresult {
    if (name == nullptr || out == nullptr || version > s.settings.driver || flags > CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)
      return CUDA_ERROR_INVALID_VALUE;
    *out = nullptr;
    CUdriverProcAddressQueryResult result = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    for (const Entry &entry : entries()) {  // A later version of the same name comes later.
      if (std::strcmp(entry.name, name) != 0 || entry.since > s.settings.driver) continue;
      if (entry.since > version) {
        if (*out == nullptr) result = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
        continue;
      }
      const bool per_thread = flags == CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM && entry.per_thread != nullptr;
      *out = per_thread ? entry.per_thread : entry.function;
      result = CU_GET_PROC_ADDRESS_SUCCESS;
    }
    if (status != nullptr) *status = result;
    return CUDA_SUCCESS;
  });
}
