// Text for people: sizes, names that may hold anything, aligned columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shmalloc_tool {

// Length in bytes of the valid UTF-8 character that `text` begins with; 0: what stands there is none.
std::size_t utf8_length(std::string_view text);

// Bytes that could steer a terminal, or are not UTF-8, become \xNN.
std::string printable(std::string_view text);

std::string format_size(std::uint64_t bytes);

// A moment in local time.
std::string format_time(std::int64_t ns_since_1970);

// Columns padded to their widest cell, two spaces apart; a column named in `right` is flushed right.
class Table {
 public:
  explicit Table(std::vector<std::string> head) : columns_(head.size()), rows_{std::move(head)} {}
  explicit Table(std::size_t columns) : columns_(columns) {}
  void right(std::size_t column) { right_.push_back(column); }
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::vector<std::string> lines(const char *indent = "") const;
  void print(const char *indent = "") const;

 private:
  std::size_t columns_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> right_;
};

}  // namespace shmalloc_tool
