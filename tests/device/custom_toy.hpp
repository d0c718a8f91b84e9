// A table of functions that do nothing: they give numbers, count what is out, and answer what they are told to.
#pragma once

#include <atomic>
#include <cstring>

#include "device/custom/custom_device.hpp"
#include "lab.hpp"

struct Toy {
  const char *failing = "";     // this function ..
  std::int32_t code = 0;        // .. answers that
  const char *lying = "";       // this function ..
  std::uint64_t lie = 0;        // .. gives this number, which counts as out
  std::int32_t yes = 1;         // the answer of those that are asked ..
  std::int32_t captured = -3;   // .. but for this one, unless it is -3
  std::uint64_t available = 5;  // bytes
  std::uint64_t total = 9;
  std::uint8_t *finished = nullptr;  // what a wait for a stream sets to 77

  std::atomic<std::uint64_t> next{std::uint64_t{1} << 20};
  std::atomic<long> out{0};  // made and not given back
  std::atomic<long> calls{0};
  std::atomic<int> ends{0};
  int waits = 0;  // for events
  // The last call.
  const char *name = "";
  std::uint64_t number = 0;
  std::uint64_t size = 0;

  static Toy &of(void *userdata) { return *static_cast<Toy *>(userdata); }
  static void end(void *userdata) { of(userdata).ends.fetch_add(1); }

  std::int32_t make(const char *function, std::uint64_t bytes, std::uint64_t *out_number) {
    if (const std::int32_t answer = act(function, 0, bytes); answer != 0) return answer;
    *out_number = number = std::strcmp(lying, function) == 0 ? lie : next.fetch_add(std::uint64_t{1} << 20);
    out.fetch_add(1);
    return 0;
  }
  std::int32_t end_of(const char *function, std::uint64_t which, std::uint64_t bytes) {
    const std::int32_t answer = act(function, which, bytes);
    if (answer == 0) out.fetch_sub(1);
    return answer;
  }
  std::int32_t ask(const char *function, std::uint64_t which, std::int32_t *out_yes) {
    const std::int32_t answer = captured != -3 && std::strcmp(function, "stream_capturing") == 0 ? captured : yes;
    if (answer != -1) *out_yes = answer;
    return act(function, which, 0);
  }
  std::int32_t act(const char *function, std::uint64_t which, std::uint64_t bytes) {
    calls.fetch_add(1);
    name = function;
    number = which;
    size = bytes;
    if (std::strcmp(function, "event_synchronize") == 0) ++waits;
    if (finished != nullptr && std::strcmp(function, "stream_synchronize") == 0) *finished = 77;
    return std::strcmp(failing, function) == 0 ? code : 0;
  }
};

inline shmalloc_backend toy_table() {
  using Number = std::uint64_t;
  shmalloc_backend table = SHMALLOC_INIT(shmalloc_backend);
  table.name = "toy";
  table.alignment = 4096;
  table.page_size = 65536;
#define TOY_MAKES(function) table.function = [](Number size, Number *out, void *u) { return Toy::of(u).make(#function, size, out); }
#define TOY_ENDS(function) table.function = [](Number number, void *u) { return Toy::of(u).end_of(#function, number, 0); }
#define TOY_ASKS(function) \
  table.function = [](Number number, std::int32_t *out, void *u) { return Toy::of(u).ask(#function, number, out); }
#define TOY_DOES(function) table.function = [](Number number, void *u) { return Toy::of(u).act(#function, number, 0); }
#define TOY_ORDERS(function) \
  table.function = [](Number event, Number stream, void *u) { return Toy::of(u).act(#function, event, stream); }
  TOY_MAKES(allocate);
  table.deallocate = [](Number address, Number size, void *u) { return Toy::of(u).end_of("deallocate", address, size); };
  table.memory_info = [](Number *available, Number *total, void *u) {
    *available = Toy::of(u).available;
    *total = Toy::of(u).total;
    return Toy::of(u).act("memory_info", 0, 0);
  };
  table.copy = [](Number to, Number, Number size, Number, void *u) { return Toy::of(u).act("copy", to, size); };
  table.fill = [](Number to, std::uint32_t, Number size, Number, void *u) { return Toy::of(u).act("fill", to, size); };
  table.call = [](Number stream, shmalloc_work_fn, void *, void *u) { return Toy::of(u).act("call", stream, 0); };
  table.synchronize = [](void *u) { return Toy::of(u).act("synchronize", 0, 0); };
  TOY_MAKES(stream_create);
  TOY_ENDS(stream_destroy);
  TOY_DOES(stream_synchronize);
  TOY_ORDERS(stream_wait);
  TOY_ASKS(stream_capturing);
  TOY_MAKES(event_create);
  TOY_ENDS(event_destroy);
  TOY_ORDERS(event_record);
  TOY_ASKS(event_query);
  TOY_DOES(event_synchronize);
  TOY_MAKES(virtual_reserve);
  table.virtual_unreserve = [](Number address, Number size, void *u) {
    return Toy::of(u).end_of("virtual_unreserve", address, size);
  };
  TOY_MAKES(virtual_create);
  TOY_ENDS(virtual_destroy);
  table.virtual_map = [](Number address, Number size, Number, void *u) { return Toy::of(u).act("virtual_map", address, size); };
  table.virtual_unmap = [](Number address, Number size, void *u) { return Toy::of(u).act("virtual_unmap", address, size); };
  table.virtual_access = [](Number address, Number, Number what, void *u) {
    return Toy::of(u).act("virtual_access", address, what);
  };
  table.enable_peer = [](void *peer, void *u) { return Toy::of(u).act("enable_peer", Toy::of(peer).total, 0); };
#undef TOY_MAKES
#undef TOY_ENDS
#undef TOY_ASKS
#undef TOY_DOES
#undef TOY_ORDERS
  return table;
}

namespace conformance {

inline Result<CustomDevice> device_of(Toy &toy, const shmalloc_backend &table = toy_table()) {
  return CustomDevice::make(table, &toy, Toy::end);
}

// Whether it fails so, and says all of this.
template <class T>
bool says(const Result<T> &result, Status status, std::initializer_list<const char *> words) {
  if (!fails(result, status)) return false;
  for (const char *word : words) {
    if (strstr(result.error().message, word) != nullptr) continue;
    print_message("# \"%s\" does not say \"%s\"\n", result.error().message, word);
    return false;
  }
  return true;
}

// One of everything.
struct Things {
  explicit Things(CustomDevice &device)
      : block(*device.allocate(100)),
        range(*device.reserve(65536)),
        memory(*device.create(65536)),
        stream(*device.create_stream()),
        event(*device.create_event()) {}
  Address block;
  Address range;
  Physical memory;
  Stream stream;
  Event event;
};

}  // namespace conformance
