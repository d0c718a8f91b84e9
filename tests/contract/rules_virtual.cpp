// Addresses without memory, memory without addresses.
#include <unistd.h>

#include "contract.hpp"

using namespace contract;

RULE(the_granularity_is_two_mib) { SO(granularity() == 2 << 20); }

RULE(physical_memory_comes_in_whole_pages) {
  CUmemGenericAllocationHandle handle = 0;
  const std::size_t page = granularity();
  const CUmemAllocationProp wanted = properties(0);
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemCreate(&handle, page - 1, &wanted, 0));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemCreate(&handle, 0, &wanted, 0));
}

RULE(addresses_are_reserved_in_whole_pages) {
  CUdeviceptr address = 0;
  const std::size_t page = granularity();
  use();
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemAddressReserve(&address, page - 1, 0, 0, 0));
  OK(cu.cuMemAddressReserve(&address, page, 0, 0, 0));
  SO(address % page == 0);
}

RULE(more_than_the_devices_memory_can_be_reserved) {
  CUdeviceptr address = 0;
  std::size_t total = 0;
  const std::size_t page = granularity();
  use();
  OK(cu.cuDeviceTotalMem(&total, 0));
  const std::size_t size = (total / page + 1) * page * 2;
  OK(cu.cuMemAddressReserve(&address, size, 0, 0, 0));
  OK(cu.cuMemAddressFree(address, size));
}

RULE(physical_memory_needs_no_current_context) {
  CUmemGenericAllocationHandle handle = 0;
  const std::size_t page = granularity();
  const CUmemAllocationProp wanted = properties(0);
  OK(cu.cuMemCreate(&handle, page, &wanted, 0));
  OK(cu.cuMemRelease(handle));
}

RULE(too_much_physical_memory_is_out_of_memory) {
  CUmemGenericAllocationHandle handle = 0;
  std::size_t total = 0;
  const std::size_t page = granularity();
  use();
  OK(cu.cuDeviceTotalMem(&total, 0));
  const CUmemAllocationProp wanted = properties(0);
  GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuMemCreate(&handle, (total / page + 1) * page, &wanted, 0));
}

RULE(mapped_memory_is_memory) {
  use();
  const Mapping mapping = map_new();
  fill(mapping.address, 0x21, mapping.size);
  SO(filled(mapping.address, 0x21, mapping.size));
}

RULE(mapped_memory_is_no_use_before_access_is_set) {
  CUmemGenericAllocationHandle handle = 0;
  CUdeviceptr address = 0;
  const std::size_t page = granularity();
  use();
  const CUmemAllocationProp wanted = properties(0);
  OK(cu.cuMemCreate(&handle, page, &wanted, 0));
  OK(cu.cuMemAddressReserve(&address, page, 0, 0, 0));
  OK(cu.cuMemMap(address, page, 0, handle, 0));
  CUresult result = cu.cuMemsetD8(address, 1, page);
  if (result == CUDA_SUCCESS) result = cu.cuCtxSynchronize();
  FAILS(result);
}

RULE(access_is_told) {
  unsigned long long flags = 0;
  use();
  const Mapping mapping = map_new();
  const CUmemLocation location = mapping.properties.location;
  OK(cu.cuMemGetAccess(&flags, &location, mapping.address));
  SO(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
}

RULE(one_address_is_mapped_once) {
  use();
  const Mapping mapping = map_new();
  FAILS(cu.cuMemMap(mapping.address, mapping.size, 0, mapping.handle, 0));
}

RULE(what_is_not_reserved_is_not_mapped) {
  use();
  const Mapping mapping = map_new();
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemMap(mapping.address + (CUdeviceptr{1} << 44), mapping.size, 0, mapping.handle, 0));
}

RULE(no_more_is_mapped_than_there_is) {
  CUmemGenericAllocationHandle handle = 0;
  CUdeviceptr address = 0;
  const std::size_t page = granularity();
  use();
  const CUmemAllocationProp wanted = properties(0);
  OK(cu.cuMemCreate(&handle, page, &wanted, 0));
  OK(cu.cuMemAddressReserve(&address, 2 * page, 0, 0, 0));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemMap(address, 2 * page, 0, handle, 0));
  OK(cu.cuMemMap(address, page, 0, handle, 0));
}

RULE(one_memory_is_mapped_at_two_addresses) {
  use();
  const Mapping mapping = map_new();
  const CUdeviceptr other = map_at_new_address(mapping.handle, mapping.size);
  fill(mapping.address, 0x44, mapping.size);
  SO(filled(other, 0x44, mapping.size));
}

RULE(a_mapping_keeps_its_memory_without_the_handle) {
  use();
  const Mapping mapping = map_new();
  fill(mapping.address, 0x45, mapping.size);
  OK(cu.cuMemRelease(mapping.handle));
  SO(filled(mapping.address, 0x45, mapping.size));
  OK(cu.cuMemUnmap(mapping.address, mapping.size));
  OK(cu.cuMemAddressFree(mapping.address, mapping.size));
}

RULE(memory_comes_back_when_neither_handle_nor_mapping_is_left) {
  constexpr std::size_t kSize = 64 << 20;
  CUmemGenericAllocationHandle handle = 0;
  std::size_t before = 0, during = 0, after = 0, all = 0;
  granularity();
  use();
  const CUmemAllocationProp wanted = properties(0);
  OK(cu.cuMemGetInfo(&before, &all));
  OK(cu.cuMemCreate(&handle, kSize, &wanted, 0));
  const CUdeviceptr address = map_at_new_address(handle, kSize);
  OK(cu.cuMemRelease(handle));
  OK(cu.cuMemGetInfo(&during, &all));
  SO(during <= before - kSize);
  OK(cu.cuMemUnmap(address, kSize));
  OK(cu.cuMemGetInfo(&after, &all));
  SO(after >= during + kSize);
}

