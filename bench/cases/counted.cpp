// Goal 14: references to one storage by many processes at once, against one counter in shared memory that all of them change; and opening it
// again while they hold it. In time of the CPU: with more processes than CPUs each runs only now and then.
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <new>
#include <vector>

#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/machine.hpp"
#include "harness/peer.hpp"

namespace bench {

namespace {

constexpr int at_once = 64;  // operations between two looks at what is wanted

struct Shared {
  alignas(64) std::atomic<int> wanted;   // Work
  alignas(64) std::atomic<int> working;  // processes that do it
  alignas(64) std::atomic<std::uint64_t> count;
};

enum Work { nothing, references, bare_count };

void count_ours(shmalloc_storage *storage, long n) {
  for (long time = 0; time < n; ++time) {
    shmalloc_storage_retain(storage);
    shmalloc_storage_release(storage);
  }
}

void count_bare(std::atomic<std::uint64_t> &count, long n) {
  for (long time = 0; time < n; ++time) {
    count.fetch_add(1);
    count.fetch_sub(1);
  }
}

void do_what_is_wanted(Shared &shared, shmalloc_storage *storage) {
  for (;;) {
    const int wanted = shared.wanted.load();
    if (wanted == nothing) {
      usleep(2000);
      continue;
    }
    shared.working.fetch_add(1);
    while (shared.wanted.load(std::memory_order_relaxed) == wanted) {
      if (wanted == references)
        count_ours(storage, at_once);
      else
        count_bare(shared.count, at_once);
    }
    shared.working.fetch_sub(1);
  }
}

double cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// While all the others are at the same work.
template <class Function>
double among_others(Shared &shared, int others, Work work, long n, Function function) {
  shared.wanted.store(work);
  while (shared.working.load() < others) usleep(100);
  const double begin = cpu_ns();
  function(n);
  const double spent = cpu_ns() - begin;
  shared.wanted.store(nothing);
  while (shared.working.load() > 0) usleep(100);
  return spent / static_cast<double>(n);
}

void measure_processes(Options &options, int processes) {
  const std::string label = std::to_string(processes) + (processes == 1 ? " process" : " processes");
  if (!wanted(options, "references", label) && !wanted(options, "attached", label)) return;
  void *memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  check(memory != MAP_FAILED, "mmap");
  Shared &shared = *new (memory) Shared{};
  std::vector<std::unique_ptr<Peer>> others;
  for (int index = 1; index < processes; ++index)
    others.push_back(std::make_unique<Peer>(index, SOCK_SEQPACKET, [&](int socket) {
      ours::Bytes handle{};
      if (read(socket, &handle, sizeof handle) != sizeof handle) return;
      shmalloc_storage *storage = ours::import(handle);
      write_token(socket);
      do_what_is_wanted(shared, storage);
    }));
  // After the forks: nothing of it is inherited.
  shmalloc_allocator *from = ours::allocator(SHMALLOC_ALLOCATOR_KIND_SHARED);
  shmalloc_storage *storage = ours::create(opaque(4 * KiB), nullptr, from);
  ours::Bytes handle{};
  ours::export_to(storage, handle, SHMALLOC_TIME_NONE);
  for (const auto &other : others) {
    check(write(other->socket(), &handle, sizeof handle) == sizeof handle, "write");
    check(read_token(other->socket()), "a process that holds the storage");
  }
  const int rounds = processes > 2 ? options.heavy_rounds : options.rounds;
  if (wanted(options, "references", label)) {
    Comparison comparison{"references", label, {{"processes", static_cast<double>(processes)}}, {}, false};
    comparison.sides.push_back(
        {"ours",
         [&](long n) { return among_others(shared, processes - 1, references, n, [=](long m) { count_ours(storage, m); }); },
         rounds});
    comparison.sides.push_back(
        {"one shared counter",
         [&](long n) { return among_others(shared, processes - 1, bare_count, n, [&](long m) { count_bare(shared.count, m); }); },
         rounds});
    measure(options, comparison);
  }
  if (wanted(options, "attached", label)) {
    Comparison comparison{"attached", label, {{"processes", static_cast<double>(processes)}}, {}, true};
    comparison.sides.push_back({"ours", timed([&] { shmalloc_storage_release(ours::import(handle)); })});
    comparison.sides.push_back({"one shared counter", timed([&] { count_bare(shared.count, 1); })});
    measure(options, comparison);
  }
  others.clear();
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(from);
  munmap(memory, sizeof(Shared));
}

}  // namespace

void measure_counted(Options &options) {
  for (const int processes : {1, 2, 8, 64}) {
    if (options.quick && processes > 8) continue;
    measure_processes(options, processes);
  }
}

}  // namespace bench
