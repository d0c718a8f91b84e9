/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/allocator.hpp - where storages come from. */
#ifndef SHMALLOC_CPP_ALLOCATOR_HPP
#define SHMALLOC_CPP_ALLOCATOR_HPP

#include "shmalloc/cpp/caching.hpp"
#include "shmalloc/cpp/device.hpp"
#include "shmalloc/cpp/observer.hpp"
#include "shmalloc/cpp/reference.hpp"

namespace shmalloc {
inline namespace v0 {

/** How memory is carved into storages; see shmalloc_allocator_kind. */
enum class Kind : std::int32_t {
  standard =
      SHMALLOC_ALLOCATOR_KIND_DEFAULT, /**< of the host the best for sharing, of devices caching; adopted memory has this too */
  direct = SHMALLOC_ALLOCATOR_KIND_DIRECT,
  map = SHMALLOC_ALLOCATOR_KIND_MAP,
  map_refcounted = SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED,
  shared = SHMALLOC_ALLOCATOR_KIND_SHARED,
  caching = SHMALLOC_ALLOCATOR_KIND_CACHING /**< of devices */
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

  /** Of a device, of kind caching; of the host's memory, the best for sharing. */
  explicit Allocator(Device device, std::string_view config = {})
      : Allocator(AllocatorOptions{Kind::standard, std::string(config), {}, false, device}) {}

  /** The one of a device that is used where none is named. */
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

  /** The same by fields, of kind caching. */
  void configure(const CachingOptions &options) {
    const auto params = detail::params_of(options);
    detail::call(shmalloc_allocator_configure_caching, required(), &params);
  }

  /** Give back what is kept for later. Returns the bytes that were given back, as far as is known. */
  std::uint64_t trim(Trim what = Trim::all, std::uint64_t keep_bytes = 0) { return trim_of(required(), what, keep_bytes); }

  /** The same of every allocator. */
  static std::uint64_t trim_every(Trim what = Trim::all, std::uint64_t keep_bytes = 0) {
    return trim_of(nullptr, what, keep_bytes);
  }

  // ---- kind caching; UnsupportedError of the others ----

  /** Memory by its address, for work on a stream: for those who plug into other libraries. All else has Storage. */
  Address allocate(std::size_t size, StreamRef stream = {}) const {
    Address address = 0;
    detail::call(shmalloc_allocator_allocate, required(), size, stream.number(), &address);
    return address;
  }

  /** Give it back: what was queued until now is done before anybody else has it. `stream` is where it was used last.
   *  NotFoundError: nothing that is in use begins there. */
  void deallocate(Address address, StreamRef stream = StreamRef::own()) const {
    detail::call(shmalloc_allocator_deallocate, required(), address, stream.number());
  }

  /** Another stream uses this memory: what is queued there when it is given back is done before anybody else has it. */
  void record_stream(Address address, StreamRef stream) const {
    detail::call(shmalloc_allocator_record_stream, required(), address, stream.number());
  }

  /** What the device gave in one piece, of which this memory is a part. */
  Segment base(Address address) const {
    Segment segment;
    detail::call(shmalloc_allocator_get_base, required(), address, &segment.address, &segment.size);
    return segment;
  }

  /** What might be had, and what is cached. */
  CacheInfo cache_info() const {
    auto info = SHMALLOC_INIT(shmalloc_cache_info);
    detail::call(shmalloc_allocator_get_cache_info, required(), &info);
    return {info.largest, info.cached, info.available, info.total};
  }

  /** Have a function called with each Notice of these kinds, as long as the Observer lives. It runs on the thread whose call it is, on
   *  several at once, and may call shmalloc. If its answer converts to true, it gave memory back: so try again (memory_low). What it
   *  throws is lost, and counts as false. NoSpaceError: 16 observe the allocator already. */
  template <class Function>
  [[nodiscard]] Observer observe(NoticeKind kinds, Function function) const {
    using Listener = detail::Listener<Function>;
    shmalloc_allocator *observed = required();
    auto box = detail::Box<Listener>::of(Listener{std::move(function)});
    std::uint64_t id = 0;
    detail::call(shmalloc_allocator_observe, observed, static_cast<std::uint32_t>(kinds), shmalloc_observer_fn{&Listener::hear},
                 static_cast<void *>(box.release()), shmalloc_destroy_fn{&detail::Box<Listener>::finish}, &id);
    return {observed, id};
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
