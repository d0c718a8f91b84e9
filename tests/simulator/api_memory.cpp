// Memory with an address, of devices and of the host.
#include "operation.hpp"

using namespace sim;

namespace {

std::uint64_t pages(std::uint64_t size) { return (size + kPage - 1) / kPage * kPage; }

std::uint64_t number_of(const void *pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

CUresult allocate(State &s, CUdeviceptr *out, std::size_t size) {
  if (out == nullptr || size == 0) return CUDA_ERROR_INVALID_VALUE;
  const CUresult refused = refuse_unsafe(s);
  if (refused != CUDA_SUCCESS) return refused;
  Context *context = s.current();
  if (size > s.world.shared().memory[context->device]) return CUDA_ERROR_OUT_OF_MEMORY;
  Range range;
  range.block = s.memory.make(context->device, pages(size), s.settings.limit);
  if (range.block == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  range.size = size;
  range.context = context;
  range.readers = range.writers = 1U << context->device;
  *out = s.memory.place(std::move(range), kPage);
  return *out != 0 ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult allocate_host(State &s, std::uint64_t *out, std::size_t size, Kind kind) {
  if (size == 0) return CUDA_ERROR_INVALID_VALUE;
  const CUresult refused = refuse_unsafe(s);
  if (refused != CUDA_SUCCESS) return refused;
  if (size > SIZE_MAX / 2) return CUDA_ERROR_OUT_OF_MEMORY;
  const std::uint64_t base = s.memory.arena.take(pages(size), kPage);
  if (base == 0 || !Arena::open(base, pages(size))) return CUDA_ERROR_OUT_OF_MEMORY;
  Range range;
  range.block = Memory::make_host(reinterpret_cast<char *>(static_cast<std::uintptr_t>(base)), size);
  range.size = size;
  range.kind = kind;
  range.context = s.current();
  s.memory.add(base, std::move(range));
  *out = base;
  return CUDA_SUCCESS;
}

CUresult allocate_pinned(const char *name, void **out, std::size_t size, unsigned flags) {
  return call(name, Needs::context, [&](State &s, Lock &) -> CUresult {
    constexpr unsigned kKnown = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
    std::uint64_t base = 0;
    if (out == nullptr || (flags & ~kKnown) != 0) return CUDA_ERROR_INVALID_VALUE;
    const CUresult result = allocate_host(s, &base, size, Kind::host);
    if (result == CUDA_SUCCESS) *out = reinterpret_cast<void *>(static_cast<std::uintptr_t>(base));
    return result;
  });
}

// The real driver waits for work too, but who relies on that frees what may be in use.
CUresult release(State &s, Lock &lock, std::uint64_t address) {
  const CUresult refused = refuse_unsafe(s);
  if (refused != CUDA_SUCCESS) return refused;
  const Range *range = s.memory.at(address);
  const std::uint64_t number = range->number;
  if (in_use(*range->block, s.host)) s.mistake(Mistake::busy_free, "%#lx is freed while work uses it", address);
  s.wait_idle(lock, nullptr);
  range = s.memory.at(address);
  if (range == nullptr || range->number != number) return CUDA_ERROR_INVALID_VALUE;
  s.memory.remove(address);
  return CUDA_SUCCESS;
}

CUresult bad_address(State &s, std::uint64_t address) {
  s.mistake(Mistake::bad_handle, "%#lx is freed, where no memory begins (any more)", address);
  return CUDA_ERROR_INVALID_VALUE;
}

}  // namespace

CUresult CUDAAPI cuMemGetInfo(size_t *available, size_t *total) {
  return call("cuMemGetInfo", Needs::context, [&](State &s, Lock &) -> CUresult {
    if (available == nullptr || total == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const int device = s.current()->device;
    *available = s.world.available(device, s.settings.limit);
    *total = s.world.shared().memory[device];
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemAlloc(CUdeviceptr *out, size_t size) {
  return call("cuMemAlloc", Needs::context, [&](State &s, Lock &) { return allocate(s, out, size); });
}

CUresult CUDAAPI cuMemAllocManaged(CUdeviceptr *out, size_t size, unsigned flags) {
  return call("cuMemAllocManaged", Needs::context, [&](State &s, Lock &) -> CUresult {
    if (out == nullptr || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST)) return CUDA_ERROR_INVALID_VALUE;
    std::uint64_t base = 0;
    const CUresult result = allocate_host(s, &base, size, Kind::managed);
    if (result == CUDA_SUCCESS) *out = base;
    return result;
  });
}

CUresult CUDAAPI cuMemFree(CUdeviceptr address) {
  return call("cuMemFree", Needs::context, [&](State &s, Lock &lock) -> CUresult {
    if (address == 0) return CUDA_SUCCESS;
    const Range *range = s.memory.at(address);
    if (range == nullptr || (range->kind != Kind::plain && range->kind != Kind::managed)) return bad_address(s, address);
    return release(s, lock, address);
  });
}

CUresult CUDAAPI cuMemHostAlloc(void **out, size_t size, unsigned flags) {
  return allocate_pinned("cuMemHostAlloc", out, size, flags);
}

CUresult CUDAAPI cuMemAllocHost(void **out, size_t size) { return allocate_pinned("cuMemAllocHost", out, size, 0); }

CUresult CUDAAPI cuMemFreeHost(void *pointer) {
  return call("cuMemFreeHost", Needs::context, [&](State &s, Lock &lock) -> CUresult {
    const Range *range = s.memory.at(number_of(pointer));
    if (range == nullptr || range->kind != Kind::host) return bad_address(s, number_of(pointer));
    return release(s, lock, number_of(pointer));
  });
}

CUresult CUDAAPI cuMemHostRegister(void *pointer, size_t size, unsigned) {
  return call("cuMemHostRegister", Needs::context, [&](State &s, Lock &) -> CUresult {
    const std::uint64_t base = number_of(pointer);
    if (pointer == nullptr || size == 0 || base + size < base) return CUDA_ERROR_INVALID_VALUE;
    const auto next = s.memory.ranges().lower_bound(base);
    if (s.memory.find(base) != nullptr || (next != s.memory.ranges().end() && next->first < base + size))
      return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    Range range;
    range.block = Memory::make_host(static_cast<char *>(pointer), size);
    range.size = size;
    range.kind = Kind::registered;
    range.context = s.current();
    s.memory.add(base, std::move(range));
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemHostUnregister(void *pointer) {
  return call("cuMemHostUnregister", Needs::context, [&](State &s, Lock &lock) -> CUresult {
    const Range *range = s.memory.at(number_of(pointer));
    if (range == nullptr || range->kind != Kind::registered) return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    return release(s, lock, number_of(pointer));
  });
}

CUresult CUDAAPI cuMemHostGetDevicePointer(CUdeviceptr *out, void *pointer, unsigned flags) {
  return call("cuMemHostGetDevicePointer", Needs::context, [&](State &s, Lock &) -> CUresult {
    const Range *range = s.memory.find(number_of(pointer));
    if (out == nullptr || flags != 0 || range == nullptr || range->block->device >= 0) return CUDA_ERROR_INVALID_VALUE;
    *out = number_of(pointer);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemGetAddressRange(CUdeviceptr *base, size_t *size, CUdeviceptr address) {
  return call("cuMemGetAddressRange", Needs::context, [&](State &s, Lock &) -> CUresult {
    std::uint64_t begin = 0;
    const Range *range = s.memory.find(address, &begin);
    if (range == nullptr) return CUDA_ERROR_NOT_FOUND;
    if (base != nullptr) *base = begin;
    if (size != nullptr) *size = range->size;
    return CUDA_SUCCESS;
  });
}
