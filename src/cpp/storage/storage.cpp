#include "storage/storage.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/log.hpp"
#include "os/process.hpp"
#include "storage/copy.hpp"
#include "storage/lingering.hpp"

namespace shmalloc {
namespace {

constexpr std::uint64_t kWriter = std::uint64_t{1} << 32;
constexpr std::uint64_t kMoving = std::uint64_t{1} << 63;
constexpr std::uint64_t kReaders = kWriter - 1;

constexpr int kMutexes = 16;  // fork takes them all, and thread sanitizers follow no more than 64 locks that one thread holds
constinit std::mutex change_mutexes[kMutexes];

// Which storage begins where, on which device. Adopted memory may begin inside another storage, or at the same place.
constinit std::mutex table_mutex;
// The largest that was ever in the table, on the host and on devices: how far back a search has to look.
constinit std::size_t largest[2] = {0, 0};
std::size_t &largest_on(shmalloc_device device) { return largest[device != SHMALLOC_DEVICE_HOST]; }
using Place = std::pair<shmalloc_device, std::uint64_t>;
using Table = std::multimap<Place, Storage *>;
Table &table() {
  // Never destroyed: a release after exit has begun must still find it.
  alignas(Table) static char space[sizeof(Table)];
  static Table *made = new (space) Table();
  return *made;
}

constinit std::atomic<std::uint64_t> next_id{1};

bool reachable(SharedObject *object) {
  return object != nullptr && !object->private_view && (object->fd || object->named || object->empty);
}

}  // namespace

std::uint64_t new_storage_id(std::uint64_t count) { return next_id.fetch_add(count, std::memory_order_relaxed); }

Storage::Storage(Ref<Allocator> allocator, shmalloc_allocator_kind kind, bool imported)
    : Handle(HandleType::storage),
      imported_(imported),
      kind_(kind),
      id_(next_id.fetch_add(1, std::memory_order_relaxed)),
      fork_generation_(shmalloc::fork_generation()),
      allocator_(std::move(allocator)) {}

Result<Ref<Storage>> Storage::make(std::unique_ptr<Memory> memory, Ref<Allocator> allocator, shmalloc_allocator_kind kind,
                                   bool imported) {
  Ref<Storage> storage(new (std::nothrow) Storage(std::move(allocator), kind, imported));
  if (!storage) {
    memory->discard();
    return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
  }
  storage->memory_ = std::move(memory);
  storage->device_ = storage->memory_->where;
  storage->count_in();  // Before others can find it: whoever takes a snapshot reads what this writes.
  try {
    storage->enter(storage->memory_->address());
  } catch (...) {
    storage->count_out();
    storage->memory_->account.end();
    storage->memory_->discard();
    storage->memory_.reset();
    return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for the table of storages");
  }
  storage->publish();
  return storage;
}

Storage::~Storage() {
  leave(entered_);
  count_out();
  if (memory_ == nullptr || closed()) return;
  memory_->account.give_up();
  if (exported_until_ != 0 && linger(memory_, exported_until_, allocator_ ? allocator_->id() : 0, fork_generation_)) return;
  memory_->account.end();
  const auto closed = memory_->close(inherited());
  if (!closed) log(SHMALLOC_LOG_LEVEL_ERROR, "releasing a storage: %s", closed.error().message);
}

bool Storage::inherited() const { return fork_generation_ != shmalloc::fork_generation(); }

std::mutex &Storage::change_mutex() const { return change_mutexes[id_ % kMutexes]; }

void Storage::publish() {
  data_.store(memory_->data, std::memory_order_relaxed);
  address_.store(memory_->device_address, std::memory_order_relaxed);
  size_.store(memory_->size, std::memory_order_relaxed);
  read_only_.store(memory_->read_only, std::memory_order_relaxed);
}

void Storage::count_in() {
  counted_ = memory_->size;
  // What carves segments counts by itself.
  counting_ = allocator_ && memory_->shared() == nullptr && allocator_->kind() != SHMALLOC_ALLOCATOR_KIND_CACHING;
  if (!counting_) return;
  allocator_->count_in(counted_);
  memory_->account.open(allocator_->recorder(), {.address = reinterpret_cast<std::uintptr_t>(memory_->data),
                                                 .requested = counted_,
                                                 .block = memory_->block_size(),
                                                 .pool = memory_->pool(),
                                                 .storage_id = id_});
}

void Storage::count_out() {
  if (counting_) allocator_->count_out(counted_);
  counting_ = false;
}

void Storage::enter(std::uint64_t address) {
  if (address == 0 || memory_->capacity == 0) return;
  const std::lock_guard lock(table_mutex);
  table().emplace(Place(device_, address), this);
  std::size_t &most = largest_on(device_);
  most = std::max(most, memory_->capacity);
  entered_ = address;
}

void Storage::leave(std::uint64_t address) {
  if (address == 0) return;
  const std::lock_guard lock(table_mutex);
  auto [at, end] = table().equal_range(Place(device_, address));
  while (at != end && at->second != this) ++at;
  if (at != end) table().erase(at);
}

Result<Ref<Storage>> Storage::find(shmalloc_device device, std::uint64_t address, std::size_t *offset) {
  {
    const std::lock_guard lock(table_mutex);
    for (auto at = table().upper_bound(Place(device, address)); at != table().begin();) {
      --at;
      const std::uint64_t distance = address - at->first.second;
      if (at->first.first != device || distance >= largest_on(device)) break;
      if (distance < at->second->size() && at->second->retain_if_alive()) {
        *offset = distance;
        return Ref<Storage>(at->second);
      }
    }
  }
  if (device == SHMALLOC_DEVICE_HOST) {
    SHMALLOC_TRY(shared, find_shared(address));
    if (shared) {
      *offset = address - reinterpret_cast<std::uintptr_t>(shared->data());
      return std::move(shared);
    }
  }
  return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "no storage of this process holds address %#llx of that device",
              static_cast<unsigned long long>(address));
}

