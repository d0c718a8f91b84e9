#include "json_reader.hpp"

#include <charconv>

#include "text.hpp"

namespace shmalloc_tool {
namespace {

constexpr int kDeepest = 64;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<JsonValue> document(std::string *why) {
    JsonValue value;
    const bool good = parse(value, 0) && (space(), at_ == text_.size() || stop("something follows the value"));
    if (good) return value;
    *why = std::string(why_) + " at byte " + std::to_string(at_);
    return std::nullopt;
  }

 private:
  bool stop(const char *why) {
    if (why_ == nullptr) why_ = why;
    return false;
  }

  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return stop("no value");
    at_ += expected.size();
    return true;
  }

  bool parse(JsonValue &out, int depth) {
    space();
    if (at_ >= text_.size()) return stop("it ends too early");
    switch (text_[at_]) {
      case '{':
        return depth < kDeepest ? object(out, depth) : stop("too deep");
      case '[':
        return depth < kDeepest ? array(out, depth) : stop("too deep");
      case '"':
        out.type = JsonValue::Type::kString;
        return string(out.text);
      case 't':
        out.type = JsonValue::Type::kBoolean;
        out.truth = true;
        return word("true");
      case 'f':
        out.type = JsonValue::Type::kBoolean;
        return word("false");
      case 'n':
        return word("null");
      default:
        return number(out);
    }
  }

  bool object(JsonValue &out, int depth) {
    out.type = JsonValue::Type::kObject;
    ++at_;
    space();
    if (take('}')) return true;
    do {
      space();
      if (at_ >= text_.size() || text_[at_] != '"') return stop("no key");
      if (!string(out.keys.emplace_back())) return false;
      space();
      if (!take(':')) return stop("no colon");
      if (!parse(out.items.emplace_back(), depth + 1)) return false;
      space();
    } while (take(','));
    return take('}') || stop("no end of the object");
  }

  bool array(JsonValue &out, int depth) {
    out.type = JsonValue::Type::kArray;
    ++at_;
    space();
    if (take(']')) return true;
    do {
      if (!parse(out.items.emplace_back(), depth + 1)) return false;
      space();
    } while (take(','));
    return take(']') || stop("no end of the array");
  }

  bool digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > begin;
  }

  bool number(JsonValue &out) {
    out.type = JsonValue::Type::kNumber;
    const std::size_t begin = at_;
    take('-');
    if (!take('0') && !digits()) return stop("no value");
    if (take('.') && !digits()) return stop("no digits after the point");
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) return stop("no exponent");
    }
    out.text = text_.substr(begin, at_ - begin);
    return true;
  }

  bool hex(unsigned &out) {
    const char *begin = text_.data() + at_;
    if (text_.size() - at_ < 4) return stop("a short escape");
    const auto [end, error] = std::from_chars(begin, begin + 4, out, 16);
    if (error != std::errc() || end != begin + 4) return stop("a bad escape");
    at_ += 4;
    return true;
  }

  bool escape(std::string &out) {
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (at_ >= text_.size()) return stop("it ends too early");
    const char c = text_[at_++];
    if (c != 'u') {
      const std::size_t which = kNames.find(c);
      if (which == std::string_view::npos) return stop("a bad escape");
      out += kMeanings[which];
      return true;
    }
    unsigned code = 0;
    if (!hex(code)) return false;
    if (code >= 0xd800 && code < 0xe000) {
      unsigned low = 0;
      if (code >= 0xdc00 || !take('\\') || !take('u') || !hex(low) || low < 0xdc00 || low >= 0xe000)
        return stop("half a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
    } else {
      put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
    }
    return true;
  }

  bool string(std::string &out) {
    ++at_;
    while (at_ < text_.size()) {
      if (take('"')) return true;
      if (take('\\')) {
        if (!escape(out)) return false;
        continue;
      }
      if (static_cast<unsigned char>(text_[at_]) < 0x20) return stop("a control character in a string");
      const std::size_t length = utf8_length(text_.substr(at_));
      if (length == 0) return stop("not UTF-8");
      out += text_.substr(at_, length);
      at_ += length;
    }
    return stop("no end of the string");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  const char *why_ = nullptr;
};

}  // namespace

const JsonValue *JsonValue::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key) return &items[i];
  return nullptr;
}

std::optional<unsigned long long> JsonValue::count() const {
  unsigned long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (type != Type::kNumber || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<JsonValue> parse_json(std::string_view text, std::string *why) { return Parser(text).document(why); }

}  // namespace shmalloc_tool
