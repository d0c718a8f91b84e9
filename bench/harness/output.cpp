#include "harness/output.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace bench {

namespace {

// Our own texts only: nothing in them needs escaping but the quote.
std::string quoted(const std::string &text) {
  std::string result = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') result += '\\';
    result += static_cast<unsigned char>(letter) < ' ' ? ' ' : letter;
  }
  return result + "\"";
}

double median(std::vector<double> values) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

void write_json(const Comparison &comparison, const Outcome &outcome) {
  std::printf("{\"name\": %s, \"label\": %s, \"parameters\": {", quoted(comparison.name).c_str(), quoted(comparison.label).c_str());
  const char *separator = "";
  for (const auto &[key, value] : comparison.parameters) {
    std::printf("%s%s: %.10g", separator, quoted(key).c_str(), value);
    separator = ", ";
  }
  std::printf(
      "}, \"disturbed_rounds\": %d, \"repeated\": %d, \"others_share\": %.4f, \"stolen_share\": %.4f, \"seconds\": %.3f, "
      "\"sides\": [",
      outcome.disturbed, outcome.repeated, outcome.others_share, outcome.stolen_share, outcome.seconds);
  for (std::size_t index = 0; index < comparison.sides.size(); ++index) {
    std::printf("%s{\"name\": %s, \"times\": %ld, \"ns\": [", index == 0 ? "" : ", ", quoted(comparison.sides[index].name).c_str(),
                outcome.times[index]);
    separator = "";
    for (const double value : outcome.values[index]) {
      if (std::isnan(value)) {
        std::printf("%snull", separator);
      } else {
        std::printf("%s%.2f", separator, value);
      }
      separator = ", ";
    }
    std::printf("]}");
  }
  std::printf("]}\n");
  std::fflush(stdout);
}

void write_for_people(const Comparison &comparison, const Outcome &outcome) {
  std::fprintf(stderr, "%-12s %-22s", comparison.name.c_str(), comparison.label.c_str());
  for (std::size_t index = 0; index < comparison.sides.size(); ++index) {
    std::fprintf(stderr, "  %s %.0f", comparison.sides[index].name.c_str(), median(outcome.values[index]));
  }
  std::fprintf(stderr, " ns  (others %.0f%%, %.1f s)\n", outcome.others_share * 100, outcome.seconds);
}

void write_fact(const std::string &what, double value, const std::string &unit) {
  std::printf("{\"fact\": %s, \"value\": %.10g, \"unit\": %s}\n", quoted(what).c_str(), value, quoted(unit).c_str());
  std::fflush(stdout);
  std::fprintf(stderr, "%s: %.4g %s\n", what.c_str(), value, unit.c_str());
}

void write_note(const std::string &text) {
  std::printf("{\"note\": %s}\n", quoted(text).c_str());
  std::fflush(stdout);
  std::fprintf(stderr, "bench: %s\n", text.c_str());
}

}  // namespace bench
