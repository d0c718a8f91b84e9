// Opening, sizing and mapping an object. Order matters: nothing is visible to others before it is complete, and every step before the
// last one is undone by destructors.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "allocators/map/map.hpp"
#include "base/text.hpp"
#include "os/memory_info.hpp"

namespace shmalloc {
namespace {

bool writes_object(const Plan &plan) { return plan.shared && !plan.read_only; }

constexpr int kTries = 64;  // against names that others take or remove between two of our calls

std::uint64_t default_huge_page() {
  char text[4096];
  if (os::read_file("/proc/meminfo", text, sizeof text) <= 0) return std::uint64_t{2} << 20;
  const std::string_view all(text);
  const std::size_t at = all.find("Hugepagesize:");
  const std::uint64_t kib = at == std::string_view::npos ? 0 : std::strtoull(text + at + 13, nullptr, 10);
  return kib != 0 ? kib * 1024 : std::uint64_t{2} << 20;
}

Error huge_error(const Error &error, std::uint64_t page) {
  if (error.status != SHMALLOC_STATUS_NO_SPACE && error.status != SHMALLOC_STATUS_NO_MEMORY) return error;
  return fail(SHMALLOC_STATUS_NO_SPACE, error.os_error,
              "not enough free huge pages of %s: see /proc/meminfo, raise /sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages",
              size_text(page).text, static_cast<unsigned long long>(page / 1024));
}

}  // namespace

Result<std::unique_ptr<MapMemory>> MapMemory::open(const Plan &plan, const MapRequest &request, std::unique_ptr<MapMemory> memory) {
  MapMemory &self = *memory;
  self.page_ = os::page_size();
  self.mapped = plan.mapped;
  self.read_only = self.object_.read_only = plan.read_only;
  self.object_.private_view = !plan.shared;
  self.object_.offset = request.offset;
  self.object_.header = request.header;
  self.growable_ = plan.grow;
  SHMALLOC_CHECK(self.open_object(plan, request));
  std::uint64_t length = 0;
  SHMALLOC_CHECK(self.set_size(plan, request, &length));
  if (length > 0) SHMALLOC_CHECK(self.map(plan, request, length));
  SHMALLOC_CHECK(self.publish(plan, request));
  // Where neither a name nor a mapping leads to it, the descriptor does.
  self.object_.empty = self.capacity == 0 && !self.object_.fd;
  const bool needed = plan.keep_fd || length == 0 || (plan.shared && !self.object_.named);
  if (!needed) self.object_.fd.reset();
  if (self.object_.fd) self.mapped |= SHMALLOC_MAPPED_KEEPFD;
  self.extended_to_ = 0;
  return memory;
}

Result<void> MapMemory::open_object(const Plan &plan, const MapRequest &request) {
  switch (plan.source) {
    case Source::shm:
      return open_shm(plan, request);
    case Source::file:
      return open_file(plan, request);
    case Source::memfd: {
      if (plan.huge) {
        page_ = request.huge_page != 0 ? request.huge_page : default_huge_page();
        limits_ = {};  // their pool limits them, not free memory
      } else {
        limits_ = {nullptr, true};
      }
      if (request.offset != 0) return fail(SHMALLOC_STATUS_INVALID, 0, "file_offset: a new nameless object has nothing before it");
      if (request.size == 0 && request.capacity == 0) return {};  // An empty storage needs no object.
      SHMALLOC_TRY(fd, os::make_memfd(request.prefix, plan.huge ? page_ : 0));
      object_.fd = std::move(fd);
      created_ = true;
      return {};
    }
    case Source::descriptor: {
      SHMALLOC_TRY(fd, os::duplicate(request.fd));
      const int flags = os::calls.fcntl(fd.get(), F_GETFL);
      if (flags < 0) return fail_errno(errno, "asking for the mode of descriptor %d failed", request.fd);
      const int access = flags & O_ACCMODE;
      if (access == O_WRONLY || (flags & O_PATH) != 0) {
        return fail(SHMALLOC_STATUS_PERMISSION, 0, "descriptor %d can't be read", request.fd);
      }
      if (plan.shared && !plan.read_only && access != O_RDWR) {
        return fail(SHMALLOC_STATUS_PERMISSION, 0, "descriptor %d is open for reading only: map it READ_ONLY, or without SHARED",
                    request.fd);
      }
      // Seals first: what is sealed now can't be shorter than what we see next.
      object_.seals = os::seals_of(fd.get());
      SHMALLOC_TRY(facts, os::look(fd.get(), "the descriptor"));
      if (!facts.regular) return fail(SHMALLOC_STATUS_INVALID, 0, "descriptor %d is neither a file nor shared memory", request.fd);
      facts_ = facts;
      object_.fd = std::move(fd);
      object_.identity = facts.identity;
      // A memfd is limited by memory, a file by its file system, and one of a tmpfs, which only has the seal of all seals, by both.
      limits_ = object_.seals == 0                   ? os::Limits{"", false}
                : (object_.seals & F_SEAL_SEAL) != 0 ? os::Limits{"", true}
                                                     : os::Limits{nullptr, true};
      if ((object_.seals & F_SEAL_SEAL) != 0) static_cast<void>(os::lock_presence(object_.fd.get(), false));
      immutable = plan.read_only && (object_.seals & F_SEAL_WRITE) != 0;
      return {};
    }
  }
  return fail(SHMALLOC_STATUS_INTERNAL, 0, "no such source");
}

Result<void> MapMemory::attach(const char *name) {
  SHMALLOC_TRY(locked, os::lock_presence(object_.fd.get(), false));
  if (!locked) return fail(SHMALLOC_STATUS_STALE, 0, "%s is being removed", name);
  SHMALLOC_TRY(facts, os::look(object_.fd.get(), name));
  if (!facts.regular) return fail(SHMALLOC_STATUS_INVALID, 0, "%s is no shm object", name);
  if (facts.links == 0) return fail(SHMALLOC_STATUS_STALE, 0, "%s was removed just now", name);
  facts_ = facts;
  object_.identity = facts.identity;
  return {};
}

Result<void> MapMemory::open_shm(const Plan &plan, const MapRequest &request) {
  object_.route = Route::shm;
  limits_ = {os::kShmDirectory, true};
  if (request.name != nullptr) {
    SHMALLOC_TRY(path, shm_path(request.name));
    object_.path = std::move(path);
    if (!plan.exclusive) {
      object_.fd = os::open_path(object_.path.c_str(), (plan.read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_NONBLOCK);
      if (object_.fd) {
        named_ = object_.named = true;
        return attach(what());
      }
      if (errno != ENOENT || !plan.create)
        return fail_errno(errno, "opening the shm object %s failed%s", what(), os::hint_for(errno, "").text);
    }
  }
  // A new object is complete before it gets its name, so nobody ever sees it short or without its count.
  object_.fd = os::make_unnamed(os::kShmDirectory, request.mode);
  if (!object_.fd)
    return fail_errno(errno, "making a shm object in %s failed%s", os::kShmDirectory, os::hint_for(errno, os::kShmDirectory).text);
  SHMALLOC_TRY(locked, os::lock_presence(object_.fd.get(), false));
  static_cast<void>(locked);  // Nobody else knows of it yet.
  created_ = true;
  return {};
}

Result<void> MapMemory::open_file(const Plan &plan, const MapRequest &request) {
  object_.route = Route::file;
  limits_ = {"", false};
  object_.path = request.name;
  if (object_.path.empty()) return fail(SHMALLOC_STATUS_INVALID, 0, "name: the path of a file can't be empty");
  const int access = plan.read_only || !plan.shared ? O_RDONLY : O_RDWR;
  for (int tries = 0; tries < kTries && !object_.fd; ++tries) {
    if (!plan.exclusive) {
      // O_NONBLOCK: whatever has the name, a pipe perhaps, opening it must not hang.
      object_.fd = os::open_path(request.name, access | O_NONBLOCK);
      if (object_.fd) break;
      if (errno != ENOENT || !plan.create)
        return fail_errno(errno, "opening the file %s failed%s", what(), os::hint_for(errno, "").text);
    }
    object_.fd = os::open_path(request.name, access | O_CREAT | O_EXCL, request.mode);
    if (object_.fd) {
      created_ = true;
    } else if (errno != EEXIST || plan.exclusive) {
      return fail_errno(errno, "making the file %s failed%s", what(), os::hint_for(errno, "").text);
    }
  }
  if (!object_.fd) return fail(SHMALLOC_STATUS_BUSY, 0, "the file %s comes and goes", what());
  auto looked = os::look(object_.fd.get(), what());
  if (!looked) {
    if (created_) os::calls.unlink(request.name);
    return looked.error();
  }
  facts_ = *looked;
  object_.identity = facts_.identity;
  named_ = true;
  object_.named = true;
  if (!facts_.regular) return fail(SHMALLOC_STATUS_INVALID, 0, "%s is no regular file", what());
  if (object_.path[0] != '/') {
    // Others open it by this path: make it absolute, whatever links lead there.
    char link[32];
    char path[PATH_MAX];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", object_.fd.get());
    const ssize_t length = os::calls.readlink(link, path, sizeof path);
    if (length < 0 || length == sizeof path) {
      if (created_) os::calls.unlink(request.name);
      created_ = false;
      return fail_errno(length < 0 ? errno : ENAMETOOLONG, "asking for the absolute path of %s failed", what());
    }
    object_.path.assign(path, static_cast<std::size_t>(length));
  }
  return {};
}

Result<void> MapMemory::set_size(const Plan &plan, const MapRequest &request, std::uint64_t *length) {
  const std::uint64_t before = request.offset + request.header;
  std::size_t wanted = request.size;
  if (wanted == 0 && !created_ && object_.fd) {
    if (facts_.size < before) {
      return fail(SHMALLOC_STATUS_NO_SPACE, 0, "%s is %s long, too short for what begins at byte %llu", what(),
                  size_text(facts_.size).text, static_cast<unsigned long long>(before));
    }
    wanted = static_cast<std::size_t>(facts_.size - before);
  }
  capacity = std::max(wanted, request.capacity);
  if (plan.huge) capacity = (capacity + page_ - 1) / page_ * page_;
  size = wanted;
  *length = object_.fd ? request.header + capacity : 0;
  if (!object_.fd) return {};
  std::uint64_t end = before + wanted;
  if (plan.huge) end = (end + page_ - 1) / page_ * page_;
  if (wanted == 0 && request.header == 0) return {};
  const bool writes = writes_object(plan);
  if (end > facts_.size && !(created_ || (plan.grow && writes))) {
    return fail(SHMALLOC_STATUS_NO_SPACE, 0, "%s is %s long, %s are asked for, and it may not grow", what(),
                size_text(facts_.size).text, size_text(end).text);
  }
  if (!writes || request.numa_node >= 0) {
    // Bound memory must be mapped before its blocks are taken: see map().
    if (!writes || end <= facts_.size) return {};
    SHMALLOC_CHECK(os::check_file_limit(end, what()));
    if (os::calls.ftruncate(object_.fd.get(), static_cast<off_t>(end)) != 0) {
      return fail_errno(errno, "making %s %s long failed", what(), size_text(end).text);
    }
    extended_to_ = end;
    return {};
  }
  // Also where nothing grows: a sparse object would take its blocks at first touch, and SIGBUS is how that fails.
  // Blocks that are counted may lie behind its end: only an object that nobody can lengthen tells by their number that it has no holes.
  const bool fixed = (object_.seals & F_SEAL_GROW) != 0 && facts_.resident >= facts_.size;
  if (end > facts_.size || !fixed) {
    const auto reserved = os::reserve(object_.fd.get(), request.offset, end, facts_.size, limits_, what());
    if (!reserved) return plan.huge ? huge_error(reserved.error(), page_) : reserved.error();
    if (end > facts_.size) extended_to_ = end;
  }
  return {};
}

Result<void> MapMemory::map(const Plan &plan, const MapRequest &request, std::uint64_t length) {
  const bool writes = !plan.read_only;
  const int protection = writes ? PROT_READ | PROT_WRITE : PROT_READ;
  const std::uint64_t alignment = std::max<std::uint64_t>(request.alignment, page_ > os::page_size() ? page_ : 0);
  auto mapped_result =
      os::Mapping::map(object_.fd.get(), request.offset, length, protection, plan.shared ? MAP_SHARED : MAP_PRIVATE,
                       plan.huge ? std::max(request.alignment, page_) : alignment, what());
  if (!mapped_result) return plan.huge ? huge_error(mapped_result.error(), page_) : mapped_result.error();
  mapping_ = std::move(*mapped_result);
  data = static_cast<char *>(mapping_.base()) + request.header;
  const std::uint64_t end = request.offset + request.header + size;
  if (request.numa_node >= 0) {
    SHMALLOC_CHECK(mapping_.bind(request.numa_node));
    if (plan.shared && writes) {
      SHMALLOC_CHECK(os::reserve(object_.fd.get(), request.offset, end, end, limits_, what()));
    }
  }
  // What can't be reserved because it is not ours to write: sparse memory is filled by reading it, with an error instead of a SIGBUS.
  // Holes of files on disk need no memory to be read; only shared memory (which has seals, if only the seal of all seals) does.
  if (!created_ && !writes_object(plan) && size > 0 && os::seals_of(object_.fd.get()) != 0 &&
      os::has_holes(object_.fd.get(), request.offset, std::min(end, facts_.size))) {
    SHMALLOC_CHECK(mapping_.populate(request.header + size, false, what()));
  }
  if (request.populate && size > 0) SHMALLOC_CHECK(mapping_.populate(request.header + size, writes, what()));
  if (plan.source == Source::memfd) {
    const int seals = capacity > size && plan.grow ? F_SEAL_SHRINK : F_SEAL_SHRINK | F_SEAL_GROW;
    SHMALLOC_CHECK(os::add_seals(object_.fd.get(), seals, what()));
    object_.seals = seals;
  }
  stable.store((object_.seals & F_SEAL_SHRINK) != 0, std::memory_order_relaxed);
  if (created_ && request.initialise != nullptr) request.initialise(mapping_.base());
  return {};
}

Result<void> MapMemory::publish(const Plan &plan, const MapRequest &request) {
  if (plan.source == Source::shm && created_) {
    SHMALLOC_TRY(facts, os::look(object_.fd.get(), "a new shm object"));
    facts_ = facts;
    object_.identity = facts.identity;
    for (int tries = 0;; ++tries) {
      if (request.name == nullptr) {
        // Nobody can know a generated name that is removed at once: it need not exist at all.
        if (plan.unlink) break;
        SHMALLOC_TRY(name, new_name(request.prefix));
        SHMALLOC_TRY(path, shm_path(name.c_str()));
        object_.path = std::move(path);
      }
      const int error = os::give_name(object_.fd.get(), object_.path.c_str());
      if (error == 0) {
        named_ = object_.named = true;
        break;
      }
      if (error != EEXIST || tries == kTries || (request.name != nullptr)) {
        if (error == EEXIST && !plan.exclusive)
          return fail(SHMALLOC_STATUS_BUSY, error, "%s was made by somebody else just now", what());
        return fail_errno(error, "naming the shm object %s failed%s", what(), os::hint_for(error, os::kShmDirectory).text);
      }
    }
    remove_at_close_ = true;
  }
  if (plan.unlink && named_) {
    const int error = os::remove_name(object_.path.c_str(), object_.identity);
    if (error != 0) return fail_errno(error, "removing the name %s failed", what());
    named_ = object_.named = false;
  }
  if (object_.route != Route::descriptor && !object_.named) object_.route = Route::descriptor;
  return {};
}

}  // namespace shmalloc
