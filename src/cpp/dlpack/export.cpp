#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#include "device/registry.hpp"
#include "dlpack/dlpack.hpp"
#include "dlpack/layout.hpp"
#include "storage/storage.hpp"

namespace shmalloc {
namespace {

// A managed tensor and all that it points to but the bytes.
template <class Managed>
struct Tensor {
  Managed managed{};
  Storage *storage = nullptr;
  shmalloc_access access = SHMALLOC_ACCESS_READ;
  std::int64_t shape[kMaxDimensions];    // NOLINT(cppcoreguidelines-avoid-c-arrays,modernize-avoid-c-arrays)
  std::int64_t strides[kMaxDimensions];  // NOLINT(cppcoreguidelines-avoid-c-arrays,modernize-avoid-c-arrays)

  static void destroy(Managed *managed) {
    if (managed == nullptr) return;
    const std::unique_ptr<Tensor> self(static_cast<Tensor *>(managed->context));
    self->storage->unpin(self->access);
  }
};

std::int32_t device_type_of(shmalloc_device device) {
  switch (device::type_of(device)) {
    case SHMALLOC_DEVICE_TYPE_CUDA:
      return wire::kDlCuda;
    case SHMALLOC_DEVICE_TYPE_CUSTOM:
      return wire::kDlExtension;
    default:
      return wire::kDlCpu;  // Of HOST_STREAMS as well: the host reads and writes it.
  }
}

// A vector of bytes where nothing else is said.
Result<shmalloc_tensor> complete(const shmalloc_tensor &wanted, std::size_t size, std::int64_t *room) {
  shmalloc_tensor tensor = wanted;
  constexpr std::uint32_t kKnown = SHMALLOC_TENSOR_READ_ONLY | SHMALLOC_TENSOR_PADDED;
  if ((tensor.flags & ~kKnown) != 0)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "tensor flags %#x are not known to this version", tensor.flags & ~kKnown);
  if (tensor.reserved != 0) return fail(SHMALLOC_STATUS_INVALID, 0, "reserved must be 0");
  if (tensor.ndim < 0 || tensor.ndim > kMaxDimensions)
    return fail(SHMALLOC_STATUS_INVALID, 0, "ndim is %d, must be 0 to %d", tensor.ndim, kMaxDimensions);
  if (tensor.offset > size) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "offset %llu is beyond the storage, which has %zu bytes",
                static_cast<unsigned long long>(tensor.offset), size);
  }
  if (tensor.bits == 0) {
    if (tensor.code != 0 || tensor.lanes != 0 || tensor.ndim != 0)
      return fail(SHMALLOC_STATUS_INVALID, 0, "bits is 0: a tensor with a type or dimensions needs the size of its elements");
    *room = static_cast<std::int64_t>(size - tensor.offset);
    tensor.code = 1;
    tensor.bits = 8;
    tensor.ndim = 1;
    tensor.shape = room;
    tensor.strides = nullptr;
  }
  if (tensor.lanes == 0) tensor.lanes = 1;
  if (tensor.ndim != 0 && tensor.shape == nullptr)
    return fail(SHMALLOC_STATUS_INVALID, 0, "shape is NULL, ndim is %d", tensor.ndim);
  return tensor;
}

Result<void> check_inside(const shmalloc_tensor &tensor, std::size_t size) {
  const std::optional<Extent> extent = extent_of(tensor);
  if (!extent) {
    return fail(SHMALLOC_STATUS_INVALID, 0,
                "the tensor can't be: a dimension below 0, numbers too large, or packed elements that don't follow one another");
  }
  if (extent->before > tensor.offset || extent->after > size - tensor.offset) {
    return fail(
        SHMALLOC_STATUS_INVALID, 0,
        "the tensor reaches beyond the storage: %llu bytes before its first element and %llu from there on, at offset %llu of %zu",
        static_cast<unsigned long long>(extent->before), static_cast<unsigned long long>(extent->after),
        static_cast<unsigned long long>(tensor.offset), size);
  }
  return {};
}

