// What the driver knows of this process. One lock guards it all; `call` takes it for every entry of the API.
#pragma once

#include <array>
#include <atomic>
#include <cstdio>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <system_error>
#include <thread>

#include "memory.hpp"
#include "settings.hpp"
#include "stream.hpp"
#include "table.hpp"
#include "world.hpp"

namespace sim {

struct Context {
  std::uint64_t handle = 0;
  int device = 0;
  bool primary = false;
  bool alive = false;
  unsigned references = 0;
  unsigned flags = 0;
  StreamRef legacy;
  std::map<std::uint64_t, StreamRef> per_thread;
  std::set<int> peers;  // devices whose memory this context may use
};

struct Event {
  Context *context = nullptr;
  unsigned flags = 0;
  bool recorded = false;
  Until until;
  Clock clock;
  std::shared_ptr<std::int64_t> time = std::make_shared<std::int64_t>(0);  // of the last record, when it is done
  std::shared_ptr<Capture> capture;                                        // recorded in it
  Clock capture_clock;
  std::optional<BlockName> shared;
};

// Memory without an address, and how many handles of it are out.
struct Physical {
  BlockRef block;
  unsigned references = 1;
};

struct Graph;
struct GraphExec;

// Errors of the program that a real device might not tell.
enum class Mistake { race, use_after_free, busy_free, bad_handle, count };

class State {
 public:
  State();

  std::mutex mutex;
  Settings settings;
  World world;
  Memory memory{world};
  Scheduler scheduler{mutex, settings};
  bool initialised = false;
  std::string broken;              // why cuInit fails: options that make no sense
  CUresult sticky = CUDA_SUCCESS;  // an error of the device, which every later call answers with
  std::map<std::string, std::uint64_t> calls;
  std::map<std::string, std::uint64_t> calls_for_faults;
  std::uint64_t injected = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Mistake::count)> mistakes{};

  Table<Context> contexts{0xc0000000};
  Table<Stream> streams{0x50000000};
  Table<Event> events{0xe0000000};
  Table<Physical> physicals{0xa0000000};
  Table<Graph> graphs{0x60000000};
  Table<GraphExec> executables{0x70000000};
  std::array<std::shared_ptr<Context>, kMaxDevices> primaries;
  std::vector<std::shared_ptr<Capture>> captures;  // going on
  std::uint64_t next_capture = 1;
  Clock host;  // work that the host knows is done

  CUresult enter(const char *name);
  void mistake(Mistake kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
  int device_count() const { return initialised ? world.shared().devices : 0; }
  bool valid(CUdevice device) const { return device >= 0 && device < device_count(); }

  Context *current();                 // nullptr: none, or one that is gone
  StreamRef stream(CUstream handle);  // nullptr: no such stream
  std::shared_ptr<Event> event(CUevent handle);
  void finished(const Until &until, const Clock &clock);  // the host knows it
  void wait_idle(Lock &lock, const Context *context);     // nullptr: all of them
  void end(Lock &lock, Context *context);                 // of a context's life
};

State &state();
bool forked();
std::uint64_t thread_number();

// The thread's contexts, the last one on top, as handles.
std::vector<std::uint64_t> &context_stack();

// What stream 0 means to the call that is going on: entries that were asked for with per-thread default streams set it.
struct DefaultStream {
  explicit DefaultStream(bool per_thread);
  ~DefaultStream();
  DefaultStream(const DefaultStream &) = delete;
  DefaultStream &operator=(const DefaultStream &) = delete;

 private:
  bool before_;
};

enum class Needs { nothing, driver, context };

template <class Body>
CUresult call(const char *name, Needs needs, Body &&body) {
  if (forked()) return CUDA_ERROR_NOT_INITIALIZED;
  if (inside_host_function()) return CUDA_ERROR_NOT_PERMITTED;
  try {
    State &s = state();
    Lock lock(s.mutex);
    const CUresult refused = s.enter(name);
    if (refused != CUDA_SUCCESS) return refused;
    if (needs != Needs::nothing && !s.initialised) return CUDA_ERROR_NOT_INITIALIZED;
    if (needs == Needs::context && s.current() == nullptr)
      return context_stack().empty() ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_CONTEXT_IS_DESTROYED;
    if (needs == Needs::context && s.sticky != CUDA_SUCCESS) return s.sticky;
    s.scheduler.begin_call();
    const CUresult result = body(s, lock);
    s.scheduler.end_call();
    return result;
  } catch (const std::bad_alloc &) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (const std::system_error &) {
    return CUDA_ERROR_OPERATING_SYSTEM;
  }
}

}  // namespace sim
