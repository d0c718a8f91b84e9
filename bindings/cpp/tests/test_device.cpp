// Devices, streams and events: where memory is, and the order of work on it.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "check.hpp"

using namespace shmalloc;

static_assert(std::is_nothrow_move_constructible_v<Stream> && !std::is_copy_constructible_v<Stream>);
static_assert(std::is_nothrow_move_assignable_v<Event> && !std::is_copy_constructible_v<Event>);
static_assert(std::is_convertible_v<const Stream &, StreamRef> && !std::is_convertible_v<Stream, StreamRef>);

static constexpr Device device = Device::host_streams(3);

/* Work on a stream that waits until it is let go, so that what comes after it can't be done before. */
class Gate {
 public:
  explicit Gate(const Stream &stream) {
    stream.call([this] {
      std::unique_lock<std::mutex> lock(mutex_);
      opened_.wait(lock, [this] { return open_; });
    });
  }
  void open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

static void devices() {
  CHECK(Device() == Device::host() && Device().number() == SHMALLOC_DEVICE_HOST && Device().info().total > 0);
  CHECK(Device::cuda(3) == Device(DeviceType::cuda, 3) && Device::cuda(3).index() == 3 && Device::cuda() != device);
  CHECK(Device::of(device.number()) == device && device.type() == DeviceType::host_streams);
  const DeviceInfo info = device.info();
  CHECK(info.device == device && info.count == 64 && info.total > 0 && !info.name.empty());
  CHECK(has(info.capabilities, Capability::streams | Capability::call | Capability::host_access));
  CHECK(!has(Device().info().capabilities, Capability::streams));

  CHECK(Device::count(DeviceType::host) == 1 && Device::count(DeviceType::host_streams) == 64);
  CHECK(Device::count(DeviceType::vulkan) == 0 && Device::count(static_cast<DeviceType>(77)) == 0);
  THROWS(UnsupportedError, Device(DeviceType::vulkan).info());
  THROWS(NotFoundError, Device::host_streams(64).info());
  THROWS(NotFoundError, Device(DeviceType::custom, 1000000).synchronize());
  THROWS(UnsupportedError, Device().synchronize());
  THROWS(UnsupportedError, Stream{Device()});
  THROWS(UnsupportedError, device.enable_peer(Device::host()));
  device.enable_peer(Device::host_streams(4));
}

static void streams_and_events_are_owned() {
  Stream stream(device);
  Event event(device);
  CHECK(stream && event && stream.device() == device && event.device() == device && stream.number() != 0 && event.number() != 0);
  const shmalloc_stream number = stream.number();
  Stream moved = std::move(stream);
  CHECK(!stream && moved.number() == number);
  THROWS(ClosedError, stream.number());
  THROWS(ClosedError, stream.call([] {}));
  THROWS(ClosedError, StreamRef(stream));
  THROWS(ClosedError, event.record(stream));

  Stream again = Stream::foreign(device, number);
  CHECK(StreamRef(again) == StreamRef(moved));
  again.synchronize();
  again.close();
  CHECK(!again);
  moved.synchronize();  // which a foreign one does not end
  again = Stream::foreign(device, number);
  moved.close();
  moved.close();
  THROWS(InvalidError, again.synchronize());
  THROWS(ClosedError, moved.synchronize());

  Stream filled;
  filled = Stream(device);
  again = Stream::foreign(device, filled);
  filled.close();
  THROWS(InvalidError, again.synchronize());

  {
    const Stream scoped(device);
    again = Stream::foreign(device, scoped);
  }
  THROWS(InvalidError, again.synchronize());

  Event other = Event::foreign(device, event.number());
  CHECK(other.done());
  event = Event(device);  // gives the one before back
  THROWS(InvalidError, other.done());
  THROWS(InvalidError, Event::foreign(device, event.number() + 1000).synchronize());

  int place = 0;
  CHECK(Stream::foreign(device, &place).number() == address_of(&place) &&
        Event::foreign(device, &place).number() == address_of(&place));

  // Given back by somebody else: only close() tells.
  Stream lost(device);
  CHECK(shmalloc_stream_destroy(device.number(), lost.number(), nullptr) == SHMALLOC_STATUS_OK);
  THROWS(InvalidError, lost.close());
}

/* Thread sanitizers follow no threads of a child whose parent had some. */
#if defined(__SANITIZE_THREAD__)
static constexpr bool kChildMayStartThreads = false;
#elif defined(__has_feature)
static constexpr bool kChildMayStartThreads = !__has_feature(thread_sanitizer);
#else
static constexpr bool kChildMayStartThreads = true;
#endif

/* Of a device that nobody used before, so that the numbers of parent and child are the same. */
static void a_child_gives_back_its_own_only() {
  constexpr Device fresh = Device::host_streams(7);
  Event event(fresh), dropped(fresh);
  Stream stream(fresh), gone(fresh);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    const Event own_event(fresh), own_dropped(fresh);
    CHECK(own_event.number() == event.number() && own_dropped.number() == dropped.number());
    event.close();
    event.close();
    dropped = Event();
    CHECK(!event && !dropped && own_event.done() && own_dropped.done());
    if (kChildMayStartThreads) {
      const Stream own(fresh), own_gone(fresh);
      CHECK(own.number() == stream.number() && own_gone.number() == gone.number());
      stream.close();
      Stream moved(std::move(gone));
      gone = Stream();
      moved = Stream();
      own.synchronize();
      own_gone.synchronize();
    }
    std::_Exit(0);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  const Event same = Event::foreign(fresh, event.number());
  event.close();  // the parent's go as ever
  THROWS(InvalidError, same.done());
}

static void functions_run_on_the_device() {
  const Stream stream(device);
  const auto here = std::this_thread::get_id();
  auto owned = std::make_unique<int>(41);
  int seen = 0;
  bool elsewhere = false;
  stream.call([&, owned = std::move(owned)] {
    seen = *owned + 1;
    elsewhere = std::this_thread::get_id() != here;
  });
  stream.synchronize();
  CHECK(seen == 42 && elsewhere);

  // What a function holds goes once it has run, and when it could not be queued.
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  stream.call([held] {});
  stream.synchronize();
  CHECK(watch.use_count() == 1);
  const Stream none = Stream::foreign(device, 0x7777);
  THROWS(InvalidError, none.call([held] {}));
  CHECK(watch.use_count() == 1);
}

static void order() {
  constexpr std::size_t size = 1 << 16;
  const Stream first(device), second(device);
  const Event event(device);
  std::vector<unsigned char> from(size, 'a'), middle(size, '-'), to(size, '-');

  // Were the wait not kept, the second copy would run here, most often, and copy what is not there yet.
  for (int round = 0; round < 20; ++round) {
    std::fill(middle.begin(), middle.end(), '-');
    std::atomic<bool> runs{false};
    Gate gate(first);
    device.copy(address_of(middle.data()), address_of(from.data()), size, first);
    event.record(first);
    second.call([&runs] { runs.store(true); });
    second.wait(event);
    device.copy(address_of(to.data()), address_of(middle.data()), size, second);
    while (!runs.load()) std::this_thread::yield();
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    CHECK(!event.done());  // the gate is shut
    gate.open();
    second.synchronize();
    CHECK(event.done() && to == from && middle == from);
  }

  device.fill(address_of(to.data()), 'b', size, second);
  device.fill(address_of(to.data()), 'c', size - 1, second);
  event.record(second);
  event.synchronize();
  CHECK(to[0] == 'c' && to[size - 2] == 'c' && to[size - 1] == 'b');

  Gate other(second);
  other.open();
  device.synchronize();  // all of it
  device.copy(0, 0, 0, second);
  THROWS(InvalidError, device.copy(0, address_of(to.data()), 1, second));
  THROWS(InvalidError, device.copy(address_of(to.data()), address_of(to.data()) + 1, 2, second));
  THROWS(InvalidError, device.fill(0, 1, 1, second));
  THROWS(InvalidError, device.fill(address_of(to.data()), 1, 1, 0x7777));
}

/* Of devices that nobody used before, so that both have an event of this number. */
static void events_are_of_one_device() {
  constexpr Device one = Device::host_streams(8), another = Device::host_streams(9);
  const Event here(one), there(another);
  CHECK(here.number() == there.number());
  const Stream stream = Stream::foreign(one, StreamRef());
  stream.wait(here);
  THROWS(InvalidError, stream.wait(there));
  THROWS(InvalidError, Stream(another).wait(here));
  THROWS(ClosedError, stream.wait(Event()));
}

static void threads() {
  const Stream stream(device);
  std::vector<int> counts(2, 0);
  std::atomic<int> sum{0};
  std::vector<std::thread> all;
  for (int &count : counts)
    all.emplace_back([&] {
      const Stream own(device);
      const Event event(device);
      for (int i = 0; i < 200; ++i) {
        own.call([&count] { ++count; });  // in its stream's order: no two at once
        event.record(own);
        stream.wait(event);
        stream.call([&sum] { sum.fetch_add(1, std::memory_order_relaxed); });
      }
      own.synchronize();
    });
  for (std::thread &one : all) one.join();
  stream.synchronize();
  CHECK(counts[0] == 200 && counts[1] == 200 && sum.load() == 400);
}

int main() {
  devices();
  streams_and_events_are_owned();
  a_child_gives_back_its_own_only();
  functions_run_on_the_device();
  order();
  events_are_of_one_device();
  threads();
  std::puts("ok");
}
