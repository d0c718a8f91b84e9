#include "allocators/map_refcounted/map_refcounted.hpp"

#include <atomic>
#include <cstring>

#include "base/log.hpp"
#include "base/wire/torch.hpp"

namespace shmalloc {
namespace {

void initialise(void *base) { std::atomic_ref(static_cast<wire::TorchHeader *>(base)->count).store(1, std::memory_order_release); }

Result<std::unique_ptr<RefcountedMemory>> open_counted(const Plan &plan, const MapRequest &request, const char *manager) {
  std::unique_ptr<ManagerRegistration> registration;
  if (manager[0] != '\0') {
    // First the manager, then the object, as PyTorch does: what dies in between is removed by it.
    SHMALLOC_TRY(opened, ManagerRegistration::open(manager, request.name));
    registration = std::move(opened);
  }
  std::unique_ptr<MapMemory> empty(new (std::nothrow) RefcountedMemory(std::move(registration)));
  if (empty == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
  SHMALLOC_TRY(memory, MapMemory::open(plan, request, std::move(empty)));
  return std::unique_ptr<RefcountedMemory>(static_cast<RefcountedMemory *>(memory.release()));
}

}  // namespace

Result<std::unique_ptr<Memory>> MapRefcountedAllocator::make(std::size_t size, std::uint64_t /*stream*/,
                                                             const shmalloc_storage_params &params) {
  const Settings current = settings();
  constexpr std::uint32_t kRefused = SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_FROMFD | SHMALLOC_MAPPED_KEEPFD |
                                     SHMALLOC_MAPPED_UNLINK | SHMALLOC_MAPPED_READ_ONLY | SHMALLOC_MAPPED_MEMFD |
                                     SHMALLOC_MAPPED_HUGETLB;
  if ((params.mapped & kRefused) != 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0,
                "mapped: MAP_REFCOUNTED takes SHAREDMEM with EXCLUSIVE or NOCREATE, and NO_GROW, not bits %#x",
                params.mapped & kRefused);
  }
  if (params.file_offset != 0) return fail(SHMALLOC_STATUS_INVALID, 0, "file_offset: the count is at the beginning of the object");
  if (params.capacity > size) return fail(SHMALLOC_STATUS_INVALID, 0, "capacity: storages of kind MAP_REFCOUNTED can't grow");
  if (params.alignment > 64)
    return fail(SHMALLOC_STATUS_INVALID, 0, "alignment: the data of MAP_REFCOUNTED begins 64 bytes after a page");
  std::uint32_t mapped = params.mapped | SHMALLOC_MAPPED_SHAREDMEM;
  if ((mapped & (SHMALLOC_MAPPED_EXCLUSIVE | SHMALLOC_MAPPED_NOCREATE)) == 0) {
    if (params.name != nullptr)
      return fail(SHMALLOC_STATUS_INVALID, 0, "mapped: MAP_REFCOUNTED needs EXCLUSIVE or NOCREATE with a name");
    mapped |= SHMALLOC_MAPPED_EXCLUSIVE;
  }
  SHMALLOC_TRY(plan, make_plan(mapped, params.name != nullptr));
  SHMALLOC_TRY(request, make_request(size, params, current));
  request.header = sizeof(wire::TorchHeader);
  request.initialise = initialise;
  std::string name;
  if (params.name != nullptr) {
    name = std::string(params.name[0] == '/' ? "" : "/") + params.name;
    request.name = name.c_str();
  }
  for (int tries = 0;; ++tries) {
    if (params.name == nullptr) {
      // The manager must hear the name before the object exists, so it is made up here.
      SHMALLOC_TRY(made_up, new_name(current.prefix));
      name = made_up;
      request.name = name.c_str();
    }
    auto memory = open_counted(plan, request, current.manager);
    if (!memory) {
      if (params.name == nullptr && memory.error().status == SHMALLOC_STATUS_EXISTS && tries < 64) continue;
      return memory.error();
    }
    SHMALLOC_CHECK((*memory)->join(plan.exclusive));
    return std::unique_ptr<Memory>(std::move(*memory));
  }
}

Result<std::unique_ptr<Memory>> attach_refcounted(const char *name, std::size_t size, const char *manager, bool counted,
                                                  const os::Identity *expected) {
  SHMALLOC_TRY(plan, make_plan(SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE | SHMALLOC_MAPPED_NO_GROW, true));
  MapRequest request;
  request.name = name;
  request.size = request.capacity = size;
  request.header = sizeof(wire::TorchHeader);
  bool managed = manager[0] != '\0';
  for (;;) {
    auto memory = open_counted(plan, request, managed ? manager : "");
    if (!memory && managed && memory.error().status == SHMALLOC_STATUS_PEER_GONE) {
      // A manager that is dead protects nothing any more; the object may well be there.
      log(SHMALLOC_LOG_LEVEL_WARNING, "opening %s without its manager: %s", name, memory.error().message);
      managed = false;
      continue;
    }
    if (!memory) return memory.error();
    if (expected != nullptr && (*memory)->object()->identity != *expected) {
      return fail(SHMALLOC_STATUS_STALE, 0, "the shm object %s is another one by now", name);
    }
    SHMALLOC_CHECK((*memory)->join(counted));
    return std::unique_ptr<Memory>(std::move(*memory));
  }
}

RefcountedMemory::~RefcountedMemory() {
  if (registration_ != nullptr) registration_->close(false);
}

Result<void> RefcountedMemory::join(bool counted) {
  auto now = change(counted ? 0 : 1);
  if (!now) return now.error();
  if (*now <= 0) return fail(SHMALLOC_STATUS_STALE, 0, "the object's count is %d: everybody gave it up, it is being removed", *now);
  counts_ = true;
  remove_at_close_ = false;
  return {};
}

Result<std::int32_t> RefcountedMemory::read_count() {
  std::int32_t now = 0;
  if (os::checked_copy(&now, &static_cast<wire::TorchHeader *>(base())->count, sizeof now) == 0) return now;
  return fail(SHMALLOC_STATUS_STALE, 0, "the object was truncated: its count is gone");
}

Result<std::int32_t> RefcountedMemory::change(std::int32_t by) {
  auto *count = &static_cast<wire::TorchHeader *>(base())->count;
  SHMALLOC_TRY(now, read_count());
  if (by == 0) return now;
  if (now <= 0) return fail(SHMALLOC_STATUS_STALE, 0, "the object's count is %d: everybody gave it up, it is being removed", now);
  if (by < 0 && now + by < 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "the object's count is %d, it can't be lowered by %lld", now,
                -static_cast<long long>(by));
  }
  if (by > 0 && now > INT32_MAX - by) return fail(SHMALLOC_STATUS_INVALID, 0, "the object's count can't hold %d more", by);
  if (const int error = os::checked_add(count, by); error != 0) {
    return fail(SHMALLOC_STATUS_STALE, error, "the object was truncated: its count is gone");
  }
  SHMALLOC_TRY(then, read_count());
  if (by < 0 || then > by) return then;
  // It fell to 0 between our look and our change: what we added was life from the dead, and is taken back.
  static_cast<void>(os::checked_add(count, -by));
  return fail(SHMALLOC_STATUS_STALE, 0, "the object's count was 0: everybody gave it up, it is being removed");
}

Result<std::int32_t> RefcountedMemory::refcount(std::int32_t by) { return change(by); }

Result<void> RefcountedMemory::close(bool inherited) {
  if (counts_ && !inherited) {
    counts_ = false;
    auto left = change(-1);
    // A count that is gone or 0 already: somebody else removed it, or will.
    remove_at_close_ = left && *left == 0;
    if (!left) log(SHMALLOC_LOG_LEVEL_WARNING, "closing a counted object: %s", left.error().message);
  }
  auto closed = MapMemory::close(inherited);
  if (registration_ != nullptr) registration_->close(inherited);
  registration_.reset();
  return closed;
}

}  // namespace shmalloc
