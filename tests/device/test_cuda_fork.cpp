// Fork and threads from the beginning: a child of a process that uses CUDA is told so and makes no call; threads that begin together get
// one driver and one device.
#include <pthread.h>

#include "base/fork.hpp"
#include "test_cuda.hpp"

namespace {

using namespace cuda_test;

template <class T>
bool refused(const Result<T> &result) {
  return !result && result.error().status == SHMALLOC_STATUS_BACKEND && strstr(result.error().message, "fork") != nullptr;
}

// First of all: nobody has begun to use the driver yet.
void threads_begin_together(void **) {
  std::atomic<int> ready{0};
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      ready.fetch_add(1);
      while (ready.load() < 8) std::this_thread::yield();
      auto opened = CudaDevice::open(1);
      auto block = opened ? opened->allocate(4096) : Result<Address>(opened.error());
      if (fine(block) && fine(opened->free(*block))) good.fetch_add(1);
    });
  }
  for (std::thread &thread : threads) thread.join();
  assert_int_equal(good.load(), 8);
  if (sim().calls != nullptr) assert_int_equal(sim().calls("cuDevicePrimaryCtxRetain"), 1);
}

void a_child_has_no_cuda(void **) {
  auto one = open_device();
  const std::size_t page = one.describe().page;
  auto block = one.allocate(4096);
  auto stream = one.create_stream();
  auto gone = one.create_stream();
  auto event = one.create_event();
  auto range = one.reserve(page);
  auto memory = one.create(page);
  assert_true(fine(block) && fine(stream) && fine(event) && fine(range) && fine(memory) && fine(one.destroy_stream(*gone)));
  const std::string name = one.describe().name;
  IN_CHILD({
    CHILD_CHECK(refused(CudaDevice::count()) && refused(CudaDevice::open(0)) && refused(CudaDevice::open(1)));
    CHILD_CHECK(CudaDevice::driver_line().find("fork") != std::string::npos && one.describe().name == name);
    CHILD_CHECK(refused(one.memory_info()) && refused(one.allocate(1)) && refused(one.free(*block)));
    CHILD_CHECK(refused(one.reserve(page)) && refused(one.create(page)) && refused(one.map(*range, page, *memory)));
    CHILD_CHECK(refused(one.set_access(*range, page, Access::write)) && refused(one.unmap(*range, page)));
    CHILD_CHECK(refused(one.destroy(*memory)) && refused(one.unreserve(*range, page)) && refused(one.export_memory(*memory)));
    CHILD_CHECK(refused(one.import_memory(0, page)) && refused(one.allow_peer(one)));
    CHILD_CHECK(refused(one.create_stream()) && refused(one.destroy_stream(*stream)) && refused(one.synchronize_stream(*stream)));
    CHILD_CHECK(refused(one.synchronize()) && refused(one.capturing(*gone)) && refused(one.create_event()));
    CHILD_CHECK(refused(one.destroy_event(*event)) && refused(one.record(*event, 0)) && refused(one.done(*event)));
    CHILD_CHECK(refused(one.synchronize_event(*event)) && refused(one.wait(0, *event)) && refused(one.fill(*block, 1, 1, 0)));
    CHILD_CHECK(refused(one.copy(*block, *block + 64, 1, 0)) && refused(one.call(
                                                                    0, [](void *) {}, nullptr)));
  });
  assert_true(fine(one.destroy(*memory)) && fine(one.unreserve(*range, page)) && fine(one.destroy_event(*event)));
  assert_true(fine(one.destroy_stream(*stream)) && fine(one.free(*block)));
}

// While others call, so that locks are taken at the moment of the fork.
void forks_among_busy_threads(void **) {
  auto one = open_device();
  const std::size_t page = one.describe().page;
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!over.load()) {
        auto stream = one.create_stream();
        auto event = one.create_event();
        auto memory = one.create(page);
        if (!stream || !event || !memory) break;
        static_cast<void>(one.record(*event, *stream));
        static_cast<void>(one.synchronize_event(*event));
        static_cast<void>(one.destroy_stream(*stream));
        static_cast<void>(one.destroy_event(*event));
        static_cast<void>(one.destroy(*memory));
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    IN_CHILD({
      CHILD_CHECK(refused(one.create_stream()) && refused(one.create_event()) && refused(one.create(page)));
      CHILD_CHECK(refused(CudaDevice::open(0)));
    });
  }
  over.store(true);
  for (std::thread &thread : threads) thread.join();
  assert_true(fine(one.synchronize()));
}

}  // namespace

int main() {
  // As the library does when it is first called.
  pthread_atfork(nullptr, nullptr, [] { shmalloc::forks.fetch_add(1, std::memory_order_relaxed); });
  const CMUnitTest tests[] = {
      cmocka_unit_test(threads_begin_together),
      cmocka_unit_test(a_child_has_no_cuda),
      cmocka_unit_test(forks_among_busy_threads),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
