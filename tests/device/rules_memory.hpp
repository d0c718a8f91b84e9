// Devices, memory with an address, limits.
#pragma once

#include "lab.hpp"

namespace conformance {

constexpr std::size_t kKiB = 1 << 10;
constexpr std::size_t kMiB = 1 << 20;

inline bool power_of_two(std::uint64_t number) { return number != 0 && (number & (number - 1)) == 0; }

template <class S>
const char *a_device_describes_itself() {
  Lab<S> lab;
  HOLDS(lab);
  const Description description = lab.device().describe();
  HOLDS(!description.name.empty());
  HOLDS(power_of_two(description.alignment));
  HOLDS(description.page == 0 || power_of_two(description.page));
  HOLDS(description.total > 0);
  auto info = lab.device().memory_info();
  HOLDS(fine(info));
  HOLDS(info->total > 0 && info->total <= description.total);
  HOLDS(info->available > 0 && info->available <= info->total);
  return nullptr;
}

template <class S>
const char *allocations_are_aligned_and_apart() {
  Lab<S> lab;
  HOLDS(lab);
  const std::uint64_t alignment = lab.device().describe().alignment;
  constexpr std::size_t kSizes[] = {1, 511, 512, 4096, 4097, kMiB + 1, 2 * kMiB, 3 * kMiB - 1, 1, 2 * kMiB};
  std::vector<Address> blocks;
  std::uint8_t value = 1;
  for (const std::size_t size : kSizes) {
    blocks.push_back(lab.block(size));
    HOLDS(lab);
    HOLDS(blocks.back() != 0 && blocks.back() % alignment == 0);
    HOLDS(lab.fills(blocks.back(), size, value++));
  }
  value = 1;
  for (std::size_t i = 0; i < blocks.size(); ++i) HOLDS(lab.reads(blocks[i], kSizes[i], value++));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    for (std::size_t j = 0; j < blocks.size(); ++j)
      HOLDS(i == j || blocks[i] + kSizes[i] <= blocks[j] || blocks[i] >= blocks[j] + kSizes[j]);
  }
  return nullptr;
}

template <class S>
const char *wrong_sizes_and_addresses_are_refused() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  const Address keep = lab.block(64 * kKiB);
  HOLDS(lab.fills(keep, 64 * kKiB, 7));
  HOLDS(invalid(device.allocate(0)));
  for (const std::size_t size : {SIZE_MAX, SIZE_MAX - 4095, SIZE_MAX / 2, std::size_t{1} << 60}) {
    HOLDS(fails(device.allocate(size), SHMALLOC_STATUS_NO_MEMORY));
  }
  HOLDS(invalid(device.free(0)));
  HOLDS(invalid(device.free(keep + 1)));
  HOLDS(invalid(device.free(keep + 4096)));
  auto once = device.allocate(4096);
  HOLDS(fine(once));
  HOLDS(fine(device.free(*once)));
  HOLDS(invalid(device.free(*once)));
  HOLDS(lab.reads(keep, 64 * kKiB, 7));
  return nullptr;
}

template <class S>
const char *memory_that_is_freed_is_given_again() {
  Lab<S> lab;
  HOLDS(lab);
  auto &device = lab.device();
  auto before = device.memory_info();
  HOLDS(fine(before));
  // So much in all that a device which loses it has none left.
  const std::size_t size = before->available / 4;
  for (int i = 0; i < 12; ++i) {
    auto block = device.allocate(size);
    HOLDS(fine(block));
    HOLDS(lab.fills(*block + size / 2, 4096, static_cast<std::uint8_t>(i)));
    HOLDS(fine(device.free(*block)));
  }
  return nullptr;
}

