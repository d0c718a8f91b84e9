// From addresses to blocks, without a lock: exact whatever else goes on.
#include <random>
#include <thread>

#include "support.hpp"

namespace {

constexpr Address kNowhere = 12345 * 512;

// Everything that a lookup can say about a live block, once there is a table.
void leads_to(Fixture &at, const Block *block) {
  assert_ptr_equal(at.cache.find_quickly(block->address), block);
  auto found = at.cache.find(block->address);
  good(found);
  assert_ptr_equal(*found, block);
  assert_null(at.cache.find_quickly(block->address + 1));
  assert_null(at.cache.find_quickly(block->address + 512));
}
void leads_nowhere(Fixture &at, Address address) {
  assert_null(at.cache.find_quickly(address));
  bad(at.cache.find(address), SHMALLOC_STATUS_NOT_FOUND, "no block");
  bad(at.cache.free_at(address, SHMALLOC_STREAM_OWN), SHMALLOC_STATUS_NOT_FOUND, "no block");
}

void who_holds_blocks_needs_no_table(void **) {
  Fixture at;
  Block *before = at.allocate(5000);
  assert_null(at.cache.find_quickly(before->address));
  at.free(before);
  before = at.allocate(6000);
  bad(at.cache.find(kNowhere), SHMALLOC_STATUS_NOT_FOUND, "no block");  // makes it
  Block *after = at.allocate(1000);
  leads_to(at, before);
  leads_to(at, after);
}

void each_address_leads_to_its_block(void **) {
  Fixture at(4096 * kMiB);
  std::mt19937_64 random(7);
  std::vector<Block *> live;
  std::vector<Address> gone;
  bad(at.cache.find(kNowhere), SHMALLOC_STATUS_NOT_FOUND, "no block");
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t size = 512 * (2 + random() % (i % 10 == 0 ? 6000 : 40));  // none begins 512 behind another
      live.push_back(at.allocate(size, random() % 3));
    }
    gone.clear();
    for (std::size_t left = live.size() * (random() % 100) / 100; left > 0; --left) {
      std::swap(live[random() % live.size()], live.back());
      gone.push_back(live.back()->address);
      good(at.cache.free_at(live.back()->address, random() % 2 == 0 ? live.back()->stream : SHMALLOC_STREAM_OWN));
      live.pop_back();
      if (random() % 512 == 0) at.put_back();
    }
    if (round % 7 == 3) good(at.cache.empty_cache());
    for (const Block *block : live) leads_to(at, block);
    for (const Address address : gone) leads_nowhere(at, address);
  }
  for (const Block *block : live) good(at.cache.free_at(block->address, SHMALLOC_STREAM_OWN));
  good(at.cache.empty_cache());
  for (const Block *block : live) leads_nowhere(at, block->address);
  assert_int_equal(at.numbers().allocation[0].current, 0);
  assert_int_equal(at.machine.used(), 0);
}

void nothing_is_freed_at_0_or_twice(void **) {
  Fixture at;
  Block *block = at.allocate(1000);
  const Address address = block->address;
  good(at.cache.free_at(0, SHMALLOC_STREAM_OWN));
  good(at.cache.free_at(0, 5));
  leads_nowhere(at, kNowhere);
  leads_nowhere(at, address + 512);
  good(at.cache.free_at(address, 0));
  leads_nowhere(at, address);
  Block *large = at.allocate(100 * kMiB);
  good(at.cache.free_at(large->address, SHMALLOC_STREAM_OWN));
  leads_nowhere(at, large->address);
  assert_int_equal(at.numbers().allocation[0].freed, 2);
}

// The device has no memory where others would have it.
void segments_that_did_not_go_stay_known(void **) {
  Fixture at;
  Block *block = at.allocate(30 * kMiB);
  const Address address = block->address;
  leads_nowhere(at, kNowhere);
  good(at.cache.free_at(address, SHMALLOC_STREAM_OWN));
  at.machine.refuse("free");
  auto released = at.cache.empty_cache();
  good(released);
  assert_int_equal(*released, 0);
  at.machine.refuse("free", false);
  leads_nowhere(at, address);
  block = at.allocate(30 * kMiB);
  assert_int_equal(block->address, address);
  leads_to(at, block);
}

void freed_on_another_stream_waits_for_it(void **) {
  Fixture at;
  Block *block = at.allocate(5000, 1);
  const Address address = block->address;
  at.use(block, 2);
  good(at.cache.free_at(address, 2));
  assert_int_equal(at.numbers().pending.current, 1);
  leads_nowhere(at, address);
  assert_int_not_equal(at.allocate(5000, 1)->address, address);
  at.machine.finish(2);
  block = at.allocate(5000, 1);
  assert_int_equal(at.numbers().pending.current, 0);
  assert_int_equal(block->address, address);
  assert_false(block->special);  // as if nothing had been
  at.clean();
  // Its own stream is no other.
  block = at.allocate(7000, 1);
  good(at.cache.free_at(block->address, 1));
  assert_int_equal(at.machine.calls("record"), 1);
}

constexpr int kThreads = 8;
constexpr int kSlots = 96;

void must(bool condition, const char *otherwise) {
  if (condition) return;
  fprintf(stderr, "%s\n", otherwise);
  _exit(1);
}

