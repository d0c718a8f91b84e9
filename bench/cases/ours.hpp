// The calls under test, which must all succeed.
#pragma once

#include <array>
#include <cstdint>

#include "harness/check.hpp"
#include "shmalloc.h"

namespace bench::ours {

inline shmalloc_storage *create(std::size_t size, const shmalloc_storage_params *params = nullptr) {
  shmalloc_storage *storage = nullptr;
  shmalloc_error error;
  check(shmalloc_storage_create(nullptr, size, SHMALLOC_STREAM_DEFAULT, params, &storage, &error), error,
        "shmalloc_storage_create");
  return storage;
}

struct Bytes {
  std::array<std::uint8_t, SHMALLOC_HANDLE_MAX> data;
  std::size_t length;
};

inline void export_to(shmalloc_storage *storage, Bytes &bytes) {
  shmalloc_error error;
  bytes.length = bytes.data.size();
  check(shmalloc_storage_export(storage, nullptr, bytes.data.data(), &bytes.length, &error), error, "shmalloc_storage_export");
}

inline shmalloc_storage *import(const Bytes &bytes) {
  shmalloc_storage *storage = nullptr;
  shmalloc_error error;
  check(shmalloc_storage_import(bytes.data.data(), bytes.length, nullptr, 0, nullptr, &storage, &error), error,
        "shmalloc_storage_import");
  return storage;
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
