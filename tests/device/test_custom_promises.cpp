// Custom devices: what is done where the table has no function, who ends a device, and when nothing of it is called any more.
#include <pthread.h>

#include "base/fork.hpp"
#include "base/handle.hpp"
#include "custom_forward.hpp"
#include "custom_toy.hpp"

namespace {

using namespace conformance;

// ---- what is done where there is no function ----

void without_streams_all_is_done(void **) {
  Toy toy;
  shmalloc_backend table = toy_table();
  forward::without_streams(&table);
  table.synchronize = nullptr;
  table.stream_capturing = nullptr;
  auto made = device_of(toy, table);
  assert_true(fine(made) && !made->describe().streams && !made->describe().captures);
  CustomDevice &device = *made;
  const long calls = toy.calls.load();
  assert_true(says(device.create_stream(), SHMALLOC_STATUS_UNSUPPORTED, {"\"toy\"", "stream_create"}));
  auto one = device.create_event();
  auto other = device.create_event();
  assert_true(fine(one) && fine(other) && *one != *other);
  assert_true(fine(device.record(*one, 0)) && fine(device.wait(0, *one)) && fine(device.synchronize_event(*one)));
  auto done = device.done(*one);
  auto captured = device.capturing(0);
  assert_true(fine(done) && *done && fine(captured) && !*captured);
  assert_true(fine(device.synchronize()) && fine(device.synchronize_stream(0)));
  for (const Stream bad : {Stream{1}, Stream{SHMALLOC_STREAM_OWN}}) {
    assert_true(invalid(device.record(*one, bad)) && invalid(device.wait(bad, *one)) && invalid(device.synchronize_stream(bad)));
    assert_true(invalid(device.fill(4096, 1, 1, bad)) && invalid(device.copy(4096, 1, 1, bad)) && invalid(device.capturing(bad)));
    assert_true(invalid(device.destroy_stream(bad)));
  }
  assert_true(fine(device.destroy_event(*one)) && invalid(device.done(*one)) && invalid(device.destroy_event(*one)));
  assert_true(fine(device.done(*other)));
  assert_int_equal(toy.calls.load(), calls);
}

void work_that_the_table_does_not_do(void **) {
  Toy toy;
  shmalloc_backend table = toy_table();
  table.copy = nullptr;
  table.fill = nullptr;
  table.call = nullptr;
  table.enable_peer = nullptr;
  std::uint8_t from = 1;
  std::uint8_t to = 2;
  const auto address = [](std::uint8_t *byte) { return reinterpret_cast<Address>(byte); };
  {
    auto device = device_of(toy, table);
    auto peer = device_of(toy, table);
    assert_true(fine(device) && fine(peer));
    const long calls = toy.calls.load();
    assert_true(says(device->copy(address(&to), address(&from), 1, 0), SHMALLOC_STATUS_UNSUPPORTED, {"copy"}));
    assert_true(says(device->fill(address(&to), 3, 1, 0), SHMALLOC_STATUS_UNSUPPORTED, {"fill"}));
    assert_true(says(device->call(
                         0, [](void *) {}, nullptr),
                     SHMALLOC_STATUS_UNSUPPORTED, {"call"}));
    assert_true(says(device->allow_peer(*peer), SHMALLOC_STATUS_UNSUPPORTED, {"enable_peer"}));
    assert_true(!device->calls() && to == 2 && toy.calls.load() == calls);
  }
  table.capabilities = SHMALLOC_CAPABILITY_HOST_ACCESS;
  auto device = device_of(toy, table);
  assert_true(fine(device) && device->describe().host_access);
  // A graph would never do it, and the host at once.
  to = 2;
  toy.captured = 1;
  assert_true(says(device->copy(address(&to), address(&from), 1, 64), SHMALLOC_STATUS_BUSY, {"captured"}));
  assert_true(says(device->fill(address(&to), 5, 1, 64), SHMALLOC_STATUS_BUSY, {"captured"}));
  assert_int_equal(to, 2);
  toy.captured = 0;
  // The host comes after what the stream had to do.
  toy.finished = &from;
  assert_true(fine(device->copy(address(&to), address(&from), 1, 64)));
  assert_true(strcmp(toy.name, "stream_synchronize") == 0 && toy.number == 64);
  assert_int_equal(to, 77);
  toy.finished = &to;
  assert_true(fine(device->fill(address(&to), 5, 1, 0)) && toy.number == 0);
  assert_int_equal(to, 5);
  // .. and not at all if it can't be waited for.
  toy.finished = nullptr;
  toy.failing = "stream_synchronize";
  toy.code = SHMALLOC_STATUS_BUSY;
  assert_true(says(device->fill(address(&to), 6, 1, 0), SHMALLOC_STATUS_BUSY, {"stream_synchronize"}));
  assert_int_equal(to, 5);
}

// The events that stand for streams are given back, whatever fails.
void waiting_without_synchronize(void **) {
  Toy toy;
  shmalloc_backend table = toy_table();
  table.synchronize = nullptr;
  {
    auto made = device_of(toy, table);
    assert_true(fine(made));
    CustomDevice &device = *made;
    auto one = device.create_stream();
    auto other = device.create_stream();
    assert_true(fine(one) && fine(other));
    toy.yes = 1;
    assert_true(says(device.synchronize(), SHMALLOC_STATUS_BUSY, {"captured"}));
    assert_true(says(device.destroy_stream(*one), SHMALLOC_STATUS_BUSY, {"captured"}));
    toy.yes = 0;  // Nothing is captured, and no event is done.
    assert_true(fine(device.synchronize()) && toy.out.load() == 2);
    for (const char *function : {"event_create", "event_record", "event_synchronize", "stream_capturing"}) {
      toy.failing = function;
      toy.code = 8;
      assert_true(says(device.synchronize(), SHMALLOC_STATUS_BACKEND, {function}));
      toy.failing = "";
      assert_int_equal(toy.out.load(), 2);
    }
    for (const char *function : {"event_create", "event_record", "stream_destroy"}) {
      toy.failing = function;
      assert_true(says(device.destroy_stream(*one), SHMALLOC_STATUS_BACKEND, {function}));
      toy.failing = "";
      assert_int_equal(toy.out.load(), 2);
    }
    assert_true(fine(device.destroy_stream(*one)) && invalid(device.destroy_stream(*one)) && toy.out.load() == 2);
    assert_true(fine(device.destroy_stream(*other)) && toy.out.load() == 2);
    // Two streams are gone, and their last events are waited for, until they are done.
    toy.waits = 0;
    assert_true(fine(device.synchronize()) && toy.waits == 3 && toy.out.load() == 2);
    // Those that are done are given back when the next one goes.
    auto third = device.create_stream();
    assert_true(fine(third));
    toy.captured = 0;
    toy.yes = 1;
    assert_true(fine(device.destroy_stream(*third)) && toy.out.load() == 1);
  }
  assert_true(toy.out.load() == 0 && toy.ends.load() == 1);
}

// ---- elsewhere and at the end ----

void streams_of_others_are_passed_on(void **) {
  auto host = HostDevice::make(4);
  assert_true(fine(host));
  forward::Backing backing{*host, "forward"};
  auto device = CustomDevice::make(forward::table(backing), &backing, nullptr);
  assert_true(fine(device));
  auto theirs = host->create_stream();
  auto their_event = host->create_event();
  auto block = device->allocate(4096);
  auto event = device->create_event();
  assert_true(fine(theirs) && fine(their_event) && fine(block) && fine(event));
  {
    const Gate gate(*host, *theirs);
    assert_true(fine(device->fill(*block, 6, 4096, *theirs)) && fine(device->record(*event, *theirs)));
    auto done = device->done(*event);
    assert_true(fine(done) && !*done);
  }
  assert_true(fine(device->synchronize_stream(*theirs)));
  assert_int_equal(*reinterpret_cast<const std::uint8_t *>(*block + 4095), 6);
  assert_true(invalid(device->destroy_stream(*theirs)) && invalid(device->done(*their_event)));
  assert_true(fine(host->destroy_stream(*theirs)));
}

void peers_have_the_same_function(void **) {
  Toy toy;
  Toy other;
  other.total = 4096;
  auto device = device_of(toy);
  auto peer = device_of(other);
  shmalloc_backend table = toy_table();
  table.enable_peer = [](void *, void *) { return 0; };
  auto stranger = device_of(other, table);
  assert_true(fine(device) && fine(peer) && fine(stranger) && device->describe().peers);
  const long calls = toy.calls.load();
  assert_true(says(device->allow_peer(*stranger), SHMALLOC_STATUS_UNSUPPORTED, {"enable_peer"}));
  assert_true(says(stranger->allow_peer(*device), SHMALLOC_STATUS_UNSUPPORTED, {"enable_peer"}));
  assert_true(fine(device->allow_peer(*device)) && toy.calls.load() == calls);
  assert_true(fine(device->allow_peer(*peer)));
  assert_true(strcmp(toy.name, "enable_peer") == 0 && toy.number == 4096);
}

void the_last_copy_ends_the_device(void **) {
  Toy toy;
  {
    auto made = device_of(toy);
    assert_true(fine(made));
    auto copy = std::make_unique<CustomDevice>(*made);
    const CustomDevice moved(std::move(*made));
    copy.reset();
    assert_int_equal(toy.ends.load(), 0);
  }
  assert_int_equal(toy.ends.load(), 1);
  // Nobody has to be told.
  assert_true(fine(CustomDevice::make(toy_table(), &toy, nullptr)));
  std::vector<std::thread> threads;
  {
    auto made = device_of(toy);
    assert_true(fine(made));
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([copy = *made] {
        for (int j = 0; j < 100; ++j) const CustomDevice another(copy);
      });
    }
  }
  for (std::thread &thread : threads) thread.join();
  assert_int_equal(toy.ends.load(), 2);
}

