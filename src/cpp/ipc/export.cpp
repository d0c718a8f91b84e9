#include <fcntl.h>

#include <atomic>
#include <cstring>
#include <limits>

#include "allocators/shared/shared_memory.hpp"
#include "base/fork.hpp"
#include "base/text.hpp"
#include "base/wire/handle.hpp"
#include "ipc/ipc.hpp"
#include "os/process.hpp"

namespace shmalloc {
namespace {

constexpr std::uint32_t kFlags = SHMALLOC_EXPORT_READ_ONLY | SHMALLOC_EXPORT_DESCRIPTOR | SHMALLOC_EXPORT_COUNTED;

// This process's number, for which the kernel is asked once and again after a fork: handles are made more often than that.
int own_pid() {
  static constinit std::atomic<std::uint64_t> known{0};  // above it, one more than the number of forks
  const std::uint64_t forks = fork_generation() + 1;
  const std::uint64_t now = known.load(std::memory_order_relaxed);
  if (now >> 32 == forks) [[likely]]
    return static_cast<int>(static_cast<std::uint32_t>(now));
  const int pid = os::calls.getpid();
  known.store(forks << 32 | static_cast<std::uint32_t>(pid), std::memory_order_relaxed);
  return pid;
}

Error no_object() {
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
              "private memory can't be opened by others: shmalloc_storage_share makes it shareable");
}

Error not_for_torch() {
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
              "the storage lies in a segment with others, which PyTorch can't open: make it with ISOLATED, or of kind MAP");
}

// The object behind a storage, made ready for what is asked: sealed against new writers for a read-only export, if `seal` says that the
// export is going to happen.
Result<SharedObject *> prepare(Memory &memory, std::uint32_t flags, bool seal) {
  if (memory.shared() != nullptr) return not_for_torch();
  if (memory.device() != nullptr)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "this version of shmalloc can't export the memory of devices");
  SharedObject *object = memory.object();
  if (object == nullptr || object->private_view) return no_object();
  if (object->empty) return object;
  if (!object->fd && !object->named) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                "the storage has neither a name nor a descriptor (KEEPFD) that leads to its memory");
  }
  if (object->fd && object->inode_unknown()) {
    SHMALLOC_TRY(facts, os::look(object->fd.get(), "a nameless object"));
    object->identity = facts.identity;
  }
  if (object->fd) object->seals |= os::seals_of(object->fd.get());
  const bool no_new_writers = object->read_only || memory.immutable || (object->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
  if ((flags & SHMALLOC_EXPORT_READ_ONLY) == 0) {
    if (no_new_writers) {
      return fail(SHMALLOC_STATUS_PERMISSION, 0, "the memory is read-only or sealed against new writers: export it with READ_ONLY");
    }
    return object;
  }
  if (!object->fd || object->named || object->route != Route::descriptor) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                "what has a name can't be exported READ_ONLY: whoever may open it may write it. Use nameless memory (MEMFD)");
  }
  if (seal && (object->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0) {
    SHMALLOC_CHECK(os::add_seals(object->fd.get(), F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK, "the storage"));
    object->seals |= F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK;
    SHMALLOC_CHECK(memory.check_length());
  }
  return object;
}

std::int64_t deadline_of(std::int64_t ttl_ns, std::uint64_t default_ms) {
  if (ttl_ns == SHMALLOC_TIME_NONE) return 0;
  if (ttl_ns == SHMALLOC_TIME_FOREVER) return std::numeric_limits<std::int64_t>::max();
  const std::int64_t ttl = ttl_ns == SHMALLOC_TIME_DEFAULT ? static_cast<std::int64_t>(default_ms) * 1000000 : ttl_ns;
  const std::int64_t now = os::coarse_now();
  return ttl > std::numeric_limits<std::int64_t>::max() - now ? std::numeric_limits<std::int64_t>::max() : now + ttl;
}

// Descriptors are for receivers who need not trust us, and what has a name can be cut short.
Error no_descriptors() {
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
              "segments with names are opened by a handle's bytes alone, not by descriptors or messages");
}

Error no_read_only() {
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
              "what lies in a segment with others can't be exported READ_ONLY: make it with ISOLATED, or of kind MAP");
}

// The two descriptors of a segment are for those who read our handles.
Result<void> check_segment_export(SharedMemory &memory, const shmalloc_export_params &params) {
  if (params.format != SHMALLOC_HANDLE_FORMAT_NATIVE) return not_for_torch();
  if ((params.flags & SHMALLOC_EXPORT_READ_ONLY) != 0) return no_read_only();
  if (!memory.segment->name().empty()) return no_descriptors();
  return {};
}

