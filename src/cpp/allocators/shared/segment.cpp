#include "allocators/shared/segment.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "allocators/map/map.hpp"
#include "allocators/shared/locks.hpp"
#include "allocators/shared/shared_memory.hpp"
#include "allocators/shared/steps.hpp"
#include "base/due.hpp"
#include "base/text.hpp"
#include "os/pages.hpp"
#include "os/process.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace shmalloc {
namespace {

constexpr std::uint64_t kAlive = std::uint64_t{1} << 63;
constexpr std::uint32_t kMostSlots = 1U << 20;
constexpr std::uint32_t kFewestSlots = 1U << 10;
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

std::uint64_t control_size(std::uint32_t slots) { return wire::kSegmentHead + std::uint64_t{slots} * sizeof(wire::Slot); }

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
  owner_lock_ = sealed_ = huge_ = advise_ = false;
  place_.store(-1, std::memory_order_relaxed);
  verified_.store(0, std::memory_order_relaxed);
  cleared_up_.store(0, std::memory_order_relaxed);
  lost_ = false;
  own_slots_ = 0;
  ancestors_.clear();
  name_.clear();
  names_are_ours_ = false;
  retained_.clear();
  head_ = nullptr;
}

// Maps control and data; as the owner with as much address space as is asked for, or as there is.
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

Result<Segment *> Segment::create(const SegmentRequest &request) {
  const std::lock_guard lock(mutex);
  SHMALLOC_TRY(segment, unused());
  struct Undo {
    Segment *segment;
    ~Undo() {
      if (segment != nullptr) segment->unmap();
    }
  } undo{segment};
  Segment &self = *segment;
  // With a name both lie in /dev/shm, where they get it last.
  const bool named = request.prefix != nullptr;
  const auto unnamed = [&request]() -> Result<os::UniqueFd> {
    os::UniqueFd made = os::make_unnamed(os::kShmDirectory, request.mode);
    if (!made) return fail_errno(errno, "making a shm object failed%s", os::hint_for(errno, os::kShmDirectory).text);
    SHMALLOC_TRY(ours, os::lock_presence(made.get(), false));
    if (!ours) return fail(SHMALLOC_STATUS_INTERNAL, 0, "somebody else has a shm object that was just made");
    return made;
  };
  SHMALLOC_TRY(control, named ? unnamed() : os::make_memfd("shmalloc_control", 0));
  auto file = os::SegmentFile();
  if (named) {
    SHMALLOC_TRY(data, unnamed());
    file.fd = std::move(data);
  } else {
    SHMALLOC_TRY(made, os::make_segment_file("shmalloc_segment", static_cast<os::Pages>(request.pages), request.sealed));
    file = std::move(made);
  }
  const os::Limits limits = named ? os::Limits{os::kShmDirectory, true} : os::Limits{nullptr, true};
  self.slot_count_ = kMostSlots;
  while (self.slot_count_ > kFewestSlots && !os::check_file_limit(control_size(self.slot_count_), "")) self.slot_count_ /= 4;
  const std::uint64_t size = control_size(self.slot_count_);
  SHMALLOC_CHECK(os::check_file_limit(size, "the control of a segment"));
  if (os::calls.ftruncate(control.get(), static_cast<off_t>(size)) != 0)
    return fail_errno(errno, "sizing a segment's control failed");
  SHMALLOC_CHECK(os::reserve(control.get(), 0, wire::kSegmentHead, size, limits, "the control of a segment"));
  if (!named) SHMALLOC_CHECK(os::add_seals(control.get(), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, "the control of a segment"));
  SHMALLOC_TRY(control_map, os::Mapping::map(control.get(), 0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, 0,
                                             "the control of a segment"));
  self.control_map_ = std::move(control_map);
  self.head_ = static_cast<wire::SegmentHead *>(self.control_map_.base());
  self.slots_ = reinterpret_cast<wire::Slot *>(static_cast<char *>(self.control_map_.base()) + wire::kSegmentHead);
  SHMALLOC_TRY(facts, os::look(control.get(), "the control of a segment"));
  SHMALLOC_TRY(data_facts, os::look(file.fd.get(), "the data of a segment"));
  self.identity_ = facts.identity;
  self.data_identity_ = data_facts.identity;
  self.control_ = std::move(control);
  self.data_ = std::move(file.fd);
  self.sealed_ = file.sealable;
  self.huge_ = file.huge;
  SHMALLOC_CHECK(self.map(&request));
  // As long as it may ever be, without blocks: its length decides which pages it gets.
  if (os::calls.ftruncate(self.data_.get(), static_cast<off_t>(self.capacity())) != 0)
    return fail_errno(errno, "sizing a segment failed");
  if (self.sealed_) SHMALLOC_CHECK(os::add_seals(self.data_.get(), F_SEAL_SHRINK | F_SEAL_GROW, "the data of a segment"));
  if (request.numa_node >= 0) SHMALLOC_CHECK(self.data_map_.bind(request.numa_node));
  self.advise_ = file.advise;
  if (file.advise) static_cast<void>(os::calls.madvise(self.data_map_.base(), self.capacity(), MADV_HUGEPAGE));
  // The owner's lock, on a description of its own.
  SHMALLOC_TRY(own, os::reopen(self.control_.get(), O_RDWR));
  SHMALLOC_TRY(locked, os::lock_byte(own.get(), wire::kOwnerByte, os::Lock::shared));
  if (!locked) return fail(SHMALLOC_STATUS_INTERNAL, 0, "somebody else owns a segment that was just made");
  SHMALLOC_TRY(keeper, os::Mapping::map(own.get(), 0, os::page_size(), PROT_NONE, MAP_SHARED, 0, "the lock of a segment"));
  SHMALLOC_CHECK(keeper.inherit(false));
  self.owner_keeper_ = std::move(keeper);
  self.owner_.store(true, std::memory_order_relaxed);
  self.owner_lock_ = true;
  SHMALLOC_TRY(low, os::random_number());
  SHMALLOC_TRY(high, os::random_number());
  wire::SegmentHead &head = *self.head_;
  std::memcpy(head.magic, wire::kSegmentMagic, sizeof head.magic);
  head.major = wire::kSegmentMajor;
  head.minor = wire::kSegmentMinor;
  head.head_size = wire::kSegmentHead;
  head.slot_count = self.slot_count_;
  std::memcpy(head.id, &low, 8);
  std::memcpy(head.id + 8, &high, 8);
  head.capacity = self.data_map_.size();
  head.data_device = data_facts.identity.device;
  head.data_inode = data_facts.identity.inode;
  head.data_born_ns = data_facts.identity.born_ns;
  head.owner_pid = os::calls.getpid();
  head.created_ns = static_cast<std::int64_t>(facts.identity.born_ns);
  if (named) SHMALLOC_CHECK(self.give_names(request.prefix));
  self.publish();
  undo.segment = nullptr;
  return segment;
}

