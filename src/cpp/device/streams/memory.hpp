// The memory of one host device. With an address: anonymous mappings. Without one: a memfd each, whose blocks are reserved when it is made,
// so that what is mapped can be touched; reserved addresses are a mapping that nobody may touch, and lasts as long as the reservation, so
// that nothing else ever gets in between.
#pragma once

#include <mutex>

#include "device/backend.hpp"
#include "device/streams/sorted.hpp"

namespace shmalloc::device {

class HostMemory {
 public:
  HostMemory();
  HostMemory(const HostMemory &) = delete;
  HostMemory &operator=(const HostMemory &) = delete;
  // Gives back all that was not given back.
  ~HostMemory();

  static std::uint64_t alignment();
  static std::uint64_t page();

  MemoryInfo info();
  void set_limit(std::uint64_t bytes);

  Result<Address> allocate(std::size_t size);
  Result<void> free(Address address);

  Result<Address> reserve(std::size_t size);
  Result<void> unreserve(Address address, std::size_t size);
  Result<Physical> create(std::size_t size);
  Result<void> destroy(Physical physical);
  Result<void> map(Address address, std::size_t size, Physical physical);
  Result<void> unmap(Address address, std::size_t size);
  Result<void> set_access(Address address, std::size_t size, Access access);

  Result<os::UniqueFd> export_memory(Physical physical);
  Result<Physical> import_memory(int fd, std::size_t size);

 private:
  struct Range {
    std::uint64_t begin;
    std::uint64_t size;
  };
  struct Piece {
    std::uint64_t begin;
    std::uint64_t size;
    std::uint64_t physical;
  };
  struct Store {
    std::uint64_t begin;  // its number
    std::uint64_t size;
    std::uint64_t mapped;  // how often
    int fd;                // -1: destroyed
    bool ours;             // counted as this device's
  };

  // With the lock held:
  std::uint64_t total() const;
  Result<void> take(std::uint64_t size);
  Result<Store *> store_of(Physical physical);
  void forget_if_gone(Store *store);
  Result<Physical> enter(os::UniqueFd fd, std::size_t size, bool ours);
  // The pieces that lie side by side in exactly this range.
  Result<void> pieces_of(Address address, std::size_t size, Piece **first, Piece **last);

  std::mutex mutex_;
  const std::uint64_t machine_;  // bytes
  std::uint64_t limit_ = 0;
  std::uint64_t used_ = 0;
  std::uint64_t last_number_ = 0;
  Sorted<Range> allocations_;
  Sorted<Range> reservations_;
  Sorted<Piece> pieces_;
  Sorted<Store> stores_;
};

}  // namespace shmalloc::device