RULE(mappings_are_unmapped_whole_and_several_at_once) {
  CUdeviceptr address = 0;
  CUmemGenericAllocationHandle one = 0, other = 0;
  const std::size_t page = granularity();
  use();
  const CUmemAllocationProp wanted = properties(0);
  OK(cu.cuMemCreate(&one, 2 * page, &wanted, 0));
  OK(cu.cuMemCreate(&other, page, &wanted, 0));
  OK(cu.cuMemAddressReserve(&address, 3 * page, 0, 0, 0));
  OK(cu.cuMemMap(address, 2 * page, 0, one, 0));
  OK(cu.cuMemMap(address + 2 * page, page, 0, other, 0));
  const CUmemAccessDesc rights = access(0);
  OK(cu.cuMemSetAccess(address, 3 * page, &rights, 1));
  fill(address, 0x31, 3 * page);
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemUnmap(address, page));
  OK(cu.cuMemUnmap(address, 3 * page));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemUnmap(address, 3 * page));
}

RULE(addresses_with_memory_are_not_given_back) {
  use();
  const Mapping mapping = map_new();
  FAILS(cu.cuMemAddressFree(mapping.address, mapping.size));
  OK(cu.cuMemUnmap(mapping.address, mapping.size));
  FAILS(cu.cuMemAddressFree(mapping.address, mapping.size * 2));
  OK(cu.cuMemAddressFree(mapping.address, mapping.size));
}

RULE(a_handle_is_had_back_from_its_address) {
  CUmemGenericAllocationHandle again = 0;
  use();
  const Mapping mapping = map_new();
  OK(cu.cuMemRetainAllocationHandle(&again, reinterpret_cast<void *>(static_cast<std::uintptr_t>(mapping.address))));
  SO(again == mapping.handle);
  OK(cu.cuMemRelease(again));
  OK(cu.cuMemRelease(mapping.handle));
}

RULE(mapped_memory_has_no_ipc_handle) {
  CUipcMemHandle handle;
  use();
  const Mapping mapping = map_new();
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuIpcGetMemHandle(&handle, mapping.address));
}

RULE(only_memory_made_for_it_is_exported) {
  CUmemGenericAllocationHandle handle = 0;
  int descriptor = -1;
  const std::size_t page = granularity();
  use();
  const CUmemAllocationProp wanted = properties(0, CU_MEM_HANDLE_TYPE_NONE);
  OK(cu.cuMemCreate(&handle, page, &wanted, 0));
  FAILS(cu.cuMemExportToShareableHandle(&descriptor, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
}

static int export_new(unsigned char value) {
  int descriptor = -1;
  const Mapping mapping = map_new();
  fill(mapping.address, value, mapping.size);
  OK(cu.cuMemExportToShareableHandle(&descriptor, mapping.handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
  return descriptor;
}

static CUmemGenericAllocationHandle import_from(int socket) {
  int descriptor = -1;
  char byte = 0;
  CUmemGenericAllocationHandle handle = 0;
  receive(socket, &byte, 1, &descriptor);
  OK(cu.cuMemImportFromShareableHandle(&handle, reinterpret_cast<void *>(static_cast<std::intptr_t>(descriptor)),
                                       CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
  close(descriptor);
  return handle;
}

// The descriptor may be closed as soon as it is imported.
RULE_OF_TWO(a_descriptor_shares_memory) {
  use();
  send(socket, "!", 1, export_new(0x51));
  await(socket);
}
THE_OTHER(a_descriptor_shares_memory) {
  use();
  const std::size_t page = granularity();
  const CUdeviceptr address = map_at_new_address(import_from(socket), page);
  SO(filled(address, 0x51, page));
  signal(socket);
}

RULE_OF_TWO(shared_memory_outlives_its_exporter) {
  use();
  send(socket, "!", 1, export_new(0x52));
}
THE_OTHER(shared_memory_outlives_its_exporter) {
  use();
  const std::size_t page = granularity();
  const CUmemGenericAllocationHandle handle = import_from(socket);
  await_end(socket);
  SO(filled(map_at_new_address(handle, page), 0x52, page));
}

// The exporter is gone before anyone looks at the descriptor.
RULE_OF_TWO(a_descriptor_on_its_way_keeps_the_memory) {
  use();
  send(socket, "!", 1, export_new(0x53));
}
THE_OTHER(a_descriptor_on_its_way_keeps_the_memory) {
  int descriptor = -1;
  char byte = 0;
  CUmemGenericAllocationHandle handle = 0;
  receive(socket, &byte, 1, &descriptor);
  await_end(socket);
  use();
  const std::size_t page = granularity();
  OK(cu.cuMemImportFromShareableHandle(&handle, reinterpret_cast<void *>(static_cast<std::intptr_t>(descriptor)),
                                       CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
  SO(filled(map_at_new_address(handle, page), 0x53, page));
}

RULE(another_descriptor_is_not_imported) {
  CUmemGenericAllocationHandle handle = 0;
  granularity();
  use();
  int ends[2];
  SO(pipe(ends) == 0);
  FAILS(cu.cuMemImportFromShareableHandle(&handle, reinterpret_cast<void *>(static_cast<std::intptr_t>(ends[0])),
                                          CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
}