// All its calls, none of which may reach the table.
template <class F>
bool each_call_is(CustomDevice &device, const Things &things, F refused) {
  return refused(device.allocate(1)) && refused(device.free(things.block)) && refused(device.memory_info()) &&
         refused(device.copy(4096, 8192, 1, 0)) && refused(device.fill(4096, 1, 1, 0)) &&
         refused(device.call(
             0, [](void *) {}, nullptr)) &&
         refused(device.synchronize()) && refused(device.create_stream()) && refused(device.destroy_stream(things.stream)) &&
         refused(device.synchronize_stream(things.stream)) && refused(device.capturing(0)) && refused(device.create_event()) &&
         refused(device.destroy_event(things.event)) && refused(device.record(things.event, 0)) &&
         refused(device.done(things.event)) && refused(device.synchronize_event(things.event)) &&
         refused(device.wait(0, things.event)) && refused(device.reserve(65536)) &&
         refused(device.unreserve(things.range, 65536)) && refused(device.create(65536)) &&
         refused(device.destroy(things.memory)) && refused(device.map(things.range, 65536, things.memory)) &&
         refused(device.unmap(things.range, 65536)) && refused(device.set_access(things.range, 65536, Access::read)) &&
         refused(device.allow_peer(device));
}

void nothing_is_called_in_a_child(void **) {
  Toy toy;
  shmalloc_backend table = toy_table();
  {
    shmalloc_backend without = table;
    without.synchronize = nullptr;
    auto made = device_of(toy, without);
    auto whole = device_of(toy);
    assert_true(fine(made) && fine(whole));
    auto device = std::make_unique<CustomDevice>(std::move(*made));
    const Things things(*device);
    // With an event left of a stream that is gone.
    auto gone = device->create_stream();
    toy.yes = 0;
    assert_true(fine(gone) && fine(device->destroy_stream(*gone)));
    const long calls = toy.calls.load();
    const auto refused = [](const auto &result) { return !result && strstr(result.error().message, "fork") != nullptr; };
    IN_CHILD({
      CHILD_CHECK(each_call_is(*device, things, refused));
      CHILD_CHECK(device->describe().name == "toy");
      device.reset();
      CHILD_CHECK(toy.calls.load() == calls && toy.ends.load() == 0);
      // Its own.
      Toy own;
      {
        auto mine = device_of(own);
        CHILD_CHECK(fine(mine) && fine(mine->allocate(5)));
        CHILD_CHECK(refused(mine->allow_peer(*whole)));
      }
      CHILD_CHECK(own.ends.load() == 1);
    });
    assert_true(fine(device->done(things.event)));
  }
  assert_int_equal(toy.ends.load(), 2);
}

