// Blocks on one stream: pools, splitting, merging, best fit, oversize blocks, addresses.
#include "support.hpp"

namespace {

void nothing_needs_no_block(void **) {
  Fixture at;
  auto none = at.cache.allocate(0, 0);
  good(none);
  assert_null(*none);
  at.free(nullptr);
  assert_int_equal(at.machine.calls("allocate"), 0);
  bad(at.cache.allocate(std::uint64_t{1} << 60, 0), SHMALLOC_STATUS_NO_MEMORY, "bytes");
  bad(at.cache.allocate(~std::uint64_t{0}, 0), SHMALLOC_STATUS_NO_MEMORY, "bytes");
}

void small_and_large_have_segments_of_their_own(void **) {
  Fixture at;
  const Block *own = at.allocate(11 * kMiB);
  const Block *small = at.allocate(1 * kMiB);
  const Block *large = at.allocate(1 * kMiB + 1);
  assert_int_equal(at.cache.base_allocation(*small).size, 2 * kMiB);
  assert_int_equal(at.cache.base_allocation(*large).size, 20 * kMiB);
  assert_int_equal(at.cache.base_allocation(*own).size, 12 * kMiB);
  assert_int_equal(large->size, kMiB + 512);
  assert_int_equal(at.machine.used(), 34 * kMiB);
  const Block *second = at.allocate(2 * kMiB);
  assert_int_equal(at.cache.base_allocation(*second).address, at.cache.base_allocation(*large).address);
  assert_int_equal(second->address, large->address + large->size);
}

void what_is_freed_is_used_again(void **) {
  Fixture at;
  Block *block = at.allocate(5000);
  const Address address = block->address;
  for (int i = 0; i < 100; ++i) {
    at.free(block);
    block = at.allocate(5000 - i);
    assert_int_equal(block->address, address);
  }
  assert_int_equal(at.machine.calls("allocate"), 1);
}

// Kept ones, as they are: an eighth too large, and by no more than is never split off.
void kept_blocks_serve_what_is_somewhat_smaller(void **) {
  const struct {
    std::uint64_t first, second;
    bool again;
  } cases[] = {{100 * kKiB, 100 * kKiB, true},
               {100 * kKiB, 96 * kKiB, true},
               {100 * kKiB, 89 * kKiB, true},
               {100 * kKiB, 88 * kKiB, false},
               {96 * kKiB, 100 * kKiB, false},
               {4096 + 512, 4096, true},
               {2048, 1536, false},
               {kMiB, kMiB - 512, false},
               {kMiB + 512, kMiB - 512, false},
               {kMiB + 512, kMiB, false},
               {kMiB + 1024, kMiB + 512, true},
               {5 * kMiB, 5 * kMiB, true},
               {9 * kMiB, 8 * kMiB, true},
               {9 * kMiB + 512, 8 * kMiB, false},
               {30 * kMiB, 29 * kMiB, true},
               {30 * kMiB, 29 * kMiB - 512, false},
               {1024 * kMiB, 1023 * kMiB, true}};
  for (const auto &one : cases) {
    Fixture at(2048 * kMiB);
    Block *block = at.allocate(one.first);
    const Address address = block->address;
    const std::uint64_t size = block->size;
    at.free(block);
    block = at.allocate(one.second);
    assert_int_equal(block->address == address && block->size == size, one.again);
    assert_int_equal(block->requested, one.second);
    assert_int_equal(at.numbers().allocated_bytes[0].current, block->size);
    at.free(block);
    assert_int_equal(at.numbers().allocated_bytes[0].current, 0);
  }
}

// Small blocks that a thread keeps are merged before another segment is made, if they are many, or memory is short.
void small_blocks_merge_when_that_is_worth_it(void **) {
  Fixture at(64 * kMiB);
  std::vector<Block *> blocks;
  for (int i = 0; i < 4 * 2048; ++i) blocks.push_back(at.allocate(512 + 512 * (i % 4)));  // 10 MiB
  const std::size_t before = at.machine.segments().size();
  for (Block *block : blocks) at.free(block);
  at.free(at.allocate(kMiB));
  assert_int_equal(at.machine.segments().size(), before);  // the most part was not kept
  Fixture tight(2 * kMiB);
  blocks.clear();
  for (int i = 0; i < 32; ++i) blocks.push_back(tight.allocate(64 * kKiB));
  for (Block *block : blocks) tight.free(block);
  const Block *all = tight.allocate(kMiB);
  assert_int_equal(tight.cache.base_allocation(*all).size, 2 * kMiB);
  assert_int_equal(tight.numbers().num_ooms, 0);
  // Known from now on: the device is not asked again before.
  const long asked = tight.machine.calls("allocate");
  for (int round = 0; round < 5; ++round) {
    blocks.clear();
    for (int i = 0; i < 16; ++i) blocks.push_back(tight.allocate(64 * kKiB));
    for (Block *block : blocks) tight.free(block);
    tight.free(tight.allocate(kMiB - 512));
  }
  assert_int_equal(tight.machine.calls("allocate"), asked);
}

void neighbours_merge(void **) {
  for (const int order : {0, 1, 2, 3, 4, 5}) {
    Fixture at;
    Block *blocks[3] = {at.allocate(4 * kMiB), at.allocate(8 * kMiB), at.allocate(5 * kMiB)};
    const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (const int which : orders[order]) {
      at.free(blocks[which]);
      at.put_back();
    }
    const Block *all = at.allocate(20 * kMiB);
    assert_int_equal(all->size, 20 * kMiB);
    assert_int_equal(at.machine.calls("allocate"), 1);
  }
}

// Also what a thread keeps ready, before the device is asked.
void kept_blocks_merge_before_the_device_is_asked(void **) {
  Fixture at;
  Block *blocks[5];
  for (Block *&block : blocks) block = at.allocate(4 * kMiB);
  for (Block *block : blocks) at.free(block);
  assert_int_equal(at.allocate(20 * kMiB)->size, 20 * kMiB);
  assert_int_equal(at.machine.calls("allocate"), 1);
}

void rests_are_split_off_by_the_rules(void **) {
  Fixture at;
  // Small: down to 512 bytes.
  const Block *first = at.allocate(kMiB);
  const Block *second = at.allocate(kMiB - 512);
  const Block *third = at.allocate(512);
  assert_int_equal(third->address, second->address + second->size);
  assert_int_equal(at.cache.base_allocation(*first).address, at.cache.base_allocation(*third).address);
  // Large: only rests of more than 1 MiB.
  assert_int_equal(at.allocate(19 * kMiB)->size, 20 * kMiB);
  assert_int_equal(at.allocate(19 * kMiB - 512)->size, 19 * kMiB - 512);
  assert_int_equal(at.allocate(17 * kMiB)->size, 18 * kMiB);
  assert_int_equal(at.allocate(9 * kMiB)->size, 9 * kMiB);
}

void the_best_fit_is_taken(void **) {
  Fixture at;
  Block *wide = at.allocate(15 * kMiB);
  Block *between = at.allocate(3 * kMiB);
  Block *narrow = at.allocate(12 * kMiB);
  at.allocate(5 * kMiB);
  const Address address = narrow->address;
  at.free(wide);
  at.free(narrow);
  at.put_back();
  assert_int_equal(at.allocate(11 * kMiB + 512 * 1024)->address, address);
  at.free(between);
}

void oversize_blocks_are_kept_for_large_requests(void **) {
  Fixture at(1024 * kMiB, "max_split_size_mb:50");
  at.free(at.allocate(100 * kMiB));
  // Neither split nor used for what is small.
  const Block *small = at.allocate(40 * kMiB);
  assert_int_equal(small->size, 40 * kMiB);
  assert_int_equal(at.machine.used(), 140 * kMiB);
  // Used for what is a little smaller, whole; not for what is much smaller.
  Block *near = at.allocate(81 * kMiB);
  assert_int_equal(near->size, 100 * kMiB);
  at.free(near);
  const Block *far = at.allocate(79 * kMiB);
  assert_int_equal(far->size, 80 * kMiB);
  const shmalloc_statistics numbers = at.numbers();
  assert_int_equal(numbers.oversize_allocations.current, 1);
  assert_int_equal(numbers.oversize_allocations.allocated, 3);
  assert_int_equal(numbers.oversize_segments.current, 2);
  assert_int_equal(numbers.max_split_size, 50 * kMiB);
}

// PyTorch rejects the segment that it made itself for such a size, and makes one more each time.
void a_segment_at_the_limit_is_used_again(void **) {
  Fixture at(1024 * kMiB, "max_split_size_mb:40");
  for (int i = 0; i < 5; ++i) {
    Block *block = at.allocate(39 * kMiB);
    at.free(block);
    at.put_back();
  }
  assert_int_equal(at.machine.calls("allocate"), 1);
  Fixture least(1024 * kMiB, "max_split_size_mb:20");
  for (int i = 0; i < 5; ++i) {
    Block *one = least.allocate(5 * kMiB);
    Block *two = least.allocate(6 * kMiB);
    least.free(one);
    least.free(two);
    least.put_back();
  }
  assert_int_equal(least.machine.calls("allocate"), 1);
}

void freed_twice_is_seen(void **) {
  Fixture at;
  Block *small = at.allocate(100);
  Block *large = at.allocate(100 * kMiB);
  at.free(small);
  bad(at.cache.free(small), SHMALLOC_STATUS_INVALID, "freed before");
  at.free(large);
  bad(at.cache.free(large), SHMALLOC_STATUS_INVALID, "freed before");
  assert_int_equal(at.numbers().allocation[0].current, 0);
}

void addresses_lead_to_blocks(void **) {
  Fixture at;
  std::vector<Block *> blocks;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 40; ++i) {
      blocks.push_back(at.allocate(1 + static_cast<std::uint64_t>(i * i * i * (round % 5)) * 100));
    }
    for (std::size_t i = static_cast<std::size_t>(round) % 3; i < blocks.size(); i += 3) {
      const Address address = blocks[i]->address;
      at.free(blocks[i]);
      bad(at.cache.find(address), SHMALLOC_STATUS_NOT_FOUND, "no block");
      blocks[i] = blocks.back();
      blocks.pop_back();
    }
    if (round % 4 == 1) good(at.cache.empty_cache());
    for (Block *block : blocks) {
      auto found = at.cache.find(block->address);
      good(found);
      assert_ptr_equal(*found, block);
      bad(at.cache.find(block->address + 1), SHMALLOC_STATUS_NOT_FOUND, "no block");
      const auto base = at.cache.base_allocation(*block);
      assert_true(base.address <= block->address && block->address + block->size <= base.address + base.size);
    }
  }
  bad(at.cache.find(0), SHMALLOC_STATUS_NOT_FOUND, "no block");
  bad(at.cache.find(~Address{0}), SHMALLOC_STATUS_NOT_FOUND, "no block");
}