Result<void> Segment::give_names(const char *prefix) {
  SHMALLOC_TRY(name, new_name(prefix));
  const std::string path = os::kShmDirectory + name;
  const std::string data_path = path + kDataSuffix;
  if (const int error = os::give_name(data_.get(), data_path.c_str()); error != 0)
    return fail_errno(error, "naming the shm object %s failed%s", data_path.c_str(), os::hint_for(error, os::kShmDirectory).text);
  if (const int error = os::give_name(control_.get(), path.c_str()); error != 0) {
    os::calls.unlink(data_path.c_str());
    return fail_errno(error, "naming the shm object %s failed%s", path.c_str(), os::hint_for(error, os::kShmDirectory).text);
  }
  name_ = std::move(name);
  names_are_ours_ = true;
  return {};
}

// The owner's: nobody comes by them any more.
void Segment::remove_names() {
  if (!names_are_ours_) return;
  const std::string path = os::kShmDirectory + name_;
  static_cast<void>(os::remove_name(path.c_str(), identity_));
  const os::Identity data{head_->data_device, head_->data_inode, head_->data_born_ns};
  static_cast<void>(os::remove_name((path + kDataSuffix).c_str(), data));
  names_are_ours_ = false;
}

// With the mutex.
Segment *Segment::find_locked(const std::uint8_t *id) { return find(id); }

