#include "shmalloc/dlpack.h"

#include "boundary.hpp"
#include "dlpack/dlpack.hpp"

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

namespace {

// DLPack's own names stay incomplete, as our handles do; these are what lies behind them.
template <class Managed, class Foreign>
shmalloc_status export_as(shmalloc_storage *storage, const shmalloc_tensor *tensor, Foreign **out_managed, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    Storage *self = unwrap(storage);
    if (self == nullptr) return missing("storage");
    if (out_managed == nullptr) return missing("out_managed");
    SHMALLOC_TRY(wanted, read_sized(tensor, sizeof(shmalloc_tensor), "shmalloc_tensor"));
    SHMALLOC_TRY(made, export_tensor<Managed>(*self, wanted));
    *out_managed = reinterpret_cast<Foreign *>(made);
    return {};
  });
}

template <class Managed>
void give_back(void *managed) {
  auto *self = static_cast<Managed *>(managed);
  if (self->deleter != nullptr) self->deleter(self);
}

// A major version that we don't know may have its flags and tensor elsewhere: only the deleter stays where it is.
Result<std::uint64_t> flags_of(const wire::DlManagedVersioned &managed) {
  if (managed.major == wire::kDlMajor) return managed.flags;
  return fail(SHMALLOC_STATUS_VERSION, 0, "the tensor is of DLPack %u.%u; this version of shmalloc reads %u.*", managed.major,
              managed.minor, wire::kDlMajor);
}
Result<std::uint64_t> flags_of(const wire::DlManaged & /*managed*/) { return std::uint64_t{0}; }

template <class Managed>
shmalloc_status import_as(Managed *managed, shmalloc_tensor *out_tensor, shmalloc_storage **out_storage, shmalloc_error *err) {
  shmalloc_tensor tensor{};
  Span span{};
  const shmalloc_status looked = guard(err, [&]() -> Result<void> {
    if (managed == nullptr) return missing("managed");
    if (out_storage == nullptr) return missing("out_storage");
    if (out_tensor != nullptr) SHMALLOC_CHECK(check_sized(out_tensor, sizeof(shmalloc_tensor), "out_tensor"));
    SHMALLOC_TRY(flags, flags_of(*managed));
    SHMALLOC_TRY(read, read_tensor(managed->tensor, flags, &tensor));
    span = read;
    return {};
  });
  if (looked != SHMALLOC_STATUS_OK) {
    if (managed != nullptr) give_back<Managed>(managed);
    return looked;
  }
  shmalloc_adopt_params params{};
  params.struct_size = sizeof params;
  params.access = (tensor.flags & SHMALLOC_TENSOR_READ_ONLY) != 0 ? SHMALLOC_ACCESS_READ : SHMALLOC_ACCESS_WRITE;
  const shmalloc_status status = shmalloc_storage_adopt(span.device, reinterpret_cast<std::uintptr_t>(span.data), span.size,
                                                        &params, managed, give_back<Managed>, out_storage, err);
  if (status == SHMALLOC_STATUS_OK && out_tensor != nullptr) write_sized(out_tensor, tensor);
  return status;
}

}  // namespace

shmalloc_status shmalloc_dlpack_export(shmalloc_storage *storage, const shmalloc_tensor *tensor,
                                       struct DLManagedTensorVersioned **out_managed, shmalloc_error *err) {
  return export_as<wire::DlManagedVersioned>(storage, tensor, out_managed, err);
}

shmalloc_status shmalloc_dlpack_export_unversioned(shmalloc_storage *storage, const shmalloc_tensor *tensor,
                                                   struct DLManagedTensor **out_managed, shmalloc_error *err) {
  return export_as<wire::DlManaged>(storage, tensor, out_managed, err);
}

shmalloc_status shmalloc_dlpack_import(struct DLManagedTensorVersioned *managed, shmalloc_tensor *out_tensor,
                                       shmalloc_storage **out_storage, shmalloc_error *err) {
  return import_as(reinterpret_cast<wire::DlManagedVersioned *>(managed), out_tensor, out_storage, err);
}

shmalloc_status shmalloc_dlpack_import_unversioned(struct DLManagedTensor *managed, shmalloc_tensor *out_tensor,
                                                   shmalloc_storage **out_storage, shmalloc_error *err) {
  return import_as(reinterpret_cast<wire::DlManaged *>(managed), out_tensor, out_storage, err);
}
