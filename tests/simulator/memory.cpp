#include "memory.hpp"

#include <sys/mman.h>

#include <algorithm>

namespace sim {
namespace {

constexpr std::uint64_t kChunk = std::uint64_t{1} << 30;

void *pointer(std::uint64_t address) { return reinterpret_cast<void *>(static_cast<std::uintptr_t>(address)); }
std::uint64_t up(std::uint64_t value, std::uint64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

Block::~Block() {
  if (device >= 0) world->drop(name);
}

std::uint64_t Arena::take(std::uint64_t size, std::uint64_t alignment) {
  for (auto &chunk : chunks_) {
    const std::uint64_t at = up(chunk.next, alignment);
    if (at > chunk.end || size > chunk.end - at) continue;
    chunk.next = at + size;
    return at;
  }
  for (const std::uint64_t length : {kChunk, up(size + alignment, kPage)}) {
    if (length < size || length - size < alignment) continue;
    void *at = mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) continue;
    const auto begin = reinterpret_cast<std::uintptr_t>(at);
    chunks_.push_back({begin, begin + length, begin});
    return take(size, alignment);
  }
  return 0;
}

bool Arena::contains(std::uint64_t address) const {
  return std::any_of(chunks_.begin(), chunks_.end(),
                     [&](const Chunk &chunk) { return address >= chunk.begin && address < chunk.end; });
}

bool Arena::open(std::uint64_t address, std::uint64_t size) {
  return mmap(pointer(address), size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

void Arena::close(std::uint64_t address, std::uint64_t size) {
  mmap(pointer(address), size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

BlockRef Memory::make(int device, std::uint64_t size, std::uint64_t limit) {
  const auto name = world_.allocate(device, size, limit);
  return name ? adopt(*name) : nullptr;
}

BlockRef Memory::adopt(BlockName name) {
  const auto known = known_.find(name.index);
  if (known != known_.end()) {
    if (auto block = known->second.lock(); block != nullptr && block->name.generation == name.generation) return block;
  }
  const SharedBlock *shared = world_.find(name);
  auto block = std::make_shared<Block>();
  block->size = shared->size;
  block->data = world_.data(name);
  block->name = name;
  block->world = &world_;
  block->device = static_cast<int>(shared->device);
  known_[name.index] = block;
  return block;
}

BlockRef Memory::make_host(char *data, std::uint64_t size) {
  auto block = std::make_shared<Block>();
  block->data = data;
  block->size = size;
  return block;
}

std::uint64_t Memory::place(Range range, std::uint64_t alignment) {
  const std::uint64_t base = arena.take(up(range.size, kPage), alignment);
  if (base != 0) add(base, std::move(range));
  return base;
}

void Memory::add(std::uint64_t base, Range range) {
  range.number = next_number_++;
  ranges_.insert_or_assign(base, std::move(range));
}

Range *Memory::find(std::uint64_t address, std::uint64_t *base) {
  auto next = ranges_.upper_bound(address);
  if (next == ranges_.begin()) return nullptr;
  --next;
  if (address - next->first >= next->second.size) return nullptr;
  if (base != nullptr) *base = next->first;
  return &next->second;
}

Range *Memory::at(std::uint64_t base) {
  const auto found = ranges_.find(base);
  return found == ranges_.end() ? nullptr : &found->second;
}

void Memory::remove(std::uint64_t base) {
  const auto found = ranges_.find(base);
  if (found == ranges_.end()) return;
  const Range &range = found->second;
  if (range.kind == Kind::host || range.kind == Kind::managed) Arena::close(base, up(range.size, kPage));
  ranges_.erase(found);
}

std::optional<Touch> note_touch(Block &block, const Touch &touch, const Clock &seen, const Clock &done) {
  std::erase_if(block.touches, [&](const Touch &before) { return done.at(before.stream) >= before.count; });
  std::optional<Touch> missed;
  for (const Touch &before : block.touches) {
    const bool same_bytes = before.begin < touch.end && touch.begin < before.end;
    const bool ordered = before.stream == touch.stream || seen.at(before.stream) >= before.count;
    if (same_bytes && !ordered && (before.write || touch.write)) missed = before;
  }
  // Who is ordered after this access is ordered after those before it too.
  std::erase_if(block.touches, [&](const Touch &before) {
    const bool ordered = before.stream == touch.stream || seen.at(before.stream) >= before.count;
    return ordered && before.begin >= touch.begin && before.end <= touch.end && (touch.write || !before.write);
  });
  block.touches.push_back(touch);
  return missed;
}

bool in_use(const Block &block, const Clock &done) {
  return std::any_of(block.touches.begin(), block.touches.end(),
                     [&](const Touch &touch) { return done.at(touch.stream) < touch.count; });
}

}  // namespace sim
