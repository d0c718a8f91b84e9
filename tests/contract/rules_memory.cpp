// Memory with an address, and what is told about it.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "contract.hpp"

using namespace contract;

namespace {

constexpr std::size_t kSize = 1 << 20;

bool aligned(std::uint64_t unit) {
  for (const std::size_t size : {1, 3, 511, 513, 4097, 100000, 3000001}) {
    if (allocate(size) % unit != 0) return false;
  }
  return true;
}

}  // namespace

RULE(no_bytes_are_no_allocation) {
  CUdeviceptr address = 0;
  use();
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemAlloc(&address, 0));
}

RULE(an_allocation_needs_a_place_for_its_address) {
  use();
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemAlloc(nullptr, 4096));
}

RULE(addresses_are_multiples_of_256) {
  use();
  SO(aligned(256));
}

RULE(addresses_are_multiples_of_512) {
  use();
  SO(aligned(512));
}

RULE(too_much_is_out_of_memory_and_harms_nothing) {
  CUdeviceptr address = 0;
  std::size_t some = 0, all = 0;
  use();
  OK(cu.cuMemGetInfo(&some, &all));
  GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuMemAlloc(&address, all + kSize));
  GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuMemAlloc(&address, std::size_t{1} << 60));
  fill(allocate(kSize), 1, kSize);
}

RULE(freeing_nothing_is_fine) {
  use();
  OK(cu.cuMemFree(0));
}

RULE(a_second_free_is_an_invalid_value) {
  use();
  const CUdeviceptr address = allocate(64 << 20);
  OK(cu.cuMemFree(address));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemFree(address));
}

RULE(only_the_begin_of_an_allocation_is_freed) {
  use();
  const CUdeviceptr address = allocate(kSize);
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemFree(address + 512));
  OK(cu.cuMemFree(address));
}

RULE(the_range_of_an_inner_address_is_the_allocation) {
  CUdeviceptr base = 0;
  std::size_t size = 0;
  use();
  const CUdeviceptr address = allocate(kSize);
  OK(cu.cuMemGetAddressRange(&base, &size, address + 777));
  SO(base == address);
  SO(size == kSize);
}

RULE(the_range_of_a_foreign_address_is_not_found) {
  CUdeviceptr base = 0;
  std::size_t size = 0;
  use();
  std::vector<char> own(4096);
  GIVES(CUDA_ERROR_NOT_FOUND, cu.cuMemGetAddressRange(&base, &size, reinterpret_cast<CUdeviceptr>(own.data())));
}

RULE(what_is_allocated_is_no_longer_available) {
  constexpr std::size_t kLarge = 64 << 20;
  std::size_t before = 0, during = 0, after = 0, all = 0, total = 0;
  use();
  OK(cu.cuMemFree(allocate(kLarge)));
  OK(cu.cuMemGetInfo(&before, &all));
  OK(cu.cuDeviceTotalMem(&total, 0));
  SO(before <= all && all <= total);
  const CUdeviceptr address = allocate(kLarge);
  OK(cu.cuMemGetInfo(&during, &all));
  SO(during <= before - kLarge);
  OK(cu.cuMemFree(address));
  OK(cu.cuMemGetInfo(&after, &all));
  SO(after >= during + kLarge);
}

RULE(attributes_of_an_address_of_the_device) {
  unsigned type = 0, ipc = 0;
  int device = -1;
  CUdeviceptr begin = 0;
  std::size_t size = 0;
  unsigned long long number = 0, next = 0;
  use();
  const CUdeviceptr address = allocate(kSize);
  OK(cu.cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address + 1));
  SO(type == CU_MEMORYTYPE_DEVICE);
  OK(cu.cuPointerGetAttribute(&device, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address + 1));
  SO(device == 0);
  OK(cu.cuPointerGetAttribute(&begin, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, address + 1));
  OK(cu.cuPointerGetAttribute(&size, CU_POINTER_ATTRIBUTE_RANGE_SIZE, address + 1));
  SO(begin == address && size == kSize);
  OK(cu.cuPointerGetAttribute(&ipc, CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE, address));
  SO(ipc == 1);
  OK(cu.cuPointerGetAttribute(&number, CU_POINTER_ATTRIBUTE_BUFFER_ID, address));
  OK(cu.cuMemFree(address));
  OK(cu.cuPointerGetAttribute(&next, CU_POINTER_ATTRIBUTE_BUFFER_ID, allocate(kSize)));
  SO(number != next);  // Even if the address is the same again.
}

