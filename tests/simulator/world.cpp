#include "world.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "futex.hpp"

namespace sim {
namespace {

constexpr std::uint64_t kMagic = 0x316d6973616475;
constexpr std::uint64_t kWorldByte = 0, kSlotBytes = 64, kBlockBytes = 4096;  // of the locks
// A device has more places than memory, so that no request fails because what is free lies in pieces, which a device's page tables hide.
constexpr std::uint64_t kPlaces = 4;

struct flock lock_of(std::uint64_t byte, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(byte);
  lock.l_len = 1;
  return lock;
}

std::uint64_t data_start() { return (sizeof(Shared) + kPage - 1) / kPage * kPage; }

}  // namespace

// Holds the world's lock among the processes.
class World::Locked {
 public:
  explicit Locked(const World &world) : file_(world.file_) {
    struct flock lock = lock_of(kWorldByte, F_WRLCK);
    while (fcntl(file_, F_OFD_SETLKW, &lock) != 0 && errno == EINTR) {
    }
  }
  ~Locked() {
    struct flock lock = lock_of(kWorldByte, F_UNLCK);
    fcntl(file_, F_OFD_SETLK, &lock);
  }
  Locked(const Locked &) = delete;
  Locked &operator=(const Locked &) = delete;

 private:
  int file_;
};

bool World::open(const Settings &settings, std::string *why) {
  const char *name = std::getenv("SHMALLOC_SIM");
  if (name != nullptr && *name != 0) {
    file_ = ::open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  } else {
    file_ = memfd_create("shmalloc-sim", MFD_CLOEXEC);
  }
  if (file_ < 0) {
    *why = std::string("the world's file can't be opened: ") + std::strerror(errno);
    return false;
  }
  const Locked locked(*this);
  if (map(settings, why) && join()) return true;
  if (why->empty()) *why = "too many processes";
  close(file_);
  file_ = -1;
  return false;
}

bool World::map(const Settings &settings, std::string *why) {
  struct stat status {};
  std::uint64_t size = data_start();
  for (int i = 0; i < settings.devices; ++i) size += settings.memory[i] / kPage * kPage * kPlaces;
  const bool fresh = fstat(file_, &status) == 0 && status.st_size == 0;
  if (fresh && ftruncate(file_, static_cast<off_t>(size)) != 0) {
    *why = std::string("the world can't be made: ") + std::strerror(errno);
    return false;
  }
  if (!fresh) size = static_cast<std::uint64_t>(status.st_size);
  void *at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file_, 0);
  if (at == MAP_FAILED) {
    *why = std::string("the world can't be mapped: ") + std::strerror(errno);
    return false;
  }
  madvise(at, size, MADV_DONTFORK);  // a mapping keeps the file open, and its locks, as a descriptor does
  shared_ = static_cast<Shared *>(at);
  data_ = static_cast<char *>(at) + data_start();
  if (fresh) initialise(settings);
  if (shared_->magic == kMagic) return true;
  *why = "SHMALLOC_SIM names something else";
  munmap(at, size);
  return false;
}

void World::initialise(const Settings &settings) {
  shared_->devices = settings.devices;
  if (getrandom(&shared_->id, sizeof shared_->id, 0) < 0) shared_->id = static_cast<std::uint64_t>(getpid());
  std::uint64_t start = 0;
  for (int i = 0; i < settings.devices; ++i) {
    shared_->memory[i] = settings.memory[i] / kPage * kPage;
    shared_->start[i] = start;
    shared_->span[i] = shared_->memory[i] * kPlaces;
    start += shared_->span[i];
  }
  shared_->magic = kMagic;
}

bool World::join() {
  bury_locked();
  for (unsigned i = 0; i < kProcesses; ++i) {
    if (shared_->processes[i] != 0) continue;
    struct flock lock = lock_of(kSlotBytes + i, F_WRLCK);
    if (fcntl(file_, F_OFD_SETLK, &lock) != 0) continue;
    shared_->processes[i] = getpid();
    slot_ = i;
    return true;
  }
  return false;
}

void World::forked() {
  if (file_ >= 0) close(file_);
  file_ = -1;
}

