#include <algorithm>
#include <cstdio>

#include "api.hpp"
#include "commands.hpp"
#include "json_reader.hpp"
#include "report.hpp"
#include "text.hpp"

namespace shmalloc_tool {
namespace {

constexpr char kHelp[] = R"(Usage: shmalloc info [OPTION]...

Tells what this machine offers: versions, memory, /dev/shm, the limits that
sharing runs into, huge pages, where large shared segments get their memory,
kinds of allocators and backends, and for what is missing the reason.

  -b, --bytes          sizes as plain numbers of bytes
)";

using Type = JsonValue::Type;

// What of the library's description counts bytes. A key of a later version that is none of these is shown as it stands.
bool is_size(const JsonValue &parent, const std::string &section, const std::string &key) {
  static constexpr std::string_view kSizes[] = {"page_size", "size", "bytes", "total", "available",
                                                "used",      "free", "fsize", "as",    "memlock"};
  // Of huge pages there are so and so many, each of a size.
  const bool pages = section == "huge_pages" || (parent.find("size") != nullptr && parent.find("overcommit") != nullptr);
  if (pages) return key == "size";
  const auto ends = [&](std::string_view tail) { return key.size() > tail.size() && key.ends_with(tail); };
  return std::find(std::begin(kSizes), std::end(kSizes), key) != std::end(kSizes) || ends("_bytes") || ends("_size");
}

std::string words_of_key(std::string key) {
  std::replace(key.begin(), key.end(), '_', ' ');
  return printable(key);
}

class Printer {
 public:
  explicit Printer(bool bytes) : bytes_(bytes) {}

  void print(const JsonValue &all) const {
    Table table(2);
    for (std::size_t i = 0; i < all.items.size(); ++i)
      if (is_plain(all.items[i])) table.row({words_of_key(all.keys[i]), cell(all, "", all.keys[i], all.items[i])});
    table.print();
    for (std::size_t i = 0; i < all.items.size(); ++i)
      if (!is_plain(all.items[i])) section(all.keys[i], all.items[i]);
  }

 private:
  static bool is_plain(const JsonValue &value) { return value.type != Type::kObject && value.type != Type::kArray; }

  static bool are_rows(const JsonValue &value) {
    return value.type == Type::kArray && !value.items.empty() &&
           std::all_of(value.items.begin(), value.items.end(), [](const JsonValue &v) { return v.type == Type::kObject; });
  }

  void section(const std::string &name, const JsonValue &value) const {
    std::printf("\n%s\n", words_of_key(name).c_str());
    if (value.items.empty()) {
      std::printf("  none\n");
    } else if (are_rows(value)) {
      table_of(name, value, "  ");
    } else if (value.type == Type::kObject) {
      Table table(2);
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        if (!are_rows(value.items[i])) table.row({words_of_key(value.keys[i]), cell(value, name, value.keys[i], value.items[i])});
      }
      table.print("  ");
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        if (!are_rows(value.items[i])) continue;
        std::printf("  %s\n", words_of_key(value.keys[i]).c_str());
        table_of(name, value.items[i], "    ");
      }
    } else {
      std::printf("  %s\n", cell(value, name, name, value).c_str());
    }
  }

  // A line an element, a column a key that any of them has.
  void table_of(const std::string &name, const JsonValue &array, const char *indent) const {
    std::vector<std::string> keys;
    for (const JsonValue &element : array.items)
      for (const std::string &key : element.keys)
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    std::vector<std::string> head(keys.size());
    std::transform(keys.begin(), keys.end(), head.begin(), words_of_key);
    Table table(head);
    for (const JsonValue &element : array.items) {
      std::vector<std::string> cells;
      for (const std::string &key : keys) {
        const JsonValue *value = element.find(key);
        cells.push_back(value != nullptr ? cell(element, name, key, *value) : "");
      }
      table.row(cells);
    }
    table.print(indent);
  }

  std::string cell(const JsonValue &parent, const std::string &section, const std::string &key, const JsonValue &value) const {
    switch (value.type) {
      case Type::kNull:
        return section == "limits" ? "none" : "-";
      case Type::kBoolean:
        return value.truth ? "yes" : "no";
      case Type::kString:
        return printable(value.text);
      case Type::kNumber:
        return number(value, is_size(parent, section, key));
      default:
        break;
    }
    std::string out;
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      if (i != 0) out += ", ";
      if (value.type == Type::kObject) out += words_of_key(value.keys[i]) + " ";
      out += cell(value, section, value.type == Type::kObject ? value.keys[i] : key, value.items[i]);
    }
    return out;
  }

  std::string number(const JsonValue &value, bool size) const {
    const auto count = value.count();
    if (!count || !size || bytes_) return value.text;
    return format_size(*count);
  }

  bool bytes_;
};

std::string description() {
  std::string text;
  for (;;) {
    std::size_t length = text.size();
    shmalloc_error error{};
    const shmalloc_status status = shmalloc_machine_describe(text.data(), &length, &error);
    if (status == SHMALLOC_STATUS_OK) return text.substr(0, length - 1);
    if (status != SHMALLOC_STATUS_NO_SPACE || length <= text.size()) throw failure_of(status, error);
    text.resize(length + 64);  // numbers may have more digits the next time
  }
}

int run(const Arguments &arguments, bool json) {
  arguments.none();
  const std::string text = description();
  if (json) {
    std::printf("%s\n", text.c_str());
    return kOk;
  }
  std::string why;
  const auto parsed = parse_json(text, &why);
  if (!parsed || parsed->type != Type::kObject)
    fail(SHMALLOC_STATUS_INTERNAL, "the library's description is no JSON object: " + (parsed ? "another value" : why));
  Printer(arguments.has("bytes")).print(*parsed);
  return kOk;
}

}  // namespace

Command command_info() {
  return {"info", "tell what this machine offers, and why not what it doesn't", kHelp, {{"bytes", 'b', nullptr}}, run};
}

}  // namespace shmalloc_tool