void streams_have_blocks_of_their_own(void **) {
  Fixture at;
  Block *one = at.allocate(5000, 1);
  const Address address = one->address;
  at.use(one, 1);
  at.free(one);
  assert_int_not_equal(at.allocate(5000, 2)->address, address);
  assert_int_equal(at.allocate(5000, 1)->address, address);
  at.put_back();
  at.clean();
}

void all_goes_back_at_the_end(void **) {
  fake::Machine machine(1024 * kMiB);
  {
    Caching<fake::Device> cache{fake::Device(machine)};
    for (const Stream stream : {0, 1, 2}) {
      auto kept = cache.allocate(5000, stream);
      auto freed = cache.allocate(50 * kMiB, stream);
      good(kept);
      machine.launch(stream, (*kept)->address, 5000);
      good(cache.record_stream(*freed, stream + 1));
      good(cache.free(*freed));
    }
  }
  assert_int_equal(machine.used(), 0);
  assert_int_equal(machine.events(), 0);
  assert_string_equal(machine.violation().c_str(), "");
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(nothing_needs_no_block),
      cmocka_unit_test(small_and_large_have_segments_of_their_own),
      cmocka_unit_test(what_is_freed_is_used_again),
      cmocka_unit_test(kept_blocks_serve_what_is_somewhat_smaller),
      cmocka_unit_test(small_blocks_merge_when_that_is_worth_it),
      cmocka_unit_test(neighbours_merge),
      cmocka_unit_test(kept_blocks_merge_before_the_device_is_asked),
      cmocka_unit_test(rests_are_split_off_by_the_rules),
      cmocka_unit_test(the_best_fit_is_taken),
      cmocka_unit_test(oversize_blocks_are_kept_for_large_requests),
      cmocka_unit_test(a_segment_at_the_limit_is_used_again),
      cmocka_unit_test(freed_twice_is_seen),
      cmocka_unit_test(addresses_lead_to_blocks),
      cmocka_unit_test(streams_have_blocks_of_their_own),
      cmocka_unit_test(all_goes_back_at_the_end),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
