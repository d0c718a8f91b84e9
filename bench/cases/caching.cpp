// Goals 17, 18, 19 and 25: kind CACHING by address: on a device of numbers, where nothing but the allocator is measured, on the host with
// streams, and on a GPU or what passes for one; beside malloc.
#include <algorithm>
#include <memory>

#include "anchors/malloc.hpp"
#include "cases/cases.hpp"
#include "cases/numbers_device.hpp"
#include "cases/ours.hpp"
#include "harness/output.hpp"
#include "harness/pool_work.hpp"

namespace bench {

namespace {

enum Where { numbers, host_streams, cuda, places };
constexpr const char *names[places] = {"ours", "ours, HOST_STREAMS", "ours, CUDA"};

shmalloc_allocator *allocators[places] = {};

// Memory by address on one of them.
template <int where>
struct Ours {
  static shmalloc_address take(std::size_t size) {
    shmalloc_address address = 0;
    shmalloc_error error;
    const shmalloc_status status = shmalloc_allocator_allocate(allocators[where], size, SHMALLOC_STREAM_DEFAULT, &address, &error);
    if (status != SHMALLOC_STATUS_OK) check(status, error, "shmalloc_allocator_allocate");
    return address;
  }
  static void give(shmalloc_address address) {
    shmalloc_error error;
    const shmalloc_status status = shmalloc_allocator_deallocate(allocators[where], address, SHMALLOC_STREAM_OWN, &error);
    if (status != SHMALLOC_STATUS_OK) check(status, error, "shmalloc_allocator_deallocate");
  }
};

// Used by another stream, which is told before it is given back, or by giving it back.
template <bool told>
struct OursAcrossStreams {
  static constexpr shmalloc_stream other = 77;  // of numbers
  static shmalloc_address take(std::size_t size) { return Ours<numbers>::take(size); }
  static void give(shmalloc_address address) {
    shmalloc_error error;
    if (told) {
      check(shmalloc_allocator_record_stream(allocators[numbers], address, other, &error), error,
            "shmalloc_allocator_record_stream");
      Ours<numbers>::give(address);
    } else {
      check(shmalloc_allocator_deallocate(allocators[numbers], address, other, &error), error, "shmalloc_allocator_deallocate");
    }
  }
};

struct Nothing {
  static int take(std::size_t) {
    shmalloc_version();
    return 0;
  }
  static void give(int) { shmalloc_version(); }
};

// NULL: no such device here.
shmalloc_allocator *allocator_on(shmalloc_device device, const char *name) {
  auto params = SHMALLOC_INIT(shmalloc_allocator_params);
  params.device = device;
  params.kind = SHMALLOC_ALLOCATOR_KIND_CACHING;
  shmalloc_allocator *made = nullptr;
  shmalloc_error error;
  if (shmalloc_allocator_create(&params, &made, &error) == SHMALLOC_STATUS_OK) return made;
  write_note(std::string("no ") + name + ": " + error.message);
  return nullptr;
}

// Whether it has memory for this.
bool has(int where, std::size_t size) {
  if (allocators[where] == nullptr) return false;
  shmalloc_address address = 0;
  shmalloc_error error;
  if (shmalloc_allocator_allocate(allocators[where], size, SHMALLOC_STREAM_DEFAULT, &address, &error) != SHMALLOC_STATUS_OK)
    return false;
  return shmalloc_allocator_deallocate(allocators[where], address, SHMALLOC_STREAM_OWN, &error) == SHMALLOC_STATUS_OK;
}

void trim() {
  for (shmalloc_allocator *each : allocators) {
    if (each != nullptr) ours::trim(each);
  }
}

// A side for each of the places that can do it.
template <class Add>
void on_each(std::size_t size, Add add) {
  if (has(numbers, size)) add(names[numbers], Ours<numbers>());
  if (has(host_streams, size)) add(names[host_streams], Ours<host_streams>());
  if (has(cuda, size)) add(names[cuda], Ours<cuda>());
}

void add_mallocs(Comparison &comparison, const std::vector<Malloc> &mallocs, const std::string &question, const char *what,
                 double threads = 1) {
  for (const Malloc &each : mallocs) {
    if (each.name != "tcmalloc" && each.name != "mimalloc") continue;
    Asked *child = each.child.get();
    comparison.sides.push_back(
        {each.name + what, [=](long n) { return threads * child->ask(question + " " + std::to_string(n)); }});
  }
}

// Whatever our size: above 32 KiB theirs would be a matter of pages.
void measure_pairs(Options &options, const std::vector<Malloc> &mallocs, std::size_t size) {
  if (!wanted(options, "caching", size_text(size))) return;
  Comparison comparison{"caching", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, true};
  on_each(size, [&](const char *name, auto api) {
    comparison.sides.push_back({name, [=](long n) { return work_in_pairs<decltype(api)>(size, n); }});
  });
  comparison.sides.push_back({"two empty calls", [=](long n) { return work_in_pairs<Nothing>(size, n); }});
  add_mallocs(comparison, mallocs, "pairs 32768", ", 32 KiB");
  measure(options, comparison);
  trim();
}

// Nanoseconds of each thread.
void measure_threads(Options &options, const std::vector<Malloc> &mallocs, std::size_t size) {
  if (!wanted(options, "caching+threads", size_text(size)) || cpu_count() < 2) return;
  Comparison comparison{"caching+threads", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, false};
  on_each(size, [&](const char *name, auto api) {
    // Not fewer: threads do not begin at the same moment.
    comparison.sides.push_back({name, [=](long n) { return 2 * work_in_threads<decltype(api)>(size, 2, std::max(n, 20'000L)); }});
  });
  comparison.sides.push_back({"ours, one thread", [=](long n) { return work_in_threads<Ours<numbers>>(size, 1, n); }});
  add_mallocs(comparison, mallocs, "threads 32768 2", ", 32 KiB", 2);
  measure(options, comparison);
  trim();
}

void measure_random(Options &options, const std::vector<Malloc> &mallocs, std::size_t live) {
  const std::string label = std::to_string(live) + " live";
  if (!wanted(options, "caching+random", label)) return;
  const bool few = live <= 1000;  // 350 KiB each on average: others have memory behind it
  {
    Comparison comparison{"caching+random", label, {{"live", static_cast<double>(live)}}, {}, true};
    const auto add = [&](const char *name, auto api) {
      auto population = std::make_shared<Population<decltype(api)>>(live, 512, 12);
      comparison.sides.push_back({name, [population](long n) { return population->replace(n); }});
    };
    add(names[numbers], Ours<numbers>());
    if (few && has(host_streams, GiB)) add(names[host_streams], Ours<host_streams>());
    if (few && has(cuda, GiB)) add(names[cuda], Ours<cuda>());
    if (few) add_mallocs(comparison, mallocs, "wide " + std::to_string(live), "");
    // Until what is free lies as it will from then on.
    if (options.side.empty()) {
      for (const Side &side : comparison.sides) side.run(static_cast<long>(4 * live + 100'000));
    }
    measure(options, comparison);
  }
  for (const Malloc &each : mallocs) each.child->ask("random 0 0");
  trim();
}

void measure_across_streams(Options &options, const NumbersDevice &device, std::size_t size) {
  if (!wanted(options, "caching+streams", size_text(size))) return;
  Comparison comparison{"caching+streams", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, true};
  comparison.sides.push_back({"ours, recorded", [=](long n) { return work_in_pairs<OursAcrossStreams<true>>(size, n); }});
  comparison.sides.push_back(
      {"ours, given back on the other stream", [=](long n) { return work_in_pairs<OursAcrossStreams<false>>(size, n); }});
  comparison.sides.push_back({"ours, one stream", [=](long n) { return work_in_pairs<Ours<numbers>>(size, n); }});
  measure(options, comparison);
  if (!options.side.empty()) return;
  constexpr long blocks = 10'000;
  const DeviceCounts before = device.counts();
  work_in_pairs<OursAcrossStreams<true>>(size, blocks);
  const DeviceCounts &now = device.counts();
  const std::string of = " of 10000 blocks of " + size_text(size) + " that another stream used";
  write_fact("event records" + of, static_cast<double>(now.records - before.records), "");
  write_fact("event queries" + of, static_cast<double>(now.queries - before.queries), "");
  write_fact("waits for the device" + of, static_cast<double>(now.synchronizations - before.synchronizations), "");
}

}  // namespace

void measure_caching(Options &options) {
  const NumbersDevice device;
  const std::vector<Malloc> all = mallocs(options.side.empty() ? options.malloc_peer : "");
  allocators[numbers] = allocator_on(device.device(), "device of numbers");
  check(allocators[numbers] != nullptr, "a device of our own");
  allocators[host_streams] = allocator_on(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 0), "HOST_STREAMS");
  allocators[cuda] = allocator_on(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUDA, 0), "CUDA");
  for (const std::size_t size : {std::size_t{512}, 4 * KiB, MiB, 64 * MiB, GiB}) measure_pairs(options, all, size);
  for (const std::size_t size : {std::size_t{512}, MiB, GiB}) measure_threads(options, all, size);
  for (const std::size_t live : {10, 100, 1'000, 10'000, 100'000}) measure_random(options, all, live);
  if (!options.quick) measure_random(options, all, 1'000'000);
  for (const std::size_t size : {std::size_t{512}, MiB}) measure_across_streams(options, device, size);
  for (shmalloc_allocator *&each : allocators) {
    shmalloc_allocator_release(each);
    each = nullptr;
  }
}

}  // namespace bench
