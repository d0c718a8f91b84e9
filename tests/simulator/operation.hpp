// Work for a stream: copies, fills, the caller's functions, and graphs of them. Its addresses are looked up, and its order checked, when it
// is queued: what is found then doesn't depend on which work happens to be done.
#pragma once

#include <cuda.h>

#include <map>
#include <vector>

#include "state.hpp"

namespace sim {

struct Operation {
  enum class Kind { nothing, copy, fill, function };
  Kind kind = Kind::nothing;
  std::uint64_t to = 0, from = 0, size = 0;
  std::uint32_t value = 0;
  unsigned width = 1;  // bytes of the value
  bool peer = false;   // each end with the rights of the device that owns it
  CUhostFn function = nullptr;
  void *data = nullptr;
};

struct Graph {
  std::vector<Operation> operations;
};
struct GraphExec {
  std::vector<Operation> operations;
};

// One capture, from begin to end. The streams in it have clocks of their own, which tell whether all came back to the first one.
struct Capture {
  std::uint64_t id = 0;
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  std::uint64_t thread = 0;
  StreamRef origin;
  bool invalid = false;
  std::shared_ptr<Graph> graph;
  std::map<std::uint64_t, std::uint64_t> steps;
  std::map<std::uint64_t, Clock> clocks;
  std::vector<StreamRef> members;

  void step(const StreamRef &stream) { clocks[stream->id].set(stream->id, ++steps[stream->id]); }
};

// Whether a capture forbids this stream's use.
CUresult check_capture(State &s, const StreamRef &stream);

// A call that may disturb captures is refused while one goes on that this thread's mode minds, and that capture is spoiled.
CUresult refuse_unsafe(State &s);
CUstreamCaptureMode &thread_capture_mode();

// What comes on the stream now: what it is after, its place in the clocks.
std::vector<Until> order(State &s, const StreamRef &stream);

// Queues it, or adds it to the stream's capture.
CUresult enqueue(State &s, Lock &lock, const StreamRef &stream, const Operation &operation);
CUresult enqueue(State &s, Lock &lock, CUstream stream, const Operation &operation);

}  // namespace sim
