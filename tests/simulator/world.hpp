// The devices, as all processes see them that share a world: one file with the device memory and a table of who holds what of it.
//
// What a process holds, it holds with a lock of the kernel: one on the byte of its slot, taken when it comes and gone when it dies, whatever
// kills it. The others look at these locks and give back what the dead held. A descriptor that shares memory has a lock of its own, so it
// keeps the memory while it is on its way. The locks are of open files, not of processes: a fork does not take part, since the child closes
// its copy.
//
// The caller holds the process's own lock at every call.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "settings.hpp"

namespace sim {

constexpr unsigned kProcesses = 64;
constexpr unsigned kBlocks = 16384;
constexpr unsigned kSharedEvents = 1024;
constexpr std::uint64_t kPage = 4096;

// Device memory by number: `generation` tells a block from those that had its place before.
struct BlockName {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
};

struct SharedBlock {
  std::uint64_t size;  // 0: free place
  std::uint64_t offset;
  std::uint64_t holders;  // bits of processes' slots
  std::uint32_t device;
  std::uint32_t generation;
  bool exported;  // a descriptor may hold it too
};

// An event that several processes know: so many records were queued, so many are done.
struct SharedEvent {
  std::uint64_t holders;
  std::uint32_t generation;
  std::uint32_t recorder;  // slot of the last process that recorded
  std::atomic<std::uint64_t> recorded;
  std::atomic<std::uint64_t> completed;
};

struct Shared {
  std::uint64_t magic;
  std::uint64_t id;  // tells worlds apart
  std::int32_t devices;
  std::uint64_t memory[kMaxDevices];
  std::uint64_t used[kMaxDevices];
  std::uint64_t next[kMaxDevices];   // where the search for a place begins
  std::uint64_t start[kMaxDevices];  // of the device's memory in the data
  std::uint64_t span[kMaxDevices];
  std::atomic<std::uint32_t> progress;  // a futex: changes when a shared event may have
  std::int32_t processes[kProcesses];   // their ids; 0: free
  std::uint32_t high;                   // blocks at and after it were never used
  SharedBlock blocks[kBlocks];
  SharedEvent events[kSharedEvents];
};

class World {
 public:
  // The file that SHMALLOC_SIM names, or one for this process alone. Who comes first says how many devices there are.
  bool open(const Settings &settings, std::string *why);
  void forked();  // in the child

  const Shared &shared() const { return *shared_; }
  std::atomic<std::uint32_t> &progress() { return shared_->progress; }
  char *data(BlockName block) { return data_ + shared_->blocks[block.index].offset; }
  const SharedBlock *find(BlockName block) const;

  std::uint64_t available(int device, std::uint64_t limit);
  std::optional<BlockName> allocate(int device, std::uint64_t size, std::uint64_t limit);
  bool hold(BlockName block);  // false: it is gone
  void drop(BlockName block);

  int export_descriptor(BlockName block);  // -1: refused
  std::optional<BlockName> import_descriptor(int descriptor);

  std::optional<BlockName> make_event();
  bool hold_event(BlockName event);
  void drop_event(BlockName event);
  SharedEvent &event(BlockName event) { return shared_->events[event.index]; }
  void recorded(BlockName event);
  void completed(BlockName event, std::uint64_t count);

  void bury();  // gives back what dead processes held

 private:
  class Locked;
  bool map(const Settings &settings, std::string *why);
  void initialise(const Settings &settings);
  bool join();
  void bury_locked();
  void reclaim(std::uint32_t index);
  bool locked_by_other(std::uint64_t byte) const;
  std::optional<std::uint64_t> place(int device, std::uint64_t size);
  std::uint64_t bit() const { return std::uint64_t{1} << slot_; }

  int file_ = -1;
  Shared *shared_ = nullptr;
  char *data_ = nullptr;
  unsigned slot_ = 0;
  std::uint64_t own_[kMaxDevices] = {};  // bytes that this process holds
};

}  // namespace sim
