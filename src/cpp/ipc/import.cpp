#include <fcntl.h>
#include <sys/mman.h>

#include <cstring>

#include "allocators/map_refcounted/map_refcounted.hpp"
#include "allocators/shared/segment.hpp"
#include "base/text.hpp"
#include "base/wire/handle.hpp"
#include "ipc/ipc.hpp"
#include "os/process.hpp"

namespace shmalloc {
namespace {

constexpr std::uint32_t kFlags = SHMALLOC_IMPORT_READ_ONLY | SHMALLOC_IMPORT_SAME_USER | SHMALLOC_IMPORT_COUNTED;

os::Identity identity_of(const wire::Handle &handle) { return {handle.object_device, handle.inode, handle.born_ns}; }

// Opens whatever a stranger named without waking it up: first as a mere place, and for real only when it is the object meant.
Result<os::UniqueFd> open_meant(const char *path, const os::Identity &identity, bool read_only, const char *what) {
  os::UniqueFd place = os::open_path(path, O_PATH);
  if (!place) return fail_errno(errno, "opening %s failed%s", what, os::hint_for(errno, "").text);
  SHMALLOC_TRY(facts, os::look(place.get(), what));
  if (facts.identity != identity || !facts.regular) {
    return fail(SHMALLOC_STATUS_STALE, 0, "%s is another object by now: the handle is revoked, expired or of another machine",
                what);
  }
  return os::reopen(place.get(), (read_only ? O_RDONLY : O_RDWR) | O_NONBLOCK);
}

Result<os::UniqueFd> open_by_process(const wire::Handle &handle, bool read_only) {
  char path[48];
  char what[96];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", handle.pid, handle.fd);
  std::snprintf(what, sizeof what, "descriptor %d of process %d", handle.fd, handle.pid);
  auto opened = open_meant(path, identity_of(handle), read_only, what);
  if (opened) return opened;
  const Error error = opened.error();
  if (error.status == SHMALLOC_STATUS_NO_SPACE || error.status == SHMALLOC_STATUS_NO_MEMORY) return error;
  const std::uint64_t started = os::start_time(handle.pid);
  if (started == 0 || (handle.started != 0 && started != handle.started)) {
    return fail(SHMALLOC_STATUS_PEER_GONE, error.os_error,
                "process %d, which exported the storage, is gone (or in another pid namespace)", handle.pid);
  }
  if (error.status == SHMALLOC_STATUS_PERMISSION) {
    return fail(SHMALLOC_STATUS_PERMISSION, error.os_error,
                "%s can't be opened: its user, or the system's ptrace rules, forbid it. Use a socket: shmalloc_storage_send", what);
  }
  if (error.status == SHMALLOC_STATUS_NOT_FOUND) {
    return fail(SHMALLOC_STATUS_STALE, error.os_error, "%s is closed: the handle is revoked or expired", what);
  }
  return error;
}

Result<void> check_size(const os::FileFacts &facts, const wire::Handle &handle) {
  if (facts.size >= handle.offset + handle.size) return {};
  return fail(SHMALLOC_STATUS_CORRUPT, 0, "the handle speaks of %s, the object has %s: it was truncated, or the handle is forged",
              size_text(handle.offset + handle.size).text, size_text(facts.size).text);
}

Result<std::unique_ptr<Memory>> map_descriptor(int fd, const wire::Handle &handle, bool read_only) {
  SHMALLOC_TRY(facts, os::look(fd, "the descriptor"));
  if (!facts.regular) return fail(SHMALLOC_STATUS_INVALID, 0, "the descriptor is neither a file nor shared memory");
  if (facts.identity != identity_of(handle))
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "the descriptor is not the one that the handle speaks of");
  SHMALLOC_CHECK(check_size(facts, handle));
  if (!read_only && (os::seals_of(fd) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) {
    return fail(SHMALLOC_STATUS_PERMISSION, 0, "the memory was sealed against new writers: import it with READ_ONLY");
  }
  std::uint32_t mapped = SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_FROMFD | SHMALLOC_MAPPED_KEEPFD;
  if (read_only) mapped |= SHMALLOC_MAPPED_READ_ONLY;
  SHMALLOC_TRY(plan, make_plan(mapped, false));
  MapRequest request;
  request.fd = fd;
  request.size = handle.size;
  request.capacity = handle.capacity;
  request.offset = handle.offset;
  std::unique_ptr<MapMemory> empty(new (std::nothrow) MapMemory());
  if (empty == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
  SHMALLOC_TRY(memory, MapMemory::open(plan, request, std::move(empty)));
  return std::unique_ptr<Memory>(std::move(memory));
}

Result<std::unique_ptr<Memory>> map_shm(const wire::Handle &handle, bool read_only) {
  const std::string name(handle.name);
  std::uint32_t mapped = SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE | SHMALLOC_MAPPED_NO_GROW;
  if (read_only) mapped |= SHMALLOC_MAPPED_READ_ONLY;
  SHMALLOC_TRY(plan, make_plan(mapped, true));
  MapRequest request;
  request.name = name.c_str();
  request.size = handle.size;
  request.capacity = handle.capacity;
  request.offset = handle.offset;
  SHMALLOC_TRY(path, shm_path(name.c_str()));
  os::FileFacts facts;
  if (const int error = os::look_at(path.c_str(), &facts); error != 0)
    return fail_errno(error, "the shm object %s is gone", name.c_str());
  if (facts.identity != identity_of(handle))
    return fail(SHMALLOC_STATUS_STALE, 0, "the shm object %s is another one by now", name.c_str());
  SHMALLOC_CHECK(check_size(facts, handle));
  std::unique_ptr<MapMemory> empty(new (std::nothrow) MapMemory());
  if (empty == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
  SHMALLOC_TRY(memory, MapMemory::open(plan, request, std::move(empty)));
  if (memory->object()->identity != identity_of(handle)) {
    return fail(SHMALLOC_STATUS_STALE, 0, "the shm object %s is another one by now", name.c_str());
  }
  return std::unique_ptr<Memory>(std::move(memory));
}

Result<std::unique_ptr<Memory>> map_counted(const wire::Handle &handle, bool read_only) {
  if (read_only)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                "storages of kind MAP_REFCOUNTED can't be imported READ_ONLY: the count is written");
  const std::string name(handle.name);
  SHMALLOC_TRY(path, shm_path(name.c_str()));
  os::FileFacts facts;
  if (const int error = os::look_at(path.c_str(), &facts); error != 0)
    return fail_errno(error, "the shm object %s is gone", name.c_str());
  const os::Identity expected = identity_of(handle);
  if (facts.identity != expected) return fail(SHMALLOC_STATUS_STALE, 0, "the shm object %s is another one by now", name.c_str());
  SHMALLOC_CHECK(check_size(facts, handle));
  return attach_refcounted(name.c_str(), handle.size, "", false, &expected);
}

Result<void> check_shown(int fd, const wire::Handle &handle, Shown &shown) {
  if (shown.fd != fd) {
    const int mode = os::calls.fcntl(fd, F_GETFL);
    SHMALLOC_TRY(facts, os::look(fd, "the descriptor"));
    shown.fd = fd;
    shown.writable = mode >= 0 && (mode & (O_ACCMODE | O_PATH)) == O_RDWR;
    shown.identity = facts.identity;
  }
  if (!shown.writable || shown.identity != identity_of(handle)) {
    return fail(SHMALLOC_STATUS_PERMISSION, 0,
                "the descriptor in the message does not show its sender's right to what the handle names");
  }
  return {};
}

Result<void> decode(const std::uint8_t *bytes, std::size_t length, wire::Handle *handle) {
  const char *why = "";
  switch (wire::decode(bytes, length, handle, &why)) {
    case wire::Decoded::corrupt:
      return fail(SHMALLOC_STATUS_CORRUPT, 0, "%zu bytes are no handle: %s", length, why);
    case wire::Decoded::version:
      return fail(SHMALLOC_STATUS_VERSION, 0, "the handle has format %u, this shmalloc reads %u", handle->major,
                  wire::kHandleMajor);
    case wire::Decoded::ok:
      break;
  }
  return {};
}

// The segment of a handle: one that this process has, or the one that the descriptors or the exporter lead to. One use.
Result<Segment *> segment_of(const wire::Handle &handle, const int *fds, std::size_t fd_count, Shown *shown) {
  if (shown != nullptr) {
    if (fd_count != 2)
      return fail(SHMALLOC_STATUS_PERMISSION, 0,
                  "the message has a handle without the descriptors that show its sender's right to it");
    SHMALLOC_CHECK(check_shown(fds[0], handle, *shown));
  }
  if (Segment *known = Segment::find(handle.segment); known != nullptr) {
    // What a message shows a right to must be what is opened.
    if (known->identity() == identity_of(handle)) return known;
    known->release();
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "the handle speaks of another object than its segment: it is forged");
  }
  if (fd_count == 2) {
    SHMALLOC_TRY(control, os::duplicate(fds[0]));
    SHMALLOC_TRY(data, os::duplicate(fds[1]));
    return Segment::attach(std::move(control), std::move(data), handle.segment);
  }
  const os::Identity data_identity{handle.data_device, handle.data_inode, handle.data_born_ns};
  if (handle.route == SHMALLOC_HANDLE_ROUTE_SHM) {
    const std::string name(handle.name);
    SHMALLOC_TRY(path, shm_path(name.c_str()));
    SHMALLOC_TRY(control, open_meant(path.c_str(), identity_of(handle), false, name.c_str()));
    SHMALLOC_TRY(data, open_meant((path + Segment::kDataSuffix).c_str(), data_identity, false, name.c_str()));
    return Segment::attach(std::move(control), std::move(data), handle.segment, name.c_str());
  }
  if (handle.route != SHMALLOC_HANDLE_ROUTE_PROCESS) {
    return fail(SHMALLOC_STATUS_INVALID, 0,
                "this handle needs the two descriptors that belong to it (shmalloc_storage_export_fds): this process does not have "
                "its segment");
  }
  SHMALLOC_TRY(control, open_by_process(handle, false));
  wire::Handle of_data = handle;
  of_data.fd = handle.data_fd;
  of_data.object_device = data_identity.device;
  of_data.inode = data_identity.inode;
  of_data.born_ns = data_identity.born_ns;
  SHMALLOC_TRY(data, open_by_process(of_data, false));
  return Segment::attach(std::move(control), std::move(data), handle.segment);
}

Result<Ref<Storage>> open_in_segment(const wire::Handle &handle, const int *fds, std::size_t fd_count, std::uint32_t flags,
                                     Shown *shown) {
  if (fd_count != 0 && fd_count != 2)
    return fail(SHMALLOC_STATUS_INVALID, 0, "a segment has two descriptors, %zu were given", fd_count);
  SHMALLOC_TRY(segment, segment_of(handle, fds, fd_count, shown));
  Ticket ticket;
  std::memcpy(ticket.id, handle.segment, sizeof ticket.id);
  ticket.slot = handle.slot;
  ticket.generation = handle.generation;
  ticket.offset = handle.offset;
  ticket.size = handle.size;
  return Storage::hold_shared(segment, ticket, (flags & SHMALLOC_IMPORT_READ_ONLY) != 0);
}

Result<std::unique_ptr<Memory>> open_native(const wire::Handle &handle, const int *fds, std::size_t fd_count, std::uint32_t flags,
                                            Shown *shown) {
  if (handle.device != SHMALLOC_DEVICE_HOST)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "the handle is of a device this version does not have");
  const bool read_only = ((handle.flags | flags) & SHMALLOC_IMPORT_READ_ONLY) != 0;
  static_assert(static_cast<int>(SHMALLOC_IMPORT_READ_ONLY) == static_cast<int>(SHMALLOC_EXPORT_READ_ONLY));
  const bool counted = handle.header != 0;
  if (handle.offset % os::page_size() != handle.header || (counted && (handle.header != 64 || handle.offset != 64))) {
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "the handle's offset %llu can't be", static_cast<unsigned long long>(handle.offset));
  }
  if (fd_count > 1) return fail(SHMALLOC_STATUS_INVALID, 0, "host memory has one descriptor, %zu were given", fd_count);
  if (handle.route == SHMALLOC_HANDLE_ROUTE_EMPTY) {
    SHMALLOC_TRY(plan, make_plan(0, false));
    std::unique_ptr<MapMemory> empty(new (std::nothrow) MapMemory());
    if (empty == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
    SHMALLOC_TRY(memory, MapMemory::open(plan, MapRequest(), std::move(empty)));
    return std::unique_ptr<Memory>(std::move(memory));
  }
  if (shown != nullptr) {
    // Whoever sent this could open the object himself: the descriptor shows it.
    if (fd_count != 1)
      return fail(SHMALLOC_STATUS_PERMISSION, 0,
                  "the message has a handle without the descriptor that shows its sender's right to it");
    if (counted) SHMALLOC_CHECK(check_shown(fds[0], handle, *shown));
  }
  if (counted) return map_counted(handle, read_only);
  if (fd_count == 1) return map_descriptor(fds[0], handle, read_only);
  switch (handle.route) {
    case SHMALLOC_HANDLE_ROUTE_SHM:
      return map_shm(handle, read_only);
    case SHMALLOC_HANDLE_ROUTE_FILE: {
      const std::string path(handle.name);
      SHMALLOC_TRY(fd, open_meant(path.c_str(), identity_of(handle), read_only, path.c_str()));
      return map_descriptor(fd.get(), handle, read_only);
    }
    case SHMALLOC_HANDLE_ROUTE_PROCESS: {
      SHMALLOC_TRY(fd, open_by_process(handle, read_only));
      return map_descriptor(fd.get(), handle, read_only);
    }
    case SHMALLOC_HANDLE_ROUTE_DESCRIPTOR:
      return fail(SHMALLOC_STATUS_INVALID, 0, "this handle needs the descriptor that belongs to it (shmalloc_storage_export_fds)");
    default:
      return fail(SHMALLOC_STATUS_CORRUPT, 0, "the handle's route %u is not known", handle.route);
  }
}

Result<std::unique_ptr<Memory>> open_torch_fd(std::string_view text, const int *fds, std::size_t fd_count, bool read_only) {
  std::uint64_t size = 0;
  if (!parse_number(text, &size) || size > (std::uint64_t{1} << 62))
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "a TORCH_FD handle is a size in decimal");
  if (fd_count != 1)
    return fail(SHMALLOC_STATUS_INVALID, 0, "a TORCH_FD handle comes with one descriptor, %zu were given", fd_count);
  std::uint32_t mapped = SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_FROMFD | SHMALLOC_MAPPED_KEEPFD | SHMALLOC_MAPPED_NO_GROW;
  if (read_only) mapped |= SHMALLOC_MAPPED_READ_ONLY;
  SHMALLOC_TRY(plan, make_plan(mapped, false));
  MapRequest request;
  request.fd = fds[0];
  request.size = request.capacity = size;
  std::unique_ptr<MapMemory> empty(new (std::nothrow) MapMemory());
  if (empty == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
  SHMALLOC_TRY(memory, MapMemory::open(plan, request, std::move(empty)));
  return std::unique_ptr<Memory>(std::move(memory));
}

Result<std::unique_ptr<Memory>> open_torch_file(std::string_view text, std::uint32_t flags) {
  const std::size_t first = text.find('\n');
  const std::size_t second = first == std::string_view::npos ? first : text.find('\n', first + 1);
  std::uint64_t size = 0;
  if (second == std::string_view::npos || !parse_number(text.substr(second + 1), &size) || size > (std::uint64_t{1} << 62)) {
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "a TORCH_FILE handle is three lines: manager, name, size");
  }
  if ((flags & SHMALLOC_IMPORT_READ_ONLY) != 0)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "TORCH_FILE can't be READ_ONLY: the count is written");
  const std::string manager(text.substr(0, first));
  const std::string name(text.substr(first + 1, second - first - 1));
  if (name.empty() || name[0] != '/')
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "the name in a TORCH_FILE handle begins with a slash");
  return attach_refcounted(name.c_str(), size, manager.c_str(), (flags & SHMALLOC_IMPORT_COUNTED) != 0, nullptr);
}

}  // namespace

