#include "text.hpp"

#include <shmalloc.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace shmalloc_tool {
namespace {

std::size_t width(const std::string &text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xc0U) == 0x80U; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    // No overlong form, no half of a surrogate pair.
    if ((first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) > 0x9f)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if ((first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) > 0x8f)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    std::size_t length = utf8_length(text);
    // C0, DEL and C1 (which UTF-8 writes as c2 80 to c2 9f) steer terminals.
    const bool control =
        first < 0x20 || first == 0x7f || (first == 0xc2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xa0);
    if (length == 0 || control) {
      length = std::max<std::size_t>(length, 1);
      for (std::size_t i = 0; i < length; ++i) {
        char hex[5];
        std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(text[i]));
        out += hex;
      }
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string format_size(std::uint64_t bytes) {
  char text[64];
  std::size_t length = sizeof text;
  if (shmalloc_format_size(bytes, text, &length, nullptr) != SHMALLOC_STATUS_OK) return std::to_string(bytes) + " bytes";
  return text;
}

std::string format_time(std::int64_t ns_since_1970) {
  const auto seconds = static_cast<std::time_t>(ns_since_1970 / 1000000000);
  std::tm parts{};
  char text[64];
  if (localtime_r(&seconds, &parts) == nullptr || std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts) == 0) return "?";
  return text;
}

std::vector<std::string> Table::lines(const char *indent) const {
  std::vector<std::string> made;
  std::vector<std::size_t> widths(columns_, 0);
  for (const auto &cells : rows_)
    for (std::size_t i = 0; i < cells.size() && i < columns_; ++i) widths[i] = std::max(widths[i], width(cells[i]));
  for (const auto &cells : rows_) {
    std::string line = indent;
    for (std::size_t i = 0; i < cells.size() && i < columns_; ++i) {
      const std::string padding(widths[i] - width(cells[i]), ' ');
      const bool to_right = std::find(right_.begin(), right_.end(), i) != right_.end();
      if (i != 0) line += "  ";
      line += to_right ? padding + cells[i] : cells[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    made.push_back(line);
  }
  return made;
}

void Table::print(const char *indent) const {
  for (const std::string &line : lines(indent)) std::printf("%s\n", line.c_str());
}

}  // namespace shmalloc_tool
