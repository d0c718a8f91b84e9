#include <cinttypes>
#include <cstdlib>
#include <cstring>

#include "base/text.hpp"
#include "device/cuda/cuda_device.hpp"
#include "device/host/machine.hpp"
#include "os/file.hpp"
#include "os/holders.hpp"
#include "os/memory_info.hpp"
#include "os/pages.hpp"

namespace shmalloc {
namespace {

void limit(std::string &json, const char *name, int resource) {
  struct rlimit value;
  append(json, "\"%s\":", name);
  if (os::calls.getrlimit(resource, &value) != 0 || value.rlim_cur == RLIM_INFINITY) {
    json += "null";
  } else {
    append(json, "%llu", static_cast<unsigned long long>(value.rlim_cur));
  }
}

void number_of(std::string &json, const char *name, const char *path) {
  std::uint64_t value = 0;
  append(json, "\"%s\":", name);
  if (os::read_number(path, &value)) {
    append(json, "%" PRIu64, value);
  } else {
    json += "null";
  }
}

// How many descriptors and mappings this process has.
void used(std::string &json) {
  auto names = os::list_directory("/proc/self/fd");
  append(json, "\"nofile_used\":%zu,", names && !names->empty() ? names->size() - 1 : 0);  // The listing had one open itself.
  std::size_t maps = 0;
  if (const os::UniqueFd fd = os::open_path("/proc/self/maps", 0); fd) {
    char buffer[16384];
    for (ssize_t got; (got = os::calls.read(fd.get(), buffer, sizeof buffer)) > 0;) {
      for (ssize_t i = 0; i < got; ++i) maps += buffer[i] == '\n' ? 1 : 0;
    }
  }
  append(json, "\"maps_used\":%zu,", maps);
}

void huge_pages(std::string &json) {
  json += "\"huge_pages\":[";
  constexpr const char *kDirectory = "/sys/kernel/mm/hugepages";
  bool first = true;
  if (auto names = os::list_directory(kDirectory); names) {
    for (const std::string &name : *names) {
      const std::uint64_t kib = name.starts_with("hugepages-") ? std::strtoull(name.c_str() + 10, nullptr, 10) : 0;
      if (kib == 0) continue;
      const std::string base = std::string(kDirectory) + "/" + name + "/";
      append(json, "%s{\"size\":%" PRIu64 ",", first ? "" : ",", kib * 1024);
      number_of(json, "total", (base + "nr_hugepages").c_str());
      json += ',';
      number_of(json, "free", (base + "free_hugepages").c_str());
      json += ',';
      number_of(json, "overcommit", (base + "nr_overcommit_hugepages").c_str());
      json += '}';
      first = false;
    }
  }
  json += "],";
}

// Where large segments would get their pages; the first call of a process finds out.
void segments(std::string &json) {
  const os::PagesReport report = os::pages_report();
  append(json, "\"segments\":{\"pages\":\"%s\",\"way\":\"%s\",\"sealable\":%s,\"ways\":[", report.pages, report.way,
         report.sealable ? "true" : "false");
  for (const os::PagesReport::Way &way : report.ways) {
    append(json, "%s{\"way\":\"%s\",\"available\":%s", &way == report.ways ? "" : ",", way.name, way.available ? "true" : "false");
    if (!way.available) {
      json += ",\"why\":";
      append_json(json, way.why);
    }
    json += '}';
  }
  json += "]},";
}

struct Item {
  const char *name;
  const char *why;  // NULL: it is here
};

void items(std::string &json, const char *name, const Item *begin, const Item *end) {
  append(json, "\"%s\":[", name);
  for (const Item *item = begin; item != end; ++item) {
    append(json, "%s{\"name\":\"%s\",\"available\":%s", item == begin ? "" : ",", item->name,
           item->why == nullptr ? "true" : "false");
    if (item->why != nullptr) {
      json += ",\"why\":";
      append_json(json, item->why);
    }
    json += '}';
  }
  json += ']';
}

}  // namespace

Result<void> describe_host(shmalloc_device_info *info) {
  const os::MemoryInfo memory = os::memory_info();
  info->device = SHMALLOC_DEVICE_HOST;
  info->total = memory.total;
  info->available = memory.available;
  info->page_size = os::page_size();
  info->count = 1;
  info->capabilities = SHMALLOC_CAPABILITY_HOST_ACCESS | SHMALLOC_CAPABILITY_EXPORT | SHMALLOC_CAPABILITY_EXPORT_BYTES |
                       SHMALLOC_CAPABILITY_READ_ONLY | SHMALLOC_CAPABILITY_GROW;
  std::uint64_t free = 0;
  std::uint64_t overcommit = 0;
  static_cast<void>(os::read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", &free));
  static_cast<void>(os::read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", &overcommit));
  if (free + overcommit > 0) info->capabilities |= SHMALLOC_CAPABILITY_HUGE_PAGES;
  std::memcpy(info->name, "host memory", sizeof "host memory");
  return {};
}

Result<std::string> describe_machine() {
  std::string json = "{\"version\":";
  append_json(json, SHMALLOC_VERSION_TEXT);
  struct utsname system {};
  static_cast<void>(os::calls.uname(&system));
  json += ",\"kernel\":";
  append_json(json, system.release);
  const os::MemoryInfo memory = os::memory_info();
  append(json, ",\"page_size\":%zu,\"memory\":{\"total\":%" PRIu64 ",\"available\":%" PRIu64 ",\"limited_by_cgroup\":%s},",
         os::page_size(), memory.total, memory.available, memory.by_cgroup ? "true" : "false");
  append(json, "\"shm\":{\"path\":\"%s\",", os::kShmDirectory);
  struct statvfs mount;
  if (os::calls.statvfs(os::kShmDirectory, &mount) == 0) {
    append(json, "\"total\":%" PRIu64 ",\"available\":%" PRIu64 ",", static_cast<std::uint64_t>(mount.f_blocks) * mount.f_frsize,
           static_cast<std::uint64_t>(mount.f_bavail) * mount.f_frsize);
  }
  auto files = os::list_directory(os::kShmDirectory);
  append(json, "\"files\":%zu},\"limits\":{", files ? files->size() : 0);
  used(json);
  limit(json, "nofile", RLIMIT_NOFILE);
  json += ',';
  limit(json, "fsize", RLIMIT_FSIZE);
  json += ',';
  limit(json, "as", RLIMIT_AS);
  json += ',';
  number_of(json, "max_map_count", "/proc/sys/vm/max_map_count");
  json += "},";
  huge_pages(json);
  char thp[128];
  json += "\"transparent_huge_pages_shmem\":";
  const long length = os::read_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled", thp, sizeof thp);
  append_json(json, length > 0 ? std::string_view(thp, static_cast<std::size_t>(length - 1)) : "unknown");
  json += ',';
  segments(json);
  static constexpr const char *kLater = "not in this version of shmalloc";
  static constexpr Item kKinds[] = {{"direct", nullptr}, {"map", nullptr},     {"map_refcounted", nullptr},
                                    {"shared", nullptr}, {"caching", nullptr}, {"unified", kLater},
                                    {"view", kLater}};
  const auto gpus = device::CudaDevice::count();
  const Item backends[] = {{"host", nullptr},
                           {"host_streams", nullptr},
                           {"custom", nullptr},
                           {"cuda", gpus ? nullptr : gpus.error().message},
                           {"vulkan", kLater}};
  items(json, "kinds", std::begin(kKinds), std::end(kKinds));
  json += ',';
  items(json, "backends", std::begin(backends), std::end(backends));
  json += ",\"cuda\":";
  append_json(json, device::CudaDevice::driver_line());
  json += '}';
  return json;
}

}  // namespace shmalloc
