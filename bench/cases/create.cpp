// Goal 1: make a storage and give it back, one at a time, nothing cached: kind MAP. Then the same as it is used, with every page written: what
// reserving costs is paid back by the faults that it makes cheaper.
#include "anchors/raw.hpp"
#include "anchors/torch.hpp"
#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/machine.hpp"

namespace bench {

namespace {

constexpr std::size_t large = 64 * MiB;  // from here on a turn is one operation of milliseconds

void ours_once(std::size_t size, bool fill) {
  shmalloc_storage *storage = ours::create(size, nullptr, ours::mapping_allocator());
  if (fill) touch_pages(shmalloc_storage_data(storage), 0, size);
  shmalloc_storage_release(storage);
}

void measure_size(Options &options, Torch &torch, std::size_t size, bool fill) {
  const char *name = fill ? "create+fill" : "create";
  if (!wanted(options, name, size_text(size))) return;
  using raw::Blocks;
  Comparison comparison{name, size_text(size), {{"bytes", static_cast<double>(size)}}, {}, true};
  const int rounds = size >= GiB ? options.heavier_rounds : size >= large ? options.heavy_rounds : options.rounds;
  const auto add = [&](const char *side, auto once) { comparison.sides.push_back({side, timed(once), rounds}); };
  add("ours", [=] { ours_once(opaque(size), fill); });
  add("raw", [=] { raw::lifecycle(opaque(size), Blocks::lazy, fill); });
  add("raw reserved", [=] { raw::lifecycle(opaque(size), Blocks::reserved, fill); });
  if (size < GiB) add("raw sealed", [=] { raw::lifecycle(opaque(size), Blocks::sealed, fill); });
  if (torch.ready()) {
    const auto by = [&, name, size](const char *strategy) {
      return [&torch, name, size, strategy](long n) { return torch.ask(name, strategy, size, 1, n); };
    };
    comparison.sides.push_back({"torch fd", by("file_descriptor"), rounds});
    comparison.sides.push_back({"torch file_system", by("file_system"), rounds});
  }
  if (size >= large) warm_memory(2 * size);
  measure(options, comparison);
}

}  // namespace

void measure_create(Options &options, Torch &torch) {
  for (const std::size_t size : {4 * KiB, MiB, 64 * MiB}) measure_size(options, torch, size, false);
  if (!options.quick) measure_size(options, torch, GiB, false);
  for (const std::size_t size : {4 * KiB, MiB, 64 * MiB}) measure_size(options, torch, size, true);
}

}  // namespace bench
