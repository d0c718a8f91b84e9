// JSON out: always valid, always UTF-8, on one line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shmalloc_tool {

class JsonWriter {
 public:
  JsonWriter &object() { return open('{', '}'); }
  JsonWriter &array() { return open('[', ']'); }
  JsonWriter &end();
  JsonWriter &key(std::string_view name);
  JsonWriter &text(std::string_view value);
  JsonWriter &text_or_null(std::string_view value) { return value.empty() ? null() : text(value); }
  JsonWriter &number(std::int64_t value) { return raw(std::to_string(value)); }
  JsonWriter &size(std::uint64_t value) { return raw(std::to_string(value)); }
  JsonWriter &boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonWriter &null() { return raw("null"); }
  const std::string &str() const { return out_; }

 private:
  JsonWriter &open(char begin, char close);
  JsonWriter &raw(std::string_view value);
  void separate();

  std::string out_;
  std::vector<char> closers_;
  bool first_ = true;  // nothing stands in the innermost bracket yet
  bool after_key_ = false;
};

}  // namespace shmalloc_tool
