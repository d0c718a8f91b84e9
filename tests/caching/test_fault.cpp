// Every call of the device and every allocation of the library fails once. Whatever the outcome, nothing is lost, nothing is used before
// its time, and the allocator works again.
#include <sys/mman.h>

#include <cerrno>
#include <climits>
#include <vector>

#include "allocations.hpp"
#include "os/calls.hpp"
#include "support.hpp"

namespace {

using allocations::armed;

// What the test itself does does not count.
struct Pause {
  bool before = armed;
  Pause() { armed = false; }
  ~Pause() { armed = before; }
};

template <class T>
bool ok(const Result<T> &result) {
  if (result) return true;
  const Pause pause;
  if (memchr(result.error().message, 0, sizeof result.error().message) == result.error().message) fail_msg("no message");
  if (result.error().status == SHMALLOC_STATUS_INTERNAL || result.error().status == SHMALLOC_STATUS_INVALID)
    fail_msg("%s", result.error().message);
  return false;
}

// Something of everything, on a device that is too small for it.
void scenario(Fixture &at) {
  Block *live[12] = {};
  std::size_t made = 0;
  const auto allocate = [&](std::uint64_t size, Stream stream) {
    auto block = at.cache.allocate(size, stream);
    if (!ok(block)) return;
    const Pause pause;
    at.machine.handed_out(stream, (*block)->address, (*block)->size);
    live[made++] = *block;
  };
  const auto free = [&](std::size_t which) {
    if (live[which] == nullptr) return;
    if (!ok(at.cache.free(live[which]))) fail_msg("a free failed");
    live[which] = nullptr;
  };
  const auto share = [&](std::size_t which, Stream stream) {
    if (live[which] == nullptr || !ok(at.cache.record_stream(live[which], stream))) return;
    const Pause pause;
    at.use(live[which], stream);
  };
  ok(at.cache.configure("max_split_size_mb:24"));
  allocate(1000, 1);
  allocate(5 * kMiB, 1);
  allocate(30 * kMiB, 1);
  share(0, 2);
  share(1, 3);
  free(0);
  free(1);
  free(2);
  allocate(22 * kMiB, 2);  // needs what is cached
  if (made > 0 && live[made - 1] != nullptr) ok(at.cache.find(live[made - 1]->address));
  ok(at.cache.cache_info());
  ok(at.cache.configure("garbage_collection_threshold:0.2"));
  allocate(3 * kMiB, 3);
  share(made > 0 ? made - 1 : 0, 1);
  allocate(10 * kMiB, 1);
  allocate(50 * kMiB, 1);  // more than there is
  ok(at.cache.empty_cache());
  for (std::size_t i = 0; i < made; ++i) free(i);
  {
    const Pause pause;
    at.clean();
  }
}

void check(Fixture &at) {
  const shmalloc_statistics numbers = at.numbers();
  assert_int_equal(numbers.allocation[0].current, 0);
  assert_int_equal(numbers.reserved_bytes[0].current, at.machine.used());
  auto released = at.cache.empty_cache();
  good(released);
  assert_int_equal(at.machine.used(), 0);
  const shmalloc_statistics after = at.numbers();
  assert_int_equal(after.active[0].current, 0);
  assert_int_equal(after.pending.current, 0);
  assert_int_equal(after.reserved_bytes[0].current, 0);
  scenario(at);
  good(at.cache.empty_cache());
  assert_int_equal(at.machine.used(), 0);
  at.clean();
}

std::int32_t observer(const shmalloc_notice *notice, void * /*userdata*/) {
  assert_non_null(notice->report);
  return 0;
}
constexpr std::uint32_t kAllNotices = SHMALLOC_NOTICE_MEMORY_LOW | SHMALLOC_NOTICE_OUT_OF_MEMORY;

void every_call_of_the_device(void **) {
  long calls = 0;
  for (long nth = 1; nth == 1 || nth <= calls; ++nth) {
    Fixture at(44 * kMiB);
    good(at.cache.observe(kAllNotices, observer, nullptr, nullptr));
    at.machine.counting = &armed;
    at.machine.fail_nth(nth == 1 && calls == 0 ? 1000000 : nth);
    scenario(at);
    if (calls == 0) {
      calls = at.machine.counted();
      nth = 0;
    }
    at.machine.fail_nth(0);
    check(at);
  }
  print_message("# %ld calls\n", calls);
  assert_true(calls > 30);
}

void every_allocation(void **) {
  long all = 0;
  for (long nth = 0; nth <= all; ++nth) {
    Fixture at(44 * kMiB);
    good(at.cache.observe(kAllNotices, observer, nullptr, nullptr));
    at.machine.counting = &armed;
    allocations::arm(nth, nth);
    scenario(at);
    armed = false;
    if (nth == 0) all = allocations::count;
    check(at);
  }
  print_message("# %ld allocations\n", all);
  assert_true(all > 10);
}

// Not only one: from some point on none at all.
void no_memory_at_all_for_tables(void **) {
  for (long from = 1; from < 40; ++from) {
    Fixture at(44 * kMiB);
    at.machine.counting = &armed;
    Block *blocks[3000];
    int made = 0;
    for (int i = 0; i < 3000; ++i) {
      if (i == from * 70) allocations::arm(1, LONG_MAX);
      auto block = at.cache.allocate(static_cast<std::uint64_t>(512 + i % 7 * 512), 0);
      if (ok(block)) blocks[made++] = *block;
    }
    for (int i = 0; i < made; ++i) good(at.cache.free(blocks[i]));
    armed = false;
    check(at);
  }
}

// Tables and chunks of nodes from 2 MiB on are mapped, with huge pages. Each mapping is refused once: then there is no block more, or an
// address is looked for in another way.
long mappings = 0, refused = 0;
decltype(shmalloc::os::calls.mmap) real_mmap = nullptr;
void *refuse_mmap(void *address, std::size_t size, int protection, int flags, int fd, off_t offset) {
  if (++mappings != refused) return real_mmap(address, size, protection, flags, fd, offset);
  errno = ENOMEM;
  return MAP_FAILED;
}

void no_memory_for_large_tables(void **) {
  constexpr std::size_t kBlocks = 150'000;
  real_mmap = shmalloc::os::calls.mmap;
  shmalloc::os::calls.mmap = refuse_mmap;
  for (refused = 0; refused == 0 || refused <= mappings; ++refused) {
    mappings = 0;
    Fixture at(1024 * kMiB);
    std::vector<Block *> blocks;
    bad(at.cache.find(12345 * 512), SHMALLOC_STATUS_NOT_FOUND, "no block");  // makes the table
    std::size_t short_of = 0;
    while (blocks.size() < kBlocks) {
      auto block = at.cache.allocate(512 + blocks.size() % 3 * 512, 0);
      if (ok(block)) {
        blocks.push_back(*block);
      } else {
        ++short_of;
      }
    }
    if (refused == 0 && (mappings < 6 || short_of != 0)) fail_msg("%ld mappings, %zu failures", mappings, short_of);
    if (short_of > 1) fail_msg("%zu failures for one mapping", short_of);
    for (std::size_t i = 0; i < kBlocks; i += 101) {
      auto found = at.cache.find(blocks[i]->address);
      if (!found || *found != blocks[i]) fail_msg("mapping %ld refused: block %zu is not found", refused, i);
    }
    for (Block *block : blocks) good(at.cache.free(block));
    check(at);
  }
  shmalloc::os::calls.mmap = real_mmap;
}

// The table of addresses can't grow, then not be made at all: addresses lead to blocks all the same.
void no_memory_for_addresses(void **) {
  constexpr int kBlocks = 700;
  for (const bool made_before : {true, false}) {
    Fixture at(44 * kMiB);
    Block *blocks[kBlocks];
    const auto all = [&] {
      for (Block *&block : blocks) block = at.allocate(1024);
    };
    all();  // Their nodes are there from now on.
    for (Block *block : blocks) at.free(block);
    good(at.cache.empty_cache());
    blocks[0] = at.allocate(1024);
    if (made_before) good(at.cache.find(blocks[0]->address));
    at.free(blocks[0]);
    at.machine.counting = &armed;
    allocations::arm(1, LONG_MAX);
    all();
    int seen = 0;
    for (const Block *block : blocks) {
      auto found = at.cache.find(block->address);
      if (!found || *found != block) fail_msg("not found");
      if (at.cache.find(block->address + 512)) fail_msg("found inside");
      seen += at.cache.find_quickly(block->address) == block ? 1 : 0;
    }
    if (made_before ? seen < 200 || seen == kBlocks : seen != 0) fail_msg("%d were seen", seen);
    for (int i = 0; i < kBlocks; i += 2) good(at.cache.free_at(blocks[i]->address, 0));
    for (int i = 0; i < kBlocks; i += 2) bad(at.cache.free_at(blocks[i]->address, 0), SHMALLOC_STATUS_NOT_FOUND, "no block");
    // What can't be noted is not freed.
    for (int i = 1; i < kBlocks && !made_before; i += 2)
      bad(at.cache.free_at(blocks[i]->address, 9), SHMALLOC_STATUS_NO_MEMORY, "no memory");
    armed = false;
    bad(at.cache.find(blocks[0]->address + 512), SHMALLOC_STATUS_NOT_FOUND, "no block");  // makes it
    for (int i = 1; i < kBlocks; i += 2) {
      assert_ptr_equal(at.cache.find_quickly(blocks[i]->address), blocks[i]);
      good(at.cache.free_at(blocks[i]->address, 0));
    }
    check(at);
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(every_call_of_the_device),    cmocka_unit_test(every_allocation),
      cmocka_unit_test(no_memory_at_all_for_tables), cmocka_unit_test(no_memory_for_large_tables),
      cmocka_unit_test(no_memory_for_addresses),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
