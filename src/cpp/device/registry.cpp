#include "device/registry.hpp"

#include <map>
#include <mutex>
#include <utility>

#include "base/fork.hpp"
#include "device/cuda/cuda_device.hpp"
#include "device/custom/custom_device.hpp"
#include "device/streams/host_device.hpp"

namespace shmalloc::device {
namespace {

struct Entry {
  std::shared_ptr<Device> device;
  std::uint64_t fork_generation = 0;
};
struct Table {
  std::map<shmalloc_device, Entry> entries;
  std::uint32_t next_custom = 0;
  std::size_t customs = 0;
};

constinit std::mutex mutex;

// Never destroyed: devices are used by what is released after exit has begun.
Table &table() {
  alignas(Table) static char space[sizeof(Table)];
  static Table *made = new (space) Table();
  return *made;
}

Result<std::unique_ptr<Device>> begin(shmalloc_device number) {
  switch (type_of(number)) {
    case SHMALLOC_DEVICE_TYPE_HOST:
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "plain host memory has no streams: devices of type HOST_STREAMS have");
    case SHMALLOC_DEVICE_TYPE_HOST_STREAMS: {
      if (index_of(number) >= HostDevice::kMost)
        return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "there are %u devices of type HOST_STREAMS: none has the index %u",
                    HostDevice::kMost, index_of(number));
      SHMALLOC_TRY(device, HostDevice::make(index_of(number)));
      return erase(std::move(device));
    }
    case SHMALLOC_DEVICE_TYPE_CUDA: {
      SHMALLOC_TRY(device, CudaDevice::open(index_of(number)));
      return erase(device);
    }
    case SHMALLOC_DEVICE_TYPE_CUSTOM:
      return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "no custom device has the index %u", index_of(number));
    default:
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "this version of shmalloc has no devices of type %u", type_of(number));
  }
}

// With the lock. In a forked child the host's memory can be a device anew; the parent's device is not there.
std::shared_ptr<Device> find_known(shmalloc_device number) {
  const auto found = table().entries.find(number);
  if (found == table().entries.end()) return nullptr;
  const bool stale = type_of(number) == SHMALLOC_DEVICE_TYPE_HOST_STREAMS && found->second.fork_generation != fork_generation();
  return stale ? nullptr : found->second.device;
}

}  // namespace

Result<std::shared_ptr<Device>> find(shmalloc_device number) {
  {
    const std::lock_guard lock(mutex);
    if (auto known = find_known(number); known != nullptr) return known;
  }
  // Without the lock: a driver may fork while it begins, and fork takes it.
  SHMALLOC_TRY(begun, begin(number));
  if (begun == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a device");
  std::shared_ptr<Device> device = std::move(begun);
  std::shared_ptr<Device> old;  // This and one that came too late end with no lock held.
  const std::lock_guard lock(mutex);
  if (auto known = find_known(number); known != nullptr) return known;
  Entry &entry = table().entries[number];
  old = std::exchange(entry.device, device);
  entry.fork_generation = fork_generation();
  return device;
}

std::uint32_t capabilities_of(const Description &description, const Device &device) {
  std::uint32_t bits = 0;
  if (description.streams) bits |= SHMALLOC_CAPABILITY_STREAMS;
  if (description.host_access) bits |= SHMALLOC_CAPABILITY_HOST_ACCESS;
  if (device.calls()) bits |= SHMALLOC_CAPABILITY_CALL;
  if (description.captures) bits |= SHMALLOC_CAPABILITY_CAPTURE;
  if (description.peers) bits |= SHMALLOC_CAPABILITY_PEERS;
  if (description.page != 0) bits |= SHMALLOC_CAPABILITY_VIRTUAL;
  return bits;
}

std::uint32_t count(std::uint32_t type) {
  switch (type) {
    case SHMALLOC_DEVICE_TYPE_HOST:
      return 1;
    case SHMALLOC_DEVICE_TYPE_HOST_STREAMS:
      return HostDevice::kMost;
    case SHMALLOC_DEVICE_TYPE_CUDA: {
      auto gpus = CudaDevice::count();
      return gpus ? static_cast<std::uint32_t>(*gpus) : 0;
    }
    case SHMALLOC_DEVICE_TYPE_CUSTOM: {
      const std::lock_guard lock(mutex);
      return static_cast<std::uint32_t>(table().customs);
    }
    default:
      return 0;
  }
}

Result<shmalloc_device> register_custom(const shmalloc_backend &backend, void *userdata, shmalloc_destroy_fn destroy_fn) {
  auto made = CustomDevice::make(backend, userdata, destroy_fn);
  if (!made) {
    if (destroy_fn != nullptr) destroy_fn(userdata);
    return made.error();
  }
  std::shared_ptr<Device> device = erase(std::move(*made));  // From here on its end gives userdata back; with no lock held.
  if (device == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a device");
  const std::lock_guard lock(mutex);
  if (table().customs == kMostCustom) return fail(SHMALLOC_STATUS_NO_SPACE, 0, "there are %zu custom devices already", kMostCustom);
  const shmalloc_device number = SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUSTOM, table().next_custom);
  table().entries[number] = {std::move(device), fork_generation()};
  ++table().next_custom;
  ++table().customs;
  return number;
}

Result<void> unregister_custom(shmalloc_device number, long users) {
  std::shared_ptr<Device> gone;  // Ends with no lock held: it calls back.
  const std::lock_guard lock(mutex);
  const auto found = table().entries.find(number);
  if (type_of(number) != SHMALLOC_DEVICE_TYPE_CUSTOM || found == table().entries.end())
    return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "no custom device has the number %#llx", static_cast<unsigned long long>(number));
  if (found->second.device.use_count() > 1 + users)
    return fail(SHMALLOC_STATUS_BUSY, 0, "allocators or storages of the device are there: release them first");
  gone = std::move(found->second.device);
  table().entries.erase(found);
  --table().customs;
  return {};
}

void lock_registry() { mutex.lock(); }
void unlock_registry() { mutex.unlock(); }

}  // namespace shmalloc::device
