// A handle of plain bytes: export and import, in one process and from one to another, against open of /proc/PID/fd/N and mmap. Kind MAP.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "anchors/raw.hpp"
#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/machine.hpp"
#include "harness/peer.hpp"

namespace bench {

namespace {

constexpr std::size_t storage_size = MiB;

// What the bare system calls need to know.
struct RawHandle {
  int pid, fd;
};

void import_raw(RawHandle handle, const std::function<void()> &once_read) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", handle.pid, handle.fd);
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  check(fd >= 0, "open of /proc/PID/fd/N");
  void *data = raw::map(fd, storage_size);
  read_byte(data);
  once_read();
  raw::unmap(data, storage_size);
  close(fd);
}

void import_ours(const ours::Bytes &bytes, const std::function<void()> &once_read) {
  shmalloc_storage *storage = ours::import(bytes);
  read_byte(shmalloc_storage_data(storage));
  once_read();
  shmalloc_storage_release(storage);
}

void answer_ours(int socket) {
  ours::Bytes bytes{};
  for (;;) {
    const ssize_t length = read(socket, bytes.data.data(), bytes.data.size());
    if (length <= 0) return;
    bytes.length = static_cast<std::size_t>(length);
    import_ours(bytes, [socket] { write_token(socket); });
  }
}

void answer_raw(int socket) {
  RawHandle handle{};
  while (read(socket, &handle, sizeof handle) == sizeof handle) import_raw(handle, [socket] { write_token(socket); });
}

void measure_one_process(Options &options, shmalloc_storage *storage, RawHandle handle) {
  if (!wanted(options, "handle", "one process")) return;
  ours::Bytes ready{};
  ours::export_to(storage, ready);
  Comparison comparison{"handle", "one process", {{"bytes", static_cast<double>(storage_size)}}, {}, true};
  comparison.sides.push_back({"ours", timed([=] {
                                ours::Bytes bytes;
                                ours::export_to(storage, bytes);
                                import_ours(bytes, [] {});
                              })});
  comparison.sides.push_back({"raw", timed([=] { import_raw(handle, [] {}); })});
  comparison.sides.push_back({"export alone", timed([=] {
                                ours::Bytes bytes;
                                ours::export_to(storage, bytes);
                              })});
  comparison.sides.push_back({"import alone", timed([&ready] { import_ours(ready, [] {}); })});
  measure(options, comparison);
}

void measure_two_processes(Options &options, shmalloc_storage *storage, RawHandle handle, int cpu, const char *label) {
  if (!wanted(options, "handle", label)) return;
  const Peer ours_peer(cpu, SOCK_SEQPACKET, answer_ours), raw_peer(cpu, SOCK_SEQPACKET, answer_raw);
  const int at_ours = ours_peer.socket(), at_raw = raw_peer.socket();
  Comparison comparison{"handle", label, {{"bytes", static_cast<double>(storage_size)}, {"cpus", cpu + 1.0}}, {}, false};
  comparison.sides.push_back({"ours", timed([=] {
                                ours::Bytes bytes;
                                ours::export_to(storage, bytes);
                                check(write(at_ours, bytes.data.data(), bytes.length) == static_cast<ssize_t>(bytes.length),
                                      "write");
                                check(read_token(at_ours), "acknowledgement");
                              })});
  comparison.sides.push_back({"raw", timed([=] {
                                check(write(at_raw, &handle, sizeof handle) == sizeof handle, "write");
                                check(read_token(at_raw), "acknowledgement");
                              })});
  measure(options, comparison);
}

}  // namespace

void measure_handle(Options &options) {
  shmalloc_storage *storage = ours::create(opaque(storage_size), nullptr, ours::mapping_allocator());
  const RawHandle handle{getpid(), raw::create(storage_size, raw::Blocks::reserved)};
  measure_one_process(options, storage, handle);
  measure_two_processes(options, storage, handle, 1, "two processes, two CPUs");
  measure_two_processes(options, storage, handle, 0, "two processes, one CPU");
  close(handle.fd);
  shmalloc_storage_release(storage);
}

}  // namespace bench