Result<Segment *> Segment::attach(os::UniqueFd control, os::UniqueFd data, const std::uint8_t *id, const char *name) {
  const std::lock_guard lock(mutex);
  if (Segment *there = find_locked(id); there != nullptr) return there;
  SHMALLOC_TRY(segment, unused());
  struct Undo {
    Segment *segment;
    ~Undo() {
      if (segment != nullptr) segment->unmap();
    }
  } undo{segment};
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
  } else if ((os::seals_of(control.get()) & kFixed) != kFixed || facts.size < control_size(1)) {
    return fail(SHMALLOC_STATUS_CORRUPT, 0,
                "what should be the control of a segment could be cut short by others: it is none of ours");
  }
  SHMALLOC_TRY(control_map, os::Mapping::map(control.get(), 0, facts.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, 0,
                                             "the control of a segment"));
  self.control_map_ = std::move(control_map);
  self.head_ = static_cast<wire::SegmentHead *>(self.control_map_.base());
  self.slots_ = reinterpret_cast<wire::Slot *>(static_cast<char *>(self.control_map_.base()) + wire::kSegmentHead);
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
  if (head.head_size != wire::kSegmentHead || self.slot_count_ == 0 || control_size(self.slot_count_) > facts.size ||
      head.capacity == 0 || head.capacity > kMostCapacity || head.capacity % os::page_size() != 0) {
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

// Applications close all descriptors and open files of theirs under the same numbers: those we neither fill nor punch nor lock.
bool Segment::data_is_there() const {
  auto facts = os::look(data_.get(), "the data of a segment");
  return facts && facts->identity == data_identity_;
}

Result<os::UniqueFd> Segment::open_control() const {
  SHMALLOC_TRY(fd, os::reopen(control_.get(), O_RDWR));
  SHMALLOC_TRY(facts, os::look(fd.get(), "the control of a segment"));
  if (facts.identity == identity_) return std::move(fd);
  return fail(SHMALLOC_STATUS_SYSTEM, 0, "somebody closed descriptor %d, which is shmalloc's: it leads elsewhere", control_.get());
}

Result<void> Segment::reserve(std::uint64_t from, std::uint64_t to) {
  if (!data_is_there())
    return fail(SHMALLOC_STATUS_SYSTEM, 0, "somebody closed descriptor %d, which is shmalloc's: the segment can't grow",
                data_.get());
  if (advise_) {  // Touched through the mapping they are huge; reserve finds them there.
    static_cast<void>(os::calls.madvise(data() + from, to - from, MADV_POPULATE_WRITE));
  }
  if (auto reserved =
          os::reserve(data_.get(), from, to, capacity(), {name_.empty() ? nullptr : os::kShmDirectory, true}, "a segment");
      !reserved) {
    punch(from, to);  // What it got.
    return reserved;
  }

  return {};
}

void Segment::punch(std::uint64_t from, std::uint64_t to) const {
  if (from < to && data_is_there())
    static_cast<void>(os::calls.fallocate(data_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                                          static_cast<off_t>(to - from)));
}

Result<std::uint32_t> Segment::new_slot() {
  constexpr std::uint32_t kPiece = 65536 / sizeof(wire::Slot);
  const std::uint32_t index = own_slots_;
  if (index >= slot_count_)
    return fail(SHMALLOC_STATUS_NO_SPACE, 0, "the segment has %u exported storages: there is no room for more", slot_count_);
  if (index % kPiece == 0) {
    const std::uint64_t end = std::min(control_size(index + kPiece), control_size(slot_count_));
    SHMALLOC_CHECK(os::reserve(control_.get(), control_size(index), end, control_size(slot_count_),
                               {name_.empty() ? nullptr : os::kShmDirectory, true}, "the control of a segment"));
  }
  own_slots_ = index + 1;
  head_->slots_used.store(own_slots_, std::memory_order_release);
  return index;
}

void Segment::close_as_owner() {
  // Before we look: a thread that imports right now sees this, or we see what it locked.
  owner_.store(false, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (locals_in_use()) {
    // Handles of our own to what we gave out: as anybody's from now on, so they need a place. Without one we stay the owner for good.
    {
      const std::lock_guard lock(mutex);
      if (place_.load(std::memory_order_relaxed) < 0 && !claim_place()) {
        owner_.store(true, std::memory_order_relaxed);
        return;
      }
    }
    remove_names();
    mark_locals();
  }
  const std::lock_guard lock(mutex);
  remove_names();
  SHMALLOC_STEP();
  head_->closed.store(1, std::memory_order_release);
  SHMALLOC_STEP();
  owner_lock_ = false;
  owner_keeper_.reset();
  uses_.fetch_sub(1, std::memory_order_acq_rel);
  if (!end_if_unused()) want_maintenance();
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
    segment.child_place_ = -1;
    segment.child_prepared_ = false;
  });
  mutex.unlock();
}

void Segment::in_child() {
  each_segment([](Segment &segment) {
    if ((segment.uses_.load(std::memory_order_acquire) & kAlive) == 0) return;
    // Whoever was inside at the fork is not there any more.
    for (std::uint32_t i = 0, used = segment.slots_used(); i < used; ++i) {
      LocalSlot &local = segment.locals_[i];
      const std::uint32_t word = local.word.load(std::memory_order_relaxed);
      if (word == 0) continue;
      if ((word & kLocalLock) != 0) local.first = nullptr;  // One that was leaving has counted itself out already.
      local.word.store(word & ~kLocalLock, std::memory_order_relaxed);
    }
    segment.owner_keeper_.forget();  // They were not inherited.
    segment.keeper_.forget();
    segment.keeper_ = std::move(segment.child_keeper_);
    if (segment.keeper_) static_cast<void>(segment.keeper_.inherit(false));
    const int place = segment.place_.load(std::memory_order_relaxed);
    if (segment.child_place_ < 0 && segment.child_prepared_) {
      segment.ancestors_.push_back(segment.lost_byte());
      if (place >= 0) segment.ancestors_.push_back(wire::kPlaceBytes + static_cast<std::uint64_t>(place));
    }
    segment.lost_ = false;  // Those were children of our parent's.
    if (segment.child_place_ >= 0 || !segment.child_prepared_) segment.owner_lock_ = false;
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
