// Vector clocks: for each stream, how much of its work is known to come before.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

namespace sim {

class Clock {
 public:
  std::uint64_t at(std::uint64_t stream) const {
    const auto found = seen_.find(stream);
    return found == seen_.end() ? 0 : found->second;
  }
  void set(std::uint64_t stream, std::uint64_t count) { seen_[stream] = count; }
  void join(const Clock &other) {
    for (const auto &[stream, count] : other.seen_) {
      auto &own = seen_[stream];
      own = std::max(own, count);
    }
  }

 private:
  std::map<std::uint64_t, std::uint64_t> seen_;
};

}  // namespace sim
