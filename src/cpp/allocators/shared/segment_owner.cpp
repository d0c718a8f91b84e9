// What only the owner of a segment does: make it, name it, make it longer, give it up.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "allocators/map/map.hpp"
#include "allocators/shared/locks.hpp"
#include "allocators/shared/segment.hpp"
#include "allocators/shared/steps.hpp"
#include "base/text.hpp"
#include "os/pages.hpp"
#include "os/process.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace shmalloc {
namespace {

constexpr std::uint32_t kFewestSlots = 1U << 10;

}  // namespace

Result<Segment *> Segment::create(const SegmentRequest &request) {
  const std::lock_guard lock(segments_mutex());
  SHMALLOC_TRY(segment, unused());
  Undo undo{segment};
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
  SHMALLOC_CHECK(self.map_control(control.get(), size));
  SHMALLOC_TRY(facts, os::look(control.get(), "the control of a segment"));
  SHMALLOC_TRY(data_facts, os::look(file.fd.get(), "the data of a segment"));
  self.identity_ = facts.identity;
  self.data_identity_ = data_facts.identity;
  self.control_ = std::move(control);
  self.data_ = std::move(file.fd);
  self.sealed_ = file.sealable;
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
  {
    const std::lock_guard lock(segments_mutex());
    remove_names();
  }
  if (locals_in_use()) {
    // Handles of our own to what we gave out: as anybody's from now on, so they need a place. Without one we stay the owner for good.
    {
      const std::lock_guard lock(segments_mutex());
      if (place_.load(std::memory_order_relaxed) < 0 && !claim_place()) {
        owner_.store(true, std::memory_order_relaxed);
        return;
      }
    }
    mark_locals();
  }
  const std::lock_guard lock(segments_mutex());
  SHMALLOC_STEP();
  head_->closed.store(1, std::memory_order_release);
  SHMALLOC_STEP();
  owner_lock_ = false;
  owner_keeper_.reset();
  uses_.fetch_sub(1, std::memory_order_acq_rel);
  if (!end_if_unused()) want_maintenance();
}

}  // namespace shmalloc
