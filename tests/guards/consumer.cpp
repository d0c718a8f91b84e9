// The C++20 twin of examples/main_job.c: guard `installed consumers` builds it against an installed shmalloc.
#include <shmalloc.h>
#include <shmalloc/torch.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>

struct Release {
  void operator()(shmalloc_storage *s) const { shmalloc_storage_release(s); }
};
using Storage = std::unique_ptr<shmalloc_storage, Release>;
using Handle = std::array<uint8_t, SHMALLOC_HANDLE_MAX>;

static int receive(int from) {
  Handle handle;
  ssize_t length = read(from, handle.data(), handle.size());
  shmalloc_error err{};
  shmalloc_storage *raw = nullptr;
  auto params = SHMALLOC_INIT(shmalloc_import_params);
  if (length <= 0 ||
      shmalloc_storage_import(handle.data(), static_cast<size_t>(length), nullptr, 0, &params, &raw, &err) != SHMALLOC_STATUS_OK) {
    std::fprintf(stderr, "import: %s\n", err.message);
    return 1;
  }
  Storage storage(raw);
  return std::strcmp(static_cast<const char *>(shmalloc_storage_data(storage.get())), "hello") == 0 ? 0 : 1;
}

static int give(int to) {
  shmalloc_error err{};
  shmalloc_storage *raw = nullptr;
  if (shmalloc_storage_create(nullptr, 4096, SHMALLOC_STREAM_DEFAULT, nullptr, &raw, &err) != SHMALLOC_STATUS_OK) {
    std::fprintf(stderr, "create: %s\n", err.message);
    return 1;
  }
  Storage storage(raw);
  std::strcpy(static_cast<char *>(shmalloc_storage_data(raw)), "hello");
  Handle handle;
  size_t length = handle.size();
  if (shmalloc_storage_export(raw, nullptr, handle.data(), &length, &err) != SHMALLOC_STATUS_OK) {
    std::fprintf(stderr, "export: %s\n", err.message);
    return 1;
  }
  if (write(to, handle.data(), length) != static_cast<ssize_t>(length)) return 1;
  int status = 1;
  wait(&status);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

int main() {
  static_assert(SHMALLOC_VERSION_AT_LEAST(0, 1, 0));
  std::array<int, 2> ends{};
  if (shmalloc_version() != SHMALLOC_VERSION || pipe(ends.data()) != 0) return 1;
  pid_t child = fork();
  if (child < 0) return 1;
  return child == 0 ? receive(ends[0]) : give(ends[1]);
}
