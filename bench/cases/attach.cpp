// Goal 15: a process opens the first storage of a segment and lets it go again, the segment with it. Against one object: reopened through
// its owner's descriptors, locked, mapped, closed, unmapped. A segment is two objects.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "anchors/raw.hpp"
#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/facts.hpp"
#include "harness/output.hpp"
#include "harness/peer.hpp"

namespace bench {

namespace {

constexpr std::size_t object_size = MiB;

struct Question {
  enum What { attach, reopen, reopen_two, descriptors } what;
  long times;
  int pid, fd;
  ours::Bytes handle;
};

void attach_once(const Question &question) {
  shmalloc_storage *storage = ours::import(question.handle);
  read_byte(shmalloc_storage_data(storage));
  shmalloc_storage_release(storage);
  ours::trim(nullptr);
}

void *reopen(const Question &question) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", question.pid, question.fd);
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  check(fd >= 0, "open of /proc/PID/fd/N");
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_len = 1;
  check(fcntl(fd, F_OFD_SETLK, &lock) == 0, "F_OFD_SETLK");
  void *data = raw::map(fd, object_size);
  close(fd);
  return data;
}

void reopen_once(const Question &question, bool two) {
  void *data = reopen(question), *second = two ? reopen(question) : nullptr;
  read_byte(data);
  raw::unmap(data, object_size);
  if (two) raw::unmap(second, object_size);
}

// Descriptors that an imported storage keeps open here.
double descriptors_of(const Question &question) {
  const double before = open_descriptors();
  shmalloc_storage *storage = ours::import(question.handle);
  const double kept = open_descriptors() - before;
  shmalloc_storage *again[64];
  for (shmalloc_storage *&each : again) each = ours::import(question.handle);
  const double more = open_descriptors() - before;
  for (shmalloc_storage *each : again) shmalloc_storage_release(each);
  shmalloc_storage_release(storage);
  ours::trim(nullptr);
  return kept * 1000 + more;
}

double answer(const Question &question) {
  if (question.what == Question::descriptors) return descriptors_of(question);
  const double begin = now_ns();
  for (long time = 0; time < question.times; ++time) {
    if (question.what == Question::attach)
      attach_once(question);
    else
      reopen_once(question, question.what == Question::reopen_two);
  }
  return (now_ns() - begin) / static_cast<double>(question.times);
}

double ask(int socket, Question question, Question::What what, long times) {
  question.what = what;
  question.times = times;
  double result = 0;
  check(write(socket, &question, sizeof question) == sizeof question, "write");
  check(read(socket, &result, sizeof result) == sizeof result, "answer");
  return result;
}

}  // namespace

void measure_attach(Options &options) {
  if (!wanted(options, "attach", "one segment")) return;
  // Before there is a segment, which it would inherit.
  const Peer peer(1, SOCK_SEQPACKET, [](int socket) {
    Question question{};
    while (read(socket, &question, sizeof question) == sizeof question) {
      const double result = answer(question);
      check(write(socket, &result, sizeof result) == sizeof result, "write");
    }
  });
  shmalloc_allocator *from = ours::allocator(SHMALLOC_ALLOCATOR_KIND_SHARED);
  shmalloc_storage *storage = ours::create(opaque(object_size), nullptr, from);
  Question question{};
  question.pid = getpid();
  question.fd = raw::create(object_size, raw::Blocks::reserved);
  ours::export_to(storage, question.handle, SHMALLOC_TIME_NONE);
  Comparison comparison{"attach", "one segment", {{"bytes", static_cast<double>(object_size)}}, {}, false};
  const auto add = [&](const char *side, Question::What what) {
    comparison.sides.push_back({side, [&, what](long n) { return ask(peer.socket(), question, what, n); }});
  };
  add("ours", Question::attach);
  add("raw", Question::reopen);
  add("raw, two objects", Question::reopen_two);
  measure(options, comparison);
  if (options.side.empty()) {
    const auto both = static_cast<long>(ask(peer.socket(), question, Question::descriptors, 1));
    write_fact("descriptors of a segment in use", static_cast<double>(both / 1000), "");
    write_fact("descriptors of 64 storages more of it", static_cast<double>(both % 1000 - both / 1000), "");
  }
  close(question.fd);
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(from);
}

}  // namespace bench
