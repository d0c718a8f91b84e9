// Events: when they are done, and what waits for them mean.
#pragma once

#include "rules_memory.hpp"

namespace conformance {

template <class S>
const char *an_event_is_done_when_its_stream_came_so_far() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  const Stream stream = lab.stream();
  const Stream other = lab.stream();
  const Event event = lab.event();
  const Event mark = lab.event();
  HOLDS(lab);
  // Never recorded: done, for whoever asks.
  HOLDS(lab.is_done(event) && fine(device.synchronize_event(event)));
  HOLDS(fine(device.wait(stream, event)) && fine(device.record(mark, stream)) && lab.eventually(mark));
  // Recorded on a stream that has nothing to do.
  HOLDS(fine(device.record(event, stream)) && lab.eventually(event) && fine(device.synchronize_event(event)));
  for (int round = 0; round < 3; ++round) {
    Gate<typename S::Device> gate(device, stream);
    HOLDS(gate && fine(device.record(event, stream)));
    HOLDS(lab.stays_pending(event));
    HOLDS(fine(device.record(mark, other)) && lab.eventually(mark));
    gate.open();
    HOLDS(lab.eventually(event));
    HOLDS(lab.is_done(event));
  }
  return nullptr;
}

template <class S>
const char *the_last_record_counts() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  const Stream held = lab.stream();
  const Stream idle = lab.stream();
  const Event event = lab.event();
  HOLDS(lab);
  HOLDS(fine(device.record(event, idle)) && lab.eventually(event));
  {
    Gate<typename S::Device> gate(device, held);
    HOLDS(gate && fine(device.record(event, held)));
    HOLDS(lab.stays_pending(event));
    // What is still to come of the first does not matter any more.
    HOLDS(fine(device.record(event, idle)) && lab.eventually(event));
    // Nor does the second, when a third follows.
    HOLDS(fine(device.record(event, held)));
    HOLDS(lab.stays_pending(event));
    gate.open();
    HOLDS(fine(device.synchronize_event(event)) && lab.is_done(event));
  }
  // An old record that comes to its end does not make a later one done.
  Gate<typename S::Device> first(device, idle);
  HOLDS(first);
  first.reach();
  Gate<typename S::Device> second(device, held);
  const Event end = lab.event();
  HOLDS(second && fine(device.record(event, idle)) && fine(device.record(end, idle)) && fine(device.record(event, held)));
  first.open();
  HOLDS(lab.eventually(end));
  HOLDS(lab.stays_pending(event));
  second.open();
  HOLDS(lab.eventually(event));
  return nullptr;
}

template <class S>
const char *a_wait_means_the_record_of_its_time() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  const Stream held = lab.stream();
  const Stream idle = lab.stream();
  const Stream waiter = lab.stream();
  const Event event = lab.event();
  const Event mark = lab.event();
  HOLDS(lab);
  for (int round = 0; round < 3; ++round) {
    // A record that was done before does not come undone for the waiter.
    HOLDS(fine(device.record(event, idle)) && lab.eventually(event) && fine(device.wait(waiter, event)));
    Gate<typename S::Device> gate(device, held);
    HOLDS(gate && fine(device.record(event, held)));
    HOLDS(fine(device.record(mark, waiter)) && lab.eventually(mark));
    // A record that is not done is waited for, though another one follows and is done.
    HOLDS(fine(device.wait(waiter, event)));
    HOLDS(fine(device.record(event, idle)) && lab.eventually(event));
    HOLDS(fine(device.record(mark, waiter)));
    HOLDS(lab.stays_pending(mark));
    // Nor does a record that comes behind the waiter keep it: it would wait for itself.
    HOLDS(fine(device.record(event, waiter)));
    gate.open();
    HOLDS(lab.eventually(mark) && lab.eventually(event));
    // For itself.
    HOLDS(fine(device.wait(waiter, event)) && fine(device.record(mark, waiter)) && lab.eventually(mark));
  }
  return nullptr;
}

