#include "allocators/map/map.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <climits>

#include "base/log.hpp"
#include "base/text.hpp"

namespace shmalloc {

Result<MapRequest> make_request(std::size_t size, const shmalloc_storage_params &params, const Settings &settings) {
  if ((params.alignment & (params.alignment - 1)) != 0 || params.alignment > (std::uint64_t{1} << 40)) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "alignment must be a power of two of at most 2^40, not %llu",
                static_cast<unsigned long long>(params.alignment));
  }
  if (params.mode > 07777) return fail(SHMALLOC_STATUS_INVALID, 0, "mode %#o is no set of permission bits", params.mode);
  if (params.file_offset % os::page_size() != 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "file_offset %llu is no multiple of the page size %zu",
                static_cast<unsigned long long>(params.file_offset), os::page_size());
  }
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 62;  // Sums of two of these do not overflow.
  if (params.file_offset > kLargest || size > kLargest || params.capacity > kLargest) {
    return fail(SHMALLOC_STATUS_NO_SPACE, EFBIG, "no object can be %s long",
                size_text(std::max<std::uint64_t>(size, params.capacity)).text);
  }
  if (params.page_size != 0 && (params.mapped & SHMALLOC_MAPPED_HUGETLB) == 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "page_size goes with HUGETLB only");
  }
  if ((params.page_size & (params.page_size - 1)) != 0 || (params.page_size != 0 && params.page_size <= os::page_size())) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "page_size %llu is the size of no huge page",
                static_cast<unsigned long long>(params.page_size));
  }
  MapRequest request;
  request.size = size;
  request.offset = params.file_offset;
  request.capacity = std::max<std::size_t>(params.capacity, size);
  request.alignment = params.alignment;
  request.huge_page = params.page_size;
  request.mode = params.mode != 0 ? params.mode : settings.mode;
  request.numa_node = params.numa_node == 0 ? settings.numa_node : params.numa_node < 0 ? -1 : params.numa_node - 1;
  request.fd = params.fd;
  request.name = params.name;
  request.prefix = settings.prefix;
  request.populate = settings.populate;
  return request;
}

Result<std::unique_ptr<Memory>> MapAllocator::make(std::size_t size, std::uint64_t /*stream*/,
                                                   const shmalloc_storage_params &params) {
  const Settings current = settings();
  SHMALLOC_TRY(plan, make_plan(params.mapped, params.name != nullptr));
  SHMALLOC_TRY(request, make_request(size, params, current));
  for (int tries = 0;; ++tries) {
    std::unique_ptr<MapMemory> empty(new (std::nothrow) MapMemory());
    if (empty == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
    auto memory = MapMemory::open(plan, request, std::move(empty));
    if (memory) return std::unique_ptr<Memory>(std::move(*memory));
    // Somebody made the name between our look and our try to make it: it is there to be opened now.
    const bool again = memory.error().status == SHMALLOC_STATUS_BUSY && memory.error().os_error == EEXIST;
    if (!again || tries == 64) return memory.error();
  }
}

std::uint32_t MapAllocator::capabilities() const {
  return SHMALLOC_CAPABILITY_HOST_ACCESS | SHMALLOC_CAPABILITY_EXPORT | SHMALLOC_CAPABILITY_EXPORT_BYTES |
         SHMALLOC_CAPABILITY_READ_ONLY | SHMALLOC_CAPABILITY_GROW;
}

MapMemory::~MapMemory() {
  // Only a memory that was never handed out ends without close: whatever was made is taken back.
  if (created_ && named_) static_cast<void>(os::remove_name(object_.path.c_str(), object_.identity));
  if (extended_to_ != 0 && !created_ && object_.fd) os::cut_back(object_.fd.get(), extended_to_, facts_.size);
}

Result<void> MapMemory::close(bool inherited) {
  const bool remove = remove_at_close_ && named_ && !inherited;
  named_ = created_ = false;
  extended_to_ = 0;
  mapping_.reset();
  data = nullptr;
  const int error = remove ? os::remove_name(object_.path.c_str(), object_.identity) : 0;
  object_.fd.reset();
  if (error != 0) return fail(SHMALLOC_STATUS_SYSTEM, error, "the name %s could not be removed", what());
  return {};
}

void MapMemory::discard() {
  if (created_) remove_at_close_ = true;
  static_cast<void>(close(false));
}

Result<void> MapMemory::grow(std::size_t wanted) {
  std::uint64_t exists = 0;
  const std::uint64_t before = object_.offset + object_.header;
  if (object_.private_view) return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "a private view of a file can't grow");
  os::UniqueFd opened;
  int fd = object_.fd.get();
  if (fd < 0) {
    if (!object_.named)
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "this storage has neither a descriptor (KEEPFD) nor a name to grow by");
    opened = os::open_path(object_.path.c_str(), object_.read_only ? O_RDONLY : O_RDWR);
    if (!opened) return fail_errno(errno, "opening %s to grow it failed%s", what(), os::hint_for(errno, "").text);
    fd = opened.get();
  }
  SHMALLOC_TRY(facts, os::look(fd, what()));
  if (opened && facts.identity != object_.identity) return fail(SHMALLOC_STATUS_STALE, 0, "%s is another object by now", what());
  exists = facts.size > before ? facts.size - before : 0;
  if (wanted == 0) wanted = std::min<std::uint64_t>(exists, capacity);
  if (wanted <= size) return {};
  if (wanted > capacity) {
    return fail(SHMALLOC_STATUS_NO_SPACE, 0,
                "%s can grow to its capacity of %s, not to %s: give a larger capacity when you make it", what(),
                size_text(capacity).text, size_text(wanted).text);
  }
  if (wanted > exists && object_.read_only)
    return fail(SHMALLOC_STATUS_PERMISSION, 0, "%s is open for reading only and can't grow", what());
  if (wanted > exists && (immutable || !growable_)) {
    return fail(SHMALLOC_STATUS_PERMISSION, 0, "%s is sealed, or was made with NO_GROW: it can't grow", what());
  }
  if (!object_.read_only) {
    // Also what somebody else made longer: he may not have reserved its blocks.
    std::uint64_t end = before + wanted;
    if (page_ > os::page_size()) end = (end + page_ - 1) / page_ * page_;
    SHMALLOC_CHECK(os::reserve(fd, std::min<std::uint64_t>(before + size, facts.size), end, facts.size, limits_, what()));
  } else if (os::seals_of(fd) != 0) {
    SHMALLOC_CHECK(
        mapping_.populate(object_.header + wanted, false, what()));  // Holes of shared memory take memory when they are read.
  }
  size = wanted;
  return {};
}

