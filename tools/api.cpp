#include "api.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "report.hpp"

namespace shmalloc_tool {
namespace {

// `fn` is of the library's text calls, as fn(text, &length, &error).
template <class Fn>
std::string whole_text(Fn fn) {
  std::string text;
  for (;;) {
    std::size_t length = text.size();
    shmalloc_error error{};
    const shmalloc_status status = fn(text.data(), &length, &error);
    if (status == SHMALLOC_STATUS_OK) {
      text.resize(length - 1);
      return text;
    }
    if (status != SHMALLOC_STATUS_NO_SPACE || length <= text.size()) throw failure_of(status, error);
    text.resize(length);
  }
}

struct Bit {
  std::uint32_t bit;
  const char *name;
};

template <std::size_t N>
std::vector<std::string> words_of(std::uint32_t bits, const Bit (&names)[N]) {
  std::vector<std::string> words;
  for (const Bit &known : names) {
    if ((bits & known.bit) != 0) words.emplace_back(known.name);
    bits &= ~known.bit;
  }
  if (bits != 0) words.push_back("unknown-" + std::to_string(bits));
  return words;
}

}  // namespace

Pin::Pin(const Storage &storage, shmalloc_access access) : storage_(storage.get()), access_(access) {
  shmalloc_error error{};
  void *data = nullptr;
  check(shmalloc_storage_pin(storage_, access, &data, &size_, &error), error);
  data_ = static_cast<std::uint8_t *>(data);
}

Handle handle_from_text(const std::string &text) {
  Handle handle;
  shmalloc_error error{};
  check(shmalloc_handle_from_text(text.c_str(), handle.bytes, &handle.length, &error), error);
  return handle;
}

std::string handle_to_text(const Handle &handle) {
  return whole_text([&](char *text, std::size_t *length, shmalloc_error *error) {
    return shmalloc_handle_to_text(handle.bytes, handle.length, text, length, error);
  });
}

std::string handle_word(const std::string &word) {
  if (word != "-") return word;
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(errno, "can't read the handle from standard input");
    if (got == 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > sizeof buffer) fail(SHMALLOC_STATUS_CORRUPT, "what standard input holds is too long to be a handle");
  }
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  if (text.empty()) fail(SHMALLOC_STATUS_CORRUPT, "standard input holds no handle");
  if (text.find('\0') != std::string::npos) fail(SHMALLOC_STATUS_CORRUPT, "a handle's text has no zero bytes");
  return text;
}

Storage open_handle(const Handle &handle) {
  auto info = SHMALLOC_INIT(shmalloc_handle_info);
  auto params = SHMALLOC_INIT(shmalloc_import_params);
  shmalloc_storage *storage = nullptr;
  shmalloc_error error{};
  check(shmalloc_handle_get_info(handle.bytes, handle.length, &info, &error), error);
  // Who opens a counted object writes: to its count.
  if (info.kind != SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED) params.flags = SHMALLOC_IMPORT_READ_ONLY;
  check(shmalloc_storage_import(handle.bytes, handle.length, nullptr, 0, &params, &storage, &error), error);
  return Storage(storage);
}

Storage open_name(const std::string &name) {
  auto params = SHMALLOC_INIT(shmalloc_allocator_params);
  params.kind = SHMALLOC_ALLOCATOR_KIND_MAP;
  shmalloc_allocator *allocator = nullptr;
  shmalloc_error error{};
  check(shmalloc_allocator_create(&params, &allocator, &error), error);
  const Allocator owned(allocator);

  auto how = SHMALLOC_INIT(shmalloc_storage_params);
  how.name = name.c_str();
  how.mapped = SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_NOCREATE | SHMALLOC_MAPPED_READ_ONLY;
  shmalloc_storage *storage = nullptr;
  check(shmalloc_storage_create(allocator, 0, SHMALLOC_STREAM_DEFAULT, &how, &storage, &error), error);
  return Storage(storage);
}

Storage receive_one(int socket, std::int64_t timeout_ns, bool same_user) {
  auto params = SHMALLOC_INIT(shmalloc_import_params);
  params.timeout_ns = timeout_ns;
  params.flags = SHMALLOC_IMPORT_READ_ONLY | (same_user ? std::uint32_t{SHMALLOC_IMPORT_SAME_USER} : 0U);
  shmalloc_storage *storages[SHMALLOC_MESSAGE_MAX];
  shmalloc_error error{};
  for (;;) {
    std::size_t count = SHMALLOC_MESSAGE_MAX;
    const shmalloc_status status = shmalloc_storage_receive(socket, &params, storages, &count, &error);
    if (status == SHMALLOC_STATUS_INTERRUPTED) continue;
    check(status, error);
    for (std::size_t i = 1; i < count; ++i) shmalloc_storage_release(storages[i]);
    Storage first(storages[0]);
    if (count != 1)
      fail(SHMALLOC_STATUS_UNSUPPORTED, "the socket sent " + std::to_string(count) + " storages at once, this takes one");
    return first;
  }
}

shmalloc_storage_info storage_info(const Storage &storage) {
  auto info = SHMALLOC_INIT(shmalloc_storage_info);
  shmalloc_error error{};
  check(shmalloc_storage_get_info(storage.get(), &info, &error), error);
  return info;
}

