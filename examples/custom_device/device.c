/* SPDX-License-Identifier: MIT
 * A device of one's own: some memory, and functions that hand it out and copy. What it gets for that is the caching allocator with its
 * statistics, and storages. This one's memory could be on a card: its addresses are numbers that only its own functions understand.
 * cc -std=c99 device.c $(pkg-config --cflags --libs shmalloc) -lpthread && ./a.out */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <pthread.h>
#include <shmalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the device: 64 MiB in units of 64 KiB, without streams: what is asked for is done at once ---- */
#define UNIT ((uint64_t)1 << 16)
#define UNITS ((uint64_t)1 << 10)
#define FIRST ((uint64_t)1 << 60) /* its first address; no pointer is as large */

struct card {
  pthread_mutex_t mutex; /* any thread may call */
  unsigned char *memory;
  uint64_t left; /* units */
  unsigned char used[UNITS];
};

static int32_t card_allocate(uint64_t size, uint64_t *out_address, void *userdata) {
  struct card *card = userdata;
  uint64_t wanted = size / UNIT + (size % UNIT != 0), unit = 0, run = 0;
  pthread_mutex_lock(&card->mutex);
  while (unit < UNITS && run < wanted) run = card->used[unit++] ? 0 : run + 1;
  if (run == wanted) {
    memset(card->used + unit - wanted, 1, wanted);
    card->left -= wanted;
    *out_address = FIRST + (unit - wanted) * UNIT;
  }
  pthread_mutex_unlock(&card->mutex);
  return run == wanted ? 0 : SHMALLOC_STATUS_NO_MEMORY;
}

static int32_t card_deallocate(uint64_t address, uint64_t size, void *userdata) {
  struct card *card = userdata;
  uint64_t units = size / UNIT + (size % UNIT != 0);
  pthread_mutex_lock(&card->mutex);
  memset(card->used + (address - FIRST) / UNIT, 0, units);
  card->left += units;
  pthread_mutex_unlock(&card->mutex);
  return 0;
}

static int32_t card_memory_info(uint64_t *out_available, uint64_t *out_total, void *userdata) {
  struct card *card = userdata;
  pthread_mutex_lock(&card->mutex);
  *out_available = card->left * UNIT;
  *out_total = UNITS * UNIT;
  pthread_mutex_unlock(&card->mutex);
  return 0;
}

/* An address of the card, or a pointer of the host. */
static unsigned char *bytes_at(struct card *card, uint64_t address) {
  return address >= FIRST ? card->memory + (address - FIRST) : (unsigned char *)(uintptr_t)address;
}

static int32_t card_copy(uint64_t to, uint64_t from, uint64_t size, uint64_t stream, void *userdata) {
  (void)stream; /* there is the default one only */
  memcpy(bytes_at(userdata, to), bytes_at(userdata, from), size);
  return 0;
}

static int32_t card_fill(uint64_t to, uint32_t value, uint64_t size, uint64_t stream, void *userdata) {
  (void)stream;
  memset(bytes_at(userdata, to), (int)value, size);
  return 0;
}

static void card_destroy(void *userdata) {
  struct card *card = userdata;
  pthread_mutex_destroy(&card->mutex);
  free(card->memory);
  free(card);
  puts("the device is gone");
}

static shmalloc_status card_register(shmalloc_device *out_device, shmalloc_error *err) {
  shmalloc_backend backend = SHMALLOC_INIT(shmalloc_backend);
  struct card *card = calloc(1, sizeof *card);
  if (card == NULL || (card->memory = malloc(UNITS * UNIT)) == NULL) abort();
  pthread_mutex_init(&card->mutex, NULL);
  card->left = UNITS;
  backend.name = "card";
  backend.alignment = UNIT;
  backend.allocate = card_allocate;
  backend.deallocate = card_deallocate;
  backend.memory_info = card_memory_info;
  backend.copy = card_copy;
  backend.fill = card_fill;
  return shmalloc_device_register(&backend, card, card_destroy, out_device, err);
}

/* ---- what it is good for ---- */
#define CHECK(call)                                                                        \
  if ((call) != SHMALLOC_STATUS_OK) {                                                      \
    fprintf(stderr, "%s: %s: %s\n", #call, shmalloc_status_name(err.status), err.message); \
    return 1;                                                                              \
  }

static int show(shmalloc_allocator *allocator, const char *when) {
  shmalloc_statistics now = SHMALLOC_INIT(shmalloc_statistics);
  shmalloc_error err;
  CHECK(shmalloc_allocator_get_statistics(allocator, &now, &err));
  printf("%-16s in use: %4" PRId64 " bytes, had: %7" PRId64 " bytes, calls of card_allocate: %" PRId64 "\n", when,
         now.allocated_bytes[0].current, now.reserved_bytes[0].current, now.num_device_alloc);
  return 0;
}

int main(void) {
  shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
  shmalloc_allocator *allocator;
  shmalloc_storage *there, *here, *back;
  shmalloc_address address;
  shmalloc_error err;
  CHECK(card_register(&params.device, &err));
  params.kind = SHMALLOC_ALLOCATOR_KIND_CACHING;
  CHECK(shmalloc_allocator_create(&params, &allocator, &err));

  /* Memory by address: a thousand allocations, of which the device sees one. */
  for (int i = 0; i < 1000; ++i) {
    CHECK(shmalloc_allocator_allocate(allocator, 100000, SHMALLOC_STREAM_DEFAULT, &address, &err));
    CHECK(shmalloc_allocator_deallocate(allocator, address, SHMALLOC_STREAM_OWN, &err));
  }
  if (show(allocator, "after a thousand") != 0) return 1;

  /* Memory with an owner, there and back. */
  CHECK(shmalloc_storage_create(NULL, 5000, SHMALLOC_STREAM_DEFAULT, NULL, &here, &err));
  CHECK(shmalloc_storage_create(NULL, 5000, SHMALLOC_STREAM_DEFAULT, NULL, &back, &err));
  CHECK(shmalloc_storage_create(allocator, 5000, SHMALLOC_STREAM_DEFAULT, NULL, &there, &err));
  strcpy(shmalloc_storage_data(here), "hello from the card");
  CHECK(shmalloc_storage_copy(there, 0, here, 0, SHMALLOC_SIZE_ALL, SHMALLOC_STREAM_DEFAULT, 0, &err));
  CHECK(shmalloc_storage_copy(back, 0, there, 0, SHMALLOC_SIZE_ALL, SHMALLOC_STREAM_DEFAULT, 0, &err));
  printf("%#" PRIx64 " holds: %s\n", shmalloc_storage_address(there), (const char *)shmalloc_storage_data(back));
  if (show(allocator, "with a storage") != 0 || strcmp(shmalloc_storage_data(back), shmalloc_storage_data(here)) != 0) return 1;
  shmalloc_storage_release(there);
  shmalloc_storage_release(here);
  shmalloc_storage_release(back);

  /* All that is cached goes back, and then the device itself. */
  CHECK(shmalloc_allocator_trim(allocator, SHMALLOC_TRIM_FREE, 0, NULL, &err));
  if (show(allocator, "after the trim") != 0) return 1;
  shmalloc_allocator_release(allocator);
  CHECK(shmalloc_device_unregister(params.device, &err));
  return 0;
}
