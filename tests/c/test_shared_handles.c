/* Handles of kind SHARED: the ways they travel, and when they end. */
#include "shared.h"

/* ---- ways ---- */

static void one_storage_by_bytes(int socket) {
  struct handle handle;
  await_peer(socket);
  CHILD_CHECK(hear(socket, &handle, sizeof handle));
  shmalloc_storage *storage = import_in_peer(&handle), *reading = NULL;
  CHILD_CHECK(shmalloc_storage_size(storage) == 5000 && intact(storage, 1));
  fill(storage, 2);
  PEER_OK(import_of(&handle, SHMALLOC_IMPORT_READ_ONLY, &reading, err));
  CHILD_CHECK(intact(reading, 2));
  CHILD_CHECK((info_of(reading).state & SHMALLOC_STORAGE_STATE_READ_ONLY) != 0);
  FAILS(PERMISSION, "read-only", shmalloc_storage_pin(reading, SHMALLOC_ACCESS_WRITE, NULL, NULL, err));
  const pid_t writer = fork();
  if (writer == 0) {
    *(volatile char *)shmalloc_storage_data(reading) = 1;
    _exit(0);
  }
  int status = 0;
  waitpid(writer, &status, 0);
  CHILD_CHECK(ASAN || TSAN ? status != 0 : WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  shmalloc_storage_release(reading);
  signal_peer(socket);
  await_peer(socket);
  CHILD_CHECK(intact(storage, 2)); /* the owner has released it */
  shmalloc_storage_release(storage);
  signal_peer(socket);
  await_peer(socket);
}

static void bytes_open_the_same_memory_elsewhere(void **state) {
  (void)state;
  struct peer peer = begin_peer(one_storage_by_bytes);
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 1);
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  shmalloc_handle_info info = SHMALLOC_INIT(shmalloc_handle_info);
  OK(shmalloc_handle_get_info(handle.bytes, handle.length, &info, err));
  assert_int_equal(info.kind, SHMALLOC_ALLOCATOR_KIND_SHARED);
  assert_int_equal(info.route, SHMALLOC_HANDLE_ROUTE_PROCESS);
  assert_int_equal(info.size, 5000);
  signal_peer(peer.socket);
  tell(peer.socket, &handle, sizeof handle);
  await_peer(peer.socket);
  assert_true(intact(storage, 2));
  shmalloc_storage_release(storage);
  for (unsigned i = 0; i < 200; ++i) shmalloc_storage_release(make_filled(allocator, 5000, 100 + i)); /* not over it */
  signal_peer(peer.socket);
  await_peer(peer.socket);
  assert_empty(allocator);
  signal_peer(peer.socket);
  end_peer(peer);
  shmalloc_allocator_release(allocator);
}

static void two_descriptors_open_it_where_proc_does_not(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 1), *held = NULL;
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  struct handle handle = {.length = sizeof handle.bytes};
  int32_t fds[2] = {-1, -1};
  size_t count = 1;
  params.flags = SHMALLOC_EXPORT_DESCRIPTOR;
  params.ttl_ns = SHMALLOC_TIME_NONE;
  OK(shmalloc_storage_export(storage, &params, handle.bytes, &handle.length, err));
  FAILS(NO_SPACE, "descriptors", shmalloc_storage_export_fds(storage, &params, fds, &count, err));
  assert_int_equal(count, 2);
  OK(shmalloc_storage_export_fds(storage, &params, fds, &count, err));
  OK(shmalloc_storage_import(handle.bytes, handle.length, fds, 2, NULL, &held, err));
  assert_true(intact(held, 1));
  shmalloc_storage_release(held);
  FAILS(INVALID, "two", shmalloc_storage_import(handle.bytes, handle.length, fds, 1, NULL, &held, err));
  close(fds[0]);
  close(fds[1]);
  shmalloc_storage_release(storage);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

