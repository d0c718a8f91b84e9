// What changes among the shared objects of this machine from one look to the next.
#pragma once

#include <shmalloc.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shmalloc_tool {

struct Watched {
  shmalloc_object_info object;
  std::optional<std::int64_t> growth;  // of the memory it takes; none at the first look
};

struct Totals {
  std::size_t objects = 0;
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  std::int64_t growth = 0;  // of all together, those that are gone included
  std::size_t abandoned = 0;
  std::size_t added = 0;
  std::size_t gone = 0;
};

class Watch {
 public:
  // One more look: the objects with the largest first.
  std::vector<Watched> look(std::vector<shmalloc_object_info> now);
  const Totals &totals() const { return totals_; }

 private:
  bool first_ = true;
  std::vector<shmalloc_object_info> before_;
  Totals totals_;
};

// "+1.00 MiB", "-12 bytes"; "-" for nothing.
std::string format_growth(std::int64_t bytes);

}  // namespace shmalloc_tool