std::vector<Ref<Storage>> Storage::all() {
  std::vector<Ref<Storage>> found;  // Given back, and maybe released, with no lock held.
  const std::lock_guard lock(table_mutex);
  found.reserve(table().size());
  for (const auto &[place, storage] : table()) {
    if (storage->retain_if_alive()) found.emplace_back(storage);
  }
  return found;
}

Result<void> Storage::pin(bool write) {
  std::uint64_t pins = pins_.load(std::memory_order_relaxed);
  do {
    if ((pins & kMoving) != 0) return fail(SHMALLOC_STATUS_BUSY, 0, "the storage is being moved, sealed or closed right now");
  } while (!pins_.compare_exchange_weak(pins, pins + (write ? kWriter : 1), std::memory_order_acquire, std::memory_order_relaxed));
  if (closed()) {
    drop_pin(write);
    return fail(SHMALLOC_STATUS_CLOSED, 0, "the storage is closed");
  }
  if (write && read_only_.load(std::memory_order_relaxed)) {
    drop_pin(write);
    return fail(SHMALLOC_STATUS_PERMISSION, 0, "the storage is read-only");
  }
  return {};
}

namespace {
// What DEFAULT means does not change while there is a pin: only a seal makes memory read-only, and it needs writers gone.
bool writes(shmalloc_access access, bool read_only) {
  return access == SHMALLOC_ACCESS_WRITE || (access == SHMALLOC_ACCESS_DEFAULT && !read_only);
}
}  // namespace

Result<void> Storage::pin_as(shmalloc_access access) {
  const bool write = writes(access, read_only_.load(std::memory_order_relaxed));
  auto pinned = pin(write);
  // It was sealed between our look and our pin: DEFAULT means reading now.
  const bool again = !pinned && write && access == SHMALLOC_ACCESS_DEFAULT && pinned.error().status == SHMALLOC_STATUS_PERMISSION;
  if (again) SHMALLOC_CHECK(pin(false));
  if (!pinned && !again) return pinned;
  retain();
  return {};
}

void Storage::drop_pin(bool write) { pins_.fetch_sub(write ? kWriter : 1, std::memory_order_release); }

void Storage::unpin(shmalloc_access access) {
  drop_pin(writes(access, read_only_.load(std::memory_order_relaxed)));
  if (!release_unless_last()) defer();
}

