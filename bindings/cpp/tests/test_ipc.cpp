// The same storage in two processes: by text, by descriptors, over a socket, and what becomes of it when one is killed.
#include <cstring>

#include "check.hpp"

using namespace shmalloc;
using namespace std::chrono_literals;

// ---- the other process ----

/* Opens the text, checks what it finds, changes it. */
static int change(const std::string &text) {
  Storage storage = Storage::import_text(text);
  CHECK(has(storage.info().state, State::imported) && storage.size() == 1000);
  const View view = storage.view();
  CHECK(std::memcmp(view.data(), "hello", 6) == 0);
  std::memcpy(view.data(), "world", 6);
  return 0;
}

/* Opens what comes, adds one to each first byte, sends it back in the other order. */
static int answer(int socket) {
  std::vector<Storage> storages = receive(socket);
  std::vector<std::reference_wrapper<const Storage>> back;
  for (Storage &storage : storages) {
    storage.data()[0] = std::byte{static_cast<unsigned char>(static_cast<int>(storage.data()[0]) + 1)};
    back.insert(back.begin(), storage);
  }
  send(socket, back);
  return 0;
}

/* May only read, whatever it tries. */
static int look(int socket) {
  std::vector<Storage> storages = receive(socket);
  CHECK(storages.size() == 1);
  THROWS(PermissionError, storages[0].view());
  CHECK(storages[0].const_view()[0] == std::byte{5});
  return 0;
}

/* Makes a storage, tells its handle, and waits to be killed. */
static int serve(int socket) {
  Storage storage(4096);
  std::memcpy(storage.data(), "mine", 5);
  const std::string text = storage.export_text();
  CHECK(write(socket, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  for (;;) pause();
}

static int other_process(const std::string &role, const std::string &argument) {
  if (role == "change") return change(argument);
  if (role == "answer") return answer(std::stoi(argument));
  if (role == "look") return look(std::stoi(argument));
  return serve(std::stoi(argument));
}

// ---- this one ----

static void by_text() {
  for (const Kind kind : {Kind::shared, Kind::map, Kind::map_refcounted}) {
    const Allocator allocator(kind, "export_ttl_ms:0");
    Storage storage(allocator, 1000);
    std::memcpy(storage.data(), "hello", 6);
    const Handle handle = storage.export_handle();
    const std::string text = handle.text();
    CHECK(Handle::from_text(text) == handle && handle != Handle() && !handle.empty());
    const HandleInfo info = handle.info();
    CHECK(info.size == 1000 && info.kind == kind && info.format == Format::native && info.pid == getpid() && !info.read_only);
    CHECK(Process({"change", text}).wait() == 0);
    CHECK(std::memcmp(storage.data(), "world", 6) == 0);

    Storage here = Storage::import_handle(Handle(handle));
    here.data()[0] = std::byte{'W'};
    CHECK(storage.data()[0] == std::byte{'W'});
  }
}

static void bad_handles() {
  Storage storage(100);
  Handle handle = storage.export_handle();
  std::vector<std::byte> bytes(handle.begin(), handle.end());
  CHECK(Handle(bytes) == handle);
  bytes[20] ^= std::byte{1};
  THROWS(CorruptError, Storage::import_handle(Handle(bytes)));
  THROWS(CorruptError, Handle(std::vector<std::byte>(513)));
  THROWS(CorruptError, Handle::from_text("shmalloc1:nonsense!"));
  THROWS(CorruptError, Handle::from_text("shmalloc1:" + std::string(2000, 'A')));
  storage.revoke();
  THROWS(StaleError, Storage::import_handle(handle));
  CHECK(Storage::import_handle(storage.export_handle()).size() == 100);

  ExportOptions none;
  none.ttl = 0s;
  storage = Storage(100);
  handle = storage.export_handle(none);
  storage.release();
  THROWS(StaleError, Storage::import_handle(handle));
}

static void by_descriptors() {
  const Allocator allocator(Kind::map);
  Storage storage(allocator, 100);
  ExportOptions options;
  options.descriptor = true;
  const Handle handle = storage.export_handle(options);
  const std::vector<Descriptor> descriptors = storage.export_descriptors(options);
  CHECK(handle.info().route == Route::descriptor && descriptors.size() == 1);
  THROWS(InvalidError, Storage::import_handle(handle));
  ImportOptions with;
  with.descriptors = {descriptors[0].get()};
  Storage opened = Storage::import_handle(handle, with);
  opened.data()[99] = std::byte{3};
  CHECK(storage.data()[99] == std::byte{3});
  with.read_only = true;
  THROWS(PermissionError, Storage::import_handle(handle, with).view());
  CHECK(Storage(10).export_descriptors().size() == 2);  // of its segment
}

static void over_a_socket() {
  const Sockets sockets;
  Process other({"answer", std::to_string(sockets.there.get())});
  const Allocator map(Kind::map);
  std::vector<Storage> storages;
  for (int i = 0; i < 20; ++i) {
    storages.push_back(i % 2 == 0 ? Storage(10) : Storage(map, 10));
    storages.back().data()[0] = static_cast<std::byte>(i);
  }
  send(sockets.here.get(), storages);
  const std::vector<Storage> back = receive(sockets.here.get());
  CHECK(back.size() == 20);
  for (std::size_t i = 0; i < 20; ++i) {
    CHECK(back[19 - i].data()[0] == static_cast<std::byte>(i + 1));
    CHECK(storages[i].data()[0] == static_cast<std::byte>(i + 1));
  }
  CHECK(other.wait() == 0);

  ReceiveOptions look;
  look.timeout = 0s;
  THROWS(TimeoutError, receive(sockets.here.get(), look));
  look.timeout = 1ms;
  THROWS(TimeoutError, receive(sockets.here.get(), look));
  send(sockets.here.get(), {storages[0], storages[1]});
  look.room = 1;
  THROWS(NoSpaceError, receive(sockets.there.get(), look));
  CHECK(receive(sockets.there.get()).size() == 2);
  THROWS(InvalidError, send(sockets.here.get(), std::vector<Storage>()));
  THROWS(InvalidError, send(sockets.here.get(), Storage()));
}

static void read_only_means_it() {
  const Sockets sockets;
  StorageOptions isolated;
  isolated.isolated = true;
  Storage storage(100, isolated);
  storage.data()[0] = std::byte{5};
  ExportOptions options;
  options.read_only = true;
  Process other({"look", std::to_string(sockets.there.get())});
  send(sockets.here.get(), storage, options);
  CHECK(other.wait() == 0);
  THROWS(UnsupportedError, Storage(100).export_handle(options));
}

static void one_is_killed() {
  Sockets sockets;
  Process other({"serve", std::to_string(sockets.there.get())});
  sockets.there = Descriptor();
  std::array<char, SHMALLOC_HANDLE_TEXT_MAX> text{};
  CHECK(read(sockets.here.get(), text.data(), text.size() - 1) > 0);
  Storage storage = Storage::import_text(text.data());
  ConstView view = storage.const_view();
  CHECK(other.kill() == -SIGKILL);
  storage.release();
  CHECK(std::memcmp(view.data(), "mine", 5) == 0);  // who holds it keeps it
  view.release();
  Allocator::trim_every();  // what the dead held is taken back
  THROWS(PeerGoneError, Storage::import_text(text.data()));
}

int main(int argc, char **argv) {
  if (argc == 3) return other_process(argv[1], argv[2]);
  by_text();
  bad_handles();
  by_descriptors();
  over_a_socket();
  read_only_means_it();
  one_is_killed();
  Allocator::trim_every();
  CHECK(names_left() == 0);
  std::puts("ok");
}
