/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/backend.hpp - bring your own device: a class becomes one, with caching allocators, statistics and storages. */
#ifndef SHMALLOC_CPP_BACKEND_HPP
#define SHMALLOC_CPP_BACKEND_HPP

#include <memory>
#include <new>

#include "shmalloc/backend.h"
#include "shmalloc/cpp/device.hpp"

namespace shmalloc {
inline namespace v0 {

/** What a device is, beside its functions; see shmalloc_backend. */
struct BackendOptions {
  std::string name{};          /**< for people, 1 to 63 bytes */
  std::uint64_t alignment = 0; /**< bytes: of what allocate gives; 0: 16 */
  std::uint64_t page_size = 0; /**< bytes: unit of virtual memory; 0 without it */
  bool host_access = false;    /**< the host reads and writes its addresses */
};

struct BackendMemory {
  std::uint64_t available = 0;
  std::uint64_t total = 0;
};

/** The functions of a device. Derive from it, override those that the device has with `override`, publicly, and give it to
 *  register_device(). The rules stand in shmalloc/backend.h: any thread may call any of them, several at once; addresses, streams, events
 *  and memory are numbers of yours other than 0, stream 0 is the default one; and they may call shmalloc's leaves only.
 *
 *  Who fails throws, and has changed nothing: NoMemoryError (or std::bad_alloc) when there is none left, BackendError(text, 0, code) with a
 *  positive code of the driver's, or another Error. The status or the code reaches the caller, the text does not. */
class Backend {
 public:
  Backend() = default;
  Backend(const Backend &) = delete;
  Backend &operator=(const Backend &) = delete;
  virtual ~Backend() = default;

  virtual Address allocate(std::uint64_t size) = 0;
  virtual void deallocate(Address address, std::uint64_t size) = 0;

  // Each for itself; what is not overridden the device does not have.
  virtual BackendMemory memory_info() { absent(); }
  virtual void copy(Address /*to*/, Address /*from*/, std::uint64_t /*size*/, shmalloc_stream /*stream*/) { absent(); }
  virtual void fill(Address /*to*/, std::uint32_t /*value*/, std::uint64_t /*size*/, shmalloc_stream /*stream*/) { absent(); }
  virtual void call(shmalloc_stream /*stream*/, shmalloc_work_fn /*fn*/, void * /*argument*/) { absent(); }
  virtual void synchronize() { absent(); }
  virtual bool stream_capturing(shmalloc_stream /*stream*/) { absent(); }
  /** The peer is a device of the same class. */
  virtual void enable_peer(Backend & /*peer*/) { absent(); }

  // Streams and events: all or none.
  virtual shmalloc_stream stream_create() { absent(); }
  virtual void stream_destroy(shmalloc_stream /*stream*/) { absent(); }
  virtual void stream_synchronize(shmalloc_stream /*stream*/) { absent(); }
  virtual void stream_wait(shmalloc_event /*event*/, shmalloc_stream /*stream*/) { absent(); }
  virtual shmalloc_event event_create() { absent(); }
  virtual void event_destroy(shmalloc_event /*event*/) { absent(); }
  virtual void event_record(shmalloc_event /*event*/, shmalloc_stream /*stream*/) { absent(); }
  virtual bool event_query(shmalloc_event /*event*/) { absent(); }
  virtual void event_synchronize(shmalloc_event /*event*/) { absent(); }

  // Virtual memory: all or none. `access` is a shmalloc_access; 0: nothing may be done there.
  virtual Address virtual_reserve(std::uint64_t /*size*/) { absent(); }
  virtual void virtual_unreserve(Address /*address*/, std::uint64_t /*size*/) { absent(); }
  virtual std::uint64_t virtual_create(std::uint64_t /*size*/) { absent(); }
  virtual void virtual_destroy(std::uint64_t /*memory*/) { absent(); }
  virtual void virtual_map(Address /*address*/, std::uint64_t /*size*/, std::uint64_t /*memory*/) { absent(); }
  virtual void virtual_unmap(Address /*address*/, std::uint64_t /*size*/) { absent(); }
  virtual void virtual_access(Address /*address*/, std::uint64_t /*size*/, std::uint64_t /*access*/) { absent(); }

 private:
  [[noreturn]] static void absent() { throw UnsupportedError("a function that the device does not have"); }
};

namespace detail {

/* Does something with a device, and says how it went as the C library hears it. */
template <class Body>
std::int32_t answer_of(void *userdata, Body body) noexcept {
  try {
    body(*static_cast<Backend *>(userdata));
    return SHMALLOC_STATUS_OK;
  } catch (const Error &error) {
    if (error.backend_error() > 0 && error.backend_error() <= INT32_MAX) return static_cast<std::int32_t>(error.backend_error());
    return error.status() == Status::ok ? SHMALLOC_STATUS_INTERNAL : static_cast<std::int32_t>(error.status());
  } catch (const std::bad_alloc &) {
    return SHMALLOC_STATUS_NO_MEMORY;
  } catch (...) {
    return SHMALLOC_STATUS_INTERNAL;
  }
}

/* All functions that a device can have, as the C library calls them; `u` is the Backend. */
inline shmalloc_backend whole_table() noexcept {
  using Number = std::uint64_t;
  auto table = SHMALLOC_INIT(shmalloc_backend);
  table.allocate = [](Number size, Number *out, void *u) {
    return answer_of(u, [&](Backend &self) { *out = self.allocate(size); });
  };
  table.deallocate = [](Number address, Number size, void *u) {
    return answer_of(u, [&](Backend &self) { self.deallocate(address, size); });
  };
  table.memory_info = [](Number *available, Number *total, void *u) {
    return answer_of(u, [&](Backend &self) {
      const BackendMemory memory = self.memory_info();
      *available = memory.available;
      *total = memory.total;
    });
  };
  table.copy = [](Number to, Number from, Number size, Number stream, void *u) {
    return answer_of(u, [&](Backend &self) { self.copy(to, from, size, stream); });
  };
  table.fill = [](Number to, std::uint32_t value, Number size, Number stream, void *u) {
    return answer_of(u, [&](Backend &self) { self.fill(to, value, size, stream); });
  };
  table.call = [](Number stream, shmalloc_work_fn fn, void *argument, void *u) {
    return answer_of(u, [&](Backend &self) { self.call(stream, fn, argument); });
  };
  table.synchronize = [](void *u) { return answer_of(u, [&](Backend &self) { self.synchronize(); }); };
  table.stream_create = [](Number, Number *out, void *u) {
    return answer_of(u, [&](Backend &self) { *out = self.stream_create(); });
  };
  table.stream_destroy = [](Number stream, void *u) { return answer_of(u, [&](Backend &self) { self.stream_destroy(stream); }); };
  table.stream_synchronize = [](Number stream, void *u) {
    return answer_of(u, [&](Backend &self) { self.stream_synchronize(stream); });
  };
  table.stream_wait = [](Number event, Number stream, void *u) {
    return answer_of(u, [&](Backend &self) { self.stream_wait(event, stream); });
  };
  table.stream_capturing = [](Number number, std::int32_t *out, void *u) {
    return answer_of(u, [&](Backend &self) { *out = self.stream_capturing(number) ? 1 : 0; });
  };
  table.event_create = [](Number, Number *out, void *u) {
    return answer_of(u, [&](Backend &self) { *out = self.event_create(); });
  };
  table.event_destroy = [](Number event, void *u) { return answer_of(u, [&](Backend &self) { self.event_destroy(event); }); };
  table.event_record = [](Number event, Number stream, void *u) {
    return answer_of(u, [&](Backend &self) { self.event_record(event, stream); });
  };
  table.event_query = [](Number number, std::int32_t *out, void *u) {
    return answer_of(u, [&](Backend &self) { *out = self.event_query(number) ? 1 : 0; });
  };
  table.event_synchronize = [](Number event, void *u) {
    return answer_of(u, [&](Backend &self) { self.event_synchronize(event); });
  };
  table.virtual_reserve = [](Number size, Number *out, void *u) {
    return answer_of(u, [&](Backend &self) { *out = self.virtual_reserve(size); });
  };
  table.virtual_unreserve = [](Number address, Number size, void *u) {
    return answer_of(u, [&](Backend &self) { self.virtual_unreserve(address, size); });
  };
  table.virtual_create = [](Number size, Number *out, void *u) {
    return answer_of(u, [&](Backend &self) { *out = self.virtual_create(size); });
  };
  table.virtual_destroy = [](Number memory, void *u) { return answer_of(u, [&](Backend &self) { self.virtual_destroy(memory); }); };
  table.virtual_map = [](Number address, Number size, Number memory, void *u) {
    return answer_of(u, [&](Backend &self) { self.virtual_map(address, size, memory); });
  };
  table.virtual_unmap = [](Number address, Number size, void *u) {
    return answer_of(u, [&](Backend &self) { self.virtual_unmap(address, size); });
  };
  table.virtual_access = [](Number address, Number size, Number access, void *u) {
    return answer_of(u, [&](Backend &self) { self.virtual_access(address, size, access); });
  };
  return table;
}

/* Which functions a class has it says by overriding them: else its member is Backend's own, and of another type. */
template <class Function, class Own, class Inherited>
void keep(Function &function, Own /*own*/, Inherited /*inherited*/) noexcept {
  if (std::is_same_v<Own, Inherited>) function = nullptr;
}

template <class T>
shmalloc_backend table_of() noexcept {
  auto table = whole_table();
  // One function for each class: the library asks only devices with the same one to be peers.
  table.enable_peer = [](void *peer, void *u) {
    return answer_of(u, [&](Backend &self) { self.enable_peer(*static_cast<Backend *>(peer)); });
  };
  keep(table.memory_info, &T::memory_info, &Backend::memory_info);
  keep(table.copy, &T::copy, &Backend::copy);
  keep(table.fill, &T::fill, &Backend::fill);
  keep(table.call, &T::call, &Backend::call);
  keep(table.synchronize, &T::synchronize, &Backend::synchronize);
  keep(table.stream_create, &T::stream_create, &Backend::stream_create);
  keep(table.stream_destroy, &T::stream_destroy, &Backend::stream_destroy);
  keep(table.stream_synchronize, &T::stream_synchronize, &Backend::stream_synchronize);
  keep(table.stream_wait, &T::stream_wait, &Backend::stream_wait);
  keep(table.stream_capturing, &T::stream_capturing, &Backend::stream_capturing);
  keep(table.event_create, &T::event_create, &Backend::event_create);
  keep(table.event_destroy, &T::event_destroy, &Backend::event_destroy);
  keep(table.event_record, &T::event_record, &Backend::event_record);
  keep(table.event_query, &T::event_query, &Backend::event_query);
  keep(table.event_synchronize, &T::event_synchronize, &Backend::event_synchronize);
  keep(table.virtual_reserve, &T::virtual_reserve, &Backend::virtual_reserve);
  keep(table.virtual_unreserve, &T::virtual_unreserve, &Backend::virtual_unreserve);
  keep(table.virtual_create, &T::virtual_create, &Backend::virtual_create);
  keep(table.virtual_destroy, &T::virtual_destroy, &Backend::virtual_destroy);
  keep(table.virtual_map, &T::virtual_map, &Backend::virtual_map);
  keep(table.virtual_unmap, &T::virtual_unmap, &Backend::virtual_unmap);
  keep(table.virtual_access, &T::virtual_access, &Backend::virtual_access);
  keep(table.enable_peer, &T::enable_peer, &Backend::enable_peer);
  return table;
}

}  // namespace detail

/** Make a device of type custom. It ends with unregister_device(), or is not used any more once the process exits; it goes on failure too.
 *  T is the class itself, not a base of it. NoSpaceError: 64 are there already; InvalidError: says which function is missing. */
template <class T>
Device register_device(std::unique_ptr<T> backend, const BackendOptions &options) {
  static_assert(std::is_base_of_v<Backend, T>, "a device is a class derived from Backend");
  if (backend == nullptr) throw InvalidError("a device of nothing");
  const detail::Text name(options.name);
  auto table = detail::table_of<T>();
  table.name = name.get();
  table.alignment = options.alignment;
  table.page_size = options.page_size;
  table.capabilities = detail::bit_if(options.host_access, SHMALLOC_CAPABILITY_HOST_ACCESS);
  const auto drop = [](void *userdata) noexcept { delete static_cast<Backend *>(userdata); };
  Backend *const given = backend.release();
  shmalloc_device number = 0;
  detail::call(shmalloc_device_register, &table, static_cast<void *>(given), static_cast<shmalloc_destroy_fn>(drop), &number);
  return Device::of(number);
}

/** Such a device is not used any more: its number is void at once, and its object destroyed. BusyError: allocators of it are there. */
inline void unregister_device(Device device) { detail::call(shmalloc_device_unregister, device.number()); }

}  // namespace v0
}  // namespace shmalloc

#endif
