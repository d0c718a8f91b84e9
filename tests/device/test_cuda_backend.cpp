// The conformance suite on the CUDA backend, and what only this one promises: streams made elsewhere, captures, peers, contexts.
#include "base/handle.hpp"
#include "test_cuda.hpp"

namespace {

using namespace cuda_test;

void keeps_the_rule(void **state) {
  const auto *rule = static_cast<const Rule *>(*state);
  if (const char *wrong = rule->check(); wrong != nullptr) fail_msg("%s", wrong);
  if (sim().mistakes == nullptr) return;
  for (const char *kind : {"race", "use_after_free", "busy_free"}) assert_int_equal(sim().mistakes(kind), 0);
}

void an_index_is_one_device(void **) {
  auto one = open_device();
  auto again = open_device();
  auto block = one.allocate(4096);
  auto stream = one.create_stream();
  assert_true(fine(block) && fine(stream) && fine(again.fill(*block, 1, 4096, *stream)) && fine(again.synchronize()));
  assert_true(fine(again.destroy_stream(*stream)) && fine(again.free(*block)));
  auto count = CudaDevice::count();
  assert_true(fine(count));
  const std::string line = CudaDevice::driver_line();
  assert_true(line.rfind("CUDA driver ", 0) == 0 && line.find(std::to_string(*count) + " device") != std::string::npos);
  assert_true(fails(CudaDevice::open(static_cast<std::uint32_t>(*count)), SHMALLOC_STATUS_NOT_FOUND));
  assert_true(fails(CudaDevice::open(UINT32_MAX), SHMALLOC_STATUS_NOT_FOUND));
  assert_string_equal(one.describe().name.c_str(), again.describe().name.c_str());
  assert_true(one.describe().captures && !one.describe().host_access && one.describe().peers == (*count > 1));
}

// Whatever is current in a thread before, is so after each call.
void contexts_stay_the_callers(void **) {
  auto first = open_device();
  auto second = open_device(last_device());
  CUcontext primary = nullptr;
  CUcontext own = nullptr;
  assert_true(driver_ok(cu.cuDevicePrimaryCtxRetain(&primary, 0)));
  const auto calls = [&](CudaDevice &one) {
    auto block = one.allocate(1 << 20);
    auto stream = one.create_stream();
    auto event = one.create_event();
    assert_true(fine(block) && fine(stream) && fine(event) && fine(one.memory_info()));
    assert_true(fine(one.fill(*block, 1, 1 << 20, *stream)) && fine(one.record(*event, *stream)) && fine(one.done(*event)));
    assert_true(fine(one.wait(0, *event)) && fine(one.synchronize_event(*event)) && fine(one.capturing(*stream)));
    assert_true(fine(one.synchronize_stream(*stream)) && fine(one.synchronize()));
    assert_true(invalid(one.free(*block + 1)) && fails(one.allocate(one.describe().total), SHMALLOC_STATUS_NO_MEMORY));
    assert_true(fine(one.destroy_event(*event)) && fine(one.destroy_stream(*stream)) && fine(one.free(*block)));
  };
  const auto look = [&](const std::vector<CUcontext> &stack) {
    for (const CUcontext one : stack) assert_true(driver_ok(cu.cuCtxPushCurrent(one)));
    const auto before = contexts();
    calls(first);
    calls(second);
    assert_true(contexts() == before);
    CUcontext top = nullptr;
    for (std::size_t i = 0; i < stack.size(); ++i) assert_true(driver_ok(cu.cuCtxPopCurrent(&top)));
  };
  look({});
  look({primary});
  look({primary, primary});
  assert_true(driver_ok(cu.cuCtxCreate(&own, 0, static_cast<CUdevice>(last_device()))) && driver_ok(cu.cuCtxPopCurrent(&own)));
  look({own});
  look({primary, own});
  std::thread([&] { look({own, primary}); }).join();
  assert_true(driver_ok(cu.cuCtxDestroy(own)) && driver_ok(cu.cuDevicePrimaryCtxRelease(0)));
}

// Frameworks make streams by themselves.
void streams_of_others_serve_as_well(void **) {
  Lab<Subject> lab;
  assert_true(static_cast<bool>(lab));
  CudaDevice &one = lab.device();
  CUcontext context = nullptr;
  CUstream theirs = nullptr;
  assert_true(driver_ok(cu.cuDevicePrimaryCtxRetain(&context, 0)) && driver_ok(cu.cuCtxPushCurrent(context)));
  assert_true(driver_ok(cu.cuStreamCreate(&theirs, CU_STREAM_NON_BLOCKING)));
  const Address block = lab.block(4096);
  const Event event = lab.event();
  std::uint8_t value = 1;
  for (const Stream stream : {number_of(theirs), number_of(CU_STREAM_LEGACY), number_of(CU_STREAM_PER_THREAD)}) {
    assert_true(fine(one.fill(block, ++value, 4096, stream)) && fine(one.record(event, stream)) && fine(one.wait(stream, event)));
    auto captured = one.capturing(stream);
    assert_true(fine(captured) && !*captured && fine(one.synchronize_event(event)) && fine(one.synchronize_stream(stream)));
    assert_true(lab.reads(block, 4096, value));
    assert_true(invalid(one.destroy_stream(stream)));
  }
  assert_true(driver_ok(cu.cuStreamDestroy(theirs)));
  assert_true(driver_ok(cu.cuCtxPopCurrent(&context)) && driver_ok(cu.cuDevicePrimaryCtxRelease(0)));
}

// What was destroyed serves again, but not soon, and not while it has work left.
void streams_are_used_again(void **) {
  Lab<Subject> lab;
  assert_true(static_cast<bool>(lab));
  CudaDevice &one = lab.device();
  const auto live = [] { return sim().live == nullptr ? 0 : sim().live("stream"); };
  const auto before = live();
  std::vector<Stream> last;
  for (int i = 0; i < 500; ++i) {
    auto stream = one.create_stream();
    assert_true(fine(stream) && std::find(last.begin(), last.end(), *stream) == last.end());
    last.push_back(*stream);
    if (last.size() > 30) last.erase(last.begin());
    assert_true(fine(one.destroy_stream(*stream)) && invalid(one.destroy_stream(*stream)));
  }
  assert_true(live() <= before + 34);
  auto held = one.create_stream();
  const Event event = lab.event();
  assert_true(fine(held));
  Gate<CudaDevice> gate(one, *held);
  assert_true(gate && fine(one.record(event, *held)) && fine(one.destroy_stream(*held)));
  for (int i = 0; i < 200; ++i) {
    auto stream = one.create_stream();
    assert_true(fine(stream) && *stream != *held && fine(one.destroy_stream(*stream)));
  }
  assert_true(invalid(one.record(event, *held)) && lab.stays_pending(event));
  gate.open();
  assert_true(lab.eventually(event));
}

// All that an allocator does while a capture goes on, in the thread of the capture and in another one.
void captures_are_not_spoiled(void **) {
  Lab<Subject> lab;
  assert_true(static_cast<bool>(lab));
  CudaDevice &one = lab.device();
  const Stream stream = lab.stream();
  const Stream other = lab.stream();
  const Event before = lab.event();
  const Address block = lab.block(4096);
  assert_true(lab && fine(one.record(before, other)));
  CUcontext context = nullptr;
  assert_true(driver_ok(cu.cuDevicePrimaryCtxRetain(&context, 0)) && driver_ok(cu.cuCtxPushCurrent(context)));
  const auto busy_work = [&] {
    const CUstreamCaptureMode mode = capture_mode();
    auto more = one.allocate(1 << 20);
    auto made = one.create_stream();
    auto event = one.create_event();
    assert_true(fine(more) && fine(made) && fine(event) && fine(one.memory_info()) && fine(CudaDevice::open(last_device())));
    assert_true(fine(one.record(*event, *made)) && fine(one.done(*event)) && fine(one.done(before)));
    assert_true(fine(one.synchronize_event(*event)) && fine(one.synchronize_stream(*made)) && fine(one.synchronize_stream(other)));
    auto range = one.reserve(lab.page);
    auto memory = one.create(lab.page);
    assert_true(fine(range) && fine(memory) && fine(one.map(*range, lab.page, *memory)));
    assert_true(fine(one.set_access(*range, lab.page, Access::write)) && fine(one.unmap(*range, lab.page)));
    assert_true(fine(one.destroy(*memory)) && fine(one.unreserve(*range, lab.page)));
    assert_true(fine(one.free(*more)) && fine(one.destroy_event(*event)) && fine(one.destroy_stream(*made)));
    // What the driver would refuse, and spoil the capture for.
    assert_true(fails(one.synchronize_stream(stream), SHMALLOC_STATUS_BUSY) && fails(one.synchronize(), SHMALLOC_STATUS_BUSY));
    auto captured = one.capturing(stream);
    auto not_captured = one.capturing(other);
    assert_true(fine(captured) && *captured && fine(not_captured) && !*not_captured);
    assert_int_equal(capture_mode(), mode);
  };
  for (const CUstreamCaptureMode mode :
       {CU_STREAM_CAPTURE_MODE_GLOBAL, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, CU_STREAM_CAPTURE_MODE_RELAXED}) {
    assert_true(driver_ok(cu.cuStreamBeginCapture(stream_of(stream), mode)));
    busy_work();
    std::thread(busy_work).join();
    const Event inside = lab.event();
    assert_true(lab && fine(one.fill(block, 9, 4096, stream)) && fine(one.record(inside, stream)));
    assert_true(fails(one.done(inside), SHMALLOC_STATUS_BUSY) && fails(one.synchronize_event(inside), SHMALLOC_STATUS_BUSY));
    CUgraph graph = nullptr;
    assert_true(driver_ok(cu.cuStreamEndCapture(stream_of(stream), &graph)));
    assert_true(driver_ok(cu.cuGraphDestroy(graph)));
  }
  // A blocking stream's capture has the default stream count as captured.
  CUstream blocking = nullptr;
  assert_true(driver_ok(cu.cuStreamCreate(&blocking, CU_STREAM_DEFAULT)));
  assert_true(driver_ok(cu.cuStreamBeginCapture(blocking, CU_STREAM_CAPTURE_MODE_GLOBAL)));
  auto by_default = one.capturing(0);
  assert_true(fine(by_default) && *by_default && fails(one.synchronize(), SHMALLOC_STATUS_BUSY));
  CUgraph graph = nullptr;
  assert_true(driver_ok(cu.cuStreamEndCapture(blocking, &graph)) && driver_ok(cu.cuGraphDestroy(graph)));
  assert_true(driver_ok(cu.cuStreamDestroy(blocking)));
  assert_true(driver_ok(cu.cuCtxPopCurrent(&context)) && driver_ok(cu.cuDevicePrimaryCtxRelease(0)));
  assert_true(fine(one.synchronize()));
}

// Fills by the peer's stream need access, unlike copies. What is mapped before and after is the peer's as well.
void a_peer_is_let_in(void **) {
  if (last_device() == 0) skip();
  Lab<Subject> lab(1);
  Lab<Subject> peer(0);
  assert_true(lab && peer);
  CudaDevice &one = lab.device();
  const Address block = lab.block(4096);
  const std::size_t page = lab.page;
  Range<Subject> range(lab, 4, 3);
  assert_true(range && range.map(0, range.memory[0]) && range.map(1, range.memory[1], Access::none));
  assert_true(invalid(peer.device().fill(block, 1, 4096, 0)) && invalid(peer.device().fill(range.at(0), 1, page, 0)));
  if (sim().configure != nullptr) {
    // What fails at the end takes back what was done before.
    assert_int_equal(sim().configure("fail=cuCtxEnablePeerAccess:1:999"), 0);
    assert_true(fails(one.allow_peer(peer.device()), SHMALLOC_STATUS_BACKEND));
    assert_true(invalid(peer.device().fill(range.at(0), 1, page, 0)) && lab.fills(range.at(0), page, 1));
  }
  assert_true(fine(one.allow_peer(one)) && fine(one.allow_peer(peer.device())) && fine(one.allow_peer(peer.device())));
  const Address later = lab.block(4096);
  assert_true(range.map(2, range.memory[2]));
  assert_true(peer.fills(block, 4096, 2) && lab.reads(block, 4096, 2));
  assert_true(peer.fills(later, 4096, 3) && lab.reads(later, 4096, 3));
  assert_true(peer.fills(range.at(0), page, 4) && lab.reads(range.at(0), page, 4));
  assert_true(peer.fills(range.at(2), page, 5) && lab.reads(range.at(2), page, 5));
  assert_true(invalid(peer.device().fill(range.at(1), 1, page, 0)));
  assert_true(fine(one.set_access(range.at(1), page, Access::write)) && peer.fills(range.at(0), 3 * page, 6));
  assert_true(fine(one.set_access(range.at(0), page, Access::none)) && invalid(peer.device().fill(range.at(0), 1, page, 0)));
}

void an_event_orders_streams_of_two_devices(void **) {
  if (last_device() == 0) skip();
  Lab<Subject> one(0);
  Lab<Subject> other(1);
  const Event event = one.event();
  const Event mark = other.event();
  const Stream here = one.stream();
  const Stream there = other.stream();
  assert_true(one && other);
  Gate<CudaDevice> gate(one.device(), here);
  assert_true(gate && fine(one.device().record(event, here)) && fine(one.device().wait(there, event)));
  assert_true(fine(other.device().record(mark, there)) && other.stays_pending(mark));
  gate.open();
  assert_true(other.eventually(mark));
  assert_true(invalid(other.device().record(mark, here)));
}

// The driver may be gone by then.
void nothing_is_given_back_after_exit_has_begun(void **) {
  if (sim().calls == nullptr) skip();
  auto one = open_device();
  const std::size_t page = one.describe().page;
  auto block = one.allocate(4096);
  auto event = one.create_event();
  auto stream = one.create_stream();
  auto range = one.reserve(page);
  auto memory = one.create(page);
  assert_true(fine(block) && fine(event) && fine(stream) && fine(range) && fine(memory) && fine(one.map(*range, page, *memory)));
  const auto calls = sim().calls(nullptr);
  exiting.store(true);
  const bool over = fine(one.destroy_stream(*stream)) && fine(one.free(*block)) && fine(one.destroy_event(*event)) &&
                    fine(one.unmap(*range, page)) && fine(one.destroy(*memory)) && fine(one.unreserve(*range, page));
  exiting.store(false);
  assert_true(over);
  assert_int_equal(sim().calls(nullptr), calls);
  // And where the driver says so before we know.
  assert_int_equal(sim().configure("fail=cuMemFree:1:4"), 0);
  assert_true(fine(one.free(*block)));
  sim().reset();
  assert_true(fine(one.destroy_event(*event)) && fine(one.unmap(*range, page)) && fine(one.destroy(*memory)));
  assert_true(fine(one.unreserve(*range, page)) && fine(one.free(*block)));
}

void descriptors_are_kept_from_programs(void **) {
  auto one = open_device();
  const std::size_t page = one.describe().page;
  auto memory = one.create(page);
  assert_true(fine(memory));
  auto fd = one.export_memory(*memory);
  assert_true(fine(fd) && (fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
  assert_true(fine(one.destroy(*memory)));
  // What is on its way keeps the memory.
  auto imported = one.import_memory(fd->get(), page);
  assert_true(fine(imported) && fine(one.destroy(*imported)));
}

// An error that came of earlier work is told by whatever call comes next, with the driver's name for it.
void lasting_errors_are_told(void **) {
  if (sim().configure == nullptr) skip();
  auto one = open_device();
  auto event = one.create_event();
  auto block = one.allocate(4096);
  auto stream = one.create_stream();
  assert_true(fine(event) && fine(block) && fine(stream));
  assert_int_equal(sim().configure("fail=cuEventQuery:1:700"), 0);
  const auto told = [](const auto &result) {
    return !result && result.error().status == SHMALLOC_STATUS_BACKEND && result.error().backend_error == 700 &&
           strstr(result.error().message, "CUDA_ERROR_ILLEGAL_ADDRESS (700)") != nullptr;
  };
  assert_true(told(one.done(*event)) && told(one.done(*event)) && told(one.allocate(1)) && told(one.free(*block)));
  assert_true(told(one.fill(*block, 1, 1, 0)) && told(one.synchronize()) && told(one.memory_info()) && told(one.create_stream()));
  assert_true(fine(one.destroy_stream(*stream)));
  sim().reset();
  assert_true(fine(one.destroy_event(*event)) && fine(one.free(*block)));
}

int nothing_is_left(void **) {
  if (sim().live == nullptr) return 0;
  for (const char *kind : {"event", "memory", "reservation", "physical", "graph"}) {
    if (sim().live(kind) != 0) return print_message("# %llu of kind %s are left\n", sim().live(kind), kind), -1;
  }
  return 0;
}

}  // namespace

int main() {
  std::vector<CMUnitTest> tests;
  for (const Rule &rule : kRules<Subject>) {
    tests.push_back({rule.name, keeps_the_rule, nullptr, nothing_is_left, const_cast<Rule *>(&rule)});
  }
  for (const CMUnitTest &test :
       {CMUnitTest cmocka_unit_test(an_index_is_one_device), CMUnitTest cmocka_unit_test(contexts_stay_the_callers),
        CMUnitTest cmocka_unit_test(streams_of_others_serve_as_well), CMUnitTest cmocka_unit_test(streams_are_used_again),
        CMUnitTest cmocka_unit_test(captures_are_not_spoiled), CMUnitTest cmocka_unit_test(a_peer_is_let_in),
        CMUnitTest cmocka_unit_test(an_event_orders_streams_of_two_devices),
        CMUnitTest cmocka_unit_test(nothing_is_given_back_after_exit_has_begun),
        CMUnitTest cmocka_unit_test(descriptors_are_kept_from_programs), CMUnitTest cmocka_unit_test(lasting_errors_are_told)}) {
    tests.push_back(test);
    tests.back().teardown_func = nothing_is_left;
  }
  return _cmocka_run_group_tests("cuda", tests.data(), tests.size(), nullptr, nullptr);
}
