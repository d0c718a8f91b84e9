#include "allocators/allocator.hpp"

#include <cstdlib>
#include <cstring>
#include <map>

#include "allocators/caching/caching_allocator.hpp"
#include "allocators/direct/direct.hpp"
#include "allocators/map/map.hpp"
#include "allocators/map_refcounted/map_refcounted.hpp"
#include "allocators/shared/shared.hpp"

namespace shmalloc {
namespace {

constinit std::mutex current_mutex;
constinit Allocator *current_host = nullptr;  // owns a reference

// Of the other devices; never destroyed.
using Currents = std::map<shmalloc_device, Ref<Allocator>>;
Currents &currents() {
  alignas(Currents) static char space[sizeof(Currents)];
  static Currents *made = new (space) Currents();
  return *made;
}
constinit std::atomic<std::uint64_t> next_id{1};

Result<Ref<Allocator>> make_kind(int kind) {
  Allocator *made = nullptr;
  switch (kind) {
    case SHMALLOC_ALLOCATOR_KIND_MAP:
      made = new (std::nothrow) MapAllocator();
      break;
    case SHMALLOC_ALLOCATOR_KIND_DIRECT:
      made = new (std::nothrow) DirectAllocator();
      break;
    case SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED:
      made = new (std::nothrow) MapRefcountedAllocator();
      break;
    case SHMALLOC_ALLOCATOR_KIND_CACHING:
      return fail(
          SHMALLOC_STATUS_UNSUPPORTED, 0,
          "allocators of kind CACHING are for devices with streams, which plain host memory is not: HOST_STREAMS devices are");
    case SHMALLOC_ALLOCATOR_KIND_DEFAULT:
    case SHMALLOC_ALLOCATOR_KIND_SHARED:
      made = new (std::nothrow) SharedAllocator();
      break;
    default:
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "this version of shmalloc has no allocators of kind %d", kind);
  }
  if (made == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for an allocator");
  return Ref<Allocator>(made);
}

Result<Ref<Allocator>> make_on_device(int kind, shmalloc_device number) {
  if (kind != SHMALLOC_ALLOCATOR_KIND_DEFAULT && kind != SHMALLOC_ALLOCATOR_KIND_CACHING)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "allocators of kind %d are for the host: devices have kind CACHING", kind);
  SHMALLOC_TRY(device, device::find(number));
  auto *made = new (std::nothrow) CachingAllocator(number, std::move(device));
  if (made == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for an allocator");
  return Ref<Allocator>(made);
}

}  // namespace

constinit std::atomic<Allocator *> Allocator::quick_{nullptr};
constinit std::mutex Allocator::settings_mutex_;

Result<Ref<Allocator>> Allocator::create(const shmalloc_allocator_params &params) {
  if ((params.flags & ~static_cast<std::uint32_t>(SHMALLOC_ALLOCATOR_ENVIRONMENT)) != 0) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "allocator flags %#x are not known to this version of shmalloc", params.flags);
  }
  SHMALLOC_TRY(allocator,
               params.device == SHMALLOC_DEVICE_HOST ? make_kind(params.kind) : make_on_device(params.kind, params.device));
  if (!allocator->recorder_) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for an allocator's statistics");
  if (params.name != nullptr) {
    const std::size_t length = std::strlen(params.name);
    if (length >= sizeof allocator->name_)
      return fail(SHMALLOC_STATUS_INVALID, 0, "an allocator's name has at most 63 bytes, not %zu", length);
    std::memcpy(allocator->name_, params.name, length + 1);
  }
  if (params.config != nullptr) SHMALLOC_CHECK(allocator->configure(params.config));
  if ((params.flags & SHMALLOC_ALLOCATOR_ENVIRONMENT) != 0) {
    const char *text = std::getenv("SHMALLOC_CONF");
    if (text != nullptr) SHMALLOC_CHECK(allocator->configure(text));
  }
  allocator->id_ = next_id.fetch_add(1, std::memory_order_relaxed);
  allocator->begin();
  return std::move(allocator);
}

