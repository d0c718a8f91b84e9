/* Loads the library into a process that has nothing but libc, makes one storage, and says how many nanoseconds that took.
 * load_probe all|cpp|after-cpp|create LIBRARY */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shmalloc.h"

typedef shmalloc_status (*create_fn)(shmalloc_allocator *, size_t, shmalloc_stream, const shmalloc_storage_params *,
                                     shmalloc_storage **, shmalloc_error *);
typedef void (*release_fn)(shmalloc_storage *);

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *load(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) fprintf(stderr, "load_probe: %s\n", dlerror());
  return library;
}

static int create_and_release(void *library) {
  create_fn create;
  release_fn release;
  void *symbol = dlsym(library, "shmalloc_storage_create");
  memcpy(&create, &symbol, sizeof symbol);
  symbol = dlsym(library, "shmalloc_storage_release");
  memcpy(&release, &symbol, sizeof symbol);
  if (create == NULL || release == NULL) return 0;
  shmalloc_storage *storage;
  shmalloc_error error;
  if (create(NULL, 4096, SHMALLOC_STREAM_DEFAULT, NULL, &storage, &error) != SHMALLOC_STATUS_OK) {
    fprintf(stderr, "load_probe: %s\n", error.message);
    return 0;
  }
  release(storage);
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const int cpp_only = strcmp(argv[1], "cpp") == 0;
  if (strcmp(argv[1], "after-cpp") == 0 && load("libstdc++.so.6") == NULL) return 1;
  double begin = now_ns();
  void *library = load(cpp_only ? "libstdc++.so.6" : argv[2]);
  if (library == NULL) return 1;
  if (strcmp(argv[1], "create") == 0) begin = now_ns();
  if (!cpp_only && !create_and_release(library)) return 1;
  printf("%.0f\n", now_ns() - begin);
  return 0;
}
