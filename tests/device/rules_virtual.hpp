// Addresses without memory, memory without addresses, both together, and memory by descriptor.
#pragma once

#include "rules_memory.hpp"

namespace conformance {

// A reserved range and some memory for it, of one page each, given back at the end.
template <class S>
struct Range {
  using Device = typename S::Device;
  Device device;
  std::uint64_t page;
  Address base = 0;
  std::size_t size;
  std::vector<Physical> memory;

  Range(Lab<S> &lab, std::size_t pages, std::size_t memories)
      : device(lab.device()), page(lab.page), size(pages * lab.page), made_(pages, false) {
    if (auto reserved = device.reserve(size); fine(reserved)) base = *reserved;
    for (std::size_t i = 0; i < memories; ++i) {
      if (auto one = device.create(page); fine(one)) memory.push_back(*one);
    }
    good_ = base != 0 && base % page == 0 && memory.size() == memories;
  }
  Range(const Range &) = delete;
  Range &operator=(const Range &) = delete;
  ~Range() {
    for (std::size_t i = 0; i < made_.size(); ++i) {
      if (made_[i]) static_cast<void>(device.unmap(at(i), page));
    }
    for (const Physical one : memory) static_cast<void>(device.destroy(one));
    if (base != 0) static_cast<void>(device.unreserve(base, size));
  }
  explicit operator bool() const { return good_; }
  Address at(std::size_t index) const { return base + index * page; }
  bool map(std::size_t index, Physical what, Access access = Access::write) {
    if (!fine(device.map(at(index), page, what))) return false;
    made_[index] = true;
    return access == Access::none || fine(device.set_access(at(index), page, access));
  }
  bool unmap(std::size_t first, std::size_t count = 1) {
    if (!fine(device.unmap(at(first), count * page))) return false;
    for (std::size_t i = 0; i < count; ++i) made_[first + i] = false;
    return true;
  }

 private:
  std::vector<bool> made_;
  bool good_ = false;
};

template <class S>
const char *memory_is_mapped_in_pieces() {
  Lab<S> lab;
  HOLDS(lab);
  if (lab.page == 0) return nullptr;
  Range<S> range(lab, 4, 6);
  HOLDS(range);
  const std::size_t page = range.page;
  for (const std::size_t i : {2, 0, 3, 1}) HOLDS(range.map(i, range.memory[i], Access::none));
  HOLDS(fine(lab.device().set_access(range.base, range.size, Access::write)));
  for (std::size_t i = 0; i < 4; ++i) HOLDS(lab.fills(range.at(i), page, static_cast<std::uint8_t>(10 + i)));
  // The pieces are one range.
  const Address flat = lab.block(4 * page);
  const Stream stream = lab.stream();
  HOLDS(lab && fine(lab.device().copy(flat, range.base, 4 * page, stream)) && fine(lab.device().synchronize_stream(stream)));
  for (std::size_t i = 0; i < 4; ++i) HOLDS(lab.reads(flat + i * page, page, static_cast<std::uint8_t>(10 + i)));
  // Others in the middle: their neighbours stay as they are.
  HOLDS(range.unmap(1, 2));
  HOLDS(range.map(1, range.memory[4]));
  HOLDS(range.map(2, range.memory[5]));
  HOLDS(lab.fills(range.at(1), 2 * page, 20));
  HOLDS(lab.reads(range.at(0), page, 10));
  HOLDS(lab.reads(range.at(1), 2 * page, 20));
  HOLDS(lab.reads(range.at(3), page, 13));
  // Memory keeps its bytes, wherever it is.
  HOLDS(range.unmap(0, 4));
  HOLDS(range.map(3, range.memory[1]));
  HOLDS(range.map(0, range.memory[5]));
  HOLDS(lab.reads(range.at(3), page, 11));
  HOLDS(lab.reads(range.at(0), page, 20));
  return nullptr;
}

template <class S>
const char *one_memory_at_two_places() {
  Lab<S> lab;
  HOLDS(lab);
  if (lab.page == 0) return nullptr;
  Range<S> range(lab, 3, 1);
  HOLDS(range);
  HOLDS(range.map(0, range.memory[0]) && range.map(2, range.memory[0]));
  HOLDS(lab.fills(range.at(0), range.page, 31));
  HOLDS(lab.reads(range.at(2), range.page, 31));
  HOLDS(range.unmap(0));
  HOLDS(lab.reads(range.at(2), range.page, 31));
  return nullptr;
}

template <class S>
const char *destroyed_memory_lasts_while_it_is_mapped() {
  Lab<S> lab;
  HOLDS(lab);
  if (lab.page == 0) return nullptr;
  auto &device = lab.device();
  Range<S> range(lab, 2, 0);
  HOLDS(range);
  if constexpr (Limited<typename S::Device>) HOLDS(fine(device.set_limit(lab.page)));
  for (std::uint8_t round = 0; round < 3; ++round) {
    auto memory = device.create(lab.page);
    HOLDS(fine(memory));
    HOLDS(range.map(0, *memory) && range.map(1, *memory));
    HOLDS(lab.fills(range.at(0), lab.page, round));
    HOLDS(fine(device.destroy(*memory)));
    HOLDS(invalid(device.destroy(*memory)));
    HOLDS(range.unmap(0));
    HOLDS(invalid(device.map(range.at(0), lab.page, *memory)));
    HOLDS(lab.reads(range.at(1), lab.page, round));
    if constexpr (Limited<typename S::Device>) HOLDS(fails(device.create(lab.page), SHMALLOC_STATUS_NO_MEMORY));
    HOLDS(range.unmap(1));
  }
  return nullptr;
}

// By system calls, which answer EFAULT where a load or a store would end the process.
inline bool can_touch(Address address, bool write_it) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const char byte = 1;
  const bool can = write_it ? write(ends[1], &byte, 1) == 1 && read(ends[0], reinterpret_cast<void *>(address), 1) == 1
                            : write(ends[1], reinterpret_cast<const void *>(address), 1) == 1;
  close(ends[0]);
  close(ends[1]);
  return can;
}

