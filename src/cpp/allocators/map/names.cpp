
#include <atomic>
#include <cinttypes>
#include <cstring>

#include "allocators/map/map.hpp"
#include "base/text.hpp"
#include "os/process.hpp"

namespace shmalloc {

Result<std::string> new_name(const char *prefix) {
  static constinit std::atomic<std::uint64_t> counter{0};
  SHMALLOC_TRY(random, os::random_number());
  std::string name;
  append(name, "/%s_%d_%016" PRIx64 "_%" PRIu64, prefix, static_cast<int>(os::calls.getpid()), random,
         counter.fetch_add(1, std::memory_order_relaxed));
  return name;
}

Result<std::string> shm_path(const char *name) {
  const char *bare = name[0] == '/' ? name + 1 : name;
  const std::size_t length = std::strlen(bare);
  if (length == 0 || length > 255 || std::strchr(bare, '/') != nullptr || std::strcmp(bare, ".") == 0 ||
      std::strcmp(bare, "..") == 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "\"%.100s\" can't be the name of a shm object: 1 to 255 bytes, no slash but the first",
                name);
  }
  std::string path = os::kShmDirectory;
  path += '/';
  path += bare;
  return path;
}

}  // namespace shmalloc
