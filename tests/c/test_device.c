/* Devices, streams, events and copies by address, on the host's memory as a device. */
#include "devices.h"

static shmalloc_device_info device_info(shmalloc_device device) {
  shmalloc_device_info info = SHMALLOC_INIT(shmalloc_device_info);
  OK(shmalloc_device_get_info(device, &info, err));
  return info;
}

static void a_device_tells_what_it_is(void **state) {
  (void)state;
  const shmalloc_device_info info = device_info(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 3));
  assert_true(info.device == SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 3));
  assert_true(info.total > 0 && info.available > 0 && info.available <= info.total);
  assert_int_equal(info.count, 64);
  assert_int_equal(info.page_size, 2 << 20);
  const uint32_t all = SHMALLOC_CAPABILITY_HOST_ACCESS | SHMALLOC_CAPABILITY_STREAMS | SHMALLOC_CAPABILITY_CALL |
                       SHMALLOC_CAPABILITY_PEERS | SHMALLOC_CAPABILITY_VIRTUAL;
  assert_int_equal(info.capabilities & all, all);
  assert_int_equal(info.capabilities & SHMALLOC_CAPABILITY_CAPTURE, 0);
  assert_true(strlen(info.name) > 0);
  assert_int_equal(device_info(SHMALLOC_DEVICE_HOST).count, 1);
}

static void devices_that_are_not_there(void **state) {
  (void)state;
  shmalloc_device_info info = SHMALLOC_INIT(shmalloc_device_info);
  FAILS(NOT_FOUND, "64", shmalloc_device_get_info(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 64), &info, err));
  FAILS(NOT_FOUND, "index 7", shmalloc_device_get_info(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUSTOM, 7), &info, err));
  FAILS(NOT_FOUND, "one host", shmalloc_device_get_info(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST, 1), &info, err));
  FAILS(UNSUPPORTED, "type 7", shmalloc_device_get_info(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_VULKAN, 0), &info, err));
  FAILS(UNSUPPORTED, "HOST_STREAMS", shmalloc_device_synchronize(SHMALLOC_DEVICE_HOST, err));
  FAILS(INVALID, "out_info", shmalloc_device_get_info(DEVICE, NULL, err));
}

/* Whatever it is that this machine lacks of CUDA, or that it lacks nothing: no call crashes, and one that fails says what is missing. */
static void cuda_is_there_or_says_what_is_missing(void **state) {
  (void)state;
  shmalloc_device_info info = SHMALLOC_INIT(shmalloc_device_info);
  shmalloc_error error;
  const shmalloc_status status = shmalloc_device_get_info(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUDA, 0), &info, &error);
  if (status == SHMALLOC_STATUS_OK) {
    assert_true(info.count > 0 && info.total > 0);
    return;
  }
  assert_int_equal(status, SHMALLOC_STATUS_UNSUPPORTED);
  assert_true(strlen(error.message) > 20);
}

static void work_is_done_in_the_order_of_a_stream(void **state) {
  (void)state;
  static unsigned char from[4096], to[4096];
  const shmalloc_stream stream = make_stream();
  struct gate gate;
  memset(to, 1, sizeof to);
  close_gate(&gate, stream);
  OK(shmalloc_device_fill(DEVICE, (uintptr_t)from, 0x5a, sizeof from, stream, err));
  OK(shmalloc_device_copy(DEVICE, (uintptr_t)to, (uintptr_t)from, sizeof from, stream, err));
  OK(shmalloc_device_fill(DEVICE, (uintptr_t)from, 7, sizeof from, stream, err));
  assert_int_equal(to[100], 1);
  assert_int_equal(from[100], 0);
  open_gate(&gate);
  OK(shmalloc_stream_synchronize(DEVICE, stream, err));
  assert_int_equal(to[4095], 0x5a);
  assert_int_equal(from[0], 7);
  end_stream(stream);
}

