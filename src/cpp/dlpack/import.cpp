#include "dlpack/dlpack.hpp"
#include "dlpack/layout.hpp"

namespace shmalloc {

Result<Span> read_tensor(const wire::DlTensor &from, std::uint64_t flags, shmalloc_tensor *tensor) {
  const bool on_host =
      from.device_type == wire::kDlCpu || from.device_type == wire::kDlCudaHost || from.device_type == wire::kDlRocmHost;
  if (!on_host && from.device_type != wire::kDlCuda) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                "the tensor is on DLPack's device %d:%d, which this version of shmalloc does not have", from.device_type,
                from.device_id);
  }
  if (from.ndim < 0 || from.ndim > kMaxDimensions || (from.ndim != 0 && from.shape == nullptr))
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "the tensor has %d dimensions%s", from.ndim,
                from.shape == nullptr ? ", and no shape" : "");
  tensor->shape = from.shape;
  tensor->strides = from.strides;
  tensor->ndim = from.ndim;
  tensor->code = from.code;
  tensor->bits = from.bits;
  tensor->lanes = from.lanes;
  if ((flags & wire::kDlReadOnly) != 0) tensor->flags |= SHMALLOC_TENSOR_READ_ONLY;
  if ((flags & wire::kDlPadded) != 0) tensor->flags |= SHMALLOC_TENSOR_PADDED;
  const std::optional<Extent> extent = from.lanes != 0 ? extent_of(*tensor) : std::nullopt;
  const std::uint64_t first = reinterpret_cast<std::uintptr_t>(from.data) + from.byte_offset;
  if (!extent || (extent->after != 0 && (from.data == nullptr || first < from.byte_offset)) || extent->before > first ||
      extent->after > UINTPTR_MAX - first) {
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "the tensor can't be as it says: its elements lie nowhere");
  }
  tensor->offset = extent->before;
  const std::size_t size = extent->before + extent->after;
  return Span{size != 0 ? static_cast<unsigned char *>(from.data) + from.byte_offset - extent->before : nullptr, size,
              on_host ? SHMALLOC_DEVICE_HOST : SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUDA, from.device_id)};
}

}  // namespace shmalloc
