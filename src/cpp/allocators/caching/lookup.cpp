#include "allocators/caching/lookup.hpp"

#include <algorithm>
#include <new>

namespace shmalloc::caching {

void Lookup::make(Segment *segments) {
  delete[] table_;
  count_ = 0;
  for (const Segment *at = segments; at != nullptr; at = at->next) ++count_;
  table_ = new (std::nothrow) Segment *[count_];
  if (table_ == nullptr) return;
  std::size_t filled = 0;
  for (Segment *at = segments; at != nullptr; at = at->next) table_[filled++] = at;
  std::sort(table_, table_ + count_, [](const Segment *one, const Segment *other) { return one->address < other->address; });
  valid_ = true;
}

Segment *Lookup::segment_of(Segment *segments, Address address) {
  if (!valid_) make(segments);
  const auto holds = [address](const Segment &segment) { return address - segment.address < segment.size; };
  if (!valid_) {  // no memory for the table
    Segment *at = segments;
    while (at != nullptr && !holds(*at)) at = at->next;
    return at;
  }
  Segment **after = std::upper_bound(table_, table_ + count_, address,
                                     [](Address wanted, const Segment *segment) { return wanted < segment->address; });
  return after != table_ && holds(*after[-1]) ? after[-1] : nullptr;
}

Block *Lookup::find(Segment *segments, Address address) {
  Segment *segment = segment_of(segments, address);
  if (segment == nullptr) return nullptr;
  if (segment->starts == nullptr) {
    segment->starts = new (std::nothrow) Block *[places_of(*segment)]();
    for (Block *at = segment->first; at != nullptr && segment->starts != nullptr; at = at->next)
      segment->starts[place_in(*segment, at->address)] = at;
  }
  Block *found = nullptr;
  if (segment->starts != nullptr) {
    found = segment->starts[place_in(*segment, address)];
  } else {
    found = segment->first;
    while (found != nullptr && found->address != address) found = found->next;
  }
  return found != nullptr && found->address == address ? found : nullptr;
}

}  // namespace shmalloc::caching
