// Custom devices whose table hands everything on to the host's device: whole ones, and some with functions taken out, which must keep the
// same rules.
#pragma once

#include <mutex>
#include <set>

#include "device/custom/custom_device.hpp"
#include "device/streams/host_device.hpp"
#include "lab.hpp"

namespace forward {

using namespace conformance;

struct Backing {
  HostDevice device;
  char name[32];
};

inline HostDevice &host(void *userdata) { return static_cast<Backing *>(userdata)->device; }

inline std::int32_t code(const Result<void> &result) { return result ? 0 : result.error().status; }
template <class T>
std::int32_t put(Result<T> result, std::uint64_t *out) {
  if (!result) return result.error().status;
  *out = static_cast<std::uint64_t>(*result);
  return 0;
}
inline std::int32_t put_yes(Result<bool> result, std::int32_t *out) {
  if (!result) return result.error().status;
  *out = *result ? 1 : 0;
  return 0;
}

using Number = std::uint64_t;

inline shmalloc_backend table(const Backing &backing) {
  shmalloc_backend table = SHMALLOC_INIT(shmalloc_backend);
  table.name = backing.name;
  HostDevice device = backing.device;
  const Description description = device.describe();
  table.alignment = description.alignment;
  table.page_size = description.page;
  table.capabilities = SHMALLOC_CAPABILITY_HOST_ACCESS;
  table.allocate = [](Number size, Number *out, void *u) { return put(host(u).allocate(size), out); };
  table.deallocate = [](Number address, Number, void *u) { return code(host(u).free(address)); };
  table.memory_info = [](Number *available, Number *total, void *u) {
    auto info = host(u).memory_info();
    if (!info) return static_cast<std::int32_t>(info.error().status);
    *available = info->available;
    *total = info->total;
    return 0;
  };
  table.copy = [](Number to, Number from, Number size, Number stream, void *u) {
    return code(host(u).copy(to, from, size, stream));
  };
  table.fill = [](Number to, std::uint32_t value, Number size, Number stream, void *u) {
    return code(host(u).fill(to, static_cast<std::uint8_t>(value), size, stream));
  };
  table.call = [](Number stream, shmalloc_work_fn fn, void *argument, void *u) { return code(host(u).call(stream, fn, argument)); };
  table.synchronize = [](void *u) { return code(host(u).synchronize()); };
  table.stream_create = [](Number, Number *out, void *u) { return put(host(u).create_stream(), out); };
  table.stream_destroy = [](Number stream, void *u) { return code(host(u).destroy_stream(stream)); };
  table.stream_synchronize = [](Number stream, void *u) { return code(host(u).synchronize_stream(stream)); };
  table.stream_wait = [](Number event, Number stream, void *u) { return code(host(u).wait(stream, Event{event})); };
  table.stream_capturing = [](Number stream, std::int32_t *out, void *u) { return put_yes(host(u).capturing(stream), out); };
  table.event_create = [](Number, Number *out, void *u) { return put(host(u).create_event(), out); };
  table.event_destroy = [](Number event, void *u) { return code(host(u).destroy_event(Event{event})); };
  table.event_record = [](Number event, Number stream, void *u) { return code(host(u).record(Event{event}, stream)); };
  table.event_query = [](Number event, std::int32_t *out, void *u) { return put_yes(host(u).done(Event{event}), out); };
  table.event_synchronize = [](Number event, void *u) { return code(host(u).synchronize_event(Event{event})); };
  table.virtual_reserve = [](Number size, Number *out, void *u) { return put(host(u).reserve(size), out); };
  table.virtual_unreserve = [](Number address, Number size, void *u) { return code(host(u).unreserve(address, size)); };
  table.virtual_create = [](Number size, Number *out, void *u) { return put(host(u).create(size), out); };
  table.virtual_destroy = [](Number memory, void *u) { return code(host(u).destroy(Physical{memory})); };
  table.virtual_map = [](Number address, Number size, Number memory, void *u) {
    return code(host(u).map(address, size, Physical{memory}));
  };
  table.virtual_unmap = [](Number address, Number size, void *u) { return code(host(u).unmap(address, size)); };
  table.virtual_access = [](Number address, Number size, Number access, void *u) {
    return code(host(u).set_access(address, size, access == 0 ? Access::none : access == 1 ? Access::read : Access::write));
  };
  table.enable_peer = [](void *peer, void *u) { return code(host(u).allow_peer(host(peer))); };
  return table;
}

inline void without_virtual_memory(shmalloc_backend *table) {
  table->page_size = 0;
  table->virtual_reserve = nullptr;
  table->virtual_unreserve = nullptr;
  table->virtual_create = nullptr;
  table->virtual_destroy = nullptr;
  table->virtual_map = nullptr;
  table->virtual_unmap = nullptr;
  table->virtual_access = nullptr;
}

inline void without_streams(shmalloc_backend *table) {
  table->stream_create = nullptr;
  table->stream_destroy = nullptr;
  table->stream_synchronize = nullptr;
  table->stream_wait = nullptr;
  table->event_create = nullptr;
  table->event_destroy = nullptr;
  table->event_record = nullptr;
  table->event_query = nullptr;
  table->event_synchronize = nullptr;
}

// What is taken out.

inline void nothing(shmalloc_backend * /*table*/) {}

inline void pages_and_synchronize(shmalloc_backend *table) {
  without_virtual_memory(table);
  table->synchronize = nullptr;
}

// The host does the work.
inline void all_work(shmalloc_backend *table) {
  table->copy = nullptr;
  table->fill = nullptr;
  table->call = nullptr;
  table->enable_peer = nullptr;
}

// Work is done when its call returns.
inline void all_streams(shmalloc_backend *table) {
  without_virtual_memory(table);
  without_streams(table);
  table->synchronize = nullptr;
  table->stream_capturing = nullptr;
  table->call = nullptr;
  table->enable_peer = nullptr;
  table->copy = [](Number to, Number from, Number size, Number, void *) {
    memcpy(reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), size);
    return 0;
  };
  table->fill = [](Number to, std::uint32_t value, Number size, Number, void *) {
    memset(reinterpret_cast<void *>(to), static_cast<int>(value), size);
    return 0;
  };
}

