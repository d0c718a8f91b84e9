// What the copies of a custom device share.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/fork.hpp"
#include "device/custom/custom_device.hpp"
#include "device/custom/numbers.hpp"
#include "device/custom/table.hpp"

namespace shmalloc::device {

struct CustomDevice::State {
  State(const shmalloc_backend &from, void *userdata) : table(from, userdata) {}

  const FunctionTable table;
  const std::uint64_t generation = fork_generation();
  std::atomic<std::uint64_t> references{1};
  shmalloc_destroy_fn destroy_fn = nullptr;
  std::uint64_t total = UINT64_MAX;

  Numbers blocks;    // addresses and sizes
  Numbers ranges;    // the same of reserved addresses
  Numbers memories;  // memory without an address, and its size
  Numbers streams;
  Numbers events;
  std::atomic<std::uint64_t> next_event{1};  // of a device without streams

  // Of a table that has no function to wait for all: an event at the end of each stream that is gone, and might have work left.
  class Mark;
  std::mutex order;  // a stream is among `streams` or has its mark here; taken before others
  std::vector<std::shared_ptr<Mark>> left;

  // BACKEND where the table must not be called.
  Result<void> ready() const;
  Result<MemoryInfo> memory_info() const;
  Result<void> check_stream(Stream stream) const;
  Result<void> check_not_captured(Stream stream) const;
  Result<void> check_event(Event event);
  Result<void> check_pages(std::uint64_t size) const;
  Result<void> check_range(Address address, std::uint64_t size);
  Result<void> synchronize_stream(Stream stream) const;
  // For what the table does not do: the host may, once the stream has come so far.
  Result<void> host_instead(const char *function, Stream stream) const;

  Error none_such(const char *what, std::uint64_t number) const;
  void forget_done();
  // These throw std::bad_alloc, and have changed nothing then.
  Result<void> leave(Stream stream);
  Result<void> wait_for_all();

  // A number that the table makes. `unfit` says what is wrong with it, or NULL; `undo` gives it back then.
  template <class Unfit, class Undo>
  Result<std::uint64_t> make(Numbers &numbers, const char *function, shmalloc_backend_make_fn pointer, std::uint64_t size,
                             Unfit unfit, Undo undo) {
    SHMALLOC_TRY(slot, Numbers::slot());
    SHMALLOC_TRY(number, table.make(function, pointer, size));
    if (const char *what = unfit(number); what != nullptr) {
      static_cast<void>(undo(number));
      return table.wrong(function, number, what);
    }
    if (!numbers.enter(std::move(slot), number, size)) return table.wrong(function, number, "which is in use already");
    return number;
  }
  // The end of a number. It is void before the table knows, which may give it again at once. `end` must not throw.
  template <class End>
  Result<void> end(Numbers &numbers, const char *what, std::uint64_t number, End end) {
    Numbers::Slot slot = numbers.take(number);
    if (slot.empty()) return none_such(what, number);
    const Result<void> ended = end(slot.mapped());
    if (!ended) numbers.put_back(std::move(slot));
    return ended;
  }
};

}  // namespace shmalloc::device
