#include "watch.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "text.hpp"

namespace shmalloc_tool {
namespace {

// Objects without a name are called alike; who holds them and when they last got longer tells most of them apart.
using Key = std::tuple<std::string, bool, std::int32_t, std::int64_t, std::uint64_t>;
Key key_of(const shmalloc_object_info &object, bool unchanged) {
  const bool named = (object.state & SHMALLOC_OBJECT_NAMED) != 0;
  return {object.name, named, named ? 0 : object.holder_pid, unchanged ? object.modified_ns : 0, unchanged ? object.size : 0};
}

// Each object with what it was before, or nullptr: first those that did not get longer, then of the rest in their order.
std::vector<const shmalloc_object_info *> matched(const std::vector<shmalloc_object_info> &now,
                                                  const std::vector<shmalloc_object_info> &before) {
  std::vector<const shmalloc_object_info *> found(now.size(), nullptr);
  std::vector<bool> taken(before.size(), false);
  for (const bool unchanged : {true, false}) {
    std::map<Key, std::vector<std::size_t>> open;  // the earliest last
    for (std::size_t i = before.size(); i-- > 0;)
      if (!taken[i]) open[key_of(before[i], unchanged)].push_back(i);
    for (std::size_t i = 0; i < now.size(); ++i) {
      const auto at = found[i] == nullptr ? open.find(key_of(now[i], unchanged)) : open.end();
      if (at == open.end() || at->second.empty()) continue;
      taken[at->second.back()] = true;
      found[i] = &before[at->second.back()];
      at->second.pop_back();
    }
  }
  return found;
}

std::int64_t difference(std::uint64_t now, std::uint64_t before) { return static_cast<std::int64_t>(now - before); }

}  // namespace

std::vector<Watched> Watch::look(std::vector<shmalloc_object_info> now) {
  const auto earlier = matched(now, before_);
  Totals totals;
  std::size_t stayed = 0;
  std::vector<Watched> seen;
  for (std::size_t i = 0; i < now.size(); ++i) {
    const shmalloc_object_info &object = now[i];
    Watched watched{object, {}};
    if (!first_) watched.growth = difference(object.resident, earlier[i] != nullptr ? earlier[i]->resident : 0);
    stayed += earlier[i] != nullptr ? 1 : 0;
    ++totals.objects;
    totals.size += object.size;
    totals.resident += object.resident;
    totals.abandoned += (object.state & SHMALLOC_OBJECT_ABANDONED) != 0 ? 1 : 0;
    seen.push_back(watched);
  }
  if (!first_) {
    totals.growth = difference(totals.resident, totals_.resident);
    totals.added = now.size() - stayed;
    totals.gone = before_.size() - stayed;
  }
  std::stable_sort(seen.begin(), seen.end(),
                   [](const Watched &a, const Watched &b) { return a.object.resident > b.object.resident; });
  before_ = std::move(now);
  totals_ = totals;
  first_ = false;
  return seen;
}

std::string format_growth(std::int64_t bytes) {
  if (bytes == 0) return "-";
  const auto amount = bytes < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(bytes) : static_cast<std::uint64_t>(bytes);
  std::string text(1, bytes < 0 ? '-' : '+');
  return text += format_size(amount);
}

}  // namespace shmalloc_tool