Result<void> Storage::begin_move(bool readers_too) {
  std::uint64_t pins = pins_.load(std::memory_order_relaxed);
  do {
    const std::uint64_t writers = (pins & ~kMoving) >> 32;
    if (writers != 0 || (readers_too && (pins & kReaders) != 0)) {
      return fail(SHMALLOC_STATUS_BUSY, 0, "the storage is pinned %llu times: views or copies of it are in use",
                  static_cast<unsigned long long>(writers) + (pins & kReaders));
    }
  } while (!pins_.compare_exchange_weak(pins, pins | kMoving, std::memory_order_acquire, std::memory_order_relaxed));
  return {};
}

void Storage::end_move() { pins_.fetch_and(~kMoving, std::memory_order_release); }

Result<void> Storage::close() {
  std::unique_ptr<Memory> memory;
  {
    const std::lock_guard lock(change_mutex());
    if (closed()) return {};
    SHMALLOC_CHECK(begin_move(true));
    if (shell_ == nullptr) memory = std::move(memory_);
    closed_.store(true, std::memory_order_relaxed);
    size_.store(0, std::memory_order_relaxed);
    data_.store(nullptr, std::memory_order_relaxed);
    leave(entered_);
    entered_ = 0;
    count_out();
    exported_until_ = 0;
    revoked_.clear();
    end_move();
  }
  if (shell_ != nullptr) {
    shell_->give_back();
    return {};
  }
  memory->account.end();
  return memory->close(inherited());  // With no lock held: an adopted memory calls its maker.
}

Result<void> Storage::share(Ref<Allocator> to) {
  bool left_inherited = false;
  std::unique_ptr<Memory> left;  // What is not used any more, closed with no lock held.
  const auto shared = [&]() -> Result<void> {
    const std::lock_guard lock(change_mutex());
    if (closed()) return fail(SHMALLOC_STATUS_CLOSED, 0, "the storage is closed");
    if (memory_->shared() != nullptr || reachable(memory_->object())) return {};
    if (device_ != SHMALLOC_DEVICE_HOST || to->device() != SHMALLOC_DEVICE_HOST)
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "this version of shmalloc can't share the memory of devices");
    if ((to->capabilities() & SHMALLOC_CAPABILITY_EXPORT) == 0) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "`to` makes storages that can't be shared");
    }
    SHMALLOC_CHECK(begin_move(true));
    struct End {
      Storage *storage;
      ~End() { storage->end_move(); }
    } end{this};
    const shmalloc_storage_params params{};
    SHMALLOC_TRY(made, to->recorder().watch(memory_->size, 0, [&] { return to->make(memory_->size, 0, params); }));
    left = std::move(made);
    SHMALLOC_CHECK(copy_bytes(left->data, memory_->data, memory_->size, memory_->stable.load(std::memory_order_relaxed)));
    const std::uint64_t before = entered_;
    std::swap(memory_, left);
    try {
      enter(memory_->address());
    } catch (...) {
      std::swap(memory_, left);
      return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for the table of storages");
    }
    leave(before);
    if (memory_->data == nullptr) entered_ = 0;
    count_out();
    if (left->read_only) memory_->read_only = true;
    allocator_ = std::move(to);
    kind_ = allocator_->kind();
    left_inherited = inherited();
    fork_generation_ = shmalloc::fork_generation();  // The new memory is this process's own.
    ++generation_;
    count_in();
    publish();
    return {};
  }();
  if (left == nullptr) return shared;
  left->account.end();
  const auto closed = left->close(left_inherited);
  if (!closed) log(SHMALLOC_LOG_LEVEL_ERROR, "sharing a storage: %s", closed.error().message);
  return shared;
}

Result<void> Storage::grow(std::size_t size) {
  return with_memory([&](Memory &memory) -> Result<void> {
    SHMALLOC_CHECK(memory.grow(size));
    memory.account.grown(memory.size, memory.block_size());
    publish();
    return {};
  });
}

Result<void> Storage::seal() {
  return with_memory([&](Memory &memory) -> Result<void> {
    if (memory.immutable) return {};
    SHMALLOC_CHECK(begin_move(false));
    const auto sealed = memory.seal();
    publish();
    end_move();
    return sealed;
  });
}

Result<std::int32_t> Storage::refcount(std::int32_t change) {
  return with_memory([&](Memory &memory) { return memory.refcount(change); });
}

