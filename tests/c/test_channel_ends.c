/* The ends of channels: who dies while others sleep, what is in flight then, and more processes than there are places for. */
#include "channel.h"

static void the_last_sender_dies_while_we_sleep(void **state) {
  (void)state;
  shmalloc_channel *channel = make_channel(4);
  shmalloc_storage *storage = NULL;
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    MUST(shmalloc_channel_send(channel, NULL, NULL, 0, EVER, err));
    usleep(50000);
    raise(SIGKILL);
  }
  OK(shmalloc_channel_receive(channel, &storage, NULL, NULL, EVER, err));
  FAILS(PEER_GONE, "no other process", shmalloc_channel_receive(channel, &storage, NULL, NULL, EVER, err));
  FAILS(PEER_GONE, "no other process", shmalloc_channel_receive(channel, &storage, NULL, NULL, NOW, err));
  FAILS(PEER_GONE, "no other process", shmalloc_channel_send(channel, NULL, NULL, 0, NOW, err));
  waitpid(child, NULL, 0);
  /* Another one comes, and all is well again. */
  IN_CHILD({ MUST(shmalloc_channel_send(channel, NULL, NULL, 0, NOW, err)); });
  OK(shmalloc_channel_receive(channel, &storage, NULL, NULL, NOW, err));
  FAILS(PEER_GONE, "no other process", shmalloc_channel_receive(channel, &storage, NULL, NULL, EVER, err));
  shmalloc_channel_release(channel);
}

static void the_last_receiver_dies_while_we_sleep(void **state) {
  (void)state;
  shmalloc_channel *channel = make_channel(2);
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    shmalloc_storage *storage = NULL;
    MUST(shmalloc_channel_receive(channel, &storage, NULL, NULL, EVER, err));
    usleep(50000);
    raise(SIGKILL);
  }
  shmalloc_status status = SHMALLOC_STATUS_OK;
  shmalloc_error error;
  for (int i = 0; i < 4 && status == SHMALLOC_STATUS_OK; ++i) status = shmalloc_channel_send(channel, NULL, NULL, 0, EVER, &error);
  assert_int_equal(status, SHMALLOC_STATUS_PEER_GONE);
  waitpid(child, NULL, 0);
  shmalloc_channel_release(channel);
}

/* A dead sender's storages are skipped, and its memory is gone. */
static void storages_of_the_dead_are_skipped(void **state) {
  (void)state;
  shmalloc_channel *channel = make_channel(8);
  shmalloc_storage *storage = NULL;
  IN_CHILD({
    shmalloc_allocator *pool = make_pool();
    for (uint32_t i = 0; i < 5; ++i) send_note(channel, pool, 0, i);
  });
  FAILS(PEER_GONE, "no other process", shmalloc_channel_receive(channel, &storage, NULL, NULL, EVER, err));
  shmalloc_channel_info info = SHMALLOC_INIT(shmalloc_channel_info);
  OK(shmalloc_channel_get_info(channel, &info, err));
  assert_int_equal(info.skipped, 5);
  assert_int_equal(info.received, 0);
  assert_int_equal(info.sent, 5);
  shmalloc_channel_release(channel);
}

/* A child that has what its parent sent, and does not give it back for him. */
static void what_is_in_flight_is_the_parents(void **state) {
  (void)state;
  shmalloc_allocator *pool = make_pool();
  shmalloc_channel *channel = make_channel(8);
  for (uint32_t i = 0; i < 3; ++i) send_note(channel, pool, 1, i);
  IN_CHILD({
    struct note note;
    shmalloc_status end;
    CHILD_CHECK(receive_note(channel, &note, &end) && note.number == 0);
    shmalloc_channel_release(channel);
    shmalloc_allocator *own_pool = make_pool();
    shmalloc_storage *own = NULL;
    MUST(shmalloc_storage_create(own_pool, 100, 0, NULL, &own, err));
    MUST(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
  });
  shmalloc_allocator *other = make_pool();
  for (int i = 0; i < 20; ++i) {
    shmalloc_storage *storage = NULL;
    OK(shmalloc_storage_create(pool, 4096, 0, NULL, &storage, err));
    memset(shmalloc_storage_data(storage), 0x55, 4096);
    shmalloc_storage_release(storage);
  }
  struct note note;
  shmalloc_status end;
  for (uint32_t i = 1; i < 3; ++i) {
    assert_true(receive_note(channel, &note, &end));
    assert_int_equal(note.number, i);
  }
  shmalloc_channel_release(channel);
  shmalloc_allocator_release(pool);
  shmalloc_allocator_release(other);
}

static void more_than_there_are_places_for(void **state) {
  (void)state;
  enum { COUNT = 70 };
  shmalloc_channel *channel = make_channel(2);
  int told[2], waits[2];
  assert_int_equal(pipe(told), 0);
  assert_int_equal(pipe(waits), 0);
  pid_t children[COUNT];
  fflush(NULL);
  for (int i = 0; i < COUNT; ++i) {
    children[i] = fork();
    assert_true(children[i] >= 0);
    if (children[i] == 0) {
      close(waits[1]);
      shmalloc_storage *storage = NULL;
      shmalloc_error error;
      char answer = (char)shmalloc_channel_receive(channel, &storage, NULL, NULL, NOW, &error);
      CHILD_CHECK(write(told[1], &answer, 1) == 1);
      CHILD_CHECK(read(waits[0], &answer, 1) == 0); /* Until everybody was there. */
      _exit(0);
    }
  }
  int refused = 0;
  for (int i = 0; i < COUNT; ++i) {
    signed char answer = 0;
    assert_int_equal(read(told[0], &answer, 1), 1);
    assert_true(answer == SHMALLOC_STATUS_TIMEOUT || answer == SHMALLOC_STATUS_NO_SPACE);
    refused += answer == SHMALLOC_STATUS_NO_SPACE;
  }
  assert_int_equal(refused, COUNT - 63); /* We have a place, too. */
  close(waits[1]);
  for (int i = 0; i < COUNT; ++i) {
    int status = 0;
    assert_int_equal(waitpid(children[i], &status, 0), children[i]);
    assert_int_equal(status, 0);
  }
  for (int i = 0; i < 2; ++i) close(told[i]);
  close(waits[0]);
  shmalloc_channel_release(channel);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_last_sender_dies_while_we_sleep), cmocka_unit_test(the_last_receiver_dies_while_we_sleep),
      cmocka_unit_test(storages_of_the_dead_are_skipped),    cmocka_unit_test(what_is_in_flight_is_the_parents),
      cmocka_unit_test(more_than_there_are_places_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
