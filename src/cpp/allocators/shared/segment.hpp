// What this process has of one segment: two mappings, its place, its own count of handles to each slot. docs/shared-protocol.md has the rules.
//
// Segments are found without a lock: their objects are never freed, only used again, and a use is taken by raising a count that must
// not be dead. Slow steps (attach, claim a place, fork, clear up) queue on one mutex.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/wire/segment.hpp"
#include "os/file.hpp"
#include "os/mapping.hpp"

namespace shmalloc {

class SharedMemory;

// What an owner asks for.
struct SegmentRequest {
  std::uint64_t capacity = 0;
  std::uint64_t needed = 0;  // less capacity than this is of no use
  std::uint8_t pages = 0;    // os::Pages
  bool sealed = false;
  int numa_node = -1;
  const char *prefix = nullptr;  // of a name; NULL: none
  std::uint32_t mode = 0600;
};

// Which storage in which segment: all that another process needs once it has the segment.
struct Ticket {
  std::uint8_t id[16] = {};
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

class Segment {
 public:
  // As its owner; one use.
  static Result<Segment *> create(const SegmentRequest &request);
  // The one with this id, one use more; NULL if this process does not have it.
  static Segment *find(const std::uint8_t *id);
  // Maps what the descriptors lead to; one use. Somebody else may have done it meanwhile, then it is his.
  static Result<Segment *> attach(os::UniqueFd control, os::UniqueFd data, const std::uint8_t *id, const char *name = nullptr);
  // The storage whose slot this process holds at the address; calls `visit` with it under the slot's lock.
  static bool find_address(std::uintptr_t address, bool (*visit)(SharedMemory *memory, void *context), void *context);

  void retain() { uses_.fetch_add(1, std::memory_order_relaxed); }
  void release();  // the last use of a segment whose owner is gone unmaps it

  // A handle more to a slot of this generation: of `memory`, or of nothing in particular. STALE, CORRUPT, NO_SPACE.
  Result<void> hold(const Ticket &ticket, SharedMemory *memory);
  void let_go(std::uint32_t index, SharedMemory *memory);
  // Adds to a ticket what its slot says of offset and size. False: there is no such slot.
  bool promised(Ticket *ticket) const;

  // ---- for the owner ----
  Result<std::uint32_t> new_slot();
  wire::Slot &slot(std::uint32_t index) const { return slots_[index]; }
  wire::SegmentHead &head() const { return *head_; }
  // Ends the generation if nobody holds it, here or elsewhere.
  bool retire(std::uint32_t index, std::uint32_t generation);
  Result<void> reserve(std::uint64_t from, std::uint64_t to);
  void punch(std::uint64_t from, std::uint64_t to) const;
  void close_as_owner();  // and one use less

  bool owned() const { return owner_.load(std::memory_order_relaxed); }
  const std::uint8_t *id() const { return head_->id; }
  char *data() const { return static_cast<char *>(data_map_.base()); }
  Result<char *> read_only_data();
  std::uint64_t capacity() const { return data_map_.size(); }
  bool stable() const { return sealed_; }
  int control_fd() const { return control_.get(); }
  int data_fd() const { return data_.get(); }
  const os::Identity &identity() const { return identity_; }
  // Of the control, "/name"; the data's has a "d" behind it. "": none.
  const std::string &name() const { return name_; }
  void remove_names();
  static constexpr char kDataSuffix[] = "d";

  // Takes back what the dead held; only when some time went by since it was done last, unless `now`.
  void clear_up(bool now);
  // Unmaps what nobody uses here: of dead owners, or all. Takes memory of dead owners back that nobody holds. How many bytes.
  // `more`: somebody else wants to be called again.
  static std::uint64_t maintain(bool all, bool more);
  static void want_maintenance();

  // Fork. Between before_fork and its counterparts the owner marks what is alive for the child, who then has a handle to each.
  static void before_fork();
  static void in_parent();
  static void in_child();
  static void unlock_child();                // ends what in_child began
  bool mark_for_child(std::uint32_t index);  // false: the child has no place
  void lose_child();                         // it uses something all the same
  bool lost_children_live();                 // who have none, and use what is pinned
  void inherit(std::uint32_t index, SharedMemory *memory);
  void unmark(std::uint32_t index);

