/* One process of the tests in which every language shares with every other: does what the lines on its standard input say, and answers each
 * with one line. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "answer.h"

/* ---- what it holds, by name ---- */

enum { NAMES = 1024, NAME_SIZE = 64 };

static struct entry {
  char name[NAME_SIZE];
  shmalloc_storage *storage;
} entries[NAMES];

static struct entry *find(const char *name) {
  for (size_t i = 0; i < NAMES; i++)
    if (entries[i].storage != NULL && name != NULL && strcmp(entries[i].name, name) == 0) return &entries[i];
  return NULL;
}

/* Takes the reference over. 0: no room. */
static int keep(const char *name, shmalloc_storage *storage) {
  struct entry *entry = find(name);
  for (size_t i = 0; i < NAMES && entry == NULL; i++)
    if (entries[i].storage == NULL) entry = &entries[i];
  if (entry == NULL || strlen(name) >= NAME_SIZE) {
    shmalloc_storage_release(storage);
    return 0;
  }
  shmalloc_storage_release(entry->storage);
  strcpy(entry->name, name);
  entry->storage = storage;
  return 1;
}

static void forget(struct entry *entry) {
  shmalloc_storage_release(entry->storage);
  entry->storage = NULL;
}

/* ---- the words of a line ---- */

static char *word(void) { return strtok(NULL, " \n"); }

static int number(uint64_t *value) {
  char *text = word(), *end = text;
  if (text != NULL) *value = strtoull(text, &end, 10);
  return text != NULL && end != text && *end == 0;
}

/* ---- orders ---- */

static uint8_t pattern(size_t index, uint64_t seed) { return (uint8_t)(index * 7 + seed); }

static void fill_storage(shmalloc_storage *storage, uint64_t seed) {
  void *data;
  size_t size;
  CALL(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, &data, &size, err));
  for (size_t i = 0; i < size; i++) ((uint8_t *)data)[i] = pattern(i, seed);
  shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_WRITE);
  puts("ok");
}

static shmalloc_allocator *allocators[SHMALLOC_ALLOCATOR_KIND_SHARED + 1];

static int kind_of(const char *name) {
  static const char *const names[] = {"direct", "map", "map_refcounted", "shared", "isolated"};
  static const int kinds[] = {SHMALLOC_ALLOCATOR_KIND_DIRECT, SHMALLOC_ALLOCATOR_KIND_MAP, SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED,
                              SHMALLOC_ALLOCATOR_KIND_SHARED, SHMALLOC_ALLOCATOR_KIND_SHARED};
  for (size_t i = 0; i < 5; i++)
    if (strcmp(name, names[i]) == 0) return kinds[i];
  return 0;
}

static void make(void) {
  const char *name = word(), *kind = word();
  uint64_t size, seed;
  if (kind == NULL || !number(&size) || !number(&seed)) REFUSE("make NAME KIND SIZE SEED");
  shmalloc_allocator_params how = SHMALLOC_INIT(shmalloc_allocator_params);
  how.kind = kind_of(kind);
  if (how.kind == 0) REFUSE("there is no kind %s", kind);
  if (allocators[how.kind] == NULL) CALL(shmalloc_allocator_create(&how, &allocators[how.kind], err));
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.flags = strcmp(kind, "isolated") == 0 ? SHMALLOC_STORAGE_ISOLATED : 0;
  shmalloc_storage *storage;
  CALL(shmalloc_storage_create(allocators[how.kind], size, SHMALLOC_STREAM_DEFAULT, &params, &storage, err));
  if (!keep(name, storage)) REFUSE("too many names, or too long a one");
  fill_storage(storage, seed);
}

static void fill(void) {
  const struct entry *entry = find(word());
  uint64_t seed;
  if (entry == NULL || !number(&seed)) REFUSE("fill NAME SEED, of a storage that is there");
  fill_storage(entry->storage, seed);
}

static void check(void) {
  const struct entry *entry = find(word());
  uint64_t seed;
  void *data;
  size_t size, i = 0;
  if (entry == NULL || !number(&seed)) REFUSE("check NAME SEED, of a storage that is there");
  CALL(shmalloc_storage_pin(entry->storage, SHMALLOC_ACCESS_READ, &data, &size, err));
  while (i < size && ((const uint8_t *)data)[i] == pattern(i, seed)) i++;
  shmalloc_storage_unpin(entry->storage, SHMALLOC_ACCESS_READ);
  if (i < size)
    printf("bad %zu\n", i);
  else
    puts("ok");
}

static void share(void) {
  const struct entry *entry = find(word());
  if (entry == NULL) REFUSE("share NAME, of a storage that is there");
  CALL(shmalloc_storage_share(entry->storage, NULL, SHMALLOC_STREAM_DEFAULT, err));
  puts("ok");
}

/* Nobody's memory is kept for handles that were given out. */
static const shmalloc_export_params unkept = {.struct_size = sizeof unkept, .ttl_ns = SHMALLOC_TIME_NONE};

static void text(void) {
  const struct entry *entry = find(word());
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  char room[SHMALLOC_HANDLE_TEXT_MAX];
  size_t length = sizeof handle, text_length = sizeof room;
  if (entry == NULL) REFUSE("text NAME, of a storage that is there");
  CALL(shmalloc_storage_export(entry->storage, &unkept, handle, &length, err));
  CALL(shmalloc_handle_to_text(handle, length, room, &text_length, err));
  printf("ok %s\n", room);
}

static void open_text(void) {
  const char *name = word(), *from = word();
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  shmalloc_storage *storage;
  if (from == NULL) REFUSE("open NAME TEXT");
  CALL(shmalloc_handle_from_text(from, handle, &length, err));
  CALL(shmalloc_storage_import(handle, length, NULL, 0, NULL, &storage, err));
  if (!keep(name, storage)) REFUSE("too many names, or too long a one");
  printf("ok %zu\n", shmalloc_storage_size(storage));
}

