// Tensors of DLPack in both directions. Its structs as its specification has them stand here, for there is no dlpack.h to rely on.
#include <cstring>

#include "check.hpp"

struct DLDevice {
  std::int32_t device_type, device_id;
};
struct DLDataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
struct DLTensor {
  void *data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t *shape, *strides;
  std::uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor dl_tensor;
  void *manager_ctx;
  void (*deleter)(DLManagedTensor *self);
};
struct DLManagedTensorVersioned {
  std::uint32_t major, minor;
  void *manager_ctx;
  void (*deleter)(DLManagedTensorVersioned *self);
  std::uint64_t flags;
  DLTensor dl_tensor;
};

using namespace shmalloc;

static void ours_to_others() {
  Storage storage(4096);
  dlpack::Tensor wanted;
  wanted.type = {2, 32, 1};
  wanted.shape = {4, 8};
  wanted.offset = 64;
  {
    const dlpack::Managed managed = dlpack::export_tensor(storage, wanted);
    CHECK(managed->major == 1 && managed->flags == 0 && managed->dl_tensor.ndim == 2 && managed->dl_tensor.shape[1] == 8);
    CHECK(static_cast<std::byte *>(managed->dl_tensor.data) + managed->dl_tensor.byte_offset == storage.data() + 64);
    CHECK(managed->dl_tensor.dtype.bits == 32 && storage.info().pins == 1);
    THROWS(BusyError, storage.close());
  }
  CHECK(storage.info().pins == 0);
  {
    const dlpack::ManagedUnversioned managed = dlpack::export_unversioned(storage);
    CHECK(managed->dl_tensor.ndim == 1 && managed->dl_tensor.shape[0] == 4096 && storage.info().pins == 1);
    DLManagedTensor *raw = dlpack::export_unversioned(storage).release();
    raw->deleter(raw);  // as a consumer does
    CHECK(storage.info().pins == 1);
  }
  wanted.shape = {4096, 4096};
  THROWS(InvalidError, dlpack::export_tensor(storage, wanted));
  wanted.strides = {1};
  THROWS(InvalidError, dlpack::export_tensor(storage, wanted));
  dlpack::Tensor read_only;
  read_only.read_only = true;
  CHECK((dlpack::export_tensor(storage, read_only)->flags & 1) == 1);
  THROWS(PermissionError, dlpack::export_unversioned(storage, read_only));
  THROWS(InvalidError, dlpack::export_tensor(Storage()));
  CHECK(storage.info().pins == 0);
}

static int deleted;

template <class Managed>
static Managed *foreign(std::vector<float> *numbers, std::int64_t *shape, std::int64_t *strides) {
  auto *managed = new Managed();
  managed->dl_tensor.data = numbers->data();
  managed->dl_tensor.device = {1, 0};
  managed->dl_tensor.ndim = 2;
  managed->dl_tensor.dtype = {2, 32, 1};
  managed->dl_tensor.shape = shape;
  managed->dl_tensor.strides = strides;
  managed->deleter = [](Managed *self) {
    ++deleted;
    delete self;
  };
  return managed;
}

static void others_to_ours() {
  std::vector<float> numbers(12, 1.5F);
  std::array<std::int64_t, 2> shape{3, 4}, strides{1, 3};
  auto *versioned = foreign<DLManagedTensorVersioned>(&numbers, shape.data(), strides.data());
  versioned->major = 1;
  {
    const auto [storage, tensor] = dlpack::import_tensor(dlpack::Managed(versioned));
    CHECK(storage.size() == 48 && storage.data() == reinterpret_cast<std::byte *>(numbers.data()));
    CHECK(tensor.type.code == 2 && tensor.type.bits == 32 && tensor.shape == std::vector<std::int64_t>({3, 4}));
    CHECK(tensor.strides == std::vector<std::int64_t>({1, 3}) && !tensor.read_only && deleted == 0);
  }
  CHECK(deleted == 1);
  {
    auto *plain = foreign<DLManagedTensor>(&numbers, shape.data(), nullptr);
    Storage storage = dlpack::import_tensor(dlpack::ManagedUnversioned(plain)).storage;
    storage.share();  // from here on other processes can open it
    CHECK(deleted == 2 && storage.const_view().as<float>(0, 12)[11] == 1.5F);
  }
  CHECK(deleted == 2);
  versioned = foreign<DLManagedTensorVersioned>(&numbers, shape.data(), nullptr);
  versioned->major = 2;
  THROWS(VersionError, dlpack::import_tensor(dlpack::Managed(versioned)));
  CHECK(deleted == 3);
  versioned = foreign<DLManagedTensorVersioned>(&numbers, shape.data(), nullptr);
  versioned->major = 2;
  dlpack::Managed(versioned).reset();  // given back unread, whatever its version
  CHECK(deleted == 4);
}

int main() {
  ours_to_others();
  others_to_ours();
  std::puts("ok");
}
