// Handles as text, and what they say.
#include "base/text.hpp"

#include <cstring>

#include "base/wire/handle.hpp"
#include "ipc/ipc.hpp"

namespace shmalloc {
namespace {

constexpr std::string_view kPrefix = "shmalloc1:";
static_assert(kPrefix.size() + (SHMALLOC_HANDLE_MAX * 4 + 2) / 3 + 1 <= SHMALLOC_HANDLE_TEXT_MAX);

Result<wire::Handle> decode(const std::uint8_t *bytes, std::size_t length) {
  wire::Handle handle;
  const char *why = "";
  const wire::Decoded decoded = wire::decode(bytes, length, &handle, &why);
  if (decoded == wire::Decoded::corrupt) return fail(SHMALLOC_STATUS_CORRUPT, 0, "%zu bytes are no handle: %s", length, why);
  if (decoded == wire::Decoded::version) {
    return fail(SHMALLOC_STATUS_VERSION, 0, "the handle has format %u, this shmalloc reads %u", handle.major, wire::kHandleMajor);
  }
  return handle;
}

}  // namespace

Result<std::string> handle_text(const std::uint8_t *bytes, std::size_t length) {
  // Of newer formats too: who passes a handle on need not read it.
  if (auto handle = decode(bytes, length); !handle && handle.error().status != SHMALLOC_STATUS_VERSION) return handle.error();
  if (length > SHMALLOC_HANDLE_MAX) return fail(SHMALLOC_STATUS_CORRUPT, 0, "%zu bytes are more than a handle has", length);
  std::string text(kPrefix);
  text.resize(kPrefix.size() + base64url_length(length));
  base64url_encode(bytes, length, text.data() + kPrefix.size());
  return text;
}

Result<HandleBytes> handle_from_text(const char *text) {
  std::string_view all(text, strnlen(text, 4096));
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!all.empty() && blank(all.front())) all.remove_prefix(1);
  while (!all.empty() && blank(all.back())) all.remove_suffix(1);
  if (all.substr(0, kPrefix.size()) != kPrefix) {
    return fail(SHMALLOC_STATUS_CORRUPT, 0, "the text of a handle begins with %s, this one with \"%.*s\"", kPrefix.data(),
                static_cast<int>(all.size() < 16 ? all.size() : 16), all.data());
  }
  all.remove_prefix(kPrefix.size());
  HandleBytes out;
  if (all.size() > base64url_length(sizeof out.bytes) || !base64url_decode(all.data(), all.size(), out.bytes, &out.length)) {
    return fail(SHMALLOC_STATUS_CORRUPT, 0,
                "the text of the handle is damaged: it was cut, or has a character that does not belong there");
  }
  if (auto handle = decode(out.bytes, out.length); !handle && handle.error().status != SHMALLOC_STATUS_VERSION)
    return handle.error();
  return out;
}

Result<void> describe_handle(const std::uint8_t *bytes, std::size_t length, shmalloc_handle_info *out) {
  SHMALLOC_TRY(handle, decode(bytes, length));
  out->size = handle.size;
  out->capacity = handle.capacity;
  out->offset = handle.offset;
  out->device = handle.device;
  for (int i = 0; i < 8; ++i) {
    out->identity[i] = static_cast<std::uint8_t>(handle.object_device >> (8 * i));
    out->identity[8 + i] = static_cast<std::uint8_t>(handle.inode >> (8 * i));
  }
  out->format = SHMALLOC_HANDLE_FORMAT_NATIVE;
  out->kind = static_cast<std::int32_t>(handle.kind);
  out->flags = handle.flags;
  out->route = handle.route;
  out->pid = handle.pid;
  out->version_major = handle.major;
  out->version_minor = handle.minor;
  return {};
}

}  // namespace shmalloc
