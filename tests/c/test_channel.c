/* Channels within one process: what they take, keep and say. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "support.h"

static shmalloc_allocator *pool;

static int set_up(void **state) {
  (void)state;
  pool = make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, "export_ttl_ms:0");
  return 0;
}
static int tear_down(void **state) {
  (void)state;
  shmalloc_allocator_release(pool);
  return 0;
}

static shmalloc_channel *make_channel(uint64_t capacity, uint32_t record_size) {
  shmalloc_channel_params params = SHMALLOC_INIT(shmalloc_channel_params);
  shmalloc_channel *channel = NULL;
  params.capacity = capacity;
  params.record_size = record_size;
  OK(shmalloc_channel_create(&params, &channel, err));
  return channel;
}

static shmalloc_storage *make_storage(size_t size) {
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(pool, size, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
  return storage;
}

static shmalloc_channel_info look_at(shmalloc_channel *channel) {
  shmalloc_channel_info info = SHMALLOC_INIT(shmalloc_channel_info);
  OK(shmalloc_channel_get_info(channel, &info, err));
  return info;
}

static uint64_t pending(void) {
  shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
  OK(shmalloc_allocator_get_info(pool, &info, err));
  return info.live_storages;
}

#define NOW SHMALLOC_TIME_NONE

static void a_storage_goes_through(void **state) {
  (void)state;
  shmalloc_channel *channel = make_channel(0, 0);
  shmalloc_channel_info info = look_at(channel);
  assert_int_equal(info.capacity, 256);
  assert_int_equal(info.record_size, 32);
  assert_int_equal(info.attached, 1);
  assert_int_equal(info.state, 0);
  shmalloc_storage *sent = make_storage(100000), *received = NULL;
  memset(shmalloc_storage_data(sent), 7, 100000);
  OK(shmalloc_channel_send(channel, sent, (const uint8_t *)"hello", 5, NOW, err));
  void *const where = shmalloc_storage_data(sent);
  shmalloc_storage_release(sent); /* It is held for whoever receives it. */
  for (int i = 0; i < 50; ++i) {
    shmalloc_storage *other = make_storage(100000);
    assert_ptr_not_equal(shmalloc_storage_data(other), where);
    memset(shmalloc_storage_data(other), 9, 100000);
    shmalloc_storage_release(other);
  }
  assert_int_equal(look_at(channel).length, 1);
  uint8_t record[32];
  size_t length = sizeof record;
  OK(shmalloc_channel_receive(channel, &received, record, &length, NOW, err));
  assert_int_equal(length, 5);
  assert_memory_equal(record, "hello", 5);
  assert_int_equal(shmalloc_storage_size(received), 100000);
  assert_ptr_equal(shmalloc_storage_data(received), where);
  for (size_t i = 0; i < 100000; ++i) assert_int_equal(((uint8_t *)shmalloc_storage_data(received))[i], 7);
  info = look_at(channel);
  assert_int_equal(info.length, 0);
  assert_int_equal(info.sent, 1);
  assert_int_equal(info.received, 1);
  assert_int_equal(info.skipped, 0);
  shmalloc_storage_release(received);
  shmalloc_channel_release(channel);
}

