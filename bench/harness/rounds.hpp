// Several ways to do one thing, measured in turn: A B C, C B A, A B C, .., so that whatever changes on the machine meets all of them.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

struct Options {
  bool quick = false;  // leaves out what takes seconds
  int rounds = 75;
  int heavy_rounds = 15;      // where a turn takes 10 ms or more
  int heavier_rounds = 7;     // .. 100 ms
  double target_ns = 2e6;     // what one side's turn should take: short, so that most turns meet nobody else
  double patience = 60;       // seconds to wait for a quiet machine, all comparisons together
  double repeat_seconds = 8;  // a comparison that has taken longer repeats no more rounds
  std::string only;           // part of a comparison's name and label
  std::string side;           // for a look from outside (strace, perf): this side alone, `times` times, and nothing is measured
  long times = 1;
  std::string python;  // empty: no PyTorch
  std::string torch_script, python_script;
  std::string malloc_peer;  // empty: no malloc to compare with
  std::string load_probe;   // empty: no cost of loading
};

struct Side {
  std::string name;
  // Does it n times and returns nanoseconds a time; may leave preparation out of the clock.
  std::function<double(long n)> run;
  int max_rounds = 1 << 30;
  long max_times = 1L << 30;  // in one round
  double parts = 1;           // what is told is the time of one of so many parts
};

struct Comparison {
  std::string name;   // what is done: "create"
  std::string label;  // with what: "4 KiB"
  std::vector<std::pair<std::string, double>> parameters;
  std::vector<Side> sides;  // the first is ours
  bool alone = true;        // one process: a round in which somebody else had our CPU can be told and is repeated
};

// Runs it and writes one line of JSON to standard output, a line for people to standard error.
void measure(Options &options, const Comparison &comparison);

// Whether the user asked for it.
bool wanted(const Options &options, const std::string &name, const std::string &label);

}  // namespace bench
