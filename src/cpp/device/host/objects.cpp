#include <fcntl.h>

#include <cstring>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/wire/segment.hpp"
#include "device/host/machine.hpp"
#include "os/holders.hpp"

namespace shmalloc {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

shmalloc_object_maker maker_of(std::string_view name, std::string_view prefix) {
  if (name.starts_with(prefix) && name.substr(prefix.size()).starts_with('_')) return SHMALLOC_OBJECT_MAKER_SHMALLOC;
  if (name.starts_with("torch_")) return SHMALLOC_OBJECT_MAKER_TORCH;
  return SHMALLOC_OBJECT_MAKER_UNKNOWN;
}

void set_name(shmalloc_object_info *info, const char *before, std::string_view name) {
  std::size_t length = std::strlen(before);
  std::memcpy(info->name, before, length);
  const std::size_t room = sizeof info->name - 1 - length;
  if (name.size() > room) name = name.substr(0, room);
  std::memcpy(info->name + length, name.data(), name.size());
  length += name.size();
  info->name[length] = '\0';
}

void set_facts(shmalloc_object_info *info, const os::FileFacts &facts) {
  info->size = facts.size;
  info->resident = facts.resident;
  info->modified_ns = facts.changed_ns;
  info->uid = static_cast<std::int32_t>(facts.uid);
  info->mode = facts.mode;
}

shmalloc_object_info empty_info() {
  shmalloc_object_info info{};
  info.struct_size = sizeof info;
  info.refcount = -1;
  return info;
}

// An object with a name in /dev/shm. False if it is gone by now, or nothing of the kind.
bool named_object(const std::string &name, shmalloc_object_maker maker, const os::Holders &holders, shmalloc_object_info *info) {
  const std::string path = std::string(os::kShmDirectory) + "/" + name;
  os::FileFacts facts;
  if (os::look_at(path.c_str(), &facts) != 0 || !facts.regular) return false;
  *info = empty_info();
  set_name(info, "/", name);
  set_facts(info, facts);
  info->maker = maker;
  info->state = SHMALLOC_OBJECT_NAMED;
  const os::UniqueFd fd = os::open_path(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (fd) {
    if (os::presence_locked(fd.get())) info->state |= SHMALLOC_OBJECT_LOCKED;
    std::int32_t count = 0;
    if (maker == SHMALLOC_OBJECT_MAKER_TORCH && facts.size >= 64 &&
        os::calls.read(fd.get(), &count, sizeof count) == sizeof count) {
      info->state |= SHMALLOC_OBJECT_COUNTED;
      info->refcount = count;
    }
  }
  if (const os::HeldObject *held = holders.find(facts.identity); held != nullptr) {
    info->holders = held->holders;
    info->holder_pid = held->pid;
  }
  // Ours are judged by their lock, which is seen from everywhere; others by their holders, who may be in another container.
  const bool ours = maker == SHMALLOC_OBJECT_MAKER_SHMALLOC;
  if (!fd || (!ours && (!holders.complete || holders.uncertain(facts.uid, facts.mode)))) info->state |= SHMALLOC_OBJECT_UNCERTAIN;
  if (info->holders == 0 && (info->state & SHMALLOC_OBJECT_LOCKED) == 0) info->state |= SHMALLOC_OBJECT_ABANDONED;
  return true;
}

// Segments have the same names whatever the prefix is.
constexpr std::string_view kSegmentPrefix = "shmalloc";
constexpr std::string_view kControl = "/memfd:shmalloc_control (deleted)";

// Device and inode of what holds the storages of segments, as their controls say.
using Data = std::set<std::pair<std::uint64_t, std::uint64_t>>;
Data segment_data(const os::Holders &holders) {
  Data data;
  for (const auto &[key, held] : holders.objects) {
    if (held.link != kControl || held.fd_path.empty()) continue;
    const os::UniqueFd fd = os::open_path(held.fd_path.c_str(), O_RDONLY | O_NONBLOCK);
    alignas(wire::SegmentHead) char bytes[sizeof(wire::SegmentHead)];
    if (!fd || os::calls.read(fd.get(), bytes, sizeof bytes) != static_cast<ssize_t>(sizeof bytes)) continue;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::memcpy(&device, bytes + offsetof(wire::SegmentHead, data_device), sizeof device);
    std::memcpy(&inode, bytes + offsetof(wire::SegmentHead, data_inode), sizeof inode);
    if (std::memcmp(bytes, wire::kSegmentMagic, sizeof wire::kSegmentMagic) == 0) data.insert({device, inode});
  }
  return data;
}

// One that only processes hold. False if it is none of ours nor PyTorch's.
bool nameless_object(const os::HeldObject &held, std::string_view prefix, bool in_segment, shmalloc_object_info *info) {
  std::string_view link = held.link;
  if (!link.ends_with(kDeleted)) return false;
  link.remove_suffix(kDeleted.size());
  *info = empty_info();
  if (link.starts_with("/memfd:")) {
    link.remove_prefix(7);
    const bool segment = prefix == kSegmentPrefix && (link == "shmalloc_control" || link == "shmalloc_segment");
    if (link != prefix && !segment) return false;
    info->maker = SHMALLOC_OBJECT_MAKER_SHMALLOC;
    set_name(info, "memfd:", link);
  } else if (link.starts_with("/#")) {
    if (!in_segment) return false;
    info->maker = SHMALLOC_OBJECT_MAKER_SHMALLOC;
    set_name(info, "deleted:", link);
  } else {
    link.remove_prefix(std::strlen(os::kShmDirectory) + 1);
    info->maker = maker_of(link, prefix);
    set_name(info, "deleted:/", link);
  }
  info->size = held.mapped;
  info->holders = held.holders;
  info->holder_pid = held.pid;
  os::FileFacts facts;
  if (!held.fd_path.empty() && os::look_at(held.fd_path.c_str(), &facts) == 0) {
    set_facts(info, facts);
    const os::UniqueFd fd = os::open_path(held.fd_path.c_str(), O_RDONLY | O_NONBLOCK);
    if (fd && os::presence_locked(fd.get())) info->state |= SHMALLOC_OBJECT_LOCKED;
  }
  // An object that never had a name shows as "#inode": it is ours if our lock is on it.
  if (info->maker == SHMALLOC_OBJECT_MAKER_UNKNOWN && (info->state & SHMALLOC_OBJECT_LOCKED) != 0) {
    info->maker = SHMALLOC_OBJECT_MAKER_SHMALLOC;
  }
  return info->maker != SHMALLOC_OBJECT_MAKER_UNKNOWN;
}

Result<std::vector<shmalloc_object_info>> all_objects(std::string_view prefix, const os::Holders &holders) {
  SHMALLOC_TRY(names, os::list_directory(os::kShmDirectory));
  std::vector<shmalloc_object_info> all;
  shmalloc_object_info info;
  for (const std::string &name : names) {
    const shmalloc_object_maker maker = maker_of(name, prefix);
    if (maker != SHMALLOC_OBJECT_MAKER_UNKNOWN && named_object(name, maker, holders, &info)) all.push_back(info);
  }
  const Data data = prefix == kSegmentPrefix ? segment_data(holders) : Data();
  for (const auto &[key, held] : holders.objects) {
    if (nameless_object(held, prefix, data.contains(key), &info)) all.push_back(info);
  }
  return all;
}

Error held_error(const char *name, const shmalloc_object_info &info) {
  if (info.holders > 0) {
    return fail(SHMALLOC_STATUS_BUSY, 0, "%s is held by %d processes, %d among them", name, info.holders, info.holder_pid);
  }
  return fail(SHMALLOC_STATUS_BUSY, 0, "%s is held by a process that can't be seen from here (another pid namespace or user)",
              name);
}

}  // namespace

Result<void> walk_objects(const char *prefix, shmalloc_object_fn fn, void *userdata) {
  SHMALLOC_TRY(holders, os::find_holders());
  SHMALLOC_TRY(all, all_objects(prefix, holders));
  for (const shmalloc_object_info &info : all) {
    if (fn(&info, userdata) != 0) break;
  }
  return {};
}

namespace {

// One object, judged by holders that were seen a moment ago.
Result<Reclaimed> reclaim_seen(const char *name, const char *prefix, std::uint32_t flags, const os::Holders &holders) {
  const char *bare = name[0] == '/' ? name + 1 : name;
  if (bare[0] == '\0' || std::strchr(bare, '/') != nullptr)
    return fail(SHMALLOC_STATUS_INVALID, 0, "\"%s\" is no name of a shm object", name);
  const bool force = (flags & SHMALLOC_RECLAIM_FORCE) != 0;
  shmalloc_object_info info;
  const std::string path = std::string(os::kShmDirectory) + "/" + bare;
  if (!named_object(bare, maker_of(bare, prefix), holders, &info)) {
    return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "there is no shm object %s", name);
  }
  if (!force && (info.state & SHMALLOC_OBJECT_ABANDONED) == 0) return held_error(name, info);
  if (!force && (info.state & SHMALLOC_OBJECT_UNCERTAIN) != 0) {
    return fail(SHMALLOC_STATUS_PERMISSION, 0, "not all processes that might hold %s can be looked into: ask its owner or root",
                name);
  }
  Reclaimed reclaimed;
  reclaimed.objects = 1;
  reclaimed.bytes = info.resident;
  if ((flags & SHMALLOC_RECLAIM_DRY_RUN) != 0) return reclaimed;
  os::FileFacts facts;
  const os::UniqueFd fd = os::open_path(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (fd) {
    // Who attaches from now on is told that the object is being removed; who was faster has the lock.
    SHMALLOC_TRY(locked, os::lock_presence(fd.get(), true));
    if (!locked && !force) return held_error(name, info);
    SHMALLOC_TRY(found, os::look(fd.get(), name));
    facts = found;
  } else {
    const int error = errno;
    if (error == ENOENT) return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "there is no shm object %s", name);
    if (!force) return fail_errno(error, "opening %s failed", name);
    if (const int gone = os::look_at(path.c_str(), &facts); gone != 0) return fail_errno(gone, "there is no shm object %s", name);
  }
  if (const int error = os::remove_name(path.c_str(), facts.identity); error != 0)
    return fail_errno(error, "removing %s failed", name);
  return reclaimed;
}

}  // namespace

Result<Reclaimed> reclaim_object(const char *name, const char *prefix, std::uint32_t flags) {
  SHMALLOC_TRY(holders, os::find_holders());
  return reclaim_seen(name, prefix, flags, holders);
}

Result<Reclaimed> reclaim_all(const char *prefix, std::uint32_t flags) {
  SHMALLOC_TRY(holders, os::find_holders());
  SHMALLOC_TRY(all, all_objects(prefix, holders));
  Reclaimed sum;
  for (const shmalloc_object_info &info : all) {
    if ((info.state & SHMALLOC_OBJECT_ABANDONED) == 0 || (info.state & SHMALLOC_OBJECT_UNCERTAIN) != 0) continue;
    auto one = reclaim_seen(info.name, prefix, flags, holders);
    if (!one) continue;  // Gone or taken meanwhile, or not ours to remove: the walk shows it still.
    sum.objects += one->objects;
    sum.bytes += one->bytes;
  }
  return sum;
}

}  // namespace shmalloc
