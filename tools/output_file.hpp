// A file that is there with all its bytes or not at all.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "descriptor.hpp"

namespace shmalloc_tool {

// All of the bytes, to any descriptor. What a peer took away from under `data` is STALE, not a SIGBUS.
void write_all(int fd, const std::uint8_t *data, std::size_t size, const std::string &what);

// A terminal, a pipe, a device: what a signal leaves no half file in.
bool is_special(const std::string &path);

// Bytes go to a file without a name, where the file system has such, else to one with a temporary name; finish() gives it its own.
// A target that is no regular file (a terminal, a pipe, /dev/null) is written to as it is.
class OutputFile {
 public:
  OutputFile(const std::string &path, bool replace);
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;
  ~OutputFile();

  int fd() const { return fd_.get(); }
  void reserve(std::uint64_t size);  // a full file system says so before the copy
  void finish();

 private:
  void open_unnamed_or_temporary();
  std::string self() const;
  void name_without_replacing();

  std::string path_;       // as it was given
  std::string target_;     // the same, or what it links to
  std::string temporary_;  // empty: there is none
  Descriptor fd_;
  bool replace_;
  bool regular_ = true;
  mode_t mode_ = 0;
  bool keep_mode_ = false;
};

}  // namespace shmalloc_tool