template <class S>
const char *access_is_what_was_set() {
  Lab<S> lab;
  HOLDS(lab);
  if (lab.page == 0 || !lab.device().describe().host_access) return nullptr;
  auto &device = lab.device();
  Range<S> range(lab, 3, 2);
  HOLDS(range);
  HOLDS(!can_touch(range.at(0), false));
  HOLDS(range.map(0, range.memory[0], Access::none) && range.map(1, range.memory[1], Access::none));
  HOLDS(!can_touch(range.at(0), false) && !can_touch(range.at(1), false));
  HOLDS(fine(device.set_access(range.at(0), range.page, Access::read)));
  HOLDS(can_touch(range.at(0), false) && !can_touch(range.at(0), true) && !can_touch(range.at(1), false));
  HOLDS(fine(device.set_access(range.at(0), 2 * range.page, Access::write)));
  HOLDS(can_touch(range.at(0), true) && can_touch(range.at(1) + range.page - 1, true));
  HOLDS(fine(device.set_access(range.at(1), range.page, Access::none)));
  HOLDS(can_touch(range.at(0), true) && !can_touch(range.at(1), false));
  HOLDS(range.unmap(0));
  HOLDS(!can_touch(range.at(0), false));
  // Access belongs to the place, not to the memory: mapped again it has none.
  HOLDS(range.map(0, range.memory[0], Access::none) && !can_touch(range.at(0), false));
  return nullptr;
}

