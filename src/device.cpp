#include "shmalloc/device.h"

#include <algorithm>
#include <cstring>

#include "boundary.hpp"
#include "device/host/machine.hpp"
#include "device/registry.hpp"
#include "shmalloc/backend.h"

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

namespace {

using device::Event;

// Runs on a device; begins it if nobody has.
template <class Function>
shmalloc_status on_device(shmalloc_device number, shmalloc_error *err, Function body) noexcept {
  return guard(err, [&]() -> Result<void> {
    SHMALLOC_CHECK(prepare_process());  // What fork does to devices.
    SHMALLOC_TRY(found, device::find(number));
    return body(*found);
  });
}

// .. on a stream of it.
template <class Function>
shmalloc_status on_stream(shmalloc_device number, shmalloc_stream stream, shmalloc_error *err, Function body) noexcept {
  return on_device(number, err, [&](device::Device &device) -> Result<void> {
    SHMALLOC_CHECK(check_stream(stream));
    return body(device);
  });
}

Result<void> check_range(const char *name, std::uint64_t address, std::size_t size) {
  if (address == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "%s is 0", name);
  if (address > UINT64_MAX - size)
    return fail(SHMALLOC_STATUS_INVALID, 0, "%zu bytes from %s, %#llx, are more than there are addresses", size, name,
                static_cast<unsigned long long>(address));
  return {};
}

Result<void> describe_device(shmalloc_device number, shmalloc_device_info *info) {
  SHMALLOC_TRY(found, device::find(number));
  const device::Description description = found->describe();
  SHMALLOC_TRY(memory, found->memory_info());
  info->device = number;
  info->total = description.total;
  info->available = memory.available;
  info->page_size = description.page != 0 ? description.page : description.alignment;
  info->count = device::count(device::type_of(number));
  info->capabilities = device::capabilities_of(description, *found);
  std::memcpy(info->name, description.name.data(), std::min(description.name.size(), sizeof info->name - 1));
  return {};
}

}  // namespace

shmalloc_status shmalloc_device_get_info(shmalloc_device device, shmalloc_device_info *out_info, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    SHMALLOC_CHECK(check_sized(out_info, sizeof(shmalloc_device_info), "out_info"));
    SHMALLOC_CHECK(prepare_process());
    shmalloc_device_info info{};
    if (device::type_of(device) != SHMALLOC_DEVICE_TYPE_HOST) {
      SHMALLOC_CHECK(describe_device(device, &info));
    } else if (device == SHMALLOC_DEVICE_HOST) {
      SHMALLOC_CHECK(describe_host(&info));
    } else {
      return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "there is one host, with index 0");
    }
    write_sized(out_info, info);
    return {};
  });
}

shmalloc_status shmalloc_device_synchronize(shmalloc_device device, shmalloc_error *err) {
  return on_device(device, err, [](device::Device &on) { return on.synchronize(); });
}

shmalloc_status shmalloc_device_enable_peer(shmalloc_device device, shmalloc_device peer, shmalloc_error *err) {
  return on_device(device, err, [&](device::Device &on) -> Result<void> {
    SHMALLOC_TRY(other, device::find(peer));
    if (device::type_of(device) != device::type_of(peer))
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "devices of types %u and %u can't reach each other", device::type_of(device),
                  device::type_of(peer));
    if (device == peer) return {};
    return on.allow_peer(*other);
  });
}

shmalloc_status shmalloc_device_copy(shmalloc_device device, shmalloc_address to, shmalloc_address from, size_t size,
                                     shmalloc_stream stream, shmalloc_error *err) {
  return on_stream(device, stream, err, [&](device::Device &on) -> Result<void> {
    if (size == 0) return {};
    SHMALLOC_CHECK(check_range("to", to, size));
    SHMALLOC_CHECK(check_range("from", from, size));
    if (to < from + size && from < to + size) return fail(SHMALLOC_STATUS_INVALID, 0, "the two ranges overlap");
    return on.copy(to, from, size, stream);
  });
}

shmalloc_status shmalloc_device_fill(shmalloc_device device, shmalloc_address to, uint32_t value, size_t size,
                                     shmalloc_stream stream, shmalloc_error *err) {
  return on_stream(device, stream, err, [&](device::Device &on) -> Result<void> {
    if (value > 255) return fail(SHMALLOC_STATUS_INVALID, 0, "value is 0 to 255, not %u", value);
    if (size == 0) return {};
    SHMALLOC_CHECK(check_range("to", to, size));
    return on.fill(to, static_cast<std::uint8_t>(value), size, stream);
  });
}

