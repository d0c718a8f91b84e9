// What every public handle begins with: what it is, how many references it has, and its place in the list of deferred releases.
//
// Deferred releases: `defer` may run anywhere (a finalizer, another thread, a forked child), so it only counts and pushes onto a
// lock-free list. A handle is on the list at most once: it is pushed by the call that takes its count from 0 to 1, and the drain reads
// its link before it takes the count back to 0. Each deferred release still owns its reference, so a listed handle is alive.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/due.hpp"

namespace shmalloc {

// Set when the process has begun to exit: from then on no callback runs, and nothing is kept for later.
inline constinit std::atomic<bool> exiting{false};

enum class HandleType : std::uint32_t { allocator = 0x416c6c6f, storage = 0x53746f72, channel = 0x4368616e, dead = 0x64656164 };

class Handle {
 public:
  explicit Handle(HandleType type) : type_(type) {}
  Handle(const Handle &) = delete;
  Handle &operator=(const Handle &) = delete;

  bool is(HandleType type) const { return type_ == type; }
  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  // A reference unless the last one is gone.
  bool retain_if_alive() {
    std::uint64_t count = references_.load(std::memory_order_relaxed);
    while (count != 0) {
      if (references_.compare_exchange_weak(count, count + 1, std::memory_order_acquire, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  // Gives a reference back unless it is the last.
  bool release_unless_last() {
    std::uint64_t count = references_.load(std::memory_order_relaxed);
    while (count > 1) {
      if (references_.compare_exchange_weak(count, count - 1, std::memory_order_release, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }
  std::uint64_t references() const { return references_.load(std::memory_order_relaxed); }

  // One release later, by drain_deferred.
  void defer() {
    if (deferred_.fetch_add(1, std::memory_order_acq_rel) != 0) return;
    Handle *head = deferred_list.load(std::memory_order_relaxed);
    do {
      next_ = head;
    } while (!deferred_list.compare_exchange_weak(head, this, std::memory_order_release, std::memory_order_relaxed));
    due(0);
  }
  static void drain_deferred() {
    Handle *handle = deferred_list.exchange(nullptr, std::memory_order_acquire);
    while (handle != nullptr) {
      Handle *next = handle->next_;
      // Each deferred release owns a reference, so the handle lives until the last of these.
      for (std::uint64_t count = handle->deferred_.exchange(0, std::memory_order_acq_rel); count > 0; --count) {
        handle->release();  // NOLINT(clang-analyzer-cplusplus.NewDelete)
      }
      handle = next;
    }
  }

 protected:
  // The last reference, given back without an atomic instruction. Only where nobody can come by another one: see Storage::release_quickly.
  bool is_last() const { return references_.load(std::memory_order_acquire) == 1; }
  void drop_last() { references_.store(0, std::memory_order_relaxed); }
  // For an object that serves again after its end.
  void revive() { references_.store(1, std::memory_order_release); }

  virtual ~Handle() { type_ = HandleType::dead; }
  virtual void destroy() { delete this; }

 private:
  HandleType type_;
  std::atomic<std::uint64_t> references_{1};
  std::atomic<std::uint64_t> deferred_{0};
  Handle *next_ = nullptr;

  static inline constinit std::atomic<Handle *> deferred_list{nullptr};
};

// Owns one reference.
template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T *owned) : object_(owned) {}
  static Ref retain(T *object) {
    if (object != nullptr) object->retain();
    return Ref(object);
  }
  Ref(Ref &&other) noexcept : object_(other.object_) { other.object_ = nullptr; }
  Ref &operator=(Ref &&other) noexcept {
    if (this != &other) {
      reset();
      object_ = other.object_;
      other.object_ = nullptr;
    }
    return *this;
  }
  Ref(const Ref &) = delete;
  Ref &operator=(const Ref &) = delete;
  ~Ref() { reset(); }
  void reset() {
    if (T *old = take(); old != nullptr) old->release();
  }
  T *take() {
    T *object = object_;
    object_ = nullptr;
    return object;
  }
  T *get() const { return object_; }
  T *operator->() const { return object_; }
  T &operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T *object_ = nullptr;
};

}  // namespace shmalloc
