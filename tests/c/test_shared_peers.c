/* Kind SHARED between processes: who attaches, who dies, and what is left of it. */
#include <spawn.h>

#include "shared.h"

extern char **environ;

static void sixty_four_attach_and_the_next_is_told_why_not(void **state) {
  (void)state;
  struct peer peers[65];
  for (int i = 0; i < 65; ++i) peers[i] = begin_peer(holder);
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 1);
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  for (int i = 0; i < 64; ++i) let_hold(peers[i], &handle);
  tell(peers[64].socket, &handle, sizeof handle); /* reports to stderr, in words, and ends */
  char byte;
  assert_false(hear(peers[64].socket, &byte, 1));
  assert_int_equal(end_of(peers[64]), 1 << 8);
  kill_peer(peers[10]);
  peers[10] = begin_peer(holder);
  let_hold(peers[10], &handle); /* the place of the dead */
  shmalloc_storage_release(storage);
  for (int i = 0; i < 64; ++i) {
    if (i % 2 == 0) {
      let_release(peers[i]);
      end_peer(peers[i]);
    } else {
      kill_peer(peers[i]);
    }
  }
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void full_segment(int socket) {
  struct handle handle;
  shmalloc_storage *storage = NULL;
  CHILD_CHECK(hear(socket, &handle, sizeof handle));
  FAILS(NO_SPACE, "64 living processes", import_of(&handle, 0, &storage, err));
  signal_peer(socket);
  await_peer(socket);
  storage = import_in_peer(&handle); /* somebody has ended */
  CHILD_CHECK(intact(storage, 1));
  signal_peer(socket);
}

static void a_place_becomes_free_when_its_process_ends(void **state) {
  (void)state;
  struct peer peers[64], late = begin_peer(full_segment);
  for (int i = 0; i < 64; ++i) peers[i] = begin_peer(holder);
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 1);
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  for (int i = 0; i < 64; ++i) let_hold(peers[i], &handle);
  tell(late.socket, &handle, sizeof handle);
  await_peer(late.socket);
  kill_peer(peers[63]);
  signal_peer(late.socket);
  await_peer(late.socket);
  end_peer(late);
  shmalloc_storage_release(storage);
  for (int i = 0; i < 63; ++i) kill_peer(peers[i]);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void one_process_holds_twice_and_lets_go_once(void **state) {
  (void)state;
  struct peer peer = begin_peer(holder), other = begin_peer(holder);
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *first = make_filled(allocator, 5000, 1), *second = make_filled(allocator, 6000, 2), *again = NULL;
  const struct handle one = export_of(first, 0, SHMALLOC_TIME_NONE), two = export_of(second, 0, SHMALLOC_TIME_NONE);
  const shmalloc_address address = shmalloc_storage_address(first);
  let_hold(peer, &one);
  let_hold(peer, &one);
  let_hold(peer, &two);
  let_hold(other, &one);
  shmalloc_storage_release(first);
  let_release(other);
  for (unsigned i = 0; i < 300; ++i) {
    again = make_filled(allocator, 5000, i);
    assert_true(shmalloc_storage_address(again) != address);
    shmalloc_storage_release(again);
  }
  let_release(peer);
  trim(allocator);
  FAILS(STALE, "", import_of(&one, 0, &again, err));
  shmalloc_storage_release(second);
  assert_empty(allocator);
  end_peer(peer);
  end_peer(other);
  shmalloc_allocator_release(allocator);
}

/* ---- two threads ---- */

struct race {
  struct handle handles[4];
  int64_t until;
};
static void *import_and_release(void *argument) {
  const struct race *race = argument;
  for (unsigned i = 0; now_ms() < race->until; ++i) {
    shmalloc_storage *storage = import_in_peer(&race->handles[i % 4]);
    if (!intact(storage, i % 4)) abort();
    shmalloc_storage_release(storage);
  }
  return NULL;
}
static void race_in_threads(int socket) {
  struct race race;
  pthread_t ids[2];
  for (int i = 0; i < 4; ++i) CHILD_CHECK(hear(socket, &race.handles[i], sizeof(struct handle)));
  race.until = now_ms() + 1000;
  for (int i = 0; i < 2; ++i) pthread_create(&ids[i], NULL, import_and_release, &race);
  for (int i = 0; i < 2; ++i) pthread_join(ids[i], NULL);
  signal_peer(socket);
  await_peer(socket);
}

static void threads_race_to_import_and_release(void **state) {
  (void)state;
  struct peer peer = begin_peer(race_in_threads);
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storages[4];
  struct race race;
  for (unsigned i = 0; i < 4; ++i) {
    storages[i] = make_filled(allocator, 1000 * (i + 1), i);
    race.handles[i] = export_of(storages[i], 0, SHMALLOC_TIME_NONE);
    tell(peer.socket, &race.handles[i], sizeof(struct handle));
  }
  race.until = now_ms() + 1000;
  import_and_release(&race); /* the owner as well */
  await_peer(peer.socket);
  for (unsigned i = 0; i < 4; ++i) shmalloc_storage_release(storages[i]);
  assert_empty(allocator); /* though the peer lives: it holds nothing */
  signal_peer(peer.socket);
  end_peer(peer);
  shmalloc_allocator_release(allocator);
}

/* ---- deaths ---- */