std::uint64_t MapMemory::block_size() const {
  const std::uint64_t page = std::max<std::uint64_t>(page_, os::page_size());
  return size == 0 ? 0 : (object_.header + size + page - 1) / page * page;
}

Result<void> MapMemory::check_length() {
  SHMALLOC_TRY(facts, os::look(object_.fd.get(), what()));
  if (facts.size < object_.offset + object_.header + size) {
    return fail(SHMALLOC_STATUS_STALE, 0, "%s was truncated by a peer", what());
  }
  stable.store((object_.seals & F_SEAL_SHRINK) != 0, std::memory_order_relaxed);
  return {};
}

Result<void> MapMemory::seal() {
  if (immutable || (capacity == 0 && !object_.fd)) return {};
  if (!object_.fd || object_.private_view || (os::seals_of(object_.fd.get()) & F_SEAL_SEAL) != 0 ||
      object_.route != Route::descriptor) {
    return no_seals();
  }
  const int seals = os::seals_of(object_.fd.get());
  if (!read_only && (seals & F_SEAL_FUTURE_WRITE) != 0 && (seals & F_SEAL_WRITE) == 0) {
    // If somebody else writes, the seal fails, and we could not map it for writing again.
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                "what was exported READ_ONLY and is still written here can't be sealed: seal it before you export it");
  }
  // The seal needs every writable mapping gone, and a shared mapping counts as writable while its descriptor could write.
  SHMALLOC_TRY(reader, os::reopen(object_.fd.get(), O_RDONLY));
  const auto offset = object_.offset;
  SHMALLOC_CHECK(mapping_.replace(reader.get(), offset, PROT_READ, MAP_SHARED, what()));
  auto sealed = os::add_seals(object_.fd.get(), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, what());
  if (!sealed) {
    if (read_only) return sealed;
    const auto back = mapping_.replace(object_.fd.get(), offset, PROT_READ | PROT_WRITE, MAP_SHARED, what());
    if (back) return sealed;
    read_only = object_.read_only = true;
    return fail(SHMALLOC_STATUS_SYSTEM, sealed.error().os_error,
                "sealing failed, and mapping for writing again too: it is read-only now");
  }
  read_only = object_.read_only = immutable = true;
  object_.seals = os::seals_of(object_.fd.get());
  return check_length();
}

}  // namespace shmalloc
