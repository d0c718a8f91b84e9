// What PyTorch's allocator does not find, or does not do: out of memory although a fitting block is free, a collection that never runs.
// (Settings that are reset silently: test_settings.cpp.)
#include <thread>

#include "support.hpp"

namespace {

// PyTorch's collection never runs when no fraction is set.
void collection_works_without_a_cap(void **) {
  Fixture at(200 * kMiB, "garbage_collection_threshold:0.5");
  Block *block = at.allocate(120 * kMiB, 1);
  at.use(block, 1);
  at.free(block);
  at.allocate(30 * kMiB, 2);
  assert_int_equal(at.machine.used(), 30 * kMiB);
  at.clean();
}

void what_another_thread_keeps_is_found(void **) {
  Fixture at(20 * kMiB);
  Block *block = at.allocate(20 * kMiB);
  std::mutex gate;
  gate.lock();
  std::atomic<bool> freed{false};
  std::thread other([&] {
    at.free(block);
    freed = true;
    const std::lock_guard wait(gate);  // It lives on, with what it keeps.
  });
  while (!freed) std::this_thread::yield();
  at.allocate(15 * kMiB);
  assert_int_equal(at.machine.calls("allocate"), 1);
  gate.unlock();
  other.join();
  at.clean();
}

void oversize_blocks_go_back_for_others(void **) {
  Fixture at(200 * kMiB, "max_split_size_mb:50");
  at.free(at.allocate(60 * kMiB));
  at.free(at.allocate(100 * kMiB));
  at.put_back();
  at.allocate(48 * kMiB);  // the smaller of them is enough
  assert_int_equal(at.machine.used(), 148 * kMiB);
  assert_int_equal(at.numbers().num_alloc_retries, 0);
}

// A piece of a segment can't go back, so the rule that keeps it for larger requests would help nobody.
void a_fitting_piece_is_taken_whatever_the_rules_say(void **) {
  Fixture at(200 * kMiB);
  Block *first = at.allocate(200 * kMiB);
  at.free(first);
  Block *held = at.allocate(20 * kMiB);
  good(at.cache.configure("max_split_size_mb:50"));
  const Block *block = at.allocate(30 * kMiB);
  assert_int_equal(block->address, held->address + held->size);
  assert_int_equal(block->size, 30 * kMiB);
  Fixture other(200 * kMiB);
  other.free(other.allocate(200 * kMiB));
  other.allocate(20 * kMiB);
  good(other.cache.configure("max_split_size_mb:50"));
  assert_true(other.allocate(60 * kMiB)->size >= 60 * kMiB);  // far below what is free there
}

void a_block_of_the_other_pool_is_taken(void **) {
  Fixture at(20 * kMiB);
  at.allocate(10 * kMiB);
  const Block *large = at.allocate(5 * kMiB);
  assert_non_null(large);
  Fixture mixed(20 * kMiB);
  Block *big = mixed.allocate(9 * kMiB);
  Block *small = mixed.allocate(1000);
  assert_int_equal(small->size, 1024);
  assert_int_equal(mixed.cache.base_allocation(*small).address, mixed.cache.base_allocation(*big).address);
  auto found = mixed.cache.find(small->address);
  good(found);
  assert_ptr_equal(*found, small);
  for (int i = 0; i < 7; ++i) {
    auto block = mixed.cache.allocate(1000, 0);
    good(block);
    auto again = mixed.cache.find((*block)->address);
    good(again);
    assert_ptr_equal(*again, *block);
  }
  // No thread keeps it, and with it the large segment.
  Fixture lent(20 * kMiB);
  lent.allocate(9 * kMiB);
  lent.free(lent.allocate(1000));
  assert_int_equal(lent.numbers().inactive_split_bytes[0].current, 11 * kMiB);
  Fixture tight(2 * kMiB);
  tight.allocate(512);
  assert_true(tight.allocate(kMiB + 512)->size >= kMiB + 512);
}

void a_smaller_segment_is_asked_for(void **) {
  Fixture at(24 * kMiB);
  at.allocate(20 * kMiB);
  assert_int_equal(at.allocate(3 * kMiB)->size, 4 * kMiB);
}

// Free on another stream, in a segment that is in use: after a wait for the device it can be lent, and comes back after its use.
void a_block_of_another_stream_is_lent(void **) {
  Fixture at(20 * kMiB);
  Block *held = at.allocate(5 * kMiB, 1);
  Block *freed = at.allocate(9 * kMiB, 1);
  const Address address = freed->address;
  at.use(freed, 1);
  at.free(freed);
  Block *lent = at.allocate(9 * kMiB, 2);
  assert_int_equal(lent->address, address);
  assert_int_equal(at.numbers().num_sync_all_streams, 1);
  at.clean();
  at.use(lent, 2);
  at.free(lent);
  assert_int_equal(at.numbers().pending.current, 1);
  assert_int_equal(at.allocate(9 * kMiB, 1)->address, address);
  assert_int_equal(at.numbers().num_sync_all_streams, 2);
  at.free(held);
  at.clean();
}

void done_events_are_looked_at(void **) {
  Fixture at(20 * kMiB);
  Block *block = at.allocate(20 * kMiB, 1);
  at.share(block, 2);
  at.free(block);
  at.machine.finish(2);
  at.allocate(20 * kMiB, 1);
  assert_int_equal(at.machine.calls("synchronize"), 0);
  assert_int_equal(at.machine.calls("allocate"), 1);
}

void events_that_are_not_done_are_waited_for(void **) {
  Fixture at(20 * kMiB);
  Block *block = at.allocate(20 * kMiB, 1);
  at.share(block, 2);
  at.free(block);
  at.allocate(20 * kMiB, 1);
  assert_int_equal(at.machine.segments().size(), 1);
  assert_int_equal(at.numbers().num_ooms, 0);
  at.clean();
}

// Another thread is making a segment that will have room for both: by the limit there can be no second one.
void a_segment_that_is_being_made_is_waited_for(void **) {
  Fixture at(40 * kMiB, "per_process_memory_fraction:0.5");
  std::atomic<bool> in_call{false};
  std::atomic<bool> trying{false};
  std::atomic<bool> tried{false};
  const pid_t second = gettid();
  at.machine.at_call = [&](const std::string &name) {
    if (name != "allocate" || in_call.exchange(true)) return;
    while (!tried && !(trying && sleeps(second))) std::this_thread::yield();
  };
  std::thread other([&] { at.allocate(9 * kMiB); });
  while (!in_call) std::this_thread::yield();
  // Whoever asks for memory tells observers before he tries to get it.
  good(at.cache.observe(
      SHMALLOC_NOTICE_MEMORY_LOW,
      [](const shmalloc_notice *, void *userdata) {
        static_cast<std::atomic<bool> *>(userdata)->store(true);
        return 0;
      },
      &trying, nullptr));
  auto got = at.cache.allocate(9 * kMiB, 0);
  tried = true;
  other.join();
  good(got);
  assert_int_equal(at.machine.used(), 20 * kMiB);
}

}  // namespace

int main() {
  choose_mutant();
  const CMUnitTest tests[] = {
      cmocka_unit_test(collection_works_without_a_cap),          cmocka_unit_test(what_another_thread_keeps_is_found),
      cmocka_unit_test(oversize_blocks_go_back_for_others),      cmocka_unit_test(a_fitting_piece_is_taken_whatever_the_rules_say),
      cmocka_unit_test(a_block_of_the_other_pool_is_taken),      cmocka_unit_test(a_smaller_segment_is_asked_for),
      cmocka_unit_test(a_block_of_another_stream_is_lent),       cmocka_unit_test(done_events_are_looked_at),
      cmocka_unit_test(events_that_are_not_done_are_waited_for), cmocka_unit_test(a_segment_that_is_being_made_is_waited_for),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
