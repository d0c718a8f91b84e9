// The conformance suite on the host's backend, and what only that one promises.
#include <signal.h>

#include "conformance.hpp"
#include "device/streams/host_device.hpp"

namespace {

using namespace conformance;

struct HostSubject {
  using Device = HostDevice;
  static Result<HostDevice> open(std::uint32_t index) { return HostDevice::make(index); }
  static constexpr long kPatience = 60;
  static constexpr bool kForeignStreams = false;
};

void keeps_the_rule(void **state) {
  const auto *rule = static_cast<const Rule *>(*state);
  if (const char *wrong = rule->check(); wrong != nullptr) fail_msg("%s", wrong);
}

int threads_here() { return count_directory("/proc/self/task", "") - 2; }

// A thread for each stream, and for the default one when something has to wait there; none is left.
void threads_are_those_of_streams(void **) {
  const int before = threads_here();
  {
    auto device = HostDevice::make(0);
    assert_true(fine(device));
    auto block = device->allocate(4096);
    auto event = device->create_event();
    assert_true(fine(block) && fine(event));
    assert_true(fine(device->fill(*block, 1, 4096, 0)) && fine(device->record(*event, 0)) && fine(device->wait(0, *event)));
    assert_true(fine(device->synchronize()));
    assert_int_equal(threads_here(), before);
    auto stream = device->create_stream();
    assert_true(fine(stream));
    assert_int_equal(threads_here(), before + 1);
    {
      const Gate gate(*device, *stream);
      assert_true(fine(device->record(*event, *stream)) && fine(device->wait(0, *event)));
      assert_int_equal(threads_here(), before + 2);
    }
    assert_true(fine(device->synchronize()) && fine(device->destroy_stream(*stream)));
    // Work is done at once again when nothing is queued, by whomever.
    for (std::uint8_t i = 0; i < 100; ++i) {
      assert_true(fine(device->fill(*block, i, 4096, 0)));
      assert_int_equal(*reinterpret_cast<const std::uint8_t *>(*block + 4095), i);
    }
    assert_int_equal(threads_here(), before + 1);
  }
  assert_int_equal(threads_here(), before);
}

// The end of the last copy does what is queued, ends the threads and gives all back.
void a_device_ends_whole(void **) {
  const int threads = threads_here();
  const int descriptors = count_directory("/proc/self/fd", "");
  std::vector<std::uint8_t> out(1 << 20);
  std::atomic<bool> dawdled{false};
  {
    auto device = HostDevice::make(3);
    assert_true(fine(device));
    auto block = device->allocate(out.size());
    auto range = device->reserve(device->describe().page * 2);
    auto memory = device->create(device->describe().page);
    assert_true(fine(block) && fine(range) && fine(memory) && fine(device->map(*range, device->describe().page, *memory)));
    auto one = device->create_stream();
    auto other = device->create_stream();
    auto event = device->create_event();
    assert_true(fine(one) && fine(other) && fine(event));
    for (int i = 0; i < 50; ++i) assert_true(fine(device->fill(*block, static_cast<std::uint8_t>(i), out.size(), *one)));
    assert_true(fine(device->record(*event, *one)) && fine(device->wait(*other, *event)) && fine(device->wait(0, *event)));
    assert_true(fine(device->copy(reinterpret_cast<Address>(out.data()), *block, out.size(), *other)));
    const auto dawdle = [](void *flag) {
      for (int i = 0; i < 1000; ++i) std::this_thread::yield();
      static_cast<std::atomic<bool> *>(flag)->store(true);
    };
    assert_true(fine(device->call(*other, dawdle, &dawdled)) && fine(device->destroy_stream(*one)));
  }
  assert_true(dawdled.load());
  assert_int_equal(out.front(), 49);
  assert_int_equal(out.back(), 49);
  assert_int_equal(threads_here(), threads);
  assert_int_equal(count_directory("/proc/self/fd", ""), descriptors);
}

void streams_run_out(void **) {
  auto device = HostDevice::make(1);
  assert_true(fine(device));
  std::vector<Stream> streams;
  // Threads may run out before streams do: either way it is told, and all goes on.
  for (;;) {
    auto stream = device->create_stream();
    if (!stream) {
      assert_true(stream.error().status == SHMALLOC_STATUS_NO_SPACE || stream.error().status == SHMALLOC_STATUS_NO_MEMORY);
      break;
    }
    streams.push_back(*stream);
    assert_true(streams.size() <= 1024);
  }
  assert_true(streams.size() > 16);
  assert_true(fine(device->destroy_stream(streams.back())));
  auto again = device->create_stream();
  assert_true(fine(again));
  assert_true(fine(device->synchronize_stream(*again)));
}

// Also those of streams that were destroyed with work left.
void places_of_streams_are_used_again(void **) {
  auto device = HostDevice::make(1);
  assert_true(fine(device));
  auto event = device->create_event();
  assert_true(fine(event));
  for (int i = 0; i < 1500; ++i) {
    auto stream = device->create_stream();
    assert_true(fine(stream));
    {
      const Gate gate(*device, *stream);
      assert_true(fine(device->record(*event, *stream)) && fine(device->destroy_stream(*stream)));
    }
    assert_true(fine(device->synchronize_event(*event)));
  }
}

// What is large is where huge pages fit.
void large_memory_is_aligned_for_huge_pages(void **) {
  auto device = HostDevice::make(0);
  assert_true(fine(device));
  for (std::size_t size = std::size_t{2} << 20; size < std::size_t{8} << 20; size += 12288) {
    auto block = device->allocate(size);
    assert_true(fine(block));
    assert_int_equal(*block % (2 << 20), 0);
  }
}

void wrong_arguments_are_refused(void **) {
  assert_true(invalid(HostDevice::make(64)));
  auto device = HostDevice::make(63);
  assert_true(fine(device));
  assert_string_equal(device->describe().name.c_str(), "host 63");
  char byte = 0;
  const auto here = reinterpret_cast<Address>(&byte);
  assert_true(invalid(device->fill(0, 1, 1, 0)) && invalid(device->copy(0, here, 1, 0)) && invalid(device->copy(here, 0, 1, 0)));
  assert_true(invalid(device->call(0, nullptr, nullptr)));
  // Memory that somebody could cut short would be a SIGBUS.
  const std::uint64_t page = device->describe().page;
  const int file = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  assert_int_equal(ftruncate(file, static_cast<off_t>(page)), 0);
  assert_true(invalid(device->import_memory(file, page)));
  close(file);
}

// A signal's handler runs on a thread that the application knows.
void threads_take_no_signals(void **) {
  auto device = HostDevice::make(0);
  assert_true(fine(device));
  auto stream = device->create_stream();
  assert_true(fine(stream));
  sigset_t mask;
  const auto ask = [](void *out) { pthread_sigmask(SIG_BLOCK, nullptr, static_cast<sigset_t *>(out)); };
  assert_true(fine(device->call(*stream, ask, &mask)) && fine(device->synchronize_stream(*stream)));
  assert_true(sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGUSR1) == 1);
  assert_int_equal(pthread_sigmask(SIG_BLOCK, nullptr, &mask), 0);
  assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

}  // namespace

int main() {
  std::vector<CMUnitTest> tests;
  for (const Rule &rule : kRules<HostSubject>) {
    tests.push_back({rule.name, keeps_the_rule, nullptr, nullptr, const_cast<Rule *>(&rule)});
  }
  for (const CMUnitTest &test :
       {CMUnitTest cmocka_unit_test(threads_are_those_of_streams), CMUnitTest cmocka_unit_test(a_device_ends_whole),
        CMUnitTest cmocka_unit_test(streams_run_out), CMUnitTest cmocka_unit_test(places_of_streams_are_used_again),
        CMUnitTest cmocka_unit_test(large_memory_is_aligned_for_huge_pages),
        CMUnitTest cmocka_unit_test(wrong_arguments_are_refused), CMUnitTest cmocka_unit_test(threads_take_no_signals)}) {
    tests.push_back(test);
  }
  return _cmocka_run_group_tests("host", tests.data(), tests.size(), nullptr, nullptr);
}
