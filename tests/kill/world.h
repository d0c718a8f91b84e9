/* What all processes of the trial share: a table of handles, counts, and the rule that says what is in a storage. */
#ifndef SHMALLOC_TESTS_KILL_WORLD_H
#define SHMALLOC_TESTS_KILL_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shmalloc.h"

enum { kEntries = 48, kMostWorkers = 80 };

/* A handle that anybody may open, if it is still good. Writers may die in the middle and write over each other: the sum tells. */
struct entry {
  uint64_t id;
  uint64_t length;
  uint8_t bytes[SHMALLOC_HANDLE_MAX];
  uint64_t sum;
};

struct world {
  struct entry entries[kEntries];
  atomic_int stopping;   /* workers release all that they have and end */
  atomic_int accounting; /* .. and then the owner that survives says what is left */
  atomic_int failures;   /* of processes that found something wrong, or crashed */
  atomic_ulong imports, stale, made, forks, ended_by_step;
  uint64_t seed;
  int sockets[2];
};
extern struct world *world;

/* ---- numbers ---- */

struct random {
  uint64_t state;
};
static inline uint64_t mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
  value = (value ^ value >> 27) * 0x94d049bb133111ebU;
  return value ^ value >> 31;
}
static inline uint64_t next(struct random *random) { return mix(++random->state); }
static inline unsigned below(struct random *random, unsigned end) { return (unsigned)(next(random) >> 20) % end; }

/* ---- what is wrong ---- */

__attribute__((format(printf, 2, 3))) void wrong(int line, const char *format, ...);
#define CHECK(condition)                                           \
  do {                                                             \
    if (!(condition)) wrong(__LINE__, "%s is not so", #condition); \
  } while (0)
/* A call that must be OK. */
#define OK(call)                                                                                         \
  do {                                                                                                   \
    shmalloc_error err_ = {0}, *err = &err_;                                                             \
    const int status_ = (call);                                                                          \
    (void)err;                                                                                           \
    if (status_ != 0) wrong(__LINE__, "%s: %s: %s", #call, shmalloc_status_name(status_), err_.message); \
  } while (0)

/* ---- what is in a storage: its id, and words that follow from it ---- */

static inline void write_pattern(shmalloc_storage *storage, uint64_t id) {
  uint64_t *words = shmalloc_storage_data(storage);
  const size_t count = shmalloc_storage_size(storage) / 8;
  words[0] = id;
  for (size_t i = 1; i < count; ++i) words[i] = id * 31 + i;
}
static inline uint64_t id_in(shmalloc_storage *storage) { return *(const volatile uint64_t *)shmalloc_storage_data(storage); }
static inline int pattern_is(shmalloc_storage *storage, uint64_t id) {
  const volatile uint64_t *words = shmalloc_storage_data(storage);
  const size_t count = shmalloc_storage_size(storage) / 8;
  if (words[0] != id) return 0;
  for (size_t i = 1; i<count; i += count> 8192 ? 61 : 1) {
    if (words[i] != id * 31 + i) return 0;
  }
  return words[count - 1] == id * 31 + count - 1 || count == 1;
}

static inline uint64_t sum_of(const struct entry *entry) {
  uint64_t sum = mix(entry->id ^ entry->length);
  for (size_t i = 0; i < sizeof entry->bytes; i += 8) {
    uint64_t word;
    memcpy(&word, entry->bytes + i, 8);
    sum = mix(sum ^ word);
  }
  return sum;
}

/* ---- processes ---- */

void begin_process(int may_die, uint64_t seed); /* in a new child: handlers, numbers, and perhaps the step at which it dies */
void run_worker(uint64_t seed);
void run_survivor(int socket);

#endif
