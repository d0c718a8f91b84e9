// Allocators of devices: storages on streams, memory by address, settings, observers.
#include <cstring>
#include <thread>

#include "check.hpp"

using namespace shmalloc;

static constexpr Device device = Device::host_streams(5);
static constexpr std::uint64_t mib = 1 << 20;

static void allocators() {
  const Allocator allocator(device);
  CHECK(allocator.info().kind == Kind::caching && allocator.info().device == device);
  CHECK(has(allocator.info().capabilities, Capability::streams) && !has(allocator.info().capabilities, Capability::export_bytes));
  const Allocator current = Allocator::current(device);
  CHECK(current.info().kind == Kind::caching && current.info().id == Allocator::current(device).info().id);
  THROWS(NotFoundError, Allocator(Device::host_streams(64)));
  THROWS(UnsupportedError, Allocator::current(Device(DeviceType::vulkan)));
  AllocatorOptions wrong;
  wrong.kind = Kind::caching;
  THROWS(UnsupportedError, Allocator(wrong));  // of the host
}

static void storages() {
  const Allocator allocator(device);
  const Stream stream(device), other(device);
  StorageOptions on_stream;
  on_stream.stream = stream;
  on_stream.zeroed = true;
  Storage storage(allocator, 3 * mib, on_stream);
  CHECK(storage.device() == device && storage.address() != 0 && storage.info().kind == Kind::caching && !storage.is_shared());
  CHECK(Storage(10).device() == Device::host());

  std::vector<unsigned char> bytes(3 * mib, 7);
  const Storage from = Storage::adopt(bytes);
  CopyOptions copy;
  copy.offset = copy.source_offset = 1;
  copy.stream = stream;
  copy.non_blocking = true;
  storage.copy_from(from, copy);
  Storage back(allocator, 3 * mib, on_stream), home(3 * mib);
  CopyOptions rest;
  rest.stream = stream;
  back.copy_from(storage, rest);
  home.copy_from(back, rest);
  CHECK(home.data()[0] == std::byte{0} && home.data()[1] == std::byte{7} && home.data()[3 * mib - 1] == std::byte{7});

  storage.record_stream(other);
  const Found found = Storage::find(device, storage.address() + 5);
  CHECK(found.offset == 5 && found.storage.info().id == storage.info().id);
  THROWS(NotFoundError, Storage::find(reinterpret_cast<const void *>(storage.address())));  // not the host's
  storage.close();
  THROWS(ClosedError, storage.record_stream(other));
  THROWS(ClosedError, Storage().record_stream(other));
}

static void adopts() {
  int ended = 0;
  std::vector<char> memory(100, 'x');
  const Stream stream(device);
  AdoptOptions options;
  options.stream = stream;
  options.read_only = true;
  {
    Storage storage = Storage::adopt(
        device, address_of(memory.data()), 100, [&ended] { ++ended; }, options);
    CHECK(storage.device() == device && storage.address() == address_of(memory.data()) &&
          has(storage.info().state, State::read_only));
    CopyOptions copy;
    copy.stream = stream;
    Storage copied(100);
    copied.copy_from(storage, copy);
    CHECK(copied.data()[99] == std::byte{'x'} && ended == 0);
  }
  CHECK(ended == 1);
  THROWS(InvalidError, Storage::adopt(device, 0, 100, [&ended] { ++ended; }));
  CHECK(ended == 2);
}

static void memory_by_address() {
  Allocator allocator(device);
  const Stream stream(device), other(device);
  const Address address = allocator.allocate(1000, stream);
  CHECK(address != 0 && address % 512 == 0 && allocator.info().live_bytes >= 1000);
  const Segment base = allocator.base(address);
  CHECK(base.address <= address && address + 1000 <= base.address + base.size && base.size >= 2 * mib);
  allocator.deallocate(address);
  CHECK(allocator.allocate(1000, stream) == address);  // the same stream has it at once
  allocator.record_stream(address, other);
  allocator.deallocate(address, stream);
  THROWS(NotFoundError, allocator.deallocate(address));
  THROWS(NotFoundError, allocator.record_stream(address, other));
  THROWS(NotFoundError, allocator.base(address));
  CHECK(allocator.allocate(0) == 0);
  allocator.deallocate(0);
  THROWS(NoMemoryError, allocator.allocate(std::size_t{1} << 60));

  other.synchronize();  // else it waits there
  const CacheInfo info = allocator.cache_info();
  CHECK(info.total > 0 && info.available <= info.total && info.cached == base.size && info.largest >= 2 * mib);
  CHECK(allocator.trim(Trim::free) == base.size && allocator.cache_info().cached == 0);

  Allocator wrong(Kind::shared);
  THROWS(UnsupportedError, wrong.allocate(10));
  THROWS(UnsupportedError, wrong.deallocate(512));
  THROWS(UnsupportedError, wrong.record_stream(512, 0));
  THROWS(UnsupportedError, wrong.base(512));
  THROWS(UnsupportedError, wrong.cache_info());
  THROWS(UnsupportedError, wrong.configure(CachingOptions()));
  THROWS(UnsupportedError, wrong.observe(NoticeKind::memory_low, [](const Notice &) {}));
  THROWS(ClosedError, Allocator().allocate(10));
}

