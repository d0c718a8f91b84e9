// Blocks that other streams use: events, captures, and what must not happen in either.
#include "support.hpp"

namespace {

void a_block_waits_for_its_users(void **) {
  Fixture at;
  Block *block = at.allocate(5000, 1);
  const Address address = block->address;
  at.share(block, 2);
  at.free(block);
  assert_int_equal(at.numbers().pending.current, 1);
  assert_int_equal(at.numbers().pending_bytes.current, 5120);
  assert_int_equal(at.numbers().active[0].current, 1);
  assert_int_equal(at.numbers().allocation[0].current, 0);
  Block *other = at.allocate(5000, 1);
  assert_int_not_equal(other->address, address);
  at.machine.finish(2);
  Block *third = at.allocate(5000, 1);
  assert_int_equal(third->address, address);
  assert_int_equal(at.numbers().pending.current, 0);
  at.clean();
}

void it_waits_for_all_of_them(void **) {
  for (const Stream last : {2, 3, 4}) {
    Fixture at;
    Block *block = at.allocate(5000, 1);
    const Address address = block->address;
    for (const Stream stream : {2, 3, 4, 3, 2}) at.share(block, stream);
    at.free(block);
    for (const Stream stream : {2, 3, 4}) {
      if (stream != last) at.machine.finish(stream);
    }
    assert_int_not_equal(at.allocate(5000, 1)->address, address);
    at.machine.finish(last);
    assert_int_equal(at.allocate(5000, 1)->address, address);
    assert_int_equal(at.machine.calls("record"), 3);
    at.clean();
  }
}

void its_own_stream_is_no_other(void **) {
  Fixture at;
  Block *block = at.allocate(5000, 1);
  const Address address = block->address;
  at.share(block, 1);
  at.free(block);
  assert_int_equal(at.machine.calls("record"), 0);
  assert_int_equal(at.allocate(5000, 1)->address, address);
}

// What comes on the stream after the free is nobody's business.
void only_work_before_the_free_counts(void **) {
  Fixture at;
  Block *block = at.allocate(5000, 1);
  const Address address = block->address;
  at.share(block, 2);
  at.free(block);
  at.machine.launch(2, 1, 1);
  at.machine.finish(2, 1);
  assert_int_equal(at.allocate(5000, 1)->address, address);
}

void a_waiting_block_does_not_merge(void **) {
  Fixture at;
  Block *first = at.allocate(8 * kMiB);
  Block *second = at.allocate(12 * kMiB);
  at.share(second, 2);
  at.free(second);
  at.free(first);
  at.put_back();
  const Block *whole = at.allocate(20 * kMiB);
  assert_int_equal(at.machine.calls("allocate"), 2);
  at.clean();
  at.machine.finish(2);
  assert_int_not_equal(at.allocate(20 * kMiB)->address, whole->address);
  assert_int_equal(at.machine.calls("allocate"), 2);
}

void events_are_used_again(void **) {
  Fixture at;
  for (int i = 0; i < 100; ++i) {
    Block *block = at.allocate(5000, 1);
    at.share(block, 2);
    at.free(block);
    at.machine.finish(2);
  }
  assert_true(at.machine.calls("create_event") <= 2);
  assert_int_equal(at.machine.calls("record"), 100);
  assert_int_equal(at.machine.calls("synchronize"), 0);
  at.clean();
}

void only_the_oldest_event_of_a_stream_is_asked(void **) {
  Fixture at;
  for (int i = 0; i < 50; ++i) {
    Block *block = at.allocate(5000, 1);
    at.share(block, 2);
    at.free(block);
  }
  const long before = at.machine.calls("done");
  at.allocate(7000, 1);
  assert_int_equal(at.machine.calls("done") - before, 1);
}

void in_a_capture_events_wait(void **) {
  for (const bool told : {false, true}) {
    Fixture at;
    Block *block = at.allocate(5000, 1);
    Block *before = at.allocate(5000, 1);
    const Address address = block->address;
    at.share(block, 2);
    at.share(before, 2);
    at.free(before);  // recorded before
    if (told) at.cache.begin_capture();
    at.machine.capture(2, true);
    at.free(block);
    at.machine.finish(2);
    const Block *other = at.allocate(5000, 1);
    assert_int_not_equal(other->address, address);
    assert_int_not_equal(other->address, before->address);
    bad(at.cache.empty_cache(), SHMALLOC_STATUS_BUSY, "captured");
    at.clean();
    // Streams that used it are still waited for after the capture.
    at.machine.launch(2, address, 5000);
    at.machine.capture(2, false);
    if (told) {
      assert_int_not_equal(at.allocate(5000, 1)->address, address);
      at.cache.end_capture();
    }
    for (int i = 0; i < 3; ++i) assert_int_not_equal(at.allocate(5000, 1)->address, address);
    at.machine.finish(2);
    bool found = false;
    for (int i = 0; i < 3; ++i) found = at.allocate(5000, 1)->address == address || found;
    assert_true(found);
    at.clean();
  }
}

void memory_can_be_had_in_a_capture(void **) {
  Fixture at(40 * kMiB);
  at.free(at.allocate(20 * kMiB, 2));
  at.put_back();
  at.machine.capture(1, true);
  at.allocate(20 * kMiB, 1);
  at.fails(5 * kMiB, 1);  // nothing can be given back, nor another stream's block taken
  at.clean();
  at.machine.capture(1, false);
  at.allocate(5 * kMiB, 1);
  at.clean();
}

// Only the one who captures knows of it.
void a_capture_that_is_told_of_counts(void **) {
  Fixture at(40 * kMiB);
  at.cache.begin_capture();
  at.cache.begin_capture();
  Block *block = at.allocate(20 * kMiB, 1);
  at.share(block, 2);
  at.free(block);
  for (int i = 0; i < 2; ++i) {
    at.machine.finish(2);
    at.fails(30 * kMiB, 1);
    bad(at.cache.empty_cache(), SHMALLOC_STATUS_BUSY, "captured");
    for (const char *call : {"record", "done", "synchronize"}) assert_int_equal(at.machine.calls(call), 0);
    if (i == 0) at.cache.end_capture();
  }
  at.cache.end_capture();
  at.allocate(30 * kMiB, 1);
  at.clean();
}

// Without events a block waits, and the wait for the whole device counts.
void without_events_nothing_is_lost(void **) {
  for (const char *call : {"create_event", "record", "done"}) {
    Fixture at(20 * kMiB);
    Block *block = at.allocate(20 * kMiB, 1);
    at.share(block, 2);
    at.machine.refuse(call);
    at.free(block);
    at.machine.finish(2, 0);
    assert_int_equal(at.numbers().pending.current, 1);
    const Block *again = at.allocate(20 * kMiB, 1);
    assert_int_equal(again->size, 20 * kMiB);
    assert_int_equal(at.machine.calls("synchronize"), 1);
    at.clean();
    at.machine.refuse(call, false);
  }
}

void an_event_that_can_be_recorded_later_is(void **) {
  Fixture at;
  Block *block = at.allocate(5000, 1);
  const Address address = block->address;
  at.share(block, 2);
  at.machine.refuse("record");
  at.free(block);
  assert_int_not_equal(at.allocate(5000, 1)->address, address);
  at.machine.refuse("record", false);
  assert_int_not_equal(at.allocate(5000, 1)->address, address);
  at.machine.finish(2);
  assert_int_equal(at.allocate(5000, 1)->address, address);
  at.clean();
}

// What is freed while somebody waits for the device is not what he waited for: the device may have looked at its streams before.
void a_wait_counts_for_what_was_freed_before(void **) {
  for (const bool shared : {false, true}) {
    Fixture at(40 * kMiB);
    Block *one = at.allocate(20 * kMiB, 1);
    Block *two = at.allocate(20 * kMiB, 1);
    const Address address = two->address;
    at.share(one, 2);
    at.free(one);
    at.machine.after_synchronize = [&] {
      at.use(two, 1);
      if (shared) at.share(two, 2);
      at.free(two);
      at.machine.after_synchronize = nullptr;
    };
    const Block *got = at.allocate(20 * kMiB, 3);
    assert_int_not_equal(got->address, address);
    at.clean();
    // The next wait is for it.
    at.allocate(20 * kMiB, 3);
    at.clean();
  }
}

void a_wait_ends_no_later_use(void **) {
  Fixture at;
  Block *block = at.allocate(20 * kMiB, 1);
  const Address address = block->address;
  at.machine.after_synchronize = [&] {
    at.share(block, 2);
    at.free(block);
    at.machine.after_synchronize = nullptr;
  };
  good(at.cache.empty_cache());
  assert_int_equal(at.numbers().pending.current, 1);
  assert_int_not_equal(at.allocate(20 * kMiB, 1)->address, address);
  at.clean();
}

// Free and pending parts of one segment: together they are as young as the youngest.
void what_is_merged_is_as_young_as_its_youngest_part(void **) {
  for (const bool pending_first : {false, true}) {
    Fixture at(20 * kMiB);
    Block *parts[2] = {at.allocate(9 * kMiB, 1), at.allocate(11 * kMiB, 1)};
    Block *pending = parts[pending_first ? 0 : 1];
    Block *later = parts[pending_first ? 1 : 0];
    at.share(pending, 2);
    at.free(pending);
    at.machine.after_synchronize = [&] {
      at.machine.after_synchronize = nullptr;
      at.use(later, 1);
      at.free(later);
      at.machine.refuse("done");  // The other part waits until the wait for the device counts.
      at.put_back();
    };
    at.fails(12 * kMiB, 3);
    at.clean();
    at.allocate(12 * kMiB, 3);  // after the next wait
    at.clean();
  }
}

// What is freed, and split, while others wait for the device.
void a_rest_is_as_young_as_the_whole(void **) {
  Fixture at(20 * kMiB);
  Block *block = at.allocate(20 * kMiB, 1);
  at.machine.after_synchronize = [&] {
    at.machine.after_synchronize = nullptr;
    at.use(block, 1);
    at.free(block);
    at.put_back();
    at.allocate(9 * kMiB, 1);
  };
  at.fails(10 * kMiB, 3);
  at.clean();
}

// Free in a segment that is in use: it can be lent, but not before work of its own stream is done.
void a_block_that_was_freed_later_is_not_lent(void **) {
  Fixture at(20 * kMiB);
  at.allocate(9 * kMiB, 1);
  Block *block = at.allocate(11 * kMiB, 1);
  at.machine.after_synchronize = [&] {
    at.machine.after_synchronize = nullptr;
    at.use(block, 1);
    at.free(block);
  };
  at.fails(10 * kMiB, 3);
  at.clean();
  at.allocate(10 * kMiB, 3);
  at.clean();
}

// Its other users are done, its own stream is not.
void a_block_that_waited_is_as_old_as_its_free(void **) {
  Fixture at(20 * kMiB);
  Block *block = at.allocate(20 * kMiB, 1);
  at.machine.after_synchronize = [&] {
    at.machine.after_synchronize = nullptr;
    at.use(block, 1);
    at.share(block, 2);
    at.free(block);
    at.machine.finish(2);
  };
  at.fails(10 * kMiB, 3);
  at.clean();
}

// Small or large, kept by this thread or not: what is free serves its own stream.
void blocks_serve_their_own_stream(void **) {
  for (const std::uint64_t size : {std::uint64_t{1000}, 5 * kMiB, 50 * kMiB}) {
    Fixture at;
    Block *own = at.allocate(size, 2);
    at.free(own);  // The thread used stream 2 last, then frees what is of stream 1.
    Block *block = at.allocate(size, 1);
    own = at.allocate(size, 2);
    at.use(block, 1);
    at.free(block);
    for (int i = 0; i < 3; ++i) at.allocate(size, 2);
    at.clean();
    at.allocate(size, 1);
    Block *other = at.allocate(size, 1);
    at.use(other, 1);
    at.free(other);
    at.allocate(size, 3);
    at.clean();
  }
}

// What waited is kept by those who may use it at once.
void a_block_that_waited_goes_home(void **) {
  Fixture at;
  at.free(at.allocate(5000, 3));
  Block *block = at.allocate(5000, 1);
  at.use(block, 1);
  at.share(block, 2);
  at.free(block);
  at.machine.finish(2);
  for (int i = 0; i < 3; ++i) at.allocate(5000, 3);
  at.clean();
}

// A free by address may come from another stream.
void a_free_by_address_waits_for_its_stream(void **) {
  Fixture at;
  Block *block = at.allocate(5000, 1);
  const Address address = block->address;
  at.use(block, 2);
  good(at.cache.find(address));
  good(at.cache.free_at(address, 2));
  assert_int_not_equal(at.allocate(5000, 1)->address, address);
  at.clean();
  at.machine.finish(2);
  assert_int_equal(at.allocate(5000, 1)->address, address);
  // One that has uses and is freed on its own stream.
  block = at.allocate(5000, 1);
  at.share(block, 2);
  good(at.cache.free_at(block->address, SHMALLOC_STREAM_OWN));
  at.allocate(5000, 1);
  at.clean();
}

void nothing_is_collected_in_a_capture(void **) {
  Fixture at(200 * kMiB, "garbage_collection_threshold:0.3");
  at.free(at.allocate(100 * kMiB, 1));
  at.machine.capture(1, true);
  at.allocate(20 * kMiB, 2);
  at.clean();
  assert_int_equal(at.machine.calls("synchronize"), 0);
  at.machine.capture(1, false);
  at.allocate(30 * kMiB, 2);
  assert_int_equal(at.machine.calls("synchronize"), 1);
  at.clean();
}

// Of streams that the allocator does not know: what needs no wait goes on, and no call fails for want of one.
void captures_elsewhere_are_no_failures(void **) {
  Fixture collecting(1024 * kMiB, "garbage_collection_threshold:0.1");
  collecting.free(collecting.allocate(200 * kMiB));
  collecting.machine.captured_elsewhere = true;
  collecting.allocate(300 * kMiB);
  assert_int_equal(collecting.machine.used(), 500 * kMiB);  // nothing was given back
  Fixture at(100 * kMiB);
  at.allocate(60 * kMiB);
  at.allocate(34 * kMiB);
  at.machine.captured_elsewhere = true;
  at.allocate(3 * kMiB);  // in a segment of 4 MiB
  at.fails(3 * kMiB);
  assert_int_equal(at.numbers().num_ooms, 1);
  bad(at.cache.empty_cache(), SHMALLOC_STATUS_BUSY, "captured");
  at.clean();
}

// The device can't be waited for: what may be in use is not given back.
void the_end_gives_back_nothing_without_a_wait(void **) {
  for (const bool elsewhere : {false, true}) {
    fake::Machine machine(100 * kMiB);
    {
      Caching<fake::Device> cache{fake::Device(machine)};
      auto block = cache.allocate(60 * kMiB, 1);
      good(block);
      machine.launch(1, (*block)->address, (*block)->size);
      good(cache.free(*block));
      machine.captured_elsewhere = elsewhere;
      if (!elsewhere) machine.refuse("synchronize");
    }
    assert_string_equal(machine.violation().c_str(), "");
    assert_int_equal(machine.used(), 60 * kMiB);
  }
}

// One number, but another stream in each thread: there is no order to keep memory in.
void a_stream_of_each_thread_is_refused(void **) {
  fake::Machine machine(100 * kMiB);
  machine.per_thread = 2;
  Caching<fake::Device> cache{fake::Device(machine)};
  bad(cache.allocate(5000, 2), SHMALLOC_STATUS_UNSUPPORTED, "each thread");
  auto block = cache.allocate(5000, 1);
  good(block);
  const Address address = (*block)->address;
  bad(cache.record_stream(*block, 2), SHMALLOC_STATUS_UNSUPPORTED, "each thread");
  bad(cache.free_at(address, 2), SHMALLOC_STATUS_UNSUPPORTED, "each thread");
  good(cache.free_at(address, 1));
  assert_false(cache.keeps(2));
  assert_true(cache.keeps(0) && cache.keeps(1));
}

void the_end_waits_for_the_device(void **) {
  fake::Machine machine(100 * kMiB);
  {
    Caching<fake::Device> cache{fake::Device(machine)};
    auto block = cache.allocate(5000, 1);
    good(block);
    machine.launch(1, (*block)->address, (*block)->size);
  }
  assert_string_equal(machine.violation().c_str(), "");
  assert_int_equal(machine.used(), 0);
}

}  // namespace