std::uint64_t Storage::export_ttl_ms() const {
  if (shell_ != nullptr && !closed()) return shell_->export_ttl_ms();
  return allocator_ ? allocator_->settings().export_ttl_ms : Settings().export_ttl_ms;
}

void Storage::exported_until(std::int64_t deadline) { exported_until_ = std::max(exported_until_, deadline); }

Result<void> Storage::revoke() {
  return with_memory([&](Memory &memory) -> Result<void> {
    SharedObject *object = memory.object();
    if (object != nullptr && object->named) {
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "%s is opened by its name: close the storage, or remove the name",
                  object->path.c_str());
    }
    exported_until_ = 0;
    if (SharedMemory *shared = memory.shared(); shared != nullptr) return shared->revoke();
    if (object == nullptr || !object->fd) return {};
    // Handles name the number of our descriptor: the memory gets another one, and the old one leads nowhere as long as we live.
    revoked_.reserve(revoked_.size() + 1);
    SHMALLOC_TRY(moved, os::duplicate(object->fd.get()));
    SHMALLOC_TRY(nothing, os::make_memfd("shmalloc_revoked", 0));  // An empty object harms nobody who still uses the number.
    if (os::calls.dup3(nothing.get(), object->fd.get(), O_CLOEXEC) < 0) return fail_errno(errno, "replacing a descriptor failed");
    revoked_.push_back(std::move(object->fd));
    object->fd = std::move(moved);
    return {};
  });
}

Result<void> Storage::record_stream(std::uint64_t stream) {
  return with_memory([&](Memory &memory) -> Result<void> {
    SHMALLOC_CHECK(memory.used_on(stream));  // The host's needs nothing, and of adopted memory its owner knows.
    return {};
  });
}

void Storage::describe(shmalloc_storage_info *info) {
  const std::lock_guard lock(change_mutex());
  info->data = data();
  info->address = address();
  info->device = device_;
  info->size = size();
  info->id = id_;
  info->generation = generation_;
  info->allocator_id = allocator_ ? allocator_->id() : shell_ != nullptr && !closed() ? shell_->allocator_id() : 0;
  info->references = references();
  const std::uint64_t pins = pins_.load(std::memory_order_relaxed) & ~kMoving;
  info->pins = (pins >> 32) + (pins & kReaders);
  info->kind = kind_;
  info->fd = -1;
  std::uint32_t state = 0;
  if (imported_) state |= SHMALLOC_STORAGE_STATE_IMPORTED;
  if (inherited()) state |= SHMALLOC_STORAGE_STATE_FORKED;
  if (memory_ == nullptr || closed()) {
    info->state = state | SHMALLOC_STORAGE_STATE_CLOSED;
    return;
  }
  info->capacity = memory_->capacity;
  info->mapped = memory_->mapped;
  if (memory_->stable.load(std::memory_order_relaxed)) state |= SHMALLOC_STORAGE_STATE_SEALED;
  if (memory_->read_only) state |= SHMALLOC_STORAGE_STATE_READ_ONLY;
  if (memory_->immutable) state |= SHMALLOC_STORAGE_STATE_IMMUTABLE;
  if (memory_->shared() != nullptr) state |= SHMALLOC_STORAGE_STATE_SHARED;
  if (SharedObject *object = memory_->object(); object != nullptr) {
    if (reachable(object)) state |= SHMALLOC_STORAGE_STATE_SHARED;
    if (object->fd) object->seals |= os::seals_of(object->fd.get());  // Others may have sealed it.
    if ((object->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) state |= SHMALLOC_STORAGE_STATE_WRITE_SEALED;
    if ((object->seals & F_SEAL_WRITE) != 0 && !object->private_view) state |= SHMALLOC_STORAGE_STATE_IMMUTABLE;
    info->fd = object->fd.get();
  }
  info->state = state;
}

void Storage::lock_all() {
  for (std::mutex &mutex : change_mutexes) mutex.lock();
  table_mutex.lock();
  lock_shells();
}

void Storage::unlock_all(bool in_child) {
  unlock_shells(in_child);
  table_mutex.unlock();
  for (std::mutex &mutex : change_mutexes) mutex.unlock();
}

}  // namespace shmalloc
