// Time, and what keeps the compiler from working ahead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>

namespace bench {

inline double now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// A size that the compiler can't know.
inline std::size_t opaque(std::size_t size) {
  volatile std::size_t hidden = size;
  return hidden;
}

inline void write_byte(void *data, std::size_t offset = 0) { static_cast<volatile std::uint8_t *>(data)[offset] = 1; }
inline std::uint8_t read_byte(const void *data) { return *static_cast<const volatile std::uint8_t *>(data); }

// One byte in every page.
inline void touch_pages(void *data, std::size_t from, std::size_t to) {
  for (std::size_t offset = from; offset < to; offset += 4096) write_byte(data, offset);
}

}  // namespace bench
