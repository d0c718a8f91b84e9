// What the driver knows of an address.
#include <cstring>

#include "state.hpp"

using namespace sim;

namespace {

template <class T>
void put(void *out, T value) {
  std::memcpy(out, &value, sizeof value);
}

CUresult answer(State &s, void *out, CUpointer_attribute which, CUdeviceptr address) {
  std::uint64_t base = 0;
  const Range *range = s.memory.find(address, &base);
  if (out == nullptr || range == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const int device = range->block->device;
  switch (which) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      put(out, range->context == nullptr ? nullptr : as_handle<CUcontext>(range->context->handle));
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      put(out, range->kind == Kind::host || range->kind == Kind::registered ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      put(out, address);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      if (device >= 0) return CUDA_ERROR_INVALID_VALUE;
      put(out, address);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      put(out, range->number);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      put(out, range->kind == Kind::managed ? 1U : 0U);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      put(out, device >= 0 || range->context == nullptr ? device : range->context->device);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
      put(out, range->kind == Kind::plain ? 1U : 0U);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      put(out, base);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      put(out, range->size);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MAPPED:
      put(out, 1U);
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

// Zero in the type of the answer, for addresses that the driver doesn't know.
void put_nothing(void *out, CUpointer_attribute which) {
  switch (which) {
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      put(out, -2);
      return;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_MAPPED:
      put(out, 0U);
      return;
    default:
      put(out, std::uint64_t{0});
      return;
  }
}

}  // namespace

CUresult CUDAAPI cuPointerGetAttribute(void *out, CUpointer_attribute which, CUdeviceptr address) {
  return call("cuPointerGetAttribute", Needs::context, [&](State &s, Lock &) { return answer(s, out, which, address); });
}

CUresult CUDAAPI cuPointerGetAttributes(unsigned count, CUpointer_attribute *which, void **out, CUdeviceptr address) {
  return call("cuPointerGetAttributes", Needs::context, [&](State &s, Lock &) -> CUresult {
    if (which == nullptr || out == nullptr) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < count; ++i) {
      const CUresult result = answer(s, out[i], which[i], address);
      if (result == CUDA_ERROR_NOT_SUPPORTED || out[i] == nullptr) return CUDA_ERROR_INVALID_VALUE;
      if (result != CUDA_SUCCESS) put_nothing(out[i], which[i]);
    }
    return CUDA_SUCCESS;
  });
}