shmalloc_status shmalloc_stream_create(shmalloc_device device, shmalloc_stream *out_stream, shmalloc_error *err) {
  return on_device(device, err, [&](device::Device &on) -> Result<void> {
    if (out_stream == nullptr) return missing("out_stream");
    SHMALLOC_TRY(stream, on.create_stream());
    *out_stream = stream;
    return {};
  });
}

shmalloc_status shmalloc_stream_destroy(shmalloc_device device, shmalloc_stream stream, shmalloc_error *err) {
  return on_stream(device, stream, err, [&](device::Device &on) { return on.destroy_stream(stream); });
}

shmalloc_status shmalloc_stream_synchronize(shmalloc_device device, shmalloc_stream stream, shmalloc_error *err) {
  return on_stream(device, stream, err, [&](device::Device &on) { return on.synchronize_stream(stream); });
}

shmalloc_status shmalloc_stream_wait(shmalloc_device device, shmalloc_stream stream, shmalloc_event event, shmalloc_error *err) {
  return on_stream(device, stream, err, [&](device::Device &on) { return on.wait(stream, Event(event)); });
}

shmalloc_status shmalloc_stream_call(shmalloc_device device, shmalloc_stream stream, shmalloc_work_fn fn, void *userdata,
                                     shmalloc_error *err) {
  return on_stream(device, stream, err, [&](device::Device &on) -> Result<void> {
    if (fn == nullptr) return missing("fn");
    SHMALLOC_TRY(captured, on.capturing(stream));
    if (captured)
      return fail(SHMALLOC_STATUS_BUSY, 0, "the stream is being captured: a function would run once for each launch, and not now");
    return on.call(stream, fn, userdata);
  });
}

shmalloc_status shmalloc_event_create(shmalloc_device device, shmalloc_event *out_event, shmalloc_error *err) {
  return on_device(device, err, [&](device::Device &on) -> Result<void> {
    if (out_event == nullptr) return missing("out_event");
    SHMALLOC_TRY(event, on.create_event());
    *out_event = static_cast<std::uint64_t>(event);
    return {};
  });
}

shmalloc_status shmalloc_event_destroy(shmalloc_device device, shmalloc_event event, shmalloc_error *err) {
  return on_device(device, err, [&](device::Device &on) { return on.destroy_event(Event(event)); });
}

shmalloc_status shmalloc_event_record(shmalloc_device device, shmalloc_event event, shmalloc_stream stream, shmalloc_error *err) {
  return on_stream(device, stream, err, [&](device::Device &on) { return on.record(Event(event), stream); });
}

shmalloc_status shmalloc_event_query(shmalloc_device device, shmalloc_event event, int32_t *out_done, shmalloc_error *err) {
  return on_device(device, err, [&](device::Device &on) -> Result<void> {
    if (out_done == nullptr) return missing("out_done");
    SHMALLOC_TRY(done, on.done(Event(event)));
    *out_done = done ? 1 : 0;
    return {};
  });
}

shmalloc_status shmalloc_event_synchronize(shmalloc_device device, shmalloc_event event, shmalloc_error *err) {
  return on_device(device, err, [&](device::Device &on) { return on.synchronize_event(Event(event)); });
}

shmalloc_status shmalloc_device_register(const shmalloc_backend *backend, void *userdata, shmalloc_destroy_fn destroy_fn,
                                         shmalloc_device *out_device, shmalloc_error *err) {
  bool adopted = false;
  const shmalloc_status status = guard_work(err, [&]() -> Result<void> {
    if (backend == nullptr) return missing("backend");
    if (out_device == nullptr) return missing("out_device");
    SHMALLOC_TRY(known, read_sized(backend, sizeof(shmalloc_backend), "shmalloc_backend"));
    adopted = true;
    SHMALLOC_TRY(made, device::register_custom(known, userdata, destroy_fn));
    *out_device = made;
    return {};
  });
  if (!adopted && destroy_fn != nullptr) destroy_fn(userdata);
  return status;
}

shmalloc_status shmalloc_device_unregister(shmalloc_device device, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    Ref<Allocator> current;  // Ends behind the device's entry, and with it the device.
    if (device::type_of(device) == SHMALLOC_DEVICE_TYPE_CUSTOM) current = Allocator::take_unused_current(device);
    const auto gone = device::unregister_custom(device, current ? 1 : 0);
    if (!gone && current) Allocator::put_back_current(std::move(current));
    return gone;
  });
}
