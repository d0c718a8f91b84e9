#include "allocators/map/flags.hpp"

namespace shmalloc {
namespace {

constexpr std::uint32_t kAll = SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_EXCLUSIVE |
                               SHMALLOC_MAPPED_NOCREATE | SHMALLOC_MAPPED_KEEPFD | SHMALLOC_MAPPED_FROMFD | SHMALLOC_MAPPED_UNLINK |
                               SHMALLOC_MAPPED_NO_GROW | SHMALLOC_MAPPED_READ_ONLY | SHMALLOC_MAPPED_MEMFD |
                               SHMALLOC_MAPPED_HUGETLB;

struct Contradiction {
  std::uint32_t one;
  std::uint32_t other;
  const char *one_name;
  const char *other_name;
};

#define PAIR(one, other) \
  { SHMALLOC_MAPPED_##one, SHMALLOC_MAPPED_##other, #one, #other }
constexpr Contradiction kContradictions[] = {
    PAIR(SHARED, SHAREDMEM), PAIR(EXCLUSIVE, NOCREATE), PAIR(EXCLUSIVE, FROMFD),  PAIR(EXCLUSIVE, READ_ONLY),
    PAIR(UNLINK, FROMFD),    PAIR(MEMFD, SHARED),       PAIR(MEMFD, SHAREDMEM),   PAIR(MEMFD, EXCLUSIVE),
    PAIR(MEMFD, NOCREATE),   PAIR(MEMFD, FROMFD),       PAIR(MEMFD, UNLINK),      PAIR(MEMFD, READ_ONLY),
    PAIR(HUGETLB, SHARED),   PAIR(HUGETLB, SHAREDMEM),  PAIR(HUGETLB, EXCLUSIVE), PAIR(HUGETLB, NOCREATE),
    PAIR(HUGETLB, FROMFD),   PAIR(HUGETLB, UNLINK),     PAIR(HUGETLB, READ_ONLY),
};
#undef PAIR

Error invalid(const char *text) { return fail(SHMALLOC_STATUS_INVALID, 0, "mapped: %s", text); }

}  // namespace

Result<Plan> make_plan(std::uint32_t mapped, bool has_name) {
  if ((mapped & ~kAll) != 0)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "mapped: bits %#x are not known to this version", mapped & ~kAll);
  for (const Contradiction &pair : kContradictions) {
    if ((mapped & pair.one) != 0 && (mapped & pair.other) != 0) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "mapped: %s contradicts %s", pair.one_name, pair.other_name);
    }
  }
  const auto has = [mapped](std::uint32_t flag) { return (mapped & flag) != 0; };
  Plan plan;
  plan.shared = has(SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_SHAREDMEM);
  if (has(SHMALLOC_MAPPED_EXCLUSIVE) && !plan.shared) return invalid("EXCLUSIVE needs SHARED or SHAREDMEM");
  plan.exclusive = has(SHMALLOC_MAPPED_EXCLUSIVE);
  plan.read_only = has(SHMALLOC_MAPPED_READ_ONLY);
  plan.create = !has(SHMALLOC_MAPPED_NOCREATE) && !plan.read_only;
  plan.keep_fd = has(SHMALLOC_MAPPED_KEEPFD);
  plan.unlink = has(SHMALLOC_MAPPED_UNLINK);
  plan.grow = !has(SHMALLOC_MAPPED_NO_GROW) && !plan.read_only;
  plan.huge = has(SHMALLOC_MAPPED_HUGETLB);
  plan.mapped = mapped;
  if (has(SHMALLOC_MAPPED_FROMFD)) {
    if (has_name) return invalid("FROMFD takes no name");
    plan.source = Source::descriptor;
  } else if (has(SHMALLOC_MAPPED_SHAREDMEM)) {
    if (!has_name && !plan.create) return invalid("NOCREATE or READ_ONLY with SHAREDMEM needs the name of what exists");
    plan.source = Source::shm;
  } else if (has_name && !has(SHMALLOC_MAPPED_MEMFD | SHMALLOC_MAPPED_HUGETLB)) {
    plan.source = Source::file;
  } else {
    if (has_name) return invalid("MEMFD and HUGETLB take no name");
    if (has(SHMALLOC_MAPPED_SHARED)) return invalid("SHARED needs the name of a file");
    if (mapped != 0 && !has(SHMALLOC_MAPPED_MEMFD | SHMALLOC_MAPPED_HUGETLB) &&
        (mapped & ~static_cast<std::uint32_t>(SHMALLOC_MAPPED_KEEPFD | SHMALLOC_MAPPED_NO_GROW)) != 0) {
      return invalid("a private view of a file needs its name");
    }
    plan.source = Source::memfd;
    plan.shared = true;
    plan.keep_fd = true;  // Nothing else leads to it.
    plan.mapped |= SHMALLOC_MAPPED_MEMFD | SHMALLOC_MAPPED_KEEPFD;
  }
  if (plan.read_only && plan.source != Source::shm) plan.shared = true;  // Nothing is written, so nothing needs a copy.
  if (!plan.shared) plan.grow = plan.create = false;                     // A private view never changes the file.
  if (plan.keep_fd) plan.mapped |= SHMALLOC_MAPPED_KEEPFD;
  return plan;
}

}  // namespace shmalloc
