#include "allocators/shared/segment.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "allocators/shared/locks.hpp"
#include "allocators/shared/shared_memory.hpp"
#include "allocators/shared/steps.hpp"
#include "base/due.hpp"
#include "base/text.hpp"
#include "os/pages.hpp"
#include "os/process.hpp"

namespace shmalloc {
namespace {

constexpr std::uint64_t kAlive = std::uint64_t{1} << 63;
constexpr int kMostSegments = 1024;
constexpr std::int64_t kMaintenanceEvery = 100000000;

constinit std::mutex mutex;
// Never shrinks, and its segments are never freed.
constinit std::atomic<Segment *> registry[kMostSegments];
constinit std::atomic<int> registered{0};

void split_id(const std::uint8_t *id, std::uint64_t *low, std::uint64_t *high) {
  std::memcpy(low, id, 8);
  std::memcpy(high, id + 8, 8);
}

Result<os::Mapping> no_room(std::uint64_t capacity) { return os::check_file_limit(capacity, "a segment").error(); }

template <class Function>
void each_segment(Function function) {
  const int count = registered.load(std::memory_order_acquire);
  for (int i = 0; i < count; ++i) function(*registry[i].load(std::memory_order_relaxed));
}

}  // namespace

std::mutex &segments_mutex() { return mutex; }

Result<Segment *> Segment::unused() {
  Segment *found = nullptr;
  each_segment([&](Segment &segment) {
    if (segment.uses_.load(std::memory_order_acquire) == 0 && segment.head_ == nullptr) found = &segment;
  });
  if (found != nullptr) return found;
  const int count = registered.load(std::memory_order_relaxed);
  if (count == kMostSegments)
    return fail(SHMALLOC_STATUS_NO_SPACE, 0, "this process has %d segments mapped already", kMostSegments);
  found = new (std::nothrow) Segment();
  if (found == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a segment");
  registry[count].store(found, std::memory_order_relaxed);
  registered.store(count + 1, std::memory_order_release);
  return found;
}

bool Segment::retain_if_alive() {
  std::uint64_t uses = uses_.load(std::memory_order_relaxed);
  while ((uses & kAlive) != 0) {
    if (uses_.compare_exchange_weak(uses, uses + 1, std::memory_order_acquire, std::memory_order_relaxed)) return true;
  }
  return false;
}

Segment *Segment::find(const std::uint8_t *id) {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  split_id(id, &low, &high);
  const int count = registered.load(std::memory_order_acquire);
  for (int i = 0; i < count; ++i) {
    Segment *segment = registry[i].load(std::memory_order_relaxed);
    const auto same = [&] {
      return segment->id_low_.load(std::memory_order_relaxed) == low && segment->id_high_.load(std::memory_order_relaxed) == high;
    };
    if (!same() || !segment->retain_if_alive()) continue;
    if (same()) return segment;
    segment->release();
  }
  return nullptr;
}

void Segment::release() {
  const bool closed = !owner_ && head_->closed.load(std::memory_order_relaxed) != 0;  // Ours no more once the count is down.
  if (uses_.fetch_sub(1, std::memory_order_acq_rel) != kAlive + 1 || !closed) return;
  const std::lock_guard lock(mutex);
  end_if_unused();
}

// With the mutex.
bool Segment::end_if_unused() {
  std::uint64_t none = kAlive;
  if (!uses_.compare_exchange_strong(none, 0, std::memory_order_acq_rel)) return false;
  unmap();
  return true;
}

void Segment::publish() {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  split_id(head_->id, &low, &high);
  id_low_.store(low, std::memory_order_relaxed);
  id_high_.store(high, std::memory_order_relaxed);
  uses_.store(kAlive + 1, std::memory_order_release);
}

void Segment::unmap() {
  id_low_.store(0, std::memory_order_relaxed);
  id_high_.store(0, std::memory_order_relaxed);
  if (const int place = place_.load(std::memory_order_relaxed); place >= 0) {
    SHMALLOC_STEP();
    head_->places.fetch_and(~(std::uint64_t{1} << place), std::memory_order_acq_rel);  // We hold nothing: no bit of ours is set.
    SHMALLOC_STEP();
  }
  owner_keeper_.reset();
  keeper_.reset();
  lost_keeper_.reset();
  read_only_.store(nullptr, std::memory_order_relaxed);
  control_map_.reset();
  data_map_.reset();
  read_only_map_.reset();
  local_map_.reset();
  control_.reset();
  data_.reset();
  slots_ = nullptr;
  locals_ = nullptr;
  slot_count_ = 0;
  owner_.store(false, std::memory_order_relaxed);
  owner_lock_ = sealed_ = advise_ = false;
  place_.store(-1, std::memory_order_relaxed);
  verified_.store(0, std::memory_order_relaxed);
  cleared_up_.store(0, std::memory_order_relaxed);
  lost_ = lost_for_good_ = false;
  own_slots_ = 0;
  ancestors_.clear();
  name_.clear();
  names_are_ours_ = false;
  retained_.clear();
  head_ = nullptr;
}

Result<void> Segment::map_control(int fd, std::uint64_t size) {
  SHMALLOC_TRY(mapped,
               os::Mapping::map(fd, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, 0, "the control of a segment"));
  control_map_ = std::move(mapped);
  head_ = static_cast<wire::SegmentHead *>(control_map_.base());
  slots_ = reinterpret_cast<wire::Slot *>(static_cast<char *>(control_map_.base()) + wire::kSegmentHead);
  return {};
}

// Maps the data; as the owner with as much address space as is asked for, or as there is.
Result<void> Segment::map(const SegmentRequest *request) {
  std::uint64_t capacity = request != nullptr ? request->capacity : head_->capacity;
  for (;;) {
    const bool allowed = request == nullptr || os::check_file_limit(capacity, "");
    auto mapped = !allowed ? no_room(capacity)
                           : os::Mapping::map(data_.get(), 0, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                                              os::kHugePage, "the data of a segment");
    if (mapped) {
      data_map_ = std::move(*mapped);
      break;
    }
    if (request == nullptr || capacity / 2 < std::max(request->needed, os::kHugePage)) return mapped.error();
    capacity = (capacity / 2 + os::kHugePage - 1) / os::kHugePage * os::kHugePage;
  }
  SHMALLOC_TRY(local, os::Mapping::map(-1, 0, slot_count_ * sizeof(LocalSlot), PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0, "the counts of a segment"));
  local_map_ = std::move(local);
  locals_ = static_cast<LocalSlot *>(local_map_.base());
  return {};
}

Result<Segment *> Segment::attach(os::UniqueFd control, os::UniqueFd data, const std::uint8_t *id, const char *name) {
  const std::lock_guard lock(mutex);
  if (Segment *there = find(id); there != nullptr) return there;
  SHMALLOC_TRY(segment, unused());
  Undo undo{segment};
  Segment &self = *segment;
  SHMALLOC_TRY(facts, os::look(control.get(), "the control of a segment"));
  SHMALLOC_TRY(data_facts, os::look(data.get(), "the data of a segment"));
  constexpr int kFixed = F_SEAL_SHRINK | F_SEAL_GROW;
  if (name != nullptr) {
    // By a name: whoever removes it because nobody has it locks it first.
    SHMALLOC_TRY(control_kept, os::lock_presence(control.get(), false));
    SHMALLOC_TRY(data_kept, os::lock_presence(data.get(), false));
    if (!control_kept || !data_kept) return fail(SHMALLOC_STATUS_STALE, 0, "the segment %s is being removed", name);
    self.name_ = name;
  } else if ((os::seals_of(control.get()) & kFixed) != kFixed) {
    return fail(SHMALLOC_STATUS_CORRUPT, 0,
                "what should be the control of a segment could be cut short by others: it is none of ours");
  }
  if (facts.size < control_size(1))
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "what should be the control of a segment is only %llu bytes long",
                static_cast<unsigned long long>(facts.size));
  SHMALLOC_CHECK(self.map_control(control.get(), facts.size));
  const wire::SegmentHead &head = *self.head_;
  if (std::memcmp(head.magic, wire::kSegmentMagic, sizeof head.magic) != 0)
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "what should be the control of a segment does not begin as one");
  if (head.major != wire::kSegmentMajor) {
    return fail(SHMALLOC_STATUS_VERSION, 0, "the segment has format %u, this shmalloc reads %u", head.major, wire::kSegmentMajor);
  }
  if (std::memcmp(head.id, id, sizeof head.id) != 0)
    return fail(SHMALLOC_STATUS_STALE, 0, "the segment is another one by now: the one that the handle speaks of is gone");
  self.slot_count_ = head.slot_count;
  constexpr std::uint64_t kMostCapacity = std::uint64_t{1} << 46;
  if (head.head_size != wire::kSegmentHead || self.slot_count_ == 0 || self.slot_count_ > kMostSlots ||
      control_size(self.slot_count_) > facts.size || head.capacity == 0 || head.capacity > kMostCapacity ||
      head.capacity % os::page_size() != 0) {
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "the numbers in the control of a segment can't be");
  }
  const os::Identity expected{head.data_device, head.data_inode, head.data_born_ns};
  if (data_facts.identity != expected)
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "the descriptor is not that of the data which the segment's control speaks of");
  self.sealed_ = (os::seals_of(data.get()) & F_SEAL_SHRINK) != 0;
  self.verified_.store(data_facts.size, std::memory_order_relaxed);
  self.identity_ = facts.identity;
  self.data_identity_ = data_facts.identity;
  self.control_ = std::move(control);
  self.data_ = std::move(data);
  SHMALLOC_CHECK(self.map(nullptr));
  self.publish();
  undo.segment = nullptr;
  want_maintenance();
  return segment;
}

