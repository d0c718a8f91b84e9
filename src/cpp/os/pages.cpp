#include "os/pages.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>

#include "base/text.hpp"
#include "os/file.hpp"
#include "os/huge_mount.hpp"
#include "os/memory_info.hpp"

namespace shmalloc::os {
namespace {

// ---- what the machine's settings allow ----

#define THP "/sys/kernel/mm/transparent_hugepage/"

struct Rules {
  bool memfd = false;
  bool memfd_advise = false;
  bool mount = false;
  bool mount_advise = false;
  bool unsure = false;  // a setting could not be read just now
  char why[128] = {};   // of the memfds; of both where both are out
};

struct Word {
  char text[32] = {};
  bool is(std::string_view word) const { return word == text; }
};

// "always [madvise] never": the one in brackets; empty where there is no such setting.
Word setting(const char *path, bool *unsure) {
  Word word;
  char text[256];
  if (read_file(path, text, sizeof text) <= 0) {
    *unsure = *unsure || may_pass(errno);
    return word;
  }
  static_cast<void>(std::sscanf(text, "%*[^[][%31[^]]", word.text));  // NOLINT(cert-err34-c): no number
  if (text[0] == '[') static_cast<void>(std::sscanf(text, "[%31[^]]", word.text));
  return word;
}

Rules rules() {
  Rules out;
  std::uint64_t size = kHugePage;
  errno = 0;
  if (!read_number(THP "hpage_pmd_size", &size)) out.unsure = may_pass(errno);
  if (size != kHugePage) {
    std::snprintf(out.why, sizeof out.why, "huge pages of this machine have %s", size_text(size).text);
    return out;
  }
  const Word all = setting(THP "shmem_enabled", &out.unsure);
  // From Linux 6.11 on each size has its own word, which has the last say on memory that is touched through a mapping of a nameless file;
  // fallocate hears only the one above.
  const Word own = setting(THP "hugepages-2048kB/shmem_enabled", &out.unsure);
  if (all.is("deny") || own.is("never")) {
    std::snprintf(out.why, sizeof out.why, "%s is %s", all.is("deny") ? THP "shmem_enabled" : THP "hugepages-2048kB/shmem_enabled",
                  all.is("deny") ? all.text : own.text);
    return out;
  }
  const bool on = all.is("always") || all.is("within_size") || all.is("force");
  const bool by_own = own.is("always") || own.is("within_size") || own.is("advise");
  out.mount = true;
  out.mount_advise = own.is("advise");
  out.memfd = on || by_own || all.is("advise");
  out.memfd_advise = !on || own.is("advise");
  if (!out.memfd) {
    std::snprintf(out.why, sizeof out.why, all.text[0] != 0 ? "%s is %s" : "%s can't be read%s", THP "shmem_enabled", all.text);
  }
  return out;
}

// ---- the choice ----

enum class Way : std::uint8_t { undecided, memfd, mount, small };

struct Choice {
  Way way = Way::undecided;
  bool advise = false;
  int fd = -1;               // of the mount
  std::uint32_t device = 0;  // its number: tells our descriptor from what took its place
  MountFailure direct;       // why there is no mount
  MountFailure inside;
};

constexpr int kFdBits = 29;

// All of it is one word: who decides publishes it whole, with no lock that a fork could leave taken.
std::uint64_t pack(const Choice &choice) {
  const auto word = [](auto value, int shift) { return static_cast<std::uint64_t>(value) << shift; };
  std::uint64_t bits = word(choice.way, 0) | word(choice.advise ? 1 : 0, 2);
  if (choice.way == Way::mount) return bits | word(choice.fd, 3) | word(choice.device, 3 + kFdBits);
  bits |= word(choice.direct.step, 3) | word(choice.direct.error & 0xfff, 8);
  return bits | word(choice.inside.step, 20) | word(choice.inside.error & 0xfff, 25);
}

Choice unpack(std::uint64_t bits) {
  Choice choice;
  choice.way = static_cast<Way>(bits & 3);
  choice.advise = (bits & 4) != 0;
  if (choice.way == Way::mount) {
    choice.fd = static_cast<int>(bits >> 3 & ((1U << kFdBits) - 1));
    choice.device = static_cast<std::uint32_t>(bits >> (3 + kFdBits));
    return choice;
  }
  choice.direct = {static_cast<MountStep>(bits >> 3 & 31), static_cast<std::uint16_t>(bits >> 8 & 0xfff)};
  choice.inside = {static_cast<MountStep>(bits >> 20 & 31), static_cast<std::uint16_t>(bits >> 25 & 0xfff)};
  return choice;
}

constinit std::atomic<std::uint64_t> chosen{0};

int device_of(int fd, std::uint32_t *out) {
  struct statx status;
  if (calls.statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) != 0) return errno;
  *out = status.stx_dev_major << 20 | status.stx_dev_minor;
  return 0;
}

// The file, or errno. Applications close descriptors that are not theirs, so what the number leads to now may be a folder of somebody's.
UniqueFd file_on(int mount, std::uint32_t *device) {
  UniqueFd fd;
  do {
    fd = UniqueFd(calls.openat(mount, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600U));
  } while (!fd && errno == EINTR);
  std::uint32_t found = 0;
  int error = fd ? device_of(fd.get(), &found) : errno;
  if (error == 0 && *device != 0 && found != *device) error = ESTALE;
  if (error != 0) fd.reset();
  *device = found;
  errno = error;
  return fd;
}

// `mount` owns what the choice speaks of. False: a failure that may pass, so the next one is to try again.
bool decide(Choice *choice, UniqueFd *mount) {
  const Rules allowed = rules();
  choice->way = Way::small;
  if (allowed.unsure) return false;
  if (allowed.memfd) {
    *choice = {Way::memfd, allowed.memfd_advise, -1, 0, {}, {}};
    return true;
  }
  if (!allowed.mount) return true;
  HugeMount made = make_huge_mount();
  choice->direct = made.of_direct;
  choice->inside = made.of_inside;
  if (made.fd) {
    MountFailure &failure = made.inside ? choice->inside : choice->direct;
    if (file_on(made.fd.get(), &choice->device)) {
      *choice = {Way::mount, allowed.mount_advise, made.fd.get(), choice->device, {}, {}};
      *mount = std::move(made.fd);
      return choice->fd < 1 << kFdBits;
    }
    failure = {MountStep::file, static_cast<std::uint16_t>(errno)};
  }
  return !may_pass(choice->direct.error) && !may_pass(choice->inside.error);
}

Choice choose() {
  std::uint64_t known = chosen.load(std::memory_order_acquire);
  if (known != 0) return unpack(known);
  Choice choice;
  UniqueFd mount;
  if (!decide(&choice, &mount)) {
    choice.way = Way::small;
    return choice;
  }
  if (!chosen.compare_exchange_strong(known, pack(choice), std::memory_order_acq_rel)) {
    return known != 0 ? unpack(known) : choice;  // Another thread was faster; `mount` goes.
  }
  static_cast<void>(mount.take());
  return choice;
}

// Another thread may be about to use the number: what it then gets is on no device that it knows.
void forget(const Choice &choice) {
  std::uint64_t known = pack(choice);
  std::uint32_t device = 0;
  const int error = choice.way == Way::mount ? device_of(choice.fd, &device) : EBADF;
  if (error != 0 && error != EBADF) return;  // Whose it is can't be told: the next call asks again.
  if (!chosen.compare_exchange_strong(known, 0, std::memory_order_acq_rel)) return;
  if (error == 0 && device == choice.device) UniqueFd{choice.fd}.reset();
}

// The choice, and if it is the mount a file on it. What a process may do changes: one that gave up its rights can't use the mount it made
// before, one that closed all descriptors has none. It then chooses once more.
Choice choose_and_open(UniqueFd *file, int *error) {
  for (bool again = true;; again = false) {
    const Choice choice = choose();
    *error = 0;
    if (choice.way != Way::mount) return choice;
    std::uint32_t device = choice.device;
    *file = file_on(choice.fd, &device);
    if (*file) return choice;
    *error = errno;
    if (!again || may_pass(*error) || *error == ENOSPC || *error == EDQUOT) return choice;
    forget(choice);
  }
}

Result<SegmentFile> memfd(const char *name, bool huge, bool advise) {
  SHMALLOC_TRY(fd, make_memfd(name, 0));
  return SegmentFile{std::move(fd), true, huge, huge && advise};
}

// ---- words ----

const char *error_text(int error) {
  const char *text = strerrordesc_np(error);
  return text != nullptr ? text : "unknown error";
}

void tell_failure(const Choice &choice, char *out, std::size_t size) {
  const auto one = [](const MountFailure &failure, char *text, std::size_t room) {
    const bool child_is_locked = failure.step >= MountStep::groups && failure.error == EACCES;
    const int used = std::snprintf(text, room, "%s%s%s%s", words_of(failure.step), failure.error != 0 ? ": " : "",
                                   failure.error != 0 ? error_text(failure.error) : "",
                                   child_is_locked ? " (so it is after a change of user: prctl PR_SET_DUMPABLE)" : "");
    return used > 0 ? std::min(static_cast<std::size_t>(used), room - 1) : 0;
  };
  std::size_t used = one(choice.direct, out, size);
  if (choice.inside.step == MountStep::none) return;
  used += static_cast<std::size_t>(std::snprintf(out + used, size - used, "; by a namespace of a child: "));
  if (used < size) one(choice.inside, out + used, size - used);
}

void tell_mount(const Choice &choice, const Rules &allowed, int error, char *out, std::size_t size) {
  if (choice.way == Way::memfd) {
    std::snprintf(out, size, "not tried: memfds have pages of 2 MiB here");
  } else if (!allowed.mount) {
    std::snprintf(out, size, "%s", allowed.why);
  } else if (error != 0) {
    std::snprintf(out, size, "%s: %s", words_of(MountStep::file), error_text(error));
  } else if (allowed.unsure) {
    std::snprintf(out, size, "the settings in %s can't be read at the moment", THP);
  } else {
    tell_failure(choice, out, size);
  }
}

void tell_pool(PagesReport::Way *way) {
  std::uint64_t total = 0;
  std::uint64_t free = 0;
  static_cast<void>(read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", &total));
  static_cast<void>(read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", &free));
  std::snprintf(way->why, sizeof way->why, "never chosen by itself: its pool is fixed (%llu pages of 2 MiB, %llu of them free)",
                static_cast<unsigned long long>(total), static_cast<unsigned long long>(free));
}

}  // namespace

Result<SegmentFile> make_segment_file(const char *name, Pages wanted, bool sealed) {
  if (wanted == Pages::small) return memfd(name, false, false);
  UniqueFd file;
  int error = 0;
  const Choice choice = choose_and_open(&file, &error);
  if (choice.way == Way::memfd) return memfd(name, true, choice.advise);
  if (file && !sealed) return SegmentFile{std::move(file), false, true, choice.advise};
  file.reset();
  if (wanted == Pages::automatic) return memfd(name, false, false);
  const Rules allowed = rules();
  if (choice.way == Way::mount && sealed) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "pages of 2 MiB come from a tmpfs here, which takes no seals: %s", allowed.why);
  }
  char why[320];
  tell_mount(choice, allowed, error, why, sizeof why);
  const char *memfds = allowed.mount ? allowed.why : "";
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "this process gets no pages of 2 MiB: %s%s%s", why, memfds[0] != 0 ? "; " : "",
              memfds);
}

