#include "json_writer.hpp"

#include <cstdio>

#include "text.hpp"

namespace shmalloc_tool {

void JsonWriter::separate() {
  if (!first_ && !after_key_) out_ += ',';
  first_ = false;
  after_key_ = false;
}

JsonWriter &JsonWriter::open(char begin, char close) {
  separate();
  out_ += begin;
  closers_.push_back(close);
  first_ = true;
  return *this;
}

JsonWriter &JsonWriter::end() {
  out_ += closers_.back();
  closers_.pop_back();
  first_ = false;
  return *this;
}

JsonWriter &JsonWriter::raw(std::string_view value) {
  separate();
  out_ += value;
  return *this;
}

JsonWriter &JsonWriter::key(std::string_view name) {
  text(name);
  out_ += ':';
  after_key_ = true;
  return *this;
}

JsonWriter &JsonWriter::text(std::string_view value) {
  separate();
  out_ += '"';
  while (!value.empty()) {
    const auto first = static_cast<unsigned char>(value[0]);
    const std::size_t length = utf8_length(value);
    if (length == 0) {
      out_ += "\xef\xbf\xbd";  // a byte that is no UTF-8
    } else if (first == '"' || first == '\\') {
      out_ += '\\';
      out_ += value[0];
    } else if (first < 0x20 || first == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", first);
      out_ += escape;
    } else {
      out_ += value.substr(0, length);
    }
    value.remove_prefix(length == 0 ? 1 : length);
  }
  out_ += '"';
  return *this;
}

}  // namespace shmalloc_tool
