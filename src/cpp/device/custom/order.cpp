// Streams and events: the table's, or none.
#include <algorithm>
#include <new>

#include "device/custom/state.hpp"

namespace shmalloc::device {
namespace {

constexpr Stream kReserved = 0xffffffffffffff00;  // see shmalloc_stream

}  // namespace

// An event of our own, recorded at what a stream had then. Who waits for it keeps it.
class CustomDevice::State::Mark {
 public:
  explicit Mark(const State &state) : state_(state) {}
  Mark(const Mark &) = delete;
  Mark &operator=(const Mark &) = delete;
  ~Mark() {
    if (event_ != 0 && state_.ready()) static_cast<void>(of().call("event_destroy", of().of().event_destroy, event_));
  }
  Result<void> record(Stream stream) {
    SHMALLOC_CHECK(state_.check_not_captured(stream));  // The event would become a part of the capture.
    SHMALLOC_TRY(event, of().make("event_create", of().of().event_create, 0));
    event_ = event;
    return of().call("event_record", of().of().event_record, event_, stream);
  }
  // One that can't be asked is waited for later.
  bool is_done() const {
    auto done = of().ask("event_query", of().of().event_query, event_);
    return done && *done;
  }
  Result<void> wait() const { return of().call("event_synchronize", of().of().event_synchronize, event_); }

 private:
  const FunctionTable &of() const { return state_.table; }

