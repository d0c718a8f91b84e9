// Libraries that call themselves the CUDA driver and are none, or not one that can be used; KIND says which. tests: test_cuda_driver.cpp.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#define EMPTY 1    // Not one of the driver's functions.
#define OLD 2      // A driver that can't be asked for entries of a version.
#define STUB 3     // What a toolkit has to link with: all functions are there and do nothing.
#define FIRST 4    // Entries are asked for in the first form; the simulator is behind it.
#define LACKING 5  // The same, and the entry that SHMALLOC_LACKS names is not found.
#define FORKING 6  // The same in the second form, and cuInit runs a program, as a driver does that has to load a module.

extern "C" {

#if KIND == EMPTY
int cuda_is_not_here() { return 1; }
#endif

#if KIND == OLD
int cuDriverGetVersion(int *out) {
  *out = 11020;
  return 0;
}
#endif

#if KIND == STUB
int cuDriverGetVersion(int *) { return 34; }
int cuGetProcAddress_v2(const char *, void **, int, std::uint64_t, int *) { return 34; }
int cuInit(unsigned) { return 34; }
#endif

#if KIND == FIRST || KIND == LACKING || KIND == FORKING
static void *real(const char *name) {
  static void *const library = dlopen(std::getenv("SHMALLOC_SIMULATOR"), RTLD_NOW | RTLD_LOCAL);
  return library != nullptr ? dlsym(library, name) : nullptr;
}
int cuDriverGetVersion(int *out) { return reinterpret_cast<int (*)(int *)>(real("cuDriverGetVersion"))(out); }
#if KIND == FORKING
static int init(unsigned flags) {
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/true", "true", static_cast<char *>(nullptr));
    _exit(1);
  }
  int status = 1;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) return 999;
  return reinterpret_cast<int (*)(unsigned)>(real("cuInit"))(flags);
}
#endif
static int find(const char *name, void **out, int version, std::uint64_t flags, int *status) {
#if KIND == FORKING
  if (std::strcmp(name, "cuInit") == 0) {
    *out = reinterpret_cast<void *>(init);
    return 0;
  }
#endif
  const char *lacks = std::getenv("SHMALLOC_LACKS");
  *out = nullptr;
  if (lacks != nullptr && std::strcmp(lacks, name) == 0) return 0;
  using Get = int (*)(const char *, void **, int, std::uint64_t, int *);
  return reinterpret_cast<Get>(real("cuGetProcAddress_v2"))(name, out, version, flags, status);
}
#if KIND == FIRST
int cuGetProcAddress(const char *name, void **out, int version, std::uint64_t flags) {
  return find(name, out, version, flags, nullptr);
}
#else
int cuGetProcAddress_v2(const char *name, void **out, int version, std::uint64_t flags, int *status) {
  return find(name, out, version, flags, status);
}
#endif
#endif
}
