/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/reference.hpp - one reference of a storage, an allocator or a channel, given back at the end of its scope. */
#ifndef SHMALLOC_CPP_REFERENCE_HPP
#define SHMALLOC_CPP_REFERENCE_HPP

#include <memory>

#include "shmalloc/allocator.h"
#include "shmalloc/channel.h"
#include "shmalloc/cpp/error.hpp"
#include "shmalloc/storage.h"

namespace shmalloc {
inline namespace v0 {
namespace detail {

inline void retain(shmalloc_storage *storage) noexcept { shmalloc_storage_retain(storage); }
inline void retain(shmalloc_allocator *allocator) noexcept { shmalloc_allocator_retain(allocator); }
inline void retain(shmalloc_channel *channel) noexcept { shmalloc_channel_retain(channel); }

struct Release {
  void operator()(shmalloc_storage *storage) const noexcept { shmalloc_storage_release(storage); }
  void operator()(shmalloc_allocator *allocator) const noexcept { shmalloc_allocator_release(allocator); }
  void operator()(shmalloc_channel *channel) const noexcept { shmalloc_channel_release(channel); }
};

}  // namespace detail

/** What Storage, Allocator and Channel have in common. An object that was moved from, released, or made without arguments is empty: its
 *  calls throw ClosedError. Different threads may call the same object, as long as none of them assigns to it, moves from it or
 *  releases it meanwhile. */
template <class Self, class Native>
class Reference {
 public:
  explicit operator bool() const noexcept { return handle_ != nullptr; }

  /** The C library's own; nullptr when this is empty. It stays this object's. */
  Native *native() const noexcept { return handle_.get(); }

  /** An object that takes over a reference of a C caller's. */
  static Self take(Native *handle) noexcept {
    Self made;
    made.handle_.reset(handle);
    return made;
  }

  /** The reverse: this is empty then, and the reference is the caller's. */
  Native *detach() noexcept { return handle_.release(); }

  /** One reference more to the same thing. Copying is spelled out, since it does not copy bytes. */
  Self share_reference() const {
    detail::retain(required());
    return take(handle_.get());
  }

  /** Give the reference back now. A second release does nothing. */
  void release() noexcept { handle_.reset(); }

  /** Give it back with the next call that may do work, see run_deferred(): for threads that must not wait, and for finalizers. */
  void release_deferred() noexcept { shmalloc_release_deferred(handle_.release()); }

 protected:
  Reference() = default;

  Native *required() const {
    if (handle_ == nullptr) throw ClosedError("this object is empty: it was released or moved from, or never had anything");
    return handle_.get();
  }

  std::unique_ptr<Native, detail::Release> handle_;
};

}  // namespace v0
}  // namespace shmalloc

#endif