Result<char *> Segment::read_only_data() {
  const std::lock_guard lock(mutex);
  if (!read_only_map_) {
    SHMALLOC_TRY(mapped, os::Mapping::map(data_.get(), 0, capacity(), PROT_READ, MAP_SHARED | MAP_NORESERVE, os::kHugePage,
                                          "the data of a segment"));
    read_only_map_ = std::move(mapped);
    read_only_.store(static_cast<char *>(read_only_map_.base()), std::memory_order_release);
  }
  return static_cast<char *>(read_only_map_.base());
}

bool Segment::find_address(std::uintptr_t address, bool (*visit)(SharedMemory *memory, void *context), void *context) {
  const int count = registered.load(std::memory_order_acquire);
  for (int i = 0; i < count; ++i) {
    Segment &segment = *registry[i].load(std::memory_order_relaxed);
    if (!segment.retain_if_alive()) continue;
    bool found = false;
    const auto lies_in = [&](const char *base) {
      const auto start = reinterpret_cast<std::uintptr_t>(base);
      return base != nullptr && address >= start && address - start < segment.capacity();
    };
    if (lies_in(segment.data()) || lies_in(segment.read_only_.load(std::memory_order_acquire))) {
      const std::uint32_t used = segment.slots_used();
      for (std::uint32_t at = 0; at < used && !found; ++at) {
        LocalSlot &local = segment.locals_[at];
        if (local.word.load(std::memory_order_relaxed) == 0) continue;
        const std::uint32_t handles = lock(local);
        for (SharedMemory *memory = local.first; memory != nullptr && !found; memory = memory->next) {
          const auto start = reinterpret_cast<std::uintptr_t>(memory->data);
          found = address >= start && address - start < memory->size && visit(memory, context);
        }
        unlock(local, handles);
      }
    }
    segment.release();
    if (found) return true;
  }
  return false;
}

