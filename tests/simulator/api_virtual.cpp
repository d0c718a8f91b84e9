// Addresses without memory, memory without addresses, and both together.
#include <algorithm>

#include "operation.hpp"

using namespace sim;

namespace {

constexpr std::uint64_t kGranularity = std::uint64_t{2} << 20;

bool whole(std::uint64_t size) { return size != 0 && size % kGranularity == 0; }

CUresult check(const State &s, const CUmemAllocationProp *properties) {
  if (!s.settings.virtual_memory) return CUDA_ERROR_NOT_SUPPORTED;
  if (properties == nullptr || properties->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
      properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
    return CUDA_ERROR_INVALID_VALUE;
  if (!s.valid(properties->location.id)) return CUDA_ERROR_INVALID_DEVICE;
  const auto types = properties->requestedHandleTypes;
  return types == CU_MEM_HANDLE_TYPE_NONE || types == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ? CUDA_SUCCESS
                                                                                               : CUDA_ERROR_NOT_SUPPORTED;
}

// The mappings that fill these addresses from end to end; none if they don't.
std::vector<std::uint64_t> filling(State &s, std::uint64_t address, std::uint64_t size) {
  std::vector<std::uint64_t> bases;
  std::uint64_t at = address;
  while (at < address + size) {
    const Range *range = s.memory.at(at);
    if (range == nullptr || range->kind != Kind::mapped) return {};
    bases.push_back(at);
    at += range->size;
  }
  return at == address + size ? bases : std::vector<std::uint64_t>{};
}

bool overlaps(State &s, std::uint64_t address, std::uint64_t size) {
  if (s.memory.find(address) != nullptr) return true;
  const auto next = s.memory.ranges().lower_bound(address);
  return next != s.memory.ranges().end() && next->first < address + size;
}

bool reserved(const State &s, std::uint64_t address, std::uint64_t size) {
  auto next = s.memory.reservations.upper_bound(address);
  if (next == s.memory.reservations.begin()) return false;
  --next;
  return size <= next->second && address - next->first <= next->second - size;
}

}  // namespace

CUresult CUDAAPI cuMemGetAllocationGranularity(size_t *out, const CUmemAllocationProp *properties,
                                               CUmemAllocationGranularity_flags which) {
  return call("cuMemGetAllocationGranularity", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (out == nullptr || (which != CU_MEM_ALLOC_GRANULARITY_MINIMUM && which != CU_MEM_ALLOC_GRANULARITY_RECOMMENDED))
      return CUDA_ERROR_INVALID_VALUE;
    const CUresult wrong = check(s, properties);
    if (wrong == CUDA_SUCCESS) *out = kGranularity;
    return wrong;
  });
}

