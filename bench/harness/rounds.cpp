#include "harness/rounds.hpp"

#include <algorithm>
#include <cmath>

#include "harness/clock.hpp"
#include "harness/machine.hpp"
#include "harness/output.hpp"

namespace bench {

namespace {

constexpr double disturbed_share = 0.03;  // of a turn's time without the CPU
constexpr double loud_share = 0.15;       // of a CPU, used by others while a comparison ran
constexpr int attempts = 3;

// How often one turn repeats the operation. The first time may open what is open from then on, and any may meet somebody else.
long times_for(const Side &side, double target_ns) {
  if (side.max_times == 1) return 1;
  double once = std::max(1.0, side.run(1));
  for (int again = 0; again < 2 && once > target_ns / 100; ++again) once = std::max(1.0, std::min(once, side.run(1)));
  if (once > target_ns) return 1;
  const long few = std::clamp(static_cast<long>(target_ns / 20 / once), 1L, side.max_times);
  const double each = std::max(1.0, std::min(side.run(few), side.run(few)));
  return std::clamp(static_cast<long>(target_ns / each), 1L, side.max_times);
}

struct Turn {
  double ns_each = 0;
  bool disturbed = false;
};

Turn take_turn(const Side &side, long times) {
  const double delay = run_delay_ns();
  const double begin = now_ns();
  Turn turn;
  turn.ns_each = side.run(times) / side.parts;
  turn.disturbed = run_delay_ns() - delay > disturbed_share * (now_ns() - begin);
  return turn;
}

Outcome run_once(const Options &options, const Comparison &comparison, const std::vector<long> &times) {
  const CpuWatch watch;
  Outcome outcome;
  const std::size_t count = comparison.sides.size();
  outcome.values.resize(count);
  int rounds = 0;
  for (const Side &side : comparison.sides) rounds = std::max(rounds, std::min(options.rounds, side.max_rounds));
  int spare = rounds;  // may be repeated
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> values(count, std::nan(""));
    bool disturbed = false;
    for (std::size_t turn = 0; turn < count; ++turn) {
      const std::size_t index = round % 2 == 0 ? turn : count - 1 - turn;
      const Side &side = comparison.sides[index];
      if (round >= side.max_rounds) continue;
      const Turn result = take_turn(side, times[index]);
      values[index] = result.ns_each;
      disturbed = disturbed || result.disturbed;
    }
    if (disturbed && comparison.alone) {
      ++outcome.disturbed;
      if (spare-- > 0 && watch.so_far().wall < options.repeat_seconds) {
        --round;
        continue;
      }
    }
    for (std::size_t index = 0; index < count; ++index) outcome.values[index].push_back(values[index]);
  }
  const CpuWatch::Use use = watch.so_far();
  outcome.others_share = use.others_share();
  outcome.stolen_share = use.wall > 0 ? use.stolen / use.wall : 0;
  outcome.seconds = use.wall;
  return outcome;
}

}  // namespace

bool wanted(const Options &options, const std::string &name, const std::string &label) {
  return options.only.empty() || (name + " " + label).find(options.only) != std::string::npos;
}

void measure(Options &options, const Comparison &comparison) {
  if (!options.side.empty()) {
    for (const Side &side : comparison.sides) {
      if (side.name == options.side) side.run(options.times);
    }
    return;
  }
  options.patience -= wait_for_quiet(options.patience);
  std::vector<long> times;
  for (const Side &side : comparison.sides) times.push_back(times_for(side, options.target_ns));
  Outcome best = run_once(options, comparison, times);
  for (int attempt = 1; attempt < attempts && best.others_share > loud_share; ++attempt) {
    if (options.patience <= 0) break;
    options.patience -= best.seconds;
    options.patience -= wait_for_quiet(options.patience);
    Outcome again = run_once(options, comparison, times);
    again.repeated = best.repeated + 1;
    if (again.others_share < best.others_share) best = again;
  }
  best.times = times;
  write_json(comparison, best);
  write_for_people(comparison, best);
}

}  // namespace bench
