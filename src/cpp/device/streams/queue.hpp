// One stream: a ring of work and the thread that does it.
//
// A piece of work's position in the stream is its place in the ring, and the timeline's number is how many are done: nothing else is
// counted, and what is done at once isn't either. Callers take turns at a mutex; the thread takes it only to sleep. Nothing is allocated once the ring is there. A full ring makes
// the caller wait until there is room; who records an event does without. Work waits only for work that was queued before it, but for
// functions of the host's, which take what time they like.
//
// The default stream does copies, fills and events at once, in the calling thread, as long as nothing is queued: who names no stream
// gets no thread and no two changes of thread for each copy. Only what can't be done at once goes to a thread, which is started for it: a
// wait for an event that is not done, for the host does not stop at that, and functions of the host's, which may take any time.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <variant>

#include "device/backend.hpp"
#include "device/streams/timeline.hpp"

namespace shmalloc::device {

struct Copying {
  void *to;
  const void *from;
  std::size_t size;
};
struct Filling {
  void *to;
  std::size_t size;
  std::uint8_t value;
};
struct Invoking {
  Function function;
  void *argument;
};
struct Recording {
  std::atomic<std::uint64_t> *state;  // of the event, which is done if it is still this record's
  std::uint64_t pending;
};
struct Waiting {
  Timeline *timeline;
  std::uint64_t position;
};
using Work = std::variant<Copying, Filling, Invoking, Recording, Waiting>;

class Queue {
 public:
  enum class Kind : std::uint8_t { threaded, at_once };
  static constexpr std::uint64_t kCapacity = 512;

  explicit Queue(Kind kind) : kind_(kind) {}
  Queue(const Queue &) = delete;
  Queue &operator=(const Queue &) = delete;
  ~Queue() = default;

  // False: no memory for the ring.
  bool prepare();

  // The right to queue one piece of work, while others wait. All that can fail is behind it.
  class Turn {
   public:
    // The position that the timeline reaches when it is done. There must be room.
    std::uint64_t put(const Work &work);
    bool room() const { return room_; }
    // The position of what is queued last.
    std::uint64_t end() const { return queue_->end_.load(std::memory_order_relaxed); }

   private:
    friend class Queue;
    Turn(std::unique_lock<std::mutex> lock, Queue *queue, bool at_once, bool room = true)
        : lock_(std::move(lock)), queue_(queue), at_once_(at_once), room_(room) {}
    std::unique_lock<std::mutex> lock_;
    Queue *queue_;
    bool at_once_, room_;
  };
  // `long_work`: not to be done by the caller. There is room, or it waits for some.
  Result<Turn> turn(std::uint32_t generation, bool long_work) { return take_turn(generation, long_work, true); }
  // For short work that can do without a place in the ring: waits for nobody.
  Result<Turn> turn_now(std::uint32_t generation) { return take_turn(generation, false, false); }

  // The position of the last work so far, when what others do at once is done.
  Result<std::uint64_t> end(std::uint32_t generation);
  std::uint64_t end();

  // Begins a stream in this place; its generation. 0: the place is taken. By one caller at a time.
  Result<std::uint32_t> open();
  // Ends it: its work is done, then its thread ends. Joins that if there is no work left.
  Result<void> close(std::uint32_t generation);
  // Makes the place free if its stream has come to its end.
  void reap();
  // For the end of the device, when no call is made any more: first all of its streams close, then each is joined.
  void close();
  void join();

  Timeline timeline;

 private:
  enum class State : std::uint8_t { free, open, ending };

  Result<void> check(std::uint32_t generation) const;
  Result<Turn> take_turn(std::uint32_t generation, bool long_work, bool may_wait);
  Result<void> start();
  void work();
  // Sleeps until there is work at this position; false: there will be none.
  bool comes(std::uint64_t position);

  const Kind kind_;
  std::unique_ptr<Work[]> ring_;
  std::mutex mutex_;
  std::condition_variable queued_;
  std::atomic<std::uint64_t> end_{0};  // changed under the mutex
  // Under the mutex:
  std::atomic<State> state_{State::free};
  std::uint32_t generation_ = 0;
  bool sleeping_ = false;
  bool threaded_ = false;
  bool joining_ = false;
  pthread_t thread_{};
  std::atomic<bool> over_{false};  // the thread's last word
};

}  // namespace shmalloc::device