Result<Segment *> reach_segment(const std::uint8_t *bytes, std::size_t length) {
  wire::Handle handle;
  SHMALLOC_CHECK(decode(bytes, length, &handle));
  if (!handle.in_segment() || handle.device != SHMALLOC_DEVICE_HOST)
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "the handle is not of a segment");
  return segment_of(handle, nullptr, 0, nullptr);
}

Result<void> check_import(const shmalloc_import_params &params) {
  if ((params.flags & ~kFlags) != 0) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "import flags %#x are not known to this version", params.flags & ~kFlags);
  }
  if (params.timeout_ns < SHMALLOC_TIME_NONE) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "timeout_ns %lld is no time", static_cast<long long>(params.timeout_ns));
  }
  if ((params.flags & SHMALLOC_IMPORT_COUNTED) != 0 && params.format != SHMALLOC_HANDLE_FORMAT_TORCH_FILE) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "COUNTED goes with format TORCH_FILE");
  }
  return {};
}

namespace {

Result<Ref<Storage>> storage_over(Result<std::unique_ptr<Memory>> memory) {
  if (!memory) return memory.error();
  const bool counted = (*memory)->object()->header != 0;
  return Storage::make(std::move(*memory), {}, counted ? SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED : SHMALLOC_ALLOCATOR_KIND_MAP,
                       true);
}

Result<Ref<Storage>> import_native(const std::uint8_t *bytes, std::size_t length, const int *fds, std::size_t fd_count,
                                   std::uint32_t flags, Shown *shown) {
  wire::Handle handle;
  SHMALLOC_CHECK(decode(bytes, length, &handle));
  if (handle.in_segment() && handle.device == SHMALLOC_DEVICE_HOST) return open_in_segment(handle, fds, fd_count, flags, shown);
  return storage_over(open_native(handle, fds, fd_count, flags, shown));
}

}  // namespace

Result<Ref<Storage>> import_message(const std::uint8_t *bytes, std::size_t length, const int *fds, std::size_t fd_count,
                                    const shmalloc_import_params &params, Shown &shown) {
  return import_native(bytes, length, fds, fd_count, params.flags, &shown);
}

Result<Ref<Storage>> import_handle(const std::uint8_t *bytes, std::size_t length, const int *fds, std::size_t fd_count,
                                   const shmalloc_import_params &params) {
  SHMALLOC_CHECK(check_import(params));
  const std::string_view text(reinterpret_cast<const char *>(bytes), length);
  switch (params.format) {
    case SHMALLOC_HANDLE_FORMAT_NATIVE:
      return import_native(bytes, length, fds, fd_count, params.flags, nullptr);
    case SHMALLOC_HANDLE_FORMAT_TORCH_FD:
      return storage_over(open_torch_fd(text, fds, fd_count, (params.flags & SHMALLOC_IMPORT_READ_ONLY) != 0));
    case SHMALLOC_HANDLE_FORMAT_TORCH_FILE:
      return storage_over(open_torch_file(text, params.flags));
    default:
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "handle format %d is not known to this version", params.format);
  }
}

}  // namespace shmalloc
