// Random calls against a model that knows what is live: nothing overlaps, nothing is used again before work on it is done, and at the end
// all that is current is 0. SHMALLOC_OPERATIONS says how many (a million), SHMALLOC_SEED where the choices begin.
#include <map>
#include <random>
#include <thread>

#include "support.hpp"

namespace {

std::uint64_t number(const char *name, std::uint64_t otherwise) {
  const char *text = getenv(name);
  return text != nullptr ? strtoull(text, nullptr, 10) : otherwise;
}

constexpr Stream kStreams = 4;

class Model {
 public:
  Model(std::uint64_t total, const char *settings, std::uint64_t seed) : at_(total, settings), random_(seed) {}

  void run(std::uint64_t operations) {
    for (std::uint64_t i = 0; i < operations; ++i) {
      const std::uint64_t choice = random_() % 1000;
      if (choice < 480) {
        allocate();
      } else if (choice < 960) {
        free();
      } else if (choice < 985) {
        share();
      } else if (choice < 997) {
        at_.machine.finish(random_() % kStreams, 1 + random_() % 4);
      } else if (choice == 997) {
        if (i % 50 == 0) good(at_.cache.empty_cache());
      } else if (choice == 998) {
        find();
      } else {
        check();
      }
    }
    while (!live_.empty()) free();
    check();
    good(at_.cache.empty_cache());
    check();
    const shmalloc_statistics numbers = at_.numbers();
    for (const auto *array :
         {&numbers.allocation, &numbers.segment, &numbers.active, &numbers.inactive_split, &numbers.allocated_bytes,
          &numbers.reserved_bytes, &numbers.active_bytes, &numbers.inactive_split_bytes, &numbers.requested_bytes}) {
      for (const shmalloc_stat &stat : *array) {
        assert_int_equal(stat.current, 0);
        assert_int_equal(stat.allocated, stat.freed);
      }
    }
    assert_int_equal(numbers.pending.current, 0);
    assert_int_equal(numbers.oversize_allocations.current, 0);
    assert_int_equal(numbers.oversize_segments.current, 0);
    assert_int_equal(at_.machine.used(), 0);
    assert_true(allocations_ > operations / 8);
  }

 private:
  struct Live {
    Block *block;
    std::uint64_t requested;
  };
  void allocate() {
    const int bits = static_cast<int>(random_() % 16);
    std::uint64_t size = (std::uint64_t{1} << (6 + bits)) + random_() % (std::uint64_t{1} << (6 + bits));
    if (random_() % 4 != 0) size = size / 4096 * 4096 + 1;  // sizes come again
    const Stream stream = random_() % 8 == 0 ? random_() % kStreams : stream_;
    if (random_() % 64 == 0) stream_ = random_() % kStreams;
    auto made = at_.cache.allocate(size, stream);
    if (!made) {
      assert_int_equal(made.error().status, SHMALLOC_STATUS_NO_MEMORY);
      ++failures_;
      for (int i = 0; i < 30 && !live_.empty(); ++i) free();
      return;
    }
    Block *block = *made;
    ++allocations_;
    if (block->size < size || block->requested != size) fail_msg("a block of %llu", static_cast<unsigned long long>(block->size));
    const auto after = live_.lower_bound(block->address);
    if (after != live_.end() && after->first < block->address + block->size) fail_msg("it overlaps the next");
    if (after != live_.begin()) {
      const auto before = std::prev(after);
      if (before->first + before->second.block->size > block->address) fail_msg("it overlaps the one before");
    }
    live_.emplace_hint(after, block->address, Live{block, size});
    requested_ += size;
    bytes_ += block->size;
    at_.machine.handed_out(stream, block->address, block->size);
    if (random_() % 32 == 0) at_.use(block, block->stream);
  }
  std::map<Address, Live>::iterator any() {
    const Address from = live_.begin()->first;
    const auto at = live_.lower_bound(from + random_() % (live_.rbegin()->first - from + 1));
    return at;
  }
  void free() {
    if (live_.empty()) return;
    const auto at = any();
    Block *block = at->second.block;
    requested_ -= at->second.requested;
    bytes_ -= block->size;
    live_.erase(at);
    if (random_() % 16 == 0) {
      auto found = at_.cache.find(block->address);
      good(found);
      assert_ptr_equal(*found, block);
    }
    at_.free(block);
  }
  void share() {
    if (live_.empty()) return;
    Block *block = any()->second.block;
    const Stream stream = random_() % kStreams;
    if (stream == block->stream) return;
    at_.share(block, stream);
  }
  void find() {
    if (live_.empty()) return;
    const auto at = any();
    auto found = at_.cache.find(at->first);
    good(found);
    assert_ptr_equal(*found, at->second.block);
  }
  void check() {
    at_.clean();
    const shmalloc_statistics numbers = at_.numbers();
    assert_int_equal(numbers.allocation[0].current, live_.size());
    assert_int_equal(numbers.allocated_bytes[0].current, bytes_);
    assert_int_equal(numbers.requested_bytes[0].current, requested_);
    assert_int_equal(numbers.reserved_bytes[0].current, at_.machine.used());
    assert_int_equal(numbers.active[0].current, live_.size() + static_cast<std::size_t>(numbers.pending.current));
    assert_true(numbers.allocated_bytes[0].peak >= numbers.allocated_bytes[0].current);
    assert_int_equal(numbers.num_ooms, failures_);
  }

  Fixture at_;
  std::mt19937_64 random_;
  std::map<Address, Live> live_;
  Stream stream_ = 0;
  std::uint64_t requested_ = 0, bytes_ = 0, allocations_ = 0;
  std::int64_t failures_ = 0;
};

void share_of(int part, std::uint64_t total, const char *settings) {
  const std::uint64_t seed = number("SHMALLOC_SEED", 20240521) + static_cast<std::uint64_t>(part);
  Model(total, settings, seed).run(number("SHMALLOC_OPERATIONS", 1000000) / 4);
}

void with_much_memory(void **) { share_of(0, 4096 * kMiB, ""); }
void with_little_memory(void **) { share_of(1, 160 * kMiB, ""); }
void with_oversize_blocks_and_collection(void **) {
  share_of(2, 256 * kMiB, "max_split_size_mb:20,garbage_collection_threshold:0.5,per_process_memory_fraction:0.9");
}
void with_coarse_sizes(void **) { share_of(3, 300 * kMiB, "roundup_power2_divisions:8"); }

}  // namespace

int main() {
  choose_mutant();
  const CMUnitTest tests[] = {
      cmocka_unit_test(with_much_memory),
      cmocka_unit_test(with_little_memory),
      cmocka_unit_test(with_oversize_blocks_and_collection),
      cmocka_unit_test(with_coarse_sizes),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
