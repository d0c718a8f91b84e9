#include "storage/storage.hpp"

#include <cstdio>
#include <cstring>

#include "allocators/direct/direct.hpp"
#include "allocators/map/map.hpp"
#include "base/text.hpp"
#include "boundary.hpp"
#include "device/registry.hpp"
#include "shmalloc/storage.h"
#include "storage/copy.hpp"

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

namespace {

// All defaults: languages with options pass parameters always.
bool asks_for_nothing(const shmalloc_storage_params *params) {
  if (params == nullptr) return true;
  if (params->struct_size != sizeof *params) return false;
  shmalloc_storage_params nothing{};
  nothing.struct_size = sizeof nothing;
  nothing.fd = params->fd;  // Read with FROMFD only.
  return std::memcmp(params, &nothing, sizeof nothing) == 0;
}

// By itself, so that the common case below has nothing to set up.
[[gnu::noinline]] shmalloc_status create_slowly(shmalloc_allocator *allocator, size_t size, shmalloc_stream stream,
                                                const shmalloc_storage_params *params, shmalloc_storage **out_storage,
                                                shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    if (out_storage == nullptr) return missing("out_storage");
    SHMALLOC_TRY(known, read_sized(params, sizeof(shmalloc_storage_params), "shmalloc_storage_params"));
    constexpr std::uint32_t kKnown = SHMALLOC_STORAGE_ZEROED | SHMALLOC_STORAGE_ISOLATED;
    if ((known.flags & ~kKnown) != 0) {
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "storage flags %#x are not known to this version", known.flags);
    }
    if (known.reserved != 0) return fail(SHMALLOC_STATUS_INVALID, 0, "reserved must be 0");
    if ((known.alignment & (known.alignment - 1)) != 0) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "alignment must be a power of two, not %llu",
                  static_cast<unsigned long long>(known.alignment));
    }
    SHMALLOC_TRY(chosen, allocator_or_current(allocator));
    if (chosen->device() != SHMALLOC_DEVICE_HOST) SHMALLOC_CHECK(check_stream(stream));
    if (SharedAllocator *pool = SharedAllocator::of(chosen.get()); pool != nullptr) {
      SHMALLOC_TRY(pooled, SharedAllocator::pooled(size, known));
      if (pooled) {
        const bool zeroed = (known.flags & SHMALLOC_STORAGE_ZEROED) != 0;
        SHMALLOC_TRY(storage, pool->recorder().watch(size, stream,
                                                     [&] { return Storage::make_shared(*pool, size, known.alignment, zeroed); }));
        *out_storage = wrap(storage.take());
        return {};
      }
    }
    SHMALLOC_TRY(storage, chosen->recorder().watch(size, stream, [&]() -> Result<Ref<Storage>> {
      SHMALLOC_TRY(memory, chosen->make(size, stream, known));
      return Storage::make(std::move(memory), Ref<Allocator>::retain(chosen.get()), chosen->kind(), false);
    }));
    *out_storage = wrap(storage.take());
    return {};
  });
}

}  // namespace

shmalloc_status shmalloc_storage_create(shmalloc_allocator *allocator, size_t size, shmalloc_stream stream,
                                        const shmalloc_storage_params *params, shmalloc_storage **out_storage,
                                        shmalloc_error *err) {
  // The common case, with a look at what can't be left out: nothing here fails, so nothing has to be undone.
  Allocator *from = nullptr;
  if (out_storage != nullptr && asks_for_nothing(params)) [[likely]]
    from = allocator != nullptr ? unwrap(allocator) : Allocator::current_quickly();
  if (from != nullptr && !behind()) [[likely]] {
    if (SharedAllocator *pool = SharedAllocator::of(from); pool != nullptr) {
      if (Storage *made = Storage::make_quickly(*pool, size); made != nullptr) {
        *out_storage = wrap(made);
        return SHMALLOC_STATUS_OK;
      }
    }
  }
  return create_slowly(allocator, size, stream, params, out_storage, err);
}

shmalloc_status shmalloc_storage_adopt(shmalloc_device device, shmalloc_address address, size_t size,
                                       const shmalloc_adopt_params *params, void *userdata, shmalloc_destroy_fn destroy_fn,
                                       shmalloc_storage **out_storage, shmalloc_error *err) {
  bool adopted = false;
  const shmalloc_status status = guard_work(err, [&]() -> Result<void> {
    if (out_storage == nullptr) return missing("out_storage");
    SHMALLOC_TRY(known, read_sized(params, sizeof(shmalloc_adopt_params), "shmalloc_adopt_params"));
    std::shared_ptr<device::Device> on;
    if (device != SHMALLOC_DEVICE_HOST) {
      SHMALLOC_TRY(found, device::find(device));
      on = std::move(found);
    }
    if (known.access < SHMALLOC_ACCESS_DEFAULT || known.access > SHMALLOC_ACCESS_WRITE) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "access %d is none of DEFAULT, READ, WRITE", known.access);
    }
    if (known.flags != 0)
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "adopt: flags %#x are not known to this version", known.flags);
    if (address == 0 && size != 0) return fail(SHMALLOC_STATUS_INVALID, 0, "address is 0");
    if (size > UINTPTR_MAX - address) return fail(SHMALLOC_STATUS_INVALID, 0, "address and size reach past the end of memory");
    std::unique_ptr<Memory> memory(new (std::nothrow) AdoptedMemory(device, std::move(on), address, size,
                                                                    known.access == SHMALLOC_ACCESS_READ, userdata, destroy_fn));
    if (memory == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
    adopted = true;  // From here on the memory calls destroy_fn.
    SHMALLOC_TRY(storage, Storage::make(std::move(memory), {}, SHMALLOC_ALLOCATOR_KIND_DEFAULT, false));
    *out_storage = wrap(storage.take());
    return {};
  });
  if (!adopted && destroy_fn != nullptr) destroy_fn(userdata);
  return status;
}

