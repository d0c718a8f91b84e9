#include "harness/machine.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <string>

#include "harness/check.hpp"
#include "harness/clock.hpp"

namespace bench {

namespace {

struct Busy {
  double busy = 0, stolen = 0;
};

Busy busy_seconds() {
  Busy result;
  FILE *file = std::fopen("/proc/stat", "re");
  if (file == nullptr) return result;
  unsigned long long user = 0, nice = 0, system = 0, idle = 0, wait = 0, hard = 0, soft = 0, stolen = 0;
  if (std::fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &hard, &soft,
                  &stolen) == 8) {
    const double tick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
    result.busy = static_cast<double>(user + nice + system + hard + soft) * tick;
    result.stolen = static_cast<double>(stolen) * tick;
  }
  std::fclose(file);
  return result;
}

double seconds(const timeval &time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; }

std::set<int> &own_processes() {
  static std::set<int> processes;
  return processes;
}

double used_by_process(int pid) {
  FILE *file = std::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "re");
  if (file == nullptr) return 0;
  unsigned long long user = 0, system = 0;
  const int read = std::fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system);
  std::fclose(file);
  return read == 2 ? static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK)) : 0;
}

double used_by_us() {
  double used = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    used += seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  for (const int pid : own_processes()) used += used_by_process(pid);
  return used;
}

}  // namespace

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu % cpu_count(), &set);
  sched_setaffinity(0, sizeof set, &set);
}

int cpu_count() { return std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN))); }

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void warm_memory(std::size_t bytes) {
  void *data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(data != MAP_FAILED, "mmap of memory to warm");
  touch_pages(data, 0, bytes);
  munmap(data, bytes);
}

double run_delay_ns() {
  FILE *file = std::fopen("/proc/thread-self/schedstat", "re");
  if (file == nullptr) return 0;
  unsigned long long ran = 0, waited = 0;
  const int read = std::fscanf(file, "%llu %llu", &ran, &waited);
  std::fclose(file);
  return read == 2 ? static_cast<double>(waited) : 0;
}

void count_as_own(int pid) { own_processes().insert(pid); }
void forget_own(int pid) { own_processes().erase(pid); }

CpuWatch::CpuWatch() : wall_(now_ns()), own_(used_by_us()) {
  const Busy busy = busy_seconds();
  busy_ = busy.busy;
  stolen_ = busy.stolen;
}

CpuWatch::Use CpuWatch::so_far() const {
  const Busy busy = busy_seconds();
  Use use;
  use.wall = (now_ns() - wall_) * 1e-9;
  use.others = std::max(0.0, busy.busy - busy_ - (used_by_us() - own_));
  use.stolen = busy.stolen - stolen_;
  return use;
}

double wait_for_quiet(double patience) {
  const double begin = now_ns();
  for (;;) {
    const double waited = (now_ns() - begin) * 1e-9;
    if (waited >= patience) return waited;
    const CpuWatch watch;
    usleep(200'000);
    if (watch.so_far().others_share() < 0.1) return waited;
  }
}

}  // namespace bench
