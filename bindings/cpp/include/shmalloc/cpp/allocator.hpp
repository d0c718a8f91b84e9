/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/allocator.hpp - where storages come from. */
#ifndef SHMALLOC_CPP_ALLOCATOR_HPP
#define SHMALLOC_CPP_ALLOCATOR_HPP

#include "shmalloc/cpp/device.hpp"
#include "shmalloc/cpp/reference.hpp"

namespace shmalloc {
inline namespace v0 {

/** How memory is carved into storages; see shmalloc_allocator_kind. */
enum class Kind : std::int32_t {
  standard = SHMALLOC_ALLOCATOR_KIND_DEFAULT, /**< the best for sharing that is built in; adopted memory has this kind too */
  direct = SHMALLOC_ALLOCATOR_KIND_DIRECT,
  map = SHMALLOC_ALLOCATOR_KIND_MAP,
  map_refcounted = SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED,
  shared = SHMALLOC_ALLOCATOR_KIND_SHARED
};

/** What trim gives back; see shmalloc_trim_flags. */
enum class Trim : std::uint32_t {
  all = 0,
  deferred = SHMALLOC_TRIM_DEFERRED,
  expired = SHMALLOC_TRIM_EXPIRED,
  free = SHMALLOC_TRIM_FREE
};
template <>
struct IsFlags<Trim> : std::true_type {};

/** What an allocator is made of. `config` is text, key:value,key:value; the keys stand at shmalloc_allocator_params. */
struct AllocatorOptions {
  Kind kind = Kind::standard;
  std::string config{};
  std::string name{};       /**< for people, at most 63 bytes */
  bool environment = false; /**< settings in the variable SHMALLOC_CONF come after those of config */
  Device device{};
};

/** An allocator, described; see shmalloc_allocator_info. */
struct AllocatorInfo {
  std::string name;
  Kind kind = Kind::standard;
  Device device;
  std::uint64_t id = 0;
  std::uint64_t references = 0;
  std::uint64_t live_storages = 0;
  std::uint64_t live_bytes = 0;
  std::uint64_t alignment = 0;
  Capability capabilities = Capability::none;
};

/** Makes storages of one kind: Storage(allocator, size). It outlives all that it made. Any thread may use it, several at once. */
class Allocator : public Reference<Allocator, shmalloc_allocator> {
 public:
  /** Empty. */
  Allocator() = default;

  explicit Allocator(const AllocatorOptions &options) {
    const detail::Text name(options.name);
    const detail::Text config(options.config);
    auto params = SHMALLOC_INIT(shmalloc_allocator_params);
    params.device = options.device.number();
    params.name = name.or_null();
    params.config = config.or_null();
    params.kind = static_cast<std::int32_t>(options.kind);
    params.flags = detail::bit_if(options.environment, SHMALLOC_ALLOCATOR_ENVIRONMENT);
    shmalloc_allocator *made = nullptr;
    detail::call(shmalloc_allocator_create, &params, &made);
    handle_.reset(made);
  }

  explicit Allocator(Kind kind, std::string_view config = {})
      : Allocator(AllocatorOptions{kind, std::string(config), {}, false, {}}) {}

  /** The one that is used where none is named. */
  static Allocator current(Device device = {}) {
    shmalloc_allocator *found = nullptr;
    detail::call(shmalloc_allocator_get_current, device.number(), &found);
    return take(found);
  }

  /** Use this one where none is named. BusyError: storages of the one before are live. */
  void make_current() const { detail::call(shmalloc_allocator_set_current, required()); }

  /** What it is, and what it made that is still there. */
  AllocatorInfo info() const {
    auto info = SHMALLOC_INIT(shmalloc_allocator_info);
    detail::call(shmalloc_allocator_get_info, required(), &info);
    return {info.name,
            static_cast<Kind>(info.kind),
            Device::of(info.device),
            info.id,
            info.references,
            info.live_storages,
            info.live_bytes,
            info.alignment,
            static_cast<Capability>(info.capabilities)};
  }

  /** Change settings: all that the text names, or none. */
  void configure(std::string_view config) { detail::call(shmalloc_allocator_configure, required(), detail::Text(config).get()); }

  /** All settings in force, in the same syntax. */
  std::string config() const {
    return detail::text_of(shmalloc_allocator_get_config, required(), static_cast<const char *>(nullptr));
  }

  /** The value of one. */
  std::string config(std::string_view key) const {
    return detail::text_of(shmalloc_allocator_get_config, required(), detail::Text(key).get());
  }

  /** Give back what is kept for later. Returns the bytes that were given back, as far as is known. */
  std::uint64_t trim(Trim what = Trim::all, std::uint64_t keep_bytes = 0) { return trim_of(required(), what, keep_bytes); }

  /** The same of every allocator. */
  static std::uint64_t trim_every(Trim what = Trim::all, std::uint64_t keep_bytes = 0) {
    return trim_of(nullptr, what, keep_bytes);
  }

 private:
  static std::uint64_t trim_of(shmalloc_allocator *allocator, Trim what, std::uint64_t keep_bytes) {
    std::uint64_t bytes = 0;
    detail::call(shmalloc_allocator_trim, allocator, static_cast<std::uint32_t>(what), keep_bytes, &bytes);
    return bytes;
  }
};

/** Do now what release_deferred() put off. */
inline void run_deferred() { Allocator::trim_every(Trim::deferred); }

}  // namespace v0
}  // namespace shmalloc

#endif
