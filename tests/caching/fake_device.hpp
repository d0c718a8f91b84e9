// A device of numbers: memory is addresses only, work is done when the test says so, calls fail when the test says so. It sees what must
// not happen: memory handed to a stream, or given back, while other streams' work still uses it; events touched in a capture.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "device/backend.hpp"

namespace fake {

using shmalloc::Error;
using shmalloc::fail;
using shmalloc::Result;
using shmalloc::device::Address;
using shmalloc::device::Event;
using shmalloc::device::Stream;

// What the test sees of the device, and says to it. Any thread.
class Machine {
 public:
  explicit Machine(std::uint64_t total) : total_(total) {}

  // Work on a stream that uses some addresses.
  void launch(Stream stream, Address address, std::uint64_t size) {
    const std::lock_guard lock(mutex_);
    Line &line = lines_[stream];
    line.work.push_back({address, size});
    ++line.queued;
  }
  void finish(Stream stream, std::size_t most = SIZE_MAX) {
    const std::lock_guard lock(mutex_);
    Line &line = lines_[stream];
    for (; most > 0 && !line.work.empty(); --most) line.work.pop_front();
  }
  // A block was handed out for use on a stream.
  void handed_out(Stream stream, Address address, std::uint64_t size) {
    const std::lock_guard lock(mutex_);
    for (const auto &[other, line] : lines_) {
      if (other != stream && line.uses(address, size)) violations_.push_back("reused while another stream uses it");
    }
  }
  void capture(Stream stream, bool on) {
    const std::lock_guard lock(mutex_);
    if (on) {
      captured_.insert(stream);
    } else {
      captured_.erase(stream);
    }
  }
  // The nth call from now on fails, once; 0: none.
  void fail_nth(long nth) {
    const std::lock_guard lock(mutex_);
    nth_ = nth;
    counted_ = 0;
  }
  long counted() const { return counted_; }
  // All calls with this name fail until it is taken back.
  void refuse(const std::string &name, bool on = true) {
    const std::lock_guard lock(mutex_);
    if (on) {
      refused_.insert(name);
    } else {
      refused_.erase(name);
    }
  }
  // Runs at the beginning of each call with this name, with nothing locked.
  std::function<void(const std::string &name)> at_call;
  // A stream that the allocator does not know of is captured: the device can't be waited for.
  bool captured_elsewhere = false;
  Stream per_thread = 0;  // as the description says; before the device is used
  // Is false while the device is at it: what it does is not what a test counts.
  bool *counting = nullptr;
  // Runs when a synchronize has seen all work done, and has not returned.
  std::function<void()> after_synchronize;

  std::uint64_t used() {
    const std::lock_guard lock(mutex_);
    return used_;
  }
  std::uint64_t total() const { return total_; }
  void take_away(std::uint64_t size) {  // somebody else uses so much
    const std::lock_guard lock(mutex_);
    others_ = size;
  }
  long calls(const std::string &name) {
    const std::lock_guard lock(mutex_);
    return calls_[name];
  }
  std::size_t events() {
    const std::lock_guard lock(mutex_);
    return events_.size();
  }
  std::vector<std::uint64_t> segments() {
    const std::lock_guard lock(mutex_);
    std::vector<std::uint64_t> sizes;
    for (const auto &[address, size] : memory_) sizes.push_back(size);
    return sizes;
  }
  // Around fork.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  // What must not have happened; "": nothing did.
  std::string violation() {
    const std::lock_guard lock(mutex_);
    return violations_.empty() ? "" : violations_.front();
  }

 private:
  friend class Device;
  struct Work {
    Address address;
    std::uint64_t size;
  };
  struct Line {
    std::deque<Work> work;
    std::uint64_t queued = 0;
    std::uint64_t done() const { return queued - work.size(); }
    bool uses(Address address, std::uint64_t size) const {
      return std::any_of(work.begin(), work.end(),
                         [&](const Work &one) { return one.address < address + size && address < one.address + one.size; });
    }
  };
  struct Quiet {
    explicit Quiet(bool *what) : flag(what), before(what != nullptr && *what) {
      if (before) *flag = false;
    }
    Quiet(const Quiet &) = delete;
    Quiet &operator=(const Quiet &) = delete;
    ~Quiet() {
      if (before) *flag = true;
    }
    bool *const flag;
    const bool before;
  };
  struct Recorded {
    Stream stream = 0;
    std::uint64_t position = 0;
  };

  // Runs a call: counts it, and lets it fail.
  template <class T, class Function>
  Result<T> call(const char *name, Function function) {
    const Quiet quiet(counting);
    if (at_call) at_call(name);
    const std::lock_guard lock(mutex_);
    ++calls_[name];
    if ((nth_ != 0 && ++counted_ == nth_) || refused_.count(name) != 0) {
      const bool memory = std::string(name) == "allocate";
      return fail(memory ? SHMALLOC_STATUS_NO_MEMORY : SHMALLOC_STATUS_BACKEND, 0, "the test lets %s fail", name);
    }
    return function();
  }
  void not_captured(const char *name) {
    if (!captured_.empty()) violations_.push_back(std::string(name) + " in a capture");
  }

