// Goal 2: storages of kind SHARED made and given back, which any process could open, beside malloc, whose memory none can.
#include "anchors/malloc.hpp"
#include "anchors/torch.hpp"
#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/pool_work.hpp"

namespace bench {

namespace {

struct Ours {
  static shmalloc_storage *take(std::size_t size) { return ours::create(size, nullptr, ours::pool()); }
  static void give(shmalloc_storage *storage) { shmalloc_storage_release(storage); }
};

// From whatever allocator is the current one.
struct OursByDefault {
  static shmalloc_storage *take(std::size_t size) { return ours::create(size); }
  static void give(shmalloc_storage *storage) { shmalloc_storage_release(storage); }
};

struct Nothing {
  static int take(std::size_t) {
    shmalloc_version();
    return 0;
  }
  static void give(int) { shmalloc_version(); }
};

// What each malloc is asked; `times` goes behind it.
void add_mallocs(Comparison &comparison, const std::vector<Malloc> &mallocs, const std::string &question) {
  for (const Malloc &each : mallocs) {
    Asked *child = each.child.get();
    comparison.sides.push_back({each.name, [=](long n) { return child->ask(question + " " + std::to_string(n)); }});
  }
}

void measure_pairs(Options &options, const std::vector<Malloc> &mallocs, Torch &torch, std::size_t size) {
  if (!wanted(options, "pool", size_text(size))) return;
  Comparison comparison{"pool", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, true};
  comparison.sides.push_back({"ours", [=](long n) { return work_in_pairs<Ours>(size, n); }});
  comparison.sides.push_back({"ours, no allocator named", [=](long n) { return work_in_pairs<OursByDefault>(size, n); }});
  comparison.sides.push_back({"two empty calls", [=](long n) { return work_in_pairs<Nothing>(size, n); }});
  add_mallocs(comparison, mallocs, "pairs " + std::to_string(size));
  if (torch.ready())
    comparison.sides.push_back({"torch fd", [&torch, size](long n) { return torch.ask("create", "file_descriptor", size, 1, n); }});
  measure(options, comparison);
}

void measure_threads(Options &options, const std::vector<Malloc> &mallocs, std::size_t size) {
  if (!wanted(options, "pool+threads", size_text(size)) || cpu_count() < 2) return;
  Comparison comparison{"pool+threads", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, false};
  comparison.sides.push_back({"ours", [=](long n) { return work_in_threads<Ours>(size, 2, n); }});
  comparison.sides.push_back({"ours, one thread", [=](long n) { return work_in_threads<Ours>(size, 1, n); }});
  comparison.sides.push_back({"no allocator named", [=](long n) { return work_in_threads<OursByDefault>(size, 2, n); }});
  comparison.sides.push_back(
      {"no allocator named, one thread", [=](long n) { return work_in_threads<OursByDefault>(size, 1, n); }});
  add_mallocs(comparison, mallocs, "threads " + std::to_string(size) + " 2");
  measure(options, comparison);
}

void measure_random(Options &options, const std::vector<Malloc> &mallocs, std::size_t live) {
  const std::string label = std::to_string(live) + " live";
  if (!wanted(options, "pool+random", label)) return;
  {
    Population<Ours> population(live);
    Comparison comparison{"pool+random", label, {{"live", static_cast<double>(live)}}, {}, true};
    comparison.sides.push_back({"ours", [&](long n) { return population.replace(n); }});
    add_mallocs(comparison, mallocs, "random " + std::to_string(live));
    measure(options, comparison);
  }
  for (const Malloc &each : mallocs) each.child->ask("random 0 0");
}

void measure_across(Options &options, const std::vector<Malloc> &mallocs, std::size_t size) {
  if (!wanted(options, "pool+across", size_text(size)) || cpu_count() < 2) return;
  Comparison comparison{"pool+across", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, false};
  comparison.sides.push_back({"ours", [=](long n) { return work_across_threads<Ours>(size, n); }});
  add_mallocs(comparison, mallocs, "across " + std::to_string(size));
  measure(options, comparison);
}

}  // namespace

void measure_pool(Options &options, Torch &torch) {
  const std::vector<Malloc> all = mallocs(options.side.empty() ? options.malloc_peer : "");
  for (const std::size_t size : {std::size_t{64}, KiB, 32 * KiB, MiB, 8 * MiB, 16 * MiB}) measure_pairs(options, all, torch, size);
  for (const std::size_t live : {10, 1'000, 100'000}) measure_random(options, all, live);
  for (const std::size_t size : {std::size_t{64}, 32 * KiB, MiB}) measure_threads(options, all, size);
  for (const std::size_t size : {std::size_t{64}, 32 * KiB}) measure_across(options, all, size);
}

}  // namespace bench
