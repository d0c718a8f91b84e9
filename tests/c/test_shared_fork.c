/* Kind SHARED and fork: what a child inherited stays what it was as long as the child lives, whatever its parent does, and no longer. */
#include "shared_fork.h"

static void a_child_keeps_what_its_parent_releases(void **state) {
  (void)state;
  static const size_t sizes[] = {100, 5000, 100000, 10 << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    for (int exported = 0; exported < 2; ++exported) {
      shmalloc_allocator *allocator = make_shared("segment_size:2147483648,export_ttl_ms:0");
      shmalloc_storage *anchor = make_filled(allocator, sizes[i], 0); /* the segment stays */
      inherited = make_filled(allocator, sizes[i], inherited_seed = 5);
      if (exported) export_of(inherited, 0, 0);
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
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
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
  shown = export_of(inherited, 0, SHMALLOC_TIME_NONE);
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
  struct handle handle = {.length = sizeof handle.bytes};
  PEER_OK(shmalloc_storage_export(inherited, NULL, handle.bytes, &handle.length, err)); /* as any holder can */
  PEER_OK(import_of(&handle, 0, &found, err));
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_child_keeps_what_its_parent_releases),
      cmocka_unit_test(grandchildren_keep_it_too),
      cmocka_unit_test(the_child_of_an_importer_keeps_it),
      cmocka_unit_test(a_child_that_imports_what_it_inherited_keeps_both_apart),
      cmocka_unit_test(inherited_storages_are_found_by_their_address),
  };
  return cmocka_run_group_tests_name("shared_fork", tests, NULL, NULL);
}