int main() {
  choose_mutant();
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_block_waits_for_its_users),
      cmocka_unit_test(it_waits_for_all_of_them),
      cmocka_unit_test(its_own_stream_is_no_other),
      cmocka_unit_test(captures_elsewhere_are_no_failures),
      cmocka_unit_test(the_end_gives_back_nothing_without_a_wait),
      cmocka_unit_test(a_stream_of_each_thread_is_refused),
      cmocka_unit_test(only_work_before_the_free_counts),
      cmocka_unit_test(a_waiting_block_does_not_merge),
      cmocka_unit_test(events_are_used_again),
      cmocka_unit_test(only_the_oldest_event_of_a_stream_is_asked),
      cmocka_unit_test(in_a_capture_events_wait),
      cmocka_unit_test(memory_can_be_had_in_a_capture),
      cmocka_unit_test(a_capture_that_is_told_of_counts),
      cmocka_unit_test(without_events_nothing_is_lost),
      cmocka_unit_test(an_event_that_can_be_recorded_later_is),
      cmocka_unit_test(a_wait_counts_for_what_was_freed_before),
      cmocka_unit_test(a_wait_ends_no_later_use),
      cmocka_unit_test(what_is_merged_is_as_young_as_its_youngest_part),
      cmocka_unit_test(a_rest_is_as_young_as_the_whole),
      cmocka_unit_test(a_block_that_was_freed_later_is_not_lent),
      cmocka_unit_test(a_block_that_waited_is_as_old_as_its_free),
      cmocka_unit_test(blocks_serve_their_own_stream),
      cmocka_unit_test(a_block_that_waited_goes_home),
      cmocka_unit_test(a_free_by_address_waits_for_its_stream),
      cmocka_unit_test(nothing_is_collected_in_a_capture),
      cmocka_unit_test(the_end_waits_for_the_device),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
