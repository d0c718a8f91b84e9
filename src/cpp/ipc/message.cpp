// Many storages in one message over a unix socket.
#include "base/wire/message.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "allocators/shared/shared_memory.hpp"
#include "base/text.hpp"
#include "base/wire/handle.hpp"
#include "ipc/ipc.hpp"
#include "os/socket.hpp"

namespace shmalloc {
namespace {

static_assert(SHMALLOC_MESSAGE_MAX == os::kMaxDescriptors);

constexpr std::size_t kRecordHead = 4;
constexpr std::size_t kMaxPayload = SHMALLOC_MESSAGE_MAX * (kRecordHead + SHMALLOC_HANDLE_MAX);

void put16(std::uint8_t *at, std::size_t value) {
  at[0] = static_cast<std::uint8_t>(value);
  at[1] = static_cast<std::uint8_t>(value >> 8);
}
std::size_t get16(const std::uint8_t *at) { return static_cast<std::size_t>(at[0]) | static_cast<std::size_t>(at[1]) << 8; }

Error corrupt(const char *why) {
  return fail(SHMALLOC_STATUS_CORRUPT, 0, "what came over the socket is no message of shmalloc's: %s", why);
}

Result<wire::MessageHead> check_head(const std::uint8_t *bytes, std::size_t size) {
  wire::MessageHead head;
  if (size < wire::kMessageHead || !wire::decode(bytes, &head)) return corrupt("it does not begin as one");
  if (head.major != wire::kMessageMajor) {
    return fail(SHMALLOC_STATUS_VERSION, 0, "the message has format %u, this shmalloc reads %u", head.major, wire::kMessageMajor);
  }
  if (head.storages == 0 || head.storages > SHMALLOC_MESSAGE_MAX || head.descriptors > os::kMaxDescriptors ||
      head.length > kMaxPayload) {
    return corrupt("its numbers can't be");
  }
  return head;
}

bool is_in_segment(const std::uint8_t *bytes, std::size_t length) {
  wire::Handle handle;
  const char *why;
  return wire::decode(bytes, length, &handle, &why) == wire::Decoded::ok && handle.in_segment();
}

// The storages of a payload that was received whole; all or none.
Result<void> open_all(const wire::MessageHead &head, const std::uint8_t *payload, os::Received &received,
                      const shmalloc_import_params &params, std::vector<Ref<Storage>> *out) {
  if (crc32c(payload, head.length) != head.checksum) return corrupt("its checksum is wrong");
  if (received.fd_count != head.descriptors) return corrupt("it came without its descriptors");
  std::size_t at = 0;
  Shown shown;
  for (std::uint32_t i = 0; i < head.storages; ++i) {
    if (head.length - at < kRecordHead) return corrupt("it ends early");
    const std::size_t length = get16(payload + at);
    const std::size_t index = get16(payload + at + 2);
    at += kRecordHead;
    if (length > head.length - at || index > received.fd_count) return corrupt("a record of it is damaged");
    // Of a segment there are two.
    const std::size_t wanted = index == 0 ? 0 : is_in_segment(payload + at, length) ? 2 : 1;
    if (index != 0 && index - 1 + wanted > received.fd_count) return corrupt("a record of it lacks a descriptor");
    int fds[2] = {-1, -1};
    for (std::size_t k = 0; k < wanted; ++k) fds[k] = received.fds[index - 1 + k].get();
    SHMALLOC_TRY(storage, import_message(payload + at, length, fds, wanted, params, shown));
    out->push_back(std::move(storage));
    at += length;
  }
  if (at != head.length) return corrupt("there is something behind its last record");
  return {};
}

}  // namespace

Result<void> send_storages(int socket, Storage *const *storages, std::size_t count, const shmalloc_export_params &params) {
  SHMALLOC_CHECK(check_export(params));
  if (params.format != SHMALLOC_HANDLE_FORMAT_NATIVE)
    return fail(SHMALLOC_STATUS_INVALID, 0, "messages have handles of format NATIVE only");
  SHMALLOC_TRY(type, os::socket_type(socket));
  static_cast<void>(type);
  shmalloc_export_params with_fd = params;
  with_fd.flags |= SHMALLOC_EXPORT_DESCRIPTOR;
  std::vector<std::uint8_t> message(wire::kMessageHead);
  message.reserve(wire::kMessageHead + count * 160);
  std::vector<os::UniqueFd> owned;
  int fds[os::kMaxDescriptors];
  owned.reserve(2 * count);
  // Sealing is for good: before the first is sealed, see that none stands in the way.
  for (std::size_t i = 0; (params.flags & SHMALLOC_EXPORT_READ_ONLY) != 0 && i < count; ++i) {
    if (auto can = count_descriptors(*storages[i], with_fd); !can) return can.error();
  }
  // What is in the message already, a storage or a segment, has its descriptors there.
  struct Sent {
    const void *what;
    std::size_t index;
  };
  std::vector<Sent> sent;
  sent.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    SHMALLOC_TRY(handle, export_handle(*storages[i], with_fd, SHMALLOC_HANDLE_MAX));
    SHMALLOC_TRY(what, storages[i]->with_memory([&](Memory &memory) -> Result<const void *> {
      return memory.shared() != nullptr ? static_cast<const void *>(memory.shared()->segment) : storages[i];
    }));
    std::size_t index = 0;
    const auto known = std::find_if(sent.begin(), sent.end(), [&](const Sent &one) { return one.what == what; });
    if (known != sent.end()) {
      index = known->index;
    } else if (handle.route != SHMALLOC_HANDLE_ROUTE_EMPTY) {
      // For a counted object, which is joined by its name, the descriptor shows that we may.
      SHMALLOC_TRY(descriptors, export_descriptors(*storages[i], with_fd));
      if (owned.size() + static_cast<std::size_t>(descriptors.count) > os::kMaxDescriptors) {
        return fail(SHMALLOC_STATUS_NO_SPACE, 0, "the storages lie in too many segments for one message: send them in two");
      }
      index = owned.size() + 1;
      for (int k = 0; k < descriptors.count; ++k) {
        fds[owned.size()] = descriptors.fds[k].get();
        owned.push_back(std::move(descriptors.fds[k]));
      }
      sent.push_back({what, index});
    }
    const std::size_t at = message.size();
    message.resize(at + kRecordHead + handle.length);
    put16(&message[at], handle.length);
    put16(&message[at + 2], index);
    std::memcpy(&message[at + kRecordHead], handle.bytes, handle.length);
  }
  wire::MessageHead head;
  head.storages = static_cast<std::uint32_t>(count);
  head.descriptors = static_cast<std::uint32_t>(owned.size());
  head.length = static_cast<std::uint32_t>(message.size() - wire::kMessageHead);
  head.checksum = crc32c(&message[wire::kMessageHead], head.length);
  wire::encode(head, message.data());
  return os::send_all(socket, message.data(), message.size(), fds, owned.size());
}

