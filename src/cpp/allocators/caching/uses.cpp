#include "allocators/caching/uses.hpp"

#include "allocators/caching/mutant.hpp"

namespace shmalloc::caching {

Uses::~Uses() {
  nodes_.each([this](Use &use) {
    if (use.event != Event::none) static_cast<void>(calls_.destroy_event(use.event));
  });
  while (queues_ != nullptr) {
    Queue *old = queues_;
    queues_ = old->next;
    delete old;
  }
}

void Uses::leave_events() {
  nodes_.each([](Use &use) { use.event = Event::none; });
}

Uses::Queue *Uses::queue(Stream stream) const {
  Queue *found = queues_;
  while (found != nullptr && found->stream != stream) found = found->next;
  return found;
}

Result<void> Uses::add(Block *block, Stream stream) {
  for (const Use *use = block->uses; use != nullptr; use = use->next) {
    if (use->stream == stream) return {};
  }
  Queue *at = queue(stream);
  if (at == nullptr) {
    at = new (std::nothrow) Queue(stream);
    if (at == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory to note a stream");
    at->next = queues_;
    queues_ = at;
  }
  Use *use = nodes_.get();
  if (use == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory to note a stream's use of a block");
  ++at->uses;
  use->stream = stream;
  use->block = block;
  use->next = block->uses;
  block->uses = use;
  block->special = true;
  return {};
}

// At the end of its queue.
bool Uses::record(Use *use) {
  if (use->event == Event::none) {
    auto event = calls_.create_event();
    if (!event) return false;
    use->event = *event;
  }
  if (!calls_.record(use->event, use->stream)) return false;
  Queue *at = queue(use->stream);
  use->next = nullptr;
  (at->last != nullptr ? at->last->next : at->first) = use;
  at->last = use;
  return true;
}

void Uses::hold_back(Use *use) {
  use->next = held_;
  held_ = use;
}

void Uses::start(Block *block, bool in_capture) {
  for (Use *use = block->uses; use != nullptr;) {
    Use *next = mutant(33) ? nullptr : use->next;
    use->number = ++number_;
    ++block->waiting;
    ++waiting_;
    if ((in_capture && !mutant(35)) || !record(use)) hold_back(use);
    use = next;
  }
  block->uses = nullptr;
}

void Uses::end(Use *use, Block **ready) {
  Block *block = use->block;
  --waiting_;
  --queue(use->stream)->uses;
  nodes_.put(use);
  if (--block->waiting != 0 && !mutant(48)) return;
  block->next_free = *ready;
  *ready = block;
}

Block *Uses::poll() {
  Block *ready = nullptr;
  Use *held = held_;
  held_ = nullptr;
  while (held != nullptr) {
    Use *use = held;
    held = use->next;
    if (!mutant(46) && record(use)) continue;
    if (mutant(45) || mutant(46)) {
      end(use, &ready);
    } else {
      hold_back(use);
    }
  }
  for (Queue *at = queues_; at != nullptr; at = at->next) {
    while (at->first != nullptr) {
      Use *use = at->first;
      if (!mutant(31)) {
        auto done = calls_.done(use->event);
        if (done ? !*done : !mutant(47)) break;
      }
      at->first = use->next;
      if (at->first == nullptr) at->last = nullptr;
      end(use, &ready);
    }
  }
  return ready;
}

Block *Uses::finish(std::uint64_t number) {
  Block *ready = nullptr;
  const auto over = [number](const Use *use) { return use->number <= number || mutant(37); };
  for (Queue *at = queues_; at != nullptr; at = at->next) {
    // What was held back for some time stands behind newer ones.
    at->last = nullptr;
    for (Use **link = &at->first; *link != nullptr;) {
      Use *use = *link;
      if (over(use)) {
        *link = use->next;
        end(use, &ready);
      } else {
        at->last = use;
        link = &use->next;
      }
    }
  }
  for (Use **link = &held_; *link != nullptr;) {
    Use *use = *link;
    if (over(use)) {
      *link = use->next;
      end(use, &ready);
    } else {
      link = &use->next;
    }
  }
  return ready;
}

bool Uses::capturing() {
  for (const Queue *at = queues_; at != nullptr; at = at->next) {
    if (at->uses == 0) continue;
    auto captured = calls_.capturing(at->stream);
    if (captured && *captured) return true;
  }
  return false;
}

}  // namespace shmalloc::caching
