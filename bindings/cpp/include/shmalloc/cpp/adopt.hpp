/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/adopt.hpp - what owns memory that a storage was made over, until the library gives it back. */
#ifndef SHMALLOC_CPP_ADOPT_HPP
#define SHMALLOC_CPP_ADOPT_HPP

#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace shmalloc {
inline namespace v0 {
namespace detail {

/* Nobody: the memory lives long enough anyway. */
struct NoOwner {};

/* An owner on the heap, whose address is the library's userdata. */
template <class Owner>
struct Box {
  Owner owner;

  /* A shmalloc_destroy_fn. An exception from here can't go anywhere, so it ends the program. */
  static void finish(void *userdata) noexcept {
    const std::unique_ptr<Box> box(static_cast<Box *>(userdata));
    end(box->owner);
  }

  static void end(Owner &owner) {
    if constexpr (std::is_invocable_v<Owner &>) owner();
  }

  /* On the heap; when there is no room, what was given is given back as on any other failure. */
  static std::unique_ptr<Box> of(Owner owner) {
    try {
      return std::unique_ptr<Box>(new Box{std::move(owner)});
    } catch (const std::bad_alloc &) {
      end(owner);
      throw;
    }
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace shmalloc

#endif