// A slot of a segment; or, with the empty ticket, the segment alone.
Result<HandleBytes> slot_handle(const Segment &segment, const Ticket &ticket, std::uint32_t flags) {
  HandleBytes out;
  wire::Handle handle;
  static_assert(wire::kSegmentKind == SHMALLOC_ALLOCATOR_KIND_SHARED);
  handle.kind = wire::kSegmentKind;
  handle.size = handle.capacity = ticket.size;
  handle.offset = ticket.offset;
  handle.route = SHMALLOC_HANDLE_ROUTE_PROCESS;
  if ((flags & SHMALLOC_EXPORT_DESCRIPTOR) != 0) {
    if (!segment.name().empty()) return no_descriptors();
    handle.route = SHMALLOC_HANDLE_ROUTE_DESCRIPTOR;
  } else if (!segment.name().empty()) {
    handle.route = SHMALLOC_HANDLE_ROUTE_SHM;
    handle.name = segment.name();
  }
  handle.object_device = segment.identity().device;
  handle.inode = segment.identity().inode;
  handle.born_ns = segment.identity().born_ns;
  handle.pid = own_pid();
  handle.started = os::own_start_time(handle.pid);
  handle.fd = segment.control_fd();
  handle.data_fd = segment.data_fd();
  handle.data_device = segment.head().data_device;
  handle.data_inode = segment.head().data_inode;
  handle.data_born_ns = segment.head().data_born_ns;
  std::memcpy(handle.segment, segment.id(), sizeof handle.segment);
  handle.slot = ticket.slot;
  handle.generation = ticket.generation;
  out.route = static_cast<shmalloc_handle_route>(handle.route);
  out.length = wire::encode(handle, out.bytes);
  return out;
}

Result<HandleBytes> segment_handle(SharedMemory &memory, std::uint32_t flags) {
  if ((flags & SHMALLOC_EXPORT_READ_ONLY) != 0) return no_read_only();
  if (memory.imported_read_only)
    return fail(SHMALLOC_STATUS_PERMISSION, 0, "the storage was imported READ_ONLY: it can't be exported");
  SHMALLOC_TRY(ticket, memory.ticket());
  return slot_handle(*memory.segment, ticket, flags);
}

Result<HandleBytes> native_handle(Memory &memory, shmalloc_allocator_kind kind, std::uint32_t flags, std::size_t room) {
  if (SharedMemory *shared = memory.shared(); shared != nullptr) return segment_handle(*shared, flags);
  if (kind == SHMALLOC_ALLOCATOR_KIND_SHARED) kind = SHMALLOC_ALLOCATOR_KIND_MAP;  // An isolated one.
  HandleBytes out;
  wire::Handle handle;
  handle.kind = static_cast<std::uint32_t>(kind);
  handle.size = memory.size;
  handle.capacity = memory.capacity;
  handle.flags = flags & SHMALLOC_EXPORT_READ_ONLY;
  if (memory.object() != nullptr && memory.object()->empty) {
    handle.route = out.route = SHMALLOC_HANDLE_ROUTE_EMPTY;
    out.length = wire::encode(handle, out.bytes);
    return out;
  }
  SHMALLOC_TRY(object,
               prepare(memory, flags, room >= wire::kHandleFixed));  // What is read-only has no name, so that is its length.
  handle.offset = object->offset + object->header;
  handle.header = static_cast<std::uint32_t>(object->header);
  handle.object_device = object->identity.device;
  handle.inode = object->identity.inode;
  handle.born_ns = object->identity.born_ns;
  handle.pid = own_pid();
  if ((flags & SHMALLOC_EXPORT_DESCRIPTOR) != 0 && object->header == 0) {  // A counted object is joined by its name.
    handle.route = SHMALLOC_HANDLE_ROUTE_DESCRIPTOR;
  } else if (object->named) {
    handle.route = object->route == Route::shm ? SHMALLOC_HANDLE_ROUTE_SHM : SHMALLOC_HANDLE_ROUTE_FILE;
    handle.name = object->path;
    if (object->route == Route::shm) handle.name.remove_prefix(sizeof os::kShmDirectory - 1);
    if (handle.name.size() > wire::kHandleNameMax) {
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                  "the name of the object has %zu bytes, a handle has room for %zu: send it over a socket", handle.name.size(),
                  wire::kHandleNameMax);
    }
  } else {
    handle.route = SHMALLOC_HANDLE_ROUTE_PROCESS;
    handle.started = os::own_start_time(handle.pid);
    handle.fd = object->fd.get();
  }
  out.route = static_cast<shmalloc_handle_route>(handle.route);
  out.length = wire::encode(handle, out.bytes);
  return out;
}

Result<HandleBytes> torch_handle(Memory &memory, const shmalloc_export_params &params, std::size_t room) {
  HandleBytes out;
  out.route = params.format == SHMALLOC_HANDLE_FORMAT_TORCH_FD ? SHMALLOC_HANDLE_ROUTE_DESCRIPTOR : SHMALLOC_HANDLE_ROUTE_SHM;
  SHMALLOC_TRY(object, prepare(memory, params.flags, true));
  std::string text;
  if (params.format == SHMALLOC_HANDLE_FORMAT_TORCH_FD) {
    if (object->header != 0)
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "PyTorch expects no header: export MAP_REFCOUNTED as TORCH_FILE");
    if (object->offset != 0)
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "PyTorch maps from byte 0, this storage has a file_offset");
    text = std::to_string(memory.size);
  } else {
    if (object->header == 0) return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "TORCH_FILE is for storages of kind MAP_REFCOUNTED");
    text = memory.manager();
    text += '\n';
    text += object->path.c_str() + sizeof os::kShmDirectory - 1;
    text += '\n';
    text += std::to_string(memory.size);
  }
  if (text.size() > sizeof out.bytes) return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "manager and name are too long for a handle");
  std::memcpy(out.bytes, text.data(), text.size());
  out.length = text.size();
  if ((params.flags & SHMALLOC_EXPORT_COUNTED) != 0 && room >= out.length) {
    if (auto counted = memory.refcount(1); !counted) return counted.error();
  }
  return out;
}

}  // namespace

