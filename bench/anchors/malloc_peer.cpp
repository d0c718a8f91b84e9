// malloc of whatever library the loader was told to put first, timed for the benchmark program, which asks by lines on standard input:
//   pairs SIZE N | threads SIZE THREADS N | random LIVE N | wide LIVE N | across SIZE N
// random has 64 bytes to 8 KiB, wide 512 bytes to 2 MiB.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "harness/pool_work.hpp"

namespace {

struct Malloc {
  static void *take(std::size_t size) {
    void *data = std::malloc(size);
    asm volatile("" : "+r"(data) : : "memory");  // or the compiler leaves both calls out
    return data;
  }
  static void give(void *data) { std::free(data); }
};

}  // namespace

int main() {
  bench::pin(0);
  std::puts("ready");
  std::fflush(stdout);
  std::unique_ptr<bench::Population<Malloc>> population;
  char line[128], what[16];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    long first = 0, second = 0, third = 0;
    if (std::sscanf(line, "%15s %ld %ld %ld", what, &first, &second, &third) < 3) return 2;
    const auto size = static_cast<std::size_t>(first);
    double result = 0;
    if (std::strcmp(what, "pairs") == 0) {
      result = bench::work_in_pairs<Malloc>(size, second);
    } else if (std::strcmp(what, "threads") == 0) {
      result = bench::work_in_threads<Malloc>(size, static_cast<int>(second), third);
    } else if (std::strcmp(what, "across") == 0) {
      result = bench::work_across_threads<Malloc>(size, second);
    } else if (second == 0) {  // No more of it.
      population.reset();
    } else {
      if (population == nullptr || population->live() != size) {
        population.reset();
        population = std::strcmp(what, "wide") == 0 ? std::make_unique<bench::Population<Malloc>>(size, 512, 12)
                                                    : std::make_unique<bench::Population<Malloc>>(size);
      }
      result = population->replace(second);
    }
    std::printf("%.3f\n", result);
    std::fflush(stdout);
  }
  return 0;
}
