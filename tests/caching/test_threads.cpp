// Threads on a few streams: allocating, freeing what others made, sharing, emptying, while memory is short. Owners write their blocks'
// addresses down, so a block that two have at once is seen. Meant for TSan as well.
#include <random>
#include <thread>

#include "support.hpp"

namespace {

// In threads, where cmocka can't report.
void must(bool condition, const char *otherwise) {
  if (condition) return;
  fprintf(stderr, "%s\n", otherwise);
  _exit(1);
}

constexpr int kThreads = 8;
constexpr Stream kStreams = 4;
constexpr int kSlots = 64;

struct World {
  World(std::uint64_t total, const char *settings) : at(total, settings), owned(total / 512 * 4) {}
  Fixture at;
  std::atomic<Block *> slots[kSlots] = {};
  // Who has which 512 bytes, by the address modulo the table, which is as large as all that the fake device ever gives out.
  std::vector<std::atomic<std::uint32_t>> owned;
  std::atomic<std::uint64_t> failures{0}, allocations{0};

  std::atomic<std::uint32_t> &mark(const Block *block) { return owned[block->address / 512 % owned.size()]; }
};

void work(World *world, std::uint32_t me, int rounds) {
  std::mt19937_64 random(me);
  const Stream stream = me % kStreams;
  for (int i = 0; i < rounds; ++i) {
    const std::uint64_t choice = random() % 100;
    if (choice < 90) {
      const std::uint64_t size = random() % 3 != 0 ? 512 << (random() % 5) : 1 + (random() >> (40 + random() % 24)) % (3 * kMiB);
      auto made = world->at.cache.allocate(size, random() % 16 == 0 ? random() % kStreams : stream);
      Block *block = nullptr;
      if (made) {
        block = *made;
        ++world->allocations;
        must(world->mark(block).exchange(me + 1) == 0, "two have one block");
        if (random() % 32 == 0) must(static_cast<bool>(world->at.cache.record_stream(block, random() % kStreams)), "a call failed");
      } else {
        ++world->failures;
      }
      Block *old = world->slots[random() % kSlots].exchange(block);
      if (old == nullptr) continue;
      must(world->mark(old).exchange(0) != 0, "nobody has it");
      if (random() % 32 == 0) {
        auto found = world->at.cache.find(old->address);
        must(static_cast<bool>(found), "a block is not found");
      }
      must(static_cast<bool>(world->at.cache.free(old)), "a free failed");
    } else if (choice == 90) {
      static_cast<void>(world->at.numbers());
    } else if (choice == 91 && random() % 8 == 0) {
      must(static_cast<bool>(world->at.cache.empty_cache()), "a call failed");
    } else if (choice == 92) {
      must(static_cast<bool>(world->at.cache.cache_info()), "a call failed");
    } else if (choice == 93 && random() % 8 == 0) {
      world->at.cache.reset_statistics(SHMALLOC_RESET_PEAKS);
    } else if (choice == 94) {
      must(static_cast<bool>(
               world->at.cache.configure(random() % 2 == 0 ? "roundup_power2_divisions:8" : "roundup_power2_divisions:0")),
           "a call failed");
    }
  }
}

void run(std::uint64_t total, const char *settings) {
  World world(total, settings);
  for (int generation = 0; generation < 3; ++generation) {  // Threads end, and leave what they kept.
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < kThreads; ++i) threads.emplace_back(work, &world, i + 100 * generation, 4000);
    for (std::thread &thread : threads) thread.join();
    world.at.clean();
  }
  for (auto &slot : world.slots) {
    if (Block *block = slot.exchange(nullptr); block != nullptr) world.at.free(block);
  }
  good(world.at.cache.empty_cache());
  const shmalloc_statistics numbers = world.at.numbers();
  assert_int_equal(numbers.allocation[0].current, 0);
  assert_int_equal(numbers.allocation[0].allocated, world.allocations.load());
  assert_int_equal(numbers.allocation[0].freed, world.allocations.load());
  assert_int_equal(numbers.allocated_bytes[0].current, 0);
  assert_int_equal(numbers.active_bytes[0].current, 0);
  assert_int_equal(numbers.reserved_bytes[0].current, 0);
  assert_int_equal(numbers.inactive_split[0].current, 0);
  assert_int_equal(numbers.num_ooms, world.failures.load());
  assert_int_equal(world.at.machine.used(), 0);
}

void with_enough_memory(void **) { run(2048 * kMiB, ""); }
void with_too_little_memory(void **) { run(48 * kMiB, ""); }
void with_collection(void **) { run(200 * kMiB, "garbage_collection_threshold:0.3,max_split_size_mb:20"); }

