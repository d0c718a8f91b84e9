// Streams: order, ends, errors, the default one.
#pragma once

#include "rules_memory.hpp"

namespace conformance {

template <class S>
const char *a_stream_keeps_its_order() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  // Large work before small: who starts the small one too early has it overwritten.
  constexpr std::size_t kSize = 4 * kMiB;
  const Address one = lab.block(kSize);
  const Address other = lab.block(kSize);
  const Stream stream = lab.stream();
  HOLDS(lab);
  for (std::uint8_t i = 1; i <= 10; ++i) {
    HOLDS(fine(device.fill(one, i, kSize, stream)));
    HOLDS(fine(device.fill(one + kSize / 2, static_cast<std::uint8_t>(i + 100), 1, stream)));
    HOLDS(fine(device.copy(other, one, kSize, stream)));
    HOLDS(fine(device.fill(one, 0, kSize, stream)));
  }
  HOLDS(fine(device.synchronize_stream(stream)));
  HOLDS(lab.reads(other, kSize / 2, 10) && lab.reads(other + kSize / 2, 1, 110) &&
        lab.reads(other + kSize / 2 + 1, kSize / 2 - 1, 10));
  HOLDS(lab.reads(one, kSize, 0));
  // Of nothing, nothing is done.
  HOLDS(fine(device.fill(one, 9, 0, stream)) && fine(device.copy(one, other, 0, stream)) &&
        fine(device.synchronize_stream(stream)));
  HOLDS(lab.reads(one, kSize, 0));
  // There and back through the host's ordinary memory.
  std::vector<std::uint8_t> bytes(kSize, 77);
  HOLDS(fine(device.copy(one, reinterpret_cast<Address>(bytes.data()), kSize, stream)));
  HOLDS(fine(device.synchronize_stream(stream)));
  HOLDS(lab.reads(one, kSize, 77));
  return nullptr;
}

// More than any ring of a backend's has room for.
template <class S>
const char *a_stream_takes_any_amount_of_work() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  constexpr std::size_t kPieces = 5000;
  const Address block = lab.block(2 * kPieces);
  const Stream stream = lab.stream();
  const Event event = lab.event();
  HOLDS(lab);
  for (std::size_t i = 0; i < kPieces; ++i) {
    HOLDS(fine(device.fill(block + i, static_cast<std::uint8_t>(i % 251), 1, stream)));
    HOLDS(fine(device.copy(block + kPieces + i, block + i, 1, stream)));
  }
  HOLDS(fine(device.record(event, stream)) && lab.eventually(event));
  std::vector<std::uint8_t> bytes(kPieces);
  HOLDS(fine(device.copy(reinterpret_cast<Address>(bytes.data()), block + kPieces, kPieces, stream)));
  HOLDS(fine(device.synchronize_stream(stream)));
  for (std::size_t i = 0; i < kPieces; ++i) HOLDS(bytes[i] == i % 251);
  return nullptr;
}

template <class S>
const char *synchronize_means_what_was_queued() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  constexpr std::size_t kSize = 8 * kMiB;
  const Address block = lab.block(kSize);
  const Stream stream = lab.stream();
  const Event event = lab.event();
  HOLDS(lab);
  const auto queue = [&](std::uint8_t value) {
    for (int i = 0; i < 4; ++i) {
      if (!fine(device.fill(block, static_cast<std::uint8_t>(value + i), kSize, stream))) return false;
    }
    return fine(device.record(event, stream));
  };
  HOLDS(queue(10) && fine(device.synchronize_stream(stream)) && lab.is_done(event));
  HOLDS(queue(20) && fine(device.synchronize()) && lab.is_done(event));
  HOLDS(queue(30) && fine(device.synchronize_event(event)) && lab.is_done(event));
  HOLDS(lab.reads(block, kSize, 33));
  // Not what came later, nor what is on another stream.
  HOLDS(queue(40));
  Gate<typename S::Device> gate(device, stream);
  HOLDS(gate);
  const Event behind = lab.event();
  HOLDS(fine(device.record(behind, stream)));
  HOLDS(fine(device.synchronize_event(event)) && lab.is_done(event));
  HOLDS(lab.stays_pending(behind));
  HOLDS(lab.reads(block, kSize, 43));
  gate.open();
  HOLDS(fine(device.synchronize_event(behind)) && lab.is_done(behind));
  return nullptr;
}

