// What the tests of the caching allocator share: an allocator on a fake device, and calls that must succeed. Headers of the standard
// library come before it: cmocka has a macro called fail.
#pragma once

#include <unistd.h>

#include <cstdlib>

#include "allocators/caching/caching.hpp"
#include "fake_device.hpp"
#include "support.h"

namespace {

using shmalloc::Result;
using shmalloc::caching::Block;
using shmalloc::caching::Caching;
using shmalloc::caching::kMiB;
using shmalloc::device::Address;
using shmalloc::device::Stream;

constexpr std::uint64_t kKiB = 1024;

template <class T>
[[maybe_unused]] void good(const Result<T> &result) {
  if (!result) fail_msg("%s", result.error().message);
}
template <class T>
[[maybe_unused]] void bad(const Result<T> &result, shmalloc_status status, const char *word) {
  if (result) fail_msg("that should have failed: %s", word);
  if (result.error().status != status) fail_msg("%s: %s", shmalloc::status_name(result.error().status), result.error().message);
  if (strstr(result.error().message, word) == nullptr) fail_msg("\"%s\" does not say \"%s\"", result.error().message, word);
}

class Fixture {
 public:
  explicit Fixture(std::uint64_t total = 1024 * kMiB, const char *settings = "") : machine(total), cache(fake::Device(machine)) {
    good(cache.configure(settings));
  }
  Block *allocate(std::uint64_t size, Stream stream = 0) {
    auto block = cache.allocate(size, stream);
    good(block);
    machine.handed_out(stream, (*block)->address, (*block)->size);
    return *block;
  }
  void fails(std::uint64_t size, Stream stream = 0) { bad(cache.allocate(size, stream), SHMALLOC_STATUS_NO_MEMORY, "memory"); }
  void free(Block *block) { good(cache.free(block)); }
  // Work of a stream on a block.
  void use(const Block *block, Stream stream) { machine.launch(stream, block->address, block->size); }
  void share(Block *block, Stream stream) {
    good(cache.record_stream(block, stream));
    use(block, stream);
  }
  // Free blocks come out of what this thread keeps, with nothing else changed.
  void put_back() { good(cache.cache_info()); }
  shmalloc_statistics numbers() {
    shmalloc_statistics statistics = SHMALLOC_INIT(shmalloc_statistics);
    cache.statistics(&statistics);
    return statistics;
  }
  void clean() {
    if (!machine.violation().empty()) fail_msg("%s", machine.violation().c_str());
  }

  fake::Machine machine;
  Caching<fake::Device> cache;
};

// Whether another thread waits for something.
[[maybe_unused]] bool sleeps(pid_t thread) {
  char path[64];
  char state = 0;
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
  FILE *file = fopen(path, "re");
  if (file == nullptr) return false;
  const bool read = fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
  fclose(file);
  return read && state == 'S';
}

// The program for mutants takes the number of one; see mutant.hpp.
[[maybe_unused]] void choose_mutant() {
#ifdef SHMALLOC_CACHING_MUTANTS
  const char *number = getenv("SHMALLOC_MUTANT");
  shmalloc::caching::chosen_mutant = number != nullptr ? atoi(number) : 0;
  if (number != nullptr) alarm(6);  // What a mistake has spoilt may make what follows go round for ever.
#endif
}

}  // namespace
