// Several devices.
#include "contract.hpp"

using namespace contract;

namespace {

constexpr std::size_t kSize = 1 << 20;

struct Two {
  CUcontext first, second;
};

// Both contexts; the first device's is current.
Two two_devices() {
  if (devices() < 2) skip("one device");
  const CUcontext second = use(1);
  return {use(0), second};
}

Two two_peers() {
  const Two two = two_devices();
  int can = 0;
  OK(cu.cuDeviceCanAccessPeer(&can, 0, 1));
  if (can == 0) skip("the devices are no peers");
  return two;
}

CUdeviceptr allocate_on(CUcontext context, CUcontext back) {
  OK(cu.cuCtxSetCurrent(context));
  const CUdeviceptr address = allocate(kSize);
  OK(cu.cuCtxSetCurrent(back));
  return address;
}

}  // namespace

RULE(a_device_is_no_peer_of_itself) {
  int can = 1;
  use();
  OK(cu.cuDeviceCanAccessPeer(&can, 0, 0));
  SO(can == 0);
}

RULE(a_context_is_no_peer_of_itself) {
  const CUcontext context = use();
  FAILS(cu.cuCtxEnablePeerAccess(context, 0));
}

RULE(peer_access_is_enabled_once) {
  const Two two = two_peers();
  GIVES(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, cu.cuCtxDisablePeerAccess(two.second));
  OK(cu.cuCtxEnablePeerAccess(two.second, 0));
  GIVES(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, cu.cuCtxEnablePeerAccess(two.second, 0));
  OK(cu.cuCtxDisablePeerAccess(two.second));
}

RULE(flags_of_peer_access_are_refused) {
  const Two two = two_peers();
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuCtxEnablePeerAccess(two.second, 1));
}

RULE(a_peer_fills_the_others_memory_with_access) {
  const Two two = two_peers();
  const CUdeviceptr address = allocate_on(two.second, two.first);
  OK(cu.cuCtxEnablePeerAccess(two.second, 0));
  fill(address, 3, kSize);
  SO(filled(address, 3, kSize));
}

RULE(copies_between_devices_need_no_access) {
  const Two two = two_devices();
  const CUdeviceptr from = allocate(kSize), to = allocate_on(two.second, two.first);
  const CUstream stream = new_stream();
  fill(from, 0x71, kSize);
  OK(cu.cuMemcpyPeerAsync(to, two.second, from, two.first, kSize, stream));
  OK(cu.cuStreamSynchronize(stream));
  SO(filled(to, 0x71, kSize));
  fill(from, 0x72, kSize);
  OK(cu.cuMemcpyDtoDAsync(to, from, kSize, stream));
  OK(cu.cuStreamSynchronize(stream));
  SO(filled(to, 0x72, kSize));
}

RULE(mapped_memory_of_another_device_needs_its_access_set) {
  two_peers();
  const Mapping mapping = map_new(1);
  CUresult result = cu.cuMemsetD8(mapping.address, 1, mapping.size);
  if (result == CUDA_SUCCESS) result = cu.cuCtxSynchronize();
  FAILS(result);
}

RULE(access_to_mapped_memory_is_set_for_a_peer) {
  two_peers();
  const Mapping mapping = map_new(1);
  const CUmemAccessDesc rights[] = {access(0), access(1)};
  OK(cu.cuMemSetAccess(mapping.address, mapping.size, rights, 2));
  fill(mapping.address, 0x73, mapping.size);
  SO(filled(mapping.address, 0x73, mapping.size));
}

RULE(access_of_one_device_leaves_that_of_others) {
  two_peers();
  const Mapping mapping = map_new(1);
  CUmemAccessDesc rights = access(0);
  OK(cu.cuMemSetAccess(mapping.address, mapping.size, &rights, 1));
  fill(mapping.address, 0x75, mapping.size);
  use(1);
  fill(mapping.address, 0x76, mapping.size);
  rights = access(0, CU_MEM_ACCESS_FLAGS_PROT_NONE);
  OK(cu.cuMemSetAccess(mapping.address, mapping.size, &rights, 1));
  SO(filled(mapping.address, 0x76, mapping.size));
}

RULE(peer_copies_reach_mapped_memory_without_access) {
  const Two two = two_devices();
  const Mapping mapping = map_new(1);
  const CUdeviceptr from = allocate(mapping.size), back = allocate(mapping.size);
  const CUstream stream = new_stream();
  fill(from, 0x74, mapping.size);
  OK(cu.cuMemcpyPeerAsync(mapping.address, two.second, from, two.first, mapping.size, stream));
  OK(cu.cuMemcpyPeerAsync(back, two.first, mapping.address, two.second, mapping.size, stream));
  OK(cu.cuStreamSynchronize(stream));
  SO(filled(back, 0x74, mapping.size));
}

RULE(an_event_orders_streams_of_two_devices) {
  const Two two = two_devices();
  const CUstream one = new_stream();
  OK(cu.cuCtxSetCurrent(two.second));
  const CUstream other = new_stream();
  OK(cu.cuCtxSetCurrent(two.first));
  {
    Gate gate(one);
    const CUevent event = recorded(one);
    OK(cu.cuCtxSetCurrent(two.second));
    OK(cu.cuStreamWaitEvent(other, event, 0));
    GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(other));
    GIVES(CUDA_ERROR_INVALID_HANDLE, cu.cuEventRecord(event, other));
  }
  OK(cu.cuStreamSynchronize(other));
}

RULE(memory_is_freed_with_another_devices_context_current) {
  const Two two = two_devices();
  OK(cu.cuMemFree(allocate_on(two.second, two.first)));
}
