// Memory that is short: what is tried, in which order, and what is told.
#include "support.hpp"

namespace {

struct Told {
  int times = 0;
  shmalloc_notice notice;
  std::string report;
};
std::int32_t note(const shmalloc_notice *notice, void *userdata) {
  auto *told = static_cast<Told *>(userdata);
  ++told->times;
  told->notice = *notice;
  told->report = notice->report;
  return 0;
}

void cached_segments_make_room(void **) {
  Fixture at(100 * kMiB);
  Block *kept = at.allocate(30 * kMiB, 1);
  at.use(kept, 1);
  at.free(at.allocate(60 * kMiB, 1));
  const Block *other = at.allocate(61 * kMiB, 2);
  assert_int_equal(other->size, 62 * kMiB);
  const shmalloc_statistics numbers = at.numbers();
  assert_int_equal(numbers.num_alloc_retries, 1);
  assert_int_equal(numbers.num_ooms, 0);
  assert_int_equal(numbers.num_device_free, 1);
  assert_int_equal(numbers.num_sync_all_streams, 1);
  at.clean();
}

void segments_go_back_after_their_work(void **) {
  Fixture at(100 * kMiB);
  Block *block = at.allocate(60 * kMiB, 1);
  at.use(block, 1);
  at.free(block);
  at.allocate(90 * kMiB, 1);
  at.clean();
  Block *small = at.allocate(100, 1);
  at.use(small, 1);
  at.free(small);
  good(at.cache.empty_cache());
  at.clean();
}

void the_report_tells_what_a_person_needs(void **) {
  Fixture at(100 * kMiB);
  Told told;
  at.cache.introduce(7, 8);
  good(at.cache.observe(SHMALLOC_NOTICE_OUT_OF_MEMORY, note, &told, nullptr));
  Block *blocks[10];
  for (Block *&block : blocks) block = at.allocate(10 * kMiB);
  for (int i = 0; i < 10; i += 2) at.share(blocks[i], 3);
  at.free(blocks[1]);
  at.allocate(3 * kMiB);
  auto failed = at.cache.allocate(30 * kMiB - 1, 5);
  bad(failed, SHMALLOC_STATUS_NO_MEMORY, "30.00 MiB asked for");
  bad(failed, SHMALLOC_STATUS_NO_MEMORY, "largest free block 7.00 MiB");
  assert_int_equal(told.times, 1);
  assert_int_equal(told.notice.struct_size, sizeof told.notice);
  assert_int_equal(told.notice.kind, SHMALLOC_NOTICE_OUT_OF_MEMORY);
  assert_int_equal(told.notice.device, 7);
  assert_int_equal(told.notice.allocator_id, 8);
  assert_int_equal(told.notice.stream, 5);
  assert_int_equal(told.notice.requested, 30 * kMiB - 1);
  assert_int_equal(told.notice.rounded, 30 * kMiB);
  assert_int_equal(told.notice.total, 100 * kMiB);
  assert_int_equal(told.notice.available, 0);
  assert_int_equal(told.notice.limit, 100 * kMiB);
  assert_int_equal(told.notice.reserved, 100 * kMiB);
  assert_int_equal(told.notice.allocated, 93 * kMiB);
  assert_int_equal(told.notice.pending, 0);
  assert_int_equal(told.notice.largest_free, 7 * kMiB);
  assert_int_equal(told.notice.fragmentation, 0);
  for (const char *word : {"the fake device", "30.00 MiB", "largest free block has 7.00 MiB", "fragmentation", "small pool",
                           "large pool: 10 segments", "100.00 MiB", "limit", "7.00 MiB free"}) {
    if (strstr(told.report.c_str(), word) == nullptr) fail_msg("no \"%s\" in %s", word, told.report.c_str());
  }
  assert_int_equal(at.numbers().num_ooms, 1);
}

void a_fragmented_pool_is_called_so(void **) {
  Fixture at(40 * kMiB);
  Told told;
  good(at.cache.observe(SHMALLOC_NOTICE_OUT_OF_MEMORY, note, &told, nullptr));
  Block *blocks[8];
  for (Block *&block : blocks) block = at.allocate(5 * kMiB);
  for (int i = 0; i < 8; i += 2) at.free(blocks[i]);
  at.fails(10 * kMiB);
  assert_int_equal(told.notice.reserved - told.notice.allocated, 20 * kMiB);
  assert_int_equal(told.notice.largest_free, 5 * kMiB);
  assert_int_equal(told.notice.fragmentation, 75);
  assert_non_null(strstr(told.report.c_str(), "in pieces"));
}

void the_fraction_is_a_limit(void **) {
  Fixture at(100 * kMiB);
  good(at.cache.configure("per_process_memory_fraction:0.5"));
  at.allocate(50 * kMiB);
  const long before = at.machine.calls("allocate");
  at.fails(512);
  assert_int_equal(at.machine.calls("allocate"), before);  // not asked
  good(at.cache.configure("per_process_memory_fraction:1"));
  at.allocate(50 * kMiB);
  bad(at.cache.configure("per_process_memory_fraction:1.1"), SHMALLOC_STATUS_INVALID, "fraction");
  bad(at.cache.configure("per_process_memory_fraction:-0.1"), SHMALLOC_STATUS_INVALID, "fraction");
  // What the device refused does not count.
  Fixture refused(100 * kMiB, "per_process_memory_fraction:0.5");
  refused.machine.take_away(80 * kMiB);
  for (int i = 0; i < 3; ++i) refused.fails(40 * kMiB);
  refused.machine.take_away(0);
  refused.allocate(50 * kMiB);
  Fixture none(100 * kMiB, "per_process_memory_fraction:0");
  none.fails(1);
}

void other_failures_are_told_at_once(void **) {
  Fixture at;
  at.machine.refuse("synchronize");
  at.free(at.allocate(100));
  bad(at.cache.empty_cache(), SHMALLOC_STATUS_BACKEND, "synchronize");
  at.machine.take_away(1000 * kMiB);
  bad(at.cache.allocate(100 * kMiB, 0), SHMALLOC_STATUS_BACKEND, "synchronize");
  assert_int_equal(at.numbers().num_ooms, 0);
}

void empty_cache_gives_back_what_is_free(void **) {
  Fixture at;
  Block *waiting = at.allocate(30 * kMiB, 1);
  at.share(waiting, 2);
  at.free(waiting);
  Block *live = at.allocate(100);
  at.free(at.allocate(200));
  at.free(at.allocate(50 * kMiB));
  auto released = at.cache.empty_cache();
  good(released);
  assert_int_equal(*released, 80 * kMiB);
  assert_int_equal(at.machine.used(), 2 * kMiB);
  at.free(live);
  good(at.cache.empty_cache());
  assert_int_equal(at.machine.used(), 0);
  at.clean();
}

void cache_info_tells_the_largest_piece(void **) {
  Fixture at(100 * kMiB);
  at.free(at.allocate(70 * kMiB));
  auto info = at.cache.cache_info();
  good(info);
  assert_int_equal(info->largest, 70 * kMiB);
  assert_int_equal(info->available, 30 * kMiB);
  assert_int_equal(info->total, 100 * kMiB);
  assert_int_equal(info->cached, 70 * kMiB);
}

// ---- collection ----

void collection_takes_the_oldest_first(void **) {
  Fixture at(200 * kMiB, "per_process_memory_fraction:0.9,garbage_collection_threshold:0.5");
  at.free(at.allocate(40 * kMiB));
  at.put_back();
  for (int i = 0; i < 10; ++i) at.allocate(100 + 600 * static_cast<std::uint64_t>(i));
  at.free(at.allocate(70 * kMiB));
  at.put_back();
  at.allocate(71 * kMiB);
  std::vector<std::uint64_t> sizes = at.machine.segments();
  assert_int_equal(std::count(sizes.begin(), sizes.end(), 40 * kMiB), 0);
  assert_int_equal(std::count(sizes.begin(), sizes.end(), 70 * kMiB), 1);
  at.clean();
}

void below_the_threshold_nothing_is_collected(void **) {
  Fixture at(200 * kMiB, "garbage_collection_threshold:0.7");
  at.free(at.allocate(120 * kMiB, 1));
  at.allocate(30 * kMiB, 2);
  assert_int_equal(at.machine.used(), 150 * kMiB);
  assert_int_equal(at.machine.calls("synchronize"), 0);
}

}  // namespace

int main() {
  choose_mutant();
  const CMUnitTest tests[] = {
      cmocka_unit_test(cached_segments_make_room),
      cmocka_unit_test(segments_go_back_after_their_work),
      cmocka_unit_test(the_report_tells_what_a_person_needs),
      cmocka_unit_test(a_fragmented_pool_is_called_so),
      cmocka_unit_test(the_fraction_is_a_limit),
      cmocka_unit_test(other_failures_are_told_at_once),
      cmocka_unit_test(empty_cache_gives_back_what_is_free),
      cmocka_unit_test(cache_info_tells_the_largest_piece),
      cmocka_unit_test(collection_takes_the_oldest_first),
      cmocka_unit_test(below_the_threshold_nothing_is_collected),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
