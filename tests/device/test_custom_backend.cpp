// The conformance suite on custom devices, with all functions and with fewer.
#include "conformance.hpp"
#include "custom_forward.hpp"

namespace {

using namespace conformance;
using forward::Subject;

void keeps_the_rule(void **state) {
  const auto *rule = static_cast<const Rule *>(*state);
  if (const char *wrong = rule->check(); wrong != nullptr) fail_msg("%s", wrong);
}

std::vector<std::string> names;

// Whether a rule asks for more than such a device has: a quarter of what nobody knows.
bool is_beyond(const char *what, const char *rule) {
  return strcmp(what, "memory only") == 0 && strcmp(rule, "memory_that_is_freed_is_given_again") == 0;
}

template <class S>
void add(std::vector<CMUnitTest> &tests, const char *what) {
  for (const Rule &rule : kRules<S>) {
    if (is_beyond(what, rule.name)) continue;
    names.push_back(std::string(what) + ": " + rule.name);
    tests.push_back({names.back().c_str(), keeps_the_rule, nullptr, nullptr, const_cast<Rule *>(&rule)});
  }
}

}  // namespace

int main() {
  std::vector<CMUnitTest> tests;
  names.reserve(1000);  // None may move.
  add<Subject<forward::Whole, forward::nothing>>(tests, "whole");
  add<Subject<forward::Whole, forward::pages_and_synchronize>>(tests, "no pages, no synchronize");
  add<Subject<forward::Plain, forward::all_work>>(tests, "the host works");
  add<Subject<forward::OnDefault, forward::all_streams>>(tests, "no streams");
  add<Subject<forward::OnDefault, forward::all_but_memory>>(tests, "memory only");
  return _cmocka_run_group_tests("custom", tests.data(), tests.size(), nullptr, nullptr);
}