bool World::locked_by_other(std::uint64_t byte) const {
  struct flock lock = lock_of(byte, F_WRLCK);
  return fcntl(file_, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

void World::bury() {
  const Locked locked(*this);
  bury_locked();
}

void World::bury_locked() {
  std::uint64_t dead = 0;
  for (unsigned i = 0; i < kProcesses; ++i) {
    if (shared_->processes[i] == 0 || (shared_->processes[i] == getpid() && i == slot_)) continue;
    if (locked_by_other(kSlotBytes + i)) continue;
    dead |= std::uint64_t{1} << i;
    shared_->processes[i] = 0;
  }
  for (std::uint32_t i = 0; i < shared_->high; ++i) {
    shared_->blocks[i].holders &= ~dead;
    reclaim(i);
  }
  if (dead == 0) return;
  for (auto &event : shared_->events) {
    if (event.holders == 0) continue;
    event.holders &= ~dead;
    // What a dead process queued will not be done any more; nobody shall wait for it.
    if ((dead >> event.recorder & 1) != 0) event.completed = event.recorded.load();
  }
  ++shared_->progress;
  futex_wake(&shared_->progress);
}

// Frees a block that nobody holds any more, its pages too: the next owner finds zeros, never another's bytes.
void World::reclaim(std::uint32_t index) {
  SharedBlock &block = shared_->blocks[index];
  if (block.size == 0 || block.holders != 0) return;
  if (block.exported && locked_by_other(kBlockBytes + index)) return;
  fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(data_start() + block.offset),
            static_cast<off_t>(block.size));
  shared_->used[block.device] -= block.size;
  block.size = 0;
  ++block.generation;
}

const SharedBlock *World::find(BlockName block) const {
  if (block.index >= kBlocks) return nullptr;
  const SharedBlock &found = shared_->blocks[block.index];
  return found.size != 0 && found.generation == block.generation ? &found : nullptr;
}

std::uint64_t World::available(int device, std::uint64_t limit) {
  const Locked locked(*this);
  bury_locked();
  const std::uint64_t own = std::min(own_[device], limit);
  return std::min(shared_->memory[device] - shared_->used[device], limit - own);
}

// The next place that no block lies in, from where the last search ended.
std::optional<std::uint64_t> World::place(int device, std::uint64_t size) {
  std::uint64_t at = shared_->next[device];
  for (bool wrapped = false;;) {
    if (at + size > shared_->span[device]) {
      if (wrapped) return std::nullopt;
      wrapped = true;
      at = 0;
      continue;
    }
    const SharedBlock *in_the_way = nullptr;
    for (std::uint32_t i = 0; i < shared_->high && in_the_way == nullptr; ++i) {
      const SharedBlock &block = shared_->blocks[i];
      const std::uint64_t offset = block.offset - shared_->start[device];
      if (block.size != 0 && static_cast<int>(block.device) == device && offset < at + size && at < offset + block.size)
        in_the_way = &block;
    }
    if (in_the_way == nullptr) break;
    at = in_the_way->offset - shared_->start[device] + in_the_way->size;
  }
  shared_->next[device] = at + size;
  return shared_->start[device] + at;
}

std::optional<BlockName> World::allocate(int device, std::uint64_t size, std::uint64_t limit) {
  const Locked locked(*this);
  bury_locked();
  if (size > shared_->memory[device] - shared_->used[device] || size > limit || own_[device] > limit - size) return std::nullopt;
  std::uint32_t index = 0;
  while (index < kBlocks && shared_->blocks[index].size != 0) ++index;
  if (index == kBlocks) return std::nullopt;
  const auto offset = place(device, size);
  if (!offset) return std::nullopt;
  SharedBlock &block = shared_->blocks[index];
  shared_->high = std::max(shared_->high, index + 1);
  block.size = size;
  block.offset = *offset;
  block.holders = bit();
  block.device = static_cast<std::uint32_t>(device);
  block.exported = false;
  shared_->used[device] += size;
  own_[device] += size;
  return BlockName{index, block.generation};
}

bool World::hold(BlockName name) {
  const Locked locked(*this);
  if (find(name) == nullptr) return false;
  SharedBlock &block = shared_->blocks[name.index];
  if (block.holders == 0 && (!block.exported || !locked_by_other(kBlockBytes + name.index))) return false;
  if ((block.holders & bit()) == 0) own_[block.device] += block.size;
  block.holders |= bit();
  return true;
}

void World::drop(BlockName name) {
  const Locked locked(*this);
  SharedBlock &block = shared_->blocks[name.index];
  own_[block.device] -= block.size;
  block.holders &= ~bit();
  reclaim(name.index);
}

// The descriptor is an open file of its own; its position tells which block is meant.
int World::export_descriptor(BlockName name) {
  const Locked locked(*this);
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", file_);
  const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  struct flock lock = lock_of(kBlockBytes + name.index, F_RDLCK);
  const std::uint64_t position = std::uint64_t{name.generation % (1U << 20)} * kBlocks + name.index;
  if (fcntl(descriptor, F_OFD_SETLK, &lock) != 0 || lseek(descriptor, static_cast<off_t>(position), SEEK_SET) < 0) {
    close(descriptor);
    return -1;
  }
  shared_->blocks[name.index].exported = true;
  return descriptor;
}

std::optional<BlockName> World::import_descriptor(int descriptor) {
  struct stat own {
  }, other{};
  if (fstat(file_, &own) != 0 || fstat(descriptor, &other) != 0) return std::nullopt;
  const off_t position = lseek(descriptor, 0, SEEK_CUR);
  if (own.st_ino != other.st_ino || own.st_dev != other.st_dev || position < 0) return std::nullopt;
  const std::uint32_t index = static_cast<std::uint32_t>(static_cast<std::uint64_t>(position) % kBlocks);
  const std::uint64_t generation = static_cast<std::uint64_t>(position) / kBlocks;
  const BlockName name{index, shared_->blocks[index].generation};
  if (name.generation % (1U << 20) != generation || !hold(name)) return std::nullopt;
  return name;
}

std::optional<BlockName> World::make_event() {
  const Locked locked(*this);
  bury_locked();
  for (std::uint32_t i = 0; i < kSharedEvents; ++i) {
    SharedEvent &event = shared_->events[i];
    if (event.holders != 0) continue;
    event.holders = bit();
    event.recorded = 0;
    event.completed = 0;
    event.recorder = slot_;
    return BlockName{i, ++event.generation};
  }
  return std::nullopt;
}

bool World::hold_event(BlockName name) {
  const Locked locked(*this);
  if (name.index >= kSharedEvents) return false;
  SharedEvent &event = shared_->events[name.index];
  if (event.holders == 0 || event.generation != name.generation) return false;
  event.holders |= bit();
  return true;
}

void World::drop_event(BlockName name) {
  const Locked locked(*this);
  shared_->events[name.index].holders &= ~bit();
}

void World::recorded(BlockName name) {
  const Locked locked(*this);
  shared_->events[name.index].recorder = slot_;
  ++shared_->events[name.index].recorded;
}

void World::completed(BlockName name, std::uint64_t count) {
  SharedEvent &event = shared_->events[name.index];
  std::uint64_t before = event.completed;
  while (before < count && !event.completed.compare_exchange_weak(before, count)) {
  }
  ++shared_->progress;
  futex_wake(&shared_->progress);
}

}  // namespace sim