Result<HandleBytes> segment_bytes(const Segment &segment) { return slot_handle(segment, Ticket(), 0); }

Result<void> check_export(const shmalloc_export_params &params) {
  if ((params.flags & ~kFlags) != 0) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "export flags %#x are not known to this version", params.flags & ~kFlags);
  }
  if (params.format < SHMALLOC_HANDLE_FORMAT_NATIVE || params.format > SHMALLOC_HANDLE_FORMAT_TORCH_FILE) {
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "handle format %d is not known to this version", params.format);
  }
  if (params.ttl_ns < SHMALLOC_TIME_NONE) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "ttl_ns %lld is no time", static_cast<long long>(params.ttl_ns));
  }
  if (params.format != SHMALLOC_HANDLE_FORMAT_NATIVE && (params.flags & SHMALLOC_EXPORT_READ_ONLY) != 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "PyTorch maps for writing: READ_ONLY goes with format NATIVE");
  }
  if (params.format != SHMALLOC_HANDLE_FORMAT_TORCH_FILE && (params.flags & SHMALLOC_EXPORT_COUNTED) != 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "COUNTED goes with format TORCH_FILE");
  }
  return {};
}

Result<HandleBytes> export_handle(Storage &storage, const shmalloc_export_params &params, std::size_t room) {
  SHMALLOC_CHECK(check_export(params));
  return storage.with_memory([&](Memory &memory) -> Result<HandleBytes> {
    auto handle = params.format == SHMALLOC_HANDLE_FORMAT_NATIVE ? native_handle(memory, storage.kind(), params.flags, room)
                                                                 : torch_handle(memory, params, room);
    // Bytes that find the memory by themselves keep it for a while; a descriptor keeps it anyway.
    // .. but for a segment's, which keeps the segment and not the storage in it.
    if (handle && handle->length <= room && (handle->route != SHMALLOC_HANDLE_ROUTE_DESCRIPTOR || memory.shared() != nullptr)) {
      storage.exported_until(deadline_of(params.ttl_ns, storage.export_ttl_ms()));
    }
    return handle;
  });
}

Result<int> count_descriptors(Storage &storage, const shmalloc_export_params &params) {
  SHMALLOC_CHECK(check_export(params));
  return storage.with_memory([&](Memory &memory) -> Result<int> {
    if (memory.shared() != nullptr) {
      SHMALLOC_CHECK(check_segment_export(*memory.shared(), params));
      return 2;
    }
    SHMALLOC_TRY(object, prepare(memory, params.flags, false));
    return object->empty ? 0 : 1;
  });
}

Result<Descriptors> export_descriptors(Storage &storage, const shmalloc_export_params &params) {
  SHMALLOC_CHECK(check_export(params));
  return storage.with_memory([&](Memory &memory) -> Result<Descriptors> {
    Descriptors out;
    if (SharedMemory *shared = memory.shared(); shared != nullptr) {
      SHMALLOC_CHECK(check_segment_export(*shared, params));
      SHMALLOC_TRY(control, os::duplicate(shared->segment->control_fd()));
      SHMALLOC_TRY(data, os::duplicate(shared->segment->data_fd()));
      out.fds[0] = std::move(control);
      out.fds[1] = std::move(data);
      out.count = 2;
      return out;
    }
    SHMALLOC_TRY(object, prepare(memory, params.flags, true));
    if (object->empty) return out;
    out.count = 1;
    const bool read_only = (params.flags & SHMALLOC_EXPORT_READ_ONLY) != 0;
    if (object->fd) {
      SHMALLOC_TRY(copy, read_only ? os::reopen(object->fd.get(), O_RDONLY) : os::duplicate(object->fd.get()));
      out.fds[0] = std::move(copy);
      return out;
    }
    os::UniqueFd fd = os::open_path(object->path.c_str(), O_RDWR | O_NONBLOCK);
    if (!fd) return fail_errno(errno, "opening %s failed%s", object->path.c_str(), os::hint_for(errno, "").text);
    SHMALLOC_TRY(facts, os::look(fd.get(), object->path.c_str()));
    if (facts.identity != object->identity)
      return fail(SHMALLOC_STATUS_STALE, 0, "%s is another object by now", object->path.c_str());
    out.fds[0] = std::move(fd);
    return out;
  });
}

}  // namespace shmalloc
