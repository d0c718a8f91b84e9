#include "storage/copy.hpp"

#include <cerrno>
#include <cstring>

#include "os/mapping.hpp"
#include "storage/storage.hpp"

namespace shmalloc {
namespace {

class Pin {
 public:
  Pin(Storage &storage, bool write) : storage_(storage), write_(write), taken_(storage.pin(write)) {}
  Pin(const Pin &) = delete;
  Pin &operator=(const Pin &) = delete;
  ~Pin() {
    if (taken_) storage_.drop_pin(write_);
  }
  const Result<void> &taken() const { return taken_; }

 private:
  Storage &storage_;
  bool write_;
  Result<void> taken_;
};

}  // namespace

Result<void> copy_bytes(void *to, const void *from, std::size_t size, bool safe) {
  if (size == 0) return {};
  if (safe) {
    std::memmove(to, from, size);
    return {};
  }
  const int error = os::checked_copy(to, from, size);
  if (error == 0) return {};
  if (error == EFAULT) return fail(SHMALLOC_STATUS_STALE, error, "a peer truncated one of the two objects");
  return fail_errno(error, "copying with the kernel's help failed");
}

Result<void> copy(Storage &dst, std::size_t dst_offset, Storage &src, std::size_t src_offset, std::size_t size,
                  std::uint64_t stream, bool non_blocking) {
  const Pin writer(dst, true);
  if (!writer.taken()) return writer.taken();
  const Pin reader(src, false);
  if (!reader.taken()) return reader.taken();
  const std::size_t dst_size = dst.size();
  const std::size_t src_size = src.size();
  if (dst_offset > dst_size || src_offset > src_size) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "offsets %zu and %zu are beyond storages of %zu and %zu bytes", dst_offset, src_offset,
                dst_size, src_size);
  }
  if (size == SHMALLOC_SIZE_ALL) {
    if (dst_size - dst_offset != src_size - src_offset) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "%zu bytes can't be copied onto %zu: give a size, or storages of one size",
                  src_size - src_offset, dst_size - dst_offset);
    }
    size = src_size - src_offset;
  }
  if (size > dst_size - dst_offset || size > src_size - src_offset) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "%zu bytes do not fit: %zu are left in dst, %zu in src", size, dst_size - dst_offset,
                src_size - src_offset);
  }
  if (size == 0) return {};
  if (dst.device() != SHMALLOC_DEVICE_HOST || src.device() != SHMALLOC_DEVICE_HOST)
    return copy_on_device({dst, dst.address() + dst_offset}, {src, src.address() + src_offset}, size, stream, non_blocking);
  return copy_bytes(static_cast<char *>(dst.data()) + dst_offset, static_cast<char *>(src.data()) + src_offset, size,
                    dst.stable() && src.stable());
}

}  // namespace shmalloc
