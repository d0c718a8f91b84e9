/* SPDX-License-Identifier: MIT
 * The demo's C process: does what the lines on its standard input say, and answers each with one line.
 *
 *   receive SOCKET        open the storage of the next message    -> address, size, nanoseconds of the monotonic clock
 *   hash                  SHA-256 of all of it
 *   read OFFSET COUNT     some bytes, in hexadecimal
 *   write OFFSET HEX      put some bytes there
 *   try-to-write          all the ways around a read-only storage  -> "yes" or "no" for each, and why
 *   release
 *
 * A line that begins with "error" says what went wrong. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <shmalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "sha256.h"

static shmalloc_storage *storage;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void receive(int socket) {
  shmalloc_error err;
  size_t count = 1;
  if (shmalloc_storage_receive(socket, NULL, &storage, &count, &err) != SHMALLOC_STATUS_OK) {
    printf("error %s\n", err.message);
    return;
  }
  /* The first and the last byte are really there. */
  const volatile uint8_t *bytes = shmalloc_storage_data(storage);
  size_t size = shmalloc_storage_size(storage);
  unsigned touched = size == 0 ? 0 : bytes[0] + bytes[size - 1];
  printf("%" PRIuPTR " %zu %" PRId64 " %u\n", (uintptr_t)bytes, size, now(), touched);
}

static int digit(char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; }

static void show(size_t offset, size_t count) {
  const uint8_t *bytes = shmalloc_storage_data(storage);
  for (size_t i = 0; i < count; i++) printf("%02x", bytes[offset + i]);
  puts("");
}

static void put(size_t offset, const char *hex) {
  uint8_t *bytes = shmalloc_storage_data(storage);
  for (size_t i = 0; hex[2 * i] != 0 && hex[2 * i] != '\n'; i++)
    bytes[offset + i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
  puts("ok");
}

/* One attempt: "yes" if it got through. */
static void attempt(const char *what, int got_through) {
  printf("%s%s: %s", what, got_through ? " got through" : " refused", got_through ? "yes" : strerror(errno));
}

static void try_to_write(void) {
  shmalloc_storage_info info = SHMALLOC_INIT(shmalloc_storage_info);
  shmalloc_storage_get_info(storage, &info, NULL);
  size_t length = info.size < 4096 ? info.size : 4096;

  shmalloc_error err;
  void *pinned;
  if (shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, &pinned, NULL, &err) == SHMALLOC_STATUS_OK)
    printf("pin for writing got through");
  else
    printf("pin for writing refused: %s", shmalloc_status_name(err.status));

  void *map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, info.fd, 0);
  attempt("; mmap for writing", map != MAP_FAILED);
  attempt("; mprotect of what is mapped", mprotect(info.data, length, PROT_READ | PROT_WRITE) == 0);
  attempt("; write(2)", pwrite(info.fd, "!", 1, 0) == 1);
  attempt("; ftruncate", ftruncate(info.fd, 0) == 0);

  /* A second door to the same memory: what matters is whether anything can be written through it. */
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", info.fd);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  attempt("; reopening it through /proc and write(2)", fd >= 0 && pwrite(fd, "!", 1, 0) == 1);
  if (fd >= 0) {
    map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    attempt("; .. and mmap", map != MAP_FAILED);
    map = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
    attempt("; .. and mmap for reading, then mprotect", map != MAP_FAILED && mprotect(map, length, PROT_READ | PROT_WRITE) == 0);
    if (map != MAP_FAILED) munmap(map, length);
    close(fd);
  }
  puts("");
}

int main(void) {
  char line[4096], hash[65];
  while (fgets(line, sizeof line, stdin) != NULL) {
    unsigned long long first = 0, second = 0;
    char word[32] = "", hex[2048] = "";
    if (sscanf(line, "%31s %llu %2047s", word, &first, hex) < 1) continue;
    sscanf(line, "%*s %*u %llu", &second);
    if (strcmp(word, "receive") == 0)
      receive((int)first);
    else if (strcmp(word, "hash") == 0)
      sha256(shmalloc_storage_data(storage), shmalloc_storage_size(storage), hash), puts(hash);
    else if (strcmp(word, "read") == 0)
      show(first, second);
    else if (strcmp(word, "write") == 0)
      put(first, hex);
    else if (strcmp(word, "try-to-write") == 0)
      try_to_write();
    else if (strcmp(word, "release") == 0)
      shmalloc_storage_release(storage), storage = NULL, puts("ok");
    else
      printf("error the C process does not know \"%s\"\n", word);
    fflush(stdout);
  }
  shmalloc_storage_release(storage);
  return 0;
}