CUresult CUDAAPI cuMemAddressReserve(CUdeviceptr *out, size_t size, size_t alignment, CUdeviceptr, unsigned long long flags) {
  return call("cuMemAddressReserve", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (!s.settings.virtual_memory) return CUDA_ERROR_NOT_SUPPORTED;
    if (out == nullptr || !whole(size) || flags != 0 || (alignment & (alignment - 1)) != 0) return CUDA_ERROR_INVALID_VALUE;
    const std::uint64_t base = s.memory.arena.take(size, std::max<std::uint64_t>(alignment, kGranularity));
    if (base == 0) return CUDA_ERROR_OUT_OF_MEMORY;
    s.memory.reservations[base] = size;
    *out = base;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemAddressFree(CUdeviceptr address, size_t size) {
  return call("cuMemAddressFree", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const auto found = s.memory.reservations.find(address);
    if (found == s.memory.reservations.end() || found->second != size || overlaps(s, address, size))
      return CUDA_ERROR_INVALID_VALUE;
    s.memory.reservations.erase(found);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemCreate(CUmemGenericAllocationHandle *out, size_t size, const CUmemAllocationProp *properties,
                             unsigned long long flags) {
  return call("cuMemCreate", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const CUresult wrong = check(s, properties);
    if (wrong != CUDA_SUCCESS) return wrong;
    if (out == nullptr || flags != 0 || !whole(size)) return CUDA_ERROR_INVALID_VALUE;
    auto physical = std::make_shared<Physical>();
    physical->block = s.memory.make(properties->location.id, size, s.settings.limit);
    if (physical->block == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
    physical->block->properties = *properties;
    *out = s.physicals.add(std::move(physical));
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemRelease(CUmemGenericAllocationHandle handle) {
  return call("cuMemRelease", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const auto physical = s.physicals.find(handle);
    if (physical == nullptr) {
      s.mistake(Mistake::bad_handle, "%#llx is no memory", handle);
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (--physical->references == 0) s.physicals.remove(handle);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *out, void *address) {
  return call("cuMemRetainAllocationHandle", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const Range *range = s.memory.find(reinterpret_cast<std::uintptr_t>(address));
    if (out == nullptr || range == nullptr || range->kind != Kind::mapped) return CUDA_ERROR_INVALID_VALUE;
    for (const auto &[handle, physical] : s.physicals.all()) {
      if (physical->block != range->block) continue;
      ++physical->references;
      *out = handle;
      return CUDA_SUCCESS;
    }
    auto physical = std::make_shared<Physical>();
    physical->block = range->block;
    *out = s.physicals.add(std::move(physical));
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *out, CUmemGenericAllocationHandle handle) {
  return call("cuMemGetAllocationPropertiesFromHandle", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const auto physical = s.physicals.find(handle);
    if (out == nullptr || physical == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *out = physical->block->properties;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemMap(CUdeviceptr address, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
                          unsigned long long flags) {
  return call("cuMemMap", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const auto physical = s.physicals.find(handle);
    if (physical == nullptr || flags != 0 || offset != 0 || !whole(size) || size > physical->block->size)
      return CUDA_ERROR_INVALID_VALUE;
    if (address % kGranularity != 0 || !reserved(s, address, size) || overlaps(s, address, size)) return CUDA_ERROR_INVALID_VALUE;
    Range range;
    range.block = physical->block;
    range.size = size;
    range.kind = Kind::mapped;
    s.memory.add(address, std::move(range));
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemUnmap(CUdeviceptr address, size_t size) {
  return call("cuMemUnmap", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const auto bases = filling(s, address, size);
    if (bases.empty()) return CUDA_ERROR_INVALID_VALUE;
    for (const std::uint64_t base : bases) {
      if (in_use(*s.memory.at(base)->block, s.host)) s.mistake(Mistake::busy_free, "%#lx is unmapped while work uses it", base);
      s.memory.remove(base);
    }
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemSetAccess(CUdeviceptr address, size_t size, const CUmemAccessDesc *given, size_t count) {
  return call("cuMemSetAccess", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const auto bases = filling(s, address, size);
    if (bases.empty() || given == nullptr || count == 0) return CUDA_ERROR_INVALID_VALUE;
    for (std::size_t i = 0; i < count; ++i) {
      if (given[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
      if (!s.valid(given[i].location.id)) return CUDA_ERROR_INVALID_DEVICE;
    }
    for (const std::uint64_t base : bases) {
      Range &range = *s.memory.at(base);
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t bit = 1U << given[i].location.id;
        range.readers = given[i].flags != CU_MEM_ACCESS_FLAGS_PROT_NONE ? range.readers | bit : range.readers & ~bit;
        range.writers = given[i].flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE ? range.writers | bit : range.writers & ~bit;
      }
    }
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location, CUdeviceptr address) {
  return call("cuMemGetAccess", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const Range *range = s.memory.find(address);
    if (flags == nullptr || location == nullptr || range == nullptr || !s.valid(location->id)) return CUDA_ERROR_INVALID_VALUE;
    const std::uint32_t bit = 1U << location->id;
    *flags = (range->writers & bit) != 0   ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE
             : (range->readers & bit) != 0 ? CU_MEM_ACCESS_FLAGS_PROT_READ
                                           : CU_MEM_ACCESS_FLAGS_PROT_NONE;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemExportToShareableHandle(void *out, CUmemGenericAllocationHandle handle, CUmemAllocationHandleType type,
                                              unsigned long long flags) {
  return call("cuMemExportToShareableHandle", Needs::driver, [&](State &s, Lock &) -> CUresult {
    const auto physical = s.physicals.find(handle);
    if (out == nullptr || flags != 0 || physical == nullptr || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
        physical->block->properties.requestedHandleTypes != type)
      return CUDA_ERROR_INVALID_VALUE;
    const int descriptor = s.world.export_descriptor(physical->block->name);
    if (descriptor < 0) return CUDA_ERROR_OPERATING_SYSTEM;
    *static_cast<int *>(out) = descriptor;
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *out, void *given, CUmemAllocationHandleType type) {
  return call("cuMemImportFromShareableHandle", Needs::driver, [&](State &s, Lock &) -> CUresult {
    if (!s.settings.virtual_memory) return CUDA_ERROR_NOT_SUPPORTED;
    if (out == nullptr || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_INVALID_VALUE;
    const auto name = s.world.import_descriptor(static_cast<int>(reinterpret_cast<std::intptr_t>(given)));
    if (!name) return CUDA_ERROR_INVALID_VALUE;
    auto physical = std::make_shared<Physical>();
    physical->block = s.memory.adopt(*name);
    CUmemAllocationProp &properties = physical->block->properties;
    properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.requestedHandleTypes = type;
    properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    properties.location.id = physical->block->device;
    *out = s.physicals.add(std::move(physical));
    return CUDA_SUCCESS;
  });
}
