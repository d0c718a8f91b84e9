// Goals 3, 4 and 5: storages through a channel, beside two processes that only change a word each for the other to see, awake or asleep.
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <new>

#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/peer.hpp"

namespace bench {

namespace {

// One word for each direction.
struct Words {
  alignas(128) std::atomic<std::uint32_t> there{0};
  alignas(128) std::atomic<std::uint32_t> back{0};
};

Words *shared_words() {
  void *memory = mmap(nullptr, sizeof(Words), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  check(memory != MAP_FAILED, "mmap");
  return new (memory) Words();
}

void tell(int socket, long number) { check(write(socket, &number, sizeof number) == sizeof number, "write to the peer"); }
bool hear(int socket, long *number) { return read(socket, number, sizeof *number) == sizeof *number; }

void futex_wait(const std::atomic<std::uint32_t> &word, std::uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT, value, nullptr, nullptr, 0);
}
void futex_wake(const std::atomic<std::uint32_t> &word) { syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0); }

void wait_for(const std::atomic<std::uint32_t> &word, std::uint32_t value, bool asleep) {
  for (std::uint32_t now; (now = word.load(std::memory_order_acquire)) != value;) {
    if (asleep) futex_wait(word, now);
  }
}
void set(std::atomic<std::uint32_t> &word, std::uint32_t value, bool asleep) {
  word.store(value, std::memory_order_release);
  if (asleep) futex_wake(word);
}

// Both ends of a pair of channels, inherited by the peer.
struct Channels {
  shmalloc_allocator *allocator = nullptr;
  shmalloc_channel *there = nullptr, *back = nullptr;

  Channels() {
    shmalloc_error error;
    shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
    params.kind = SHMALLOC_ALLOCATOR_KIND_SHARED;
    check(shmalloc_allocator_create(&params, &allocator, &error), error, "shmalloc_allocator_create");
    check(shmalloc_channel_create(nullptr, &there, &error), error, "shmalloc_channel_create");
    check(shmalloc_channel_create(nullptr, &back, &error), error, "shmalloc_channel_create");
  }
  Channels(const Channels &) = delete;
  Channels &operator=(const Channels &) = delete;
  ~Channels() {
    shmalloc_channel_release(there);
    shmalloc_channel_release(back);
    shmalloc_allocator_release(allocator);
  }
};

shmalloc_storage *make(const Channels &channels, std::size_t size) {
  shmalloc_error error;
  shmalloc_storage *storage = nullptr;
  check(shmalloc_storage_create(channels.allocator, size, SHMALLOC_STREAM_DEFAULT, nullptr, &storage, &error), error,
        "shmalloc_storage_create");
  return storage;
}
void send(shmalloc_channel *channel, shmalloc_storage *storage) {
  shmalloc_error error;
  check(shmalloc_channel_send(channel, storage, nullptr, 0, SHMALLOC_TIME_FOREVER, &error), error, "shmalloc_channel_send");
}
shmalloc_storage *receive(shmalloc_channel *channel) {
  shmalloc_error error;
  shmalloc_storage *storage = nullptr;
  check(shmalloc_channel_receive(channel, &storage, nullptr, nullptr, SHMALLOC_TIME_FOREVER, &error), error,
        "shmalloc_channel_receive");
  return storage;
}

// What the sender waits for between two, so that the receiver has gone to sleep.
void let_sleep() { usleep(200); }

// A storage there, an acknowledgement back; or storages there alone.
void measure_way(Options &options, const char *name, std::size_t size, bool stream, bool asleep) {
  const std::string label = size_text(size);
  if (!wanted(options, name, label)) return;
  const Channels channels;
  Words *words = shared_words();
  const Peer ours_peer(1, SOCK_SEQPACKET, [&](int socket) {
    for (long n = 0; hear(socket, &n);) {
      for (; n > 0; --n) {
        shmalloc_storage *storage = receive(channels.there);
        read_byte(shmalloc_storage_data(storage));
        shmalloc_storage_release(storage);
        if (!stream || n == 1) send(channels.back, nullptr);
      }
    }
  });
  const Peer bare_peer(1, SOCK_SEQPACKET, [&](int socket) {
    for (long n = 0; hear(socket, &n);) {
      for (std::uint32_t i = 1; i <= n; ++i) {
        wait_for(words->there, i, asleep);
        set(words->back, i, asleep);
      }
    }
  });
  Comparison comparison{name, label, {{"bytes", static_cast<double>(size)}}, {}, false};
  comparison.sides.push_back({"ours", [&](long n) {
                                double spent = 0;
                                tell(ours_peer.socket(), n);
                                const double begin = now_ns();
                                for (long i = 0; i < n; ++i) {
                                  if (asleep) let_sleep();
                                  const double from = asleep ? now_ns() : 0;
                                  shmalloc_storage *storage = make(channels, opaque(size));
                                  write_byte(shmalloc_storage_data(storage));
                                  send(channels.there, storage);
                                  if (!stream || i == n - 1) receive(channels.back);
                                  shmalloc_storage_release(storage);
                                  if (asleep) spent += now_ns() - from;
                                }
                                return (asleep ? spent : now_ns() - begin) / static_cast<double>(n);
                              }});
  comparison.sides.push_back({asleep ? "futex ping-pong" : "ping-pong", [&](long n) {
                                double spent = 0;
                                words->there = words->back = 0;
                                tell(bare_peer.socket(), n);
                                const double begin = now_ns();
                                for (std::uint32_t i = 1; i <= n; ++i) {
                                  if (asleep) let_sleep();
                                  const double from = asleep ? now_ns() : 0;
                                  set(words->there, i, asleep);
                                  wait_for(words->back, i, asleep);
                                  if (asleep) spent += now_ns() - from;
                                }
                                return (asleep ? spent : now_ns() - begin) / static_cast<double>(n);
                              }});
  measure(options, comparison);
}

}  // namespace

void measure_channel(Options &options) {
  for (const std::size_t size : {4 * KiB, MiB}) measure_way(options, "hand-over", size, false, false);
  for (const std::size_t size : {4 * KiB, MiB}) measure_way(options, "stream", size, true, false);
  measure_way(options, "hand-over asleep", MiB, false, true);
}

}  // namespace bench
