// Rounding, classes and segments against a naive reading of the rules.
#include <random>

#include "support.hpp"

using namespace shmalloc::caching;

namespace {

std::uint64_t naive_round(std::uint64_t size, std::uint64_t divisions) {
  if (divisions > 1 && size > 512 * divisions) {
    std::uint64_t power = 1;
    while (power * 2 <= size) power *= 2;
    std::uint64_t rounded = power;
    while (rounded < size) rounded += power / divisions;
    return rounded;
  }
  std::uint64_t rounded = size / 512 * 512;
  return rounded < size || rounded == 0 ? rounded + 512 : rounded;
}

Divisions all(std::uint64_t divisions) {
  Divisions made;
  for (int slot = 0; slot < Divisions::kSlots; ++slot) made.set(slot, divisions);
  return made;
}

void multiples_of_512(void **) {
  assert_int_equal(Divisions().round(1), 512);
  assert_int_equal(Divisions().round(512), 512);
  assert_int_equal(Divisions().round(513), 1024);
  for (std::uint64_t size = 1; size < 100000; size += 7) assert_int_equal(Divisions().round(size), naive_round(size, 0));
}

void steps_between_powers_of_two(void **) {
  assert_int_equal(all(4).round(1200), 1536);  // too small for steps of 4
  assert_int_equal(all(4).round(2500), 2560);
  assert_int_equal(all(4).round(5 * 1024 + 1), 6 * 1024);
  std::mt19937_64 random(1);
  for (int i = 0; i < 100000; ++i) {
    const std::uint64_t size = 1 + (random() >> (24 + random() % 40));
    const std::uint64_t divisions = std::uint64_t{1} << (random() % 9);
    assert_int_equal(all(divisions).round(size), naive_round(size, divisions));
    assert_int_equal(all(divisions).round(size) % 512, 0);
  }
}

void each_size_has_its_slot(void **) {
  Divisions made;
  made.set(0, 8);
  made.set(5, 2);
  made.set(15, 4);
  assert_int_equal(made.round(kMiB / 2 + 1), kMiB / 2 + kMiB / 16);
  assert_int_equal(made.round(kMiB + 1), kMiB + kMiB / 8);
  assert_int_equal(made.round(2 * kMiB + 1), 2 * kMiB + 512);
  assert_int_equal(made.round(33 * kMiB), 48 * kMiB);
  assert_int_equal(made.round(33 * 1024 * kMiB), 40 * 1024 * kMiB);
  assert_int_equal(made.round(70 * 1024 * kMiB), 80 * 1024 * kMiB);
  assert_int_equal(made.of(5), 2);
  made.set(5, 0);
  assert_int_equal(made.round(33 * kMiB), 33 * kMiB);
}

void classes_rise_with_sizes(void **) {
  std::uint32_t before = 0;
  for (std::uint64_t size = 512; size < 64 * kMiB; size += 512) {
    const std::uint32_t index = class_of(size);
    if (index < before || index > before + 1) fail_msg("%llu", static_cast<unsigned long long>(size));
    assert_true(least_of(index) <= size && size < least_of(index + 1));
    before = index;
  }
  for (std::uint32_t index = 1; index < kClasses; ++index) assert_int_equal(class_of(least_of(index)), index);
  assert_int_equal(class_of(kMost - 512) + 2, kClasses);
}

void segments_by_size(void **) {
  assert_int_equal(segment_size(512, kLargeSegment), 2 * kMiB);
  assert_int_equal(segment_size(kMiB, kLargeSegment), 2 * kMiB);
  assert_int_equal(segment_size(kMiB + 512, kLargeSegment), 20 * kMiB);
  assert_int_equal(segment_size(10 * kMiB - 512, kLargeSegment), 20 * kMiB);
  assert_int_equal(segment_size(10 * kMiB, kLargeSegment), 10 * kMiB);
  assert_int_equal(segment_size(11 * kMiB, kLargeSegment), 12 * kMiB);
  assert_int_equal(segment_size(2 * kMiB, 64 * kMiB), 64 * kMiB);
  assert_int_equal(smallest_segment(3 * kMiB), 4 * kMiB);
}

// Bins against a plain search.
void bins_find_what_fits(void **) {
  std::mt19937_64 random(2);
  Home home(0);
  std::vector<Block> blocks(200);
  std::vector<bool> in(blocks.size());
  for (int i = 0; i < 200000; ++i) {
    const std::size_t at = random() % blocks.size();
    if (in[at]) {
      home.bins[0].remove(&blocks[at]);
    } else {
      blocks[at].size = 512 * (1 + (random() >> (44 + random() % 20)));
      blocks[at].index = class_of(blocks[at].size);
      home.bins[0].put(&blocks[at]);
    }
    in[at] = !in[at];
    const std::uint64_t size = 512 * (1 + (random() >> (44 + random() % 20)));
    const std::uint64_t limit = random() % 2 == 0 ? kUnlimited : size + (random() >> 40);
    bool there = false;
    std::uint64_t largest = 0;
    for (std::size_t k = 0; k < blocks.size(); ++k) {
      if (!in[k]) continue;
      there = there || (blocks[k].size >= size && blocks[k].size <= limit);
      largest = std::max(largest, blocks[k].size);
    }
    const Block *found = home.bins[0].find(size, limit);
    assert_int_equal(found != nullptr, there);
    if (found != nullptr) assert_true(found->size >= size && found->size <= limit);
    assert_int_equal(home.bins[0].largest(), largest);
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(multiples_of_512),       cmocka_unit_test(steps_between_powers_of_two),
      cmocka_unit_test(each_size_has_its_slot), cmocka_unit_test(classes_rise_with_sizes),
      cmocka_unit_test(segments_by_size),       cmocka_unit_test(bins_find_what_fits),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