void Segment::want_maintenance() { due(os::coarse_now() + kMaintenanceEvery); }

// Tries again what could not be handed over. True while there is more.
bool Segment::let_go_of_retained() {
  bool more = false;
  each_segment([&](Segment &segment) {
    std::vector<std::uint32_t> retained;
    {
      const std::lock_guard lock(mutex);
      retained.swap(segment.retained_);
    }
    for (const std::uint32_t slot : retained) segment.let_go(slot, nullptr);  // Each is a use of the segment.
    const std::lock_guard lock(mutex);
    more = more || !segment.retained_.empty();
  });
  return more;
}

std::uint64_t Segment::maintain(bool all, bool more) {
  more = let_go_of_retained() || more;
  const std::lock_guard lock(mutex);
  std::uint64_t bytes = 0;
  bool foreign = false;
  each_segment([&](Segment &segment) {
    if ((segment.uses_.load(std::memory_order_acquire) & kAlive) == 0 || segment.owned()) return;
    const bool dead =
        segment.head_->closed.load(std::memory_order_relaxed) != 0 || !os::byte_locked(segment.control_.get(), wire::kOwnerByte);
    if ((dead || all) && segment.end_if_unused()) return;
    foreign = true;
    if (dead) bytes += segment.reclaim();
  });
  if (foreign || more) want_maintenance();
  return bytes;
}

