// What is said at exit.
#include <fcntl.h>

#include <string>

#include "support.hpp"

namespace {

struct Said {
  int status;
  std::string text;
};

// How a process ends, and what it says on stderr.
template <class Body>
Said listen(const char *options, Body &&body) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  const pid_t child = start(options, [&] {
    dup2(ends[1], STDERR_FILENO);
    body();
  });
  close(ends[1]);
  Said said{};
  char part[512];
  for (ssize_t got = 0; (got = read(ends[0], part, sizeof part)) > 0;) said.text.append(part, static_cast<std::size_t>(got));
  close(ends[0]);
  said.status = end_of(child);
  return said;
}

bool has(const Said &said, const char *words) { return said.text.find(words) != std::string::npos; }

void who_gives_all_back_hears_nothing(void **) {
  const Said said = listen("strict=1", [] {
    use();
    const CUdeviceptr address = allocate(4096);
    const CUstream stream = new_stream();
    const CUevent event = recorded(stream);
    OK(cu.cuEventDestroy(event));
    OK(cu.cuStreamDestroy(stream));
    OK(cu.cuMemFree(address));
    SO(sim.live("context") == 1);
    OK(cu.cuDevicePrimaryCtxRelease(0));
    SO(sim.live(nullptr) == 0);
  });
  assert_int_equal(said.status, 0);
  assert_string_equal(said.text.c_str(), "");
}

void what_is_left_is_told(void **) {
  const Said said = listen("report=1", [] {
    use();
    allocate(4096);
    allocate(8192);
    new_stream();
  });
  assert_int_equal(said.status, 0);
  assert_true(has(said, "not given back: 2 of kind memory"));
  assert_true(has(said, "8192 bytes, device 0"));
  assert_true(has(said, "not given back: 1 of kind stream"));
  assert_true(has(said, "not given back: 1 of kind context"));
}

void nothing_is_told_unasked(void **) {
  const Said said = listen("", [] {
    use();
    allocate(4096);
  });
  assert_int_equal(said.status, 0);
  assert_string_equal(said.text.c_str(), "");
}

void a_strict_run_fails(void **) {
  const Said leak = listen("strict=1", [] { use(); });
  assert_int_equal(WEXITSTATUS(leak.status), 86);
  const Said mistake = listen("strict=1", [] {
    use();
    const CUdeviceptr address = allocate(4096);
    OK(cu.cuMemFree(address));
    GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemFree(address));
    OK(cu.cuDevicePrimaryCtxRelease(0));
  });
  assert_int_equal(WEXITSTATUS(mistake.status), 86);
  assert_true(has(mistake, "1 mistakes of kind bad_handle"));
}

// The end of a context is the end of what it had, but not of memory without addresses, which belongs to no context.
void a_context_takes_its_things_along(void **) {
  const Said said = listen("strict=1", [] {
    CUdeviceptr address = 0;
    use();
    allocate(4096);
    new_stream();
    recorded(nullptr);
    OK(cu.cuMemAddressReserve(&address, 2 << 20, 0, 0, 0));
    OK(cu.cuDevicePrimaryCtxRelease(0));
    SO(sim.used(0) == 0);
    SO(sim.live(nullptr) == 1 && sim.live("reservation") == 1);
    SO(sim.report() == 1);
    OK(cu.cuMemAddressFree(address, 2 << 20));
  });
  assert_int_equal(said.status, 0);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(who_gives_all_back_hears_nothing), cmocka_unit_test(what_is_left_is_told),
      cmocka_unit_test(nothing_is_told_unasked),          cmocka_unit_test(a_strict_run_fails),
      cmocka_unit_test(a_context_takes_its_things_along),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
