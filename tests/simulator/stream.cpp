#include "stream.hpp"

#include <thread>

#include "futex.hpp"

namespace sim {
namespace {
thread_local bool on_worker = false;
}  // namespace

bool inside_host_function() { return on_worker; }

struct Worker::Queue {
  std::mutex mutex;
  std::condition_variable filled;
  std::deque<std::function<void()>> work;
  bool stop = false;
};

Worker::Worker() : queue_(std::make_shared<Queue>()) {
  std::thread([queue = queue_] {
    on_worker = true;
    Lock lock(queue->mutex);
    for (;;) {
      queue->filled.wait(lock, [&] { return queue->stop || !queue->work.empty(); });
      if (queue->work.empty()) return;
      auto work = std::move(queue->work.front());
      queue->work.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  }).detach();
}

Worker::~Worker() {
  {
    const Lock lock(queue_->mutex);
    queue_->stop = true;
  }
  queue_->filled.notify_one();
}

void Worker::post(std::function<void()> work) {
  {
    const Lock lock(queue_->mutex);
    queue_->work.push_back(std::move(work));
  }
  queue_->filled.notify_one();
}

StreamRef Scheduler::make(Context *context) {
  auto stream = std::make_shared<Stream>();
  stream->id = next_++;
  stream->context = context;
  streams_.push_back(stream);
  return stream;
}

void Scheduler::push(const StreamRef &stream, Item item) {
  if (item.on_host && stream->worker == nullptr) stream->worker = std::make_unique<Worker>();
  stream->items.push_back(std::move(item));
  ++stream->enqueued;
  wake();  // who waits on another thread may have to do it
}

bool Scheduler::can_begin(const Stream &stream) {
  if (stream.running || stream.items.empty()) return false;
  const Item &item = stream.items.front();
  for (const Until &until : item.after) {
    if (!until.over()) return false;
  }
  return !item.ready || item.ready();
}

void Scheduler::begin(const StreamRef &stream) {
  Item item = std::move(stream->items.front());
  stream->items.pop_front();
  digest_ = (digest_ ^ (stream->id << 32 | stream->finished)) * 0x100000001b3;
  if (!item.on_host) {
    if (item.run) item.run();
    done(stream);
    return;
  }
  stream->running = true;
  stream->worker->post([this, stream, run = std::move(item.run)] {
    run();
    const Lock lock(mutex_);
    stream->running = false;
    done(stream);
    if (settings_.schedule == Schedule::now) step_all();
  });
}

void Scheduler::done(const StreamRef &stream) {
  ++stream->finished;
  if (stream->destroyed && stream->idle()) streams_.remove(stream);
  wake();
}

bool Scheduler::step() {
  std::vector<StreamRef> able;
  for (const auto &stream : streams_) {
    if (can_begin(*stream)) able.push_back(stream);
  }
  if (able.empty()) return false;
  begin(able[settings_.schedule == Schedule::seeded ? random_() % able.size() : 0]);
  return true;
}

void Scheduler::step_all() {
  while (step()) {
  }
}

void Scheduler::begin_call() {
  ++calls_;
  if (settings_.schedule != Schedule::seeded) return;
  const std::uint64_t drawn = random_() % 4;
  for (std::uint64_t i = 2; i <= drawn && step(); ++i) {
  }
}

void Scheduler::end_call() {
  std::erase_if(streams_, [](const StreamRef &stream) { return stream->destroyed && stream->idle() && !stream->running; });
  if (settings_.schedule == Schedule::now) step_all();
}

void Scheduler::asked() {
  if (settings_.schedule == Schedule::late) step();
}

void Scheduler::watch(World *world) {
  if (watching_) return;
  std::thread([this, world] { watch_loop(world); }).detach();
  watching_ = true;
}

void Scheduler::watch_loop(World *world) {
  std::uint64_t calls = 0;
  for (;;) {
    const std::uint32_t seen = world->progress();
    int patience = 20;
    {
      const Lock lock(mutex_);
      if (settings_.schedule == Schedule::now) {
        step_all();
      } else if (settings_.patience != 0 && calls == calls_) {
        step_all();
      }
      calls = calls_;
      world->bury();
      wake();
      if (settings_.patience != 0) patience = settings_.patience;
    }
    futex_wait(&world->progress(), seen, patience);
  }
}

}  // namespace sim
