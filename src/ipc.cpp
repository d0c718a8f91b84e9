#include "ipc/ipc.hpp"

#include <vector>

#include "base/text.hpp"
#include "boundary.hpp"
#include "shmalloc/ipc.h"

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

namespace {

Result<shmalloc_export_params> read_params(const shmalloc_export_params *params) {
  return read_sized(params, sizeof(shmalloc_export_params), "shmalloc_export_params");
}
Result<shmalloc_import_params> read_params(const shmalloc_import_params *params) {
  return read_sized(params, sizeof(shmalloc_import_params), "shmalloc_import_params");
}

}  // namespace

shmalloc_status shmalloc_storage_export(shmalloc_storage *storage, const shmalloc_export_params *params, uint8_t *bytes,
                                        size_t *inout_length, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    if (inout_length == nullptr) return missing("inout_length");
    SHMALLOC_TRY(known, read_params(params));
    SHMALLOC_TRY(handle, export_handle(*self, known, bytes != nullptr ? *inout_length : 0));
    return put_bytes(handle.bytes, handle.length, bytes, inout_length, "the handle");
  });
}

shmalloc_status shmalloc_storage_export_fds(shmalloc_storage *storage, const shmalloc_export_params *params, int32_t *out_fds,
                                            size_t *inout_count, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    if (inout_count == nullptr) return missing("inout_count");
    SHMALLOC_TRY(known, read_params(params));
    const std::size_t room = out_fds != nullptr ? *inout_count : 0;
    SHMALLOC_TRY(count, count_descriptors(*self, known));
    if (static_cast<std::size_t>(count) > room) {
      *inout_count = static_cast<std::size_t>(count);
      return fail(SHMALLOC_STATUS_NO_SPACE, 0, "the storage has %d descriptor%s, there is room for %zu", count,
                  count == 1 ? "" : "s", room);
    }
    SHMALLOC_TRY(descriptors, export_descriptors(*self, known));
    *inout_count = static_cast<std::size_t>(descriptors.count);
    for (int i = 0; i < descriptors.count; ++i) out_fds[i] = descriptors.fds[i].take();
    return {};
  });
}

shmalloc_status shmalloc_storage_import(const uint8_t *bytes, size_t length, const int32_t *fds, size_t fd_count,
                                        const shmalloc_import_params *params, shmalloc_storage **out_storage, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    if (bytes == nullptr) return missing("bytes");
    if (out_storage == nullptr) return missing("out_storage");
    if (fds == nullptr && fd_count != 0) return missing("fds");
    SHMALLOC_TRY(known, read_params(params));
    SHMALLOC_TRY(storage, import_handle(bytes, length, fds, fd_count, known));
    *out_storage = wrap(storage.take());
    return {};
  });
}

shmalloc_status shmalloc_storage_revoke(shmalloc_storage *storage, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    return self->revoke();
  });
}

shmalloc_status shmalloc_storage_send(int32_t socket, shmalloc_storage *const *storages, size_t count,
                                      const shmalloc_export_params *params, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    if (storages == nullptr) return missing("storages");
    if (count == 0 || count > SHMALLOC_MESSAGE_MAX) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "count is %zu: a message has 1 to %d storages", count, SHMALLOC_MESSAGE_MAX);
    }
    SHMALLOC_TRY(known, read_params(params));
    Storage *all[SHMALLOC_MESSAGE_MAX];
    for (std::size_t i = 0; i < count; ++i) {
      all[i] = unwrap(storages[i]);
      if (all[i] == nullptr) return fail(SHMALLOC_STATUS_INVALID, 0, "storages[%zu] is NULL, or a handle of something else", i);
    }
    return send_storages(socket, all, count, known);
  });
}

shmalloc_status shmalloc_storage_receive(int32_t socket, const shmalloc_import_params *params, shmalloc_storage **out_storages,
                                         size_t *inout_count, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    if (inout_count == nullptr) return missing("inout_count");
    if (out_storages == nullptr && *inout_count != 0) return missing("out_storages");
    SHMALLOC_TRY(known, read_params(params));
    shmalloc_import_params native = known;
    native.format = SHMALLOC_HANDLE_FORMAT_NATIVE;
    Storage *all[SHMALLOC_MESSAGE_MAX];
    std::size_t count = *inout_count;
    const auto received =
        receive_storages(socket, native, all, count < SHMALLOC_MESSAGE_MAX ? count : SHMALLOC_MESSAGE_MAX, &count);
    if (!received) {
      if (received.error().status == SHMALLOC_STATUS_NO_SPACE) *inout_count = count;
      return received;
    }
    for (std::size_t i = 0; i < count; ++i)
      out_storages[i] = wrap(all[i]);  // NOLINT(clang-analyzer-core.NullDereference): none came without room
    *inout_count = count;
    return {};
  });
}

shmalloc_status shmalloc_handle_to_text(const uint8_t *bytes, size_t length, char *text, size_t *inout_length,
                                        shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    if (bytes == nullptr) return missing("bytes");
    SHMALLOC_TRY(made, handle_text(bytes, length));
    return put_text(made, text, inout_length, "the handle's text");
  });
}

shmalloc_status shmalloc_handle_from_text(const char *text, uint8_t *bytes, size_t *inout_length, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    if (text == nullptr) return missing("text");
    SHMALLOC_TRY(handle, handle_from_text(text));
    return put_bytes(handle.bytes, handle.length, bytes, inout_length, "the handle");
  });
}

shmalloc_status shmalloc_handle_get_info(const uint8_t *bytes, size_t length, shmalloc_handle_info *out_info, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    if (bytes == nullptr) return missing("bytes");
    SHMALLOC_CHECK(check_sized(out_info, sizeof(shmalloc_handle_info), "out_info"));
    shmalloc_handle_info info{};
    SHMALLOC_CHECK(describe_handle(bytes, length, &info));
    write_sized(out_info, info);
    return {};
  });
}
