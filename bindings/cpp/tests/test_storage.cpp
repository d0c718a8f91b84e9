// Storages in one process: where they come from, views, what changes them, and when memory goes.
#include <fcntl.h>

#include <cstring>
#include <numeric>

#include "check.hpp"

using namespace shmalloc;

static_assert(std::is_nothrow_move_constructible_v<Storage> && !std::is_copy_constructible_v<Storage>);
static_assert(std::is_nothrow_move_assignable_v<View> && !std::is_copy_constructible_v<View>);
static_assert(std::is_same_v<decltype(std::declval<const Storage &>().view()), ConstView>);

static std::uint64_t live(const Allocator &allocator) { return allocator.info().live_storages; }

static void makes_and_gives_back() {
  const Allocator allocator(Kind::shared);
  {
    Storage storage(allocator, 1000);
    CHECK(storage && storage.size() == 1000 && storage.data() != nullptr && storage.address() != 0);
    std::memset(storage.data(), 7, storage.size());
    Storage other = std::move(storage);
    CHECK(!storage && other.size() == 1000 && storage.size() == 0 && storage.data() == nullptr);
    THROWS(ClosedError, storage.info());
    THROWS(ClosedError, storage.view());
    CHECK(live(allocator) == 1);

    const Storage second = other.share_reference();
    CHECK(second.data() == other.data() && other.info().references == 2);
    other.release();
    other.release();
    CHECK(live(allocator) == 1 && second.data()[999] == std::byte{7});
  }
  CHECK(live(allocator) == 0);

  Storage later(allocator, 10);
  later.release_deferred();
  run_deferred();
  CHECK(!later && live(allocator) == 0);

  shmalloc_storage *raw = Storage(allocator, 10).detach();
  CHECK(live(allocator) == 1);
  Storage::take(raw);
  CHECK(live(allocator) == 0);

  THROWS(ClosedError, Storage(Allocator(), 10));
  CHECK(Storage(0).data() == nullptr);
}

