// Channels: what is sent comes, in order, with its record; what a killed process leaves does not block.
#include <thread>

#include "check.hpp"

using namespace shmalloc;
using namespace std::chrono_literals;

struct Note {
  std::uint32_t number;
  std::uint32_t length;
};

#ifdef __cpp_lib_ranges
#include <ranges>
static_assert(std::ranges::input_range<const Channel>);
#endif

// ---- the other process ----

/* Takes from the one, changes the first byte, puts it into the other, with the record turned around. */
static int echo(const std::string &there, const std::string &back) {
  const Channel from = Channel::open(Storage::import_text(there)), to = Channel::open(Storage::import_text(back));
  for (auto &[storage, record] : from) {
    storage.data()[0] = std::byte{'B'};
    const auto note = record.as<Note>();
    to.send(storage, Bytes::of(Note{note.length, note.number}));
  }
  to.close();
  return 0;
}

/* Sends one storage of its own and one record, and waits to be killed. */
static int leave(const std::string &text) {
  const Channel channel = Channel::open(Storage::import_text(text));
  channel.send(Storage(100), "mine");
  channel.send_record("ready");
  for (;;) pause();
}

// ---- this one ----

static void in_one_process() {
  const Channel channel(ChannelOptions{4, 100});
  CHECK(channel.info().capacity == 4 && channel.info().record_size == 100 && channel.info().attached == 1);
  const Allocator allocator(Kind::shared);
  Storage storage(allocator, 1000);
  storage.data()[0] = std::byte{'x'};
  channel.send(storage, "what it is");
  storage.release();
  CHECK(channel.info().length == 1);

  Message message = channel.receive();
  CHECK(message.storage.size() == 1000 && message.storage.data()[0] == std::byte{'x'});
  CHECK(message.record.text() == "what it is" && message.record.size() == 10);
  THROWS(std::length_error, message.record.as<int>());

  const std::string longer(100, 'r');
  channel.send_record(longer);  // more than a record keeps in itself
  channel.send_record({});
  message = channel.receive(0s);
  CHECK(!message.storage && message.record.text() == longer);
  const Message moved = std::move(message);
  CHECK(moved.record.text() == longer && message.record.empty());
  CHECK(channel.receive().record.empty());
  THROWS(InvalidError, channel.send_record(std::string(101, 'r')));

  CHECK(!channel.try_receive());
  THROWS(TimeoutError, channel.receive(0s));
  THROWS(TimeoutError, channel.receive(5ms));
  const Storage one(10);
  for (int i = 0; i < 4; ++i) CHECK(channel.try_send(one));
  CHECK(!channel.try_send(one, "no room") && !channel.try_send_record("no room"));
  THROWS(TimeoutError, channel.send(one, {}, 5ms));
  CHECK(channel.try_receive()->storage.size() == 10);
  CHECK(channel.try_send_record(Bytes::of(7)));
  channel.close();
  CHECK(channel.info().closed);
  THROWS(ClosedError, channel.send(one));
  THROWS(ClosedError, channel.try_send(one));
  int came = 0;
  for (const auto &[what, record] : channel) came += what ? 1 : record.as<int>();
  CHECK(came == 3 + 7);
  THROWS(ClosedError, channel.try_receive());
  THROWS(ClosedError, channel.send(Storage()));
  THROWS(ClosedError, Channel().info());

  THROWS(CorruptError, Channel::open(Storage(4096)));
  THROWS(UnsupportedError, Channel(ChannelOptions{}).send(Storage(Allocator(Kind::map), 10)));
  CHECK(Channel(ChannelOptions{0, 0}).info().record_size == 0);
}

static void to_another_process_and_back() {
  const Channel there(ChannelOptions{4, {}}), back(ChannelOptions{4, {}});
  Process other({"echo", there.storage().export_text(), back.storage().export_text()});
  std::thread sender([&there] {
    for (std::uint32_t i = 0; i < 500; ++i) {
      Storage storage(100 + i);
      storage.data()[0] = std::byte{'A'};
      there.send(storage, Bytes::of(Note{i, i + 7}));
    }
    there.close();
  });
  std::uint32_t number = 0;
  for (auto &[storage, record] : back) {
    const auto note = record.as<Note>();
    CHECK(note.length == number && note.number == number + 7);
    CHECK(storage.size() == 100 + number && storage.data()[0] == std::byte{'B'});
    ++number;
  }
  sender.join();
  CHECK(number == 500 && other.wait() == 0);
  CHECK(there.info().sent == 500 && back.info().received == 500);
}

static void one_is_killed() {
  const Channel channel(ChannelOptions{});
  Process other({"leave", channel.storage().export_text()});
  Message first = channel.receive(30s);
  CHECK(first.record.text() == "mine" && first.storage.size() == 100);
  CHECK(channel.receive(30s).record.text() == "ready");
  CHECK(other.kill() == -SIGKILL);
  THROWS(PeerGoneError, channel.receive());
  first.storage.data()[99] = std::byte{1};
}

int main(int argc, char **argv) {
  if (argc == 4) return echo(argv[2], argv[3]);
  if (argc == 3) return leave(argv[2]);
  in_one_process();
  to_another_process_and_back();
  one_is_killed();
  std::puts("ok");
}
