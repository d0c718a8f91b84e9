// The library's calls as the commands want them: references with owners, failures thrown, texts as strings.
#pragma once

#include <shmalloc.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "json_writer.hpp"

namespace shmalloc_tool {

struct StorageRelease {
  void operator()(shmalloc_storage *storage) const { shmalloc_storage_release(storage); }
};
struct AllocatorRelease {
  void operator()(shmalloc_allocator *allocator) const { shmalloc_allocator_release(allocator); }
};
using Storage = std::unique_ptr<shmalloc_storage, StorageRelease>;
using Allocator = std::unique_ptr<shmalloc_allocator, AllocatorRelease>;

// A pin, and the bytes that it keeps in place.
class Pin {
 public:
  Pin(const Storage &storage, shmalloc_access access);
  Pin(const Pin &) = delete;
  Pin &operator=(const Pin &) = delete;
  ~Pin() { shmalloc_storage_unpin(storage_, access_); }
  std::uint8_t *data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  shmalloc_storage *storage_;
  shmalloc_access access_;
  std::uint8_t *data_ = nullptr;
  std::size_t size_ = 0;
};

struct Handle {
  std::uint8_t bytes[SHMALLOC_HANDLE_MAX];
  std::size_t length = sizeof bytes;
};

Handle handle_from_text(const std::string &text);
std::string handle_to_text(const Handle &handle);
// The text of a handle that a person gave: the word itself, or what stdin holds for "-".
std::string handle_word(const std::string &word);

Storage open_handle(const Handle &handle);
Storage open_name(const std::string &name);  // a POSIX shm object, for reading
Storage receive_one(int socket, std::int64_t timeout_ns, bool same_user);

shmalloc_storage_info storage_info(const Storage &storage);
std::string storage_name(const Storage &storage);  // empty: it has none

// Shared objects of this machine, by name. `prefix` may be nullptr.
std::vector<shmalloc_object_info> shared_objects(const char *prefix);
bool reclaimable(const shmalloc_object_info &object);

const char *kind_name(std::int32_t kind);
const char *maker_name(std::int32_t maker);
std::vector<std::string> object_state(std::uint32_t state);
std::string held_word(std::uint32_t state);  // "held", "abandoned", with a '?' where that is uncertain
std::vector<std::string> storage_state(std::uint32_t state);
std::string joined(const std::vector<std::string> &words, const char *between);

void write_words(JsonWriter &out, const std::vector<std::string> &words);
void write_object(JsonWriter &out, const shmalloc_object_info &object);
void write_object_keys(JsonWriter &out, const shmalloc_object_info &object);  // within an object of the caller's

}  // namespace shmalloc_tool
