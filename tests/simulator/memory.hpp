// The memory that streams work on: blocks of the devices and of the host, where they are mapped, and who touched them last.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "clock.hpp"
#include "world.hpp"

namespace sim {

struct Context;

// One access that later work may have to be ordered after.
struct Touch {
  std::uint64_t begin, end;
  std::uint64_t stream, count;
  bool write;
};

// A block of memory. While one exists for a block of a device, this process holds it.
struct Block {
  World *world = nullptr;
  BlockName name;
  int device = -1;  // -1: the host's
  std::uint64_t size = 0;
  char *data = nullptr;
  std::vector<Touch> touches;
  CUmemAllocationProp properties{};

  Block() = default;
  ~Block();
  Block(const Block &) = delete;
  Block &operator=(const Block &) = delete;
};
using BlockRef = std::shared_ptr<Block>;

enum class Kind { plain, mapped, imported, host, registered, managed };

// Addresses with memory behind them.
struct Range {
  std::uint64_t size = 0;
  BlockRef block;
  Kind kind = Kind::plain;
  Context *context = nullptr;
  std::uint32_t readers = 0;  // bits of devices
  std::uint32_t writers = 0;
  std::uint64_t opened = 0;  // times, by IPC
  std::uint64_t number = 0;  // never given twice
};

// Device addresses. The host can't touch them, and none is given twice: who uses one that was freed is found out.
class Arena {
 public:
  std::uint64_t take(std::uint64_t size, std::uint64_t alignment);  // 0: none left
  bool contains(std::uint64_t address) const;
  static bool open(std::uint64_t address, std::uint64_t size);  // the host may touch these
  static void close(std::uint64_t address, std::uint64_t size);

 private:
  struct Chunk {
    std::uint64_t begin, end, next;
  };
  std::vector<Chunk> chunks_;
};

class Memory {
 public:
  explicit Memory(World &world) : world_(world) {}

  BlockRef make(int device, std::uint64_t size, std::uint64_t limit);
  BlockRef adopt(BlockName name);  // held already by the world's word; the same block as before if it is known here
  static BlockRef make_host(char *data, std::uint64_t size);

  // Range at an address of its own.
  std::uint64_t place(Range range, std::uint64_t alignment);
  Range *find(std::uint64_t address, std::uint64_t *base = nullptr);
  Range *at(std::uint64_t base);
  void add(std::uint64_t base, Range range);
  void remove(std::uint64_t base);
  std::map<std::uint64_t, Range> &ranges() { return ranges_; }
  const std::map<std::uint64_t, Range> &ranges() const { return ranges_; }

  Arena arena;
  std::map<std::uint64_t, std::uint64_t> reservations;

 private:
  World &world_;
  std::map<std::uint64_t, Range> ranges_;
  std::map<std::uint32_t, std::weak_ptr<Block>> known_;
  std::uint64_t next_number_ = 1;
};

// Forgets what `done` says is over and notes a new access. The one that it is not ordered after, if any.
std::optional<Touch> note_touch(Block &block, const Touch &touch, const Clock &seen, const Clock &done);

// An access to the range that `done` doesn't say is over.
bool in_use(const Block &block, const Clock &done);

}  // namespace sim