struct World {
  World() : at(640 * kMiB, "garbage_collection_threshold:0.2"), owned(640 * kMiB / 512 * 4) {}
  Fixture at;
  std::atomic<Address> slots[kSlots] = {};
  std::vector<std::atomic<std::uint32_t>> owned;  // by the address, modulo all that the fake device ever gives out
  std::atomic<std::uint64_t> quick{0}, freed{0};
};

void work(World *world, std::uint32_t me) {
  std::mt19937_64 random(me);
  auto &cache = world->at.cache;
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t size = random() % 3 != 0 ? 512 << (random() % 5) : 1 + (random() >> (40 + random() % 24)) % (3 * kMiB);
    auto made = cache.allocate(size, me % 3);
    must(static_cast<bool>(made), "an allocation failed");
    must(world->owned[(*made)->address / 512 % world->owned.size()].exchange(me + 1) == 0, "two have one block");
    const Address old = world->slots[random() % kSlots].exchange((*made)->address);
    if (old != 0) {
      const Block *seen = cache.find_quickly(old);
      must(seen == nullptr || (seen->address == old && seen->live), "another block was found");
      world->quick += seen != nullptr ? 1 : 0;
      auto found = cache.find(old);
      must(found && (*found)->address == old, "a live block was not found");
      must(world->owned[old / 512 % world->owned.size()].exchange(0) != 0, "nobody has it");
      must(static_cast<bool>(cache.free_at(old, random() % 16 == 0 ? random() % 3 : SHMALLOC_STREAM_OWN)), "a free failed");
      ++world->freed;
    }
    if (random() % 512 == 0) must(static_cast<bool>(cache.empty_cache()), "a call failed");
    if (random() % 64 == 0) must(!cache.find_quickly(random() % (640 * kMiB) * 512 + 1), "an address between blocks was found");
  }
}

void threads_free_what_others_made(void **) {
  World world;
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < kThreads; ++i) threads.emplace_back(work, &world, i);
  for (std::thread &thread : threads) thread.join();
  world.at.clean();
  for (auto &slot : world.slots) good(world.at.cache.free_at(slot.exchange(0), SHMALLOC_STREAM_OWN));
  good(world.at.cache.empty_cache());
  assert_int_equal(world.at.numbers().allocation[0].current, 0);
  assert_int_equal(world.at.numbers().active[0].current, 0);
  assert_int_equal(world.at.machine.used(), 0);
  print_message("# %llu of %llu found without the lock\n", static_cast<unsigned long long>(world.quick),
                static_cast<unsigned long long>(world.freed));
  assert_true(world.quick > world.freed / 2);
}

// One of two who free a block hears that it is none, if they don't look within the same few instructions.
void one_of_two_frees_is_refused(void **) {
  Fixture at;
  leads_nowhere(at, kNowhere);
  for (int round = 0; round < 200; ++round) {
    Block *block = at.allocate(50 * kMiB);  // with the mutex: so there are no such instructions
    good(at.cache.record_stream(block, 1));
    std::atomic<int> freed{0};
    std::atomic<int> ready{0};
    const auto free = [&] {
      ++ready;
      while (ready < 2) std::this_thread::yield();
      auto result = at.cache.free_at(block->address, SHMALLOC_STREAM_OWN);
      must(result || result.error().status == SHMALLOC_STATUS_NOT_FOUND, "another error");
      freed += result ? 1 : 0;
    };
    std::thread one(free);
    std::thread other(free);
    one.join();
    other.join();
    assert_int_equal(freed.load(), 1);
    at.machine.finish(1);
  }
  assert_int_equal(at.numbers().allocation[0].current, 0);
}

// Others free what they have, and entries move, while a reader is between the two words of an entry.
void an_entry_that_moves_is_not_believed(void **) {
#ifdef SHMALLOC_CACHING_MUTANTS
  static Fixture *now = nullptr;
  static std::vector<Block *> others;
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    Fixture at;
    leads_nowhere(at, kNowhere);
    others.clear();
    for (int i = 0; i < 120; ++i) others.push_back(at.allocate(512 * (1 + random() % 60)));
    const std::size_t which = random() % others.size();
    Block *block = others[which];
    others.erase(others.begin() + static_cast<long>(which));
    const Address address = block->address;
    now = &at;
    shmalloc::caching::at_step = [] {
      shmalloc::caching::at_step = nullptr;
      for (std::size_t i = 0; i < others.size(); ++i) {
        if (i % 8 != 0) now->free(others[i]);
      }
      now->put_back();
    };
    const Block *found = at.cache.find_quickly(address);
    shmalloc::caching::at_step = nullptr;
    assert_true(found == nullptr || found == block);
  }
#else
  skip();
#endif
}

}  // namespace

int main() {
  choose_mutant();
  const CMUnitTest tests[] = {
      cmocka_unit_test(who_holds_blocks_needs_no_table),      cmocka_unit_test(each_address_leads_to_its_block),
      cmocka_unit_test(nothing_is_freed_at_0_or_twice),       cmocka_unit_test(segments_that_did_not_go_stay_known),
      cmocka_unit_test(freed_on_another_stream_waits_for_it), cmocka_unit_test(threads_free_what_others_made),
      cmocka_unit_test(one_of_two_frees_is_refused),          cmocka_unit_test(an_entry_that_moves_is_not_believed),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