static void settings() {
  Allocator allocator(device, "max_split_size_mb:200");
  CHECK(allocator.config("max_split_size_mb") == "200");
  CachingOptions options;
  options.max_non_split_rounding = 30 * mib;
  options.garbage_collection_ppm = 800000;
  options.roundup_divisions = std::array<std::uint32_t, 16>{4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};
  allocator.configure(options);
  CHECK(allocator.config("max_split_size_mb") == "200" && allocator.config("max_non_split_rounding_mb") == "30");
  CHECK(allocator.config("garbage_collection_threshold") == "0.8");
  const Address address = allocator.allocate(5 * mib + 1);
  CHECK(statistics(allocator).allocated_bytes[pool_all].current == 6 * mib);
  allocator.deallocate(address);

  CachingOptions off;
  off.garbage_collection_ppm = 0;
  off.max_split_size = CachingOptions::unlimited;
  allocator.configure(off);
  CHECK(allocator.config("garbage_collection_threshold") == "0" && allocator.config("max_split_size_mb") == "unlimited");
  CHECK(allocator.config("max_non_split_rounding_mb") == "30");
  off.large_segment_size = 1;
  THROWS(InvalidError, allocator.configure(off));
  off.large_segment_size = 0;
  THROWS(InvalidError, allocator.configure(off));
  off.large_segment_size.reset();
  off.garbage_collection_ppm = 1000000;
  THROWS(InvalidError, allocator.configure(off));
}

static void observers() {
  Allocator allocator(device);
  CachingOptions nothing;
  nothing.memory_ppm = 0;
  allocator.configure(nothing);
  const Stream stream(device);

  std::vector<Notice> heard;
  std::string report;
  auto held = std::make_shared<int>(1);
  Observer observer = allocator.observe(NoticeKind::memory_low | NoticeKind::out_of_memory, [&, held](const Notice &notice) {
    heard.push_back(notice);
    report = notice.report;
    heard.back().report = {};
    THROWS(BusyError, observer.close());
    return false;
  });
  CHECK(observer && held.use_count() == 2);
  THROWS(NoMemoryError, allocator.allocate(1000, stream));
  CHECK(heard.size() == 2 && heard[0].kind == NoticeKind::memory_low && heard[1].kind == NoticeKind::out_of_memory);
  CHECK(heard[1].requested == 1000 && heard[1].rounded >= 1000 && heard[1].device == device && heard[1].limit == 0);
  CHECK(heard[1].allocator_id == allocator.info().id && heard[1].stream == StreamRef(stream) && !report.empty());
  CHECK(heard[1].total > 0 && heard[1].available && *heard[1].available <= heard[1].total);
  Observer moved = std::move(observer);
  CHECK(!observer && moved);
  moved.close();
  moved.close();
  CHECK(held.use_count() == 1);
  THROWS(NoMemoryError, allocator.allocate(1000, stream));
  CHECK(heard.size() == 2);

  // Who gives memory back and says so is asked before the device is; what another throws counts as no.
  CachingOptions everything;
  everything.memory_ppm = 1000000;
  allocator.configure(everything);
  const Address given = allocator.allocate(20 * mib, stream);
  int thrown = 0;
  {
    const Observer throws = allocator.observe(NoticeKind::memory_low, [&](const Notice &) -> bool {
      ++thrown;
      throw std::runtime_error("goes nowhere");
    });
    const Address other = allocator.allocate(20 * mib, stream);
    CHECK(other != given && thrown == 1);
    const Observer gives = allocator.observe(NoticeKind::memory_low, [&](const Notice &) {
      allocator.deallocate(given);
      return true;
    });
    CHECK(allocator.allocate(20 * mib, stream) == given && thrown == 2);
    allocator.deallocate(given);
    allocator.deallocate(other);
  }

  // Sixteen, and no more; the function that was refused is destroyed.
  std::vector<Observer> observers;
  for (int i = 0; i < 16; ++i) observers.push_back(allocator.observe(NoticeKind::out_of_memory, [held](const Notice &) {}));
  THROWS(NoSpaceError, allocator.observe(NoticeKind::out_of_memory, [held](const Notice &) {}));
  CHECK(held.use_count() == 17);
  observers[3] = Observer();
  CHECK(held.use_count() == 16);
  allocator.release();  // observers keep it
  observers.clear();
  CHECK(held.use_count() == 1);
}

static void threads() {
  const Allocator allocator(device);
  std::vector<std::thread> all;
  for (int t = 0; t < 2; ++t)
    all.emplace_back([&allocator, t] {
      const Stream stream(device);
      StorageOptions options;
      options.stream = stream;
      CopyOptions copy;
      copy.stream = stream;
      Storage seen(5000);
      for (int i = 0; i < 100; ++i) {
        const Storage storage(allocator, 5000, options);
        device.fill(storage.address(), static_cast<std::uint8_t>(t * 100 + i), 5000, stream);
        seen.copy_from(storage, copy);
        CHECK(seen.data()[4999] == static_cast<std::byte>(t * 100 + i));
      }
    });
  for (std::thread &one : all) one.join();
  CHECK(allocator.info().live_storages == 0);
}

int main() {
  allocators();
  storages();
  adopts();
  memory_by_address();
  settings();
  observers();
  threads();
  CHECK(names_left() == 0);
  std::puts("ok");
}
