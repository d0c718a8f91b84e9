// Plain memory of several makes, and a mapping of it.
#pragma once

#include <cstddef>

namespace bench::memory {

enum class Make { memfd, anonymous, anonymous_huge, hugetlb };

struct Range {
  void *data = nullptr;
  std::size_t size = 0;
  int fd = -1;
};

// False for huge pages that the machine has none of.
bool available(Make make, std::size_t size);
Range create(Make make, std::size_t size);
// All pages at once, without touching them.
void populate(const Range &range, bool for_writing);
void free(Range &range);
// A byte of every page.
void read_pages(const void *data, std::size_t size);

}  // namespace bench::memory
