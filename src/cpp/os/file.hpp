// Files, shm objects and memfds: open, look at, size, reserve, seal, lock, remove. What can go wrong is told in words that help.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "os/fd.hpp"

namespace shmalloc::os {

inline constexpr char kShmDirectory[] = "/dev/shm";

// Tells one object of this machine from every other, names that were used again included.
struct Identity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t born_ns = 0;  // 0 where the file system does not tell

  bool operator==(const Identity &) const = default;
};

struct FileFacts {
  Identity identity;
  std::uint64_t size = 0;
  std::uint64_t resident = 0;  // bytes of blocks
  std::int64_t changed_ns = 0;
  std::uint32_t links = 0;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  bool regular = false;
};

// The page size of the machine.
std::size_t page_size();

Result<FileFacts> look(int fd, const char *what);
// errno instead of an error: for paths whose absence is no failure. 0 on success.
int look_at(const char *path, FileFacts *out);

// Opens a path with O_CLOEXEC; the errno is left in errno when the descriptor is not valid.
UniqueFd open_path(const char *path, int flags, unsigned mode = 0);
// Opens what a descriptor leads to once more, as another open file description.
Result<UniqueFd> reopen(int fd, int flags);
Result<UniqueFd> duplicate(int fd);

// A nameless object that can be sealed. `huge_page` is 0 or the size of its pages.
Result<UniqueFd> make_memfd(const char *name, std::uint64_t huge_page);
// A file without a name yet in the directory.
UniqueFd make_unnamed(const char *directory, unsigned mode);
// Gives a file without a name one; errno, or 0.
int give_name(int fd, const char *path);
// Removes a name if it still belongs to this object; errno, or 0. A name that is gone is no failure.
int remove_name(const char *path, const Identity &identity);

// NO_SPACE for a length beyond RLIMIT_FSIZE, at which the kernel would send SIGXFSZ.
Result<void> check_file_limit(std::uint64_t size, const char *what);
// Undoes our making a file longer, unless somebody else made it longer still.
void cut_back(int fd, std::uint64_t from, std::uint64_t to);
// Makes a file at least `size` bytes long and reserves its blocks from `from` on; no byte that is there changes.
// `limits` says what they are taken from.
struct Limits {
  const char *mount = nullptr;  // a path on the file system that limits it, "" the one it is on, NULL none
  bool memory = false;          // the machine's memory
};
Result<void> reserve(int fd, std::uint64_t from, std::uint64_t size, std::uint64_t old_size, const Limits &limits,
                     const char *what);

// Whether a part of the file has no blocks, so that touching it would need memory. True also when nobody can tell.
bool has_holes(int fd, std::uint64_t from, std::uint64_t to);

// The presence lock: a shared lock on the open file description says "a process that uses shmalloc holds this object". A mapping keeps
// it when the descriptor is closed, the kernel drops it with the last of both, and nobody needs the other's pid namespace to see it.
// Who takes an object back must first get the lock exclusively, on a description of his own. False: somebody else has it.
Result<bool> lock_presence(int fd, bool exclusively);
// Whether anybody holds the lock, without disturbing anybody.
bool presence_locked(int fd);

// Locks on bytes of a file that belong to the open file description, and last as long as it has a descriptor or a mapping.
enum class Lock : std::uint8_t { none, shared, exclusive };
// Doesn't wait. False: somebody else has it.
Result<bool> lock_byte(int fd, std::uint64_t byte, Lock lock);
// Whether anybody but this description has the byte locked. True also when nobody can tell.
bool byte_locked(int fd, std::uint64_t byte);

Result<void> add_seals(int fd, int seals, const char *what);
// The seals, or 0 for what has none.
int seals_of(int fd);

// What a full mount, table or limit has to say, for the end of a message. Empty when it does not know better.
struct Hint {
  char text[160];
};
Hint hint_for(int os_error, const char *path);

}  // namespace shmalloc::os
