// Allocators and what they tell, the machine, the log, PyTorch's counts and manager, containers, the library itself.
#include <sys/un.h>

#include <thread>

#include "check.hpp"

using namespace shmalloc;

static void library() {
  check_library();
  CHECK(version() == SHMALLOC_VERSION && std::string(version_string()) == "0.1.0");
  CHECK(abi_lookup("SHMALLOC_STATUS_STALE") == SHMALLOC_STATUS_STALE && !abi_lookup("no such thing"));
  CHECK(format_size(1536) == "1.50 KiB");
  CHECK(std::string(status_name(Status::no_space)) == "NO_SPACE");
}

template <Status kStatus>
static void thrown_as() {
  shmalloc_error error{static_cast<std::int32_t>(kStatus), 5, 6, "what"};
  try {
    detail::throw_error(error);
  } catch (const StatusError<kStatus> &caught) {
    CHECK(caught.status() == kStatus && caught.os_error() == 5 && caught.backend_error() == 6 &&
          caught.what() == std::string("what"));
    return;
  } catch (const Error &) {
  }
  CHECK(false);
}

template <int... kStatus>
static void each_has_its_class(std::integer_sequence<int, kStatus...> /*all*/) {
  (thrown_as<static_cast<Status>(-1 - kStatus)>(), ...);
  THROWS(InternalError, detail::throw_error(shmalloc_error{-1000, 0, 0, "of a later version"}));
}

static void allocators() {
  AllocatorOptions options;
  options.kind = Kind::map;
  options.name = "mine";
  options.config = "prefix:cpptest,export_ttl_ms:0";
  Allocator allocator(options);
  const AllocatorInfo info = allocator.info();
  CHECK(info.name == "mine" && info.kind == Kind::map && has(info.capabilities, Capability::export_bytes | Capability::grow));
  allocator.configure("export_ttl_ms:7");
  CHECK(allocator.config("export_ttl_ms") == "7" && allocator.config().find("prefix:cpptest") != std::string::npos);
  THROWS(InvalidError, allocator.configure("nonsense:1"));
  THROWS(NotFoundError, allocator.config("nonsense"));
  THROWS(InvalidError, Allocator(Kind::shared, "pages:tiny"));
  CHECK(Allocator::current().info().kind == Kind::shared);

  const Allocator before = Allocator::current();
  Storage held(10);
  THROWS(BusyError, allocator.make_current());
  held.release();
  allocator.make_current();
  CHECK(Storage(10).info().allocator_id == info.id);
  before.make_current();

  Allocator segments(Kind::shared);
  Storage(segments, 1 << 20).release();
  CHECK(segments.trim(Trim::free) > 0);
  Allocator gone = std::move(segments);
  THROWS(ClosedError, segments.trim());
}

static void traces() {
  const Allocator allocator(Kind::direct);
  record_history(allocator);
  { const Storage a(allocator, 1000), b(allocator, 2 << 20); }
  const Storage c(allocator, 500);
  Statistics numbers = statistics(allocator);
  CHECK(numbers.allocation[pool_all].current == 1 && numbers.allocation[pool_all].allocated == 3);
  CHECK(numbers.allocation[pool_large].peak == 1 && numbers.allocation[pool_small].peak == 1 &&
        numbers.allocation[pool_all].peak == 2);
  CHECK(numbers.requested_bytes[pool_all].current == 500);
  reset_statistics(allocator, Reset::peaks | Reset::accumulated);
  numbers = statistics(allocator);
  CHECK(numbers.allocation[pool_all].peak == 1 && numbers.allocation[pool_all].allocated == 0);
  const std::string text = snapshot(allocator);
  CHECK(text.front() == '{' && text.find("\"device_traces\"") != std::string::npos && text.find("\"alloc\"") != std::string::npos);
  HistoryOptions off;
  off.record = false;
  off.clear = true;
  record_history(allocator, off);
  CHECK(snapshot(allocator).find("\"alloc\"") == std::string::npos);
  CHECK(snapshot_storage(allocator, Allocator(Kind::shared)).is_shared());
  THROWS(ClosedError, statistics(Allocator()));
}

static void machine() {
  CHECK(describe_machine().front() == '{');
  const std::string prefix = "cpp" + std::to_string(getpid());
  StorageOptions named;
  named.name = make_name(prefix);
  named.mapped = Mapped::sharedmem;
  const Storage object(5000, named);
  std::vector<SharedObject> found;
  for (SharedObject &one : shared_objects(prefix))
    if (one.name == named.name) found.push_back(std::move(one));
  CHECK(found.size() == 1 && found[0].size == 5000 && found[0].maker == Maker::shmalloc && !found[0].refcount);
  CHECK(has(found[0].state, ObjectState::named | ObjectState::locked) && found[0].mode == 0600 && found[0].modified.count() > 0);
  int seen = 0;
  walk_machine([&seen](const SharedObject &) { return ++seen < 1; }, prefix);
  CHECK(seen == 1);
  THROWS(std::length_error, walk_machine([](const SharedObject &) { throw std::length_error("out of here"); }, prefix));
  ReclaimOptions options;
  options.name = named.name;
  THROWS(BusyError, reclaim(options));
  options.force = options.dry_run = true;
  CHECK(reclaim(options).objects == 1);
  options.dry_run = false;
  CHECK(reclaim(options).objects == 1);
  options.name = make_name(prefix);
  THROWS(NotFoundError, reclaim(options));
}