  const State &state_;
  std::uint64_t event_ = 0;
};

Result<void> CustomDevice::State::check_stream(Stream stream) const {
  if (table.has_streams() ? stream < kReserved : stream == 0) return {};
  return fail(SHMALLOC_STATUS_INVALID, 0, "device \"%s\" has no stream %#llx", table.name(),
              static_cast<unsigned long long>(stream));
}

Result<void> CustomDevice::State::check_event(Event event) {
  const auto number = static_cast<std::uint64_t>(event);
  return events.find(number) ? Result<void>() : none_such("event", number);
}

Result<void> CustomDevice::State::check_not_captured(Stream stream) const {
  if (table.of().stream_capturing == nullptr) return {};
  SHMALLOC_TRY(captured, table.ask("stream_capturing", table.of().stream_capturing, stream));
  if (!captured) return {};
  return fail(SHMALLOC_STATUS_BUSY, 0, "stream %#llx of device \"%s\" is being captured", static_cast<unsigned long long>(stream),
              table.name());
}

void CustomDevice::State::forget_done() {
  std::erase_if(left, [](const std::shared_ptr<Mark> &mark) { return mark->is_done(); });
}

// A stream whose work may go on when it is gone.
Result<void> CustomDevice::State::leave(Stream stream) {
  const std::lock_guard lock(order);
  forget_done();
  left.reserve(left.size() + 1);
  const auto last = std::make_shared<Mark>(*this);
  return end(streams, "stream", stream, [&](std::uint64_t) -> Result<void> {
    SHMALLOC_CHECK(last->record(stream));
    SHMALLOC_CHECK(table.call("stream_destroy", table.of().stream_destroy, stream));
    left.push_back(last);
    return {};
  });
}

// By events, not by streams: those may be destroyed meanwhile.
Result<void> CustomDevice::State::wait_for_all() {
  std::vector<std::shared_ptr<Mark>> marks;
  {
    const std::lock_guard lock(order);
    forget_done();
    marks = left;
    std::vector<Stream> all = streams.list();
    all.push_back(0);
    for (const Stream stream : all) {
      marks.push_back(std::make_shared<Mark>(*this));
      SHMALLOC_CHECK(marks.back()->record(stream));
    }
  }
  for (const std::shared_ptr<Mark> &one : marks) SHMALLOC_CHECK(one->wait());
  return {};
}

Result<Stream> CustomDevice::create_stream() {
  SHMALLOC_CHECK(state_->ready());
  const FunctionTable &table = state_->table;
  if (!table.has_streams()) return table.missing("stream_create");
  const auto unfit = [](Stream stream) -> const char * { return stream < kReserved ? nullptr : "a number that is reserved"; };
  const auto undo = [&](Stream stream) { return table.call("stream_destroy", table.of().stream_destroy, stream); };
  return state_->make(state_->streams, "stream_create", table.of().stream_create, 0, unfit, undo);
}

Result<void> CustomDevice::destroy_stream(Stream stream) {
  SHMALLOC_CHECK(state_->ready());
  if (stream == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "the default stream can't be destroyed");
  const FunctionTable &table = state_->table;
  if (table.of().synchronize != nullptr) {
    return state_->end(state_->streams, "stream", stream,
                       [&](std::uint64_t) { return table.call("stream_destroy", table.of().stream_destroy, stream); });
  }
  try {
    return state_->leave(stream);
  } catch (const std::bad_alloc &) {
    return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory to destroy a stream");
  }
}

Result<void> CustomDevice::State::synchronize_stream(Stream stream) const {
  return table.has_streams() ? table.call("stream_synchronize", table.of().stream_synchronize, stream) : Result<void>();
}

Result<void> CustomDevice::synchronize_stream(Stream stream) {
  SHMALLOC_CHECK(state_->ready());
  SHMALLOC_CHECK(state_->check_stream(stream));
  return state_->synchronize_stream(stream);
}

Result<void> CustomDevice::synchronize() {
  SHMALLOC_CHECK(state_->ready());
  const FunctionTable &table = state_->table;
  if (table.of().synchronize != nullptr) return table.call("synchronize", table.of().synchronize);
  if (!table.has_streams()) return {};
  try {
    return state_->wait_for_all();
  } catch (const std::bad_alloc &) {
    return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory to wait for all streams");
  }
}

Result<bool> CustomDevice::capturing(Stream stream) {
  SHMALLOC_CHECK(state_->ready());
  SHMALLOC_CHECK(state_->check_stream(stream));
  const FunctionTable &table = state_->table;
  if (table.of().stream_capturing == nullptr) return false;
  return table.ask("stream_capturing", table.of().stream_capturing, stream);
}

Result<Event> CustomDevice::create_event() {
  SHMALLOC_CHECK(state_->ready());
  const FunctionTable &table = state_->table;
  if (!table.has_streams()) {
    SHMALLOC_TRY(slot, Numbers::slot());
    const std::uint64_t number = state_->next_event.fetch_add(1, std::memory_order_relaxed);
    state_->events.enter(std::move(slot), number, 0);
    return Event{number};
  }
  const auto unfit = [](std::uint64_t) -> const char * { return nullptr; };
  SHMALLOC_TRY(event, state_->make(state_->events, "event_create", table.of().event_create, 0, unfit, unfit));
  return Event{event};
}

Result<void> CustomDevice::destroy_event(Event event) {
  SHMALLOC_CHECK(state_->ready());
  const FunctionTable &table = state_->table;
  const auto number = static_cast<std::uint64_t>(event);
  return state_->end(state_->events, "event", number, [&](std::uint64_t) -> Result<void> {
    return table.has_streams() ? table.call("event_destroy", table.of().event_destroy, number) : Result<void>();
  });
}

Result<void> CustomDevice::record(Event event, Stream stream) {
  SHMALLOC_CHECK(state_->ready());
  SHMALLOC_CHECK(state_->check_event(event));
  SHMALLOC_CHECK(state_->check_stream(stream));
  const FunctionTable &table = state_->table;
  if (!table.has_streams()) return {};
  return table.call("event_record", table.of().event_record, static_cast<std::uint64_t>(event), stream);
}

Result<bool> CustomDevice::done(Event event) {
  SHMALLOC_CHECK(state_->ready());
  SHMALLOC_CHECK(state_->check_event(event));
  const FunctionTable &table = state_->table;
  if (!table.has_streams()) return true;
  return table.ask("event_query", table.of().event_query, static_cast<std::uint64_t>(event));
}

Result<void> CustomDevice::synchronize_event(Event event) {
  SHMALLOC_CHECK(state_->ready());
  SHMALLOC_CHECK(state_->check_event(event));
  const FunctionTable &table = state_->table;
  if (!table.has_streams()) return {};
  return table.call("event_synchronize", table.of().event_synchronize, static_cast<std::uint64_t>(event));
}

Result<void> CustomDevice::wait(Stream stream, Event event) {
  SHMALLOC_CHECK(state_->ready());
  SHMALLOC_CHECK(state_->check_event(event));
  SHMALLOC_CHECK(state_->check_stream(stream));
  const FunctionTable &table = state_->table;
  if (!table.has_streams()) return {};
  return table.call("stream_wait", table.of().stream_wait, static_cast<std::uint64_t>(event), stream);
}

}  // namespace shmalloc::device
