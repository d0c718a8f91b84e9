// Goal 13: a shared storage grows from 1 to 512 MiB; nanoseconds a step. Filling it is left out of the clock.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "anchors/raw.hpp"
#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/machine.hpp"

namespace bench {

namespace {

constexpr std::size_t first = MiB, last = 512 * MiB;

std::vector<std::size_t> sizes_by(double exponent) {
  std::vector<std::size_t> sizes;
  for (auto size = static_cast<double>(first); sizes.empty() || sizes.back() < last;) {
    size *= exponent;
    sizes.push_back(std::min(last, static_cast<std::size_t>(size) / 4096 * 4096));
  }
  return sizes;
}

// Adds up the time of the steps of one series.
class Steps {
 public:
  template <class Step>
  void take(Step step) {
    const double begin = now_ns();
    step();
    spent_ += now_ns() - begin;
  }
  double spent() const { return spent_; }

 private:
  double spent_ = 0;
};

// With `fill`, every new page is written within the clock.
double grow_ours(const std::vector<std::size_t> &sizes, bool fill) {
  auto params = SHMALLOC_INIT(shmalloc_storage_params);
  params.capacity = last;
  shmalloc_storage *storage = ours::create(opaque(first), &params);
  void *data = shmalloc_storage_data(storage);
  Steps steps;
  std::size_t before = first;
  for (const std::size_t size : sizes) {
    shmalloc_error error;
    steps.take([&] {
      check(shmalloc_storage_grow(storage, opaque(size), SHMALLOC_STREAM_DEFAULT, &error), error, "shmalloc_storage_grow");
      if (fill) touch_pages(data, before, size);
    });
    if (shmalloc_storage_data(storage) != data) stop("shmalloc_storage_grow", "the storage moved");
    write_byte(data, size - 1);
    before = size;
  }
  shmalloc_storage_release(storage);
  return steps.spent();
}

double grow_mapped_range(const std::vector<std::size_t> &sizes, bool reserve, bool fill) {
  const int fd = raw::create(opaque(first), reserve ? raw::Blocks::reserved : raw::Blocks::lazy);
  void *data = raw::map(fd, last);
  Steps steps;
  std::size_t before = first;
  for (const std::size_t size : sizes) {
    steps.take([&] {
      check(ftruncate(fd, static_cast<off_t>(size)) == 0, "ftruncate");
      if (reserve) check(fallocate(fd, 0, static_cast<off_t>(before), static_cast<off_t>(size - before)) == 0, "fallocate");
      if (fill) touch_pages(data, before, size);
    });
    write_byte(data, size - 1);
    before = size;
  }
  raw::unmap(data, last);
  close(fd);
  return steps.spent();
}

double grow_by_remapping(const std::vector<std::size_t> &sizes) {
  const int fd = raw::create(opaque(first), raw::Blocks::lazy);
  void *data = raw::map(fd, first);
  touch_pages(data, 0, first);
  Steps steps;
  std::size_t before = first;
  for (const std::size_t size : sizes) {
    steps.take([&] {
      check(ftruncate(fd, static_cast<off_t>(size)) == 0, "ftruncate");
      data = mremap(data, before, size, MREMAP_MAYMOVE);
      check(data != MAP_FAILED, "mremap");
    });
    touch_pages(data, before, size);
    before = size;
  }
  raw::unmap(data, before);
  close(fd);
  return steps.spent();
}

double grow_by_copying(const std::vector<std::size_t> &sizes) {
  int fd = raw::create(opaque(first), raw::Blocks::lazy);
  void *data = raw::map(fd, first);
  touch_pages(data, 0, first);
  Steps steps;
  std::size_t before = first;
  for (const std::size_t size : sizes) {
    steps.take([&] {
      const int new_fd = raw::create(opaque(size), raw::Blocks::lazy);
      void *new_data = raw::map(new_fd, size);
      std::memcpy(new_data, data, before);
      raw::unmap(data, before);
      close(fd);
      fd = new_fd;
      data = new_data;
    });
    touch_pages(data, before, size);
    before = size;
  }
  raw::unmap(data, before);
  close(fd);
  return steps.spent();
}

void measure_exponent(Options &options, double exponent, const char *text) {
  if (!wanted(options, "grow", text)) return;
  const std::vector<std::size_t> sizes = sizes_by(exponent);
  const int rounds = options.heavy_rounds;
  const int slow_rounds = std::max(1, options.heavier_rounds / 2);
  Comparison comparison{
      "grow",
      text,
      {{"exponent", exponent}, {"steps", static_cast<double>(sizes.size())}, {"bytes", static_cast<double>(last)}},
      {},
      true};
  const auto parts = static_cast<double>(sizes.size());
  comparison.sides.push_back({"ours", [&](long) { return grow_ours(sizes, false); }, rounds, 1, parts});
  comparison.sides.push_back({"raw ftruncate", [&](long) { return grow_mapped_range(sizes, false, false); }, rounds, 1, parts});
  comparison.sides.push_back(
      {"raw ftruncate+fallocate", [&](long) { return grow_mapped_range(sizes, true, false); }, rounds, 1, parts});
  comparison.sides.push_back({"raw mremap", [&](long) { return grow_by_remapping(sizes); }, slow_rounds, 1, parts});
  comparison.sides.push_back({"new file and copy", [&](long) { return grow_by_copying(sizes); }, slow_rounds, 1, parts});
  warm_memory(2 * last);
  measure(options, comparison);
}

// What reserving costs at the step is paid back by the faults that it makes cheaper.
void measure_filled(Options &options, double exponent, const char *text) {
  if (!wanted(options, "grow+fill", text)) return;
  const std::vector<std::size_t> sizes = sizes_by(exponent);
  const auto parts = static_cast<double>(sizes.size());
  const int rounds = options.heavier_rounds;
  Comparison comparison{
      "grow+fill", text, {{"exponent", exponent}, {"steps", parts}, {"bytes", static_cast<double>(last)}}, {}, true};
  comparison.sides.push_back({"ours", [&](long) { return grow_ours(sizes, true); }, rounds, 1, parts});
  comparison.sides.push_back({"raw ftruncate", [&](long) { return grow_mapped_range(sizes, false, true); }, rounds, 1, parts});
  comparison.sides.push_back(
      {"raw ftruncate+fallocate", [&](long) { return grow_mapped_range(sizes, true, true); }, rounds, 1, parts});
  warm_memory(2 * last);
  measure(options, comparison);
}

}  // namespace

void measure_grow(Options &options) {
  measure_exponent(options, 1.25, "exponent 1.25");
  if (options.quick) return;
  measure_exponent(options, 1.125, "exponent 1.125");
  measure_exponent(options, 1.5, "exponent 1.5");
  measure_exponent(options, 2.0, "exponent 2.0");
  measure_filled(options, 1.25, "exponent 1.25");
}

}  // namespace bench
