// Every call may be made by any thread.
#pragma once

#include "rules_memory.hpp"

namespace conformance {

constexpr std::size_t kThreads = 8;

// Runs it in threads at once; what one of them says does not hold, or NULL.
template <class F>
const char *in_threads(F function) {
  std::vector<std::thread> threads;
  std::atomic<const char *> wrong{nullptr};
  std::atomic<std::size_t> ready{0};
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      ready.fetch_add(1);
      while (ready.load() < kThreads) std::this_thread::yield();
      if (const char *text = function(i); text != nullptr) wrong.store(text);
    });
  }
  for (std::thread &thread : threads) thread.join();
  return wrong.load();
}

// Two threads a stream, each with memory of its own, which it hands from stream to stream by events.
template <class S>
const char *threads_share_streams() {
  constexpr std::size_t kSize = 32 * kKiB;
  std::vector<std::uint8_t> buffers(kThreads * kSize);
  Lab<S> lab;
  HOLDS(lab);
  constexpr std::size_t kRounds = 60;
  Stream streams[4];
  for (Stream &stream : streams) stream = lab.stream();
  const Address source = lab.block(kThreads * kSize);
  const Address target = lab.block(kThreads * kSize);
  Event events[kThreads];
  for (Event &event : events) event = lab.event();
  HOLDS(lab);
  const char *wrong = in_threads([&](std::size_t number) -> const char * {
    auto device = lab.device();
    const Address from = source + number * kSize;
    const Address to = target + number * kSize;
    std::uint8_t *bytes = &buffers[number * kSize];
    for (std::size_t round = 0; round < kRounds; ++round) {
      const Stream one = streams[(number + round) % 4];
      const Stream other = streams[(number + round + 1) % 4];
      const auto value = static_cast<std::uint8_t>(number * 20 + round);
      HOLDS(fine(device.fill(from, value, kSize, one)) && fine(device.record(events[number], one)));
      HOLDS(fine(device.wait(other, events[number])) && fine(device.copy(to, from, kSize, other)));
      HOLDS(fine(device.copy(reinterpret_cast<Address>(bytes), to, kSize, other)));
      HOLDS(fine(device.record(events[number], other)));
      if (round % 3 == 0) HOLDS(fine(device.synchronize_stream(other)));
      if (round % 3 == 1) HOLDS(fine(device.synchronize()));
      HOLDS(fine(device.synchronize_event(events[number])));
      auto done = device.done(events[number]);
      HOLDS(fine(done) && *done);
      for (std::size_t i = 0; i < kSize; ++i) HOLDS(bytes[i] == value);
    }
    return nullptr;
  });
  HOLDS(wrong == nullptr || (print_message("# %s\n", wrong), false));
  return nullptr;
}

// Recorded, asked and waited for by all: whoever's record was the last, it comes.
template <class S>
const char *threads_share_an_event() {
  Lab<S> lab;
  HOLDS(lab);
  Stream streams[4];
  for (Stream &stream : streams) stream = lab.stream();
  const Event event = lab.event();
  HOLDS(lab);
  const char *wrong = in_threads([&](std::size_t number) -> const char * {
    auto device = lab.device();
    for (std::size_t round = 0; round < 300; ++round) {
      const Stream stream = streams[(number + round) % 4];
      HOLDS(fine(device.record(event, stream)));
      HOLDS(fine(device.wait(streams[number % 4], event)));
      HOLDS(fine(device.done(event)));
      if (round % 7 == 0) HOLDS(fine(device.synchronize_event(event)));
    }
    return nullptr;
  });
  HOLDS(wrong == nullptr || (print_message("# %s\n", wrong), false));
  HOLDS(lab.eventually(event));
  return nullptr;
}

template <class S>
const char *threads_share_the_memory() {
  std::vector<std::uint8_t> buffers(kThreads * 4096);
  Lab<S> lab;
  HOLDS(lab);
  const char *wrong = in_threads([&](std::size_t number) -> const char * {
    auto device = lab.device();
    auto stream = device.create_stream();
    HOLDS(fine(stream));
    std::uint8_t *bytes = &buffers[number * 4096];
    for (std::size_t round = 0; round < 30; ++round) {
      auto block = device.allocate((round + 1) * 4096);
      HOLDS(fine(block));
      const Address last = *block + round * 4096;
      HOLDS(fine(device.fill(*block, static_cast<std::uint8_t>(number + 1), (round + 1) * 4096, *stream)));
      HOLDS(fine(device.copy(reinterpret_cast<Address>(bytes), last, 4096, *stream)));
      HOLDS(fine(device.synchronize_stream(*stream)) && bytes[0] == number + 1 && bytes[4095] == number + 1);
      if (lab.page != 0 && round % 10 == 0) {
        auto range = device.reserve(lab.page);
        auto memory = device.create(lab.page);
        HOLDS(fine(range) && fine(memory) && fine(device.map(*range, lab.page, *memory)));
        HOLDS(fine(device.set_access(*range, lab.page, Access::write)));
        HOLDS(fine(device.copy(*range, *block, 4096, *stream)) && fine(device.synchronize_stream(*stream)));
        HOLDS(fine(device.unmap(*range, lab.page)) && fine(device.destroy(*memory)) && fine(device.unreserve(*range, lab.page)));
      }
      HOLDS(fine(device.free(*block)) && fine(device.memory_info()));
    }
    HOLDS(fine(device.destroy_stream(*stream)));
    return nullptr;
  });
  HOLDS(wrong == nullptr || (print_message("# %s\n", wrong), false));
  return nullptr;
}

// Streams and events of one thread end while others queue: each keeps to its own.
template <class S>
const char *threads_come_and_go_with_streams() {
  Lab<S> lab;
  HOLDS(lab);
  const Address counters = lab.block(kThreads * 64);
  HOLDS(lab);
  const char *wrong = in_threads([&](std::size_t number) -> const char * {
    auto device = lab.device();
    for (std::size_t round = 0; round < 25; ++round) {
      auto stream = device.create_stream();
      auto event = device.create_event();
      HOLDS(fine(stream) && fine(event));
      const auto value = static_cast<std::uint8_t>(round + 1);
      for (int i = 0; i < 20; ++i) HOLDS(fine(device.fill(counters + number * 64, value, 64, *stream)));
      HOLDS(fine(device.record(*event, *stream)) && fine(device.destroy_stream(*stream)));
      HOLDS(fine(device.synchronize_event(*event)));
      std::uint8_t seen[64];
      HOLDS(fine(device.copy(reinterpret_cast<Address>(seen), counters + number * 64, 64, 0)) &&
            fine(device.synchronize_stream(0)));
      HOLDS(seen[0] == value && seen[63] == value);
      HOLDS(fine(device.destroy_event(*event)) && invalid(device.done(*event)));
    }
    return nullptr;
  });
  HOLDS(wrong == nullptr || (print_message("# %s\n", wrong), false));
  HOLDS(fine(lab.device().synchronize()));
  return nullptr;
}

}  // namespace conformance
