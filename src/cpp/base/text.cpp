#include "base/text.hpp"

#include <array>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace shmalloc {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> kDecode = [] {
  std::array<std::int8_t, 256> table{};
  for (auto &entry : table) entry = -1;
  for (int i = 0; i < 64; ++i) table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  return table;
}();

constexpr std::array<std::uint32_t, 256> kCrc = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0x82f63b78U : 0U);
    table[i] = crc;
  }
  return table;
}();

}  // namespace

Result<void> put_text(std::string_view from, char *text, std::size_t *inout_length, const char *what) {
  if (inout_length == nullptr) return fail(SHMALLOC_STATUS_INVALID, 0, "inout_length is NULL");
  const std::size_t room = text != nullptr ? *inout_length : 0;
  const std::size_t needed = from.size() + 1;
  *inout_length = needed;
  if (text == nullptr || room < needed)
    return fail(SHMALLOC_STATUS_NO_SPACE, 0, "%s needs %zu bytes, the buffer has %zu", what, needed, room);
  std::memcpy(text, from.data(), from.size());
  text[from.size()] = '\0';
  return {};
}

Result<void> put_bytes(const void *from, std::size_t size, std::uint8_t *bytes, std::size_t *inout_length, const char *what) {
  if (inout_length == nullptr) return fail(SHMALLOC_STATUS_INVALID, 0, "inout_length is NULL");
  const std::size_t room = bytes != nullptr ? *inout_length : 0;
  *inout_length = size;
  if (bytes == nullptr || room < size)
    return fail(SHMALLOC_STATUS_NO_SPACE, 0, "%s needs %zu bytes, the buffer has %zu", what, size, room);
  std::memcpy(bytes, from, size);
  return {};
}

SizeText size_text(std::uint64_t bytes) {
  static constexpr const char *kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  SizeText out;
  if (bytes < 1024) {
    std::snprintf(out.text, sizeof out.text, bytes == 1 ? "%llu byte" : "%llu bytes", static_cast<unsigned long long>(bytes));
    return out;
  }
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.995 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  std::snprintf(out.text, sizeof out.text, "%.2f %s", value, kUnits[unit]);
  return out;
}

std::size_t base64url_length(std::size_t bytes) { return (bytes * 4 + 2) / 3; }

void base64url_encode(const std::uint8_t *bytes, std::size_t size, char *out) {
  std::uint32_t bits = 0;
  int count = 0;
  for (std::size_t i = 0; i < size; ++i) {
    bits = bits << 8 | bytes[i];
    count += 8;
    while (count >= 6) {
      count -= 6;
      *out++ = kAlphabet[bits >> count & 63U];
    }
  }
  if (count > 0) *out = kAlphabet[bits << (6 - count) & 63U];
}

bool base64url_decode(const char *text, std::size_t length, std::uint8_t *out, std::size_t *out_size) {
  if (length % 4 == 1) return false;
  std::uint32_t bits = 0;
  int count = 0;
  std::size_t size = 0;
  for (std::size_t i = 0; i < length; ++i) {
    const auto value =
        static_cast<int>(kDecode[static_cast<unsigned char>(text[i])]);  // NOLINT(bugprone-signed-char-misuse): -1 is meant
    if (value < 0) return false;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out[size++] = static_cast<std::uint8_t>(bits >> count & 255U);
    }
  }
  if ((bits & ((1U << count) - 1)) != 0) return false;  // One text for each handle: no stray bits at the end.
  *out_size = size;
  return true;
}

bool parse_number(std::string_view text, std::uint64_t *out, int base) {
  const char *end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out, base);
  return !text.empty() && error == std::errc() && stop == end;
}

namespace {

#if defined(__x86_64__)
// The same by the processor's own instruction, eight bytes at a time.
__attribute__((target("sse4.2"))) std::uint32_t crc32c_fast(const std::uint8_t *at, std::size_t size) {
  std::uint64_t crc = ~0U;
  for (; size >= 8; size -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    crc = __builtin_ia32_crc32di(crc, word);
  }
  auto rest = static_cast<std::uint32_t>(crc);
  for (; size > 0; --size, ++at) rest = __builtin_ia32_crc32qi(rest, *at);
  return ~rest;
}
#endif

}  // namespace

std::uint32_t crc32c(const void *bytes, std::size_t size) {
  const auto *at = static_cast<const std::uint8_t *>(bytes);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc32c_fast(at, size);
#endif
  std::uint32_t crc = ~0U;
  for (std::size_t i = 0; i < size; ++i) crc = kCrc[(crc ^ at[i]) & 255U] ^ (crc >> 8);
  return ~crc;
}

void append(std::string &to, const char *format, ...) {
  char text[768];
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (length > 0)
    to.append(text, static_cast<std::size_t>(length) < sizeof text ? static_cast<std::size_t>(length) : sizeof text - 1);
}

void append_json(std::string &to, std::string_view text) {
  to += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      to += '\\';
      to += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      append(to, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      to += c;
    }
  }
  to += '"';
}

}  // namespace shmalloc