static void receive_and_answer(int socket) {
  shmalloc_storage *storages[40] = {NULL};
  size_t count = 40;
  PEER_OK(shmalloc_storage_receive(socket, NULL, storages, &count, err));
  CHILD_CHECK(count == 40);
  for (unsigned i = 0; i < 40; ++i) CHILD_CHECK(intact(storages[i], i));
  for (unsigned i = 0; i < 40; ++i) fill(storages[i], i + 1);
  signal_peer(socket);
  await_peer(socket);
  PEER_OK(shmalloc_storage_send(socket, storages, 40, NULL, err)); /* on from one who does not own them */
  for (unsigned i = 0; i < 40; ++i) shmalloc_storage_release(storages[i]);
  char text[SHMALLOC_HANDLE_TEXT_MAX] = "";
  CHILD_CHECK(hear(socket, text, sizeof text));
  struct handle handle = {.length = sizeof handle.bytes};
  PEER_OK(shmalloc_handle_from_text(text, handle.bytes, &handle.length, err));
  storages[0] = import_in_peer(&handle);
  CHILD_CHECK(intact(storages[0], 77));
  signal_peer(socket);
}

static void sockets_and_text_carry_them(void **state) {
  (void)state;
  struct peer peer = begin_peer(receive_and_answer);
  shmalloc_allocator *allocator = make_shared("segment_size:2097152,export_ttl_ms:0"); /* several segments */
  shmalloc_storage *storages[40], *back[40];
  for (unsigned i = 0; i < 40; ++i) storages[i] = make_filled(allocator, 1000 + (size_t)i * 10000, i);
  OK(shmalloc_storage_send(peer.socket, storages, 40, NULL, err));
  await_peer(peer.socket);
  for (unsigned i = 0; i < 40; ++i) {
    assert_true(intact(storages[i], i + 1));
    shmalloc_storage_release(storages[i]);
  }
  size_t count = 40;
  signal_peer(peer.socket);
  OK(shmalloc_storage_receive(peer.socket, NULL, back, &count, err));
  for (unsigned i = 0; i < 40; ++i) {
    assert_true(intact(back[i], i + 1));
    shmalloc_storage_release(back[i]);
  }
  shmalloc_storage *storage = make_filled(allocator, 100, 77);
  const struct handle handle = export_of(storage, 0, 0);
  char text[SHMALLOC_HANDLE_TEXT_MAX] = "";
  size_t length = sizeof text;
  OK(shmalloc_handle_to_text(handle.bytes, handle.length, text, &length, err));
  tell(peer.socket, text, sizeof text);
  await_peer(peer.socket);
  end_peer(peer);
  shmalloc_storage_release(storage);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

/* ---- ends ---- */

static void handles_end_with_release_revoke_and_time(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 1), *held = NULL, *again = NULL;
  struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  shmalloc_storage_release(storage);
  FAILS(STALE, "gone", import_of(&handle, 0, &again, err));
  trim(allocator);
  FAILS(STALE, "", import_of(&handle, 0, &again, err));

  storage = make_filled(allocator, 5000, 2);
  handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  OK(import_of(&handle, 0, &held, err));
  OK(shmalloc_storage_revoke(storage, err));
  FAILS(STALE, "revoked", import_of(&handle, 0, &again, err));
  assert_true(intact(held, 2));
  const struct handle newer = export_of(storage, 0, SHMALLOC_TIME_NONE);
  OK(import_of(&newer, 0, &again, err));
  shmalloc_storage_release(storage);
  assert_true(intact(held, 2) && intact(again, 2));
  shmalloc_storage_release(again);
  shmalloc_storage_release(held);

  storage = make_filled(allocator, 5000, 3);
  const shmalloc_address address = shmalloc_storage_address(storage);
  handle = export_of(storage, 0, 100000000);
  shmalloc_storage_release(storage);
  for (unsigned i = 0; i < 100; ++i) { /* it lingers: nobody gets its memory */
    storage = make_filled(allocator, 5000, 100 + i);
    assert_true(shmalloc_storage_address(storage) != address);
    shmalloc_storage_release(storage);
  }
  OK(import_of(&handle, 0, &held, err));
  assert_true(intact(held, 3));
  shmalloc_storage_release(held);
  usleep(150000);
  trim(allocator);
  FAILS(STALE, "", import_of(&handle, 0, &held, err));
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_open_the_same_memory_elsewhere),
      cmocka_unit_test(two_descriptors_open_it_where_proc_does_not),
      cmocka_unit_test(sockets_and_text_carry_them),
      cmocka_unit_test(handles_end_with_release_revoke_and_time),
  };
  return cmocka_run_group_tests_name("shared_handles", tests, NULL, NULL);
}
