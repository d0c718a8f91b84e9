// 100,000 live storages that were exported: what each takes beside its bytes, and whether it makes the next one dearer.
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/facts.hpp"
#include "harness/output.hpp"

namespace bench {

namespace {

constexpr std::size_t storage_size = 4 * KiB;

// An allocator with a number of live storages, all exported.
class Crowd {
 public:
  explicit Crowd(std::size_t live, std::size_t size = storage_size) : from_(ours::allocator(SHMALLOC_ALLOCATOR_KIND_SHARED)) {
    storages_.reserve(live);
    for (std::size_t index = 0; index < live; ++index) {
      storages_.push_back(ours::create(size, nullptr, from_));
      ours::export_to(storages_.back(), handle_, SHMALLOC_TIME_NONE);
    }
  }
  Crowd(const Crowd &) = delete;
  Crowd &operator=(const Crowd &) = delete;
  ~Crowd() {
    for (shmalloc_storage *each : storages_) shmalloc_storage_release(each);
    ours::trim(from_);
    shmalloc_allocator_release(from_);
  }
  void create_one() const { shmalloc_storage_release(ours::create(opaque(storage_size), nullptr, from_)); }
  // Another one each time.
  void export_one() {
    ours::Bytes bytes;
    ours::export_to(any(), bytes, SHMALLOC_TIME_NONE);
  }
  // Of the last one.
  void import_one() const { shmalloc_storage_release(ours::import(handle_)); }

 private:
  shmalloc_storage *any() {
    next_ = (next_ + 7919) % storages_.size();
    return storages_[next_];
  }
  shmalloc_allocator *from_;
  std::vector<shmalloc_storage *> storages_;
  ours::Bytes handle_{};
  std::size_t next_ = 0;
};

// In a process of its own, where nothing is used again.
template <class Function>
void apart(Function function) {
  std::fflush(stdout);
  const pid_t pid = fork();
  check(pid >= 0, "fork");
  if (pid == 0) {
    function();
    _exit(0);
  }
  int status = 0;
  check(waitpid(pid, &status, 0) == pid, "waitpid");
  if (status != 0) stop("weighing", "the child failed");
}

void tell_what_they_take(std::size_t count, std::size_t size) {
  shmalloc_storage_release(ours::create(size));  // What is made once.
  const double number = static_cast<double>(count);
  const double descriptors = open_descriptors(), maps = mappings(), own = private_bytes(), shared = shared_bytes();
  const Crowd crowd(count, size);
  const std::string which = " of " + std::to_string(count) + " exported storages of " + size_text(size);
  write_fact("descriptors" + which, open_descriptors() - descriptors, "");
  write_fact("mappings" + which, mappings() - maps, "");
  write_fact("private memory each" + which, (private_bytes() - own) / number, "bytes");
  write_fact("memory of the control each" + which, (shared_bytes() - shared) / number, "bytes");
}

// Threads that do nothing, then make a storage each of several sizes.
void tell_what_threads_take() {
  constexpr int count = 64;
  std::mutex mutex;
  std::condition_variable changed;
  int turn = 0, done = 0;
  shmalloc_storage_release(ours::create(storage_size));
  std::vector<std::thread> threads;
  for (int index = 0; index < count; ++index)
    threads.emplace_back([&] {
      std::unique_lock lock(mutex);
      for (int mine = 1; mine <= 3; ++mine) {
        ++done;
        changed.notify_all();
        changed.wait(lock, [&] { return turn >= mine; });
        if (mine == 1)
          for (const std::size_t size : {std::size_t{64}, 4 * KiB, 32 * KiB}) shmalloc_storage_release(ours::create(size));
      }
    });
  const auto when_all_wait = [&](int next) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done == count * next; });
    const double bytes = private_bytes();
    turn = next;
    changed.notify_all();
    return bytes;
  };
  const double before = when_all_wait(1);
  const double after = when_all_wait(2);
  when_all_wait(3);
  for (std::thread &thread : threads) thread.join();
  write_fact("private memory of a thread that makes storages", (after - before) / count, "bytes");
}

template <class Function>
void measure_growth(Options &options, const char *what, std::vector<std::unique_ptr<Crowd>> &crowds, Function function) {
  if (!wanted(options, "many", what)) return;
  Comparison comparison{"many", what, {{"bytes", static_cast<double>(storage_size)}}, {}, true};
  const char *names[] = {"100,000 live", "10,000 live", "1,000 live", "100 live"};
  for (std::size_t index = 0; index < crowds.size(); ++index) {
    Crowd *crowd = crowds[index].get();
    comparison.sides.push_back({names[index], timed([=] { function(*crowd); })});
  }
  measure(options, comparison);
}

}  // namespace

void weigh_many(Options &options) {
  if (!options.side.empty() || !wanted(options, "weigh", "")) return;
  apart([] { tell_what_they_take(100'000, 4 * KiB); });
  apart([] { tell_what_they_take(10'000, 64 * KiB); });
  apart(tell_what_threads_take);
}

void measure_many(Options &options) {
  if (!wanted(options, "many", "create+release") && !wanted(options, "many", "export") &&
      !wanted(options, "many", "import+release"))
    return;
  std::vector<std::unique_ptr<Crowd>> crowds;
  for (const std::size_t live : {100'000, 10'000, 1'000, 100}) crowds.push_back(std::make_unique<Crowd>(live));
  measure_growth(options, "create+release", crowds, [](Crowd &crowd) { crowd.create_one(); });
  measure_growth(options, "export", crowds, [](Crowd &crowd) { crowd.export_one(); });
  measure_growth(options, "import+release", crowds, [](Crowd &crowd) { crowd.import_one(); });
}

}  // namespace bench
