// Access to the memory of other devices.
#include "state.hpp"

using namespace sim;

CUresult CUDAAPI cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
  return call("cuDeviceCanAccessPeer", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (can == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!s.valid(device) || !s.valid(peer)) return CUDA_ERROR_INVALID_DEVICE;
    *can = device != peer && s.settings.peers ? 1 : 0;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute which, CUdevice device, CUdevice peer) {
  return call("cuDeviceGetP2PAttribute", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (value == nullptr || device == peer) return CUDA_ERROR_INVALID_VALUE;
    if (!s.valid(device) || !s.valid(peer)) return CUDA_ERROR_INVALID_DEVICE;
    *value = which == CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED && s.settings.peers ? 1 : 0;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
  return call("cuCtxEnablePeerAccess", Needs::context, [&](State &s, Lock &) -> CUresult {
    const auto other = s.contexts.find(peer);
    Context *own = s.current();
    if (other == nullptr || !other->alive || other.get() == own) return CUDA_ERROR_INVALID_CONTEXT;
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (other->device == own->device || !s.settings.peers) return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
    return own->peers.insert(other->device).second ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
  });
}

CUresult CUDAAPI cuCtxDisablePeerAccess(CUcontext peer) {
  return call("cuCtxDisablePeerAccess", Needs::context, [&](State &s, Lock &) -> CUresult {
    const auto other = s.contexts.find(peer);
    if (other == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    return s.current()->peers.erase(other->device) != 0 ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
  });
}