template <class S>
const char *waits_order_streams() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  constexpr std::size_t kSize = kMiB;
  const Address source = lab.block(kSize);
  const Address target = lab.block(kSize);
  const Stream writer = lab.stream();
  const Stream reader = lab.stream();
  const Event written = lab.event();
  const Event read = lab.event();
  HOLDS(lab && lab.fills(source, kSize, 0));
  for (std::uint8_t round = 1; round <= 5; ++round) {
    Gate<typename S::Device> gate(device, writer);
    HOLDS(gate && fine(device.fill(source, round, kSize, writer)) && fine(device.record(written, writer)));
    HOLDS(fine(device.wait(reader, written)) && fine(device.copy(target, source, kSize, reader)) &&
          fine(device.record(read, reader)));
    // The writer goes on only when it was read.
    HOLDS(fine(device.wait(writer, read)) && fine(device.fill(source, 0, kSize, writer)));
    HOLDS(lab.stays_pending(read));
    gate.open();
    HOLDS(fine(device.synchronize()));
    HOLDS(lab.reads(target, kSize, round) && lab.reads(source, kSize, 0));
  }
  // Both at full speed.
  for (std::uint8_t round = 1; round <= 100; ++round) {
    HOLDS(fine(device.fill(source, round, kSize, writer)) && fine(device.record(written, writer)));
    HOLDS(fine(device.wait(reader, written)) && fine(device.copy(target, source, kSize, reader)) &&
          fine(device.record(read, reader)));
    HOLDS(fine(device.wait(writer, read)));
  }
  HOLDS(fine(device.fill(source, 0, kSize, writer)) && fine(device.synchronize()));
  HOLDS(lab.reads(target, kSize, 100));
  return nullptr;
}

template <class S>
const char *waits_in_a_circle_of_streams() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  constexpr std::size_t kSize = 64 * kKiB;
  constexpr std::size_t kStreams = 4;
  Address blocks[kStreams];
  Stream streams[kStreams];
  Event events[kStreams];
  for (std::size_t i = 0; i < kStreams; ++i) {
    blocks[i] = lab.block(kSize);
    streams[i] = lab.stream();
    events[i] = lab.event();
  }
  HOLDS(lab);
  // One value goes round; each stream passes on what it was handed, and wipes it behind itself.
  HOLDS(fine(device.fill(blocks[0], 99, kSize, streams[0])) && fine(device.record(events[0], streams[0])));
  constexpr std::size_t kSteps = 400;
  for (std::size_t step = 1; step <= kSteps; ++step) {
    const std::size_t from = (step - 1) % kStreams;
    const std::size_t to = step % kStreams;
    HOLDS(fine(device.wait(streams[to], events[from])));
    HOLDS(fine(device.copy(blocks[to], blocks[from], kSize, streams[to])) &&
          fine(device.fill(blocks[from], 1, kSize, streams[to])));
    HOLDS(fine(device.record(events[to], streams[to])));
  }
  HOLDS(lab.eventually(events[kSteps % kStreams]));
  HOLDS(lab.reads(blocks[kSteps % kStreams], kSize, 99));
  return nullptr;
}

template <class S>
const char *events_outlive_their_streams_and_waits_their_events() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  const Stream waiter = lab.stream();
  const Event mark = lab.event();
  for (int round = 0; round < 3; ++round) {
    auto held = device.create_stream();
    auto event = device.create_event();
    HOLDS(lab && fine(held) && fine(event));
    Gate<typename S::Device> gate(device, *held);
    HOLDS(gate && fine(device.record(*event, *held)) && fine(device.destroy_stream(*held)));
    HOLDS(fine(device.wait(waiter, *event)) && fine(device.record(mark, waiter)));
    HOLDS(lab.stays_pending(*event));
    HOLDS(fine(device.destroy_event(*event)));
    // Another event may have its place by now.
    const Event next = lab.event();
    HOLDS(lab && next != *event && lab.is_done(next));
    HOLDS(lab.stays_pending(mark));
    gate.open();
    HOLDS(lab.eventually(mark));
    HOLDS(lab.is_done(next));
  }
  return nullptr;
}

template <class S>
const char *many_events() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  constexpr std::size_t kEvents = 1000;
  const Stream stream = lab.stream();
  const Stream other = lab.stream();
  std::vector<Event> events;
  for (std::size_t i = 0; i < kEvents; ++i) events.push_back(lab.event());
  HOLDS(lab);
  for (std::size_t i = 1; i < kEvents; ++i) HOLDS(events[i] != events[i - 1] && events[i] != events[0]);
  {
    Gate<typename S::Device> gate(device, stream);
    HOLDS(gate);
    // Where nothing waits to be run the rest is done meanwhile.
    for (std::size_t i = 0; i < kEvents; ++i) HOLDS(fine(device.record(events[i], i % 10 == 0 ? stream : other)));
    for (std::size_t i = 0; i < kEvents; ++i) {
      if (i % 10 != 0) HOLDS(lab.eventually(events[i]));
    }
    HOLDS(lab.stays_pending(events[0]) && lab.stays_pending(events[kEvents - 10]));
  }
  for (const Event event : events) HOLDS(fine(device.synchronize_event(event)) && lab.is_done(event));
  return nullptr;
}

}  // namespace conformance