RULE(an_unknown_address_has_no_attributes) {
  unsigned type = 7;
  use();
  std::vector<char> own(4096);
  const auto address = reinterpret_cast<CUdeviceptr>(own.data());
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address));
  CUpointer_attribute which[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE};
  void *out[] = {&type};
  OK(cu.cuPointerGetAttributes(1, which, out, address));
  SO(type == 0);
}

RULE(pinned_memory_has_one_address_for_host_and_device) {
  void *pointer = nullptr;
  CUdeviceptr address = 0;
  unsigned type = 0;
  use();
  OK(cu.cuMemHostAlloc(&pointer, kSize, CU_MEMHOSTALLOC_PORTABLE));
  std::memset(pointer, 3, kSize);
  OK(cu.cuMemHostGetDevicePointer(&address, pointer, 0));
  SO(address == reinterpret_cast<CUdeviceptr>(pointer));
  OK(cu.cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address));
  SO(type == CU_MEMORYTYPE_HOST);
  SO(filled(address, 3, kSize));
  OK(cu.cuMemFreeHost(pointer));
  FAILS(cu.cuMemFreeHost(pointer));
}

RULE(host_memory_is_registered_once) {
  use();
  void *own = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  OK(cu.cuMemHostRegister(own, kSize, 0));
  GIVES(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cu.cuMemHostRegister(own, kSize, 0));
  OK(cu.cuMemHostUnregister(own));
  GIVES(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cu.cuMemHostUnregister(own));
}

RULE(managed_memory_is_the_hosts_and_the_devices) {
  CUdeviceptr address = 0;
  unsigned managed = 0;
  use();
  if (attribute(CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY) == 0) skip("no managed memory");
  OK(cu.cuMemAllocManaged(&address, kSize, CU_MEM_ATTACH_GLOBAL));
  fill(address, 6, kSize);
  SO(reinterpret_cast<unsigned char *>(static_cast<std::uintptr_t>(address))[kSize - 1] == 6);
  OK(cu.cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, address));
  SO(managed == 1);
  OK(cu.cuMemFree(address));
}

RULE(copies_move_bytes) {
  use();
  std::vector<unsigned char> from(kSize), to(kSize);
  for (std::size_t i = 0; i < kSize; ++i) from[i] = static_cast<unsigned char>(i * 7 >> 3);
  const CUdeviceptr one = allocate(kSize), other = allocate(kSize);
  OK(cu.cuMemcpyHtoD(one, from.data(), kSize));
  OK(cu.cuMemcpyDtoD(other, one, kSize));
  OK(cu.cuMemcpyDtoH(to.data(), other, kSize));
  SO(from == to);
}

RULE(a_copy_finds_out_which_end_is_the_hosts) {
  use();
  std::vector<unsigned char> from(4096, 9), to(4096);
  const CUdeviceptr address = allocate(4096);
  const CUstream stream = new_stream();
  OK(cu.cuMemcpyAsync(address, reinterpret_cast<CUdeviceptr>(from.data()), 4096, stream));
  OK(cu.cuMemcpyAsync(reinterpret_cast<CUdeviceptr>(to.data()), address, 4096, stream));
  OK(cu.cuStreamSynchronize(stream));
  SO(from == to);
}

RULE(nothing_to_copy_or_fill_is_fine) {
  use();
  const CUdeviceptr address = allocate(4096);
  OK(cu.cuMemcpyDtoD(address, address + 512, 0));
  OK(cu.cuMemsetD8Async(address, 0, 0, new_stream()));
}

RULE(a_fill_past_the_end_is_an_error) {
  use();
  const CUdeviceptr address = allocate(kSize);
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemsetD8(address, 1, std::size_t{1} << 40));
}

RULE(free_waits_for_work_that_uses_the_memory) {
  constexpr std::size_t kLarge = 32 << 20;
  void *pointer = nullptr;
  use();
  OK(cu.cuMemHostAlloc(&pointer, kLarge, 0));
  std::memset(pointer, 0, kLarge);
  const CUstream stream = new_stream();
  const CUdeviceptr address = allocate(kLarge);
  for (int i = 0; i < 20; ++i) OK(cu.cuMemsetD8Async(address, 5, kLarge, stream));
  OK(cu.cuMemcpyDtoHAsync(pointer, address, kLarge, stream));
  OK(cu.cuMemFree(address));
  OK(cu.cuStreamQuery(stream));  // All done, without having been waited for.
  SO(static_cast<unsigned char *>(pointer)[0] == 5 && static_cast<unsigned char *>(pointer)[kLarge - 1] == 5);
}