static void parameters_have_limits(void **state) {
  (void)state;
  shmalloc_channel_params params = SHMALLOC_INIT(shmalloc_channel_params);
  shmalloc_channel *channel = NULL;
  params.capacity = 65537;
  FAILS(INVALID, "capacity", shmalloc_channel_create(&params, &channel, err));
  params.capacity = UINT64_MAX;
  FAILS(INVALID, "capacity", shmalloc_channel_create(&params, &channel, err));
  params.capacity = 3;
  params.record_size = 4097;
  FAILS(INVALID, "record_size", shmalloc_channel_create(&params, &channel, err));
  params.record_size = 1;
  params.flags = SHMALLOC_CHANNEL_NO_RECORD;
  FAILS(INVALID, "NO_RECORD", shmalloc_channel_create(&params, &channel, err));
  params.flags = 2;
  FAILS(UNSUPPORTED, "flags", shmalloc_channel_create(&params, &channel, err));
  params.flags = 0;
  FAILS(INVALID, "out_channel", shmalloc_channel_create(&params, NULL, err));
  const uint64_t capacities[][2] = {{1, 1}, {2, 2}, {3, 4}, {65535, 65536}, {65536, 65536}};
  for (size_t i = 0; i < sizeof capacities / sizeof *capacities; ++i) {
    channel = make_channel(capacities[i][0], i == 0 ? 4096 : 1);
    assert_int_equal(look_at(channel).capacity, capacities[i][1]);
    for (uint64_t n = 0; n < capacities[i][1]; ++n) OK(shmalloc_channel_send(channel, NULL, NULL, 0, NOW, err));
    FAILS(TIMEOUT, "room", shmalloc_channel_send(channel, NULL, NULL, 0, NOW, err));
    assert_int_equal(look_at(channel).length, capacities[i][1]);
    shmalloc_channel_release(channel);
  }
  params.record_size = 0;
  params.flags = SHMALLOC_CHANNEL_NO_RECORD;
  OK(shmalloc_channel_create(&params, &channel, err));
  assert_int_equal(look_at(channel).record_size, 0);
  FAILS(INVALID, "record", shmalloc_channel_send(channel, NULL, (const uint8_t *)"a", 1, NOW, err));
  FAILS(INVALID, "record", shmalloc_channel_send(channel, NULL, NULL, 1, NOW, err));
  shmalloc_storage *storage = NULL;
  FAILS(INVALID, "no time", shmalloc_channel_send(channel, NULL, NULL, 0, -3, err));
  FAILS(INVALID, "no time", shmalloc_channel_receive(channel, &storage, NULL, NULL, -3, err));
  FAILS(INVALID, "channel", shmalloc_channel_send(NULL, NULL, NULL, 0, NOW, err));
  FAILS(INVALID, "out_storage", shmalloc_channel_receive(channel, NULL, NULL, NULL, NOW, err));
  FAILS(INVALID, "storage", shmalloc_channel_send(channel, (shmalloc_storage *)channel, NULL, 0, NOW, err));
  FAILS(INVALID, "channel", shmalloc_channel_close((shmalloc_channel *)pool, err));
  shmalloc_channel_release(channel);
  shmalloc_channel_release(NULL);
}

static int64_t elapsed(const struct timespec *since) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - since->tv_sec) * 1000000000LL + now.tv_nsec - since->tv_nsec;
}

static void full_and_empty_wait_as_long_as_told(void **state) {
  (void)state;
  shmalloc_channel *channel = make_channel(2, 0);
  shmalloc_storage *storage = (shmalloc_storage *)1;
  struct timespec since;
  FAILS(TIMEOUT, "nothing", shmalloc_channel_receive(channel, &storage, NULL, NULL, NOW, err));
  assert_ptr_equal(storage, (shmalloc_storage *)1);
  clock_gettime(CLOCK_MONOTONIC, &since);
  FAILS(TIMEOUT, "nothing", shmalloc_channel_receive(channel, &storage, NULL, NULL, 150000000, err));
  assert_true(elapsed(&since) >= 150000000);
  for (int i = 0; i < 2; ++i) OK(shmalloc_channel_send(channel, NULL, NULL, 0, 1, err));
  clock_gettime(CLOCK_MONOTONIC, &since);
  FAILS(TIMEOUT, "room", shmalloc_channel_send(channel, NULL, NULL, 0, 20000000, err));
  assert_true(elapsed(&since) >= 20000000);
  OK(shmalloc_channel_receive(channel, &storage, NULL, NULL, NOW, err));
  assert_null(storage);
  OK(shmalloc_channel_send(channel, NULL, NULL, 0, NOW, err));
  shmalloc_channel_release(channel);
}

