#include "os/memory_info.hpp"

#include <fcntl.h>

#include <cstdlib>
#include <cstring>

#include "os/fd.hpp"
#include "os/file.hpp"

namespace shmalloc::os {
namespace {

std::uint64_t field(const char *text, const char *name) {
  const char *at = std::strstr(text, name);
  return at != nullptr ? std::strtoull(at + std::strlen(name), nullptr, 10) * 1024 : 0;
}

struct Group {
  const char *limit;
  const char *used;
  const char *details;
  const char *reclaimable[3];  // counted as used, but given back on demand
};

void narrow(const Group &group, MemoryInfo *info) {
  std::uint64_t limit = 0;
  std::uint64_t used = 0;
  if (!read_number(group.limit, &limit) || !read_number(group.used, &used)) return;
  char text[8192];
  if (read_file(group.details, text, sizeof text) > 0) {
    for (const char *name : group.reclaimable) {
      const char *at = name != nullptr ? std::strstr(text, name) : nullptr;
      const std::uint64_t bytes = at != nullptr ? std::strtoull(at + std::strlen(name), nullptr, 10) : 0;
      used -= bytes < used ? bytes : used;
    }
  }
  const std::uint64_t left = limit > used ? limit - used : 0;
  if (limit < info->total) info->total = limit;
  if (left < info->available) {
    info->available = left;
    info->by_cgroup = true;
  }
}

}  // namespace

long read_file(const char *path, char *buffer, unsigned long size) {
  const UniqueFd fd = open_path(path, O_RDONLY);
  if (!fd) return -1;
  unsigned long length = 0;
  while (length + 1 < size) {
    const ssize_t got = calls.read(fd.get(), buffer + length, size - 1 - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    length += static_cast<unsigned long>(got);
  }
  buffer[length] = '\0';
  return static_cast<long>(length);
}

bool read_number(const char *path, std::uint64_t *out) {
  char text[64];
  if (read_file(path, text, sizeof text) <= 0) return false;
  char *end = nullptr;
  *out = std::strtoull(text, &end, 10);
  return end != text;
}

MemoryInfo memory_info() {
  MemoryInfo info;
  char text[4096];
  if (read_file("/proc/meminfo", text, sizeof text) <= 0) {
    // No descriptor left, or no /proc: more than the machine has at all is certainly too much.
    struct sysinfo machine;
    if (calls.sysinfo(&machine) != 0) return info;
    info.known = true;
    info.total = static_cast<std::uint64_t>(machine.totalram) * machine.mem_unit;
    info.available = info.total + static_cast<std::uint64_t>(machine.freeswap) * machine.mem_unit;
    return info;
  }
  info.known = true;
  info.total = field(text, "MemTotal:");
  info.available = field(text, "MemAvailable:") + field(text, "SwapFree:");
  // In a container the control group's own files are usually mounted at the root of its hierarchy.
  static constexpr Group kGroups[] = {{"/sys/fs/cgroup/memory.max",
                                       "/sys/fs/cgroup/memory.current",
                                       "/sys/fs/cgroup/memory.stat",
                                       {"\ninactive_file ", "\nactive_file ", "\nslab_reclaimable "}},
                                      {"/sys/fs/cgroup/memory/memory.limit_in_bytes",
                                       "/sys/fs/cgroup/memory/memory.usage_in_bytes",
                                       "/sys/fs/cgroup/memory/memory.stat",
                                       {"\ntotal_inactive_file ", "\ntotal_active_file ", nullptr}}};
  for (const Group &group : kGroups) narrow(group, &info);
  return info;
}

}  // namespace shmalloc::os