void nothing_is_called_once_the_process_exits(void **) {
  Toy toy;
  {
    shmalloc_backend without = toy_table();
    without.synchronize = nullptr;
    auto device = device_of(toy, without);
    assert_true(fine(device));
    const Things things(*device);
    auto gone = device->create_stream();
    toy.yes = 0;
    assert_true(fine(gone) && fine(device->destroy_stream(*gone)));
    const long calls = toy.calls.load();
    shmalloc::exiting.store(true);
    const auto refused = [](const auto &result) { return !result && result.error().status == SHMALLOC_STATUS_BACKEND; };
    assert_true(each_call_is(*device, things, refused));
    assert_true(refused(device_of(toy)));
    assert_int_equal(toy.calls.load(), calls);
  }
  shmalloc::exiting.store(false);
  assert_int_equal(toy.ends.load(), 0);
}

}  // namespace

int main() {
  // As the library does when it is first called.
  pthread_atfork(nullptr, nullptr, [] { shmalloc::forks.fetch_add(1, std::memory_order_relaxed); });
  const CMUnitTest tests[] = {
      cmocka_unit_test(without_streams_all_is_done),  cmocka_unit_test(work_that_the_table_does_not_do),
      cmocka_unit_test(waiting_without_synchronize),  cmocka_unit_test(streams_of_others_are_passed_on),
      cmocka_unit_test(peers_have_the_same_function), cmocka_unit_test(the_last_copy_ends_the_device),
      cmocka_unit_test(nothing_is_called_in_a_child), cmocka_unit_test(nothing_is_called_once_the_process_exits),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
