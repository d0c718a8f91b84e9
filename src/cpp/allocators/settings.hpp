// What an allocator can be told in text, key:value,key:value, strictly.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace shmalloc {

inline constexpr std::size_t kMaxPrefix = 31;

struct Settings {
  std::uint64_t alignment = 64;
  std::int32_t numa_node = -1;
  char prefix[kMaxPrefix + 1] = "shmalloc";
  std::uint32_t mode = 0600;
  bool populate = false;
  std::uint64_t export_ttl_ms = 10000;
  char manager[108] = "";
  // SHARED: sizes in bytes.
  std::uint64_t segment_size = std::uint64_t{16} << 30;
  std::uint64_t growth = std::uint64_t{64} << 20;
  std::uint64_t watermark = std::uint64_t{256} << 20;
  std::uint8_t pages = 0;  // os::Pages
  bool sealed = false;
  bool named = false;
};

// Which keys a kind has.
inline constexpr std::uint32_t kDirectKeys = 1;
inline constexpr std::uint32_t kMapKeys = 2;
inline constexpr std::uint32_t kCountedKeys = 4;
inline constexpr std::uint32_t kSharedKeys = 8;

// Applies the text to a copy of `settings`: all of it, or an error that names the key.
Result<Settings> parse_settings(const Settings &settings, std::string_view text, std::uint32_t keys);
// The value of one key; NOT_FOUND.
Result<std::string> format_setting(const Settings &settings, std::string_view name, std::uint32_t keys);
// All of them.
std::string format_settings(const Settings &settings, std::uint32_t keys);

// 1 to 31 of A-Z a-z 0-9 . _ -
bool valid_prefix(std::string_view prefix);

}  // namespace shmalloc