static void logs() {
  auto lines = std::make_shared<std::vector<std::string>>();
  const std::weak_ptr<std::vector<std::string>> watch = lines;
  set_log([lines](LogLevel level, std::string_view line) {
    CHECK(level == LogLevel::warning);
    lines->emplace_back(line);
    THROWS(BusyError, clear_log());
    throw std::runtime_error("goes nowhere");
  });
  // PyTorch's form of a handle, with a manager that does not answer: the object is opened all the same.
  const Storage counted(Allocator(Kind::map_refcounted), 100);
  ExportOptions as_torch;
  as_torch.format = Format::torch_file;
  as_torch.ttl = std::chrono::seconds(0);
  const Handle handle = counted.export_handle(as_torch);
  std::string managed = "/tmp/no-manager-of-" + std::to_string(getpid());
  for (const std::byte byte : handle) managed.push_back(static_cast<char>(byte));
  ImportOptions from_torch;
  from_torch.format = Format::torch_file;
  CHECK(Storage::import_handle(Handle(managed), from_torch).size() == 100);
  CHECK(lines->size() == 1 && lines->front().find("manager") != std::string::npos);
  lines.reset();
  CHECK(!watch.expired());
  set_log([](LogLevel, std::string_view) {}, LogLevel::error);  // the one before is destroyed
  CHECK(watch.expired());
  set_log(nullptr);
}

static void torch_counts() {
  const Allocator allocator(Kind::map_refcounted);
  const Storage storage(allocator, 100);
  CHECK(torch::refcount(storage) == 1 && torch::refcount(storage, 2) == 3 && torch::refcount(storage, -2) == 1);
  THROWS(UnsupportedError, torch::refcount(Storage(10)));
  THROWS(InvalidError, torch::refcount(storage, -5));

  std::array<int, 2> stop{};
  CHECK(pipe(stop.data()) == 0);
  const std::string path = "/tmp/shmalloc-cpp-" + std::to_string(getpid());
  std::thread manager([&] { torch::manager_run(path, stop[0]); });
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const Descriptor client(socket(AF_UNIX, SOCK_STREAM, 0));
  while (connect(client.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0) std::this_thread::yield();
  THROWS(ExistsError, torch::manager_run(path, stop[0]));
  close(stop[1]);
  manager.join();
  close(stop[0]);
  CHECK(access(path.c_str(), F_OK) != 0);
}

#ifdef SHMALLOC_CPP_HAS_MEMORY_RESOURCE
static void containers() {
  for (const Kind kind : {Kind::shared, Kind::map, Kind::direct}) {
    const Allocator allocator(kind);
    {
      memory_resource resource{allocator.share_reference()};
      std::pmr::vector<std::uint64_t> numbers(&resource);
      for (std::uint64_t i = 0; i < 10000; ++i) numbers.push_back(i * i);
      CHECK(numbers[9999] == 9999U * 9999U && allocator.info().live_storages == 1);
      Storage storage = resource.storage_of(numbers.data());
      CHECK(storage.data() == reinterpret_cast<std::byte *>(numbers.data()) && storage.size() >= 10000 * sizeof(std::uint64_t));
      if (storage.is_shared())
        CHECK(Storage::import_handle(storage.export_handle()).const_view().as<std::uint64_t>(0, 10000)[5] == 25);
      CHECK(!resource.storage_of(&numbers));

      std::pmr::vector<std::pmr::string> words(&resource);
      words.emplace_back("a text that is too long for the string's own room");
      CHECK(words[0].get_allocator().resource() == &resource);
      for (std::size_t alignment = 1; alignment <= 65536; alignment *= 2) {
        void *memory = resource.allocate(10, alignment);
        CHECK(reinterpret_cast<std::uintptr_t>(memory) % alignment == 0);
        static_cast<char *>(memory)[9] = 1;
        resource.deallocate(memory, 10, alignment);
      }
      void *one = resource.allocate(0), *other = resource.allocate(0);
      CHECK(one != other);
      resource.deallocate(one, 0);  // the other goes with the resource
      memory_resource second;
      CHECK(resource.is_equal(resource) && !resource.is_equal(second));
    }
    Allocator::trim_every(Trim::expired);
    CHECK(kind == Kind::shared || allocator.info().live_storages == 0);
  }
  memory_resource resource{Allocator(Kind::map)};
  THROWS(std::bad_alloc, resource.allocate(std::size_t{1} << 50));
  try {
    static_cast<void>(resource.allocate(std::size_t{1} << 50));
    CHECK(false);
  } catch (const AllocationError &error) {
    CHECK(error.error().status() != Status::ok && std::string(error.what()) == error.error().what());
  }
}
#else
static void containers() { std::puts("no <memory_resource> here"); }
#endif

int main() {
  library();
  each_has_its_class(std::make_integer_sequence<int, 18>());
  allocators();
  traces();
  machine();
  logs();
  torch_counts();
  containers();
  CHECK(names_left() == 0);
  std::puts("ok");
}
