// The words after a command: options, their values, and the rest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shmalloc_tool {

struct Option {
  const char *name;   // without its dashes
  char letter;        // of the short form; 0: none
  const char *value;  // what it takes, as the help calls it; nullptr: nothing
};

// --name, --name=VALUE, --name VALUE, -n, -nVALUE, -n VALUE, letters together; "--" ends them; "-" is no option. The last of several
// counts. Names must be written out, so that an option added later breaks no script.
class Arguments {
 public:
  Arguments(const std::vector<std::string> &words, const std::vector<Option> &options);

  bool has(std::string_view name) const { return value(name) != nullptr; }
  const std::string *value(std::string_view name) const;  // nullptr: not given; empty for an option that takes none
  std::string text(std::string_view name) const;          // empty: not given
  std::int64_t nanoseconds(std::string_view name) const;  // from seconds like 2 or 0.5
  std::uint64_t number(std::string_view name, int base, std::uint64_t most) const;
  const std::vector<std::string> &rest() const { return rest_; }
  const std::string &only(const char *what) const;  // the one word of the rest, else a usage error
  void none() const;                                // nothing but options

 private:
  struct Given {
    std::string_view name;
    std::string value;
  };
  std::vector<Given> given_;
  std::vector<std::string> rest_;
};

}  // namespace shmalloc_tool