static void events_order_streams(void **state) {
  (void)state;
  static unsigned char bytes[4096], copy[4096];
  memset(bytes, 0, sizeof bytes);
  const shmalloc_stream first = make_stream(), second = make_stream();
  shmalloc_event event = 0;
  OK(shmalloc_event_create(DEVICE, &event, err));
  assert_true(event != 0);
  int32_t done = 0;
  OK(shmalloc_event_query(DEVICE, event, &done, err));
  assert_int_equal(done, 1);
  struct gate gate;
  close_gate(&gate, first);
  OK(shmalloc_device_fill(DEVICE, (uintptr_t)bytes, 9, sizeof bytes, first, err));
  OK(shmalloc_event_record(DEVICE, event, first, err));
  OK(shmalloc_stream_wait(DEVICE, second, event, err));
  OK(shmalloc_device_copy(DEVICE, (uintptr_t)copy, (uintptr_t)bytes, sizeof bytes, second, err));
  OK(shmalloc_event_query(DEVICE, event, &done, err));
  assert_int_equal(done, 0);
  open_gate(&gate);
  OK(shmalloc_stream_synchronize(DEVICE, second, err));
  assert_int_equal(copy[4095], 9);
  OK(shmalloc_event_synchronize(DEVICE, event, err));
  OK(shmalloc_event_query(DEVICE, event, &done, err));
  assert_int_equal(done, 1);
  OK(shmalloc_event_destroy(DEVICE, event, err));
  FAILS(INVALID, "", shmalloc_event_destroy(DEVICE, event, err));
  FAILS(INVALID, "", shmalloc_event_record(DEVICE, event, first, err));
  end_stream(first);
  end_stream(second);
}

static void add_one(void *to) { ++*(int *)to; }

static void functions_are_work(void **state) {
  (void)state;
  int count = 0, once = 0;
  const shmalloc_stream stream = make_stream();
  for (int i = 0; i < 1000; ++i) OK(shmalloc_stream_call(DEVICE, stream, add_one, &count, err));
  OK(shmalloc_stream_call(DEVICE, SHMALLOC_STREAM_DEFAULT, add_one, &once, err));
  OK(shmalloc_device_synchronize(DEVICE, err));
  assert_int_equal(count, 1000);
  assert_int_equal(once, 1);
  FAILS(INVALID, "fn", shmalloc_stream_call(DEVICE, stream, NULL, NULL, err));
  end_stream(stream);
}

static void what_is_wrong_is_said(void **state) {
  (void)state;
  unsigned char bytes[64] = {0};
  const shmalloc_address at = (uintptr_t)bytes;
  const shmalloc_stream stream = make_stream();
  FAILS(INVALID, "overlap", shmalloc_device_copy(DEVICE, at, at + 8, 16, stream, err));
  FAILS(INVALID, "from is 0", shmalloc_device_copy(DEVICE, at, 0, 16, stream, err));
  FAILS(INVALID, "to is 0", shmalloc_device_copy(DEVICE, 0, at, 16, stream, err));
  FAILS(INVALID, "from", shmalloc_device_copy(DEVICE, at, UINT64_MAX - 8, 16, stream, err));
  FAILS(INVALID, "to", shmalloc_device_copy(DEVICE, at, at + 64, SIZE_MAX - 8, stream, err));
  FAILS(INVALID, "to", shmalloc_device_fill(DEVICE, at, 0, SIZE_MAX, stream, err));
  FAILS(INVALID, "256", shmalloc_device_fill(DEVICE, at, 256, 16, stream, err));
  FAILS(INVALID, "to is 0", shmalloc_device_fill(DEVICE, 0, 1, 16, stream, err));
  FAILS(INVALID, "reserved", shmalloc_device_fill(DEVICE, at, 1, 16, SHMALLOC_STREAM_OWN, err));
  OK(shmalloc_device_copy(DEVICE, 0, 0, 0, stream, err));
  OK(shmalloc_device_fill(DEVICE, 0, 0, 0, stream, err));
  end_stream(stream);
  FAILS(INVALID, "", shmalloc_stream_synchronize(DEVICE, stream, err));
  FAILS(INVALID, "", shmalloc_stream_destroy(DEVICE, stream, err));
  FAILS(INVALID, "", shmalloc_stream_destroy(DEVICE, SHMALLOC_STREAM_DEFAULT, err));
  FAILS(INVALID, "out_stream", shmalloc_stream_create(DEVICE, NULL, err));
  FAILS(INVALID, "out_event", shmalloc_event_create(DEVICE, NULL, err));
  FAILS(INVALID, "out_done", shmalloc_event_query(DEVICE, 1, NULL, err));
  FAILS(INVALID, "", shmalloc_stream_wait(DEVICE, SHMALLOC_STREAM_DEFAULT, 12345678, err));
  FAILS(INVALID, "", shmalloc_event_synchronize(DEVICE, 12345678, err));
}

