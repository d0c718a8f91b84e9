// What there is, and what happened: a history replayed is what the segments say, whatever threads do.
#include <map>
#include <random>
#include <thread>

#include "support.hpp"

namespace {

namespace trace = shmalloc::trace;
using trace::Action;
using trace::BlockState;

struct Recorded : Fixture {
  explicit Recorded(std::uint64_t total = 1024 * kMiB, const char *settings = "") : Fixture(total, settings) {
    cache.introduce(1, 1, recorder);
  }
  ~Recorded() { recorder->release(); }
  void record(bool on) {
    shmalloc_history_params params = SHMALLOC_INIT(shmalloc_history_params);
    params.max_entries = 10000000;
    params.flags = on ? SHMALLOC_HISTORY_RECORD | SHMALLOC_HISTORY_CLEAR : 0;
    good(recorder->history.configure(params));
    cache.set_tracing(recorder->history.on());
  }
  std::vector<trace::Entry> history() { return recorder->history.copy().entries; }
  std::vector<trace::Segment> look() {
    std::vector<trace::Segment> found;
    cache.survey(&found);
    return found;
  }
  trace::Recorder *recorder = new trace::Recorder(trace::Segments::own);
};

// Of a sound state: blocks tile their segments, in order.
void check_segments(const std::vector<trace::Segment> &segments) {
  Address after = 0;
  for (const trace::Segment &segment : segments) {
    assert_true(segment.address >= after);
    Address at = segment.address;
    for (const trace::Block &block : segment.blocks) {
      assert_int_equal(block.address, at);
      assert_true(block.size > 0 && block.requested <= block.size);
      assert_true((block.state == BlockState::inactive) == (block.requested == 0));
      at += block.size;
    }
    after = segment.address + segment.size;
    assert_int_equal(at, after);
  }
}

void segments_are_told_with_their_blocks(void **) {
  Fixture at;
  std::vector<trace::Segment> segments;
  at.cache.survey(&segments);
  assert_int_equal(segments.size(), 0);
  Block *large = at.allocate(3 * kMiB - 7, 2);
  Block *small = at.allocate(1000, 1);
  Block *kept = at.allocate(2000, 1);
  Block *waiting = at.allocate(3000, 1);
  at.share(waiting, 2);
  at.free(waiting);
  at.free(kept);
  at.cache.survey(&segments);
  check_segments(segments);
  assert_int_equal(segments.size(), 2);
  assert_int_equal(segments[0].address, large->address);
  assert_int_equal(segments[0].size, 20 * kMiB);
  assert_int_equal(segments[0].stream, 2);
  assert_int_equal(segments[0].pool, SHMALLOC_STAT_POOL_LARGE);
  assert_int_equal(segments[0].blocks.size(), 2);
  assert_int_equal(segments[0].blocks[0].requested, 3 * kMiB - 7);
  assert_true(segments[0].blocks[0].state == BlockState::active && segments[0].blocks[1].state == BlockState::inactive);
  assert_int_equal(segments[1].pool, SHMALLOC_STAT_POOL_SMALL);
  assert_int_equal(segments[1].stream, 1);
  const std::vector<trace::Block> &blocks = segments[1].blocks;
  assert_int_equal(blocks.size(), 4);
  assert_int_equal(blocks[0].address, small->address);
  assert_int_equal(blocks[0].requested, 1000);
  assert_true(blocks[0].state == BlockState::active && blocks[1].state == BlockState::inactive);
  assert_true(blocks[2].state == BlockState::pending && blocks[2].requested == 3000 && blocks[3].state == BlockState::inactive);
  // What is there already stays before it.
  at.cache.survey(&segments);
  assert_int_equal(segments.size(), 4);
  assert_int_equal(segments[3].blocks.size(), 4);
}

void is(const trace::Entry &entry, Action action, Address address, std::uint64_t size, Stream stream) {
  assert_string_equal(trace::action_name(entry.action), trace::action_name(action));
  assert_int_equal(entry.address, address);
  assert_int_equal(entry.size, size);
  assert_int_equal(entry.stream, stream);
  assert_int_equal(entry.storage_id, 0);
  assert_int_equal(entry.thread, gettid());
}

void everything_is_noted(void **) {
  Recorded at(40 * kMiB);
  at.free(at.allocate(100));
  assert_int_equal(at.history().size(), 0);
  at.record(true);
  for (int i = 0; i < 2; ++i) at.free(at.allocate(100));  // what the thread keeps
  Block *block = at.allocate(3 * kMiB, 1);
  const Address address = block->address;
  at.share(block, 2);
  at.free(block);
  at.machine.finish(2);
  good(at.cache.cache_info());  // looks at events
  at.fails(50 * kMiB, 3);
  const std::vector<trace::Entry> entries = at.history();
  assert_int_equal(entries.size(), 13);
  const Address small = entries[0].address;
  for (std::size_t i = 0; i < 6; i += 3) {
    is(entries[i], Action::alloc, small, 100, 0);
    is(entries[i + 1], Action::free_requested, small, 100, 0);
    is(entries[i + 2], Action::free_completed, small, 100, 0);
  }
  is(entries[6], Action::segment_alloc, address, 20 * kMiB, 1);
  is(entries[7], Action::alloc, address, 3 * kMiB, 1);
  is(entries[8], Action::free_requested, address, 3 * kMiB, 1);
  is(entries[9], Action::free_completed, address, 3 * kMiB, 1);
  assert_true((entries[10].action == Action::segment_free) && (entries[11].action == Action::segment_free));
  is(entries[12], Action::oom, 40 * kMiB, 50 * kMiB, 3);
}

void off_nothing_is_noted(void **) {
  Recorded at;
  at.record(true);
  at.record(false);
  const auto before = at.history().size();
  at.free(at.allocate(100));
  at.fails(std::uint64_t{2} << 40);
  assert_int_equal(at.history().size(), before);
  // The common path is open again.
  at.free(at.allocate(100));
  Block *quick = at.cache.allocate_quickly(100, 0);
  assert_non_null(quick);
  at.record(true);
  assert_null(at.cache.allocate_quickly(100, 0));
  assert_false(at.cache.free_quickly(quick));
  std::thread([&] {  // of a thread that comes later too
    at.free(at.allocate(100));
    assert_null(at.cache.allocate_quickly(100, 0));
  })
      .join();
  at.record(true);  // Twice is once.
  at.record(false);
  at.free(quick);
  assert_non_null(at.cache.allocate_quickly(100, 0));
  Fixture nowhere;  // without a recorder
  nowhere.cache.set_tracing(true);
  nowhere.free(nowhere.allocate(100));
  assert_non_null(nowhere.cache.allocate_quickly(100, 0));
}

// What PyTorch's viewer does, forwards: state and history must agree at every step, and at the end with the segments.
class Replay {
 public:
  explicit Replay(const std::vector<trace::Segment> &before) {
    for (const trace::Segment &segment : before) {
      segments_[segment.address] = {segment.size, segment.stream};
      for (const trace::Block &block : segment.blocks) {
        if (block.state != BlockState::inactive)
          blocks_[block.address] = {block.requested, segment.stream, block.state == BlockState::pending};
      }
    }
  }
  const char *step(const trace::Entry &entry) {
    switch (entry.action) {
      case Action::segment_alloc:
        if (!segments_.emplace(entry.address, Piece{entry.size, entry.stream, false}).second) return "a segment twice";
        break;
      case Action::segment_free: {
        const auto found = segments_.find(entry.address);
        if (found == segments_.end() || found->second.size != entry.size) return "no such segment";
        const auto inside = blocks_.lower_bound(entry.address);
        if (inside != blocks_.end() && inside->first < entry.address + entry.size) return "blocks in a segment that goes";
        segments_.erase(found);
        break;
      }
      case Action::alloc: {
        const auto above = segments_.upper_bound(entry.address);
        if (above == segments_.begin()) return "a block in no segment";
        const auto &[address, segment] = *std::prev(above);
        if (entry.address + entry.size > address + segment.size) return "a block behind its segment";
        const auto next = blocks_.lower_bound(entry.address);
        if (next != blocks_.end() && next->first < entry.address + entry.size) return "it overlaps the next";
        if (next != blocks_.begin() && std::prev(next)->first + std::prev(next)->second.size > entry.address)
          return "it overlaps the one before";
        blocks_[entry.address] = {entry.size, entry.stream, false};
        break;
      }
      case Action::free_requested:
      case Action::free_completed: {
        const auto found = blocks_.find(entry.address);
        if (found == blocks_.end() || found->second.size != entry.size || found->second.stream != entry.stream)
          return "no such block";
        if (found->second.freed == (entry.action == Action::free_requested)) return "frees out of order";
        found->second.freed = true;
        if (entry.action == Action::free_completed) blocks_.erase(found);
        break;
      }
      default:
        break;
    }
    return nullptr;
  }
  void is(const std::vector<trace::Segment> &segments) const {
    std::size_t blocks = 0;
    assert_int_equal(segments_.size(), segments.size());
    for (const trace::Segment &segment : segments) {
      const auto found = segments_.find(segment.address);
      assert_true(found != segments_.end() && found->second.size == segment.size && found->second.stream == segment.stream);
      for (const trace::Block &block : segment.blocks) {
        const auto at = blocks_.find(block.address);
        assert_true((at != blocks_.end()) == (block.state != BlockState::inactive));
        if (at == blocks_.end()) continue;
        ++blocks;
        assert_int_equal(at->second.size, block.requested);
        assert_true(at->second.freed == (block.state == BlockState::pending));
      }
    }
    assert_int_equal(blocks, blocks_.size());
  }

