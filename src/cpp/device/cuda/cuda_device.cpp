// Opening devices, and their memory with an address.
#include "device/cuda/cuda_device.hpp"

#include <cstdio>
#include <memory>
#include <new>

#include "base/text.hpp"
#include "device/cuda/state.hpp"

namespace shmalloc::device {

using cuda::Driver;
using cuda::failed;
using cuda::api::Attribute;
using cuda::api::Code;

namespace {

// What cuMemAlloc gives; docs/gpu-assumptions.md.
constexpr std::uint64_t kAlignment = 512;

// For `opened`. Nobody who may not use the driver comes so far, so no forked child finds it taken.
constinit std::mutex opening;

Result<int> attribute(const Driver &driver, Attribute which, cuda::api::Device device) {
  int value = 0;
  const Code code = driver.device_attribute(&value, which, device);
  if (code != Code::success) return failed(driver, code, "asking CUDA device %d what it can do", device);
  return value;
}

Result<std::uint64_t> page_of(const Driver &driver, cuda::api::Device device) {
  if (!driver.virtual_memory) return std::uint64_t{0};
  SHMALLOC_TRY(supported, attribute(driver, Attribute::virtual_memory, device));
  if (supported == 0) return std::uint64_t{0};
  cuda::api::MemoryProperties properties{};
  properties.type = cuda::api::AllocationType::pinned;
  properties.location = {cuda::api::LocationType::device, device};
  std::size_t page = 0;
  const Code code = driver.granularity(&page, &properties, cuda::api::Granularity::minimum);
  if (code != Code::success) return failed(driver, code, "asking CUDA device %d for its pages", device);
  return page;
}

}  // namespace

Result<int> CudaDevice::count() {
  SHMALLOC_TRY(driver, Driver::get());
  int count = 0;
  if (const Code code = driver->device_count(&count); code != Code::success) return failed(*driver, code, "counting CUDA devices");
  if (count > 0) return count;
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "there is a CUDA driver, %d.%d, but it knows no GPU", driver->version / 1000,
              driver->version % 1000 / 10);
}

std::string CudaDevice::driver_line() {
  auto devices = count();
  if (!devices) return devices.error().message;
  auto driver = Driver::get();
  if (!driver) return driver.error().message;
  char line[64];
  std::snprintf(line, sizeof line, "CUDA driver %d.%d, %d device%s", (*driver)->version / 1000, (*driver)->version % 1000 / 10,
                *devices, *devices == 1 ? "" : "s");
  return line;
}

Result<CudaDevice::State *> CudaDevice::make(std::uint32_t index) {
  SHMALLOC_TRY(driver, Driver::get());
  SHMALLOC_TRY(devices, count());
  std::unique_ptr<State> state(new (std::nothrow) State(*driver, index));
  if (state == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a device");
  char name[128] = "";
  std::size_t total = 0;
  Code code = driver->device_get(&state->device, static_cast<int>(index));
  if (code == Code::success) code = driver->device_name(name, sizeof name, state->device);
  if (code == Code::success) code = driver->device_total(&total, state->device);
  if (code != Code::success) return failed(*driver, code, "describing CUDA device %u", index);
  SHMALLOC_TRY(unified, attribute(*driver, Attribute::unified_addressing, state->device));
  if (unified == 0) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "CUDA device %u does not share its addresses with the host (no unified addressing)",
                index);
  }
  SHMALLOC_TRY(page, page_of(*driver, state->device));
  if (page != 0) {
    SHMALLOC_TRY(descriptors, attribute(*driver, Attribute::posix_descriptors, state->device));
    state->descriptors = descriptors != 0;
  }
  state->description.name = "cuda " + std::to_string(index) + " (" + name + ")";
  state->description.total = total;
  state->description.alignment = kAlignment;
  state->description.page = page;
  state->description.peers = devices > 1;
  state->description.captures = true;
  state->description.per_thread = 2;  // CU_STREAM_PER_THREAD
  // The last, for it is not taken back. It may allocate, which a capture of another thread would mind.
  const cuda::Relaxed relaxed(*driver);
  code = relaxed.code();
  if (code == Code::success) code = driver->retain_context(&state->context, state->device);
  if (code != Code::success) return failed(*driver, code, "beginning to use CUDA device %u", index);
  return state.release();
}

Result<CudaDevice> CudaDevice::open(std::uint32_t index) {
  static constinit std::atomic<State *> opened[kMost] = {};
  SHMALLOC_TRY(devices, count());
  if (index >= static_cast<std::uint32_t>(devices) || index >= kMost) {
    return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "there %s %d CUDA device%s, counted from 0; there is no %u",
                devices == 1 ? "is" : "are", devices, devices == 1 ? "" : "s", index);
  }
  if (State *state = opened[index].load(std::memory_order_acquire); state != nullptr) return CudaDevice(state);
  const std::lock_guard lock(opening);
  State *state = opened[index].load(std::memory_order_relaxed);
  if (state == nullptr) {
    SHMALLOC_TRY(made, make(index));
    state = made;
    opened[index].store(state, std::memory_order_release);
  }
  return CudaDevice(state);
}

Result<void> CudaDevice::ours() const {
  if (state_->generation == fork_generation()) return {};
  return fail(SHMALLOC_STATUS_BACKEND, 0,
              "CUDA device %u was opened before a fork: a forked process can't use CUDA; fork before, or start a new program",
              state_->index);
}

Description CudaDevice::describe() { return state_->description; }

Result<MemoryInfo> CudaDevice::memory_info() {
  SHMALLOC_CHECK(ours());
  const Driver &driver = state_->driver;
  std::size_t available = 0;
  std::size_t total = 0;
  const Code code = state_->run([&] { return driver.memory_info(&available, &total); });
  if (code != Code::success) return failed(driver, code, "asking CUDA device %u for its free memory", state_->index);
  return MemoryInfo{available, total};
}

Result<Address> CudaDevice::allocate(std::size_t size) {
  SHMALLOC_CHECK(ours());
  if (size == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "an allocation of 0 bytes");
  if (size > state_->description.total) {
    return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "%s were asked for, and CUDA device %u has %s in all", size_text(size).text,
                state_->index, size_text(state_->description.total).text);
  }
  const Driver &driver = state_->driver;
  cuda::api::Pointer address = 0;
  const Code code = state_->run([&] { return driver.allocate(&address, size); });
  if (code != Code::success) return failed(driver, code, "allocating %s on CUDA device %u", size_text(size).text, state_->index);
  return Address{address};
}

Result<void> CudaDevice::free(Address address) {
  SHMALLOC_CHECK(ours());
  if (cuda::is_over()) return {};
  if (address == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "address 0 is no memory of a device");
  const Driver &driver = state_->driver;
  const Code code = state_->run([&] { return driver.free(address); });
  if (cuda::given_back(code)) return {};
  return failed(driver, code, "freeing %#llx of CUDA device %u", static_cast<unsigned long long>(address), state_->index);
}

}  // namespace shmalloc::device
