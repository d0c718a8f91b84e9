#include "allocators/direct/direct.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/text.hpp"
#include "os/mapping.hpp"

namespace shmalloc {
namespace {

class HeapMemory final : public Memory {
 public:
  HeapMemory(void *start, std::size_t length) {
    data = start;
    size = capacity = length;
  }
  ~HeapMemory() override { std::free(data); }
  Result<void> close(bool) override {
    std::free(data);
    data = nullptr;
    return {};
  }
};

// Pages of its own, for what malloc can't do: NUMA nodes.
class PageMemory final : public Memory {
 public:
  PageMemory(os::Mapping mapping, std::size_t length) : mapping_(std::move(mapping)) {
    data = mapping_.base();
    size = capacity = length;
  }
  Result<void> close(bool) override {
    mapping_.reset();
    return {};
  }
  std::uint64_t block_size() const override { return (size + os::page_size() - 1) / os::page_size() * os::page_size(); }

 private:
  os::Mapping mapping_;
};

}  // namespace

Result<std::unique_ptr<Memory>> DirectAllocator::make(std::size_t size, std::uint64_t /*stream*/,
                                                      const shmalloc_storage_params &params) {
  const Settings current = settings();
  if (params.name != nullptr || params.mapped != 0 || params.file_offset != 0 || params.page_size != 0 || params.mode != 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0,
                "name, mapped, file_offset, page_size and mode are for storages of kind MAP, not DIRECT");
  }
  if (params.capacity > size) return fail(SHMALLOC_STATUS_INVALID, 0, "capacity: storages of kind DIRECT can't grow");
  const std::uint64_t alignment = std::max(params.alignment, current.alignment);
  const int node = params.numa_node == 0 ? current.numa_node : params.numa_node < 0 ? -1 : params.numa_node - 1;
  std::unique_ptr<Memory> memory;
  if (size == 0) {
    memory.reset(new (std::nothrow) HeapMemory(nullptr, 0));
  } else if (node >= 0) {
    SHMALLOC_TRY(mapping,
                 os::Mapping::map(-1, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, alignment, "private memory"));
    SHMALLOC_CHECK(mapping.bind(node));
    memory.reset(new (std::nothrow) PageMemory(std::move(mapping), size));
  } else {
    void *start = nullptr;
    if (size > static_cast<std::size_t>(PTRDIFF_MAX) || os::calls.aligned_alloc(&start, alignment, size) != 0) {
      return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for %s of private memory aligned to %llu", size_text(size).text,
                  static_cast<unsigned long long>(alignment));
    }
    if ((params.flags & SHMALLOC_STORAGE_ZEROED) != 0) std::memset(start, 0, size);
    memory.reset(new (std::nothrow) HeapMemory(start, size));
    if (memory == nullptr) std::free(start);
  }
  if (memory == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
  return memory;
}

}  // namespace shmalloc
