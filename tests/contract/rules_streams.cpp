// Streams and the default streams.
#include <cstring>
#include <thread>

#include "contract.hpp"

using namespace contract;

namespace {
constexpr std::size_t kSize = 1 << 20;

bool done(CUevent event) {
  const CUresult result = cu.cuEventQuery(event);
  if (result != CUDA_ERROR_NOT_READY) OK(result);
  return result == CUDA_SUCCESS;
}
}  // namespace

RULE(unknown_flags_of_a_stream_are_refused) {
  CUstream stream = nullptr;
  use();
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuStreamCreate(&stream, 0x80));
}

RULE(priorities_out_of_range_are_no_error) {
  CUstream stream = nullptr;
  use();
  OK(cu.cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, -1000));
  OK(cu.cuStreamDestroy(stream));
}

RULE(a_stream_is_done_when_its_work_is) {
  use();
  const CUstream stream = new_stream();
  OK(cu.cuStreamQuery(stream));
  Gate gate(stream);
  GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(stream));
  gate.open();
  OK(cu.cuStreamSynchronize(stream));
  OK(cu.cuStreamQuery(stream));
}

RULE(work_on_a_stream_is_done_in_order) {
  use();
  const CUstream stream = new_stream();
  const CUdeviceptr one = allocate(kSize), other = allocate(kSize);
  {
    Gate gate(stream);
    OK(cu.cuMemsetD8Async(one, 1, kSize, stream));
    OK(cu.cuMemcpyDtoDAsync(other, one, kSize, stream));
    OK(cu.cuMemsetD8Async(one, 2, kSize, stream));
    GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(stream));
  }
  OK(cu.cuStreamSynchronize(stream));
  SO(filled(one, 2, kSize) && filled(other, 1, kSize));
}

RULE(ordinary_memory_may_be_changed_after_a_copy_from_it_is_queued) {
  use();
  const CUstream stream = new_stream();
  const CUdeviceptr address = allocate(4096);
  std::vector<unsigned char> own(4096, 7);
  OK(cu.cuMemcpyHtoDAsync(address, own.data(), own.size(), stream));
  std::memset(own.data(), 8, own.size());
  OK(cu.cuStreamSynchronize(stream));
  SO(filled(address, 7, 4096));
}

RULE(a_copy_to_ordinary_memory_is_done_on_return) {
  use();
  const CUstream stream = new_stream();
  const CUdeviceptr address = allocate(kSize);
  fill(address, 7, kSize);
  std::vector<unsigned char> own(kSize, 0);
  OK(cu.cuMemcpyDtoHAsync(own.data(), address, kSize, stream));
  SO(own[0] == 7 && own[kSize - 1] == 7);
}

RULE(destroying_a_stream_lets_its_work_be_done) {
  use();
  const CUstream stream = new_stream();
  const CUdeviceptr address = allocate(kSize);
  fill(address, 0, kSize);
  CUevent event = nullptr;
  {
    Gate gate(stream);
    OK(cu.cuMemsetD8Async(address, 4, kSize, stream));
    event = recorded(stream);
    OK(cu.cuStreamDestroy(stream));
    SO(!done(event));
  }
  OK(cu.cuEventSynchronize(event));
  SO(filled(address, 4, kSize));
}

RULE(a_device_is_done_when_all_its_streams_are) {
  use();
  const CUstream stream = new_stream();
  const CUdeviceptr address = allocate(kSize);
  OK(cu.cuMemsetD8Async(address, 4, kSize, stream));
  OK(cu.cuCtxSynchronize());
  OK(cu.cuStreamQuery(stream));
}

RULE(the_legacy_stream_waits_for_blocking_streams) {
  use();
  const CUstream stream = new_stream(CU_STREAM_DEFAULT);
  CUevent event = nullptr;
  {
    Gate gate(stream);
    event = recorded(nullptr);
    SO(!done(event));
    GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(nullptr));
  }
  OK(cu.cuEventSynchronize(event));
}

RULE(blocking_streams_wait_for_the_legacy_stream) {
  use();
  const CUstream stream = new_stream(CU_STREAM_DEFAULT);
  CUevent event = nullptr;
  {
    Gate gate(nullptr);
    event = recorded(stream);
    SO(!done(event));
  }
  OK(cu.cuEventSynchronize(event));
}

RULE(the_legacy_stream_orders_two_blocking_streams) {
  use();
  const CUstream one = new_stream(CU_STREAM_DEFAULT), other = new_stream(CU_STREAM_DEFAULT);
  const CUdeviceptr address = allocate(4096);
  CUevent event = nullptr;
  {
    Gate gate(one);
    OK(cu.cuMemsetD8Async(address, 1, 4096, nullptr));
    event = recorded(other);
    SO(!done(event));
  }
  OK(cu.cuEventSynchronize(event));
  SO(filled(address, 1, 4096));
}

RULE(non_blocking_streams_and_the_legacy_stream_do_not_wait) {
  use();
  const CUstream stream = new_stream();
  {
    Gate gate(stream);
    OK(cu.cuEventSynchronize(recorded(nullptr)));
  }
  {
    Gate gate(nullptr);
    OK(cu.cuEventSynchronize(recorded(stream)));
  }
}

RULE(two_streams_do_not_wait_for_each_other) {
  use();
  const CUstream one = new_stream(CU_STREAM_DEFAULT), other = new_stream(CU_STREAM_DEFAULT);
  Gate gate(one);
  OK(cu.cuEventSynchronize(recorded(other)));
}

RULE(stream_one_is_the_legacy_stream) {
  use();
  Gate gate(CU_STREAM_LEGACY);
  GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(nullptr));
}

RULE(the_legacy_stream_waits_for_a_threads_own_stream) {
  use();
  CUevent event = nullptr;
  {
    Gate gate(CU_STREAM_PER_THREAD);
    event = recorded(nullptr);
    SO(!done(event));
  }
  OK(cu.cuEventSynchronize(event));
}

RULE(threads_own_streams_do_not_wait_for_each_other) {
  const CUcontext context = use();
  CUresult result = CUDA_ERROR_UNKNOWN;
  Gate gate(CU_STREAM_PER_THREAD);
  std::thread([&] {
    OK(cu.cuCtxSetCurrent(context));
    result = cu.cuEventSynchronize(recorded(CU_STREAM_PER_THREAD));
  }).join();
  OK(result);
}

RULE(entries_of_per_thread_kind_mean_the_threads_own_stream) {
  const CUcontext context = use();
  CUresult result = CUDA_ERROR_UNKNOWN;
  const auto record =
      reinterpret_cast<PFN_cuEventRecord_v2000>(cu.find("cuEventRecord", 7000, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM));
  SO(record != nullptr && record != cu.cuEventRecord);
  Gate gate(CU_STREAM_PER_THREAD);
  std::thread([&] {
    OK(cu.cuCtxSetCurrent(context));
    const CUevent event = new_event();
    OK(record(event, nullptr));
    result = cu.cuEventSynchronize(event);  // On the legacy stream it would wait for the gate.
  }).join();
  OK(result);
}

RULE(a_fill_returns_before_it_is_done) {
  use();
  const CUstream stream = new_stream(CU_STREAM_DEFAULT);
  const CUdeviceptr address = allocate(4096);
  Gate gate(stream);
  OK(cu.cuMemsetD8(address, 1, 4096));  // On the legacy stream, which the gate holds up.
}