Result<Ref<Allocator>> Allocator::current_on_device(shmalloc_device device) {
  const auto known = [device]() -> Ref<Allocator> {
    const auto found = currents().find(device);
    if (found == currents().end() || found->second->inherited()) return {};
    return Ref<Allocator>::retain(found->second.get());
  };
  {
    const std::lock_guard lock(current_mutex);
    if (Ref<Allocator> found = known()) return found;
  }
  // Without the lock: a device may begin with it, whose driver may fork, which takes the lock.
  shmalloc_allocator_params params{};
  params.device = device;
  SHMALLOC_TRY(made, create(params));
  Ref<Allocator> old;  // This and one that came too late are released after the lock.
  const std::lock_guard lock(current_mutex);
  if (Ref<Allocator> found = known()) return found;
  old = std::exchange(currents()[device], Ref<Allocator>::retain(made.get()));
  return std::move(made);
}

Result<Ref<Allocator>> Allocator::current(shmalloc_device device) {
  if (device != SHMALLOC_DEVICE_HOST) return current_on_device(device);
  const std::lock_guard lock(current_mutex);
  if (current_host == nullptr) {
    const shmalloc_allocator_params params{};
    SHMALLOC_TRY(made, create(params));
    current_host = made.take();
    current_host->retain();  // For those who use it without a reference, whenever that may be.
    quick_.store(current_host, std::memory_order_release);
  }
  return Ref<Allocator>::retain(current_host);
}

Result<void> Allocator::set_current(Allocator *allocator) {
  Ref<Allocator> old;  // Released after the lock.
  const std::lock_guard lock(current_mutex);
  const auto busy = [](const Allocator *current) -> Result<void> {
    if (current == nullptr || current->inherited() || current->live_storages() == 0) return {};
    return fail(SHMALLOC_STATUS_BUSY, 0, "the current allocator has %llu live storages: change it before any is made",
                static_cast<unsigned long long>(current->live_storages()));
  };
  if (allocator->device() != SHMALLOC_DEVICE_HOST) {
    Ref<Allocator> &current = currents()[allocator->device()];
    if (allocator == current.get()) return {};
    SHMALLOC_CHECK(busy(current.get()));
    old = std::move(current);
    current = Ref<Allocator>::retain(allocator);
    return {};
  }
  if (allocator == current_host) return {};
  SHMALLOC_CHECK(busy(current_host));
  allocator->retain();
  old = Ref<Allocator>(current_host);
  current_host = allocator;
  quick_.store(nullptr, std::memory_order_release);
  return {};
}

Ref<Allocator> Allocator::take_unused_current(shmalloc_device device) {
  Ref<Allocator> taken;
  const std::lock_guard lock(current_mutex);
  const auto found = currents().find(device);
  if (found == currents().end() || found->second->references() > 1 || found->second->live_storages() != 0) return taken;
  taken = std::move(found->second);
  currents().erase(found);
  return taken;
}

void Allocator::put_back_current(Ref<Allocator> allocator) {
  const shmalloc_device device = allocator->device();
  const std::lock_guard lock(current_mutex);
  Ref<Allocator> &current = currents()[device];
  if (!current) std::swap(current, allocator);  // Else there is a new one by now, and this is released after the lock.
}

Result<void> Allocator::configure(const char *text) {
  const std::lock_guard lock(settings_mutex_);
  SHMALLOC_TRY(changed, parse_settings(settings_, text, keys_));
  settings_ = changed;
  return {};
}

void Allocator::lock_all() {
  current_mutex.lock();
  CachingAllocator::lock_all();
  SharedAllocator::before_fork();
  settings_mutex_.lock();
}

void Allocator::unlock_all(bool in_child) {
  settings_mutex_.unlock();
  if (in_child) {
    SharedAllocator::in_child();
  } else {
    SharedAllocator::in_parent();
  }
  CachingAllocator::unlock_all(in_child);
  current_mutex.unlock();
}

}  // namespace shmalloc