 private:
  // Handles of this process to one slot. The top bit locks the rest.
  struct LocalSlot {
    std::atomic<std::uint32_t> word;
    bool pinned;           // a forked child that has no place uses it too: not let go
    std::uint32_t marked;  // in the last fork of this number
    SharedMemory *first;
  };

  static constexpr std::uint32_t kLocalLock = 1U << 31;
  static constexpr std::uint32_t kMostSlots = 1U << 20;
  static std::uint64_t control_size(std::uint32_t slots) { return wire::kSegmentHead + std::uint64_t{slots} * sizeof(wire::Slot); }
  static Result<Segment *> unused();
  // With the mutex: what attach and create do until they are sure of it.
  struct Undo {
    Segment *segment;
    ~Undo() {
      if (segment != nullptr) segment->unmap();
    }
  };
  Result<void> map_control(int fd, std::uint64_t size);
  Result<void> map(const SegmentRequest *request);
  Result<void> give_names(const char *prefix);
  void unmap();
  bool retain_if_alive();
  bool end_if_unused();
  void publish();
  Result<void> check(const Ticket &ticket);
  Result<void> claim_place();
  Result<void> keep_for_ancestors(int fd) const;
  Result<os::UniqueFd> open_control() const;
  bool data_is_there() const;
  Result<int> claim(int fd);
  void clear_place(int place) const;
  void clear_up_with(int fd);
  std::uint64_t reclaim();
  bool locals_in_use();
  void mark_locals();
  static bool let_go_of_retained();
  void prepare_child();
  std::uint64_t lost_byte() const;
  void mark_all_for_child();
  std::uint32_t slots_used() const;
  static void link(LocalSlot &local, SharedMemory *memory);
  static std::uint32_t lock(LocalSlot &local, bool leaving = false);
  static void unlock(LocalSlot &local, std::uint32_t count) { local.word.store(count, std::memory_order_release); }

  // Uses, and in the top bit whether it can be found.
  std::atomic<std::uint64_t> uses_{0};
  std::atomic<std::uint64_t> id_low_{0}, id_high_{0};
  wire::SegmentHead *head_ = nullptr;
  wire::Slot *slots_ = nullptr;
  LocalSlot *locals_ = nullptr;
  std::uint32_t slot_count_ = 0;
  std::uint32_t own_slots_ = 0;  // the owner's: given out so far
  std::atomic<bool> owner_{false};
  bool owner_lock_ = false;  // we are the owner, or forked from it
  bool sealed_ = false;
  bool advise_ = false;  // its pages are chosen when they are touched
  std::atomic<int> place_{-1};
  bool lost_for_good_ = false;
  bool lost_ = false;                       // children were forked that have no place
  std::atomic<std::uint64_t> verified_{0};  // bytes of the data that are seen to exist
  std::atomic<std::int64_t> cleared_up_{0};
  os::UniqueFd control_, data_;
  os::Identity identity_;  // of the control
  os::Identity data_identity_;
  std::string name_;
  bool names_are_ours_ = false;
  os::Mapping control_map_, data_map_, read_only_map_, local_map_;
  std::atomic<char *> read_only_{nullptr};
  os::Mapping owner_keeper_;              // keeps the owner's lock, if that is us
  os::Mapping keeper_;                    // keeps that of our place, and those for our ancestors
  std::vector<std::uint64_t> ancestors_;  // bytes that protect what we inherited, as we got no place
  bool child_prepared_ = false;
  std::vector<std::uint32_t> retained_;  // slots of handles that are gone, but that children without a place may use
  int child_place_ = -1;
  os::Mapping child_keeper_, child_lost_keeper_;
  os::Mapping lost_keeper_;  // keeps the locks for what we inherited without a bit
};

}  // namespace shmalloc