template <class S>
const char *wrong_ranges_are_refused() {
  Lab<S> lab;
  HOLDS(lab);
  if (lab.page == 0) return nullptr;
  auto &device = lab.device();
  const std::size_t page = lab.page;
  Range<S> range(lab, 4, 2);
  HOLDS(range);
  HOLDS(invalid(device.reserve(0)) && invalid(device.reserve(page / 2)) && invalid(device.reserve(page + 1)));
  HOLDS(invalid(device.create(0)) && invalid(device.create(page - 1)));
  HOLDS(invalid(device.unreserve(range.base, page)) && invalid(device.unreserve(range.at(1), page)));
  HOLDS(invalid(device.unreserve(0, page)));
  HOLDS(invalid(device.destroy(Physical::none)) && invalid(device.destroy(Physical{~std::uint64_t{0}})));
  const Physical one = range.memory[0];
  const Physical other = range.memory[1];
  HOLDS(invalid(device.map(range.at(0), page, Physical::none)));
  HOLDS(invalid(device.map(range.at(0), 2 * page, one)) && invalid(device.map(range.at(0), 0, one)));
  HOLDS(invalid(device.map(range.at(0) + page / 2, page, one)));
  HOLDS(invalid(device.map(range.at(4), page, one)));
  HOLDS(invalid(device.map(range.at(0) - page, page, one)));
  const Address block = lab.block(2 * page);
  HOLDS(lab && invalid(device.map((block + page - 1) / page * page, page, one)));
  auto two = device.create(2 * page);
  HOLDS(fine(two));
  HOLDS(invalid(device.map(range.at(3), 2 * page, *two)));
  HOLDS(range.map(1, one));
  HOLDS(invalid(device.map(range.at(1), page, other)));
  HOLDS(invalid(device.map(range.at(0), 2 * page, *two)) && invalid(device.map(range.at(1), 2 * page, *two)));
  HOLDS(invalid(device.unmap(range.at(0), page)) && invalid(device.unmap(range.at(0), 2 * page)));
  HOLDS(invalid(device.unmap(range.at(1), 2 * page)) && invalid(device.unmap(range.at(1), 0)));
  HOLDS(fine(device.map(range.at(2), 2 * page, *two)));
  const bool parts = invalid(device.unmap(range.at(2), page)) && invalid(device.unmap(range.at(3), page)) &&
                     invalid(device.unmap(range.at(1), 2 * page)) && invalid(device.set_access(range.at(2), page, Access::write)) &&
                     invalid(device.set_access(range.at(3), page, Access::read));
  HOLDS(fine(device.unmap(range.at(2), 2 * page)) && fine(device.destroy(*two)));
  HOLDS(parts);
  HOLDS(invalid(device.set_access(range.at(0), page, Access::write)));
  HOLDS(invalid(device.set_access(range.at(1), 2 * page, Access::write)));
  HOLDS(invalid(device.unreserve(range.base, range.size)));
  HOLDS(lab.fills(range.at(1), page, 41) && lab.reads(range.at(1), page, 41));
  // Given back and had again.
  for (int i = 0; i < 50; ++i) {
    auto base = device.reserve(64 * page);
    HOLDS(fine(base));
    HOLDS(fine(device.unreserve(*base, 64 * page)));
    HOLDS(invalid(device.unreserve(*base, 64 * page)));
  }
  return nullptr;
}

template <class S>
const char *there_is_no_virtual_memory_without_pages() {
  Lab<S> lab;
  HOLDS(lab);
  if (lab.page != 0) return nullptr;
  auto &device = lab.device();
  HOLDS(fails(device.reserve(2 * kMiB), SHMALLOC_STATUS_UNSUPPORTED));
  HOLDS(fails(device.create(2 * kMiB), SHMALLOC_STATUS_UNSUPPORTED));
  return nullptr;
}

template <class S>
const char *memory_travels_by_descriptor() {
  if constexpr (Sharing<typename S::Device>) {
    Lab<S> lab;
    HOLDS(lab);
    if (lab.page == 0) return nullptr;
    auto &device = lab.device();
    Range<S> range(lab, 2, 1);
    HOLDS(range && range.map(0, range.memory[0]));
    HOLDS(lab.fills(range.at(0), range.page, 51));
    {
      auto fd = device.export_memory(range.memory[0]);
      HOLDS(fine(fd));
      HOLDS(invalid(device.import_memory(fd->get(), 2 * range.page)));
      HOLDS(invalid(device.import_memory(fd->get(), 0)));
      auto imported = device.import_memory(fd->get(), range.page);
      HOLDS(fine(imported));
      range.memory.push_back(*imported);
    }
    HOLDS(range.map(1, range.memory[1]));
    HOLDS(lab.reads(range.at(1), range.page, 51));
    HOLDS(lab.fills(range.at(1), range.page, 52) && lab.reads(range.at(0), range.page, 52));
    HOLDS(invalid(device.export_memory(Physical::none)));
    HOLDS(invalid(device.import_memory(-1, range.page)));
    const int other = open("/dev/zero", O_RDWR | O_CLOEXEC);
    const bool refused = invalid(device.import_memory(other, range.page));
    close(other);
    HOLDS(refused);
  }
  return nullptr;
}

}  // namespace conformance
