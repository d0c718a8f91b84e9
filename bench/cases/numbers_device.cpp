#include "cases/numbers_device.hpp"

#include <mutex>

#include "harness/check.hpp"

namespace bench {

namespace {

constexpr std::uint64_t total = std::uint64_t{1} << 46;
constexpr std::uint64_t grain = std::uint64_t{2} << 20;

struct State {
  std::mutex mutex;
  std::uint64_t next_address = std::uint64_t{1} << 40, next_number = 1;
  DeviceCounts counts;
};
State state;

int32_t allocate(std::uint64_t size, std::uint64_t *out_address, void * /*userdata*/) {
  const std::lock_guard lock(state.mutex);
  ++state.counts.allocations;
  *out_address = state.next_address;
  state.next_address += (size + grain - 1) / grain * grain;
  return 0;
}
int32_t deallocate(std::uint64_t /*address*/, std::uint64_t /*size*/, void * /*userdata*/) { return 0; }
int32_t memory_info(std::uint64_t *out_available, std::uint64_t *out_total, void * /*userdata*/) {
  *out_available = *out_total = total;
  return 0;
}
int32_t synchronize(void * /*userdata*/) {
  ++state.counts.synchronizations;
  return 0;
}
int32_t make(std::uint64_t /*size*/, std::uint64_t *out_number, void * /*userdata*/) {
  const std::lock_guard lock(state.mutex);
  *out_number = state.next_number++;
  return 0;
}
int32_t nothing(std::uint64_t /*number*/, void * /*userdata*/) { return 0; }
int32_t wait_for(std::uint64_t /*event*/, std::uint64_t /*stream*/, void * /*userdata*/) { return 0; }
int32_t record(std::uint64_t /*event*/, std::uint64_t /*stream*/, void * /*userdata*/) {
  ++state.counts.records;
  return 0;
}
int32_t query(std::uint64_t /*event*/, int32_t *out_yes, void * /*userdata*/) {
  ++state.counts.queries;
  *out_yes = 1;
  return 0;
}

}  // namespace

NumbersDevice::NumbersDevice() {
  auto backend = SHMALLOC_INIT(shmalloc_backend);
  backend.name = "numbers";
  backend.alignment = 512;
  backend.allocate = allocate;
  backend.deallocate = deallocate;
  backend.memory_info = memory_info;
  backend.synchronize = synchronize;
  backend.stream_create = make;
  backend.stream_destroy = nothing;
  backend.stream_synchronize = nothing;
  backend.stream_wait = wait_for;
  backend.event_create = make;
  backend.event_destroy = nothing;
  backend.event_record = record;
  backend.event_query = query;
  backend.event_synchronize = nothing;
  shmalloc_error error;
  check(shmalloc_device_register(&backend, nullptr, nullptr, &device_, &error), error, "shmalloc_device_register");
}

NumbersDevice::~NumbersDevice() {
  shmalloc_error error;
  static_cast<void>(shmalloc_device_unregister(device_, &error));
}

const DeviceCounts &NumbersDevice::counts() const { return state.counts; }

}  // namespace bench