std::atomic<int> passes{0};
[[maybe_unused]] std::atomic<bool> inside{false};

// One thread takes and gives without a lock, others take from it what it keeps.
void what_a_thread_keeps_is_taken_from_it(void **) {
  Fixture at;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> rounds{0};
#ifdef SHMALLOC_CACHING_MUTANTS
  // It stays for a while where it must not be disturbed.
  shmalloc::caching::at_step = [] {
    const int before = passes;
    inside = true;
    for (int i = 0; i < 300 && passes == before; ++i) std::this_thread::yield();
    inside = false;
  };
#endif
  std::thread busy([&] {
    std::uint32_t marks[64] = {};
    while (!stop) {
      Block *blocks[16];
      for (Block *&block : blocks) block = at.allocate(512);
      for (int i = 0; i < 16; ++i) {
        for (int k = 0; k < i; ++k) {
          must(blocks[k] != blocks[i], "one block twice");
        }
      }
      for (Block *block : blocks) at.free(block);
      ++marks[rounds % 64];
      ++rounds;
    }
  });
  while (rounds < 100) std::this_thread::yield();
  for (int i = 0; i < 3000; ++i) {
#ifdef SHMALLOC_CACHING_MUTANTS
    if (i == 300) break;
    while (!inside) std::this_thread::yield();
#endif
    at.put_back();
    ++passes;
  }
  const std::uint64_t seen = rounds;
  while (rounds < seen + 100) std::this_thread::yield();
  stop = true;
  busy.join();
#ifdef SHMALLOC_CACHING_MUTANTS
  shmalloc::caching::at_step = nullptr;
#endif
  assert_int_equal(at.numbers().allocation[0].current, 0);
  good(at.cache.empty_cache());
  assert_int_equal(at.machine.used(), 0);
}

// A thread outlives allocators that it used, and uses others with the same addresses.
void allocators_end_before_threads(void **) {
  for (int i = 0; i < 200; ++i) {
    fake::Machine machine(1024 * kMiB);
    auto cache = std::make_unique<Caching<fake::Device>>(fake::Device(machine));
    for (const Stream stream : {0, 1}) {
      auto block = cache->allocate(1000, stream);
      good(block);
      good(cache->free(*block));
    }
    cache.reset();
    assert_int_equal(machine.used(), 0);
  }
}

// One after the other, in turns: first, second, first, ..
template <class First, class Second>
void in_turns(int turns, First first, Second second) {
  std::atomic<int> turn{0};
  const auto half = [&turn, turns](int from, auto act) {
    for (int mine = from; mine < turns; mine += 2) {
      while (turn < mine) std::this_thread::yield();
      act();
      ++turn;
    }
    while (turn < turns) std::this_thread::yield();  // With what it keeps it stays.
  };
  std::thread other([&] { half(1, second); });
  half(0, first);
  other.join();
}

void two_threads_get_a_block_each_in_the_end(void **) {
  Fixture at;
  const auto use_one = [&at] { at.free(at.allocate(50 * kMiB)); };
  in_turns(40, use_one, use_one);
  assert_int_equal(at.machine.calls("allocate"), 2);
  // Where there is room for one it goes to and fro.
  Fixture small(60 * kMiB);
  const auto use_the_one = [&small] { small.free(small.allocate(50 * kMiB)); };
  in_turns(40, use_the_one, use_the_one);
  assert_int_equal(small.machine.used(), 50 * kMiB);
  assert_int_equal(small.machine.calls("allocate"), 2);  // once more in vain
}

void what_another_thread_frees_is_enough(void **) {
  Fixture at;
  Block *block = nullptr;
  in_turns(
      40, [&] { block = at.allocate(50 * kMiB); }, [&] { at.free(block); });
  assert_int_equal(at.machine.calls("allocate"), 1);
}

}  // namespace

int main() {
  choose_mutant();
#ifdef SHMALLOC_CACHING_MUTANTS
  alarm(60);  // A broken list may have no end.
#endif
  const CMUnitTest tests[] = {
      cmocka_unit_test(with_enough_memory),
      cmocka_unit_test(with_too_little_memory),
      cmocka_unit_test(with_collection),
      cmocka_unit_test(what_a_thread_keeps_is_taken_from_it),
      cmocka_unit_test(allocators_end_before_threads),
      cmocka_unit_test(two_threads_get_a_block_each_in_the_end),
      cmocka_unit_test(what_another_thread_frees_is_enough),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
