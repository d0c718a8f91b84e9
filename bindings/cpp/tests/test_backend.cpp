// Devices of one's own: a class becomes one.
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>

#include "check.hpp"

using namespace shmalloc;

struct Counts {
  std::atomic<int> out{0}, copies{0}, ended{0};
};

/* Memory that the host can't touch, or so it says; without streams. */
class Plain : public Backend {
 public:
  explicit Plain(Counts &counts, std::uint64_t total = 0) : counts_(counts), total_(total) {}
  ~Plain() override { counts_.ended.fetch_add(1); }

  Address allocate(std::uint64_t size) override {
    if (size > (64U << 20U)) throw std::bad_alloc();
    void *made = std::aligned_alloc(4096, (size + 4095) & ~std::uint64_t{4095});
    if (made == nullptr) throw NoMemoryError("no more");
    counts_.out.fetch_add(1);
    return address_of(made);
  }
  void deallocate(Address address, std::uint64_t) override {
    counts_.out.fetch_sub(1);
    std::free(reinterpret_cast<void *>(address));
  }
  void copy(Address to, Address from, std::uint64_t size, shmalloc_stream stream) override {
    if (stream != 0) throw InvalidError("there is one stream");
    counts_.copies.fetch_add(1);
    std::memcpy(reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), size);
  }

 protected:
  Counts &counts_;
  std::uint64_t total_;
};

/* It has more, and its fill fails with the driver's code 77. */
class More final : public Plain {
 public:
  using Plain::Plain;
  More *peer = nullptr;

  BackendMemory memory_info() override { return {total_ / 2, total_}; }
  void fill(Address, std::uint32_t value, std::uint64_t, shmalloc_stream) override {
    if (value == 1) throw BackendError("the driver says no", 0, 77);
    if (value == 2) throw std::runtime_error("what is that?");
    throw Error(Status::busy, "not now");
  }
  void call(shmalloc_stream, shmalloc_work_fn fn, void *argument) override { fn(argument); }
  void synchronize() override { throw Error(Status::ok, "a failure that says that it is none"); }
  void enable_peer(Backend &other) override { peer = static_cast<More *>(&other); }
};

/* One stream function of nine. */
class Half final : public Plain {
 public:
  using Plain::Plain;
  shmalloc_stream stream_create() override { return 5; }
};

static BackendOptions named(const char *name) {
  BackendOptions options;
  options.name = name;
  options.alignment = 4096;
  return options;
}

static void plain() {
  Counts counts;
  const Device device = register_device(std::make_unique<Plain>(counts), named("plain"));
  CHECK(device.type() == DeviceType::custom && device.info().name == "plain" && device.info().count == 1);
  CHECK(device.info().capabilities == Capability::none && device.info().page_size == 4096);
  {
    const Allocator allocator(device);
    Storage storage(allocator, 5000);
    CHECK(storage.data() == nullptr && storage.address() != 0 && storage.size() == 5000 && counts.out.load() > 0);
    THROWS(UnsupportedError, storage.view());
    THROWS(UnsupportedError, storage.const_view());
    CHECK(storage.info().pins == 0 && storage.info().references == 1);
    THROWS(UnsupportedError, memory_resource(allocator.share_reference()));

    std::vector<char> text(5000, 'p');
    storage.copy_from(Storage::adopt(text));
    Storage back(5000);
    back.copy_from(storage);
    CHECK(back.data()[4999] == std::byte{'p'} && counts.copies.load() == 2);
    THROWS(NoMemoryError, Storage(allocator, std::size_t{100} << 20U));
    THROWS(UnsupportedError, device.fill(storage.address(), 0, 1));
    THROWS(UnsupportedError, Stream{device});
    THROWS(UnsupportedError, Stream::foreign(device, 0).call([] {}));
    storage.release();
    Observer observer = allocator.observe(NoticeKind::out_of_memory, [](const Notice &) {});
    THROWS(BusyError, unregister_device(device));
    Observer moved = std::move(observer);
    observer = std::move(moved);
    CHECK(counts.ended.load() == 0);
  }
  CHECK(counts.out.load() == 0);
  unregister_device(device);
  CHECK(counts.ended.load() == 1);
  THROWS(NotFoundError, unregister_device(device));
  THROWS(NotFoundError, device.info());
  THROWS(NotFoundError, unregister_device(Device::host()));
}