/* However much there is to do: allocators record events with their lock held. */
static void recording_waits_for_nobody(void **state) {
  (void)state;
  enum { MUCH = 511 };
  static unsigned char byte;
  const shmalloc_stream stream = make_stream();
  shmalloc_event event = 0;
  int32_t done = 1;
  struct gate gate;
  OK(shmalloc_event_create(DEVICE, &event, err));
  close_gate(&gate, stream);
  for (int i = 0; i < MUCH; ++i) OK(shmalloc_device_fill(DEVICE, (uintptr_t)&byte, (uint32_t)i % 100, 1, stream, err));
  alarm(20);
  for (int i = 0; i < 3; ++i) OK(shmalloc_event_record(DEVICE, event, stream, err));
  OK(shmalloc_event_query(DEVICE, event, &done, err));
  assert_int_equal(done, 0);
  open_gate(&gate);
  OK(shmalloc_event_synchronize(DEVICE, event, err));
  assert_int_equal(byte, (MUCH - 1) % 100);
  OK(shmalloc_event_query(DEVICE, event, &done, err));
  assert_int_equal(done, 1);
  /* With room for the record. */
  OK(shmalloc_event_record(DEVICE, event, stream, err));
  OK(shmalloc_event_synchronize(DEVICE, event, err));
  OK(shmalloc_event_query(DEVICE, event, &done, err));
  assert_int_equal(done, 1);
  alarm(0);
  OK(shmalloc_event_destroy(DEVICE, event, err));
  end_stream(stream);
}

static int32_t plain_allocate(uint64_t size, uint64_t *out, void *userdata) {
  (void)userdata;
  void *memory = NULL;
  if (posix_memalign(&memory, 512, size) != 0) return SHMALLOC_STATUS_NO_MEMORY;
  *out = (uintptr_t)memory;
  return 0;
}
static int32_t plain_deallocate(uint64_t address, uint64_t size, void *userdata) {
  (void)size, (void)userdata;
  free((void *)(uintptr_t)address);
  return 0;
}
static void count_end(void *userdata) { ++*(int *)userdata; }

static void a_device_that_is_used_stays_as_it_was(void **state) {
  (void)state;
  int ends = 0;
  shmalloc_backend backend = SHMALLOC_INIT(shmalloc_backend);
  shmalloc_device device = 0;
  backend.name = "plain";
  backend.allocate = plain_allocate;
  backend.deallocate = plain_deallocate;
  OK(shmalloc_device_register(&backend, &ends, count_end, &device, err));
  shmalloc_allocator *mine = make_caching(device, NULL), *other = make_caching(device, NULL), *current = NULL;
  OK(shmalloc_allocator_set_current(mine, err));
  /* By a reference to the current one, and by another allocator. */
  for (int i = 0; i < 2; ++i) {
    FAILS(BUSY, "release them first", shmalloc_device_unregister(device, err));
    OK(shmalloc_allocator_get_current(device, &current, err));
    assert_ptr_equal(current, mine);
    shmalloc_allocator_release(current);
    if (i == 0) shmalloc_allocator_release(mine);
  }
  shmalloc_allocator_release(other);
  assert_int_equal(ends, 0);
  OK(shmalloc_device_unregister(device, err));
  assert_int_equal(ends, 1);
}