  const std::uint64_t total_;
  std::mutex mutex_;
  std::uint64_t used_ = 0, others_ = 0;
  Address next_ = Address{1} << 40;
  std::map<Address, std::uint64_t> memory_;
  std::map<std::uint64_t, std::vector<Address>> given_back_;  // by size: it comes again at the same place
  std::map<Stream, Line> lines_;
  std::map<std::uint64_t, Recorded> events_;
  std::uint64_t next_event_ = 1;
  std::set<Stream> captured_;
  std::map<std::string, long> calls_;
  std::set<std::string> refused_;
  long nth_ = 0, counted_ = 0;
  std::vector<std::string> violations_;
};

// The backend.
class Device {
 public:
  explicit Device(Machine &machine) : at_(&machine) {}

  shmalloc::device::Description describe() const {
    return {.name = "the fake device",
            .total = at_->total_,
            .alignment = 512,
            .page = 0,
            .host_access = false,
            .peers = false,
            .captures = true,
            .per_thread = at_->per_thread};
  }
  Result<shmalloc::device::MemoryInfo> memory_info() {
    return at_->call<shmalloc::device::MemoryInfo>("memory_info", [this]() -> Result<shmalloc::device::MemoryInfo> {
      return shmalloc::device::MemoryInfo{at_->total_ - at_->used_ - at_->others_, at_->total_};
    });
  }
  Result<Address> allocate(std::size_t size) {
    return at_->call<Address>("allocate", [&]() -> Result<Address> {
      if (size > at_->total_ - at_->used_ - at_->others_) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "the fake device is full");
      std::vector<Address> &again = at_->given_back_[size];
      const Address address = again.empty() ? at_->next_ : again.back();
      if (again.empty()) {
        at_->next_ += size + (Address{2} << 20);
      } else {
        again.pop_back();
      }
      at_->memory_[address] = size;
      at_->used_ += size;
      return address;
    });
  }
  Result<void> free(Address address) {
    return at_->call<void>("free", [&]() -> Result<void> {
      at_->not_captured("free");
      const auto found = at_->memory_.find(address);
      if (found == at_->memory_.end()) {
        at_->violations_.push_back("free of what is none");
        return fail(SHMALLOC_STATUS_INVALID, 0, "no such memory");
      }
      for (const auto &[stream, line] : at_->lines_) {
        if (line.uses(address, found->second)) at_->violations_.push_back("given back while a stream uses it");
      }
      at_->used_ -= found->second;
      at_->given_back_[found->second].push_back(address);
      at_->memory_.erase(found);
      return {};
    });
  }
  Result<bool> capturing(Stream stream) {
    return at_->call<bool>("capturing", [&]() -> Result<bool> { return at_->captured_.count(stream) != 0; });
  }
  Result<void> synchronize() {
    SHMALLOC_CHECK(at_->call<void>("synchronize", [&]() -> Result<void> {
      if (at_->captured_elsewhere) return fail(SHMALLOC_STATUS_BUSY, 0, "a stream is captured");
      at_->not_captured("synchronize");
      for (auto &[stream, line] : at_->lines_) line.work.clear();
      return {};
    }));
    if (at_->after_synchronize) at_->after_synchronize();
    return {};
  }
  Result<Event> create_event() {
    return at_->call<Event>("create_event", [&]() -> Result<Event> {
      at_->events_[at_->next_event_] = {};
      return static_cast<Event>(at_->next_event_++);
    });
  }
  Result<void> destroy_event(Event event) {
    return at_->call<void>("destroy_event", [&]() -> Result<void> {
      if (at_->events_.erase(static_cast<std::uint64_t>(event)) == 0) at_->violations_.push_back("no such event");
      return {};
    });
  }
  Result<void> record(Event event, Stream stream) {
    return at_->call<void>("record", [&]() -> Result<void> {
      at_->not_captured("record");
      Machine::Recorded &recorded = at_->events_.at(static_cast<std::uint64_t>(event));
      recorded = {stream, at_->lines_[stream].queued};
      return {};
    });
  }
  Result<bool> done(Event event) {
    return at_->call<bool>("done", [&]() -> Result<bool> {
      at_->not_captured("done");
      const Machine::Recorded &recorded = at_->events_.at(static_cast<std::uint64_t>(event));
      return at_->lines_[recorded.stream].done() >= recorded.position;
    });
  }

  // What the caching allocator does not need.
  Result<Address> reserve(std::size_t /*size*/) { return none(); }
  Result<void> unreserve(Address /*address*/, std::size_t /*size*/) { return none(); }
  Result<shmalloc::device::Physical> create(std::size_t /*size*/) { return none(); }
  Result<void> destroy(shmalloc::device::Physical /*physical*/) { return none(); }
  Result<void> map(Address /*address*/, std::size_t /*size*/, shmalloc::device::Physical /*physical*/) { return none(); }
  Result<void> unmap(Address /*address*/, std::size_t /*size*/) { return none(); }
  Result<void> set_access(Address /*address*/, std::size_t /*size*/, shmalloc::device::Access /*access*/) { return none(); }
  Result<Stream> create_stream() { return none(); }
  Result<void> destroy_stream(Stream /*stream*/) { return none(); }
  Result<void> synchronize_stream(Stream /*stream*/) { return none(); }
  Result<void> synchronize_event(Event /*event*/) { return none(); }
  Result<void> wait(Stream /*stream*/, Event /*event*/) { return none(); }
  Result<void> copy(Address /*to*/, Address /*from*/, std::size_t /*size*/, Stream /*stream*/) { return none(); }
  Result<void> fill(Address /*to*/, std::uint8_t /*value*/, std::size_t /*size*/, Stream /*stream*/) { return none(); }

 private:
  static Error none() { return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "the fake device has no such call"); }

  Machine *at_;
};
static_assert(shmalloc::device::Backend<Device>);

}  // namespace fake
