// The numbers that a table gave and that were not given back, each with a value: addresses and their sizes, streams, events. Memory for an
// entry is had before the table is asked, so that nothing can fail behind it.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace shmalloc::device {

class Numbers {
 public:
  using Slot = std::map<std::uint64_t, std::uint64_t>::node_type;

  static Result<Slot> slot() {
    try {
      std::map<std::uint64_t, std::uint64_t> one;
      return one.extract(one.emplace(0, 0).first);
    } catch (const std::bad_alloc &) {
      return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a device's tables");
    }
  }

  // False: it is there already.
  bool enter(Slot slot, std::uint64_t number, std::uint64_t value) {
    slot.key() = number;
    slot.mapped() = value;
    const std::lock_guard lock(mutex_);
    return all_.insert(std::move(slot)).inserted;
  }
  // Empty: it is not there.
  Slot take(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    return all_.extract(number);
  }
  void put_back(Slot slot) {
    const std::lock_guard lock(mutex_);
    all_.insert(std::move(slot));
  }

  std::optional<std::uint64_t> find(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    const auto at = all_.find(number);
    return at != all_.end() ? std::optional(at->second) : std::nullopt;
  }
  // Whether these bytes lie in one of the ranges that the entries are.
  bool covers(std::uint64_t address, std::uint64_t size) {
    const std::lock_guard lock(mutex_);
    auto at = all_.upper_bound(address);
    if (at == all_.begin()) return false;
    --at;
    const std::uint64_t offset = address - at->first;
    return offset <= at->second && size <= at->second - offset;
  }
  // Throws std::bad_alloc.
  std::vector<std::uint64_t> list() {
    const std::lock_guard lock(mutex_);
    std::vector<std::uint64_t> numbers;
    numbers.reserve(all_.size());
    for (const auto &[number, value] : all_) numbers.push_back(number);
    return numbers;
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> all_;
};

}  // namespace shmalloc::device
