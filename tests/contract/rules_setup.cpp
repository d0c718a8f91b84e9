// Entry points, initialisation, contexts.
#include <cstring>
#include <string>
#include <thread>

#include "contract.hpp"

using namespace contract;

RULE(a_version_above_the_drivers_is_refused) {
  int version = 0;
  void *found = nullptr;
  CUdriverProcAddressQueryResult status;
  OK(cu.cuDriverGetVersion(&version));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.get("cuMemAlloc", &found, version + 1000, 0, &status));
}

RULE(an_unknown_entry_is_told_as_not_found) {
  CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SUCCESS;
  SO(cu.find("cuNoSuchEntry", 12000, 0, &status) == nullptr);
  SO(status == CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
}

RULE(an_entry_newer_than_asked_for_is_told_as_such) {
  CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SUCCESS;
  SO(cu.find("cuMemCreate", 10000, 0, &status) == nullptr);
  SO(status == CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
}

RULE(calls_before_init_say_so) {
  int count = 0;
  GIVES(CUDA_ERROR_NOT_INITIALIZED, cu.cuDeviceGetCount(&count));
}

RULE(init_twice_is_fine) {
  OK(cu.cuInit(0));
  OK(cu.cuInit(0));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuInit(1));
}

RULE(error_names_are_those_of_the_header) {
  const char *name = nullptr;
  OK(cu.cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &name));
  SO(std::strcmp(name, "CUDA_ERROR_OUT_OF_MEMORY") == 0);
  OK(cu.cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &name));
  SO(*name != 0);
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuGetErrorName(static_cast<CUresult>(998), &name));
}

RULE(a_device_that_is_not_there_is_invalid) {
  CUdevice device = 0;
  CUcontext context = nullptr;
  const int count = devices();
  GIVES(CUDA_ERROR_INVALID_DEVICE, cu.cuDeviceGet(&device, count));
  GIVES(CUDA_ERROR_INVALID_DEVICE, cu.cuDeviceGet(&device, -1));
  GIVES(CUDA_ERROR_INVALID_DEVICE, cu.cuDevicePrimaryCtxRetain(&context, count));
}

RULE(memory_needs_a_context) {
  CUdeviceptr address = 0;
  std::size_t some = 0, all = 0;
  OK(cu.cuInit(0));
  GIVES(CUDA_ERROR_INVALID_CONTEXT, cu.cuMemAlloc(&address, 4096));
  GIVES(CUDA_ERROR_INVALID_CONTEXT, cu.cuMemGetInfo(&some, &all));
}

RULE(a_primary_context_is_one_and_counts) {
  CUcontext again = nullptr;
  const CUcontext context = use();
  OK(cu.cuDevicePrimaryCtxRetain(&again, 0));
  SO(context == again);
  const CUdeviceptr address = allocate(4096);
  OK(cu.cuDevicePrimaryCtxRelease(0));
  fill(address, 1, 4096);
  OK(cu.cuMemFree(address));
  OK(cu.cuDevicePrimaryCtxRelease(0));
  GIVES(CUDA_ERROR_INVALID_CONTEXT, cu.cuDevicePrimaryCtxRelease(0));
}

RULE(the_last_release_of_a_context_frees_its_memory) {
  constexpr std::size_t kSize = 64 << 20;
  std::size_t before = 0, now = 0, all = 0;
  use();
  allocate(kSize);
  OK(cu.cuMemGetInfo(&before, &all));
  OK(cu.cuDevicePrimaryCtxRelease(0));
  use();
  OK(cu.cuMemGetInfo(&now, &all));
  SO(now >= before + kSize / 2);
}

RULE(the_state_of_a_primary_context_is_told) {
  unsigned flags = 0;
  int active = 1;
  OK(cu.cuInit(0));
  OK(cu.cuDevicePrimaryCtxGetState(0, &flags, &active));
  SO(active == 0);
  use();
  OK(cu.cuDevicePrimaryCtxGetState(0, &flags, &active));
  SO(active == 1);
}

RULE(the_current_context_is_the_threads_own) {
  CUcontext seen = nullptr;
  CUresult result = CUDA_ERROR_UNKNOWN;
  const CUcontext context = use();
  std::thread([&] { result = cu.cuCtxGetCurrent(&seen); }).join();
  OK(result);
  SO(seen == nullptr);
  OK(cu.cuCtxGetCurrent(&seen));
  SO(seen == context);
}

RULE(contexts_are_pushed_and_popped) {
  CUcontext top = nullptr;
  const CUcontext context = use();
  OK(cu.cuCtxPushCurrent(context));
  OK(cu.cuCtxSetCurrent(nullptr));
  OK(cu.cuCtxGetCurrent(&top));
  SO(top == context);  // Setting none pops.
  OK(cu.cuCtxPopCurrent(&top));
  SO(top == context);
  GIVES(CUDA_ERROR_INVALID_CONTEXT, cu.cuCtxPopCurrent(&top));
}

RULE(memory_of_any_context_is_freed_from_any_thread) {
  const CUcontext context = use();
  const CUdeviceptr address = allocate(4096);
  CUresult result = CUDA_ERROR_UNKNOWN;
  std::thread([&] {
    result = cu.cuCtxSetCurrent(context);
    if (result == CUDA_SUCCESS) result = cu.cuMemFree(address);
  }).join();
  OK(result);
}
