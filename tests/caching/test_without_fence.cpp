// A system without the fence that lets others take what a thread keeps: no thread keeps anything, and all else is as it is.
#include <cerrno>
#include <thread>

#include "os/calls.hpp"
#include "support.hpp"

namespace {

long refuse(long /*number*/, ...) {
  errno = ENOSYS;
  return -1;
}

void everything_goes_to_the_middle(void **) {
  Fixture at(20 * kMiB);
  Block *blocks[100];
  for (int round = 0; round < 3; ++round) {
    for (Block *&block : blocks) block = at.allocate(1000);
    assert_int_equal(at.numbers().allocation[0].current, 100);
    std::thread([&] {
      for (Block *block : blocks) at.free(block);
    }).join();
    assert_int_equal(at.numbers().allocation[0].current, 0);
    assert_int_equal(at.numbers().inactive_split[0].current, 0);
  }
  assert_int_equal(at.numbers().allocated_bytes[0].peak, 100 * 1024);
  assert_int_equal(at.numbers().allocated_bytes[0].allocated, 300 * 1024);
  Block *shared = at.allocate(18 * kMiB, 1);
  at.share(shared, 2);
  at.free(shared);
  bad(at.cache.free(shared), SHMALLOC_STATUS_INVALID, "freed before");
  at.allocate(18 * kMiB, 1);
  at.cache.reset_statistics(0);
  assert_int_equal(at.numbers().allocation[0].current, 1);
  at.clean();
}

}  // namespace

int main() {
  shmalloc::os::calls.syscall = refuse;
  const CMUnitTest tests[] = {cmocka_unit_test(everything_goes_to_the_middle)};
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
