/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/machine.hpp - what is shared on this machine, who holds it, and taking back what nobody does. */
#ifndef SHMALLOC_CPP_MACHINE_HPP
#define SHMALLOC_CPP_MACHINE_HPP

#include <chrono>
#include <exception>
#include <optional>
#include <vector>

#include "shmalloc/cpp/error.hpp"
#include "shmalloc/cpp/flags.hpp"
#include "shmalloc/machine.h"

namespace shmalloc {
inline namespace v0 {

enum class Maker : std::int32_t {
  unknown = SHMALLOC_OBJECT_MAKER_UNKNOWN,
  shmalloc = SHMALLOC_OBJECT_MAKER_SHMALLOC,
  torch = SHMALLOC_OBJECT_MAKER_TORCH
};

/** What a shared object is; see shmalloc_object_flags. */
enum class ObjectState : std::uint32_t {
  none = 0,
  named = SHMALLOC_OBJECT_NAMED,
  counted = SHMALLOC_OBJECT_COUNTED,
  locked = SHMALLOC_OBJECT_LOCKED,
  abandoned = SHMALLOC_OBJECT_ABANDONED,
  uncertain = SHMALLOC_OBJECT_UNCERTAIN
};
template <>
struct IsFlags<ObjectState> : std::true_type {};

/** One shared object; see shmalloc_object_info. */
struct SharedObject {
  std::string name;
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  std::chrono::nanoseconds modified{}; /**< since 1970 */
  std::optional<std::int64_t> refcount;
  Maker maker = Maker::unknown;
  ObjectState state = ObjectState::none;
  int holders = 0;
  int holder_pid = 0;
  int uid = 0;
  std::uint32_t mode = 0;
};

/** What this machine offers, and for what is missing the reason, as a JSON object. */
inline std::string describe_machine() { return detail::text_of(shmalloc_machine_describe); }

/** Calls `visit(const SharedObject &)` for each shared object of shmalloc's and of PyTorch's making that this user can see. If it returns a
 *  bool, false ends the walk; so does an exception, which comes out of here. `prefix` is of names made by shmalloc. */
template <class Visit>
void walk_machine(Visit &&visit, std::string_view prefix = {}) {
  struct Context {
    std::remove_reference_t<Visit> *visit;
    std::exception_ptr thrown;
  } context{&visit, nullptr};
  const auto hear = [](const shmalloc_object_info *raw, void *userdata) noexcept -> std::int32_t {
    auto &to = *static_cast<Context *>(userdata);
    try {
      SharedObject object{raw->name,
                          raw->size,
                          raw->resident,
                          std::chrono::nanoseconds(raw->modified_ns),
                          std::nullopt,
                          static_cast<Maker>(raw->maker),
                          static_cast<ObjectState>(raw->state),
                          raw->holders,
                          raw->holder_pid,
                          raw->uid,
                          raw->mode};
      if (has(object.state, ObjectState::counted)) object.refcount = raw->refcount;
      if constexpr (std::is_same_v<decltype((*to.visit)(object)), bool>)
        return (*to.visit)(object) ? 0 : 1;
      else
        (*to.visit)(object);
      return 0;
    } catch (...) {
      to.thrown = std::current_exception();
      return 1;
    }
  };
  detail::call(shmalloc_machine_walk, detail::Text(prefix).or_null(), static_cast<shmalloc_object_fn>(hear),
               static_cast<void *>(&context));
  if (context.thrown) std::rethrow_exception(context.thrown);
}

/** All of them. */
inline std::vector<SharedObject> shared_objects(std::string_view prefix = {}) {
  std::vector<SharedObject> found;
  walk_machine([&found](const SharedObject &object) { found.push_back(object); }, prefix);
  return found;
}

/** What to remove. */
struct ReclaimOptions {
  std::string name{};   /**< of one shm object; empty: all that no living process holds */
  std::string prefix{}; /**< of names made by shmalloc */
  bool force = false;   /**< with a name: remove it though it is held; the holders keep the memory */
  bool dry_run = false; /**< only tell what would be removed */
};

/** What was removed. */
struct Reclaimed {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
};

inline Reclaimed reclaim(const ReclaimOptions &options = {}) {
  Reclaimed reclaimed;
  const std::uint32_t flags =
      detail::bit_if(options.force, SHMALLOC_RECLAIM_FORCE) | detail::bit_if(options.dry_run, SHMALLOC_RECLAIM_DRY_RUN);
  detail::call(shmalloc_machine_reclaim, detail::Text(options.name).or_null(), detail::Text(options.prefix).or_null(), flags,
               &reclaimed.objects, &reclaimed.bytes);
  return reclaimed;
}

}  // namespace v0
}  // namespace shmalloc

#endif