static void send_message(void) {
  shmalloc_storage *storages[SHMALLOC_MESSAGE_MAX];
  size_t count = 0;
  uint64_t socket;
  if (!number(&socket)) REFUSE("send FD NAME..");
  for (char *name; (name = word()) != NULL && count < SHMALLOC_MESSAGE_MAX; count++) {
    const struct entry *entry = find(name);
    if (entry == NULL) REFUSE("there is no storage %s", name);
    storages[count] = entry->storage;
  }
  CALL(shmalloc_storage_send((int32_t)socket, storages, count, &unkept, err));
  puts("ok");
}

static void receive_message(void) {
  shmalloc_storage *storages[SHMALLOC_MESSAGE_MAX];
  size_t count = SHMALLOC_MESSAGE_MAX, named = 0;
  uint64_t socket;
  if (!number(&socket)) REFUSE("receive FD NAME..");
  CALL(shmalloc_storage_receive((int32_t)socket, NULL, storages, &count, err));
  for (char *name; (name = word()) != NULL; named++)
    if (named < count && !keep(name, storages[named])) storages[named] = NULL;
  for (size_t i = named; i < count; i++) shmalloc_storage_release(storages[i]);
  if (named != count) REFUSE("%zu storages came", count);
  puts("ok");
}

static void release(void) {
  struct entry *entry = find(word());
  if (entry == NULL) REFUSE("release NAME, of a storage that is there");
  forget(entry);
  puts("ok");
}

static void quit(void) {
  for (size_t i = 0; i < NAMES; i++) forget(&entries[i]);
  for (size_t i = 0; i <= SHMALLOC_ALLOCATOR_KIND_SHARED; i++) shmalloc_allocator_release(allocators[i]);
  puts("ok");
}

/* ---- how long calls take ---- */

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void answer_time(uint64_t begin) { printf("ok %" PRIu64 "\n", now() - begin); }

static void time_version(uint64_t times) {
  const uint64_t begin = now();
  for (uint64_t i = 0; i < times; i++) shmalloc_version();
  answer_time(begin);
}

static void time_create(uint64_t times) {
  const uint64_t begin = now();
  for (uint64_t i = 0; i < times; i++) {
    shmalloc_storage *storage;
    CALL(shmalloc_storage_create(NULL, 4096, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
    shmalloc_storage_release(storage);
  }
  answer_time(begin);
}

static void time_import(shmalloc_storage *storage, uint64_t times) {
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  CALL(shmalloc_storage_export(storage, NULL, handle, &length, err));
  const uint64_t begin = now();
  for (uint64_t i = 0; i < times; i++) {
    shmalloc_storage *opened;
    CALL(shmalloc_storage_import(handle, length, NULL, 0, NULL, &opened, err));
    shmalloc_storage_release(opened);
  }
  answer_time(begin);
}

static void time_view(shmalloc_storage *storage, uint64_t times) {
  const uint64_t begin = now();
  for (uint64_t i = 0; i < times; i++) {
    void *data;
    CALL(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, &data, NULL, err));
    *(volatile uint8_t *)data = 1;
    shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_WRITE);
  }
  answer_time(begin);
}

static void time_send(shmalloc_channel *channel, shmalloc_storage *storage, uint64_t times) {
  const uint64_t begin = now();
  for (uint64_t i = 0; i < times; i++) {
    shmalloc_storage *received;
    CALL(shmalloc_channel_send(channel, storage, NULL, 0, SHMALLOC_TIME_FOREVER, err));
    CALL(shmalloc_channel_receive(channel, &received, NULL, NULL, SHMALLOC_TIME_FOREVER, err));
    shmalloc_storage_release(received);
  }
  answer_time(begin);
}

static void time_calls(void) {
  const char *operation = word();
  uint64_t times;
  shmalloc_storage *storage;
  if (operation == NULL || !number(&times)) REFUSE("time OP N");
  CALL(shmalloc_storage_create(NULL, 4096, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
  if (strcmp(operation, "version") == 0) {
    time_version(times);
  } else if (strcmp(operation, "create") == 0) {
    time_create(times);
  } else if (strcmp(operation, "import") == 0) {
    time_import(storage, times);
  } else if (strcmp(operation, "view") == 0) {
    time_view(storage, times);
  } else if (strcmp(operation, "send") == 0) {
    shmalloc_channel *channel;
    CALL(shmalloc_channel_create(NULL, &channel, err));
    time_send(channel, storage, times);
    shmalloc_channel_release(channel);
  } else {
    printf("error UNKNOWN there is nothing to time called %s\n", operation);
  }
  shmalloc_storage_release(storage);
}

/* ---- one line after the other ---- */

static const struct order {
  const char *name;
  void (*run)(void);
} orders[] = {{"make", make},       {"share", share},       {"text", text},
              {"open", open_text},  {"send", send_message}, {"receive", receive_message},
              {"check", check},     {"fill", fill},         {"release", release},
              {"time", time_calls}, {"quit", quit}};

static int answer(char *line) {
  const char *name = strtok(line, " \n");
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    if (name == NULL || strcmp(name, orders[i].name) != 0) continue;
    orders[i].run();
    return orders[i].run != quit;
  }
  printf("error UNKNOWN there is no order \"%s\"\n", name != NULL ? name : "");
  return 1;
}

int main(void) {
  static char line[65536];
  int more = 1;
  while (more && fgets(line, sizeof line, stdin) != NULL) {
    more = answer(line);
    fflush(stdout);
  }
  return 0;
}