// The pin that a tensor is owed: for writing, unless that is refused and reading will do.
Result<shmalloc_access> pin_for(Storage &storage, bool read_only) {
  if (!read_only) {
    const auto pinned = storage.pin_as(SHMALLOC_ACCESS_WRITE);
    if (pinned) return SHMALLOC_ACCESS_WRITE;
    if (pinned.error().status != SHMALLOC_STATUS_PERMISSION) return pinned.error();
  }
  SHMALLOC_CHECK(storage.pin_as(SHMALLOC_ACCESS_READ));
  return SHMALLOC_ACCESS_READ;
}

}  // namespace

template <class Managed>
Result<Managed *> export_tensor(Storage &storage, const shmalloc_tensor &wanted) {
  constexpr bool kVersioned = std::is_same_v<Managed, wire::DlManagedVersioned>;
  if (!kVersioned && (wanted.flags & SHMALLOC_TENSOR_READ_ONLY) != 0)
    return fail(SHMALLOC_STATUS_PERMISSION, 0, "an unversioned tensor can't be READ_ONLY; ask the consumer for a versioned one");
  if (!kVersioned && (wanted.flags & SHMALLOC_TENSOR_PADDED) != 0)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "an unversioned tensor can't be PADDED");
  std::unique_ptr<Tensor<Managed>> made(new (std::nothrow) Tensor<Managed>);
  if (made == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a tensor");

  SHMALLOC_TRY(access, pin_for(storage, (wanted.flags & SHMALLOC_TENSOR_READ_ONLY) != 0));
  struct Unpin {
    Storage *storage;
    shmalloc_access access;
    ~Unpin() {
      if (storage != nullptr) storage->unpin(access);
    }
  } pinned{&storage, access};
  if (!kVersioned && access == SHMALLOC_ACCESS_READ)
    return fail(SHMALLOC_STATUS_PERMISSION, 0, "the storage is read-only, which an unversioned tensor can't say");

  std::int64_t bytes = 0;
  SHMALLOC_TRY(tensor, complete(wanted, storage.size(), &bytes));
  SHMALLOC_CHECK(check_inside(tensor, storage.size()));
  std::copy_n(tensor.shape, tensor.ndim, made->shape);
  if (tensor.strides != nullptr)
    std::copy_n(tensor.strides, tensor.ndim, made->strides);
  else
    fill_strides(made->shape, tensor.ndim, made->strides);

  // The address is that of the first element: not every consumer looks at byte_offset.
  auto *start = reinterpret_cast<unsigned char *>(storage.address());
  wire::DlTensor &out = made->managed.tensor;
  // One without elements has an address, too: PyTorch gives back no tensor whose address is NULL.
  out.data = start != nullptr ? start + tensor.offset : nullptr;
  out.device_type = device_type_of(storage.device());
  if (out.device_type != wire::kDlCpu) out.device_id = static_cast<std::int32_t>(device::index_of(storage.device()));
  out.ndim = tensor.ndim;
  out.code = tensor.code;
  out.bits = tensor.bits;
  out.lanes = tensor.lanes;
  out.shape = made->shape;
  out.strides = made->strides;
  if constexpr (kVersioned) {
    made->managed.major = wire::kDlMajor;
    if (access == SHMALLOC_ACCESS_READ) made->managed.flags |= wire::kDlReadOnly;
    if ((tensor.flags & SHMALLOC_TENSOR_PADDED) != 0) {
      made->managed.flags |= wire::kDlPadded;
      made->managed.minor = wire::kDlMinorPadded;
    }
  }
  made->managed.context = made.get();
  made->managed.deleter = Tensor<Managed>::destroy;
  made->storage = &storage;
  made->access = access;
  pinned.storage = nullptr;
  return &made.release()->managed;
}

template Result<wire::DlManaged *> export_tensor(Storage &, const shmalloc_tensor &);
template Result<wire::DlManagedVersioned *> export_tensor(Storage &, const shmalloc_tensor &);

}  // namespace shmalloc