static void failures_come_through() {
  Counts counts;
  auto made = std::make_unique<More>(counts, 1 << 20);
  More &first = *made;
  const Device device = register_device(std::move(made), named("more"));
  const Device peer = register_device(std::make_unique<More>(counts, 1 << 20), named("peer"));
  const Device other = register_device(std::make_unique<Plain>(counts), named("other"));
  CHECK(device.info().total == 1 << 20 && device.info().available == 1 << 19);
  CHECK(has(device.info().capabilities, Capability::call | Capability::peers));

  int byte = 0;
  try {
    device.fill(address_of(&byte), 1, 1);
    CHECK(false);
  } catch (const BackendError &error) {
    CHECK(error.backend_error() == 77 && std::string(error.what()).find("more") != std::string::npos);
  }
  THROWS(InternalError, device.fill(address_of(&byte), 2, 1));
  THROWS(BusyError, device.fill(address_of(&byte), 3, 1));
  THROWS(InternalError, device.synchronize());

  Stream::foreign(device, 0).call([&byte] { byte = 9; });
  CHECK(byte == 9);
  device.enable_peer(peer);
  CHECK(first.peer != nullptr && first.peer != &first);
  THROWS(UnsupportedError, device.enable_peer(other));  // of another class
  for (const Device one : {device, peer, other}) unregister_device(one);
  CHECK(counts.ended.load() == 3);
}

static void refused() {
  Counts counts;
  THROWS(InvalidError, register_device(std::make_unique<Half>(counts), named("half")));
  THROWS(InvalidError, register_device(std::make_unique<Plain>(counts), named("")));
  BackendOptions odd = named("odd");
  odd.alignment = 3;
  THROWS(InvalidError, register_device(std::make_unique<Plain>(counts), odd));
  odd = named("odd");
  odd.page_size = 4096;  // without virtual memory
  THROWS(InvalidError, register_device(std::make_unique<Plain>(counts), odd));
  CHECK(counts.ended.load() == 4);
  THROWS(InvalidError, register_device(std::unique_ptr<Plain>(), named("nothing")));
}

/* Every function writes down its name and its arguments. */
class Told final : public Backend {
 public:
  explicit Told(std::string &last) : last_(last) {}
  std::string &last_;

  std::uint64_t tell(const char *name, std::initializer_list<std::uint64_t> numbers, std::uint64_t answer = 0) {
    last_ = name;
    for (const std::uint64_t number : numbers) last_ += " " + std::to_string(number);
    return answer;
  }
  Address allocate(std::uint64_t size) override { return tell("allocate", {size}, 1 << 20); }
  void deallocate(Address address, std::uint64_t size) override { tell("deallocate", {address, size}); }
  BackendMemory memory_info() override { return {tell("memory_info", {}, 3), 4}; }
  void copy(Address to, Address from, std::uint64_t size, shmalloc_stream stream) override {
    tell("copy", {to, from, size, stream});
  }
  void fill(Address to, std::uint32_t value, std::uint64_t size, shmalloc_stream stream) override {
    tell("fill", {to, value, size, stream});
  }
  void call(shmalloc_stream stream, shmalloc_work_fn fn, void *argument) override {
    tell("call", {stream});
    fn(argument);
  }
  void synchronize() override { tell("synchronize", {}); }
  bool stream_capturing(shmalloc_stream stream) override { return tell("stream_capturing", {stream}, 1) != 0; }
  void enable_peer(Backend &peer) override { tell("enable_peer", {address_of(&peer)}); }
  shmalloc_stream stream_create() override { return tell("stream_create", {}, 11); }
  void stream_destroy(shmalloc_stream stream) override { tell("stream_destroy", {stream}); }
  void stream_synchronize(shmalloc_stream stream) override { tell("stream_synchronize", {stream}); }
  void stream_wait(shmalloc_event event, shmalloc_stream stream) override { tell("stream_wait", {event, stream}); }
  shmalloc_event event_create() override { return tell("event_create", {}, 22); }
  void event_destroy(shmalloc_event event) override { tell("event_destroy", {event}); }
  void event_record(shmalloc_event event, shmalloc_stream stream) override { tell("event_record", {event, stream}); }
  bool event_query(shmalloc_event event) override { return tell("event_query", {event}, 1) != 0; }
  void event_synchronize(shmalloc_event event) override { tell("event_synchronize", {event}); }
  Address virtual_reserve(std::uint64_t size) override { return tell("virtual_reserve", {size}, 33); }
  void virtual_unreserve(Address address, std::uint64_t size) override { tell("virtual_unreserve", {address, size}); }
  std::uint64_t virtual_create(std::uint64_t size) override { return tell("virtual_create", {size}, 44); }
  void virtual_destroy(std::uint64_t memory) override { tell("virtual_destroy", {memory}); }
  void virtual_map(Address address, std::uint64_t size, std::uint64_t memory) override {
    tell("virtual_map", {address, size, memory});
  }
  void virtual_unmap(Address address, std::uint64_t size) override { tell("virtual_unmap", {address, size}); }
  void virtual_access(Address address, std::uint64_t size, std::uint64_t access) override {
    tell("virtual_access", {address, size, access});
  }
};

