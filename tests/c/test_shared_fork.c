/* Kind SHARED and fork: what a child inherited stays what it was as long as the child lives, whatever its parent does, and no longer. */
#include "shared.h"

/* A child that waits for words: 'c' checks what it inherited, 'e' ends. */
struct child {
  pid_t pid;
  int socket;
};
static shmalloc_storage *inherited;
static unsigned inherited_seed;

static struct child fork_one(void (*body)(int socket)) {
  int ends[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  fflush(NULL);
  const pid_t pid = fork();
  if (pid < 0) abort();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(100);
    close(ends[0]);
    body(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  return (struct child){pid, ends[0]};
}
static void check_when_told(int socket) {
  char word;
  while (hear(socket, &word, 1) && word != 'e') {
    CHILD_CHECK(intact(inherited, inherited_seed));
    signal_peer(socket);
  }
}
static void ask(struct child child) {
  tell(child.socket, "c", 1);
  await_peer(child.socket);
}
static void end_child(struct child child) {
  int status = 0;
  tell(child.socket, "e", 1);
  while (waitpid(child.pid, &status, 0) < 0) {
  }
  close(child.socket);
  assert_int_equal(status, 0);
}
static void kill_child(struct child child) {
  kill(child.pid, SIGKILL);
  waitpid(child.pid, NULL, 0);
  close(child.socket);
}

/* Storages of this size, each over whatever is free. */
static void use_all_over(shmalloc_allocator *allocator, size_t size) {
  shmalloc_storage *made[100];
  for (unsigned i = 0; i < 100; ++i) made[i] = make_filled(allocator, size, 1000 + i);
  for (int i = 0; i < 100; ++i) shmalloc_storage_release(made[i]);
}

static void a_child_keeps_what_its_parent_releases(void **state) {
  (void)state;
  static const size_t sizes[] = {100, 5000, 100000, 10 << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    for (int exported = 0; exported < 2; ++exported) {
      shmalloc_allocator *allocator = make_shared("segment_size:2147483648,export_ttl_ms:0");
      shmalloc_storage *anchor = make_filled(allocator, sizes[i], 0); /* the segment stays */
      inherited = make_filled(allocator, sizes[i], inherited_seed = 5);
      if (exported) export_of(inherited);
      const shmalloc_address address = shmalloc_storage_address(inherited);
      const struct child child = fork_one(check_when_told);
      shmalloc_storage_release(inherited);
      for (int round = 0; round < 3; ++round) {
        use_all_over(allocator, sizes[i] < 1 << 20 ? sizes[i] : 3 << 20);
        trim(allocator);
        ask(child);
      }
      if (i % 2 == 0) {
        end_child(child);
      } else {
        kill_child(child);
      }
      shmalloc_storage *made[200], *found = NULL; /* and once it is gone its memory is used again */
      trim(allocator);
      size_t count = 0;
      for (; count < (sizes[i] < 1 << 20 ? 200 : 10) && found == NULL; ++count) {
        made[count] = make_filled(allocator, sizes[i], 1);
        if (shmalloc_storage_address(made[count]) == address) found = made[count];
      }
      assert_non_null(found);
      while (count > 0) shmalloc_storage_release(made[--count]);
      shmalloc_storage_release(anchor);
      assert_empty(allocator);
      shmalloc_allocator_release(allocator);
    }
  }
}

static void grandchild_checks(int socket) {
  const struct child grandchild = fork_one(check_when_told);
  char word;
  CHILD_CHECK(hear(socket, &word, 1) && word == 'c');
  shmalloc_storage_release(inherited);
  ask(grandchild);
  signal_peer(socket);
  CHILD_CHECK(hear(socket, &word, 1) && word == 'c');
  ask(grandchild);
  signal_peer(socket);
  CHILD_CHECK(hear(socket, &word, 1) && word == 'e');
  tell(grandchild.socket, "e", 1);
  int status = 0;
  waitpid(grandchild.pid, &status, 0);
  CHILD_CHECK(status == 0);
}

static void grandchildren_keep_it_too(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared("segment_size:2147483648,export_ttl_ms:0");
  for (int parent_first = 0; parent_first < 2; ++parent_first) {
    shmalloc_storage *anchor = make_filled(allocator, 5000, 0);
    inherited = make_filled(allocator, 5000, inherited_seed = 6);
    const struct child child = fork_one(grandchild_checks);
    if (parent_first) shmalloc_storage_release(inherited);
    if (parent_first) use_all_over(allocator, 5000);
    ask(child);
    if (!parent_first) shmalloc_storage_release(inherited);
    use_all_over(allocator, 5000);
    ask(child);
    end_child(child);
    shmalloc_storage_release(anchor);
    assert_empty(allocator);
  }
  shmalloc_allocator_release(allocator);
}

/* The child of one that imported, whose owner goes on and reuses what he may. */
static void fork_after_import(int socket) {
  struct handle handle;
  CHILD_CHECK(hear(socket, &handle, sizeof handle));
  inherited = import_in_peer(&handle);
  inherited_seed = 7;
  const struct child child = fork_one(check_when_told);
  shmalloc_storage_release(inherited);
  signal_peer(socket);
  await_peer(socket);
  ask(child);
  signal_peer(socket);
  await_peer(socket);
  kill_child(child);
  signal_peer(socket);
  await_peer(socket);
}

static void the_child_of_an_importer_keeps_it(void **state) {
  (void)state;
  struct peer peer = begin_peer(fork_after_import);
  shmalloc_allocator *allocator = make_shared("segment_size:2147483648,export_ttl_ms:0");
  shmalloc_storage *anchor = make_filled(allocator, 5000, 0), *storage = make_filled(allocator, 5000, 7);
  const struct handle handle = export_for(storage, SHMALLOC_TIME_NONE);
  tell(peer.socket, &handle, sizeof handle);
  await_peer(peer.socket);
  shmalloc_storage_release(storage);
  use_all_over(allocator, 5000);
  trim(allocator);
  assert_int_equal(segments().count, 1);
  signal_peer(peer.socket);
  await_peer(peer.socket);
  signal_peer(peer.socket);
  await_peer(peer.socket);
  shmalloc_storage_release(anchor);
  assert_empty(allocator);
  signal_peer(peer.socket);
  end_peer(peer);
  shmalloc_allocator_release(allocator);
}

/* The child opens by a handle what it inherited anyway, and lets go of that: it still has what it inherited. */
static struct handle shown;
static void import_and_let_go(int socket) {
  await_peer(socket);
  shmalloc_storage *again = import_in_peer(&shown);
  CHILD_CHECK(intact(again, inherited_seed));
  shmalloc_storage_release(again);
  signal_peer(socket);
  check_when_told(socket);
}

static void a_child_that_imports_what_it_inherited_keeps_both_apart(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared("segment_size:2147483648,export_ttl_ms:0");
  shmalloc_storage *anchor = make_filled(allocator, 5000, 0);
  inherited = make_filled(allocator, 5000, inherited_seed = 8);
  shown = export_for(inherited, SHMALLOC_TIME_NONE);
  const struct child child = fork_one(import_and_let_go);
  shmalloc_storage_release(inherited);
  trim(allocator);
  signal_peer(child.socket);
  await_peer(child.socket);
  trim(allocator);
  use_all_over(allocator, 5000);
  ask(child);
  end_child(child);
  shmalloc_storage_release(anchor);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void find_by_address(int socket) {
  shmalloc_storage *found = NULL;
  size_t offset = 0;
  PEER_OK(shmalloc_storage_find(SHMALLOC_DEVICE_HOST, shmalloc_storage_address(inherited) + 10, &found, &offset, err));
  CHILD_CHECK(found == inherited && offset == 10);
  CHILD_CHECK((info_of(found).state & SHMALLOC_STORAGE_STATE_FORKED) != 0);
  shmalloc_storage_release(found);
  struct handle handle = {sizeof handle.bytes, {0}};
  PEER_OK(shmalloc_storage_export(inherited, NULL, handle.bytes, &handle.length, err)); /* as any holder can */
  PEER_OK(import_it(&handle, 0, &found, err));
  CHILD_CHECK(shmalloc_storage_data(found) == shmalloc_storage_data(inherited));
  shmalloc_storage_release(found);
  shmalloc_storage_release(inherited);
  shmalloc_allocator *own_allocator = make_shared(NULL); /* what a child makes is its own */
  shmalloc_storage *made = make_filled(own_allocator, 5000, 1);
  CHILD_CHECK(intact(made, 1));
  shmalloc_storage_release(made);
  trim(own_allocator);
  check_when_told(socket);
}

static void inherited_storages_are_found_by_their_address(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  inherited = make_filled(allocator, 5000, inherited_seed = 9);
  const struct child child = fork_one(find_by_address);
  end_child(child);
  assert_true(intact(inherited, 9));
  shmalloc_storage_release(inherited);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

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
        import_it(&handle, 0, &held, err)); /* attached, without a place: it looks after the segment all the same */
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_child_keeps_what_its_parent_releases),
      cmocka_unit_test(grandchildren_keep_it_too),
      cmocka_unit_test(the_child_of_an_importer_keeps_it),
      cmocka_unit_test(a_child_that_imports_what_it_inherited_keeps_both_apart),
      cmocka_unit_test(inherited_storages_are_found_by_their_address),
      cmocka_unit_test(memory_is_used_again_though_there_are_always_children),
      cmocka_unit_test(more_children_than_places_keep_what_they_have),
      cmocka_unit_test(children_without_a_place_outlive_their_parent),
  };
  return cmocka_run_group_tests_name("shared_fork", tests, NULL, NULL);
}