template <class S>
const char *a_destroyed_stream_does_its_work() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  constexpr std::size_t kSize = 2 * kMiB;
  const Address block = lab.block(kSize);
  const Event event = lab.event();
  for (std::uint8_t round = 1; round <= 5; ++round) {
    auto stream = device.create_stream();
    HOLDS(lab && fine(stream));
    Gate<typename S::Device> gate(device, *stream);
    HOLDS(gate);
    for (int i = 0; i < 10; ++i) HOLDS(fine(device.fill(block, 0, kSize, *stream)));
    HOLDS(fine(device.fill(block, round, kSize, *stream)));
    HOLDS(fine(device.record(event, *stream)));
    HOLDS(fine(device.destroy_stream(*stream)));
    HOLDS(lab.stays_pending(event));
    // The number is void, whoever has the place now.
    const Stream next = lab.stream();
    HOLDS(lab && next != *stream);
    HOLDS(invalid(device.destroy_stream(*stream)) && invalid(device.fill(block, 1, 1, *stream)));
    HOLDS(invalid(device.synchronize_stream(*stream)) && invalid(device.record(event, *stream)));
    gate.open();
    if (round % 2 == 0) {
      HOLDS(lab.eventually(event));
    } else {
      HOLDS(fine(device.synchronize()) && lab.is_done(event));
    }
    HOLDS(lab.reads(block, kSize, round));
  }
  // Without work, often: a number that is void stays so, whatever comes after it.
  Stream gone = 0;
  for (int i = 0; i < 200; ++i) {
    auto stream = device.create_stream();
    HOLDS(fine(stream) && *stream != gone);
    if (i > 0) HOLDS(invalid(device.fill(block, 1, 1, gone)));
    HOLDS(fine(device.destroy_stream(*stream)));
    gone = *stream;
  }
  return nullptr;
}

template <class S>
const char *the_default_stream_is_a_stream() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  constexpr std::size_t kSize = kMiB;
  const Address one = lab.block(kSize);
  const Address other = lab.block(kSize);
  const Event event = lab.event();
  const Event mine = lab.event();
  const Stream stream = lab.stream();
  HOLDS(lab && invalid(device.destroy_stream(0)));
  for (std::uint8_t round = 1; round <= 3; ++round) {
    HOLDS(fine(device.fill(one, round, kSize, 0)) && fine(device.copy(other, one, kSize, 0)) && fine(device.record(mine, 0)));
    HOLDS(fine(device.synchronize_stream(0)) && lab.is_done(mine));
    HOLDS(lab.reads(other, kSize, round));
    // The host goes on where the stream has to wait.
    Gate<typename S::Device> gate(device, stream);
    HOLDS(gate);
    HOLDS(fine(device.fill(one, static_cast<std::uint8_t>(round + 10), kSize, stream)) && fine(device.record(event, stream)));
    HOLDS(fine(device.wait(0, event)));
    for (std::uint8_t i = 0; i < 30; ++i) HOLDS(fine(device.fill(other, i, kSize, 0)));
    HOLDS(fine(device.copy(other, one, kSize, 0)) && fine(device.record(mine, 0)));
    HOLDS(lab.stays_pending(mine));
    gate.open();
    if (round == 2) HOLDS(lab.eventually(mine));
    HOLDS(fine(round == 1 ? device.synchronize() : device.synchronize_stream(0)) && lab.is_done(mine));
    HOLDS(lab.reads(other, kSize, static_cast<std::uint8_t>(round + 10)));
  }
  return nullptr;
}

