#include "state.hpp"

#include <pthread.h>

#include <cstdarg>
#include <cstdlib>

namespace sim {
namespace {

std::atomic<bool> in_child{false};
std::atomic<std::uint64_t> threads{0};
thread_local bool per_thread_default = false;

// A child of a process that used the driver can't. One of a process that only looked for entries can.
void after_fork() {
  if (!state().initialised) return;
  in_child = true;
  state().world.forked();
}

// Errors after which a context is of no use any more.
bool lasts(CUresult code) {
  switch (code) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
      return true;
    default:
      return false;
  }
}

}  // namespace

State::State() {
  const char *options = std::getenv("SHMALLOC_SIM_OPTIONS");
  if (options != nullptr && !settings.read(options, &broken)) std::fprintf(stderr, "sim: %s\n", broken.c_str());
  scheduler.seed();
  pthread_atfork(nullptr, nullptr, after_fork);
}

// Never destroyed: threads may use it to the last moment.
State &state() {
  static State *const only = new State;
  return *only;
}

bool forked() { return in_child; }

std::uint64_t thread_number() {
  thread_local const std::uint64_t number = ++threads;
  return number;
}

std::vector<std::uint64_t> &context_stack() {
  thread_local std::vector<std::uint64_t> stack;
  return stack;
}

DefaultStream::DefaultStream(bool per_thread) : before_(per_thread_default) { per_thread_default = per_thread; }
DefaultStream::~DefaultStream() { per_thread_default = before_; }

CUresult State::enter(const char *name) {
  ++calls[name];
  const std::uint64_t count = ++calls_for_faults[name];
  for (const Fault &fault : settings.faults) {
    if (fault.name != name || (fault.onwards ? count < fault.nth : count != fault.nth)) continue;
    ++injected;
    if (lasts(fault.code)) sticky = fault.code;
    return fault.code;
  }
  return CUDA_SUCCESS;
}

void State::mistake(Mistake kind, const char *format, ...) {
  ++mistakes[static_cast<std::size_t>(kind)];
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  std::fprintf(stderr, "sim: %s\n", text);
}

Context *State::current() {
  if (context_stack().empty()) return nullptr;
  const auto context = contexts.find(context_stack().back());
  return context != nullptr && context->alive ? context.get() : nullptr;
}

StreamRef State::stream(CUstream handle) {
  Context *context = current();
  const bool own = handle == CU_STREAM_PER_THREAD || (handle == nullptr && per_thread_default);
  if (handle != nullptr && handle != CU_STREAM_LEGACY && !own) {
    auto found = streams.find(handle);
    if (found == nullptr) mistake(Mistake::bad_handle, "%p is no stream", static_cast<void *>(handle));
    return found;
  }
  if (context == nullptr) return nullptr;
  StreamRef &stream = own ? context->per_thread[thread_number()] : context->legacy;
  if (stream == nullptr) {
    stream = scheduler.make(context);
    stream->legacy = !own;
    stream->blocking = own;
  }
  return stream;
}

std::shared_ptr<Event> State::event(CUevent handle) {
  auto found = events.find(handle);
  if (found == nullptr) mistake(Mistake::bad_handle, "%p is no event", static_cast<void *>(handle));
  return found;
}

void State::finished(const Until &until, const Clock &clock) {
  if (!until.over()) return;  // an event of several processes may be done by another's record
  host.join(clock);
  if (until.stream != nullptr) host.set(until.stream->id, std::max(host.at(until.stream->id), until.count));
}

void State::wait_idle(Lock &lock, const Context *context) {
  std::vector<Until> all;
  Clock clock;
  for (const auto &stream : scheduler.streams()) {
    if (context != nullptr && stream->context != context) continue;
    all.push_back({stream, stream->enqueued});
    clock.join(stream->clock);
  }
  scheduler.wait(lock, [&] {
    for (const Until &until : all) {
      if (!until.over()) return false;
    }
    return true;
  });
  for (const Until &until : all) finished(until, clock);
}

void State::end(Lock &lock, Context *context) {
  wait_idle(lock, context);
  context->alive = false;
  std::vector<std::uint64_t> gone;
  for (const auto &[base, range] : memory.ranges()) {
    if (range.context == context) gone.push_back(base);
  }
  for (const std::uint64_t base : gone) memory.remove(base);
  events.remove_if([&](const Event &event) {
    if (event.context != context) return false;
    if (event.shared) world.drop_event(*event.shared);
    return true;
  });
  streams.remove_if([&](const Stream &stream) { return stream.context == context; });
  for (const auto &stream : scheduler.streams()) {
    if (stream->context == context) stream->destroyed = true;
  }
  context->legacy = nullptr;
  context->per_thread.clear();
  context->peers.clear();
}

}  // namespace sim