PagesReport pages_report() {
  PagesReport report;
  UniqueFd file;
  int error = 0;
  const Choice choice = choose_and_open(&file, &error);
  const Rules allowed = rules();
  PagesReport::Way *thp = &report.ways[0];
  PagesReport::Way *mount = &report.ways[1];
  PagesReport::Way *pool = &report.ways[2];
  PagesReport::Way *small = &report.ways[3];
  thp->name = "memfd_thp";
  thp->available = choice.way == Way::memfd;
  if (!thp->available) {
    std::snprintf(thp->why, sizeof thp->why, "%s",
                  allowed.why[0] != 0 ? allowed.why : "this process chose before it was to be had");
  }
  mount->name = "tmpfs";
  mount->available = static_cast<bool>(file);
  if (!file) tell_mount(choice, allowed, error, mount->why, sizeof mount->why);
  pool->name = "hugetlb";
  tell_pool(pool);
  small->name = "small";
  small->available = true;
  report.way = thp->available ? thp->name : file ? mount->name : small->name;
  report.sealable = !file;
  if (thp->available || file) {
    std::snprintf(report.pages, sizeof report.pages, "2 MiB by %s", file ? "a detached tmpfs mount" : "memfds");
  } else {
    std::snprintf(report.pages, sizeof report.pages, "%s by memfds", size_text(page_size()).text);
  }
  return report;
}

void forget_pages() { forget(unpack(chosen.load(std::memory_order_acquire))); }

}  // namespace shmalloc::os
