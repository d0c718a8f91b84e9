// Each call of the driver fails once, in a scenario that uses all of them: what fails says so and changes nothing, the same works right
// after, nothing is left, and the caller's context and capture mode are what they were. Each run is a process of its own, for a driver
// is begun once.
#include "test_cuda.hpp"

namespace {

using namespace cuda_test;

[[noreturn]] void wrong(const char *what) {
  fprintf(stderr, "# %s\n", what);
  _exit(1);
}

int injected_code = 0;

// What the driver holds for us.
std::uint64_t held() {
  std::uint64_t all = 0;
  for (const char *kind : {"context", "stream", "event", "memory", "reservation", "physical"}) all = all * 1000 + sim().live(kind);
  return all;
}

// A call that must work at once or, if it was made to fail, say why, change nothing, and work then.
template <class Call>
auto sure(const char *what, Call &&call) {
  const auto before = held();
  const auto faults = sim().injected();
  auto result = call();
  const bool failed_here = sim().injected() != faults;
  if (result) return result;
  const Error &error = result.error();
  if (!failed_here || error.message[0] == 0 || (error.backend_error != injected_code && error.backend_error != 0)) {
    fprintf(stderr, "# %s: %s: %s\n", what, status_name(error.status), error.message);
    wrong("a failure without a fault, or one that does not tell it");
  }
  const int status = error.status;
  const bool expected = injected_code == 2 ? status == SHMALLOC_STATUS_NO_MEMORY
                                           : status == SHMALLOC_STATUS_BACKEND || status == SHMALLOC_STATUS_UNSUPPORTED;
  if (!expected) wrong(status_name(status));
  if (held() != before) wrong("a call that failed left something");
  auto again = call();
  if (!again) wrong(again.error().message);
  return again;
}
#define SURE(...) sure(#__VA_ARGS__, [&] { return __VA_ARGS__; })
#define DO(...) static_cast<void>(SURE(__VA_ARGS__))

void everything() {
  DO(CudaDevice::count());
  auto first = SURE(CudaDevice::open(0));
  auto second = SURE(CudaDevice::open(1));
  CUcontext own = nullptr;
  CUcontext now = nullptr;
  // A caller with a context of its own current, so that ours is pushed and popped.
  if (!driver_ok(cu.cuCtxCreate(&own, 0, 1))) wrong("no context");
  CudaDevice &one = *first;
  const std::size_t page = one.describe().page;
  std::uint8_t bytes[64] = {};
  const auto here = reinterpret_cast<Address>(bytes);
  DO(one.memory_info());
  auto block = SURE(one.allocate(4096));
  auto stream = SURE(one.create_stream());
  auto event = SURE(one.create_event());
  DO(one.fill(*block, 7, 4096, *stream));
  DO(one.copy(here, *block, sizeof bytes, *stream));
  DO(one.call(
      *stream, [](void *) {}, nullptr));
  DO(one.record(*event, *stream));
  DO(one.wait(0, *event));
  DO(one.synchronize_event(*event));
  DO(one.done(*event));
  DO(one.capturing(*stream));
  DO(one.synchronize_stream(*stream));
  DO(one.synchronize());
  if (bytes[63] != 7) wrong("the work was not done");
  auto range = SURE(one.reserve(2 * page));
  auto memory = SURE(one.create(page));
  DO(one.map(*range, page, *memory));
  DO(one.set_access(*range, page, Access::write));
  auto fd = SURE(one.export_memory(*memory));
  auto imported = SURE(one.import_memory(fd->get(), page));
  DO(one.map(*range + page, page, *imported));
  DO(one.set_access(*range + page, page, Access::read));
  DO(one.allow_peer(*second));
  DO(one.unmap(*range, 2 * page));
  DO(one.destroy(*imported));
  DO(one.destroy(*memory));
  DO(one.unreserve(*range, 2 * page));
  DO(one.destroy_event(*event));
  DO(one.destroy_stream(*stream));
  DO(one.free(*block));
  // Streams that serve again.
  for (int i = 0; i < 40; ++i) {
    auto made = SURE(one.create_stream());
    DO(one.destroy_stream(*made));
  }
  if (sim().configure("fail=") != 0) wrong("no end to the faults");
  if (contexts() != std::vector<CUcontext>{own}) wrong("the caller's contexts are not what they were");
  if (capture_mode() != CU_STREAM_CAPTURE_MODE_GLOBAL) wrong("the capture mode is not what it was");
  if (!driver_ok(cu.cuCtxPopCurrent(&now)) || !driver_ok(cu.cuCtxDestroy(own))) wrong("no context of its own any more");
  for (const char *kind : {"event", "memory", "reservation", "physical"}) {
    if (sim().live(kind) != 0) wrong(kind);
  }
  if (sim().live("context") != 2 || sim().live("stream") > 34) wrong("contexts or streams are lost");
  if (sim().mistakes(nullptr) != 0) wrong("the simulator saw a mistake");
}

constexpr const char *kFunctions[] = {
#define X(name, symbol, version, needed, ...) #symbol,
#include "device/cuda/driver_entries.inc"
#undef X
};
// What no call goes on after: the name of an error is told without it.
bool is_asked_only_for_names(const char *function) { return strcmp(function, "cuGetErrorName") == 0; }

// 0: it failed and all went well; 2: there were not so many calls.
int run(const char *function, int nth, int code) {
  fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    char options[100];
    snprintf(options, sizeof options, "fail=%s:%d:%d", function, nth, code);
    setenv("SHMALLOC_SIM_OPTIONS", options, 1);
    injected_code = code;
    everything();
    _exit(sim().injected() == 0 ? 2 : 0);
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void each_call_fails_once(void **) {
  for (const char *function : kFunctions) {
    for (const int code : {999, 2}) {
      int nth = 1;
      for (int ended = 0; ended != 2; ++nth) {
        ended = run(function, nth, code);
        if (ended != 0 && ended != 2) fail_msg("the run where call %d of %s gives %d ended with %d", nth, function, code, ended);
      }
      // Each function is called at all, or this looks at nothing.
      if (nth <= 2 && !is_asked_only_for_names(function)) fail_msg("%s is not called", function);
    }
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {cmocka_unit_test(each_call_fails_once)};
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