/* Each entry of the table leads to the function of its name, with the arguments in their places. */
static void every_function() {
  std::string last;
  Told told(last), other(last);
  void *u = static_cast<Backend *>(&told);
  const shmalloc_backend table = detail::table_of<Told>();
  std::uint64_t number = 0, total = 0;
  std::int32_t yes = 0;
  const auto gives = [&](std::int32_t answer, const std::string &what, std::uint64_t out = 0) {
    const bool same = answer == 0 && last == what && number == out;
    if (!same)
      std::fprintf(stderr, "%s, not %s, with %d and %llu\n", last.c_str(), what.c_str(), answer,
                   static_cast<unsigned long long>(number));
    number = 0;
    last.clear();
    return same;
  };
  CHECK(gives(table.allocate(1, &number, u), "allocate 1", 1 << 20));
  CHECK(gives(table.deallocate(1, 2, u), "deallocate 1 2"));
  CHECK(gives(table.memory_info(&number, &total, u), "memory_info", 3) && total == 4);
  CHECK(gives(table.copy(1, 2, 3, 4, u), "copy 1 2 3 4"));
  CHECK(gives(table.fill(1, 2, 3, 4, u), "fill 1 2 3 4"));
  CHECK(gives(table.call(
                  1, [](void *out) { *static_cast<std::uint64_t *>(out) = 5; }, &number, u),
              "call 1", 5));
  CHECK(gives(table.synchronize(u), "synchronize"));
  CHECK(gives(table.stream_capturing(1, &yes, u), "stream_capturing 1") && std::exchange(yes, 0) == 1);
  CHECK(gives(table.enable_peer(static_cast<Backend *>(&other), u), "enable_peer " + std::to_string(address_of(&other))));
  CHECK(gives(table.stream_create(0, &number, u), "stream_create", 11));
  CHECK(gives(table.stream_destroy(1, u), "stream_destroy 1"));
  CHECK(gives(table.stream_synchronize(1, u), "stream_synchronize 1"));
  CHECK(gives(table.stream_wait(1, 2, u), "stream_wait 1 2"));
  CHECK(gives(table.event_create(0, &number, u), "event_create", 22));
  CHECK(gives(table.event_destroy(1, u), "event_destroy 1"));
  CHECK(gives(table.event_record(1, 2, u), "event_record 1 2"));
  CHECK(gives(table.event_query(1, &yes, u), "event_query 1") && yes == 1);
  CHECK(gives(table.event_synchronize(1, u), "event_synchronize 1"));
  CHECK(gives(table.virtual_reserve(1, &number, u), "virtual_reserve 1", 33));
  CHECK(gives(table.virtual_unreserve(1, 2, u), "virtual_unreserve 1 2"));
  CHECK(gives(table.virtual_create(1, &number, u), "virtual_create 1", 44));
  CHECK(gives(table.virtual_destroy(1, u), "virtual_destroy 1"));
  CHECK(gives(table.virtual_map(1, 2, 3, u), "virtual_map 1 2 3"));
  CHECK(gives(table.virtual_unmap(1, 2, u), "virtual_unmap 1 2"));
  CHECK(gives(table.virtual_access(1, 2, 3, u), "virtual_access 1 2 3"));

  // A class that overrides nothing has the two that all have.
  auto least = detail::table_of<Plain>();
  least.allocate = nullptr;
  least.deallocate = nullptr;
  least.copy = nullptr;
  const auto nothing = SHMALLOC_INIT(shmalloc_backend);
  CHECK(std::memcmp(&least, &nothing, sizeof least) == 0);
}

int main() {
  plain();
  failures_come_through();
  refused();
  every_function();
  std::puts("ok");
}
