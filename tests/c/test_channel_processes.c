/* Channels between processes and threads: order, numbers, deaths in the middle. */
#include "channel.h"

static void there_and_back(void **state) {
  (void)state;
  start_helper(echo);
  shmalloc_allocator *pool = make_pool();
  shmalloc_channel *there = make_channel(4), *back = make_channel(4);
  send_home(there);
  send_home(back);
  for (uint32_t i = 0; i < 3000; ++i) {
    shmalloc_storage *storage = NULL, *returned = NULL;
    OK(shmalloc_storage_create(pool, 5000, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
    *(uint32_t *)shmalloc_storage_data(storage) = i;
    OK(shmalloc_channel_send(there, storage, (const uint8_t *)&i, sizeof i, EVER, err));
    void *const data = shmalloc_storage_data(storage);
    if (i % 2 == 0) shmalloc_storage_release(storage);
    uint32_t record = 0;
    size_t length = sizeof record;
    OK(shmalloc_channel_receive(back, &returned, (uint8_t *)&record, &length, EVER, err));
    assert_int_equal(record, i);
    assert_ptr_equal(shmalloc_storage_data(returned), data);
    assert_int_equal(*(uint32_t *)data, i + 1);
    shmalloc_storage_release(returned);
    if (i % 2 != 0) shmalloc_storage_release(storage);
  }
  shmalloc_channel_info info = SHMALLOC_INIT(shmalloc_channel_info);
  OK(shmalloc_channel_get_info(there, &info, err));
  assert_int_equal(info.sent, 3000);
  assert_int_equal(info.received, 3000);
  assert_int_equal(info.attached, 2);
  OK(shmalloc_channel_close(there, err));
  end_helper();
  shmalloc_channel_release(there);
  shmalloc_channel_release(back);
  shmalloc_allocator_release(pool);
}

/* Storages of more segments than a process can announce at a time, some of them with names. */
static void from_many_allocators(void **state) {
  (void)state;
  enum { COUNT = 11 };
  start_helper(echo);
  shmalloc_allocator *pools[COUNT];
  for (int i = 0; i < COUNT; ++i) {
    pools[i] = make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED,
                              i % 3 == 0 ? "export_ttl_ms:0,named:1,segment_size:16777216" : "export_ttl_ms:0");
  }
  shmalloc_channel *there = make_channel(4), *back = make_channel(4);
  send_home(there);
  send_home(back);
  unsigned seed = 3;
  uint32_t sent = 0, received = 0;
  while (received < 600) {
    shmalloc_storage *storage = NULL;
    OK(shmalloc_storage_create(pools[rand_r(&seed) % COUNT], 5000, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
    *(uint32_t *)shmalloc_storage_data(storage) = sent;
    shmalloc_error error;
    /* The helper has room for as many on their way as we try to have. */
    const shmalloc_status status = shmalloc_channel_send(there, storage, (const uint8_t *)&sent, sizeof sent, NOW, &error);
    shmalloc_storage_release(storage);
    if (status == SHMALLOC_STATUS_OK) {
      ++sent;
      continue;
    }
    assert_int_equal(status, SHMALLOC_STATUS_TIMEOUT);
    uint32_t record = 0;
    size_t length = sizeof record;
    OK(shmalloc_channel_receive(back, &storage, (uint8_t *)&record, &length, EVER, err));
    assert_int_equal(record, received);
    assert_int_equal(*(uint32_t *)shmalloc_storage_data(storage), ++received);
    shmalloc_storage_release(storage);
  }
  for (; received < sent; ++received) {
    shmalloc_storage *storage = NULL;
    OK(shmalloc_channel_receive(back, &storage, NULL, NULL, EVER, err));
    shmalloc_storage_release(storage);
  }
  OK(shmalloc_channel_close(there, err));
  end_helper();
  shmalloc_channel_release(there);
  shmalloc_channel_release(back);
  for (int i = 0; i < COUNT; ++i) shmalloc_allocator_release(pools[i]);
}

/* A process that may not look into ours. */
static void take_as_nobody(int socket) {
  shmalloc_channel *in = receive_home(socket);
  shmalloc_storage *storage = NULL;
  CHILD_CHECK(setgid(65534) == 0 && setuid(65534) == 0);
  shmalloc_error error;
  for (int i = 0; i < 2; ++i) {
    CHILD_CHECK(shmalloc_channel_receive(in, &storage, NULL, NULL, EVER, &error) == SHMALLOC_STATUS_PERMISSION);
    CHILD_CHECK(strstr(error.message, "socket") != NULL);
  }
  CHILD_CHECK(write(socket, "x", 1) == 1);
  size_t count = 1;
  MUST(shmalloc_storage_receive(socket, NULL, &storage, &count, err));
  shmalloc_storage_release(storage);
  MUST(shmalloc_channel_receive(in, &storage, NULL, NULL, EVER, err));
  CHILD_CHECK(*(uint8_t *)shmalloc_storage_data(storage) == 42);
  shmalloc_storage_release(storage);
  shmalloc_channel_release(in);
}

static void who_may_not_look_into_the_sender_is_told_what_to_do(void **state) {
  (void)state;
  if (getuid() != 0) skip();
  start_helper(take_as_nobody);
  shmalloc_allocator *pool = make_pool();
  shmalloc_channel *channel = make_channel(4);
  send_home(channel);
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(pool, 5000, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
  *(uint8_t *)shmalloc_storage_data(storage) = 42;
  OK(shmalloc_channel_send(channel, storage, NULL, 0, EVER, err));
  char token;
  assert_int_equal(read(helper, &token, 1), 1);
  OK(shmalloc_storage_send(helper, &storage, 1, NULL, err));
  shmalloc_storage_release(storage);
  end_helper();
  shmalloc_channel_release(channel);
  shmalloc_allocator_release(pool);
}

/* Gives the channel a storage at a time, and sleeps. */
static void take_slowly(int socket) {
  shmalloc_channel *in = receive_home(socket);
  char token;
  while (read(socket, &token, 1) == 1) {
    shmalloc_storage *storage = NULL;
    MUST(shmalloc_channel_receive(in, &storage, NULL, NULL, EVER, err));
    shmalloc_storage_release(storage);
    CHILD_CHECK(write(socket, &token, 1) == 1);
  }
  shmalloc_channel_release(in);
}

/* The sender never sends again, and gets its memory back nevertheless. */
static void consumed_storages_come_back_by_themselves(void **state) {
  (void)state;
  start_helper(take_slowly);
  shmalloc_allocator *pool = make_pool();
  shmalloc_channel *channel = make_channel(4);
  send_home(channel);
  for (int released_first = 0; released_first < 2; ++released_first) {
    shmalloc_storage *storage = NULL;
    char token = 'x';
    OK(shmalloc_storage_create(pool, 64 << 20, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
    void *const where = shmalloc_storage_data(storage);
    OK(shmalloc_channel_send(channel, storage, NULL, 0, EVER, err));
    shmalloc_storage_release(storage);
    if (released_first != 0) shmalloc_channel_release(channel);
    OK(shmalloc_storage_create(pool, 64 << 20, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
    assert_ptr_not_equal(shmalloc_storage_data(storage), where);
    shmalloc_storage_release(storage);
    assert_int_equal(write(helper, &token, 1), 1);
    assert_int_equal(read(helper, &token, 1), 1);
    for (int again = 0; again == 0;) { /* No trim: calls as any program makes them. */
      OK(shmalloc_storage_create(pool, 64 << 20, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
      again = shmalloc_storage_data(storage) == where;
      shmalloc_storage_release(storage);
      usleep(10000);
    }
  }
  end_helper();
  shmalloc_allocator_release(pool);
}

/* ---- many at once ---- */

enum { PRODUCERS = 3, CONSUMERS = 3, EACH = 3000 };
struct tally {
  uint32_t seen[PRODUCERS][EACH];
  uint32_t next[PRODUCERS][CONSUMERS];
};

struct worker {
  shmalloc_channel *channel;
  shmalloc_allocator *pool;
  uint32_t number;
  struct tally *tally;
};

static void *produce(void *argument) {
  const struct worker *self = argument;
  for (uint32_t i = 0; i < EACH; ++i) send_note(self->channel, self->pool, self->number, i);
  return NULL;
}
static void *consume(void *argument) {
  const struct worker *self = argument;
  struct note note;
  shmalloc_status end;
  while (receive_note(self->channel, &note, &end)) {
    CHILD_CHECK(note.producer < PRODUCERS && note.number < EACH);
    __atomic_fetch_add(&self->tally->seen[note.producer][note.number], 1, __ATOMIC_RELAXED);
    /* What one producer sent comes in order to whoever it comes to. */
    CHILD_CHECK(note.number >= self->tally->next[note.producer][self->number]);
    self->tally->next[note.producer][self->number] = note.number + 1;
  }
  CHILD_CHECK(end == SHMALLOC_STATUS_CLOSED);
  return NULL;
}

static void check_tally(struct tally *tally) {
  for (int p = 0; p < PRODUCERS; ++p) {
    for (int i = 0; i < EACH; ++i) {
      if (tally->seen[p][i] != 1) fail_msg("number %d of producer %d came %u times", i, p, tally->seen[p][i]);
    }
  }
}
static struct tally *new_tally(void) {
  struct tally *tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(tally, MAP_FAILED);
  return tally;
}

static void threads_share_a_channel(void **state) {
  (void)state;
  shmalloc_allocator *pool = make_pool();
  shmalloc_channel *channel = make_channel(16);
  struct tally *tally = new_tally();
  struct worker workers[PRODUCERS + CONSUMERS];
  pthread_t threads[PRODUCERS + CONSUMERS];
  for (uint32_t i = 0; i < PRODUCERS + CONSUMERS; ++i) {
    workers[i] = (struct worker){channel, pool, i < PRODUCERS ? i : i - PRODUCERS, tally};
    assert_int_equal(pthread_create(&threads[i], NULL, i < PRODUCERS ? produce : consume, &workers[i]), 0);
  }
  for (int i = 0; i < PRODUCERS; ++i) pthread_join(threads[i], NULL);
  OK(shmalloc_channel_close(channel, err));
  for (int i = PRODUCERS; i < PRODUCERS + CONSUMERS; ++i) pthread_join(threads[i], NULL);
  check_tally(tally);
  munmap(tally, sizeof *tally);
  shmalloc_channel_release(channel);
  shmalloc_allocator_release(pool);
}

static void processes_share_a_channel(void **state) {
  (void)state;
  shmalloc_channel *channel = make_channel(16);
  struct tally *tally = new_tally();
  pid_t children[PRODUCERS + CONSUMERS];
  fflush(NULL);
  for (uint32_t i = 0; i < PRODUCERS + CONSUMERS; ++i) {
    children[i] = fork();
    assert_true(children[i] >= 0);
    if (children[i] != 0) continue;
    struct worker worker = {channel, i < PRODUCERS ? make_pool() : NULL, i < PRODUCERS ? i : i - PRODUCERS, tally};
    (i < PRODUCERS ? produce : consume)(&worker);
    if (i < PRODUCERS) { /* What is in flight lives as long as its sender. */
      shmalloc_channel_info info = SHMALLOC_INIT(shmalloc_channel_info);
      do {
        MUST(shmalloc_channel_get_info(channel, &info, err));
        usleep(1000);
      } while (info.length != 0);
    }
    shmalloc_channel_release(channel);
    _exit(0);
  }
  for (int i = 0; i < PRODUCERS + CONSUMERS; ++i) {
    int status = 0;
    if (i == PRODUCERS) OK(shmalloc_channel_close(channel, err));
    assert_int_equal(waitpid(children[i], &status, 0), children[i]);
    assert_int_equal(status, 0);
  }
  check_tally(tally);
  shmalloc_channel_info info = SHMALLOC_INIT(shmalloc_channel_info);
  OK(shmalloc_channel_get_info(channel, &info, err));
  assert_int_equal(info.sent, PRODUCERS * EACH);
  assert_int_equal(info.received, PRODUCERS * EACH);
  munmap(tally, sizeof *tally);
  shmalloc_channel_release(channel);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(there_and_back),
      cmocka_unit_test(from_many_allocators),
      cmocka_unit_test(who_may_not_look_into_the_sender_is_told_what_to_do),
      cmocka_unit_test(consumed_storages_come_back_by_themselves),
      cmocka_unit_test(threads_share_a_channel),
      cmocka_unit_test(processes_share_a_channel),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