shmalloc_status shmalloc_storage_find(shmalloc_device device, shmalloc_address address, shmalloc_storage **out_storage,
                                      size_t *out_offset, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    if (out_storage == nullptr) return missing("out_storage");
    std::size_t offset = 0;
    SHMALLOC_TRY(found, Storage::find(device, address, &offset));
    if (out_offset != nullptr) *out_offset = offset;
    *out_storage = wrap(found.take());
    return {};
  });
}

void shmalloc_storage_retain(shmalloc_storage *storage) {
  if (Storage *self = unwrap(storage); self != nullptr) self->retain();
}

void shmalloc_storage_release(shmalloc_storage *storage) {
  if (Storage *self = unwrap(storage); self != nullptr && !self->release_quickly()) self->release();
  if (!behind()) return;
  static_cast<void>(guard(nullptr, []() -> Result<void> {
    catch_up();
    return {};
  }));
}

shmalloc_status shmalloc_storage_close(shmalloc_storage *storage, shmalloc_error *err) {
  return guard_work(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    return self->close();
  });
}

void *shmalloc_storage_data(shmalloc_storage *storage) {
  const Storage *self = unwrap(storage);
  return self != nullptr ? self->data() : nullptr;
}

shmalloc_address shmalloc_storage_address(shmalloc_storage *storage) {
  const Storage *self = unwrap(storage);
  return self != nullptr ? self->address() : 0;
}

size_t shmalloc_storage_size(shmalloc_storage *storage) {
  const Storage *self = unwrap(storage);
  return self != nullptr ? self->size() : 0;
}

shmalloc_status shmalloc_storage_get_info(shmalloc_storage *storage, shmalloc_storage_info *out_info, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    SHMALLOC_CHECK(check_sized(out_info, sizeof(shmalloc_storage_info), "out_info"));
    shmalloc_storage_info info{};
    self->describe(&info);
    write_sized(out_info, info);
    return {};
  });
}

shmalloc_status shmalloc_storage_get_name(shmalloc_storage *storage, char *text, size_t *inout_length, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    std::string name;
    SHMALLOC_CHECK(self->with_memory([&](Memory &memory) -> Result<void> {
      const SharedObject *object = memory.object();
      if (object == nullptr || !object->named) return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "the storage has no name");
      name = object->path;
      if (object->route == Route::shm) name.erase(0, sizeof os::kShmDirectory - 1);
      return {};
    }));
    return put_text(name, text, inout_length, "the name");
  });
}

shmalloc_status shmalloc_make_name(const char *prefix, char *text, size_t *inout_length, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    if (prefix != nullptr && !valid_prefix(prefix)) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "prefix must be 1 to 31 of A-Z a-z 0-9 . _ -, not \"%.40s\"", prefix);
    }
    SHMALLOC_TRY(name, new_name(prefix != nullptr ? prefix : Settings().prefix));
    return put_text(name, text, inout_length, "the name");
  });
}

shmalloc_status shmalloc_storage_record_stream(shmalloc_storage *storage, shmalloc_stream stream, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    SHMALLOC_CHECK(check_stream(stream));
    return self->record_stream(stream);
  });
}

shmalloc_status shmalloc_storage_pin(shmalloc_storage *storage, shmalloc_access access, void **out_data, size_t *out_size,
                                     shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    if (access < SHMALLOC_ACCESS_DEFAULT || access > SHMALLOC_ACCESS_WRITE) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "access %d is none of DEFAULT, READ, WRITE", static_cast<int>(access));
    }
    SHMALLOC_CHECK(self->pin_as(access));
    if (out_data != nullptr) *out_data = self->data();
    if (out_size != nullptr) *out_size = self->size();
    return {};
  });
}

void shmalloc_storage_unpin(shmalloc_storage *storage, shmalloc_access access) {
  if (Storage *self = unwrap(storage); self != nullptr) self->unpin(access);
}

shmalloc_status shmalloc_storage_copy(shmalloc_storage *dst, size_t dst_offset, shmalloc_storage *src, size_t src_offset,
                                      size_t size, shmalloc_stream stream, uint32_t flags, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Storage *to = unwrap(dst);
    Storage *from = unwrap(src);
    if (to == nullptr) return missing("dst");
    if (from == nullptr) return missing("src");
    if ((flags & ~static_cast<std::uint32_t>(SHMALLOC_COPY_NON_BLOCKING)) != 0) {
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "copy: flags %#x are not known to this version", flags);
    }
    if (to->device() != SHMALLOC_DEVICE_HOST || from->device() != SHMALLOC_DEVICE_HOST) SHMALLOC_CHECK(check_stream(stream));
    return copy(*to, dst_offset, *from, src_offset, size, stream, flags != 0);
  });
}

shmalloc_status shmalloc_storage_share(shmalloc_storage *storage, shmalloc_allocator *to, shmalloc_stream stream,
                                       shmalloc_error *err) {
  static_cast<void>(stream);
  return guard_work(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    SHMALLOC_TRY(target, allocator_or_current(to));
    return self->share(std::move(target));
  });
}

shmalloc_status shmalloc_storage_grow(shmalloc_storage *storage, size_t size, shmalloc_stream stream, shmalloc_error *err) {
  static_cast<void>(stream);
  return guard(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    return self->grow(size);
  });
}

shmalloc_status shmalloc_storage_seal(shmalloc_storage *storage, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    return self->seal();
  });
}