static void records_are_whole_or_stay(void **state) {
  (void)state;
  shmalloc_channel *channel = make_channel(4, 4096);
  uint8_t in[4096], out[4096];
  for (size_t i = 0; i < sizeof in; ++i) in[i] = (uint8_t)(i * 7);
  FAILS(INVALID, "4097", shmalloc_channel_send(channel, NULL, in, 4097, NOW, err));
  shmalloc_storage *sent = make_storage(10), *received = NULL;
  const size_t lengths[] = {4096, 0, 1, 33};
  for (int i = 0; i < 4; ++i) OK(shmalloc_channel_send(channel, sent, in, lengths[i], NOW, err));
  shmalloc_storage_release(sent);
  size_t length = 4095;
  FAILS(NO_SPACE, "4096", shmalloc_channel_receive(channel, &received, out, &length, NOW, err));
  assert_int_equal(length, 4096);
  length = 5000;
  FAILS(NO_SPACE, "4096", shmalloc_channel_receive(channel, &received, NULL, &length, NOW, err));
  assert_int_equal(look_at(channel).length, 4);
  for (int i = 0; i < 3; ++i) {
    length = sizeof out;
    OK(shmalloc_channel_receive(channel, &received, out, &length, NOW, err));
    assert_int_equal(length, lengths[i]);
    assert_memory_equal(in, out, length);
    assert_non_null(received);
    shmalloc_storage_release(received);
  }
  OK(shmalloc_channel_receive(channel, &received, NULL, NULL, NOW, err)); /* The record is not wanted. */
  shmalloc_storage_release(received);
  shmalloc_channel_release(channel);
}