static void peers_are_of_one_type(void **state) {
  (void)state;
  const shmalloc_device other = SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 1);
  OK(shmalloc_device_enable_peer(DEVICE, other, err));
  OK(shmalloc_device_enable_peer(DEVICE, other, err));
  OK(shmalloc_device_enable_peer(DEVICE, DEVICE, err));
  FAILS(NOT_FOUND, "64", shmalloc_device_enable_peer(DEVICE, SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 99), err));
  FAILS(UNSUPPORTED, "", shmalloc_device_enable_peer(DEVICE, SHMALLOC_DEVICE_HOST, err));
}

/* Thread sanitizers follow no threads of a child whose parent had some. */
#ifdef __SANITIZE_THREAD__
enum { kThreadsInChild = 0 };
#else
enum { kThreadsInChild = 1 };
#endif

/* A child has none of its parent's streams and events, and may have a device of its own. */
static void a_child_begins_anew(void **state) {
  (void)state;
  const shmalloc_stream stream = make_stream();
  shmalloc_event event = 0;
  OK(shmalloc_event_create(DEVICE, &event, err));
  IN_CHILD({
    static int count;
    shmalloc_stream own_stream = 0;
    CHILD_CHECK(shmalloc_stream_synchronize(DEVICE, stream, NULL) != SHMALLOC_STATUS_OK);
    CHILD_CHECK(shmalloc_device_fill(DEVICE, (uintptr_t)&count, 0, sizeof count, SHMALLOC_STREAM_DEFAULT, NULL) ==
                SHMALLOC_STATUS_OK);
    if (!kThreadsInChild) _exit(0);
    CHILD_CHECK(shmalloc_stream_create(DEVICE, &own_stream, NULL) == SHMALLOC_STATUS_OK);
    CHILD_CHECK(shmalloc_stream_call(DEVICE, own_stream, add_one, &count, NULL) == SHMALLOC_STATUS_OK);
    CHILD_CHECK(shmalloc_stream_synchronize(DEVICE, own_stream, NULL) == SHMALLOC_STATUS_OK);
    CHILD_CHECK(count == 1);
    CHILD_CHECK(shmalloc_stream_destroy(DEVICE, own_stream, NULL) == SHMALLOC_STATUS_OK);
  });
  OK(shmalloc_event_record(DEVICE, event, stream, err));
  OK(shmalloc_event_synchronize(DEVICE, event, err));
  OK(shmalloc_event_destroy(DEVICE, event, err));
  end_stream(stream);
}

/* Nor has it the current allocator, whose device is the parent's. */
static void a_child_has_a_current_allocator_of_its_own(void **state) {
  (void)state;
  shmalloc_allocator *current = NULL;
  shmalloc_storage *storage = NULL;
  OK(shmalloc_allocator_get_current(DEVICE, &current, err));
  OK(shmalloc_storage_create(current, 4096, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
  for (int set = 0; set < 2; ++set) {
    IN_CHILD({
      shmalloc_allocator *own = NULL;
      shmalloc_storage *made = NULL;
      if (set) {
        own = make_caching(DEVICE, NULL);
        OK(shmalloc_allocator_set_current(own, err));
      } else {
        OK(shmalloc_allocator_get_current(DEVICE, &own, err));
      }
      assert_ptr_not_equal(own, current);
      OK(shmalloc_storage_create(own, 4096, SHMALLOC_STREAM_DEFAULT, NULL, &made, err));
      shmalloc_storage_release(made);
      shmalloc_storage_release(storage);
      shmalloc_allocator_release(own);
    });
  }
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(current);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_device_tells_what_it_is),
      cmocka_unit_test(devices_that_are_not_there),
      cmocka_unit_test(cuda_is_there_or_says_what_is_missing),
      cmocka_unit_test(work_is_done_in_the_order_of_a_stream),
      cmocka_unit_test(events_order_streams),
      cmocka_unit_test(functions_are_work),
      cmocka_unit_test(what_is_wrong_is_said),
      cmocka_unit_test(recording_waits_for_nobody),
      cmocka_unit_test(a_device_that_is_used_stays_as_it_was),
      cmocka_unit_test(peers_are_of_one_type),
      cmocka_unit_test(a_child_begins_anew),
      cmocka_unit_test(a_child_has_a_current_allocator_of_its_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
