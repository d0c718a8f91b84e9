#include <sched.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "contract.hpp"

namespace contract {

const char *name_of(CUresult result) {
  const char *name = nullptr;
  if (cu.cuGetErrorName == nullptr || cu.cuGetErrorName(result, &name) != CUDA_SUCCESS || name == nullptr) return "an unknown code";
  return name;
}

int devices() {
  int count = 0;
  OK(cu.cuInit(0));
  OK(cu.cuDeviceGetCount(&count));
  return count;
}

CUcontext use(int device) {
  CUcontext context = nullptr;
  OK(cu.cuInit(0));
  OK(cu.cuDevicePrimaryCtxRetain(&context, device));
  OK(cu.cuCtxSetCurrent(context));
  return context;
}

int attribute(CUdevice_attribute which, int device) {
  int value = 0;
  OK(cu.cuDeviceGetAttribute(&value, which, device));
  return value;
}

CUstream new_stream(unsigned flags) {
  CUstream stream = nullptr;
  OK(cu.cuStreamCreate(&stream, flags));
  return stream;
}

CUevent new_event(unsigned flags) {
  CUevent event = nullptr;
  OK(cu.cuEventCreate(&event, flags));
  return event;
}

CUevent recorded(CUstream stream) {
  const CUevent event = new_event();
  OK(cu.cuEventRecord(event, stream));
  return event;
}

CUdeviceptr allocate(std::size_t size) {
  CUdeviceptr address = 0;
  OK(cu.cuMemAlloc(&address, size));
  return address;
}

void fill(CUdeviceptr address, unsigned char value, std::size_t size) {
  OK(cu.cuMemsetD8(address, value, size));
  OK(cu.cuCtxSynchronize());
}

bool filled(CUdeviceptr address, unsigned char value, std::size_t size) {
  std::vector<unsigned char> bytes(size, static_cast<unsigned char>(~value));
  OK(cu.cuCtxSynchronize());
  OK(cu.cuMemcpyDtoH(bytes.data(), address, size));
  for (const unsigned char byte : bytes) {
    if (byte != value) return false;
  }
  return true;
}

Gate::Gate(CUstream stream) { OK(cu.cuLaunchHostFunc(stream, wait, this)); }

Gate::~Gate() {
  open_ = true;
  while (!passed_) sched_yield();
}

void CUDA_CB Gate::wait(void *gate) {
  auto *self = static_cast<Gate *>(gate);
  while (!self->open_) sched_yield();
  self->passed_ = true;
}

CUmemAllocationProp properties(int device, CUmemAllocationHandleType type) {
  CUmemAllocationProp wanted{};
  wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  wanted.location.id = device;
  wanted.requestedHandleTypes = type;
  return wanted;
}

std::size_t granularity() {
  OK(cu.cuInit(0));
  if (cu.cuMemCreate == nullptr || attribute(CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED) == 0)
    skip("no virtual memory");
  std::size_t size = 0;
  const CUmemAllocationProp wanted = properties(0);
  OK(cu.cuMemGetAllocationGranularity(&size, &wanted, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
  return size;
}

CUmemAccessDesc access(int device, CUmemAccess_flags flags) {
  CUmemAccessDesc wanted{};
  wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  wanted.location.id = device;
  wanted.flags = flags;
  return wanted;
}

CUdeviceptr map_at_new_address(CUmemGenericAllocationHandle handle, std::size_t size, int device) {
  CUdeviceptr address = 0;
  OK(cu.cuMemAddressReserve(&address, size, 0, 0, 0));
  OK(cu.cuMemMap(address, size, 0, handle, 0));
  const CUmemAccessDesc wanted = access(device);
  OK(cu.cuMemSetAccess(address, size, &wanted, 1));
  return address;
}

Mapping map_new(int device) {
  Mapping mapping;
  mapping.size = granularity();
  mapping.properties = properties(device);
  OK(cu.cuMemCreate(&mapping.handle, mapping.size, &mapping.properties, 0));
  mapping.address = map_at_new_address(mapping.handle, mapping.size, device);
  return mapping;
}

void send(int socket, const void *data, std::size_t size, int descriptor) {
  iovec part{const_cast<void *>(data), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  SO(sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(size));
}

void receive(int socket, void *data, std::size_t size, int *descriptor) {
  iovec part{data, size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof *descriptor)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  SO(recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == static_cast<ssize_t>(size));
  if (descriptor == nullptr) return;
  const cmsghdr *header = CMSG_FIRSTHDR(&message);
  SO(header != nullptr);
  std::memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
}

void signal(int socket) { send(socket, "!", 1); }

void await(int socket) {
  char byte = 0;
  receive(socket, &byte, 1);
}

void await_end(int socket) {
  char byte = 0;
  SO(read(socket, &byte, 1) == 0);
}

}  // namespace contract