template <class S>
const char *a_limit_is_kept() {
  if constexpr (Limited<typename S::Device>) {
    Lab<S> lab;
    HOLDS(lab);
    auto &device = lab.device();
    HOLDS(fine(device.set_limit(8 * kMiB)));
    auto info = device.memory_info();
    HOLDS(fine(info) && info->total == 8 * kMiB && info->available == 8 * kMiB);
    HOLDS(fails(device.allocate(8 * kMiB + 1), SHMALLOC_STATUS_NO_MEMORY));
    std::vector<Address> blocks;
    for (;;) {
      auto block = device.allocate(kMiB);
      if (!block) {
        HOLDS(fails(block, SHMALLOC_STATUS_NO_MEMORY));
        break;
      }
      blocks.push_back(*block);
      HOLDS(blocks.size() <= 8);
      HOLDS(lab.fills(*block, kMiB, 9));
    }
    HOLDS(blocks.size() == 8);
    auto full = device.memory_info();
    HOLDS(fine(full) && full->available == 0);
    if (lab.page != 0) {
      HOLDS(fails(device.create(lab.page), SHMALLOC_STATUS_NO_MEMORY));
    }
    HOLDS(fine(device.free(blocks.back())));
    auto again = device.allocate(kMiB);
    HOLDS(fine(again));
    blocks.back() = *again;
    // What is given stays given under a lower limit, and counts.
    HOLDS(fine(device.set_limit(4 * kMiB)));
    HOLDS(fine(device.free(blocks[0])));
    HOLDS(fails(device.allocate(kMiB), SHMALLOC_STATUS_NO_MEMORY));
    HOLDS(lab.reads(blocks[1], kMiB, 9));
    HOLDS(fine(device.set_limit(0)));
    auto more = device.allocate(16 * kMiB);
    HOLDS(fine(more));
    HOLDS(fine(device.free(*more)));
    for (std::size_t i = 1; i < blocks.size(); ++i) HOLDS(fine(device.free(blocks[i])));
  }
  return nullptr;
}

template <class S>
const char *copies_of_a_backend_are_one_device() {
  Lab<S> lab;
  HOLDS(lab);
  auto copy = std::make_unique<typename S::Device>(lab.device());
  auto block = copy->allocate(4096);
  HOLDS(fine(block));
  auto stream = copy->create_stream();
  auto event = copy->create_event();
  HOLDS(fine(stream) && fine(event));
  HOLDS(fine(lab.device().fill(*block, 5, 4096, *stream)));
  HOLDS(fine(lab.device().record(*event, *stream)));
  HOLDS(fine(copy->synchronize_event(*event)));
  copy.reset();
  HOLDS(lab.is_done(*event));
  HOLDS(lab.reads(*block, 4096, 5));
  HOLDS(fine(lab.device().destroy_event(*event)));
  HOLDS(fine(lab.device().destroy_stream(*stream)));
  HOLDS(fine(lab.device().free(*block)));
  return nullptr;
}

template <class S>
const char *devices_do_not_wait_for_each_other() {
  if (auto second = S::open(1); !second) {
    HOLDS(fails(second, SHMALLOC_STATUS_NOT_FOUND));
    return nullptr;
  }
  Lab<S> one;
  Lab<S> other(1);
  HOLDS(one && other);
  HOLDS(one.device().describe().name != other.device().describe().name);
  const Address from = one.block(kMiB);
  const Address to = other.block(kMiB);
  HOLDS(one.fills(from, kMiB, 3));
  {
    Gate<typename S::Device> gate(one.device(), one.stream());
    HOLDS(gate);
    HOLDS(other.fills(to, kMiB, 4));
    HOLDS(fine(other.device().synchronize()));
  }
  if constexpr (Peering<typename S::Device>) {
    HOLDS(one.device().describe().peers);
    for (int i = 0; i < 2; ++i) HOLDS(fine(one.device().allow_peer(other.device())));
    const Stream stream = other.stream();
    HOLDS(fine(other.device().copy(to, from, kMiB, stream)));
    HOLDS(fine(other.device().synchronize_stream(stream)));
    HOLDS(other.reads(to, kMiB, 3));
  }
  return nullptr;
}

}  // namespace conformance
