#include "source.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "descriptor.hpp"
#include "report.hpp"

namespace shmalloc_tool {
namespace {

constexpr std::size_t kChunk = std::size_t{4} << 20;

class Source {
 public:
  Source(int fd, std::string name, const StopSignals &signals) : fd_(fd), name_(std::move(name)), signals_(signals) {}

  // Up to `room` bytes; 0: the end. A signal that comes while a pipe has nothing to give ends the wait.
  std::size_t read_some(std::uint8_t *to, std::size_t room) const {
    for (;;) {
      pollfd polled[] = {{signals_.fd(), POLLIN, 0}, {fd_, POLLIN, 0}};
      if (poll(polled, std::size(polled), -1) < 0 && errno != EINTR) fail_errno(errno, "can't wait for " + name_);
      signals_.throw_if_any();
      if (polled[1].revents == 0) continue;
      const ssize_t got = read(fd_, to, room);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EFAULT) fail(SHMALLOC_STATUS_STALE, "the new object was truncated by another process while it was filled");
      if (errno != EINTR && errno != EAGAIN) fail_errno(errno, "can't read " + name_);
    }
  }

  std::size_t fill(std::uint8_t *to, std::size_t room) const {
    std::size_t filled = 0;
    while (filled < room) {
      const std::size_t got = read_some(to + filled, room - filled);
      if (got == 0) break;
      filled += got;
    }
    return filled;
  }

  const std::string &name() const { return name_; }

 private:
  int fd_;
  std::string name_;
  const StopSignals &signals_;
};

Allocator make_allocator(const StorageWish &wish) {
  auto params = SHMALLOC_INIT(shmalloc_allocator_params);
  params.kind = SHMALLOC_ALLOCATOR_KIND_MAP;
  params.name = "shmalloc put";
  params.flags = SHMALLOC_ALLOCATOR_ENVIRONMENT;
  shmalloc_allocator *made = nullptr;
  shmalloc_error error{};
  check(shmalloc_allocator_create(&params, &made, &error), error);
  Allocator allocator(made);
  // After the environment: what stands on the command line counts.
  if (!wish.config.empty()) check(shmalloc_allocator_configure(made, wish.config.c_str(), &error), error);
  if (!wish.prefix.empty()) check(shmalloc_allocator_configure(made, ("prefix:" + wish.prefix).c_str(), &error), error);
  return allocator;
}

shmalloc_status create(const Allocator &allocator, const StorageWish &wish, std::size_t size, std::uint64_t capacity, Storage &out,
                       shmalloc_error &error) {
  auto params = SHMALLOC_INIT(shmalloc_storage_params);
  params.name = wish.name.empty() ? nullptr : wish.name.c_str();
  params.capacity = capacity;
  params.mode = wish.mode;
  if (wish.shm || !wish.name.empty()) params.mapped = SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_EXCLUSIVE;
  shmalloc_storage *made = nullptr;
  const shmalloc_status status = shmalloc_storage_create(allocator.get(), size, SHMALLOC_STREAM_DEFAULT, &params, &made, &error);
  if (status == SHMALLOC_STATUS_OK) out.reset(made);
  return status;
}

Storage create_exact(const Allocator &allocator, const StorageWish &wish, std::size_t size) {
  Storage made;
  shmalloc_error error{};
  check(create(allocator, wish, size, 0, made, error), error);
  return made;
}

// One that can grow to as much as the machine has; where address space is limited, to less.
Storage create_growable(const Allocator &allocator, const StorageWish &wish, std::size_t size) {
  auto host = SHMALLOC_INIT(shmalloc_device_info);
  shmalloc_error error{};
  check(shmalloc_device_get_info(SHMALLOC_DEVICE_HOST, &host, &error), error);
  for (std::uint64_t capacity = std::max<std::uint64_t>(host.total, size);; capacity /= 4) {
    Storage made;
    const shmalloc_status status = create(allocator, wish, size, std::max<std::uint64_t>(capacity, size), made, error);
    if (status == SHMALLOC_STATUS_OK) return made;
    const bool full = status == SHMALLOC_STATUS_NO_MEMORY || status == SHMALLOC_STATUS_NO_SPACE;
    if (!full || capacity <= size) throw failure_of(status, error);
  }
}

Storage of_known_size(const Source &source, const Allocator &allocator, const StorageWish &wish, std::size_t size,
                      ProgressWish progress_wish) {
  Storage storage = create_exact(allocator, wish, size);
  if (size == 0) return storage;
  const Pin pin(storage, SHMALLOC_ACCESS_WRITE);
  Progress progress(progress_wish, "put", size);
  for (std::size_t done = 0; done < size;) {
    const std::size_t got = source.fill(pin.data() + done, std::min(kChunk, size - done));
    if (got == 0) fail(SHMALLOC_STATUS_SYSTEM, source.name() + " became shorter while it was read");
    done += got;
    progress.at(done);
  }
  progress.finish();
  return storage;
}

// The size is exact at every moment, as what has once been given to a sealed object can't be taken back.
Storage of_unknown_size(const Source &source, const Allocator &allocator, const StorageWish &wish, ProgressWish progress_wish) {
  std::vector<std::uint8_t> chunk(kChunk);
  std::size_t got = source.fill(chunk.data(), chunk.size());
  Storage storage = got < chunk.size() ? create_exact(allocator, wish, got) : create_growable(allocator, wish, got);
  Progress progress(progress_wish, "put", Progress::kUnknown);
  std::size_t done = 0;
  while (got > 0) {
    shmalloc_error error{};
    check(shmalloc_storage_grow(storage.get(), done + got, SHMALLOC_STREAM_DEFAULT, &error), error);
    {
      const Pin pin(storage, SHMALLOC_ACCESS_WRITE);
      std::memcpy(pin.data() + done, chunk.data(), got);
    }
    done += got;
    progress.at(done);
    if (got < chunk.size()) break;
    got = source.fill(chunk.data(), chunk.size());
  }
  progress.finish();
  return storage;
}

}  // namespace

Storage storage_of_file(const std::string &path, const StorageWish &wish, ProgressWish progress, const StopSignals &signals) {
  const bool from_stdin = path == "-";
  Descriptor opened;
  // Not blocking: a pipe that nobody writes to must not keep a signal from ending this.
  if (!from_stdin) opened = Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  const std::string name = from_stdin ? "standard input" : "'" + path + "'";
  if (!from_stdin && !opened) fail_errno(errno, "can't open " + name);
  const int fd = from_stdin ? STDIN_FILENO : opened.get();

  struct stat there {};
  if (fstat(fd, &there) != 0) fail_errno(errno, "can't look at " + name);
  const Source source(fd, name, signals);
  const Allocator allocator = make_allocator(wish);
  if (!S_ISREG(there.st_mode)) return of_unknown_size(source, allocator, wish, progress);
  const off_t at = std::max<off_t>(0, lseek(fd, 0, SEEK_CUR));
  // Files of /proc say 0 and hold something: they are read to their end.
  if (at >= there.st_size) return of_unknown_size(source, allocator, wish, progress);
  return of_known_size(source, allocator, wish, static_cast<std::size_t>(there.st_size - at), progress);
}

}  // namespace shmalloc_tool
