// What every function of the C boundary does: check arguments, call, turn the outcome into a status. Nothing is thrown past it.
#pragma once

#include <new>

#include "allocators/shared/shared.hpp"
#include "base/sized.hpp"
#include "os/process.hpp"
#include "shmalloc.h"
#include "storage/lingering.hpp"
#include "storage/storage.hpp"

namespace shmalloc {

// The public handles are never completed: this pair of helpers is where they become our classes.
inline Storage *unwrap(shmalloc_storage *storage) {
  auto *handle = reinterpret_cast<Handle *>(storage);
  return handle != nullptr && handle->is(HandleType::storage) ? static_cast<Storage *>(handle) : nullptr;
}
inline shmalloc_storage *wrap(Storage *storage) { return reinterpret_cast<shmalloc_storage *>(static_cast<Handle *>(storage)); }
inline Allocator *unwrap(shmalloc_allocator *allocator) {
  auto *handle = reinterpret_cast<Handle *>(allocator);
  return handle != nullptr && handle->is(HandleType::allocator) ? static_cast<Allocator *>(handle) : nullptr;
}
inline shmalloc_allocator *wrap(Allocator *allocator) {
  return reinterpret_cast<shmalloc_allocator *>(static_cast<Handle *>(allocator));
}

inline Error missing(const char *name) {
  return fail(SHMALLOC_STATUS_INVALID, 0, "%s is NULL, or a handle of something else", name);
}

// Runs the body; its error, or a failed allocation of the standard library, becomes the status.
template <class Function>
shmalloc_status guard(shmalloc_error *err, Function body) noexcept {
  try {
    const Result<void> result = body();
    if (result) return SHMALLOC_STATUS_OK;
    if (err != nullptr) *err = result.error();
    return static_cast<shmalloc_status>(result.error().status);
  } catch (const std::bad_alloc &) {
    if (err != nullptr) *err = fail(SHMALLOC_STATUS_NO_MEMORY, 0, "the process has no memory left");
    return SHMALLOC_STATUS_NO_MEMORY;
  } catch (...) {
    if (err != nullptr) *err = fail(SHMALLOC_STATUS_INTERNAL, 0, "an exception that should not be: a bug in shmalloc");
    return SHMALLOC_STATUS_INTERNAL;
  }
}

void catch_up_slowly();
inline bool behind() {
  const std::int64_t when = due_at.load(std::memory_order_acquire);
  if (when == kNever) [[likely]]
    return false;
  return when == 0 || when <= os::coarse_now();
}

// What calls marked +cb begin with: releases that finalizers put off, exports whose time is up.
inline void catch_up() {
  if (behind()) catch_up_slowly();
}

// The same for calls that also need the process set up.
template <class Function>
shmalloc_status guard_work(shmalloc_error *err, Function body) noexcept {
  return guard(err, [&]() -> Result<void> {
    SHMALLOC_CHECK(prepare_process());
    catch_up();
    return body();
  });
}

inline Result<void> check_stream(shmalloc_stream stream) {
  if (stream < 0xffffffffffffff00) return {};
  return fail(SHMALLOC_STATUS_INVALID, 0, "stream %#llx is a reserved number, which means nothing here",
              static_cast<unsigned long long>(stream));
}

// The allocator that a caller meant; the host's current one for NULL.
inline Result<Ref<Allocator>> allocator_or_current(shmalloc_allocator *allocator) {
  if (allocator == nullptr) return Allocator::current();
  Allocator *found = unwrap(allocator);
  if (found == nullptr) return missing("allocator");
  return Ref<Allocator>::retain(found);
}

}  // namespace shmalloc
