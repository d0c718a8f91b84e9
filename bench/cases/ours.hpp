// The calls under test, which must all succeed.
#pragma once

#include <array>
#include <cstdint>

#include "harness/check.hpp"
#include "shmalloc.h"

namespace bench::ours {

inline shmalloc_allocator *allocator(shmalloc_allocator_kind kind, const char *config = nullptr) {
  auto params = SHMALLOC_INIT(shmalloc_allocator_params);
  params.kind = kind;
  params.config = config;
  shmalloc_allocator *made = nullptr;
  shmalloc_error error;
  check(shmalloc_allocator_create(&params, &made, &error), error, "shmalloc_allocator_create");
  return made;
}

// One mapping a storage, as the bare sequences make.
inline shmalloc_allocator *mapping_allocator() {
  static shmalloc_allocator *const made = allocator(SHMALLOC_ALLOCATOR_KIND_MAP);
  return made;
}

// The default allocator, by name.
inline shmalloc_allocator *pool() {
  static shmalloc_allocator *const current = [] {
    shmalloc_allocator *found = nullptr;
    shmalloc_error error;
    check(shmalloc_allocator_get_current(SHMALLOC_DEVICE_HOST, &found, &error), error, "shmalloc_allocator_get_current");
    return found;
  }();
  return current;
}

// NULL: the default allocator, which is of kind SHARED.
inline shmalloc_storage *create(std::size_t size, const shmalloc_storage_params *params = nullptr,
                                shmalloc_allocator *from = nullptr) {
  shmalloc_storage *storage = nullptr;
  shmalloc_error error;
  check(shmalloc_storage_create(from, size, SHMALLOC_STREAM_DEFAULT, params, &storage, &error), error, "shmalloc_storage_create");
  return storage;
}

struct Bytes {
  std::array<std::uint8_t, SHMALLOC_HANDLE_MAX> data;
  std::size_t length;
};

// `ttl_ns`: how long the handle keeps a released storage; TIME_DEFAULT: ten seconds.
inline void export_to(shmalloc_storage *storage, Bytes &bytes, std::int64_t ttl_ns = SHMALLOC_TIME_DEFAULT) {
  auto params = SHMALLOC_INIT(shmalloc_export_params);
  params.ttl_ns = ttl_ns;
  shmalloc_error error;
  bytes.length = bytes.data.size();
  check(shmalloc_storage_export(storage, &params, bytes.data.data(), &bytes.length, &error), error, "shmalloc_storage_export");
}

inline shmalloc_storage *import(const std::uint8_t *bytes, std::size_t length) {
  shmalloc_storage *storage = nullptr;
  shmalloc_error error;
  check(shmalloc_storage_import(bytes, length, nullptr, 0, nullptr, &storage, &error), error, "shmalloc_storage_import");
  return storage;
}
inline shmalloc_storage *import(const Bytes &bytes) { return import(bytes.data.data(), bytes.length); }

// Free memory goes back to the system; NULL: what others made and nothing here uses is unmapped too. How many bytes.
inline std::uint64_t trim(shmalloc_allocator *of) {
  std::uint64_t bytes = 0;
  shmalloc_error error;
  check(shmalloc_allocator_trim(of, SHMALLOC_TRIM_FREE, 0, &bytes, &error), error, "shmalloc_allocator_trim");
  return bytes;
}

inline void send(int socket, shmalloc_storage *const *storages, std::size_t count) {
  shmalloc_error error;
  check(shmalloc_storage_send(socket, storages, count, nullptr, &error), error, "shmalloc_storage_send");
}

// How many came; 0 at the end of the conversation.
inline std::size_t receive(int socket, shmalloc_storage **storages, std::size_t room) {
  shmalloc_error error;
  std::size_t count = room;
  const shmalloc_status status = shmalloc_storage_receive(socket, nullptr, storages, &count, &error);
  if (status == SHMALLOC_STATUS_PEER_GONE) return 0;
  check(status, error, "shmalloc_storage_receive");
  return count;
}

}  // namespace bench::ours
