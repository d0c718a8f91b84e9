// JSON in: what `info` needs to show the library's description, keys of later versions too.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shmalloc_tool {

struct JsonValue {
  enum class Type { kNull, kBoolean, kNumber, kString, kArray, kObject };
  Type type = Type::kNull;
  bool truth = false;
  std::string text;               // a string's characters; a number as it was written, so that none loses digits
  std::vector<std::string> keys;  // an object's, in order; keys[i] goes with items[i]
  std::vector<JsonValue> items;

  const JsonValue *find(std::string_view key) const;
  std::optional<unsigned long long> count() const;  // a number that is a whole one and not negative
};

// The one value that `text` is. Nothing, with the reason, for anything that is not JSON, or deeper than 64 brackets.
std::optional<JsonValue> parse_json(std::string_view text, std::string *why);

}  // namespace shmalloc_tool
