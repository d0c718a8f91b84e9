// Memory and events of other processes.
#include <unistd.h>

#include "contract.hpp"

using namespace contract;

namespace {

constexpr std::size_t kSize = 4 << 20;

CUdeviceptr share(int socket, unsigned char value) {
  CUipcMemHandle handle;
  const CUdeviceptr address = allocate(kSize);
  fill(address, value, kSize);
  OK(cu.cuIpcGetMemHandle(&handle, address));
  send(socket, &handle, sizeof handle);
  return address;
}

CUipcMemHandle receive_handle(int socket) {
  CUipcMemHandle handle;
  receive(socket, &handle, sizeof handle);
  return handle;
}

CUdeviceptr open_shared(const CUipcMemHandle &handle) {
  CUdeviceptr address = 0;
  OK(cu.cuIpcOpenMemHandle(&address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  return address;
}

}  // namespace

RULE_OF_TWO(an_ipc_handle_shares_memory) {
  use();
  const CUdeviceptr address = share(socket, 0x61);
  await(socket);
  SO(filled(address, 0x62, kSize));
}
THE_OTHER(an_ipc_handle_shares_memory) {
  use();
  const CUdeviceptr address = open_shared(receive_handle(socket));
  SO(filled(address, 0x61, kSize));
  fill(address, 0x62, kSize);
  OK(cu.cuIpcCloseMemHandle(address));
  signal(socket);
}

RULE_OF_TWO(an_ipc_handle_is_opened_twice_at_one_address) {
  use();
  share(socket, 0x63);
  await(socket);
}
THE_OTHER(an_ipc_handle_is_opened_twice_at_one_address) {
  use();
  const CUipcMemHandle handle = receive_handle(socket);
  const CUdeviceptr address = open_shared(handle);
  SO(open_shared(handle) == address);
  OK(cu.cuIpcCloseMemHandle(address));
  SO(filled(address, 0x63, kSize));
  OK(cu.cuIpcCloseMemHandle(address));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuIpcCloseMemHandle(address));
  signal(socket);
}

RULE_OF_TWO(opened_memory_outlives_the_exporters_free) {
  use();
  const CUdeviceptr address = share(socket, 0x64);
  await(socket);
  OK(cu.cuMemFree(address));
  signal(socket);
  await_end(socket);
}
THE_OTHER(opened_memory_outlives_the_exporters_free) {
  use();
  const CUdeviceptr address = open_shared(receive_handle(socket));
  signal(socket);
  await(socket);
  SO(filled(address, 0x64, kSize));
}

RULE_OF_TWO(opened_memory_outlives_the_exporter) {
  use();
  share(socket, 0x65);
  await(socket);
}
THE_OTHER(opened_memory_outlives_the_exporter) {
  use();
  const CUdeviceptr address = open_shared(receive_handle(socket));
  signal(socket);
  await_end(socket);
  SO(filled(address, 0x65, kSize));
  OK(cu.cuIpcCloseMemHandle(address));
}

RULE_OF_TWO(a_handle_of_freed_memory_is_not_opened) {
  CUipcMemHandle handle;
  use();
  const CUdeviceptr address = allocate(kSize);
  OK(cu.cuIpcGetMemHandle(&handle, address));
  OK(cu.cuMemFree(address));
  send(socket, &handle, sizeof handle);
  await(socket);
}
THE_OTHER(a_handle_of_freed_memory_is_not_opened) {
  CUdeviceptr address = 0;
  use();
  const CUipcMemHandle handle = receive_handle(socket);
  FAILS(cu.cuIpcOpenMemHandle(&address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  signal(socket);
}

RULE(a_handle_is_not_opened_by_who_made_it) {
  CUipcMemHandle handle;
  CUdeviceptr address = 0;
  use();
  OK(cu.cuIpcGetMemHandle(&handle, allocate(kSize)));
  FAILS(cu.cuIpcOpenMemHandle(&address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
}

RULE(host_memory_has_no_ipc_handle) {
  CUipcMemHandle handle;
  void *pointer = nullptr;
  use();
  OK(cu.cuMemHostAlloc(&pointer, kSize, 0));
  FAILS(cu.cuIpcGetMemHandle(&handle, reinterpret_cast<CUdeviceptr>(pointer)));
}

RULE(opened_memory_is_closed_not_freed) {
  use();
  const CUdeviceptr address = allocate(kSize);
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuIpcCloseMemHandle(address));
}

RULE(an_ordinary_event_has_no_ipc_handle) {
  CUipcEventHandle handle;
  use();
  FAILS(cu.cuIpcGetEventHandle(&handle, new_event()));
}

RULE_OF_TWO(an_event_orders_the_work_of_two_processes) {
  CUipcEventHandle handle;
  use();
  const CUstream stream = new_stream();
  const CUevent event = new_event(CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS);
  OK(cu.cuIpcGetEventHandle(&handle, event));
  const CUdeviceptr address = share(socket, 0x66);
  send(socket, &handle, sizeof handle);
  await(socket);  // The other has seen that it is done: it was never recorded.
  Gate gate(stream);
  OK(cu.cuMemsetD8Async(address, 0x67, kSize, stream));
  OK(cu.cuEventRecord(event, stream));
  signal(socket);
  await(socket);  // The other's stream waits.
  gate.open();
  await_end(socket);
}
THE_OTHER(an_event_orders_the_work_of_two_processes) {
  CUipcEventHandle handle;
  CUevent event = nullptr;
  use();
  const CUdeviceptr address = open_shared(receive_handle(socket));
  receive(socket, &handle, sizeof handle);
  OK(cu.cuIpcOpenEventHandle(&event, handle));
  OK(cu.cuEventQuery(event));
  signal(socket);
  await(socket);
  const CUstream stream = new_stream();
  GIVES(CUDA_ERROR_NOT_READY, cu.cuEventQuery(event));
  OK(cu.cuStreamWaitEvent(stream, event, 0));
  GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(stream));
  signal(socket);
  OK(cu.cuStreamSynchronize(stream));
  OK(cu.cuEventSynchronize(event));
  SO(filled(address, 0x67, kSize));
}

RULE_OF_TWO(an_event_outlives_who_made_it) {
  CUipcEventHandle handle;
  use();
  const CUevent event = new_event(CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS);
  OK(cu.cuEventRecord(event, nullptr));
  OK(cu.cuEventSynchronize(event));
  OK(cu.cuIpcGetEventHandle(&handle, event));
  send(socket, &handle, sizeof handle);
  await(socket);
}
THE_OTHER(an_event_outlives_who_made_it) {
  CUipcEventHandle handle;
  CUevent event = nullptr;
  use();
  receive(socket, &handle, sizeof handle);
  OK(cu.cuIpcOpenEventHandle(&event, handle));
  signal(socket);
  await_end(socket);
  OK(cu.cuEventQuery(event));
  OK(cu.cuEventRecord(event, nullptr));
  OK(cu.cuEventSynchronize(event));
}
