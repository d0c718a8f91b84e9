// Streams and who works on them. An item of a stream begins when the one before it is done and all that it comes after. Which of several
// that could begin does, the schedule decides; so a run with one host thread and a seed is the same each time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "clock.hpp"
#include "settings.hpp"
#include "world.hpp"

namespace sim {

using Lock = std::unique_lock<std::mutex>;
struct Context;
struct Capture;
struct Stream;
using StreamRef = std::shared_ptr<Stream>;

// The work of a stream up to here.
struct Until {
  StreamRef stream;
  std::uint64_t count = 0;
  bool over() const;
};

struct Item {
  std::function<void()> run;
  std::vector<Until> after;
  std::function<bool()> ready;  // of what happens elsewhere; may be empty
  bool on_host = false;         // a function of the caller's, which may take its time
};

// A thread for the caller's functions of one stream. It ends by itself when its owner goes, since that may be in such a function's wake.
class Worker {
 public:
  Worker();
  ~Worker();
  Worker(const Worker &) = delete;
  Worker &operator=(const Worker &) = delete;
  void post(std::function<void()> work);

 private:
  struct Queue;
  std::shared_ptr<Queue> queue_;
};

struct Stream {
  std::uint64_t id = 0;
  Context *context = nullptr;
  bool legacy = false;
  bool blocking = true;  // takes part in the legacy stream's order
  bool destroyed = false;
  int priority = 0;
  unsigned flags = 0;
  std::deque<Item> items;
  std::uint64_t enqueued = 0;
  std::uint64_t finished = 0;
  bool running = false;
  Clock clock;
  std::shared_ptr<Capture> capture;
  std::unique_ptr<Worker> worker;

  bool idle() const { return finished == enqueued; }
};

inline bool Until::over() const { return stream == nullptr || stream->finished >= count; }

class Scheduler {
 public:
  Scheduler(std::mutex &mutex, const Settings &settings) : mutex_(mutex), settings_(settings) {}

  StreamRef make(Context *context);
  void push(const StreamRef &stream, Item item);
  const std::list<StreamRef> &streams() const { return streams_; }

  void seed() { random_.seed(settings_.seed); }
  void begin_call();  // a seeded schedule does some of the work when a call comes
  void end_call();    // without a schedule all that can be done is
  void asked();       // who asks whether work is done brings it on, be it late
  bool step();        // one item; false: none can begin
  void step_all();
  template <class Condition>
  void wait(Lock &lock, Condition &&over) {
    while (!over()) {
      if (!step()) changed_.wait(lock);
    }
  }
  void wake() { changed_.notify_all(); }
  void watch(World *world);  // from now on work goes on without calls, and what other processes do is seen

  std::uint64_t digest() const { return digest_; }
  void forget_digest() { digest_ = 0; }

 private:
  static bool can_begin(const Stream &stream);
  void begin(const StreamRef &stream);
  void done(const StreamRef &stream);
  void watch_loop(World *world);

  std::mutex &mutex_;
  const Settings &settings_;
  std::condition_variable changed_;
  std::list<StreamRef> streams_;
  std::mt19937_64 random_;
  std::uint64_t next_ = 1;
  std::uint64_t calls_ = 0;
  std::uint64_t digest_ = 0;  // of the order in which work began
  bool watching_ = false;
};

// True on the thread of a Worker: calls to the driver are not allowed there.
bool inside_host_function();

}  // namespace sim
