// The same storage in another process.
#pragma once

#include <string>

#include "shmalloc/ipc.h"
#include "storage/storage.hpp"

namespace shmalloc {

struct HandleBytes {
  std::uint8_t bytes[SHMALLOC_HANDLE_MAX];
  std::size_t length = 0;
  shmalloc_handle_route route = SHMALLOC_HANDLE_ROUTE_DESCRIPTOR;
};

// Checks flags and format.
Result<void> check_export(const shmalloc_export_params &params);
// A handle. Without room in the caller's buffer (`room` too small) nothing is counted or kept, only the length is told.
Result<HandleBytes> export_handle(Storage &storage, const shmalloc_export_params &params, std::size_t room);
// How many export_descriptors gives; changes nothing.
Result<int> count_descriptors(Storage &storage, const shmalloc_export_params &params);
// Descriptors for the receiver: none for an empty storage, two for one in a segment (control and data).
struct Descriptors {
  os::UniqueFd fds[2];
  int count = 0;
};
Result<Descriptors> export_descriptors(Storage &storage, const shmalloc_export_params &params);

Result<Ref<Storage>> import_handle(const std::uint8_t *bytes, std::size_t length, const int *fds, std::size_t fd_count,
                                   const shmalloc_import_params &params);
// A descriptor of one message, looked at: of many storages in a segment all have the same.
struct Shown {
  int fd = -1;
  bool writable = false;
  os::Identity identity{};
};
// The same for what a stranger sent: he must have shown a descriptor of what we are to open, so nothing is opened by names of his choice.
// `shown` is the message's own, and begins empty.
Result<Ref<Storage>> import_message(const std::uint8_t *bytes, std::size_t length, const int *fds, std::size_t fd_count,
                                    const shmalloc_import_params &params, Shown &shown);
Result<void> check_import(const shmalloc_import_params &params);

// A handle that leads to the segment and to no storage in it.
Result<HandleBytes> segment_bytes(const Segment &segment);
// The segment that such bytes lead to, one use: this process has it, or attaches to it through its exporter's descriptor table or by its name.
Result<Segment *> reach_segment(const std::uint8_t *bytes, std::size_t length);

Result<void> send_storages(int socket, Storage *const *storages, std::size_t count, const shmalloc_export_params &params);
// At most `room` storages; *count is what came, or what there is when the answer is NO_SPACE.
Result<void> receive_storages(int socket, const shmalloc_import_params &params, Storage **out, std::size_t room,
                              std::size_t *count);

Result<std::string> handle_text(const std::uint8_t *bytes, std::size_t length);
Result<HandleBytes> handle_from_text(const char *text);
Result<void> describe_handle(const std::uint8_t *bytes, std::size_t length, shmalloc_handle_info *out);

}  // namespace shmalloc
