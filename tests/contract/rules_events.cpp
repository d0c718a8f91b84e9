// Events.
#include "contract.hpp"

using namespace contract;

RULE(an_event_that_was_never_recorded_is_done) {
  use();
  const CUevent event = new_event();
  const CUstream stream = new_stream();
  OK(cu.cuEventQuery(event));
  OK(cu.cuEventSynchronize(event));
  OK(cu.cuStreamWaitEvent(stream, event, 0));
  OK(cu.cuStreamSynchronize(stream));
}

RULE(an_event_is_done_when_what_was_before_it_is) {
  use();
  const CUstream stream = new_stream();
  CUevent event = nullptr;
  {
    Gate gate(stream);
    event = recorded(stream);
    GIVES(CUDA_ERROR_NOT_READY, cu.cuEventQuery(event));
  }
  OK(cu.cuEventSynchronize(event));
  Gate later(stream);
  OK(cu.cuEventQuery(event));  // What comes after it doesn't matter.
}

RULE(a_new_record_takes_the_place_of_the_old_one) {
  use();
  const CUstream one = new_stream(), other = new_stream();
  const CUevent event = recorded(one);
  OK(cu.cuEventSynchronize(event));
  Gate gate(other);
  OK(cu.cuEventRecord(event, other));
  GIVES(CUDA_ERROR_NOT_READY, cu.cuEventQuery(event));
}

RULE(a_stream_waits_for_the_record_there_is_when_it_is_told_to) {
  use();
  const CUstream one = new_stream(), other = new_stream(), third = new_stream();
  const CUevent event = recorded(one);
  OK(cu.cuStreamWaitEvent(third, event, 0));
  Gate gate(other);
  OK(cu.cuEventRecord(event, other));
  OK(cu.cuStreamSynchronize(third));
}

RULE(a_stream_that_waits_does_its_work_later) {
  use();
  const CUstream one = new_stream(), other = new_stream();
  {
    Gate gate(one);
    OK(cu.cuStreamWaitEvent(other, recorded(one), 0));
    GIVES(CUDA_ERROR_NOT_READY, cu.cuEventQuery(recorded(other)));
  }
  OK(cu.cuStreamSynchronize(other));
}

RULE(an_event_that_is_destroyed_is_waited_for_all_the_same) {
  use();
  const CUstream one = new_stream(), other = new_stream();
  {
    Gate gate(one);
    const CUevent event = recorded(one);
    OK(cu.cuStreamWaitEvent(other, event, 0));
    OK(cu.cuEventDestroy(event));
    GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(other));
  }
  OK(cu.cuStreamSynchronize(other));
}

RULE(unknown_flags_of_an_event_are_refused) {
  CUevent event = nullptr;
  use();
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuEventCreate(&event, 0x80));
}

RULE(events_of_processes_have_no_times) {
  CUevent event = nullptr;
  use();
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuEventCreate(&event, CU_EVENT_INTERPROCESS));
  OK(cu.cuEventCreate(&event, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING));
}

RULE(times_between_events_need_timing_and_records) {
  float time = -1;
  use();
  const CUevent plain = recorded(nullptr), timed = new_event(0), later = new_event(0);
  GIVES(CUDA_ERROR_INVALID_HANDLE, cu.cuEventElapsedTime(&time, timed, later));
  OK(cu.cuEventRecord(timed, nullptr));
  OK(cu.cuEventRecord(later, nullptr));
  OK(cu.cuEventSynchronize(later));
  OK(cu.cuEventElapsedTime(&time, timed, later));
  SO(time >= 0);
  GIVES(CUDA_ERROR_INVALID_HANDLE, cu.cuEventElapsedTime(&time, plain, later));
}

RULE(times_are_not_ready_before_the_events_are) {
  float time = -1;
  use();
  const CUstream stream = new_stream();
  const CUevent timed = new_event(0), later = new_event(0);
  OK(cu.cuEventRecord(timed, stream));
  Gate gate(stream);
  OK(cu.cuEventRecord(later, stream));
  GIVES(CUDA_ERROR_NOT_READY, cu.cuEventElapsedTime(&time, timed, later));
}

RULE(an_event_is_recorded_on_streams_of_its_context) {
  CUcontext other = nullptr;
  const CUcontext context = use();
  const CUevent event = new_event();
  OK(cu.cuCtxCreate(&other, 0, 0));
  const CUstream stream = new_stream();
  GIVES(CUDA_ERROR_INVALID_HANDLE, cu.cuEventRecord(event, stream));
  OK(cu.cuCtxSetCurrent(context));
  OK(cu.cuEventRecord(event, new_stream()));
}

RULE(streams_of_any_context_wait_for_an_event) {
  CUcontext other = nullptr;
  use();
  const CUstream one = new_stream();
  Gate gate(one);
  const CUevent event = recorded(one);
  OK(cu.cuCtxCreate(&other, 0, 0));
  const CUstream stream = new_stream();
  OK(cu.cuStreamWaitEvent(stream, event, 0));
  GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(stream));
  gate.open();
  OK(cu.cuStreamSynchronize(stream));
}

RULE(events_are_asked_from_any_context) {
  CUcontext other = nullptr;
  use();
  const CUevent event = recorded(new_stream());
  OK(cu.cuCtxCreate(&other, 0, 0));
  OK(cu.cuEventSynchronize(event));
  OK(cu.cuEventQuery(event));
}