inline void all_but_memory(shmalloc_backend *table) {
  all_streams(table);
  all_work(table);
  table->memory_info = nullptr;
}

using Taking = void (*)(shmalloc_backend *table);

inline Result<CustomDevice> open(std::uint32_t index, Taking taking) {
  SHMALLOC_TRY(device, HostDevice::make(index));
  auto *backing = new Backing{std::move(device), {}};
  snprintf(backing->name, sizeof backing->name, "forward %u", index);
  shmalloc_backend table = forward::table(*backing);
  taking(&table);
  auto made = CustomDevice::make(table, backing, [](void *u) { delete static_cast<Backing *>(u); });
  if (!made) delete backing;
  return made;
}

// Devices as the rules want them.

struct Whole : CustomDevice {
  explicit Whole(CustomDevice device) : CustomDevice(std::move(device)) {}
};

// Without call and peers, which the rules would try.
struct Plain : Whole {
  using Whole::Whole;
  Result<void> call(Stream, Function, void *) = delete;
  Result<void> allow_peer(const CustomDevice &) = delete;
};
static_assert(Backend<Plain> && !Calling<Plain> && !Peering<Plain>);

// The rules need more streams than one: here they are names for the default one.
struct OnDefault : Plain {
  explicit OnDefault(CustomDevice device) : Plain(std::move(device)) {}

  Result<Stream> create_stream() {
    const std::lock_guard lock(names_->mutex);
    names_->all.insert(++names_->last);
    return names_->last;
  }
  Result<void> destroy_stream(Stream stream) {
    SHMALLOC_CHECK(check(stream));
    const std::lock_guard lock(names_->mutex);
    return names_->all.erase(stream) == 1 ? Result<void>() : none();
  }
  Result<void> synchronize_stream(Stream stream) {
    SHMALLOC_CHECK(check(stream));
    return Plain::synchronize_stream(0);
  }
  Result<bool> capturing(Stream stream) {
    SHMALLOC_CHECK(check(stream));
    return Plain::capturing(0);
  }
  Result<void> record(Event event, Stream stream) {
    SHMALLOC_CHECK(check(stream));
    return Plain::record(event, 0);
  }
  Result<void> wait(Stream stream, Event event) {
    SHMALLOC_CHECK(check(stream));
    return Plain::wait(0, event);
  }
  Result<void> copy(Address to, Address from, std::size_t size, Stream stream) {
    SHMALLOC_CHECK(check(stream));
    return Plain::copy(to, from, size, 0);
  }
  Result<void> fill(Address to, std::uint8_t value, std::size_t size, Stream stream) {
    SHMALLOC_CHECK(check(stream));
    return Plain::fill(to, value, size, 0);
  }

 private:
  struct Names {
    std::mutex mutex;
    std::set<Stream> all;
    Stream last = 1000;
  };
  static Error none() { return (shmalloc::fail)(SHMALLOC_STATUS_INVALID, 0, "no such stream"); }
  Result<void> check(Stream stream) {
    const std::lock_guard lock(names_->mutex);
    return stream == 0 || names_->all.count(stream) == 1 ? Result<void>() : none();
  }

  std::shared_ptr<Names> names_ = std::make_shared<Names>();
};

template <class D, Taking taking>
struct Subject {
  using Device = D;
  static Result<D> open(std::uint32_t index) {
    SHMALLOC_TRY(device, forward::open(index, taking));
    return D(std::move(device));
  }
  static constexpr long kPatience = 60;
  static constexpr bool kForeignStreams = false;
};

}  // namespace forward
