#include "operation.hpp"

#include <algorithm>
#include <cstring>

namespace sim {
namespace {

struct Span {
  char *data;
  std::uint64_t size;
  BlockRef block;  // nullptr: memory of the host that the driver doesn't know
  std::uint64_t offset;
};
using Spans = std::vector<Span>;

bool may_use(const Context &context, const Range &range, bool write, const Operation &operation) {
  const bool peer = operation.peer && range.block->device >= 0;
  const unsigned device = static_cast<unsigned>(peer ? range.block->device : context.device);
  switch (range.kind) {
    case Kind::host:
    case Kind::registered:
    case Kind::managed:
      return true;
    case Kind::mapped:
      return ((write ? range.writers : range.readers) >> device & 1) != 0;
    case Kind::plain:
    case Kind::imported:
      break;
  }
  const bool copied = operation.kind == Operation::Kind::copy;  // The driver copies between devices by way of the host if it must.
  return copied || (range.readers >> device & 1) != 0 || context.peers.count(range.block->device) != 0;
}

CUresult look_up(State &s, const Context &context, std::uint64_t address, std::uint64_t size, bool write,
                 const Operation &operation, Spans *out) {
  while (size != 0) {
    std::uint64_t base = 0;
    const Range *range = s.memory.find(address, &base);
    if (range == nullptr) {
      if (!s.memory.arena.contains(address)) {
        out->push_back({reinterpret_cast<char *>(static_cast<std::uintptr_t>(address)), size, nullptr, 0});
        return CUDA_SUCCESS;
      }
      s.mistake(Mistake::use_after_free, "%s at %#lx, where no memory is (any more)", write ? "a write" : "a read", address);
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (!may_use(context, *range, write, operation)) return CUDA_ERROR_INVALID_VALUE;
    const std::uint64_t offset = address - base, part = std::min(size, range->size - offset);
    out->push_back({range->block->data + offset, part, range->block, offset});
    address += part;
    size -= part;
  }
  return CUDA_SUCCESS;
}

void note(State &s, const StreamRef &stream, const Spans &spans, bool write) {
  const std::uint64_t count = stream->enqueued + 1;
  for (const Span &span : spans) {
    if (span.block == nullptr) continue;
    const Touch touch{span.offset, span.offset + span.size, stream->id, count, write};
    const auto missed = note_touch(*span.block, touch, stream->clock, s.host);
    if (!missed) continue;
    s.mistake(Mistake::race, "stream %lu %s bytes that stream %lu %s, without having waited for it (device %d, %lu bytes at %lu)",
              stream->id, write ? "writes" : "reads", missed->stream, missed->write ? "writes" : "reads", span.block->device,
              span.size, span.offset);
  }
}

bool unknown_to_driver(const Spans &spans) { return !spans.empty() && spans.front().block == nullptr; }

void copy_spans(const Spans &to, const Spans &from) {
  std::size_t i = 0, j = 0;
  std::uint64_t to_done = 0, from_done = 0;
  while (i < to.size() && j < from.size()) {
    const std::uint64_t part = std::min(to[i].size - to_done, from[j].size - from_done);
    std::memmove(to[i].data + to_done, from[j].data + from_done, part);
    to_done += part;
    from_done += part;
    if (to_done == to[i].size) ++i, to_done = 0;
    if (from_done == from[j].size) ++j, from_done = 0;
  }
}

void fill_spans(const Spans &to, const Operation &operation) {
  for (const Span &span : to) {
    if (operation.width == 1) std::memset(span.data, static_cast<int>(operation.value), span.size);
    for (std::uint64_t i = 0; operation.width != 1 && i < span.size; i += operation.width)
      std::memcpy(span.data + i, &operation.value, operation.width);
  }
}

// From memory that the driver doesn't know it takes the bytes at once.
Spans staged(const Spans &from, std::shared_ptr<std::vector<char>> *keep) {
  *keep = std::make_shared<std::vector<char>>(from.front().data, from.front().data + from.front().size);
  return {{(*keep)->data(), from.front().size, nullptr, 0}};
}

}  // namespace

CUstreamCaptureMode &thread_capture_mode() {
  thread_local CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  return mode;
}

CUresult check_capture(State &s, const StreamRef &stream) {
  if (stream->legacy) {
    bool implied = false;
    for (const auto &capture : s.captures) {
      const bool here = std::any_of(capture->members.begin(), capture->members.end(), [&](const StreamRef &member) {
        return member->blocking && member->context == stream->context;
      });
      if (here) capture->invalid = implied = true;
    }
    if (implied) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  return stream->capture != nullptr && stream->capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
}

CUresult refuse_unsafe(State &s) {
  const CUstreamCaptureMode mode = thread_capture_mode();
  if (mode == CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_SUCCESS;
  bool refused = false;
  for (const auto &capture : s.captures) {
    const bool own = capture->thread == thread_number() && capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
    const bool others = mode == CU_STREAM_CAPTURE_MODE_GLOBAL && capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    if (own || others) capture->invalid = refused = true;
  }
  return refused ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

std::vector<Until> order(State &s, const StreamRef &stream) {
  std::vector<Until> after;
  stream->clock.join(s.host);
  for (const auto &other : s.scheduler.streams()) {
    if (other == stream || other->context != stream->context) continue;
    if (!(stream->legacy ? other->blocking : stream->blocking && other->legacy)) continue;
    if (!other->idle()) after.push_back({other, other->enqueued});
    stream->clock.join(other->clock);
  }
  stream->clock.set(stream->id, stream->enqueued + 1);
  return after;
}

CUresult enqueue(State &s, Lock &lock, const StreamRef &stream, const Operation &operation) {
  CUresult result = check_capture(s, stream);
  if (result != CUDA_SUCCESS) return result;
  const bool copies = operation.kind == Operation::Kind::copy, fills = operation.kind == Operation::Kind::fill;
  Spans to, from;
  if (copies) result = look_up(s, *stream->context, operation.from, operation.size, false, operation, &from);
  if (result == CUDA_SUCCESS && (copies || fills))
    result = look_up(s, *stream->context, operation.to, operation.size, true, operation, &to);
  if (result == CUDA_SUCCESS && fills && unknown_to_driver(to)) result = CUDA_ERROR_INVALID_VALUE;
  if (result != CUDA_SUCCESS) return result;
  if (stream->capture != nullptr) {
    stream->capture->graph->operations.push_back(operation);
    stream->capture->step(stream);
    return CUDA_SUCCESS;
  }
  Item item;
  item.after = order(s, stream);
  note(s, stream, from, false);
  note(s, stream, to, true);
  const bool waits = copies && unknown_to_driver(to);
  if (operation.kind == Operation::Kind::function) {
    item.on_host = true;
    item.run = [operation] { operation.function(operation.data); };
  } else if (copies) {
    std::shared_ptr<std::vector<char>> keep;
    if (unknown_to_driver(from) && !waits) from = staged(from, &keep);
    item.run = [to, from, keep] { copy_spans(to, from); };
  } else if (fills) {
    item.run = [to, operation] { fill_spans(to, operation); };
  }
  s.scheduler.push(stream, std::move(item));
  if (waits) {
    const Until until{stream, stream->enqueued};
    const Clock clock = stream->clock;
    s.scheduler.wait(lock, [&] { return until.over(); });
    s.finished(until, clock);
  }
  return CUDA_SUCCESS;
}

CUresult enqueue(State &s, Lock &lock, CUstream handle, const Operation &operation) {
  const StreamRef stream = s.stream(handle);
  return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : enqueue(s, lock, stream, operation);
}

}  // namespace sim
