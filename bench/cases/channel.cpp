// Goals 3 to 5 by channels: a storage there and a record alone back; a stream of storages; and both with a peer that is asleep.
#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "anchors/spin.hpp"
#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/machine.hpp"

namespace bench {

namespace {

// The two channels of a pair of processes. The peer is forked before there are any, so that it opens them as a stranger would.
class Channels {
 public:
  Channels() {
    void *memory = mmap(nullptr, sizeof(Handles), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(memory != MAP_FAILED, "mmap");
    handles_ = new (memory) Handles{};
  }
  Channels(const Channels &) = delete;
  Channels &operator=(const Channels &) = delete;
  ~Channels() {
    shmalloc_channel_release(there);
    shmalloc_channel_release(back);
    munmap(handles_, sizeof *handles_);
  }

  void make() {
    there = make_one(handles_->there);
    back = make_one(handles_->back);
  }
  // In the peer; every turn asks for it.
  void open() {
    if (there == nullptr) there = open_one(handles_->there);
    if (back == nullptr) back = open_one(handles_->back);
  }

  shmalloc_channel *there = nullptr, *back = nullptr;

 private:
  struct Handles {
    ours::Bytes there, back;
  };

  static shmalloc_channel *make_one(ours::Bytes &bytes) {
    shmalloc_channel *channel = nullptr;
    shmalloc_storage *storage = nullptr;
    shmalloc_error error;
    check(shmalloc_channel_create(nullptr, &channel, &error), error, "shmalloc_channel_create");
    check(shmalloc_channel_storage(channel, &storage, &error), error, "shmalloc_channel_storage");
    ours::export_to(storage, bytes, SHMALLOC_TIME_NONE);
    shmalloc_storage_release(storage);
    return channel;
  }
  static shmalloc_channel *open_one(const ours::Bytes &bytes) {
    shmalloc_channel *channel = nullptr;
    shmalloc_storage *storage = ours::import(bytes);
    shmalloc_error error;
    check(shmalloc_channel_open(storage, &channel, &error), error, "shmalloc_channel_open");
    shmalloc_storage_release(storage);
    return channel;
  }

  Handles *handles_;
};

void send(shmalloc_channel *channel, shmalloc_storage *storage) {
  shmalloc_error error;
  check(shmalloc_channel_send(channel, storage, nullptr, 0, SHMALLOC_TIME_FOREVER, &error), error, "shmalloc_channel_send");
}

shmalloc_storage *receive(shmalloc_channel *channel) {
  shmalloc_storage *storage = nullptr;
  shmalloc_error error;
  check(shmalloc_channel_receive(channel, &storage, nullptr, nullptr, SHMALLOC_TIME_FOREVER, &error), error,
        "shmalloc_channel_receive");
  return storage;
}

void send_new(shmalloc_channel *channel, std::size_t size) {
  shmalloc_storage *storage = ours::create(opaque(size));
  write_byte(shmalloc_storage_data(storage));
  send(channel, storage);
  shmalloc_storage_release(storage);
}

void take_one(shmalloc_channel *channel) {
  shmalloc_storage *storage = receive(channel);
  read_byte(shmalloc_storage_data(storage));
  shmalloc_storage_release(storage);
}

// What the peer does in a turn.
void answer_each(Channels &channels, std::uint32_t times) {
  channels.open();
  for (std::uint32_t number = 0; number < times; ++number) {
    take_one(channels.there);
    send(channels.back, nullptr);
  }
}

void answer_last(Channels &channels, std::uint32_t times) {
  channels.open();
  for (std::uint32_t number = 0; number < times; ++number) take_one(channels.there);
  send(channels.back, nullptr);
}

void measure_handover(Options &options, std::size_t size) {
  if (!wanted(options, "channel", size_text(size)) || cpu_count() < 2) return;
  Channels channels;
  const SpinningPeer peer(1, [&](Mailbox &, std::uint32_t times) { answer_each(channels, times); }), bare(1, pong);
  channels.make();
  Comparison comparison{"channel", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, false};
  comparison.sides.push_back({"ours", [&](long n) {
                                return peer.turn(n, [&](Mailbox &, std::uint32_t times) {
                                  for (std::uint32_t number = 0; number < times; ++number) {
                                    send_new(channels.there, size);
                                    receive(channels.back);
                                  }
                                });
                              }});
  comparison.sides.push_back({"bare ping-pong", [&](long n) { return bare.turn(n, ping); }});
  measure(options, comparison);
}

void measure_stream(Options &options, std::size_t size) {
  if (!wanted(options, "stream", size_text(size)) || cpu_count() < 2) return;
  Channels channels;
  const SpinningPeer peer(1, [&](Mailbox &, std::uint32_t times) { answer_last(channels, times); }), bare(1, pong);
  channels.make();
  shmalloc_storage *same = ours::create(opaque(size));
  const auto stream = [&](long n, auto send_next) {
    return peer.turn(n, [&](Mailbox &, std::uint32_t times) {
      for (std::uint32_t number = 0; number < times; ++number) send_next();
      receive(channels.back);
    });
  };
  Comparison comparison{"stream", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, false};
  comparison.sides.push_back({"ours", [&](long n) { return stream(n, [&] { send_new(channels.there, size); }); }});
  comparison.sides.push_back({"ours, one storage again", [&](long n) { return stream(n, [&] { send(channels.there, same); }); }});
  comparison.sides.push_back({"bare ping-pong", [&](long n) { return bare.turn(n, ping); }});
  measure(options, comparison);
  shmalloc_storage_release(same);
}

// The peer has had time to fall asleep before each message; the pause is not timed.
template <class Once>
double each_after_a_pause(std::uint32_t times, Once once) {
  double spent = 0;
  for (std::uint32_t number = 1; number <= times; ++number) {
    usleep(500);
    const double begin = now_ns();
    once(number);
    spent += now_ns() - begin;
  }
  return spent / times;
}

void measure_asleep(Options &options, int cpu, const char *label) {
  if (!wanted(options, "channel+asleep", label) || cpu >= cpu_count()) return;
  Channels channels;
  const SpinningPeer peer(cpu, [&](Mailbox &, std::uint32_t times) { answer_each(channels, times); }), bare(cpu, pong_asleep);
  channels.make();
  Comparison comparison{"channel+asleep", label, {{"cpus", cpu + 1.0}}, {}, false};
  comparison.sides.push_back({"ours", [&](long n) {
                                double each = 0;
                                peer.turn(n, [&](Mailbox &, std::uint32_t times) {
                                  each = each_after_a_pause(times, [&](std::uint32_t) {
                                    send_new(channels.there, 4 * KiB);
                                    receive(channels.back);
                                  });
                                });
                                return each;
                              }});
  comparison.sides.push_back({"bare futex", [&](long n) {
                                double each = 0;
                                bare.turn(n, [&](Mailbox &mailbox, std::uint32_t times) {
                                  each = each_after_a_pause(times, [&](std::uint32_t number) {
                                    mailbox.there.store(number, std::memory_order_release);
                                    wake(mailbox.there);
                                    sleep_until(mailbox.back, number);
                                  });
                                });
                                return each;
                              }});
  measure(options, comparison);
}

}  // namespace

void measure_channel(Options &options) {
  for (const std::size_t size : {4 * KiB, MiB}) measure_handover(options, size);
  for (const std::size_t size : {4 * KiB, MiB}) measure_stream(options, size);
  measure_asleep(options, 1, "two CPUs");
  measure_asleep(options, 0, "one CPU");
}

}  // namespace bench