void Segment::before_fork() {
  mutex.lock();
  each_segment([](Segment &segment) {
    if ((segment.uses_.load(std::memory_order_acquire) & kAlive) != 0) segment.mark_all_for_child();
  });
}

void Segment::in_parent() {
  each_segment([](Segment &segment) {
    segment.child_keeper_.reset();
    segment.child_lost_keeper_.reset();
    segment.child_place_ = -1;
    segment.child_prepared_ = false;
  });
  mutex.unlock();
}

void Segment::in_child() {
  each_segment([](Segment &segment) {
    if ((segment.uses_.load(std::memory_order_acquire) & kAlive) == 0) return;
    for (std::uint32_t i = 0, used = segment.slots_used(); i < used; ++i) {
      LocalSlot &local = segment.locals_[i];
      const std::uint32_t word = local.word.load(std::memory_order_relaxed);
      if (word == 0) continue;
      // Whoever was inside at the fork is not there any more; what was taken since we were marked nobody here knows.
      const bool ours = local.marked == fork_number && (word & ~kLocalLock) != 0;
      if (!ours || (word & kLocalLock) != 0) local.first = nullptr;
      if (!ours && (word & ~kLocalLock) != 0) segment.uses_.fetch_sub(1, std::memory_order_relaxed);
      local.word.store(ours ? word & ~kLocalLock : 0, std::memory_order_relaxed);
    }
    segment.owner_keeper_.forget();  // They were not inherited.
    segment.keeper_.forget();
    segment.keeper_ = std::move(segment.child_keeper_);
    if (segment.keeper_) static_cast<void>(segment.keeper_.inherit(false));
    segment.lost_keeper_.forget();
    segment.lost_keeper_ = std::move(segment.child_lost_keeper_);
    const int place = segment.place_.load(std::memory_order_relaxed);
    if (segment.lost_keeper_) {
      static_cast<void>(segment.lost_keeper_.inherit(false));
      segment.ancestors_.push_back(segment.lost_byte());
      if (place >= 0) segment.ancestors_.push_back(wire::kPlaceBytes + static_cast<std::uint64_t>(place));
    } else {
      segment.owner_lock_ = false;
    }
    segment.lost_ = segment.lost_for_good_ = false;  // Those were children of our parent's.
    segment.child_prepared_ = false;
    segment.place_.store(segment.child_place_, std::memory_order_relaxed);
    segment.child_place_ = -1;
    segment.names_are_ours_ = false;
    // The parent's allocator had one use.
    if (segment.owned()) segment.uses_.fetch_sub(1, std::memory_order_relaxed);
    segment.owner_.store(false, std::memory_order_relaxed);
  });
  want_maintenance();
}

void Segment::unlock_child() { mutex.unlock(); }

}  // namespace shmalloc
