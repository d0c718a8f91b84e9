// Each allocation of a custom device fails once: what fails says so, changes nothing and leaves nothing, and the same works right after.
#include "custom_forward.hpp"
#include "custom_toy.hpp"
#include "faults.hpp"

namespace {

using namespace conformance;

// Makes and ends one of everything; goes on as far as it comes.
void everything(Toy &toy, const shmalloc_backend &table) {
  auto made = CustomDevice::make(table, &toy, Toy::end);
  if (!made) {
    assert_int_equal(made.error().status, SHMALLOC_STATUS_NO_MEMORY);
    return;
  }
  CustomDevice &device = *made;
  const auto good = [](const auto &result) {
    if (!result && (result.error().status != SHMALLOC_STATUS_NO_MEMORY || result.error().message[0] == 0))
      fail_msg("a failure lies");
    return static_cast<bool>(result);
  };
  // What can't be given back at first can be then.
  const auto surely = [&](auto give_back) {
    if (!good(give_back())) assert_true(fine(give_back()));
  };
  auto block = device.allocate(100);
  auto range = device.reserve(65536);
  auto memory = device.create(65536);
  auto one = device.create_stream();
  auto other = device.create_stream();
  auto event = device.create_event();
  if (good(range) && good(memory)) assert_true(fine(device.map(*range, 65536, *memory)) && fine(device.unmap(*range, 65536)));
  if (good(one) && good(event)) assert_true(fine(device.record(*event, *one)) && fine(device.wait(0, *event)));
  static_cast<void>(good(device.synchronize()));
  if (good(one)) surely([&] { return device.destroy_stream(*one); });
  static_cast<void>(good(device.synchronize()));
  if (good(other)) surely([&] { return device.destroy_stream(*other); });
  if (good(event)) surely([&] { return device.destroy_event(*event); });
  if (good(memory)) surely([&] { return device.destroy(*memory); });
  if (good(range)) surely([&] { return device.unreserve(*range, 65536); });
  if (good(block)) surely([&] { return device.free(*block); });
}

void each_allocation_fails_once(void **) {
  faults::install();
  for (const bool with_synchronize : {true, false}) {
    shmalloc_backend table = toy_table();
    if (!with_synchronize) table.synchronize = nullptr;
    for (long nth = 1;; ++nth) {
      Toy toy;
      toy.yes = 0;  // Events are not done before they are waited for.
      faults::arm(nth, ENOMEM);
      everything(toy, table);
      const bool reached = faults::failed()[0] != 0;
      faults::disarm();
      if (toy.out.load() != 0) fail_msg("%ld are left after allocation %ld failed", toy.out.load(), nth);
      assert_int_equal(toy.ends.load(), nth == 1 ? 0 : 1);
      if (!reached) {
        assert_true(nth > (with_synchronize ? 7 : 12));
        break;
      }
    }
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {cmocka_unit_test(each_allocation_fails_once)};
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