template <class S>
const char *many_streams_wait_for_one() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  constexpr std::size_t kStreams = 48;
  constexpr std::size_t kSize = 4096;
  const Address source = lab.block(kSize);
  const Address targets = lab.block(kStreams * kSize);
  const Event start = lab.event();
  const Stream first = lab.stream();
  HOLDS(lab && lab.fills(source, kSize, 1));
  Gate<typename S::Device> gate(device, first);
  HOLDS(gate && fine(device.fill(source, 2, kSize, first)) && fine(device.record(start, first)));
  std::vector<Stream> streams;
  std::vector<Event> events;
  for (std::size_t i = 0; i < kStreams; ++i) {
    streams.push_back(lab.stream());
    events.push_back(lab.event());
    HOLDS(lab && streams.back() != 0 && streams.back() != first && (i == 0 || streams[i] != streams[i - 1]));
    HOLDS(fine(device.wait(streams[i], start)));
    HOLDS(fine(device.copy(targets + i * kSize, source, kSize, streams[i])) && fine(device.record(events[i], streams[i])));
  }
  HOLDS(lab.stays_pending(events[0]) && lab.stays_pending(events[kStreams - 1]));
  gate.open();
  for (const Event event : events) HOLDS(lab.eventually(event));
  HOLDS(lab.reads(targets, kStreams * kSize, 2));
  return nullptr;
}

template <class S>
const char *unknown_streams_and_events_are_refused() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  const Address block = lab.block(4096);
  const Stream stream = lab.stream();
  const Event event = lab.event();
  auto gone = device.create_stream();
  auto over = device.create_event();
  HOLDS(lab && fine(gone) && fine(over) && fine(device.destroy_stream(*gone)) && fine(device.destroy_event(*over)));
  HOLDS(lab.fills(block, 4096, 1));
  std::vector<Stream> none = {*gone, ~Stream{0}};
  // Where streams that others made serve as well, any address may be one.
  if constexpr (!S::kForeignStreams) none.push_back(Stream{0xdeadbeef} << 16);
  for (const Stream bad : none) {
    HOLDS(invalid(device.fill(block, 2, 4096, bad)) && invalid(device.copy(block, block + 2048, 1024, bad)));
    HOLDS(invalid(device.record(event, bad)) && invalid(device.wait(bad, event)));
    HOLDS(invalid(device.synchronize_stream(bad)) && invalid(device.destroy_stream(bad)) && invalid(device.capturing(bad)));
  }
  for (const Event bad : {*over, Event::none, Event{0xdeadbeef}, Event{~std::uint64_t{0}}}) {
    HOLDS(invalid(device.record(bad, stream)) && invalid(device.wait(stream, bad)) && invalid(device.done(bad)));
    HOLDS(invalid(device.synchronize_event(bad)) && invalid(device.destroy_event(bad)));
  }
  HOLDS(lab.is_done(event));
  HOLDS(fine(device.synchronize()) && lab.reads(block, 4096, 1));
  return nullptr;
}

template <class S>
const char *nothing_is_captured() {
  Lab<S> lab;
  HOLDS(lab);
  const Stream stream = lab.stream();
  auto captured = lab.device().capturing(stream);
  HOLDS(lab && fine(captured) && !*captured);
  auto by_default = lab.device().capturing(0);
  HOLDS(fine(by_default) && !*by_default);
  return nullptr;
}

template <class S>
const char *functions_are_work_like_any_other() {
  if constexpr (Calling<typename S::Device>) {
    std::vector<int> seen;  // by one stream alone, which keeps its order
    Lab<S> lab;
    HOLDS(lab);
    auto &device = lab.device();
    const Event event = lab.event();
    for (const Stream stream : {lab.stream(), Stream{0}}) {
      HOLDS(lab);
      seen.clear();
      for (int i = 0; i < 100; ++i) {
        HOLDS(fine(device.call(
            stream, [](void *list) { static_cast<std::vector<int> *>(list)->push_back(1); }, &seen)));
        HOLDS(fine(device.call(
            stream, [](void *list) { static_cast<std::vector<int> *>(list)->push_back(2); }, &seen)));
      }
      HOLDS(fine(device.record(event, stream)) && fine(device.synchronize_event(event)));
      HOLDS(seen.size() == 200);
      for (std::size_t i = 0; i < 200; ++i) HOLDS(seen[i] == (i % 2 == 0 ? 1 : 2));
    }
  }
  return nullptr;
}

}  // namespace conformance
