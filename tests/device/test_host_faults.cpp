// Each system call, allocation and start of a thread of the host's backend fails once: what fails says so, changes nothing and leaves
// nothing, and the same works right after.
#include "conformance.hpp"
#include "device/streams/host_device.hpp"
#include "faults.hpp"
#include "os/calls.hpp"
#include "os/pages.hpp"

namespace {

using namespace conformance;

// Whether a call went well; one that did not must have said why.
template <class T>
bool went(const Result<T> &result) {
  if (result) return true;
  if (result.error().message[0] == 0 || result.error().status == SHMALLOC_STATUS_INTERNAL) fail_msg("a failure says nothing");
  return false;
}

// Makes and ends one of everything; goes on as far as it comes. True: it came to the end.
bool everything() {
  auto made = HostDevice::make(2);
  if (!went(made)) return false;
  HostDevice &device = *made;
  const std::size_t page = device.describe().page;
  auto before = device.memory_info();
  bool whole = true;
  const auto good = [&](const auto &result) {
    const bool is_good = went(result);
    whole = whole && is_good;
    return is_good;
  };
  auto block = device.allocate(page + 1);
  if (good(block)) {
    *reinterpret_cast<std::uint8_t *>(*block + page) = 1;
    if (!good(device.free(*block))) assert_true(fine(device.free(*block)));
  }
  auto range = device.reserve(2 * page);
  auto memory = device.create(page);
  if (good(range) && good(memory)) {
    if (good(device.map(*range, page, *memory))) {
      if (good(device.set_access(*range, page, Access::write))) *reinterpret_cast<std::uint8_t *>(*range) = 2;
      auto fd = device.export_memory(*memory);
      if (good(fd)) {
        auto imported = device.import_memory(fd->get(), page);
        if (good(imported)) assert_true(fine(device.destroy(*imported)));
      }
      if (!good(device.unmap(*range, page))) assert_true(fine(device.unmap(*range, page)));
    }
  }
  if (memory) assert_true(fine(device.destroy(*memory)));
  if (range && !good(device.unreserve(*range, 2 * page))) assert_true(fine(device.unreserve(*range, 2 * page)));
  auto stream = device.create_stream();
  auto event = device.create_event();
  if (good(stream) && good(event)) {
    // From here on nothing needs memory: streams and events are there before there is work.
    std::uint8_t bytes[64] = {};
    const auto here = reinterpret_cast<Address>(bytes);
    assert_true(fine(device.fill(here, 3, 32, *stream)) && fine(device.copy(here + 32, here, 32, *stream)));
    assert_true(fine(device.record(*event, *stream)) && fine(device.synchronize_event(*event)));
    assert_int_equal(bytes[63], 3);
  }
  if (event) assert_true(fine(device.destroy_event(*event)));
  if (stream) assert_true(fine(device.destroy_stream(*stream)));
  auto after = device.memory_info();
  if (before && after && before->total == after->total) {
    // All is given again: as much as there was fits.
    assert_true(fine(device.set_limit(page)));
    faults::disarm();
    auto all = device.allocate(page);
    assert_true(fine(all) && fine(device.free(*all)));
  }
  return whole;
}

void each_call_and_allocation_fails_once(void **) {
  faults::install();
  assert_true(everything());
  for (const int error : {ENOMEM, EMFILE, EPERM, EINVAL}) {
    for (long nth = 1;; ++nth) {
      const int descriptors = count_directory("/proc/self/fd", "");
      faults::arm(nth, error);
      static_cast<void>(everything());
      const std::string failed = faults::failed();
      faults::disarm();
      if (count_directory("/proc/self/fd", "") != descriptors) fail_msg("descriptors are left after %s failed", failed.c_str());
      if (failed.empty()) {
        assert_true(nth > 15);
        break;
      }
      if (!everything()) fail_msg("nothing works any more after %s failed", failed.c_str());
    }
  }
}

int no_thread(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) { return EAGAIN; }

// Work that needs a thread and gets none is not queued, nothing else is held up, and the next try may have one.
void threads_fail_to_start(void **) {
  auto device = HostDevice::make(0);
  assert_true(fine(device));
  auto stream = device->create_stream();
  auto event = device->create_event();
  assert_true(fine(stream) && fine(event));
  std::uint8_t byte = 0;
  const auto here = reinterpret_cast<Address>(&byte);
  {
    Gate gate(*device, *stream);
    assert_true(fine(device->record(*event, *stream)));
    const auto real = shmalloc::os::calls.thread_create;
    shmalloc::os::calls.thread_create = no_thread;
    assert_true(fails(device->wait(0, *event), SHMALLOC_STATUS_NO_MEMORY));
    assert_true(fails(device->call(
                          0, [](void *) {}, nullptr),
                      SHMALLOC_STATUS_NO_MEMORY));
    assert_true(fails(device->create_stream(), SHMALLOC_STATUS_NO_MEMORY));
    assert_true(fine(device->fill(here, 4, 1, 0)) && fine(device->synchronize_stream(0)));
    assert_int_equal(byte, 4);
    shmalloc::os::calls.thread_create = real;
    assert_true(fine(device->wait(0, *event)) && fine(device->fill(here, 5, 1, 0)));
    auto another = device->create_stream();
    assert_true(fine(another) && fine(device->destroy_stream(*another)));
  }
  assert_true(fine(device->synchronize()));
  assert_int_equal(byte, 5);
}

}  // namespace

int main() {
  shmalloc::os::pages_report();  // Chosen once a process, whatever fails then.
  const CMUnitTest tests[] = {
      cmocka_unit_test(each_call_and_allocation_fails_once),
      cmocka_unit_test(threads_fail_to_start),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