static void own_until_told(int socket) {
  shmalloc_allocator *allocator = make_shared("segment_size:67108864");
  shmalloc_storage *storage = NULL;
  for (unsigned i = 0; i < 4; ++i) {
    PEER_OK(shmalloc_storage_create(allocator, 3 << 20, 0, NULL, &storage, err));
    fill(storage, i);
    struct handle handle = {.length = sizeof handle.bytes};
    PEER_OK(shmalloc_storage_export(storage, NULL, handle.bytes, &handle.length, err));
    tell(socket, &handle, sizeof handle);
  }
  await_peer(socket);
}

static void what_is_held_outlives_its_owner(void **state) {
  (void)state;
  for (int killed = 0; killed < 2; ++killed) {
    const struct held before = look();
    struct peer owner = begin_peer(own_until_told), other = begin_peer(holder);
    shmalloc_storage *held[4], *again = NULL;
    struct handle handles[4];
    for (int i = 0; i < 4; ++i) {
      assert_true(hear(owner.socket, &handles[i], sizeof(struct handle)));
      OK(import_of(&handles[i], 0, &held[i], err));
    }
    const struct handle mine = export_of(held[2], 0, SHMALLOC_TIME_NONE); /* on through us */
    if (killed == 1) {
      kill_peer(owner);
    } else {
      signal_peer(owner.socket);
      end_peer(owner);
    }
    assert_true(segments().bytes >= 12 << 20);
    for (unsigned i = 0; i < 4; ++i) assert_true(intact(held[i], i));
    let_hold(other, &mine);
    shmalloc_storage_release(held[0]);
    shmalloc_storage_release(held[2]); /* the other one holds it */
    shmalloc_storage_release(held[3]);
    for (int tries = 0; tries < 100 && segments().bytes > 9 << 20; ++tries) {
      OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
      usleep(10000);
    }
    assert_in_range(segments().bytes, 6 << 20, 9 << 20); /* two of four are left */
    FAILS(STALE, "", import_of(&handles[0], 0, &again, err));
    assert_true(intact(held[1], 1));
    OK(import_of(&mine, 0, &again, err));
    assert_true(intact(again, 2));
    shmalloc_storage_release(again);
    shmalloc_storage_release(held[1]);
    kill_peer(other);
    OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
    assert_int_equal(segments().count, 0);
    SAME(before);
  }
}

/* Dead holders in several segments of one allocator, behind a living one. */
static void the_dead_are_cleared_up_in_every_segment(void **state) {
  (void)state;
  struct peer living = begin_peer(holder), dead = begin_peer(holder);
  shmalloc_allocator *allocator = make_shared("segment_size:2097152,export_ttl_ms:0");
  shmalloc_storage *storages[6];
  for (unsigned i = 0; i < 6; ++i) storages[i] = make_filled(allocator, 1500000, i); /* a segment each */
  assert_int_equal(segments().count, 6);
  for (int i = 0; i < 6; ++i) {
    const struct handle handle = export_of(storages[i], 0, SHMALLOC_TIME_NONE);
    let_hold(i == 0 ? living : dead, &handle);
  }
  for (int i = 0; i < 6; ++i) shmalloc_storage_release(storages[i]);
  kill_peer(dead);
  trim(allocator);
  assert_int_equal(segments().count, 1);
  let_release(living);
  assert_empty(allocator);
  end_peer(living);
  shmalloc_allocator_release(allocator);
}

static void exec_something(int socket) {
  struct handle handle;
  CHILD_CHECK(hear(socket, &handle, sizeof handle));
  shmalloc_storage *storage = import_in_peer(&handle);
  (void)storage;
  fcntl(socket, F_SETFD, 0);
  signal_peer(socket);
  await_peer(socket);
  alarm(0);
  execl("/bin/sleep", "sleep", "1000", (char *)NULL);
  _exit(1);
}

static void exec_drops_what_was_held(void **state) {
  (void)state;
  struct peer peer = begin_peer(exec_something);
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 1);
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  tell(peer.socket, &handle, sizeof handle);
  await_peer(peer.socket);
  shmalloc_storage_release(storage);
  trim(allocator);
  assert_int_equal(segments().count, 1);
  signal_peer(peer.socket);
  assert_empty(allocator); /* waits until the process has become another program */
  kill_peer(peer);
  storage = make_filled(allocator, 5000, 1); /* a program that this process starts has nothing of it */
  pid_t pid;
  assert_int_equal(posix_spawn(&pid, "/bin/sleep", NULL, NULL, (char *[]){"sleep", "1000", NULL}, environ), 0);
  shmalloc_storage_release(storage);
  assert_empty(allocator);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  shmalloc_allocator_release(allocator);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sixty_four_attach_and_the_next_is_told_why_not),
      cmocka_unit_test(a_place_becomes_free_when_its_process_ends),
      cmocka_unit_test(one_process_holds_twice_and_lets_go_once),
      cmocka_unit_test(threads_race_to_import_and_release),
      cmocka_unit_test(what_is_held_outlives_its_owner),
      cmocka_unit_test(the_dead_are_cleared_up_in_every_segment),
      cmocka_unit_test(exec_drops_what_was_held),
  };
  return cmocka_run_group_tests_name("shared_peers", tests, NULL, NULL);
}