 private:
  struct Piece {
    std::uint64_t size = 0;
    Stream stream = 0;
    bool freed = false;
  };
  std::map<Address, Piece> segments_, blocks_;
};

void work(Fixture *at, std::uint32_t seed, const std::atomic<bool> *over) {
  std::mt19937_64 random(seed);
  std::vector<Block *> live;
  for (int i = 0; over != nullptr ? !*over : i < 3000; ++i) {
    const std::uint64_t choice = random() % 64;
    if (choice < 32) {
      const std::uint64_t size = random() % 3 != 0 ? 512 << (random() % 5) : 1 + random() % (6 * kMiB);
      if (auto made = at->cache.allocate(size, random() % 4); made) live.push_back(*made);
    } else if (!live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      Block *block = live.back();
      live.pop_back();
      if (choice >= 60) static_cast<void>(at->cache.record_stream(block, random() % 4));
      static_cast<void>(at->cache.free(block));
    }
    if (choice == 33 && random() % 8 == 0) static_cast<void>(at->cache.empty_cache());
    if (live.size() > 40) {
      for (; live.size() > 10; live.pop_back()) static_cast<void>(at->cache.free(live.back()));
    }
  }
  for (Block *block : live) static_cast<void>(at->cache.free(block));
}

void check_replay(const std::vector<trace::Segment> &before, const trace::Recorded &history,
                  const std::vector<trace::Segment> &after) {
  assert_int_equal(history.dropped, 0);
  Replay replay(before);
  for (std::size_t i = 0; i < history.entries.size(); ++i) {
    if (const char *wrong = replay.step(history.entries[i]); wrong != nullptr) fail_msg("entry %zu: %s", i, wrong);
  }
  replay.is(after);
}

void a_history_replayed_is_what_there_is(void **) {
  for (const char *settings : {"", "max_split_size_mb:20,garbage_collection_threshold:0.4"}) {
    Recorded at(100 * kMiB, settings);
    work(&at, 1, nullptr);
    Block *live = at.allocate(3000);
    Block *waiting = at.allocate(9000, 1);
    at.share(waiting, 2);
    at.free(waiting);
    const std::vector<trace::Segment> before = at.look();
    check_segments(before);
    at.record(true);
    work(&at, 2, nullptr);
    at.machine.refuse("free");  // Segments that can't go come back.
    good(at.cache.empty_cache());
    at.machine.refuse("free", false);
    at.free(live);
    live = at.allocate(5000, 3);
    std::vector<trace::Segment> after;
    trace::Recorded history;
    at.cache.survey(&after, &history);
    check_segments(after);
    assert_true(history.entries.size() > 3000 && history.recording);
    check_replay(before, history, after);
  }
}

// The same while threads are at it: the first and the second snapshot and the history between them belong together.
void they_agree_whatever_threads_do(void **) {
  Recorded at(100 * kMiB);
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 4; ++i) threads.emplace_back(work, &at, i, &over);
  for (int round = 0; round < 20; ++round) {
    check_segments(at.look());
    at.record(true);
    std::vector<trace::Segment> before;
    std::vector<trace::Segment> after;
    trace::Recorded until;
    trace::Recorded history;
    at.cache.survey(&before, &until);
    while (at.history().size() < until.entries.size() + 300) std::this_thread::yield();
    at.cache.survey(&after, &history);
    check_segments(before);
    history.entries.erase(history.entries.begin(), history.entries.begin() + static_cast<std::ptrdiff_t>(until.entries.size()));
    check_replay(before, history, after);
    at.record(false);
  }
  over = true;
  for (std::thread &thread : threads) thread.join();
  assert_int_equal(at.cache.live().blocks, 0);
}

// A thread that takes no lock is stopped while others look. For TSan.
void who_takes_no_lock_is_seen_whole(void **) {
  Recorded at;
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> rounds{0};
  std::thread busy([&] {
    for (; !over; ++rounds) at.free(at.allocate(1 + rounds % 512));
  });
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t before = rounds;
    while (rounds < before + 10) std::this_thread::yield();
    check_segments(at.look());
  }
  over = true;
  busy.join();
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(segments_are_told_with_their_blocks),
      cmocka_unit_test(everything_is_noted),
      cmocka_unit_test(off_nothing_is_noted),
      cmocka_unit_test(a_history_replayed_is_what_there_is),
      cmocka_unit_test(they_agree_whatever_threads_do),
      cmocka_unit_test(who_takes_no_lock_is_seen_whole),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
