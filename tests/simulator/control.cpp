// What tests ask the simulator, and what it says at exit.
#include <unistd.h>

#include <cstring>

#include "operation.hpp"
#include "sim.h"

using namespace sim;

namespace {

constexpr const char *kMistakes[] = {"race", "use_after_free", "busy_free", "bad_handle"};
constexpr const char *kLive[] = {"context", "stream", "event", "memory", "reservation", "physical", "graph"};

std::uint64_t live(const State &s, std::size_t kind) {
  std::uint64_t count = 0;
  switch (kind) {
    case 0:
      for (const auto &[handle, context] : s.contexts.all()) count += context->alive ? 1 : 0;
      return count;
    case 1:
      return s.streams.all().size();
    case 2:
      return s.events.all().size();
    case 3:
      return s.memory.ranges().size();
    case 4:
      return s.memory.reservations.size();
    case 5:
      return s.physicals.all().size();
    default:
      return s.graphs.all().size() + s.executables.all().size();
  }
}

std::uint64_t report(State &s) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < std::size(kLive); ++i) {
    const std::uint64_t found = live(s, i);
    if (found != 0) std::fprintf(stderr, "sim: not given back: %lu of kind %s\n", found, kLive[i]);
    count += found;
  }
  for (const auto &[base, range] : s.memory.ranges()) {
    std::fprintf(stderr, "sim: memory at %#lx, %lu bytes, device %d\n", base, range.size, range.block->device);
  }
  for (std::size_t i = 0; i < s.mistakes.size(); ++i) {
    if (s.mistakes[i] != 0) std::fprintf(stderr, "sim: %lu mistakes of kind %s\n", s.mistakes[i], kMistakes[i]);
  }
  return count;
}

std::uint64_t sum_mistakes(const State &s) {
  std::uint64_t count = 0;
  for (const std::uint64_t one : s.mistakes) count += one;
  return count;
}

// After all handlers of the program: what it gives back in them counts.
__attribute__((destructor)) void at_exit() {
  State &s = state();
  if (forked()) return;
  const Lock lock(s.mutex);
  if (!s.settings.report && !s.settings.strict) return;
  const std::uint64_t left = report(s);
  if (!s.settings.strict || (left == 0 && sum_mistakes(s) == 0)) return;
  std::fflush(nullptr);
  _exit(86);
}

template <class Names>
std::size_t index_of(const Names &names, const char *name) {
  std::size_t i = 0;
  while (i < std::size(names) && std::strcmp(names[i], name) != 0) ++i;
  return i;
}

}  // namespace

int sim_configure(const char *options) {
  State &s = state();
  const Lock lock(s.mutex);
  std::string why;
  if (!s.settings.read(options, &why)) {
    std::fprintf(stderr, "sim: %s\n", why.c_str());
    return -1;
  }
  s.calls_for_faults.clear();
  s.scheduler.seed();
  if (s.initialised && s.settings.schedule != Schedule::now && s.settings.patience != 0) s.scheduler.watch(&s.world);
  return 0;
}

void sim_reset(void) {
  State &s = state();
  const Lock lock(s.mutex);
  s.calls.clear();
  s.calls_for_faults.clear();
  s.settings.faults.clear();
  s.injected = 0;
  s.mistakes.fill(0);
  s.sticky = CUDA_SUCCESS;
  s.scheduler.forget_digest();
}

unsigned long long sim_calls(const char *name) {
  State &s = state();
  const Lock lock(s.mutex);
  std::uint64_t count = 0;
  for (const auto &[known, times] : s.calls) count += name == nullptr || known == name ? times : 0;
  return count;
}

unsigned long long sim_mistakes(const char *kind) {
  State &s = state();
  const Lock lock(s.mutex);
  if (kind == nullptr) return sum_mistakes(s);
  const std::size_t index = index_of(kMistakes, kind);
  return index < s.mistakes.size() ? s.mistakes[index] : UINT64_MAX;
}

unsigned long long sim_injected(void) {
  State &s = state();
  const Lock lock(s.mutex);
  return s.injected;
}

unsigned long long sim_live(const char *kind) {
  State &s = state();
  const Lock lock(s.mutex);
  if (kind != nullptr) return index_of(kLive, kind) < std::size(kLive) ? live(s, index_of(kLive, kind)) : UINT64_MAX;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < std::size(kLive); ++i) count += live(s, i);
  return count;
}

unsigned long long sim_used(int device) {
  State &s = state();
  const Lock lock(s.mutex);
  if (forked() || !s.valid(device)) return 0;
  s.world.bury();
  return s.world.shared().used[device];
}

unsigned long long sim_order(void) {
  State &s = state();
  const Lock lock(s.mutex);
  return s.scheduler.digest();
}

unsigned long long sim_report(void) {
  State &s = state();
  const Lock lock(s.mutex);
  return report(s);
}
