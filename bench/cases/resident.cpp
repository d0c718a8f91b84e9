// Goals 9 to 12, all per GiB: memory that every page of is there, made new; mapped by a second process; given back; and private memory moved
// into a segment.
#include <sys/socket.h>
#include <unistd.h>

#include "anchors/memory.hpp"
#include "anchors/raw.hpp"
#include "anchors/torch.hpp"
#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/machine.hpp"
#include "harness/peer.hpp"

namespace bench {

namespace {

using memory::Make;

// What is timed of a life: its beginning or its end.
enum class Part { made, freed };

class Clock {
 public:
  void start() { begin_ = now_ns(); }
  void stop() { spent_ += now_ns() - begin_; }
  double each(long n) const { return spent_ / static_cast<double>(n); }

 private:
  double begin_ = 0, spent_ = 0;
};

template <class Make, class End>
double time_part(Part part, long n, Make make, End end) {
  Clock clock;
  for (long time = 0; time < n; ++time) {
    if (part == Part::made) clock.start();
    auto made = make();
    if (part == Part::made) clock.stop();
    if (part == Part::freed) clock.start();
    end(made);
    if (part == Part::freed) clock.stop();
  }
  return clock.each(n);
}

double life_of_ours(shmalloc_allocator *from, Part part, std::size_t size, long n) {
  return time_part(
      part, n,
      [=] {
        shmalloc_storage *storage = ours::create(opaque(size), nullptr, from);
        touch_pages(shmalloc_storage_data(storage), 0, size);
        return storage;
      },
      [=](shmalloc_storage *storage) {
        shmalloc_storage_release(storage);
        ours::trim(from);
      });
}

double life_of_plain(Make make, bool populate, Part part, std::size_t size, long n) {
  return time_part(
      part, n,
      [=] {
        memory::Range range = memory::create(make, opaque(size));
        if (populate)
          memory::populate(range, true);
        else
          touch_pages(range.data, 0, size);
        return range;
      },
      [](memory::Range range) { memory::free(range); });
}

void measure_life(Options &options, const char *name, Part part, std::size_t size, int rounds) {
  if (!wanted(options, name, size_text(size))) return;
  shmalloc_allocator *automatic = ours::allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, "watermark:0,growth:1073741824");
  shmalloc_allocator *small = ours::allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, "pages:small,watermark:0,growth:1073741824");
  const double parts = static_cast<double>(size) / static_cast<double>(GiB);
  Comparison comparison{name, size_text(size), {{"bytes", static_cast<double>(size)}}, {}, true};
  const auto add_ours = [&](const char *side, shmalloc_allocator *from) {
    comparison.sides.push_back({side, [=](long n) { return life_of_ours(from, part, size, n); }, rounds, 1, parts});
  };
  const auto add = [&](const char *side, Make make, bool populate) {
    if (memory::available(make, size))
      comparison.sides.push_back({side, [=](long n) { return life_of_plain(make, populate, part, size, n); }, rounds, 1, parts});
  };
  add_ours("ours", automatic);
  add_ours("ours, pages:small", small);
  add("memfd", Make::memfd, false);
  if (part == Part::made) add("memfd populated", Make::memfd, true);
  add("anonymous", Make::anonymous, false);
  add("anonymous, huge pages", Make::anonymous_huge, false);
  add("hugetlb", Make::hugetlb, true);
  warm_memory(2 * size);
  measure(options, comparison);
  shmalloc_allocator_release(automatic);
  shmalloc_allocator_release(small);
}

// ---- the second mapping ----

// What the second process is asked: to open what the handle leads to, and look at each page in one way or the other.
struct Question {
  ours::Bytes handle;  // empty: the descriptor that it inherited
  bool populate;
};

double map_ours(const Question &question) {
  const double begin = now_ns();
  shmalloc_storage *storage = ours::import(question.handle);
  const memory::Range range{shmalloc_storage_data(storage), shmalloc_storage_size(storage), -1};
  if (question.populate)
    memory::populate(range, false);
  else
    memory::read_pages(range.data, range.size);
  const double spent = now_ns() - begin;
  shmalloc_storage_release(storage);
  ours::trim(nullptr);  // Unmaps the segment, so that the next time is a first one too.
  return spent;
}

double map_plain(const Question &question, int fd, std::size_t size) {
  const double begin = now_ns();
  memory::Range range{raw::map(fd, size), size, -1};
  if (question.populate)
    memory::populate(range, false);
  else
    memory::read_pages(range.data, range.size);
  const double spent = now_ns() - begin;
  memory::free(range);
  return spent;
}

