// Fork: threads are not inherited, so a child is told what it can't use, reads what it inherited, and makes devices of its own.
#include <pthread.h>

#include "base/fork.hpp"
#include "conformance.hpp"
#include "device/streams/host_device.hpp"

namespace {

using namespace conformance;

// g++ 12's thread sanitizer can't follow threads that a forked child starts, and the address sanitizer's allocator keeps the locks that
// other threads had at the fork: there a child keeps to what needs neither.
#if defined(__SANITIZE_THREAD__)
constexpr bool kChildMayStartThreads = false;
#else
constexpr bool kChildMayStartThreads = true;
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kChildMayAllocate = false;
#else
constexpr bool kChildMayAllocate = true;
#endif

template <class T>
bool refused(const Result<T> &result) {
  return !result && result.error().status == SHMALLOC_STATUS_BACKEND && strstr(result.error().message, "fork") != nullptr;
}

// In the child: all of an own device.
void own_device_works() {
  auto device = HostDevice::make(0);
  CHILD_CHECK(fine(device));
  auto block = device->allocate(1 << 20);
  auto stream = kChildMayStartThreads ? device->create_stream() : Result<Stream>(Stream{0});
  auto event = device->create_event();
  CHILD_CHECK(fine(block) && fine(stream) && fine(event));
  CHILD_CHECK(fine(device->fill(*block, 8, 1 << 20, *stream)) && fine(device->record(*event, *stream)));
  CHILD_CHECK(fine(device->wait(0, *event)) && fine(device->synchronize()));
  CHILD_CHECK(*reinterpret_cast<const std::uint8_t *>(*block + 99) == 8);
  CHILD_CHECK(fine(device->free(*block)));
}

void a_child_has_no_streams_of_its_parents(void **) {
  auto made = HostDevice::make(5);
  assert_true(fine(made));
  auto device = std::make_unique<HostDevice>(std::move(*made));
  auto block = device->allocate(1 << 20);
  auto stream = device->create_stream();
  auto event = device->create_event();
  assert_true(fine(block) && fine(stream) && fine(event) && fine(device->fill(*block, 7, 1 << 20, 0)));
  Gate gate(*device, *stream);
  assert_true(gate && fine(device->record(*event, *stream)) && fine(device->wait(0, *event)));
  IN_CHILD({
    auto copy = std::make_unique<HostDevice>(*device);
    CHILD_CHECK(refused(copy->synchronize()) && refused(copy->synchronize_stream(*stream)) && refused(copy->synchronize_stream(0)));
    CHILD_CHECK(refused(copy->synchronize_event(*event)) && refused(copy->done(*event)) && refused(copy->record(*event, 0)));
    CHILD_CHECK(refused(copy->fill(*block, 1, 1, *stream)) && refused(copy->copy(*block, *block + 4096, 1, 0)));
    CHILD_CHECK(refused(copy->wait(*stream, *event)) && refused(copy->create_stream()) && refused(copy->destroy_stream(*stream)));
    CHILD_CHECK(refused(copy->create_event()) && refused(copy->destroy_event(*event)) && refused(copy->capturing(*stream)));
    CHILD_CHECK(refused(copy->allocate(4096)) && refused(copy->free(*block)) && refused(copy->memory_info()));
    CHILD_CHECK(refused(copy->call(
                    *stream, [](void *) {}, nullptr)) &&
                refused(copy->reserve(1 << 21)));
    CHILD_CHECK(copy->describe().name == "host 5");
    CHILD_CHECK(*reinterpret_cast<const std::uint8_t *>(*block + 99) == 7);
    copy.reset();
    device.reset();  // The last one, whose end waits for nobody here.
    own_device_works();
  });
}

// While others queue, so that locks are taken at the moment of the fork: the default stream's nearly always.
void forks_among_busy_threads(void **) {
  auto made = HostDevice::make(0);
  assert_true(fine(made));
  auto device = std::make_unique<HostDevice>(std::move(*made));
  HostDevice &shared = *device;
  constexpr std::size_t kLarge = std::size_t{32} << 20;
  auto large = shared.allocate(kLarge);
  assert_true(fine(large));
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    while (!over.load() && shared.fill(*large, 1, kLarge, 0)) {
    }
  });
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!over.load()) {
        auto block = shared.allocate(8192);
        auto stream = shared.create_stream();
        auto event = shared.create_event();
        if (!block || !stream || !event || !shared.fill(*block, 1, 8192, *stream) || !shared.record(*event, *stream)) break;
        static_cast<void>(shared.synchronize_event(*event));
        static_cast<void>(shared.destroy_stream(*stream));
        static_cast<void>(shared.destroy_event(*event));
        static_cast<void>(shared.free(*block));
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    IN_CHILD({
      CHILD_CHECK(refused(device->synchronize()) && refused(device->allocate(1)));
      device.reset();
      if (kChildMayAllocate) own_device_works();
    });
  }
  over.store(true);
  for (std::thread &thread : threads) thread.join();
  assert_true(fine(device->synchronize()));
}

}  // namespace

int main() {
  // As the library does when it is first called.
  pthread_atfork(nullptr, nullptr, [] { shmalloc::forks.fetch_add(1, std::memory_order_relaxed); });
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_child_has_no_streams_of_its_parents),
      cmocka_unit_test(forks_among_busy_threads),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
