// The only code that reads struct_size. In: shorter reads as zero, longer must be zero beyond what we know. Out: what both know is
// written, the rest is zeroed, struct_size is never touched.
#pragma once

#include <cstddef>
#include <cstring>

#include "base/result.hpp"

namespace shmalloc {

// `first_size` is the size that the struct had when it was first published.
template <class T>
Result<T> read_sized(const T *in, std::size_t first_size, const char *name) {
  T value{};
  value.struct_size = sizeof(T);
  if (in == nullptr) return value;
  const std::size_t given = in->struct_size;
  if (given < first_size) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "%s.struct_size is %zu, must be at least %zu: initialise it with SHMALLOC_INIT", name,
                given, first_size);
  }
  if (given > (std::size_t{1} << 16))
    return fail(SHMALLOC_STATUS_INVALID, 0, "%s.struct_size is %zu: not initialised?", name, given);
  const auto *bytes = reinterpret_cast<const unsigned char *>(in);
  for (std::size_t i = sizeof(T); i < given; ++i) {
    if (bytes[i] != 0) {
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "%s has a field at byte %zu that this version of shmalloc does not know", name,
                  i);
    }
  }
  std::memcpy(&value, in, given < sizeof(T) ? given : sizeof(T));
  value.struct_size = sizeof(T);
  return value;
}

template <class T>
Result<void> check_sized(const T *out, std::size_t first_size, const char *name) {
  if (out == nullptr) return fail(SHMALLOC_STATUS_INVALID, 0, "%s is NULL", name);
  const std::size_t given = out->struct_size;
  if (given < first_size || given > (std::size_t{1} << 16)) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "%s->struct_size is %zu, must be at least %zu: initialise it with SHMALLOC_INIT", name,
                given, first_size);
  }
  return {};
}

template <class T>
void write_sized(T *out, const T &value) {
  constexpr std::size_t head = sizeof(std::size_t);
  const std::size_t room = out->struct_size;
  auto *to = reinterpret_cast<unsigned char *>(out);
  const auto *from = reinterpret_cast<const unsigned char *>(&value);
  const std::size_t known = room < sizeof(T) ? room : sizeof(T);
  std::memcpy(to + head, from + head, known - head);
  if (room > sizeof(T)) std::memset(to + sizeof(T), 0, room - sizeof(T));
}

}  // namespace shmalloc
