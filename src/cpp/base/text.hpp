// Text into the caller's buffer, base64url, numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace shmalloc {

// Copies text and a zero byte into a caller's buffer; *inout_length is its room, and then what is needed.
Result<void> put_text(std::string_view from, char *text, std::size_t *inout_length, const char *what);
// The same for bytes, without a zero byte.
Result<void> put_bytes(const void *from, std::size_t size, std::uint8_t *bytes, std::size_t *inout_length, const char *what);

// "512 bytes", "1.50 KiB". At most 31 characters.
struct SizeText {
  char text[32];
};
SizeText size_text(std::uint64_t bytes);

std::size_t base64url_length(std::size_t bytes);
void base64url_encode(const std::uint8_t *bytes, std::size_t size, char *out);
// Returns false on a character outside the alphabet or an impossible length. `out` has room for length * 3 / 4 bytes.
bool base64url_decode(const char *text, std::size_t length, std::uint8_t *out, std::size_t *out_size);

// Whole text as a decimal number; false if it is anything else or too large.
bool parse_number(std::string_view text, std::uint64_t *out, int base = 10);

std::uint32_t crc32c(const void *bytes, std::size_t size);

// Appends in printf's manner.
[[gnu::format(printf, 2, 3)]] void append(std::string &to, const char *format, ...);
// Appends a JSON string, quotes included.
void append_json(std::string &to, std::string_view text);

}  // namespace shmalloc
