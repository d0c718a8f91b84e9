// Custom devices: which tables are taken, and what the answers of their functions mean.
#include "custom_forward.hpp"
#include "custom_toy.hpp"

namespace {

using namespace conformance;

// ---- tables ----

void wrong_fields_are_refused(void **) {
  Toy toy;
  const auto with = [&](auto change) {
    shmalloc_backend table = toy_table();
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
    shmalloc_backend table = toy_table();                                     \
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
  table.allocate = toy_table().allocate;
  table.deallocate = toy_table().deallocate;
  table.event_query = toy_table().event_query;
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
  shmalloc_backend table = toy_table();
  table.name = name;
  auto device = device_of(toy, table);
  memset(name, 'x', 5);
  memset(static_cast<void *>(&table), 0, sizeof table);
  assert_true(fine(device) && fine(device->allocate(8)));
  assert_string_equal(device->describe().name.c_str(), "a name");
  assert_true(device->describe().total == 9 && device->describe().streams && device->describe().captures && device->calls());
}

// ---- answers ----

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
  shmalloc_backend silent = toy_table();
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

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(wrong_fields_are_refused),    cmocka_unit_test(the_missing_function_is_named),
      cmocka_unit_test(the_table_is_copied),         cmocka_unit_test(answers_come_out),
      cmocka_unit_test(memory_info_must_make_sense), cmocka_unit_test(numbers_that_can_not_be),
      cmocka_unit_test(numbers_that_are_not_there),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
