// What is measured. Each case writes one comparison for each size or way.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "harness/rounds.hpp"

namespace bench {

class Asked;
class Torch;

void measure_create(Options &options, Torch &torch);
void measure_share(Options &options, Torch &torch);
void measure_batch(Options &options);
void measure_channel(Options &options);
void measure_grow(Options &options);
void measure_copy(Options &options);
void measure_handle(Options &options);
void measure_load(Options &options);
void measure_pool(Options &options, Torch &torch);
void measure_caching(Options &options);
void measure_handover(Options &options, Torch &torch, Asked &python);
void measure_resident(Options &options, Torch &torch);
void measure_counted(Options &options);
void measure_attach(Options &options);
void measure_crash(Options &options);
// What storages and threads take beside their bytes. Before there are any.
void weigh_many(Options &options);
void measure_many(Options &options);

// The mean over n turns of something that has no other preparation.
template <class Function>
std::function<double(long)> timed(Function function);

// "4 KiB"
std::string size_text(std::size_t size);

constexpr std::size_t KiB = 1024, MiB = 1024 * KiB, GiB = 1024 * MiB;

}  // namespace bench

#include "harness/clock.hpp"

template <class Function>
std::function<double(long)> bench::timed(Function function) {
  return [function](long n) {
    const double begin = now_ns();
    for (long time = 0; time < n; ++time) function();
    return (now_ns() - begin) / static_cast<double>(n);
  };
}
