/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/dlpack.hpp - storages to and from every array library that speaks DLPack. Who looks inside its structs includes dlpack.h. */
#ifndef SHMALLOC_CPP_DLPACK_HPP
#define SHMALLOC_CPP_DLPACK_HPP

#include "shmalloc/cpp/storage.hpp"
#include "shmalloc/dlpack.h"

namespace shmalloc {
inline namespace v0 {
namespace dlpack {

/** DLPack's DLDataType. All 0: a vector of bytes. */
struct DataType {
  std::uint8_t code = 0; /**< 0 int, 1 unsigned, 2 float, 4 bfloat, 5 complex, 6 bool, .. */
  std::uint8_t bits = 0;
  std::uint16_t lanes = 0; /**< 0: 1 */
};

/** How the bytes of a storage are seen as an array. As it is made: a vector of bytes, all of the storage. */
struct Tensor {
  DataType type{};
  std::vector<std::int64_t> shape{};
  std::vector<std::int64_t> strides{}; /**< in elements; empty: the last index is the fastest and nothing lies between */
  std::uint64_t offset = 0;            /**< bytes from the storage's first to the element whose indices are all 0 */
  bool read_only = false;
  bool padded = false; /**< elements of less than a byte take one each */
};

/** Gives a tensor back by the deleter that is in it. The struct stays incomplete here, so the library does it: it takes the tensor over
 *  and lets go of it, and whether that works or not, the deleter runs once. */
struct Delete {
  void operator()(::DLManagedTensorVersioned *managed) const noexcept {
    shmalloc_storage *taken = nullptr;
    if (shmalloc_dlpack_import(managed, nullptr, &taken, nullptr) == SHMALLOC_STATUS_OK) shmalloc_storage_release(taken);
  }
  void operator()(::DLManagedTensor *managed) const noexcept {
    shmalloc_storage *taken = nullptr;
    if (shmalloc_dlpack_import_unversioned(managed, nullptr, &taken, nullptr) == SHMALLOC_STATUS_OK)
      shmalloc_storage_release(taken);
  }
};

/** A tensor of DLPack 1.0 or later. release() of it is for a consumer who will call the deleter. */
using Managed = std::unique_ptr<::DLManagedTensorVersioned, Delete>;
/** One of before. */
using ManagedUnversioned = std::unique_ptr<::DLManagedTensor, Delete>;

/** What an import gives. */
struct Imported {
  Storage storage;
  Tensor tensor;
};

}  // namespace dlpack

namespace detail {

inline shmalloc_tensor raw_of(const dlpack::Tensor &tensor) {
  if (!tensor.strides.empty() && tensor.strides.size() != tensor.shape.size())
    throw InvalidError("as many strides as dimensions, or none");
  auto raw = SHMALLOC_INIT(shmalloc_tensor);
  raw.shape = tensor.shape.empty() ? nullptr : tensor.shape.data();
  raw.strides = tensor.strides.empty() ? nullptr : tensor.strides.data();
  raw.offset = tensor.offset;
  raw.ndim = static_cast<std::int32_t>(tensor.shape.size());
  raw.flags = detail::bit_if(tensor.read_only, SHMALLOC_TENSOR_READ_ONLY) | detail::bit_if(tensor.padded, SHMALLOC_TENSOR_PADDED);
  raw.code = tensor.type.code;
  raw.bits = tensor.type.bits;
  raw.lanes = tensor.type.lanes;
  return raw;
}

inline dlpack::Tensor tensor_of(const shmalloc_tensor &raw) {
  dlpack::Tensor tensor;
  tensor.type = {raw.code, raw.bits, raw.lanes};
  if (raw.shape != nullptr) tensor.shape.assign(raw.shape, raw.shape + raw.ndim);
  if (raw.strides != nullptr) tensor.strides.assign(raw.strides, raw.strides + raw.ndim);
  tensor.offset = raw.offset;
  tensor.read_only = (raw.flags & SHMALLOC_TENSOR_READ_ONLY) != 0;
  tensor.padded = (raw.flags & SHMALLOC_TENSOR_PADDED) != 0;
  return tensor;
}

}  // namespace detail

namespace dlpack {

/** A tensor over a storage's bytes, for any DLPack consumer. It pins the storage until it is given back. */
inline Managed export_tensor(const Storage &storage, const Tensor &tensor = {}) {
  const auto raw = detail::raw_of(tensor);
  ::DLManagedTensorVersioned *made = nullptr;
  detail::call(shmalloc_dlpack_export, storage.native(), &raw, &made);
  return Managed(made);
}

/** The same for consumers that know no versions. PermissionError: read-only, which it can't say. */
inline ManagedUnversioned export_unversioned(const Storage &storage, const Tensor &tensor = {}) {
  const auto raw = detail::raw_of(tensor);
  ::DLManagedTensor *made = nullptr;
  detail::call(shmalloc_dlpack_export_unversioned, storage.native(), &raw, &made);
  return ManagedUnversioned(made);
}

/** A storage over somebody's tensor, whose deleter runs when the storage is closed or its last reference goes; on failure too. */
inline Imported import_tensor(Managed managed) {
  auto raw = SHMALLOC_INIT(shmalloc_tensor);
  shmalloc_storage *made = nullptr;
  detail::call(shmalloc_dlpack_import, managed.release(), &raw, &made);
  Storage storage = Storage::take(made);
  return {std::move(storage), detail::tensor_of(raw)};
}

/** The same from producers that know no versions. */
inline Imported import_tensor(ManagedUnversioned managed) {
  auto raw = SHMALLOC_INIT(shmalloc_tensor);
  shmalloc_storage *made = nullptr;
  detail::call(shmalloc_dlpack_import_unversioned, managed.release(), &raw, &made);
  Storage storage = Storage::take(made);
  return {std::move(storage), detail::tensor_of(raw)};
}

}  // namespace dlpack
}  // namespace v0
}  // namespace shmalloc

#endif
