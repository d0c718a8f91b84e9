#include "channel/channel.hpp"

#include "boundary.hpp"
#include "shmalloc/channel.h"

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

namespace {

Channel *unwrap(shmalloc_channel *channel) {
  auto *handle = reinterpret_cast<Handle *>(channel);
  return handle != nullptr && handle->is(HandleType::channel) ? static_cast<Channel *>(handle) : nullptr;
}
shmalloc_channel *wrap(Channel *channel) { return reinterpret_cast<shmalloc_channel *>(static_cast<Handle *>(channel)); }

Result<void> check_timeout(std::int64_t timeout_ns) {
  if (timeout_ns >= SHMALLOC_TIME_NONE) return {};
  return fail(SHMALLOC_STATUS_INVALID, 0, "timeout_ns %lld is no time", static_cast<long long>(timeout_ns));
}

}  // namespace

shmalloc_status shmalloc_channel_create(const shmalloc_channel_params *params, shmalloc_channel **out_channel,
                                        shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    if (out_channel == nullptr) return missing("out_channel");
    SHMALLOC_TRY(known, read_sized(params, sizeof(shmalloc_channel_params), "shmalloc_channel_params"));
    SHMALLOC_TRY(made, Channel::create(known));
    *out_channel = wrap(made.take());
    return {};
  });
}

shmalloc_status shmalloc_channel_open(shmalloc_storage *storage, shmalloc_channel **out_channel, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    if (out_channel == nullptr) return missing("out_channel");
    SHMALLOC_TRY(opened, Channel::open(*self));
    *out_channel = wrap(opened.take());
    return {};
  });
}

void shmalloc_channel_retain(shmalloc_channel *channel) {
  if (Channel *self = unwrap(channel); self != nullptr) self->retain();
}

void shmalloc_channel_release(shmalloc_channel *channel) {
  static_cast<void>(guard(nullptr, [&]() -> Result<void> {
    if (Channel *self = unwrap(channel); self != nullptr) self->release();
    catch_up();
    return {};
  }));
}

shmalloc_status shmalloc_channel_storage(shmalloc_channel *channel, shmalloc_storage **out_storage, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Channel *self = unwrap(channel);
    if (self == nullptr) return missing("channel");
    if (out_storage == nullptr) return missing("out_storage");
    self->storage().retain();
    *out_storage = wrap(&self->storage());
    return {};
  });
}

shmalloc_status shmalloc_channel_send(shmalloc_channel *channel, shmalloc_storage *storage, const uint8_t *record,
                                      size_t record_length, int64_t timeout_ns, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Channel *self = unwrap(channel);
    if (self == nullptr) return missing("channel");
    Storage *sent = unwrap(storage);
    if (sent == nullptr && storage != nullptr) return missing("storage");
    if (record == nullptr && record_length != 0) return missing("record");
    SHMALLOC_CHECK(check_timeout(timeout_ns));
    return self->ring().send(sent, record, record_length, timeout_ns);
  });
}

shmalloc_status shmalloc_channel_receive(shmalloc_channel *channel, shmalloc_storage **out_storage, uint8_t *record,
                                         size_t *inout_length, int64_t timeout_ns, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    Channel *self = unwrap(channel);
    if (self == nullptr) return missing("channel");
    if (out_storage == nullptr) return missing("out_storage");
    SHMALLOC_CHECK(check_timeout(timeout_ns));
    SHMALLOC_TRY(received, self->ring().receive(record, inout_length, timeout_ns));
    *out_storage = received ? wrap(received.take()) : nullptr;
    return {};
  });
}

shmalloc_status shmalloc_channel_close(shmalloc_channel *channel, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Channel *self = unwrap(channel);
    if (self == nullptr) return missing("channel");
    self->ring().shut();
    return {};
  });
}

shmalloc_status shmalloc_channel_get_info(shmalloc_channel *channel, shmalloc_channel_info *out_info, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Channel *self = unwrap(channel);
    if (self == nullptr) return missing("channel");
    SHMALLOC_CHECK(check_sized(out_info, sizeof(shmalloc_channel_info), "out_info"));
    shmalloc_channel_info info{};
    self->ring().describe(&info);
    write_sized(out_info, info);
    return {};
  });
}