static void has_options() {
  StorageOptions options;
  options.isolated = options.zeroed = true;
  options.capacity = 1 << 20;
  Storage storage(100, options);
  CHECK(storage.info().capacity >= 1 << 20 && storage.is_shared());
  const std::byte *before = storage.data();
  storage.grow(1 << 19);
  CHECK(storage.size() == 1 << 19 && storage.data() == before && storage.data()[(1 << 19) - 1] == std::byte{0});
  THROWS(NoSpaceError, storage.grow(1 << 21));

  StorageOptions aligned;
  aligned.alignment = 4096;
  CHECK(Storage(10, aligned).address() % 4096 == 0);
  aligned.alignment = 3;
  THROWS(InvalidError, Storage(10, aligned));

  StorageOptions named;
  named.name = make_name();
  named.mapped = Mapped::sharedmem | Mapped::exclusive;
  {
    const Storage object(100, named);
    CHECK(object.info().kind == Kind::map && object.name() == named.name && has(object.info().mapped, Mapped::sharedmem));
    THROWS(ExistsError, Storage(100, named));
  }
  named.mapped = Mapped::sharedmem | Mapped::nocreate;
  try {
    Storage(100, named);
    CHECK(false);
  } catch (const Error &error) {
    CHECK(error.status() == Status::not_found && error.os_error() == ENOENT &&
          error.code() == std::errc::no_such_file_or_directory);
    CHECK(error.backend_error() == 0 && std::string(error.what()).find(named.name.substr(1)) != std::string::npos);
  }
  named.name = std::string("a\0b", 3);
  THROWS(InvalidError, Storage(100, named));
  CHECK(!Storage(1).name());

  const Descriptor file(open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  StorageOptions from;
  from.fd = file.get();
  from.mapped = Mapped::shared;
  Storage opened(5000, from);
  opened.data()[4999] = std::byte{9};
  char byte = 0;
  CHECK(pread(file.get(), &byte, 1, 4999) == 1 && byte == 9);
}

static void views_hold() {
  const Allocator allocator(Kind::shared);
  View view;
  {
    Storage storage(allocator, 64);
    view = storage.view();
    CHECK(view && view.data() == storage.data() && view.size() == 64 && storage.info().pins == 1);
    THROWS(BusyError, storage.close());
    const ConstView read = storage.const_view();
    view[3] = std::byte{1};
    CHECK(read[3] == std::byte{1} && storage.info().pins == 2);
  }
  CHECK(live(allocator) == 1);
  for (std::byte &byte : view) byte = std::byte{2};
  *view.as<std::uint32_t>(4) = 0x01020304;
  CHECK(view[4] == std::byte{4} && view.end() - view.begin() == 64);
  CHECK(view.as<std::uint64_t>(0, 8) != nullptr);
  THROWS(std::out_of_range, view.as<std::uint64_t>(0, 9));
  THROWS(std::out_of_range, view.as<std::uint64_t>(57));
  THROWS(std::out_of_range, view.as<char>(65, 0));
  THROWS(std::invalid_argument, view.as<std::uint32_t>(1));
#ifdef __cpp_lib_span
  CHECK(view.bytes().size() == 64 && view.elements<std::uint32_t>().size() == 16);
  CHECK(view.elements<std::uint32_t>()[1] == 0x01020304);
  const std::span<std::byte> span(view);
  CHECK(span.data() == view.data());
#endif
  View moved = std::move(view);
  CHECK(!view && view.size() == 0 && moved.size() == 64);
  moved.release();
  CHECK(!moved && live(allocator) == 0);
}

static void adopts() {
  int called = 0;
  std::vector<int> numbers(100);
  std::iota(numbers.begin(), numbers.end(), 0);
  {
    Storage storage = Storage::adopt(numbers.data(), 400, [&called] { ++called; });
    CHECK(storage.data() == reinterpret_cast<std::byte *>(numbers.data()) && !storage.is_shared());
    const View view = storage.view();
    storage.release();
    CHECK(called == 0 && view.as<int>(0, 100)[99] == 99);
  }
  CHECK(called == 1);  // at once, though the view was the last: nothing is put off

  const int *begin = numbers.data();
  Storage kept = Storage::adopt(std::move(numbers));
  CHECK(kept.data() == reinterpret_cast<const std::byte *>(begin) && kept.size() == 400);
  kept.share();
  CHECK(kept.is_shared() && kept.data() != reinterpret_cast<const std::byte *>(begin) && kept.view().as<int>(0, 100)[42] == 42);

  const std::array<char, 3> text{'a', 'b', 'c'};
  Storage fixed = Storage::adopt(text.data(), text.size());
  CHECK(has(fixed.info().state, State::read_only));
  THROWS(PermissionError, fixed.view());
  CHECK(fixed.const_view()[2] == std::byte{'c'});
  CHECK(Storage::adopt(std::string("few")).const_view()[0] == std::byte{'f'});

  auto owner = std::make_shared<int>(5);
  const std::weak_ptr<int> watch = owner;
  int *address = owner.get();
  Storage shared = Storage::adopt(address, sizeof(int), std::move(owner));
  CHECK(!watch.expired());
  shared.close();
  CHECK(watch.expired() && shared.size() == 0);

  called = 0;
  THROWS(InvalidError, Storage::adopt(static_cast<void *>(nullptr), 10, [&called] { ++called; }));
  CHECK(called == 1);  // on failure too
}

static void copies_and_changes() {
  Storage from(100), to(100);
  for (std::size_t i = 0; i < 100; ++i) from.data()[i] = static_cast<std::byte>(i);
  to.copy_from(from);
  CHECK(std::memcmp(to.data(), from.data(), 100) == 0);
  CopyOptions part;
  part.offset = 90;
  part.size = 10;
  to.copy_from(from, part);
  CHECK(to.data()[90] == std::byte{0} && to.data()[99] == std::byte{9});
  part.size.reset();
  THROWS(InvalidError, to.copy_from(from, part));

  Storage secret(Allocator(Kind::direct), 100);
  CHECK(!secret.is_shared());
  THROWS(UnsupportedError, secret.export_handle());
  {
    const View view = secret.view();
    THROWS(BusyError, secret.share());
  }
  secret.share(Allocator(Kind::map));
  CHECK(secret.is_shared() && secret.info().generation > 0);

  StorageOptions isolated;
  isolated.isolated = true;
  Storage sealed(100, isolated);
  {
    const View view = sealed.view();
    THROWS(BusyError, sealed.seal());
  }
  sealed.seal();
  CHECK(has(sealed.info().state, State::immutable | State::read_only));
  THROWS(PermissionError, sealed.view());
  CHECK(sealed.const_view().size() == 100);

  const Found found = Storage::find(to.data() + 17);
  CHECK(found.storage.data() == to.data() && found.offset == 17);
  THROWS(NotFoundError, Storage::find(&found));
  to.close();
  CHECK(to.size() == 0 && has(to.info().state, State::closed));
  THROWS(ClosedError, to.view());
}

int main() {
  makes_and_gives_back();
  has_options();
  views_hold();
  adopts();
  copies_and_changes();
  CHECK(names_left() == 0);
  std::puts("ok");
}
