// The tool's own text: JSON in and out, names that hold anything, sizes. Plain checks: the tool needs no test library.
#include <cstdio>
#include <string>

#include "json_reader.hpp"
#include "json_writer.hpp"
#include "text.hpp"

namespace {

using shmalloc_tool::JsonValue;
using shmalloc_tool::JsonWriter;
using shmalloc_tool::parse_json;
using shmalloc_tool::printable;

int failures = 0;
int checks = 0;

void check(bool good, const std::string &what, int line) {
  ++checks;
  if (good) return;
  ++failures;
  std::printf("line %d: %s\n", line, what.c_str());
}
#define CHECK(condition) check(condition, #condition, __LINE__)

bool good(const std::string &text) {
  std::string why;
  return parse_json(text, &why).has_value();
}

// Refused, with a reason.
bool bad(const std::string &text) {
  std::string why;
  return !parse_json(text, &why).has_value() && !why.empty();
}

JsonValue value(const std::string &text) {
  std::string why;
  return parse_json(text, &why).value_or(JsonValue());
}

void reads_what_is_json() {
  for (const char *text :
       {"0", "-0", "10", "-1.5e+10", "1E5", "1e-5", "true", "false", "null", "\"\"", "[]", "{}", " [ 1 , [ ] , { } ] ",
        "{\"a\":{\"b\":[1,2,{\"c\":null}]}}", "\t\r\n1\n", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""})
    check(good(text), std::string("is JSON: ") + text, __LINE__);
  CHECK(value("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"").text == "a\"\\/\b\f\n\r\tA");
  CHECK(value("\"\\u00e9\\u20ac\\ud83d\\ude00\"").text == "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(value("[\"\\u0000\"]").items[0].text == std::string(1, '\0'));
  CHECK(value("18446744073709551615").count() == 18446744073709551615ULL);
  CHECK(!value("18446744073709551616").count() && value("18446744073709551616").text == "18446744073709551616");
  CHECK(!value("-1").count() && !value("1.5").count() && !value("1e3").count() && !value("\"1\"").count());
  const JsonValue object = value("{\"b\":1,\"a\":true,\"b\":2}");
  CHECK(object.keys.size() == 3 && object.keys[1] == "a" && object.find("b")->text == "1" && object.find("c") == nullptr);
  CHECK(object.find("a")->truth && !value("false").truth);
}

void refuses_what_is_not() {
  for (const char *text : {"",
                           " ",
                           "{",
                           "[",
                           "\"",
                           "}",
                           "]",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{1:1}",
                           "01",
                           "-",
                           "1.",
                           ".5",
                           "1e",
                           "1e+",
                           "+1",
                           "0x1",
                           "nul",
                           "tru",
                           "True",
                           "nan",
                           "1 2",
                           "[1]]",
                           "\"\n\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u+123\"",
                           "\"\\ud800\"",
                           "\"\\ude00\"",
                           "\"\\ud800\\u0041\"",
                           "\"\xff\"",
                           "\"\xc0\x80\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xf4\x90\x80\x80\"",
                           "\"\xe2\x82\"",
                           "\"\\",
                           "'a'",
                           "// 1\n1"})
    check(bad(text), std::string("is no JSON: ") + text, __LINE__);
  CHECK(bad(std::string("1\0", 2)));
  CHECK(good(std::string(64, '[') + std::string(64, ']')));
  CHECK(bad(std::string(65, '[') + std::string(65, ']')));
  CHECK(bad(std::string(1000000, '[')));
}

// Whatever is cut off or changed in a valid text, the reader answers.
void survives_damage() {
  const std::string whole = R"({"a":[1,-2.5e3,true,null,"x\u00e9\ud83d\ude00"],"b":{"c":[]},"d":""})";
  CHECK(good(whole));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    CHECK(bad(whole.substr(0, i)));
    for (int byte = 0; byte < 256; ++byte) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(byte);
      std::string why;
      CHECK(parse_json(damaged, &why).has_value() || !why.empty());
    }
  }
}

void writes_what_it_reads() {
  std::string everything;
  for (int byte = 0; byte < 128; ++byte) everything += static_cast<char>(byte);
  everything += "\xc2\x85\xc3\xa9\xf0\x9f\x98\x80";
  JsonWriter out;
  out.object();
  out.key(everything).text(everything);
  out.key("n").number(-5).key("s").size(UINT64_MAX).key("b").boolean(true).key("z").null().key("e").text_or_null("");
  out.key("a").array().text("x").array().end().object().end().end();
  out.end();
  const JsonValue back = value(out.str());
  CHECK(back.keys.size() == 7 && back.keys[0] == everything && back.items[0].text == everything);
  CHECK(back.find("n")->text == "-5" && back.find("s")->count() == UINT64_MAX && back.find("b")->truth);
  CHECK(back.find("z")->type == JsonValue::Type::kNull && back.find("e")->type == JsonValue::Type::kNull);
  CHECK(back.find("a")->items.size() == 3 && out.str().find('\n') == std::string::npos);
  CHECK(value(JsonWriter().text("a\xff\xc3").str()).text == "a\xef\xbf\xbd\xef\xbf\xbd");
}

void shows_names() {
  CHECK(printable("/plain_name-1.x") == "/plain_name-1.x");
  CHECK(printable("\xc3\xa9\xe2\x82\xac") == "\xc3\xa9\xe2\x82\xac");
  CHECK(printable("a\x1b[31m\n\x7f") == "a\\x1b[31m\\x0a\\x7f");
  CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");  // the one-byte form of ESC [
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(shmalloc_tool::format_size(3 << 20) == "3.00 MiB");
}

}  // namespace

int main() {
  reads_what_is_json();
  refuses_what_is_not();
  survives_damage();
  writes_what_it_reads();
  shows_names();
  std::printf("%d checks, %d failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}
