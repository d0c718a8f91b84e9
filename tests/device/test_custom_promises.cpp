// What only custom devices promise: which tables are taken, what answers mean, what is done where there is no function, and who ends it.
#include <pthread.h>

#include "base/fork.hpp"
#include "base/handle.hpp"
#include "custom_forward.hpp"
#include "custom_toy.hpp"

namespace {

using namespace conformance;

Result<CustomDevice> device_of(Toy &toy, const shmalloc_backend &table = Toy::table()) {
  return CustomDevice::make(table, &toy, Toy::end);
}

// Whether it fails so, and says all of this.
template <class T>
bool says(const Result<T> &result, Status status, std::initializer_list<const char *> words) {
  if (!fails(result, status)) return false;
  for (const char *word : words) {
    if (strstr(result.error().message, word) != nullptr) continue;
    print_message("# \"%s\" does not say \"%s\"\n", result.error().message, word);
    return false;
  }
  return true;
}

// ---- tables ----

void wrong_fields_are_refused(void **) {
  Toy toy;
  const auto with = [&](auto change) {
    shmalloc_backend table = Toy::table();
    change(table);
    return device_of(toy, table);
  };
  const std::string longest(63, 'n');
  const std::string too_long(64, 'n');
  assert_true(says(with([](auto &table) { table.name = nullptr; }), SHMALLOC_STATUS_INVALID, {"name"}));
  assert_true(says(with([](auto &table) { table.name = ""; }), SHMALLOC_STATUS_INVALID, {"name"}));
  assert_true(says(with([&](auto &table) { table.name = too_long.c_str(); }), SHMALLOC_STATUS_INVALID, {"name", "63"}));
  assert_true(says(with([](auto &table) { table.alignment = 24; }), SHMALLOC_STATUS_INVALID, {"alignment", "24"}));
  assert_true(says(with([](auto &table) { table.page_size = 100; }), SHMALLOC_STATUS_INVALID, {"page_size", "100"}));
  assert_true(says(with([](auto &table) { table.page_size = 0; }), SHMALLOC_STATUS_INVALID, {"page_size"}));
  assert_true(says(with([](auto &table) { table.reserved = 1; }), SHMALLOC_STATUS_INVALID, {"reserved"}));
  for (const std::uint32_t bits : {std::uint32_t{SHMALLOC_CAPABILITY_STREAMS}, std::uint32_t{1} << 31}) {
    assert_true(says(with([&](auto &table) { table.capabilities = bits; }), SHMALLOC_STATUS_UNSUPPORTED, {"capabilities"}));
  }
  assert_true(says(with([](auto &table) {
                     const std::uint64_t page = table.page_size;
                     forward::without_virtual_memory(&table);
                     table.page_size = page;
                   }),
                   SHMALLOC_STATUS_INVALID, {"page_size"}));
  assert_int_equal(toy.calls.load(), 0);
  {
    auto device = with([&](auto &table) { table.name = longest.c_str(); });
    assert_true(fine(device));
    assert_string_equal(device->describe().name.c_str(), longest.c_str());
  }
  assert_int_equal(toy.ends.load(), 1);
  auto device = with([](auto &table) { table.alignment = 0; });
  assert_true(fine(device) && device->describe().alignment == 16);
}

void the_missing_function_is_named(void **) {
  Toy toy;
#define WITHOUT(function)                                                     \
  [&] {                                                                       \
    shmalloc_backend table = Toy::table();                                    \
    table.function = nullptr;                                                 \
    return says(device_of(toy, table), SHMALLOC_STATUS_INVALID, {#function}); \
  }()
  assert_true(WITHOUT(allocate) && WITHOUT(deallocate));
  assert_true(WITHOUT(stream_create) && WITHOUT(stream_destroy) && WITHOUT(stream_synchronize) && WITHOUT(stream_wait));
  assert_true(WITHOUT(event_create) && WITHOUT(event_destroy) && WITHOUT(event_record) && WITHOUT(event_query));
  assert_true(WITHOUT(event_synchronize));
  assert_true(WITHOUT(virtual_reserve) && WITHOUT(virtual_unreserve) && WITHOUT(virtual_create) && WITHOUT(virtual_destroy));
  assert_true(WITHOUT(virtual_map) && WITHOUT(virtual_unmap) && WITHOUT(virtual_access));
#undef WITHOUT
  assert_true(toy.calls.load() == 0 && toy.ends.load() == 0);
  // One of a group alone.
  shmalloc_backend table = SHMALLOC_INIT(shmalloc_backend);
  table.name = "least";
  table.allocate = Toy::table().allocate;
  table.deallocate = Toy::table().deallocate;
  table.event_query = Toy::table().event_query;
  assert_true(says(device_of(toy, table), SHMALLOC_STATUS_INVALID, {"has event_query", "streams and events"}));
  table.event_query = nullptr;
  auto least = device_of(toy, table);
  assert_true(fine(least));
  const Description description = least->describe();
  assert_true(!description.host_access && !description.streams && !description.peers && !description.captures &&
              description.page == 0);
  assert_true(!least->calls());
}

void the_table_is_copied(void **) {
  Toy toy;
  char name[] = "a\nname";
  shmalloc_backend table = Toy::table();
  table.name = name;
  auto device = device_of(toy, table);
  memset(name, 'x', 5);
  memset(static_cast<void *>(&table), 0, sizeof table);
  assert_true(fine(device) && fine(device->allocate(8)));
  assert_string_equal(device->describe().name.c_str(), "a name");
  assert_true(device->describe().total == 9 && device->describe().streams && device->describe().captures && device->calls());
}

// ---- answers ----

struct Things {
  explicit Things(CustomDevice &device)
      : block(*device.allocate(100)),
        range(*device.reserve(65536)),
        memory(*device.create(65536)),
        stream(*device.create_stream()),
        event(*device.create_event()) {}
  Address block;
  Address range;
  Physical memory;
  Stream stream;
  Event event;
};

// What a function answers comes out as it is meant, with its name, and leaves everything as it was.
void answers_come_out(void **) {
  Toy toy;
  auto made = device_of(toy);
  assert_true(fine(made));
  CustomDevice &device = *made;
  Things things(device);
  Toy other;
  auto peer = device_of(other);
  assert_true(fine(peer));
  const auto each_call = [&](const char *function, auto call) {
    const long out = toy.out.load();
    toy.failing = function;
    for (std::int32_t code = SHMALLOC_STATUS_INVALID; code >= SHMALLOC_STATUS_INTERNAL; --code) {
      toy.code = code;
      const auto result = call();
      assert_true(says(result, static_cast<Status>(code), {"\"toy\"", function, status_name(code)}));
      assert_int_equal(result.error().backend_error, 0);
    }
    for (const std::int32_t code : {1, 700, INT32_MAX, SHMALLOC_STATUS_INTERNAL - 1, INT32_MIN}) {
      toy.code = code;
      const auto result = call();
      assert_true(says(result, SHMALLOC_STATUS_BACKEND, {"\"toy\"", function, std::to_string(code).c_str()}));
      assert_int_equal(result.error().backend_error, code);
    }
    toy.failing = "";
    assert_int_equal(toy.out.load(), out);
  };
  each_call("allocate", [&] { return device.allocate(1); });
  each_call("deallocate", [&] { return device.free(things.block); });
  each_call("memory_info", [&] { return device.memory_info(); });
  each_call("copy", [&] { return device.copy(things.block, things.block + 50, 50, 0); });
  each_call("fill", [&] { return device.fill(things.block, 1, 50, 0); });
  each_call("call", [&] {
    return device.call(
        0, [](void *) {}, nullptr);
  });
  each_call("synchronize", [&] { return device.synchronize(); });
  each_call("stream_create", [&] { return device.create_stream(); });
  each_call("stream_destroy", [&] { return device.destroy_stream(things.stream); });
  each_call("stream_synchronize", [&] { return device.synchronize_stream(things.stream); });
  each_call("stream_wait", [&] { return device.wait(things.stream, things.event); });
  each_call("stream_capturing", [&] { return device.capturing(things.stream); });
  each_call("event_create", [&] { return device.create_event(); });
  each_call("event_destroy", [&] { return device.destroy_event(things.event); });
  each_call("event_record", [&] { return device.record(things.event, 0); });
  each_call("event_query", [&] { return device.done(things.event); });
  each_call("event_synchronize", [&] { return device.synchronize_event(things.event); });
  each_call("virtual_reserve", [&] { return device.reserve(65536); });
  each_call("virtual_unreserve", [&] { return device.unreserve(things.range, 65536); });
  each_call("virtual_create", [&] { return device.create(65536); });
  each_call("virtual_destroy", [&] { return device.destroy(things.memory); });
  each_call("virtual_map", [&] { return device.map(things.range, 65536, things.memory); });
  each_call("virtual_unmap", [&] { return device.unmap(things.range, 65536); });
  each_call("virtual_access", [&] { return device.set_access(things.range, 65536, Access::read); });
  each_call("enable_peer", [&] { return device.allow_peer(*peer); });
  // All that could not be given back still can.
  assert_true(fine(device.free(things.block)) && toy.size == 100);
  assert_true(fine(device.unreserve(things.range, 65536)) && fine(device.destroy(things.memory)));
  assert_true(fine(device.destroy_stream(things.stream)) && fine(device.destroy_event(things.event)));
  assert_int_equal(toy.out.load(), 0);
  assert_true(fine(device.capturing(0)) && fine(device.fill(65536, 1, 0, 0)) && strcmp(toy.name, "stream_capturing") == 0);
}

// A device that can't say how much it has is none.
void memory_info_must_make_sense(void **) {
  Toy toy;
  toy.failing = "memory_info";
  toy.code = 3;
  assert_true(says(device_of(toy), SHMALLOC_STATUS_BACKEND, {"memory_info", "3"}));
  toy.failing = "";
  toy.total = 0;
  toy.available = 0;
  assert_true(says(device_of(toy), SHMALLOC_STATUS_BACKEND, {"memory_info"}));
  assert_int_equal(toy.ends.load(), 0);
  toy.total = 9;
  auto device = device_of(toy);
  assert_true(fine(device) && fine(device->memory_info()));
  toy.available = 10;
  assert_true(says(device->memory_info(), SHMALLOC_STATUS_BACKEND, {"10 bytes", "9 bytes"}));
  shmalloc_backend silent = Toy::table();
  silent.memory_info = [](std::uint64_t *, std::uint64_t *, void *) { return 0; };
  assert_true(says(device_of(toy, silent), SHMALLOC_STATUS_BACKEND, {"memory_info"}));
  silent.memory_info = nullptr;
  auto unknown = device_of(toy, silent);
  assert_true(fine(unknown) && unknown->describe().total == UINT64_MAX);
  auto info = unknown->memory_info();
  assert_true(fine(info) && info->available == UINT64_MAX && info->total == UINT64_MAX);
}

// What can't be is not passed on, and goes back.
void numbers_that_can_not_be(void **) {
  Toy toy;
  auto made = device_of(toy);
  assert_true(fine(made));
  CustomDevice &device = *made;
  const auto lies = [&](const char *function, std::uint64_t number, auto call, const char *back, const char *word) {
    toy.lying = function;
    toy.lie = number;
    const long out = toy.out.load();
    const bool said = says(call(), SHMALLOC_STATUS_BACKEND, {"\"toy\"", function, word});
    toy.lying = "";
    const bool is_back = strcmp(toy.name, back) == 0 && toy.number == number;
    if (strcmp(back, function) != 0) assert_int_equal(toy.out.load(), out);
    toy.out.store(out);
    return said && is_back;
  };
  const auto allocate = [&] { return device.allocate(100); };
  assert_true(lies("allocate", 4097, allocate, "deallocate", "0x1001, which is no multiple of its alignment") && toy.size == 100);
  assert_true(lies(
      "allocate", ~std::uint64_t{4095}, [&] { return device.allocate(8192); }, "deallocate", "fewer bytes"));
  assert_true(lies("allocate", 0, allocate, "allocate", "0"));
  auto block = device.allocate(8);
  assert_true(fine(block) && lies("allocate", *block, allocate, "allocate", "in use"));
  const auto reserve = [&] { return device.reserve(65536); };
  assert_true(lies("virtual_reserve", 4096, reserve, "virtual_unreserve", "page_size") && toy.size == 65536);
  assert_true(lies("virtual_reserve", 0, reserve, "virtual_reserve", "0"));
  assert_true(lies(
      "virtual_create", 0, [&] { return device.create(65536); }, "virtual_create", "0"));
  const auto create = [&] { return device.create_stream(); };
  assert_true(lies("stream_create", SHMALLOC_STREAM_OWN, create, "stream_destroy", "reserved"));
  assert_true(lies("stream_create", 0xffffffffffffff00, create, "stream_destroy", "reserved"));
  assert_true(lies("stream_create", 0, create, "stream_create", "0"));
  assert_true(lies(
      "event_create", 0, [&] { return device.create_event(); }, "event_create", "0"));
  auto event = device.create_event();
  assert_true(fine(event) && lies(
                                 "event_create", static_cast<std::uint64_t>(*event), [&] { return device.create_event(); },
                                 "event_create", "in use"));
  for (const std::int32_t yes : {2, -1, -2}) {
    toy.yes = yes;
    assert_true(says(device.done(*event), SHMALLOC_STATUS_BACKEND, {"event_query", "neither"}));
    assert_true(says(device.capturing(0), SHMALLOC_STATUS_BACKEND, {"stream_capturing", "neither"}));
  }
  // The first owner still has it.
  assert_true(fine(device.free(*block)) && toy.size == 8 && fine(device.destroy_event(*event)));
  assert_int_equal(toy.out.load(), 0);
}

// What was not made here does not reach the table, but for streams.
void numbers_that_are_not_there(void **) {
  Toy toy;
  auto made = device_of(toy);
  assert_true(fine(made));
  CustomDevice &device = *made;
  Things things(device);
  const long calls = toy.calls.load();
  const Event other{5};
  assert_true(invalid(device.free(things.block + 4096)) && invalid(device.free(0)) && invalid(device.free(things.range)));
  assert_true(invalid(device.done(other)) && invalid(device.record(other, 0)) && invalid(device.wait(0, other)));
  assert_true(invalid(device.synchronize_event(other)) && invalid(device.destroy_event(other)) &&
              invalid(device.done(Event::none)));
  assert_true(invalid(device.destroy_stream(0)) && invalid(device.destroy_stream(5)));
  assert_true(invalid(device.synchronize_stream(SHMALLOC_STREAM_OWN)) && invalid(device.fill(4096, 1, 1, SHMALLOC_STREAM_OWN)));
  assert_true(invalid(device.destroy(Physical{5})) && invalid(device.map(things.range, 65536, Physical{5})));
  assert_true(invalid(device.map(things.range + 65536, 65536, things.memory)) && invalid(device.unmap(things.range, 131072)));
  assert_true(invalid(device.set_access(things.block, 65536, Access::read)) && invalid(device.unreserve(things.range, 131072)));
  assert_true(invalid(device.create(100)) && invalid(device.reserve(0)) && invalid(device.allocate(0)));
  assert_true(invalid(device.copy(0, 1, 1, 0)) && invalid(device.fill(0, 1, 1, 0)) && invalid(device.call(0, nullptr, nullptr)));
  assert_int_equal(toy.calls.load(), calls);
  assert_true(fine(device.fill(4096, 1, 1, 5)) && fine(device.record(things.event, 5)) && fine(device.synchronize_stream(5)));
  assert_true(fine(device.set_access(things.range, 65536, Access::write)) && toy.size == SHMALLOC_ACCESS_WRITE);
  assert_true(fine(device.set_access(things.range, 65536, Access::read)) && toy.size == SHMALLOC_ACCESS_READ);
  assert_true(fine(device.set_access(things.range, 65536, Access::none)) && toy.size == 0);
  // A number that was given back may be given again.
  assert_true(fine(device.destroy_event(things.event)) && invalid(device.done(things.event)));
  toy.lying = "event_create";
  toy.lie = static_cast<std::uint64_t>(things.event);
  auto again = device.create_event();
  assert_true(fine(again) && *again == things.event && fine(device.done(*again)));
}

// ---- what is done where there is no function ----

void without_streams_all_is_done(void **) {
  Toy toy;
  shmalloc_backend table = Toy::table();
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
  shmalloc_backend table = Toy::table();
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
  shmalloc_backend table = Toy::table();
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
  shmalloc_backend table = Toy::table();
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
  assert_true(fine(CustomDevice::make(Toy::table(), &toy, nullptr)));
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
  shmalloc_backend table = Toy::table();
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
    shmalloc_backend without = Toy::table();
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
      cmocka_unit_test(wrong_fields_are_refused),
      cmocka_unit_test(the_missing_function_is_named),
      cmocka_unit_test(the_table_is_copied),
      cmocka_unit_test(answers_come_out),
      cmocka_unit_test(memory_info_must_make_sense),
      cmocka_unit_test(numbers_that_can_not_be),
      cmocka_unit_test(numbers_that_are_not_there),
      cmocka_unit_test(without_streams_all_is_done),
      cmocka_unit_test(work_that_the_table_does_not_do),
      cmocka_unit_test(waiting_without_synchronize),
      cmocka_unit_test(streams_of_others_are_passed_on),
      cmocka_unit_test(peers_have_the_same_function),
      cmocka_unit_test(the_last_copy_ends_the_device),
      cmocka_unit_test(nothing_is_called_in_a_child),
      cmocka_unit_test(nothing_is_called_once_the_process_exits),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
