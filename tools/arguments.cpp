#include "arguments.hpp"

#include <charconv>
#include <cmath>

#include "report.hpp"

namespace shmalloc_tool {
namespace {

const Option *find_name(const std::vector<Option> &options, std::string_view name) {
  for (const Option &option : options)
    if (name == option.name) return &option;
  fail_usage("unknown option '--" + std::string(name) + "'");
}

const Option *find_letter(const std::vector<Option> &options, char letter) {
  for (const Option &option : options)
    if (letter == option.letter) return &option;
  fail_usage(std::string("unknown option '-") + letter + "'");
}

[[noreturn]] void fail_missing(const Option &option) {
  fail_usage(std::string("option '--") + option.name + "' needs a value: " + option.value);
}

}  // namespace

Arguments::Arguments(const std::vector<std::string> &words, const std::vector<Option> &options) {
  bool ended = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string &word = words[i];
    const auto next = [&](const Option &option) -> const std::string & {
      if (++i >= words.size()) fail_missing(option);
      return words[i];
    };
    if (ended || word.size() < 2 || word[0] != '-') {
      rest_.push_back(word);
    } else if (word == "--") {
      ended = true;
    } else if (word[1] == '-') {
      const std::size_t equals = word.find('=');
      const Option *option =
          find_name(options, std::string_view(word).substr(2, equals == std::string::npos ? equals : equals - 2));
      if (option->value == nullptr && equals != std::string::npos)
        fail_usage(std::string("option '--") + option->name + "' takes no value");
      std::string value;
      if (equals != std::string::npos)
        value = word.substr(equals + 1);
      else if (option->value != nullptr)
        value = next(*option);
      given_.push_back({option->name, value});
    } else {
      for (std::size_t at = 1; at < word.size(); ++at) {
        const Option *option = find_letter(options, word[at]);
        if (option->value == nullptr) {
          given_.push_back({option->name, {}});
          continue;
        }
        given_.push_back({option->name, at + 1 < word.size() ? word.substr(at + 1) : next(*option)});
        break;
      }
    }
  }
}

const std::string *Arguments::value(std::string_view name) const {
  for (auto given = given_.rbegin(); given != given_.rend(); ++given)
    if (given->name == name) return &given->value;
  return nullptr;
}

std::string Arguments::text(std::string_view name) const {
  const std::string *found = value(name);
  return found != nullptr ? *found : std::string();
}

std::int64_t Arguments::nanoseconds(std::string_view name) const {
  const std::string &written = *value(name);
  double seconds = 0;
  const char *end = written.data() + written.size();
  const auto [stopped, error] = std::from_chars(written.data(), end, seconds, std::chars_format::fixed);
  if (error != std::errc() || stopped != end || !std::isfinite(seconds) || seconds <= 0 || seconds > 1e9)
    fail_usage("option '--" + std::string(name) + "': '" + written + "' is no number of seconds above 0");
  // At least 1: 0 and what is below have meanings of their own in the library.
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(seconds * 1e9));
}

std::uint64_t Arguments::number(std::string_view name, int base, std::uint64_t most) const {
  const std::string &written = *value(name);
  std::uint64_t number = 0;
  const char *end = written.data() + written.size();
  const auto [stopped, error] = std::from_chars(written.data(), end, number, base);
  if (error != std::errc() || stopped != end || number > most)
    fail_usage("option '--" + std::string(name) + "': '" + written + "' is not " + (base == 8 ? "an octal" : "a") +
               " number in range");
  return number;
}

const std::string &Arguments::only(const char *what) const {
  if (rest_.empty()) fail_usage(std::string("no ") + what + " given");
  if (rest_.size() > 1) fail_usage("'" + rest_[1] + "' is one word too many: one " + what + " at a time");
  return rest_[0];
}

void Arguments::none() const {
  if (!rest_.empty()) fail_usage("'" + rest_[0] + "' is one word too many");
}

}  // namespace shmalloc_tool