static void what_can_not_go_says_why(void **state) {
  (void)state;
  shmalloc_channel *channel = make_channel(4, 0), *other = NULL;
  shmalloc_storage *storage = NULL, *imported = NULL;
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.flags = SHMALLOC_STORAGE_ISOLATED;
  OK(shmalloc_storage_create(pool, 100, SHMALLOC_STREAM_DEFAULT, &params, &storage, err));
  FAILS(UNSUPPORTED, "ISOLATED", shmalloc_channel_send(channel, storage, NULL, 0, NOW, err));
  FAILS(CORRUPT, "no channel", shmalloc_channel_open(storage, &other, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  OK(shmalloc_storage_create(direct, 300000, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
  FAILS(UNSUPPORTED, "kind SHARED", shmalloc_channel_send(channel, storage, NULL, 0, NOW, err));
  FAILS(CORRUPT, "no channel", shmalloc_channel_open(storage, &other, err));
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(direct);
  storage = make_storage(300000);
  FAILS(CORRUPT, "no channel", shmalloc_channel_open(storage, &other, err));
  OK(shmalloc_storage_close(storage, err));
  FAILS(CLOSED, "storage", shmalloc_channel_send(channel, storage, NULL, 0, NOW, err));
  FAILS(CLOSED, "storage", shmalloc_channel_open(storage, &other, err));
  shmalloc_storage_release(storage);
  /* The storage of a channel itself: to be opened for reading only it would have to be sealed, and it is. */
  OK(shmalloc_channel_storage(channel, &storage, err));
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  shmalloc_export_params read_only = SHMALLOC_INIT(shmalloc_export_params);
  read_only.flags = SHMALLOC_EXPORT_READ_ONLY;
  FAILS(PERMISSION, "", shmalloc_storage_export(storage, &read_only, handle, &length, err));
  length = sizeof handle;
  OK(shmalloc_storage_export(storage, NULL, handle, &length, err));
  shmalloc_import_params reading = SHMALLOC_INIT(shmalloc_import_params);
  reading.flags = SHMALLOC_IMPORT_READ_ONLY;
  OK(shmalloc_storage_import(handle, length, NULL, 0, &reading, &imported, err));
  FAILS(PERMISSION, "READ_ONLY", shmalloc_channel_open(imported, &other, err));
  shmalloc_storage_release(imported);
  FAILS(UNSUPPORTED, "segment", shmalloc_channel_send(channel, storage, NULL, 0, NOW, err));
  shmalloc_storage_release(storage);
  assert_int_equal(look_at(channel).sent, 0);
  shmalloc_channel_release(channel);
}

static void close_drains(void **state) {
  (void)state;
  shmalloc_channel *channel = make_channel(4, 0);
  shmalloc_storage *sent = make_storage(10), *received = NULL;
  for (int i = 0; i < 3; ++i) OK(shmalloc_channel_send(channel, sent, NULL, 0, NOW, err));
  OK(shmalloc_channel_close(channel, err));
  OK(shmalloc_channel_close(channel, err));
  assert_int_equal(look_at(channel).state, SHMALLOC_CHANNEL_STATE_CLOSED);
  FAILS(CLOSED, "closed", shmalloc_channel_send(channel, sent, NULL, 0, NOW, err));
  shmalloc_storage_release(sent);
  for (int i = 0; i < 3; ++i) {
    OK(shmalloc_channel_receive(channel, &received, NULL, NULL, SHMALLOC_TIME_DEFAULT, err));
    shmalloc_storage_release(received);
  }
  FAILS(CLOSED, "closed", shmalloc_channel_receive(channel, &received, NULL, NULL, SHMALLOC_TIME_DEFAULT, err));
  shmalloc_channel_release(channel);
}

static void *close_later(void *channel) {
  usleep(20000);
  OK(shmalloc_channel_close(channel, err));
  return NULL;
}
static void *drain_later(void *channel) {
  shmalloc_storage *received = NULL;
  usleep(20000);
  OK(shmalloc_channel_receive(channel, &received, NULL, NULL, NOW, err));
  return NULL;
}
static void sleepers_wake(void **state) {
  (void)state;
  pthread_t thread;
  shmalloc_channel *channel = make_channel(1, 0);
  shmalloc_storage *received = NULL;
  OK(shmalloc_channel_send(channel, NULL, NULL, 0, NOW, err));
  assert_int_equal(pthread_create(&thread, NULL, drain_later, channel), 0);
  OK(shmalloc_channel_send(channel, NULL, NULL, 0, SHMALLOC_TIME_FOREVER, err));
  pthread_join(thread, NULL);
  OK(shmalloc_channel_receive(channel, &received, NULL, NULL, NOW, err));
  assert_int_equal(pthread_create(&thread, NULL, close_later, channel), 0);
  FAILS(CLOSED, "closed", shmalloc_channel_receive(channel, &received, NULL, NULL, SHMALLOC_TIME_FOREVER, err));
  pthread_join(thread, NULL);
  shmalloc_channel_release(channel);
}

static void on_signal(int number) { (void)number; }
static void *interrupt(void *thread) {
  usleep(30000);
  pthread_kill(*(pthread_t *)thread, SIGUSR1);
  return NULL;
}
static void a_signal_ends_a_wait(void **state) {
  (void)state;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, NULL);
  pthread_t thread, self = pthread_self();
  shmalloc_channel *channel = make_channel(1, 0);
  shmalloc_storage *received = NULL;
  assert_int_equal(pthread_create(&thread, NULL, interrupt, &self), 0);
  FAILS(INTERRUPTED, "signal", shmalloc_channel_receive(channel, &received, NULL, NULL, SHMALLOC_TIME_FOREVER, err));
  pthread_join(thread, NULL);
  shmalloc_channel_release(channel);
}

static void what_was_received_comes_back(void **state) {
  (void)state;
  const struct held before = look();
  const uint64_t live = pending();
  shmalloc_channel *channel = make_channel(64, 0);
  shmalloc_storage *received = NULL;
  for (int lap = 0; lap < 5; ++lap) {
    void *where[40];
    for (int i = 0; i < 40; ++i) {
      shmalloc_storage *sent = make_storage(1 << 20);
      where[i] = shmalloc_storage_data(sent);
      OK(shmalloc_channel_send(channel, sent, NULL, 0, NOW, err));
      shmalloc_storage_release(sent);
    }
    for (int i = 0; i < 40; ++i) {
      OK(shmalloc_channel_receive(channel, &received, NULL, NULL, NOW, err));
      assert_ptr_equal(shmalloc_storage_data(received), where[i]);
      shmalloc_storage_release(received);
    }
    uint64_t bytes = 0;
    OK(shmalloc_allocator_trim(pool, SHMALLOC_TRIM_FREE, 0, &bytes, err));
    assert_true(bytes >= 40 << 20);
  }
  assert_int_equal(pending(), live);
  shmalloc_channel_release(channel);
  OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
  const struct held after = look();
  assert_true(after.descriptors <= before.descriptors);
}

static void a_process_opens_it_several_times(void **state) {
  (void)state;
  shmalloc_channel *channel = make_channel(8, 0), *again = NULL;
  shmalloc_storage *home = NULL, *received = NULL;
  OK(shmalloc_channel_storage(channel, &home, err));
  OK(shmalloc_channel_open(home, &again, err));
  OK(shmalloc_storage_close(home, err)); /* It has its own hold of the memory. */
  shmalloc_storage_release(home);
  assert_int_equal(look_at(channel).attached, 1);
  shmalloc_storage *sent = make_storage(10);
  OK(shmalloc_channel_send(again, sent, NULL, 0, NOW, err));
  shmalloc_storage_release(sent);
  shmalloc_channel_retain(again);
  shmalloc_channel_release(again);
  shmalloc_release_deferred(again);
  OK(shmalloc_channel_receive(channel, &received, NULL, NULL, NOW, err));
  shmalloc_storage_release(received);
  /* Nobody else ever had it: that nobody has it now is no reason to give up. */
  FAILS(TIMEOUT, "", shmalloc_channel_receive(channel, &received, NULL, NULL, NOW, err));
  OK(shmalloc_channel_send(channel, NULL, NULL, 0, NOW, err));
  shmalloc_channel_release(channel);
}

/* A peer may write anything anywhere in the memory. */
static void nonsense_in_the_memory_harms_nobody(void **state) {
  (void)state;
  unsigned seed = 1;
  for (int round = 0; round < 60; ++round) {
    shmalloc_channel *channel = make_channel(16, 8), *other = NULL;
    shmalloc_storage *home = NULL, *received = NULL;
    OK(shmalloc_channel_storage(channel, &home, err));
    uint8_t *bytes = shmalloc_storage_data(home);
    const size_t size = shmalloc_storage_size(home), ring = size - 16 * 64;
    shmalloc_storage *sent = make_storage(5000);
    for (int i = 0; i < 8; ++i) OK(shmalloc_channel_send(channel, sent, NULL, 0, NOW, err));
    for (int k = 0; k < 40; ++k) {
      const size_t random = (size_t)rand_r(&seed);
      const size_t at = round % 3 == 0   ? ring + random % (16 * 64)
                        : round % 3 == 1 ? 64 + random % (4096 - 64)
                                         : 4096 + random % 2048;
      bytes[at] = (uint8_t)(rand_r(&seed) >> 4);
      if (round % 6 == 5) memset(bytes + at - at % 8, round % 12 == 5 ? 0xff : 0, 8);
      uint8_t record[8];
      size_t length = sizeof record;
      shmalloc_error error;
      shmalloc_status status = shmalloc_channel_receive(channel, &received, record, &length, NOW, &error);
      if (status == SHMALLOC_STATUS_OK && received != NULL) {
        volatile uint8_t *data = shmalloc_storage_data(received);
        if (shmalloc_storage_size(received) > 0) (void)data[shmalloc_storage_size(received) - 1];
        shmalloc_storage_release(received);
      }
      status = shmalloc_channel_send(channel, sent, record, 8, NOW, &error);
      assert_true(status == SHMALLOC_STATUS_OK || error.message[0] != 0);
    }
    shmalloc_channel_info info = look_at(channel);
    (void)info;
    shmalloc_storage_release(sent);
    shmalloc_channel_release(channel);
    /* And in what is read once. */
    if (round >= 4) {
      bytes[round % 8 == 0 ? 0 : 4 + rand_r(&seed) % 20] ^= 0x41;
      shmalloc_error error;
      if (shmalloc_channel_open(home, &other, &error) == SHMALLOC_STATUS_OK) shmalloc_channel_release(other);
    }
    shmalloc_storage_release(home);
  }
  OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
}

/* Field by field, in the cell of the first of two. */
static void a_cell_of_nonsense_is_skipped(void **state) {
  (void)state;
  const struct {
    size_t at, size;
    uint64_t value;
  } fields[] = {{16, 4, 77},         /* generation */
                {20, 4, 5},          /* slot: of nobody */
                {20, 4, 0xffffffff}, /* slot: beyond the table */
                {24, 4, 9},          /* version of the entry */
                {28, 2, 200},        /* entry: of nobody */
                {28, 2, 0xfffe},     /* entry: beyond the table */
                {30, 2, 0xffff}};    /* length of the record */
  for (size_t i = 0; i < sizeof fields / sizeof *fields; ++i) {
    shmalloc_channel *channel = make_channel(16, 8);
    shmalloc_storage *home = NULL, *sent = make_storage(100), *received = NULL;
    OK(shmalloc_channel_storage(channel, &home, err));
    uint8_t *cells = (uint8_t *)shmalloc_storage_data(home) + shmalloc_storage_size(home) - 16 * 64;
    uint8_t record[8] = {1};
    size_t length = sizeof record;
    OK(shmalloc_channel_send(channel, sent, record, 1, NOW, err));
    memcpy(cells + fields[i].at, &fields[i].value, fields[i].size);
    OK(shmalloc_channel_send(channel, sent, record, 2, NOW, err));
    OK(shmalloc_channel_receive(channel, &received, record, &length, NOW, err));
    assert_int_equal(length, 2);
    assert_int_equal(look_at(channel).skipped, 1);
    assert_ptr_equal(shmalloc_storage_data(received), shmalloc_storage_data(sent));
    shmalloc_storage_release(received);
    shmalloc_storage_release(sent);
    shmalloc_storage_release(home);
    shmalloc_channel_release(channel);
  }
}

/* Work of a process that nobody has ever heard of, or that died before anybody saw: in the words of two cells. */
static void cells_of_the_dead_are_mended(void **state) {
  (void)state;
  for (uint64_t place = 5; place < 256; place += 100) { /* The higher ones no process can have. */
    shmalloc_channel *channel = make_channel(4, 8);
    shmalloc_storage *home = NULL, *received = NULL;
    OK(shmalloc_channel_storage(channel, &home, err));
    uint64_t *cells = (uint64_t *)((uint8_t *)shmalloc_storage_data(home) + shmalloc_storage_size(home) - (size_t)4 * 64);
    OK(shmalloc_channel_send(channel, NULL, (const uint8_t *)"a", 1, NOW, err));
    cells[0] = place << 2 | 3; /* being taken */
    cells[8] = place << 2 | 1; /* being written */
    OK(shmalloc_channel_send(channel, NULL, (const uint8_t *)"b", 1, NOW, err));
    for (int i = 0; i < 2; ++i) {
      uint8_t record[8];
      size_t length = sizeof record;
      OK(shmalloc_channel_receive(channel, &received, record, &length, NOW, err));
      assert_int_equal(record[0], "ab"[i]);
    }
    assert_int_equal(look_at(channel).sent, 2);
    assert_int_equal(look_at(channel).received, 2);
    shmalloc_storage_release(home);
    shmalloc_channel_release(channel);
  }
}

static void a_channel_that_could_be_cut_short_is_refused(void **state) {
  (void)state;
  shmalloc_channel *channel = make_channel(16, 8), *other = NULL;
  shmalloc_storage *home = NULL, *forged = NULL;
  OK(shmalloc_channel_storage(channel, &home, err));
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, "export_ttl_ms:0");
  const size_t size = shmalloc_storage_size(home);
  OK(map_named(map, size, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_KEEPFD, NULL, &forged, err));
  memcpy(shmalloc_storage_data(forged), shmalloc_storage_data(home), shmalloc_storage_size(home));
  FAILS(CORRUPT, "cut short", shmalloc_channel_open(forged, &other, err));
  shmalloc_storage_release(forged);
  shmalloc_storage_release(home);
  shmalloc_allocator_release(map);
  shmalloc_channel_release(channel);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_storage_goes_through),
      cmocka_unit_test(parameters_have_limits),
      cmocka_unit_test(full_and_empty_wait_as_long_as_told),
      cmocka_unit_test(records_are_whole_or_stay),
      cmocka_unit_test(what_can_not_go_says_why),
      cmocka_unit_test(close_drains),
      cmocka_unit_test(sleepers_wake),
      cmocka_unit_test(a_signal_ends_a_wait),
      cmocka_unit_test(what_was_received_comes_back),
      cmocka_unit_test(a_process_opens_it_several_times),
      cmocka_unit_test(nonsense_in_the_memory_harms_nobody),
      cmocka_unit_test(a_cell_of_nonsense_is_skipped),
      cmocka_unit_test(cells_of_the_dead_are_mended),
      cmocka_unit_test(a_channel_that_could_be_cut_short_is_refused),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
