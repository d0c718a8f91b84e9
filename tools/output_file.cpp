#include "output_file.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "report.hpp"

namespace shmalloc_tool {
namespace {

std::string folder_of(const std::string &path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_name(const std::string &folder) {
  std::uint64_t bits = 0;
  if (getrandom(&bits, sizeof bits, 0) != static_cast<ssize_t>(sizeof bits)) fail_errno(errno, "can't make a temporary name");
  char name[64];
  std::snprintf(name, sizeof name, "/.shmalloc-%016llx.part", static_cast<unsigned long long>(bits));
  return folder + name;
}

[[noreturn]] void fail_exists(const std::string &path) {
  fail(SHMALLOC_STATUS_EXISTS, "'" + path + "' exists; --force replaces it");
}

}  // namespace

void write_all(int fd, const std::uint8_t *data, std::size_t size, const std::string &what) {
  while (size > 0) {
    const ssize_t put = write(fd, data, size);
    if (put >= 0) {
      data += put;
      size -= static_cast<std::size_t>(put);
    } else if (errno == EFAULT) {
      fail(SHMALLOC_STATUS_STALE, "the object was truncated by another process while it was copied");
    } else if (errno != EINTR) {
      fail_errno(errno, "can't write to " + what);
    }
  }
}

bool is_special(const std::string &path) {
  struct stat there {};
  return stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode);
}

OutputFile::OutputFile(const std::string &path, bool replace) : path_(path), target_(path), replace_(replace) {
  struct stat there {};
  if (stat(path.c_str(), &there) == 0) {
    regular_ = S_ISREG(there.st_mode);
    if (!regular_) {
      fd_ = Descriptor(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
      if (!fd_) fail_errno(errno, "can't write to '" + path + "'");
      return;
    }
    if (!replace) fail_exists(path);
    char *real = realpath(path.c_str(), nullptr);
    if (real == nullptr) fail_errno(errno, "can't find what '" + path + "' leads to");
    target_ = real;
    std::free(real);
    mode_ = there.st_mode & 07777;
    keep_mode_ = true;
  } else if (errno != ENOENT) {
    fail_errno(errno, "can't look at '" + path + "'");
  } else if (!replace && lstat(path.c_str(), &there) == 0) {
    fail_exists(path);  // a link that leads nowhere
  }
  open_unnamed_or_temporary();
}

void OutputFile::open_unnamed_or_temporary() {
  const std::string folder = folder_of(target_);
  fd_ = Descriptor(open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666));
  if (fd_) return;
  // EISDIR: a kernel without O_TMPFILE; the others: a file system without.
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) fail_errno(errno, "can't make a file in '" + folder + "'");
  const std::string name = temporary_name(folder);
  fd_ = Descriptor(open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666));
  if (!fd_) fail_errno(errno, "can't make a file in '" + folder + "'");
  temporary_ = name;
}

void OutputFile::reserve(std::uint64_t size) {
  if (!regular_ || size == 0) return;
  if (fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)) == 0 || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR) return;
  fail_errno(errno, "can't write " + std::to_string(size) + " bytes to '" + path_ + "'");
}

std::string OutputFile::self() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

void OutputFile::name_without_replacing() {
  int failed = 0;
  if (temporary_.empty()) {
    failed = linkat(AT_FDCWD, self().c_str(), AT_FDCWD, target_.c_str(), AT_SYMLINK_FOLLOW);
  } else {
    failed = renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE);
    if (failed == 0) temporary_.clear();
    // EINVAL: not every file system has it; the destructor removes the second name.
    else if (errno == EINVAL)
      failed = link(temporary_.c_str(), target_.c_str());
  }
  if (failed == 0) return;
  if (errno == EEXIST) fail_exists(path_);
  fail_errno(errno, "can't name '" + path_ + "'");
}

void OutputFile::finish() {
  if (regular_ && keep_mode_ && fchmod(fd_.get(), mode_) != 0) fail_errno(errno, "can't set the mode of '" + path_ + "'");
  // Network file systems tell late that there is no room: ask before the file gets its name. (They have none without a name.)
  const bool unnamed = regular_ && temporary_.empty();
  if (!unnamed && close(fd_.release()) != 0) fail_errno(errno, "can't finish '" + path_ + "'");
  if (!regular_) return;
  if (!replace_) {
    name_without_replacing();
    return;
  }
  if (unnamed) {
    const std::string name = temporary_name(folder_of(target_));
    if (linkat(AT_FDCWD, self().c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      fail_errno(errno, "can't name '" + path_ + "'");
    temporary_ = name;
  }
  if (rename(temporary_.c_str(), target_.c_str()) != 0) fail_errno(errno, "can't replace '" + path_ + "'");
  temporary_.clear();
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

}  // namespace shmalloc_tool