void measure_second(Options &options, std::size_t size, int rounds) {
  if (!wanted(options, "second", size_text(size))) return;
  warm_memory(2 * size);
  memory::Range plain = memory::create(Make::memfd, size);
  touch_pages(plain.data, 0, size);
  {
    // Before there is a segment, which it would inherit.
    const Peer peer(1, SOCK_SEQPACKET, [&](int socket) {
      Question question{};
      while (read(socket, &question, sizeof question) == sizeof question) {
        const double spent = question.handle.length != 0 ? map_ours(question) : map_plain(question, plain.fd, size);
        check(write(socket, &spent, sizeof spent) == sizeof spent, "write");
      }
    });
    shmalloc_allocator *automatic = ours::allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, "watermark:0");
    shmalloc_allocator *small = ours::allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, "pages:small,watermark:0");
    shmalloc_storage *storages[] = {ours::create(opaque(size), nullptr, automatic), ours::create(opaque(size), nullptr, small)};
    const double parts = static_cast<double>(size) / static_cast<double>(GiB);
    Comparison comparison{"second", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, false};
    const auto add = [&](const char *side, shmalloc_storage *storage, bool populate) {
      Question question{{}, populate};
      if (storage != nullptr) ours::export_to(storage, question.handle, SHMALLOC_TIME_NONE);
      comparison.sides.push_back({side,
                                  [question, at = peer.socket()](long n) {
                                    double sum = 0, spent = 0;
                                    for (long time = 0; time < n; ++time, sum += spent) {
                                      check(write(at, &question, sizeof question) == sizeof question, "write");
                                      check(read(at, &spent, sizeof spent) == sizeof spent, "answer");
                                    }
                                    return sum / static_cast<double>(n);
                                  },
                                  rounds, 1L << 30, parts});
    };
    for (shmalloc_storage *storage : storages) touch_pages(shmalloc_storage_data(storage), 0, size);
    add("ours", storages[0], false);
    add("ours, MADV_POPULATE_READ", storages[0], true);
    add("ours, pages:small", storages[1], false);
    add("memfd", nullptr, false);
    add("memfd, MADV_POPULATE_READ", nullptr, true);
    measure(options, comparison);
    for (shmalloc_storage *storage : storages) shmalloc_storage_release(storage);
    shmalloc_allocator_release(automatic);
    shmalloc_allocator_release(small);
  }
  memory::free(plain);
}

// ---- private memory moved ----

double move_ours(shmalloc_allocator *from, shmalloc_allocator *to, std::size_t size, long n) {
  Clock clock;
  for (long time = 0; time < n; ++time) {
    shmalloc_storage *storage = ours::create(opaque(size), nullptr, from);
    touch_pages(shmalloc_storage_data(storage), 0, size);
    shmalloc_error error;
    clock.start();
    check(shmalloc_storage_share(storage, to, SHMALLOC_STREAM_DEFAULT, &error), error, "shmalloc_storage_share");
    clock.stop();
    shmalloc_storage_release(storage);
  }
  return clock.each(n);
}

double copy_to_memfd(const void *source, std::size_t size, long n) {
  Clock clock;
  for (long time = 0; time < n; ++time) {
    clock.start();
    memory::Range range = memory::create(Make::memfd, opaque(size));
    std::memcpy(range.data, source, size);
    clock.stop();
    memory::free(range);
  }
  return clock.each(n);
}

void measure_move(Options &options, Torch &torch, std::size_t size, int rounds) {
  if (!wanted(options, "move", size_text(size))) return;
  warm_memory(3 * size);
  shmalloc_allocator *direct = ours::allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT);
  shmalloc_allocator *fresh = ours::allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, "watermark:0");
  shmalloc_allocator *kept = ours::allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, "watermark:1073741824");
  memory::Range source = memory::create(Make::anonymous_huge, size);
  touch_pages(source.data, 0, size);
  const double parts = static_cast<double>(size) / static_cast<double>(GiB);
  Comparison comparison{"move", size_text(size), {{"bytes", static_cast<double>(size)}}, {}, true};
  comparison.sides.push_back({"ours", [=](long n) { return move_ours(direct, fresh, size, n); }, rounds, 1, parts});
  comparison.sides.push_back({"ours, memory kept", [=](long n) { return move_ours(direct, kept, size, n); }, rounds, 1, parts});
  comparison.sides.push_back({"memcpy to a memfd", [=](long n) { return copy_to_memfd(source.data, size, n); }, rounds, 1, parts});
  if (torch.ready())
    comparison.sides.push_back(
        {"torch fd", [&torch, size](long n) { return torch.ask("move", "file_descriptor", size, 0, n); }, rounds, 1, parts});
  measure(options, comparison);
  memory::free(source);
  for (shmalloc_allocator *each : {direct, fresh, kept}) shmalloc_allocator_release(each);
}

}  // namespace

void measure_resident(Options &options, Torch &torch) {
  const std::size_t size = options.quick ? 64 * MiB : 256 * MiB;
  measure_life(options, "resident", Part::made, size, options.heavy_rounds);
  measure_life(options, "trim", Part::freed, size, options.heavy_rounds);
  measure_second(options, size, options.heavy_rounds);
  measure_move(options, torch, size, options.heavy_rounds);
  if (options.quick) return;
  measure_life(options, "resident", Part::made, GiB, options.heavier_rounds);
  measure_second(options, GiB, options.heavier_rounds);
}

}  // namespace bench
