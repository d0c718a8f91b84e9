#include "anchors/memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "anchors/raw.hpp"
#include "harness/check.hpp"
#include "harness/clock.hpp"

#if !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace bench::memory {

namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

void *map_anonymous(std::size_t size, int flags) {
  return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

// Sizes are multiples of a huge page, addresses are made so.
void *map_huge(std::size_t size) {
  void *data = map_anonymous(size + huge_page, 0);
  check(data != MAP_FAILED, "mmap");
  char *first = static_cast<char *>(data);
  const std::size_t skip = (huge_page - reinterpret_cast<std::size_t>(first) % huge_page) % huge_page;
  if (skip != 0) munmap(first, skip);
  munmap(first + skip + size, huge_page - skip);
  madvise(first + skip, size, MADV_HUGEPAGE);
  return first + skip;
}

}  // namespace

bool available(Make make, std::size_t size) {
  if (make != Make::hugetlb) return true;
  void *data = map_anonymous(size, MAP_HUGETLB);
  if (data == MAP_FAILED) return false;
  munmap(data, size);
  return true;
}

Range create(Make make, std::size_t size) {
  Range range{nullptr, size, -1};
  if (make == Make::memfd) {
    range.fd = raw::create(size, raw::Blocks::lazy);
    range.data = raw::map(range.fd, size);
  } else if (make == Make::anonymous_huge) {
    range.data = map_huge(size);
  } else {
    range.data = map_anonymous(size, make == Make::hugetlb ? MAP_HUGETLB : 0);
    check(range.data != MAP_FAILED, "mmap");
    if (make == Make::anonymous) madvise(range.data, size, MADV_NOHUGEPAGE);
  }
  return range;
}

void populate(const Range &range, bool for_writing) {
  check(madvise(range.data, range.size, for_writing ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) == 0, "madvise(MADV_POPULATE)");
}

void free(Range &range) {
  raw::unmap(range.data, range.size);
  if (range.fd >= 0) close(range.fd);
  range = {};
}

void read_pages(const void *data, std::size_t size) {
  for (std::size_t offset = 0; offset < size; offset += 4096) read_byte(static_cast<const char *>(data) + offset);
}

}  // namespace bench::memory
