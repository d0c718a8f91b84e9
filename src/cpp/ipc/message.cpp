// Many storages in one message over a unix socket.
#include "base/wire/message.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/text.hpp"
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

// The storages of a payload that was received whole; all or none.
Result<void> open_all(const wire::MessageHead &head, const std::uint8_t *payload, os::Received &received,
                      const shmalloc_import_params &params, std::vector<Ref<Storage>> *out) {
  if (crc32c(payload, head.length) != head.checksum) return corrupt("its checksum is wrong");
  if (received.fd_count != head.descriptors) return corrupt("it came without its descriptors");
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < head.storages; ++i) {
    if (head.length - at < kRecordHead) return corrupt("it ends early");
    const std::size_t length = get16(payload + at);
    const std::size_t index = get16(payload + at + 2);
    at += kRecordHead;
    if (length > head.length - at || index > received.fd_count) return corrupt("a record of it is damaged");
    int fd = -1;
    if (index != 0) fd = received.fds[index - 1].get();
    SHMALLOC_TRY(storage, import_handle(payload + at, length, &fd, index != 0 ? 1 : 0, params));
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
  owned.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    // A storage that is in the message already shares its descriptor.
    std::size_t first = 0;
    while (storages[first] != storages[i]) ++first;
    SHMALLOC_TRY(handle, export_handle(*storages[i], with_fd, SHMALLOC_HANDLE_MAX));
    std::size_t index = 0;
    if (first < i) {
      std::size_t at = wire::kMessageHead;
      for (std::size_t k = 0; k < first; ++k) at += kRecordHead + get16(&message[at]);
      index = get16(&message[at + 2]);
    } else if (handle.route == SHMALLOC_HANDLE_ROUTE_DESCRIPTOR) {
      SHMALLOC_TRY(fd, export_descriptor(*storages[i], with_fd));
      fds[owned.size()] = fd.get();
      owned.push_back(std::move(fd));
      index = owned.size();
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

Result<void> receive_storages(int socket, const shmalloc_import_params &params, Storage **out, std::size_t room,
                              std::size_t *count) {
  if (params.timeout_ns < SHMALLOC_TIME_NONE) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "timeout_ns %lld is no time", static_cast<long long>(params.timeout_ns));
  }
  SHMALLOC_TRY(type, os::socket_type(socket));
  if ((params.flags & SHMALLOC_IMPORT_SAME_USER) != 0) {
    SHMALLOC_TRY(user, os::peer_user(socket));
    if (user != geteuid()) {
      return fail(SHMALLOC_STATUS_PERMISSION, 0, "the process at the other end runs as user %u, not as %u", user,
                  static_cast<unsigned>(geteuid()));
    }
  }
  if (params.timeout_ns != SHMALLOC_TIME_DEFAULT) {
    const std::int64_t timeout = params.timeout_ns == SHMALLOC_TIME_NONE      ? 0
                                 : params.timeout_ns == SHMALLOC_TIME_FOREVER ? -1
                                                                              : params.timeout_ns;
    SHMALLOC_CHECK(os::wait_readable(socket, timeout));
  }
  std::uint8_t head_bytes[wire::kMessageHead];
  SHMALLOC_TRY(seen, os::peek(socket, head_bytes, sizeof head_bytes));
  if (seen == 0) return fail(SHMALLOC_STATUS_PEER_GONE, 0, "the other end closed the socket");
  if (seen == sizeof head_bytes) {
    SHMALLOC_TRY(head, check_head(head_bytes, seen));
    if (head.storages > room) {
      *count = head.storages;
      return fail(SHMALLOC_STATUS_NO_SPACE, 0, "the message has %u storages, there is room for %zu", head.storages, room);
    }
  } else if (std::memcmp(head_bytes, wire::kMessageMagic, std::min<std::size_t>(seen, 4)) != 0) {
    return corrupt("it does not begin as one");
  }
  // From here on the message is taken.
  std::vector<std::uint8_t> payload;
  os::Received received;
  wire::MessageHead head;
  if (type == SOCK_SEQPACKET) {
    payload.resize(wire::kMessageHead + kMaxPayload);
    SHMALLOC_CHECK(os::receive(socket, payload.data(), payload.size(), &received));
    SHMALLOC_TRY(checked, check_head(payload.data(), received.size));
    if (received.truncated || received.size != wire::kMessageHead + checked.length) return corrupt("its length is wrong");
    head = checked;
    payload.erase(payload.begin(), payload.begin() + wire::kMessageHead);
  } else {
    SHMALLOC_CHECK(os::receive(socket, head_bytes, sizeof head_bytes, &received));
    if (received.size == 0) return fail(SHMALLOC_STATUS_PEER_GONE, 0, "the other end closed the socket");
    if (received.size < sizeof head_bytes) {
      SHMALLOC_CHECK(os::receive_rest(socket, head_bytes + received.size, sizeof head_bytes - received.size));
    }
    SHMALLOC_TRY(checked, check_head(head_bytes, sizeof head_bytes));
    head = checked;
    payload.resize(head.length);
    SHMALLOC_CHECK(os::receive_rest(socket, payload.data(), payload.size()));
  }
  if (head.storages > room)
    return fail(SHMALLOC_STATUS_NO_SPACE, 0, "the message has %u storages, there is room for %zu", head.storages, room);
  std::vector<Ref<Storage>> opened;
  opened.reserve(head.storages);
  SHMALLOC_CHECK(open_all(head, payload.data(), received, params, &opened));
  for (std::size_t i = 0; i < opened.size(); ++i) out[i] = opened[i].take();
  *count = opened.size();
  return {};
}

}  // namespace shmalloc