std::string storage_name(const Storage &storage) {
  try {
    return whole_text([&](char *text, std::size_t *length, shmalloc_error *error) {
      return shmalloc_storage_get_name(storage.get(), text, length, error);
    });
  } catch (const Failure &failure) {
    if (failure.exit_code == kNotFound) return {};
    throw;
  }
}

std::vector<shmalloc_object_info> shared_objects(const char *prefix) {
  std::vector<shmalloc_object_info> found;
  const auto hear = [](const shmalloc_object_info *object, void *userdata) -> std::int32_t {
    auto copy = SHMALLOC_INIT(shmalloc_object_info);
    std::memcpy(&copy, object, std::min(object->struct_size, sizeof copy));
    copy.struct_size = sizeof copy;
    copy.name[sizeof copy.name - 1] = '\0';
    try {
      static_cast<std::vector<shmalloc_object_info> *>(userdata)->push_back(copy);
    } catch (const std::bad_alloc &) {
      return SHMALLOC_STATUS_NO_MEMORY;  // a callback must not unwind
    }
    return 0;
  };
  shmalloc_error error{};
  check(shmalloc_machine_walk(prefix, hear, &found, &error), error);
  std::stable_sort(found.begin(), found.end(), [](const auto &a, const auto &b) { return std::strcmp(a.name, b.name) < 0; });
  return found;
}

bool reclaimable(const shmalloc_object_info &object) {
  return (object.state & SHMALLOC_OBJECT_ABANDONED) != 0 && (object.state & SHMALLOC_OBJECT_UNCERTAIN) == 0;
}

const char *kind_name(std::int32_t kind) {
  switch (kind) {
    case SHMALLOC_ALLOCATOR_KIND_DEFAULT:
      return "default";
    case SHMALLOC_ALLOCATOR_KIND_DIRECT:
      return "direct";
    case SHMALLOC_ALLOCATOR_KIND_MAP:
      return "map";
    case SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED:
      return "map_refcounted";
    default:
      return "unknown";
  }
}

const char *maker_name(std::int32_t maker) {
  switch (maker) {
    case SHMALLOC_OBJECT_MAKER_SHMALLOC:
      return "shmalloc";
    case SHMALLOC_OBJECT_MAKER_TORCH:
      return "torch";
    default:
      return "unknown";
  }
}

std::vector<std::string> object_state(std::uint32_t state) {
  static constexpr Bit kNames[] = {{SHMALLOC_OBJECT_ABANDONED, "abandoned"},
                                   {SHMALLOC_OBJECT_UNCERTAIN, "uncertain"},
                                   {SHMALLOC_OBJECT_LOCKED, "locked"},
                                   {SHMALLOC_OBJECT_NAMED, "named"},
                                   {SHMALLOC_OBJECT_COUNTED, "counted"}};
  return words_of(state, kNames);
}

std::string held_word(std::uint32_t state) {
  std::string word = (state & SHMALLOC_OBJECT_ABANDONED) != 0 ? "abandoned" : "held";
  if ((state & SHMALLOC_OBJECT_UNCERTAIN) != 0) word += '?';
  return word;
}

std::vector<std::string> storage_state(std::uint32_t state) {
  static constexpr Bit kNames[] = {{SHMALLOC_STORAGE_STATE_SHARED, "shared"},
                                   {SHMALLOC_STORAGE_STATE_IMPORTED, "imported"},
                                   {SHMALLOC_STORAGE_STATE_READ_ONLY, "read-only"},
                                   {SHMALLOC_STORAGE_STATE_SEALED, "sealed"},
                                   {SHMALLOC_STORAGE_STATE_WRITE_SEALED, "write-sealed"},
                                   {SHMALLOC_STORAGE_STATE_IMMUTABLE, "immutable"},
                                   {SHMALLOC_STORAGE_STATE_CLOSED, "closed"},
                                   {SHMALLOC_STORAGE_STATE_FORKED, "forked"}};
  return words_of(state, kNames);
}

std::string joined(const std::vector<std::string> &words, const char *between) {
  std::string out;
  for (const std::string &word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

void write_words(JsonWriter &out, const std::vector<std::string> &words) {
  out.array();
  for (const std::string &word : words) out.text(word);
  out.end();
}

void write_object(JsonWriter &out, const shmalloc_object_info &object) {
  out.object();
  write_object_keys(out, object);
  out.end();
}

void write_object_keys(JsonWriter &out, const shmalloc_object_info &object) {
  out.key("name").text(object.name);
  out.key("maker").text(maker_name(object.maker));
  out.key("size").size(object.size);
  out.key("resident").size(object.resident);
  out.key("holders").number(object.holders);
  out.key("holder_pid").number(object.holder_pid);
  out.key("state");
  write_words(out, object_state(object.state));
  out.key("refcount");
  if ((object.state & SHMALLOC_OBJECT_COUNTED) != 0)
    out.number(object.refcount);
  else
    out.null();
  out.key("uid").number(object.uid);
  out.key("mode").size(object.mode);
  out.key("modified_ns").number(object.modified_ns);
}

}  // namespace shmalloc_tool