namespace {

// Takes the next message off the socket and drops it.
void drop_datagram(int socket) {
  std::uint8_t byte;
  os::Received received;
  static_cast<void>(os::receive(socket, &byte, sizeof byte, &received));
}

struct Message {
  wire::MessageHead head;
  std::vector<std::uint8_t> payload;
  os::Received received;
};

Result<void> take_datagram(int socket, Message *message) {
  std::vector<std::uint8_t> all(wire::kMessageHead + kMaxPayload);
  SHMALLOC_CHECK(os::receive(socket, all.data(), all.size(), &message->received));
  SHMALLOC_TRY(head, check_head(all.data(), message->received.size));
  if (message->received.truncated || message->received.size != wire::kMessageHead + head.length)
    return corrupt("its length is wrong");
  message->head = head;
  message->payload.assign(all.begin() + wire::kMessageHead, all.begin() + static_cast<std::ptrdiff_t>(message->received.size));
  return {};
}

Result<void> take_from_stream(int socket, Message *message) {
  std::uint8_t bytes[wire::kMessageHead];
  SHMALLOC_CHECK(os::receive(socket, bytes, sizeof bytes, &message->received));
  const std::size_t size = message->received.size;
  if (size == 0) return fail(SHMALLOC_STATUS_PEER_GONE, 0, "the other end closed the socket");
  if (size < sizeof bytes) SHMALLOC_CHECK(os::receive_rest(socket, bytes + size, sizeof bytes - size));
  SHMALLOC_TRY(head, check_head(bytes, sizeof bytes));
  message->head = head;
  message->payload.resize(head.length);
  return os::receive_rest(socket, message->payload.data(), message->payload.size());
}

}  // namespace

Result<void> receive_storages(int socket, const shmalloc_import_params &params, Storage **out, std::size_t room,
                              std::size_t *count) {
  SHMALLOC_CHECK(check_import(params));
  SHMALLOC_TRY(type, os::socket_type(socket));
  if ((params.flags & SHMALLOC_IMPORT_SAME_USER) != 0) {
    SHMALLOC_TRY(user, os::peer_user(socket));
    if (user != os::calls.geteuid()) {
      return fail(SHMALLOC_STATUS_PERMISSION, 0, "the process at the other end runs as user %u, not as %u", user,
                  static_cast<unsigned>(os::calls.geteuid()));
    }
  }
  if (params.timeout_ns != SHMALLOC_TIME_DEFAULT) {
    const std::int64_t timeout = params.timeout_ns == SHMALLOC_TIME_NONE      ? 0
                                 : params.timeout_ns == SHMALLOC_TIME_FOREVER ? -1
                                                                              : params.timeout_ns;
    SHMALLOC_CHECK(os::wait_readable(socket, timeout));
  }
  std::uint8_t first[wire::kMessageHead];
  SHMALLOC_TRY(seen, os::peek(socket, first, sizeof first));
  const bool datagram = type == SOCK_SEQPACKET;
  if (seen == 0 && (!datagram || os::hung_up(socket))) return fail(SHMALLOC_STATUS_PEER_GONE, 0, "the other end closed the socket");
  if (seen == sizeof first || datagram) {
    auto head = check_head(first, seen);
    if (!head) {
      if (datagram) drop_datagram(socket);  // The next one may be better; a stream is lost.
      return head.error();
    }
    if (head->storages > room) {
      *count = head->storages;
      return fail(SHMALLOC_STATUS_NO_SPACE, 0, "the message has %u storages, there is room for %zu", head->storages, room);
    }
  } else if (std::memcmp(first, wire::kMessageMagic, std::min<std::size_t>(seen, 4)) != 0) {
    return corrupt("it does not begin as one");
  }
  // From here on the message is taken: what fails loses it.
  *count = 0;
  Message message;
  SHMALLOC_CHECK(datagram ? take_datagram(socket, &message) : take_from_stream(socket, &message));
  if (message.received.fds_lost) {
    return fail(SHMALLOC_STATUS_NO_SPACE, EMFILE, "the message is lost: this process has no room for its descriptors%s",
                os::hint_for(EMFILE, "").text);
  }
  if (message.head.storages > room) return corrupt("its beginning came in pieces, and it has more storages than there is room");
  std::vector<Ref<Storage>> opened;
  opened.reserve(message.head.storages);
  SHMALLOC_CHECK(open_all(message.head, message.payload.data(), message.received, params, &opened));
  for (std::size_t i = 0; i < opened.size(); ++i) out[i] = opened[i].take();
  *count = opened.size();
  return {};
}

}  // namespace shmalloc
