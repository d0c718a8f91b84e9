// What a comparison gave, and how it is told.
#pragma once

#include <string>
#include <vector>

#include "harness/rounds.hpp"

namespace bench {

struct Outcome {
  std::vector<std::vector<double>> values;  // by side, by round; not a number where a side sat a round out
  std::vector<long> times;                  // by side: operations in one turn
  int disturbed = 0;                        // rounds in which somebody else had our CPU
  int repeated = 0;                         // times the whole comparison was repeated because others were at work
  double others_share = 0, stolen_share = 0, seconds = 0;
};

void write_json(const Comparison &comparison, const Outcome &outcome);
void write_for_people(const Comparison &comparison, const Outcome &outcome);
// Something that was counted, or weighed; `unit` may be "".
void write_fact(const std::string &what, double value, const std::string &unit);
// Something that the report must say, such as an anchor that is missing here.
void write_note(const std::string &text);

}  // namespace bench
