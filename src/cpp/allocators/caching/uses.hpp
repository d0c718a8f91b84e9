// What other streams do with blocks, and the events that tell when it is done. All of it with the allocator's mutex.
//
// Each use of a live block is told by record_stream. When the block is freed each use becomes an event on its stream; the block is ready
// when all are done. A stream's events are done in order, so only its oldest is asked.
// What can't be recorded now (a capture is under way, the device says no) is held back and tried again later; nothing counts as done that
// was neither recorded and found done, nor waited for with the whole device.
// Events are kept with the nodes for the next use. They end with the allocator.
#pragma once

#include "allocators/caching/block.hpp"
#include "allocators/caching/calls.hpp"
#include "allocators/caching/nodes.hpp"

namespace shmalloc::caching {

struct Use {
  Stream stream = 0;
  Event event = Event::none;
  Block *block = nullptr;
  std::uint64_t number = 0;  // in the order of frees
  Use *next = nullptr;
};

class Uses {
 public:
  explicit Uses(Calls &calls) : calls_(calls) {}
  Uses(const Uses &) = delete;
  Uses &operator=(const Uses &) = delete;
  ~Uses();

  // A stream uses a live block. NO_MEMORY: then it is not noted.
  Result<void> add(Block *block, Stream stream);
  // A block with uses is freed.
  void start(Block *block, bool in_capture);
  // What is ready, one after the other by next_free. Not in a capture.
  Block *poll();
  // The number of the newest use, and what is ready because the whole device was waited for after that.
  std::uint64_t newest() const { return number_; }
  Block *finish(std::uint64_t number);
  bool any() const { return waiting_ != 0; }
  // The events are not this process': they are left alone at the end.
  void leave_events();
  // Whether one of the streams that were ever used is captured.
  bool capturing();

 private:
  struct Queue {
    explicit Queue(Stream of) : stream(of) {}
    const Stream stream;
    std::uint64_t uses = 0;  // that were noted and are not over: nobody asks after a stream that has none, it may be gone
    Use *first = nullptr, *last = nullptr;
    Queue *next = nullptr;
  };
  Queue *queue(Stream stream) const;
  bool record(Use *use);
  void hold_back(Use *use);
  void end(Use *use, Block **ready);

  Calls &calls_;
  Nodes<Use> nodes_;
  Queue *queues_ = nullptr;
  Use *held_ = nullptr;  // back
  std::uint64_t number_ = 0, waiting_ = 0;
};

}  // namespace shmalloc::caching
