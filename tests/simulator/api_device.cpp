// Devices, the driver's version, contexts.
#include <cstring>

#include "operation.hpp"

using namespace sim;

namespace {

CUcontext handle_of(const Context &context) { return as_handle<CUcontext>(context.handle); }

std::shared_ptr<Context> make_context(State &s, int device, bool primary) {
  auto context = std::make_shared<Context>();
  context->device = device;
  context->primary = primary;
  context->handle = s.contexts.add(context);
  return context;
}

CUresult create_context(const char *name, CUcontext *out, unsigned flags, CUdevice device) {
  return call(name, Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!s.valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    const auto context = make_context(s, device, false);
    context->alive = true;
    context->flags = flags;
    context_stack().push_back(context->handle);
    *out = handle_of(*context);
    return CUDA_SUCCESS;
  });
}

int attribute(State &s, CUdevice_attribute which, CUdevice device) {
  switch (which) {
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY:
    case CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
      return 1;
    case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED:
      return s.settings.virtual_memory ? 1 : 0;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      return 8;
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID:
      return device;
    default:
      return 0;
  }
}

}  // namespace

CUresult CUDAAPI cuInit(unsigned flags) {
  return call("cuInit", Needs::nothing, [&](State &s, Lock &) -> CUresult {
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (!s.broken.empty()) return CUDA_ERROR_OPERATING_SYSTEM;
    if (s.settings.devices == 0) return CUDA_ERROR_NO_DEVICE;
    if (s.initialised) return CUDA_SUCCESS;
    std::string why;
    if (!s.world.open(s.settings, &why)) {
      std::fprintf(stderr, "sim: %s\n", why.c_str());
      return CUDA_ERROR_OPERATING_SYSTEM;
    }
    for (int i = 0; i < s.world.shared().devices; ++i) s.primaries[static_cast<std::size_t>(i)] = make_context(s, i, true);
    s.initialised = true;
    if (s.settings.schedule != Schedule::now && s.settings.patience != 0) s.scheduler.watch(&s.world);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuDriverGetVersion(int *version) {
  return call("cuDriverGetVersion", Needs::nothing, [&](State &s, Lock &) -> CUresult {
    if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *version = s.settings.driver;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuDeviceGetCount(int *count) {
  return call("cuDeviceGetCount", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (count == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *count = s.device_count();
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuDeviceGet(CUdevice *device, int ordinal) {
  return call("cuDeviceGet", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!s.valid(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuDeviceGetName(char *name, int length, CUdevice device) {
  return call("cuDeviceGetName", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (name == nullptr || length <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (!s.valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    std::snprintf(name, static_cast<std::size_t>(length), "Simulated device %d", device);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuDeviceGetUuid(CUuuid *uuid, CUdevice device) {
  return call("cuDeviceGetUuid", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (uuid == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!s.valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    std::memset(uuid, 0, sizeof *uuid);
    std::memcpy(uuid->bytes, &s.world.shared().id, sizeof s.world.shared().id);
    uuid->bytes[15] = static_cast<char>(device);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuDeviceTotalMem(size_t *bytes, CUdevice device) {
  return call("cuDeviceTotalMem", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (bytes == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!s.valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    *bytes = s.world.shared().memory[device];
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuDeviceGetAttribute(int *value, CUdevice_attribute which, CUdevice device) {
  return call("cuDeviceGetAttribute", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (value == nullptr || which <= 0 || which >= CU_DEVICE_ATTRIBUTE_MAX) return CUDA_ERROR_INVALID_VALUE;
    if (!s.valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    *value = attribute(s, which, device);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device) {
  return call("cuDevicePrimaryCtxRetain", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!s.valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    Context &context = *s.primaries[static_cast<std::size_t>(device)];
    ++context.references;
    context.alive = true;
    *out = handle_of(context);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuDevicePrimaryCtxRelease(CUdevice device) {
  return call("cuDevicePrimaryCtxRelease", Needs::driver, [&](State &s, Lock &lock) -> CUresult {
    if (!s.valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    Context &context = *s.primaries[static_cast<std::size_t>(device)];
    if (context.references == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--context.references == 0) s.end(lock, &context);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active) {
  return call("cuDevicePrimaryCtxGetState", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (!s.valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    if (flags == nullptr || active == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *flags = s.primaries[static_cast<std::size_t>(device)]->flags;
    *active = s.primaries[static_cast<std::size_t>(device)]->alive ? 1 : 0;
    return CUDA_SUCCESS;
  });
}

extern "C" CUresult CUDAAPI cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice device) {
  return create_context("cuCtxCreate", out, flags, device);
}

CUresult CUDAAPI cuCtxCreate(CUcontext *out, CUctxCreateParams *, unsigned flags, CUdevice device) {
  return create_context("cuCtxCreate", out, flags, device);
}

CUresult CUDAAPI cuCtxDestroy(CUcontext handle) {
  return call("cuCtxDestroy", Needs::driver, [&](State &s, Lock &lock) -> CUresult {
    const auto context = s.contexts.find(handle);
    if (context == nullptr || context->primary) return CUDA_ERROR_INVALID_CONTEXT;
    if (!context->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    s.end(lock, context.get());
    if (!context_stack().empty() && context_stack().back() == context->handle) context_stack().pop_back();
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuCtxSetCurrent(CUcontext handle) {
  return call("cuCtxSetCurrent", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (handle != nullptr && s.contexts.find(handle) == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    auto &stack = context_stack();
    if (!stack.empty()) stack.pop_back();
    if (handle != nullptr) stack.push_back(s.contexts.find(handle)->handle);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuCtxGetCurrent(CUcontext *out) {
  return call("cuCtxGetCurrent", Needs::driver, [&](State &, Lock &) -> CUresult {
    if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *out = context_stack().empty() ? nullptr : as_handle<CUcontext>(context_stack().back());
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuCtxPushCurrent(CUcontext handle) {
  return call("cuCtxPushCurrent", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const auto context = s.contexts.find(handle);
    if (context == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    context_stack().push_back(context->handle);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuCtxPopCurrent(CUcontext *out) {
  return call("cuCtxPopCurrent", Needs::driver, [&](State &, Lock &) -> CUresult {
    auto &stack = context_stack();
    if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (out != nullptr) *out = as_handle<CUcontext>(stack.back());
    stack.pop_back();
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuCtxGetDevice(CUdevice *device) {
  return call("cuCtxGetDevice", Needs::context, [&](State &s, Lock &) -> CUresult {
    if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *device = s.current()->device;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuCtxSynchronize(void) {
  return call("cuCtxSynchronize", Needs::context, [&](State &s, Lock &lock) -> CUresult {
    const Context *context = s.current();
    bool refused = false;
    for (const auto &stream : s.scheduler.streams()) {
      if (stream->context == context && stream->capture != nullptr) stream->capture->invalid = refused = true;
    }
    if (refused) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    s.wait_idle(lock, context);
    return CUDA_SUCCESS;
  });
}
