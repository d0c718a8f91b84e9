#include "device/streams/memory.hpp"

#include <sys/mman.h>

#include <algorithm>

#include "base/text.hpp"
#include "os/file.hpp"
#include "os/mapping.hpp"
#include "os/memory_info.hpp"
#include "os/pages.hpp"

namespace shmalloc::device {
namespace {

void *pointer(Address address) { return reinterpret_cast<void *>(address); }

}  // namespace

HostMemory::HostMemory() : machine_(os::memory_info().total) {}

HostMemory::~HostMemory() {
  for (const Range &one : allocations_) os::calls.munmap(pointer(one.begin), one.size);
  for (const Range &one : reservations_) os::calls.munmap(pointer(one.begin), one.size);
  for (const Store &one : stores_) os::UniqueFd(one.fd).reset();
}

std::uint64_t HostMemory::alignment() { return os::page_size(); }

std::uint64_t HostMemory::page() { return os::kHugePage; }

std::uint64_t HostMemory::total() const {
  if (limit_ == 0) return machine_;
  return machine_ == 0 ? limit_ : std::min(limit_, machine_);
}

MemoryInfo HostMemory::info() {
  const os::MemoryInfo machine = os::memory_info();
  const std::lock_guard lock(mutex_);
  MemoryInfo info;
  info.total = total();
  info.available = info.total > used_ ? info.total - used_ : 0;
  if (machine.known) info.available = std::min(info.available, machine.available);
  return info;
}

void HostMemory::set_limit(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_ = bytes;
}

// The machine's own memory is a limit as well: pages come when they are touched, so the system would promise more than there is.
Result<void> HostMemory::take(std::uint64_t size) {
  const std::uint64_t most = total();
  if (most == 0 || (used_ <= most && size <= most - used_)) {
    used_ += size;
    return {};
  }
  return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "this device has %s, of which %s are used; %s more are too much", size_text(most).text,
              size_text(used_).text, size_text(size).text);
}

Result<Address> HostMemory::allocate(std::size_t size) {
  if (size == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "an allocation of 0 bytes");
  const std::size_t rounded = (size + os::page_size() - 1) / os::page_size() * os::page_size();
  if (rounded < size) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no machine has %s", size_text(size).text);
  const std::lock_guard lock(mutex_);
  SHMALLOC_CHECK(allocations_.make_room());
  SHMALLOC_CHECK(take(rounded));
  auto mapping = os::Mapping::anonymous(rounded, "a device's memory");
  if (!mapping) {
    used_ -= rounded;
    return mapping.error();
  }
  const auto address = reinterpret_cast<Address>(mapping->base());
  mapping->forget();
  allocations_.insert({address, rounded});
  return address;
}

Result<void> HostMemory::free(Address address) {
  const std::lock_guard lock(mutex_);
  Range *one = allocations_.find(address);
  if (one == nullptr) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "%#llx is no allocation of this device", static_cast<unsigned long long>(address));
  }
  // Refused where it would cut a mapping in two, and there are too many: neighbours are one to the kernel.
  if (os::calls.munmap(pointer(address), one->size) != 0)
    return fail_errno(errno, "giving %s back failed", size_text(one->size).text);
  used_ -= one->size;
  allocations_.erase(one, one + 1);
  return {};
}

}  // namespace shmalloc::device
