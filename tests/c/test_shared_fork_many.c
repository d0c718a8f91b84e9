/* Kind SHARED and many children: more than there are places, one after the other, all at once. */
#include "shared_fork.h"

/* There is always some child, but never one that could use what waits. */
static void memory_is_used_again_though_there_are_always_children(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared("segment_size:2147483648,export_ttl_ms:0");
  inherited = make_filled(allocator, 5000, inherited_seed = 1);
  shmalloc_storage *storage = make_filled(allocator, 3 << 20, 2);
  struct child child = fork_one(check_when_told);
  shmalloc_storage_release(storage);
  for (int round = 0; round < 5; ++round) {
    const struct child next = fork_one(check_when_told);
    trim(allocator);
    ask(child);
    end_child(child);
    child = next;
  }
  trim(allocator);
  trim(allocator);
  assert_true(segments().bytes <= 2 << 20);
  end_child(child);
  shmalloc_storage_release(inherited);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void more_children_than_places_keep_what_they_have(void **state) {
  (void)state;
  struct child children[70];
  shmalloc_allocator *allocator = make_shared("segment_size:2147483648,export_ttl_ms:0");
  shmalloc_storage *anchor = make_filled(allocator, 5000, 0);
  inherited = make_filled(allocator, 5000, inherited_seed = 4);
  for (int i = 0; i < 70; ++i) children[i] = fork_one(check_when_told);
  shmalloc_storage_release(inherited);
  use_all_over(allocator, 5000);
  trim(allocator);
  for (int i = 0; i < 70; ++i) ask(children[i]);
  for (int i = 0; i < 70; ++i) end_child(children[i]);
  shmalloc_storage_release(anchor);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

/* Their parent is killed: others that have the segment must not take for abandoned what they use. */
static void fork_many_and_wait(int socket) {
  struct handle handle;
  shmalloc_allocator *allocator = make_shared("segment_size:2147483648");
  PEER_OK(shmalloc_storage_create(allocator, 3 << 20, 0, NULL, &inherited, err));
  fill(inherited, inherited_seed = 4);
  shmalloc_storage *passed = NULL;
  PEER_OK(shmalloc_storage_create(allocator, 5000, 0, NULL, &passed, err));
  handle.length = sizeof handle.bytes;
  PEER_OK(shmalloc_storage_export(passed, NULL, handle.bytes, &handle.length, err));
  for (int i = 0; i < 70; ++i) {
    const pid_t pid = fork();
    if (pid != 0) continue;
    char word;
    alarm(100);
    if (recv(socket, &word, 1, 0) != 1) _exit(1); /* whichever hears it */
    CHILD_CHECK(intact(inherited, 4));
    signal_peer(socket);
    _exit(0);
  }
  tell(socket, &handle, sizeof handle);
  pause();
}

static void children_without_a_place_outlive_their_parent(void **state) {
  (void)state;
  struct peer owner = begin_peer(fork_many_and_wait);
  struct handle handle;
  shmalloc_storage *held = NULL;
  assert_true(hear(owner.socket, &handle, sizeof handle));
  FAILS(NO_SPACE, "place",
        import_of(&handle, 0, &held, err)); /* attached, without a place: it looks after the segment all the same */
  kill(owner.pid, SIGKILL);
  waitpid(owner.pid, NULL, 0);
  for (int i = 0; i < 5; ++i) {
    OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
    usleep(10000);
  }
  for (int i = 0; i < 70; ++i) signal_peer(owner.socket);
  for (int i = 0; i < 70; ++i) await_peer(owner.socket);
  close(owner.socket);
  for (int tries = 0; tries < 200 && segments().count != 0; ++tries) {
    OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
    usleep(5000);
  }
  assert_int_equal(segments().count, 0);
}

/* An importer with more children than there are places lets go once they are gone, with no import or release to remind it. */
static void import_and_fork_many(int socket) {
  struct handle handle;
  pid_t children[70];
  CHILD_CHECK(hear(socket, &handle, sizeof handle));
  inherited = import_in_peer(&handle);
  for (int i = 0; i < 70; ++i) {
    children[i] = fork();
    if (children[i] != 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pause();
  }
  shmalloc_storage_release(inherited);
  signal_peer(socket);
  await_peer(socket);
  for (int i = 0; i < 70; ++i) {
    kill(children[i], SIGKILL);
    waitpid(children[i], NULL, 0);
  }
  PEER_OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
  signal_peer(socket);
  await_peer(socket);
}

static void what_could_not_be_handed_over_is_let_go_of_later(void **state) {
  (void)state;
  struct peer peer = begin_peer(import_and_fork_many);
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 7);
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  tell(peer.socket, &handle, sizeof handle);
  await_peer(peer.socket);
  shmalloc_storage_release(storage);
  trim(allocator);
  assert_int_equal(segments().count, 1);
  signal_peer(peer.socket);
  await_peer(peer.socket);
  assert_empty(allocator); /* though the importer lives */
  signal_peer(peer.socket);
  end_peer(peer);
  shmalloc_allocator_release(allocator);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(memory_is_used_again_though_there_are_always_children),
      cmocka_unit_test(more_children_than_places_keep_what_they_have),
      cmocka_unit_test(children_without_a_place_outlive_their_parent),
      cmocka_unit_test(what_could_not_be_handed_over_is_let_go_of_later),
  };
  return cmocka_run_group_tests_name("shared_fork_many", tests, NULL, NULL);
}
