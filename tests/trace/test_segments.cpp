// Kinds that carve storages out of segments of their own: what is counted, recorded and drawn of those.
#include "trace/snapshot.hpp"

#include "support.h"

namespace {

using namespace shmalloc::trace;

constexpr int kSmallPool = SHMALLOC_STAT_POOL_SMALL;
constexpr int kLargePool = SHMALLOC_STAT_POOL_LARGE;
constexpr std::uint64_t kMiB = 1 << 20;

shmalloc_statistics numbers(const Recorder &recorder) {
  shmalloc_statistics statistics{};
  recorder.fill(&statistics);
  return statistics;
}

void own_segments_are_counted_by_their_kind(void **) {
  auto *recorder = new Recorder(Segments::own);
  shmalloc_history_params params{};
  params.flags = SHMALLOC_HISTORY_RECORD;
  assert_true(static_cast<bool>(recorder->history.configure(params)));
  recorder->segment_in(4096, 2 * kMiB, kSmallPool);
  {
    Account account;
    account.open(*recorder, {.address = 4096, .requested = 100, .block = 512, .pool = kSmallPool, .storage_id = 7});
    shmalloc_statistics now = numbers(*recorder);
    assert_int_equal(now.segment[kSmallPool].current, 1);
    assert_int_equal(now.reserved_bytes[0].current, 2 * kMiB);
    assert_int_equal(now.active_bytes[0].current, 512);
    assert_int_equal(now.requested_bytes[kLargePool].current, 0);
  }
  const Recorded recorded = recorder->history.copy();
  const Action wanted[] = {Action::segment_alloc, Action::alloc, Action::free_requested, Action::free_completed};
  assert_int_equal(recorded.entries.size(), 4);
  for (std::size_t i = 0; i < 4; ++i) assert_int_equal(static_cast<int>(recorded.entries[i].action), static_cast<int>(wanted[i]));
  recorder->segment_out(4096, 2 * kMiB, kSmallPool);
  const shmalloc_statistics now = numbers(*recorder);
  assert_int_equal(now.segment[0].current, 0);
  assert_int_equal(now.reserved_bytes[0].peak, 2 * kMiB);
  assert_int_equal(now.num_device_free, 1);
  assert_int_equal(now.active[0].current, 0);
  recorder->release();
}

Found found(std::uint64_t address, std::uint64_t size) {
  Found one;
  one.block = {.address = address, .size = size, .requested = size - 1, .storage_id = address};
  return one;
}

void blocks_tile_their_segment(void **) {
  std::vector<Segment> segments(2);
  segments[0].address = 9000;
  segments[0].size = 500;
  segments[1].address = segments[1].size = 1000;
  // Out of order; the first and the last lie in no segment.
  std::vector<Found> blocks = {found(100, 10), found(1900, 100), found(1000, 50), found(1050, 100), found(9500, 10)};
  arrange(&segments, true, &blocks);
  const struct {
    std::uint64_t address, size;
    BlockState state;
  } wanted[] = {{1000, 50, BlockState::active},
                {1050, 100, BlockState::active},
                {1150, 750, BlockState::inactive},
                {1900, 100, BlockState::active}};
  assert_int_equal(segments[0].address, 1000);
  assert_int_equal(segments[0].blocks.size(), 4);
  for (std::size_t i = 0; i < 4; ++i) {
    assert_int_equal(segments[0].blocks[i].address, wanted[i].address);
    assert_int_equal(segments[0].blocks[i].size, wanted[i].size);
    assert_int_equal(static_cast<int>(segments[0].blocks[i].state), static_cast<int>(wanted[i].state));
  }
  assert_int_equal(segments[1].blocks.size(), 1);
  assert_int_equal(segments[1].blocks[0].size, 500);
  assert_int_equal(static_cast<int>(segments[1].blocks[0].state), static_cast<int>(BlockState::inactive));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(own_segments_are_counted_by_their_kind),
      cmocka_unit_test(blocks_tile_their_segment),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
