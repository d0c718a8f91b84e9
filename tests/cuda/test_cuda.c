/* Storages on GPUs: copies between the host and two devices, blocking and not, and peers; over the simulated driver, or a real one. */
#define DEVICE SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUDA, 0)
#define OTHER SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUDA, 1)
#include "devices.h"

#define SIZE ((size_t)3 << 20)

static shmalloc_storage *make(shmalloc_allocator *allocator, shmalloc_stream stream, uint32_t flags) {
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *storage = NULL;
  params.flags = flags;
  OK(shmalloc_storage_create(allocator, SIZE, stream, &params, &storage, err));
  return storage;
}

static unsigned char *bytes(shmalloc_storage *storage) { return shmalloc_storage_data(storage); }

static uint32_t count_of_devices(void) {
  shmalloc_device_info info = SHMALLOC_INIT(shmalloc_device_info);
  OK(shmalloc_device_get_info(DEVICE, &info, err));
  return info.count;
}

static void a_gpu_tells_what_it_is(void **state) {
  (void)state;
  shmalloc_device_info info = SHMALLOC_INIT(shmalloc_device_info);
  OK(shmalloc_device_get_info(DEVICE, &info, err));
  assert_true(info.count >= 1 && info.total > 0 && info.available <= info.total);
  const uint32_t all = SHMALLOC_CAPABILITY_STREAMS | SHMALLOC_CAPABILITY_CALL | SHMALLOC_CAPABILITY_CAPTURE;
  assert_int_equal(info.capabilities & all, all);
  assert_int_equal(info.capabilities & SHMALLOC_CAPABILITY_HOST_ACCESS, 0);
  FAILS(NOT_FOUND, "", shmalloc_device_get_info(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUDA, 60), &info, err));
  char text[16384];
  size_t length = sizeof text;
  OK(shmalloc_machine_describe(text, &length, err));
  assert_non_null(strstr(text, "{\"name\":\"cuda\",\"available\":true}"));
}

static void bytes_go_there_and_come_back(void **state) {
  (void)state;
  shmalloc_allocator *gpu = make_caching(DEVICE, NULL), *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  const shmalloc_stream stream = make_stream();
  for (uint32_t flags = 0; flags < 2; ++flags) {
    shmalloc_storage *in = make(direct, 0, 0), *first = make(gpu, stream, SHMALLOC_STORAGE_ZEROED), *second = make(gpu, stream, 0),
                     *out = make(direct, 0, 0);
    assert_null(shmalloc_storage_data(first));
    assert_true(shmalloc_storage_address(first) != 0);
    for (size_t i = 0; i < SIZE; ++i) bytes(in)[i] = (unsigned char)(i * 11 + i / 4096 + flags);
    OK(shmalloc_storage_copy(first, 512, in, 512, SIZE - 512, stream, flags, err));
    OK(shmalloc_storage_copy(second, 0, first, 0, SHMALLOC_SIZE_ALL, stream, flags, err));
    OK(shmalloc_storage_copy(out, 0, second, 0, SHMALLOC_SIZE_ALL, stream, flags, err));
    OK(shmalloc_stream_synchronize(DEVICE, stream, err));
    assert_int_equal(bytes(out)[511], 0);
    assert_memory_equal(bytes(out) + 512, bytes(in) + 512, SIZE - 512);
    shmalloc_storage_release(in);
    shmalloc_storage_release(first);
    shmalloc_storage_release(second);
    shmalloc_storage_release(out);
  }
  OK(shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_DEFERRED, 0, NULL, err));
  assert_int_equal(statistics_of(gpu).active[0].current, 0);
  end_stream(stream);
  shmalloc_allocator_release(gpu);
  shmalloc_allocator_release(direct);
}

static void what_is_queued_finds_its_memory(void **state) {
  (void)state;
  shmalloc_allocator *gpu = make_caching(DEVICE, NULL), *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  const shmalloc_stream made_for = make_stream(), used_on = make_stream();
  struct gate gate;
  shmalloc_storage *in = make(direct, 0, 0), *device = make(gpu, made_for, 0), *copy = make(gpu, used_on, 0);
  const shmalloc_address address = shmalloc_storage_address(device);
  memset(bytes(in), 0x17, SIZE);
  OK(shmalloc_storage_copy(device, 0, in, 0, SIZE, made_for, 0, err));
  close_gate(&gate, used_on);
  OK(shmalloc_storage_copy(copy, 0, device, 0, SIZE, used_on, SHMALLOC_COPY_NON_BLOCKING, err));
  shmalloc_storage_release(device);
  shmalloc_storage *next = make(gpu, made_for, 0);
  assert_true(shmalloc_storage_address(next) != address);
  OK(shmalloc_device_fill(DEVICE, shmalloc_storage_address(next), 0xff, SIZE, made_for, err));
  OK(shmalloc_stream_synchronize(DEVICE, made_for, err));
  memset(bytes(in), 0, SIZE);
  open_gate(&gate);
  OK(shmalloc_storage_copy(in, 0, copy, 0, SIZE, used_on, 0, err));
  assert_int_equal(bytes(in)[SIZE - 1], 0x17);
  OK(shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_DEFERRED, 0, NULL, err));
  shmalloc_storage_release(next);
  shmalloc_storage_release(in);
  shmalloc_storage_release(copy);
  end_stream(made_for);
  end_stream(used_on);
  shmalloc_allocator_release(gpu);
  shmalloc_allocator_release(direct);
}

static void peers_copy(void **state) {
  (void)state;
  if (count_of_devices() < 2) skip();
  shmalloc_allocator *gpus[2] = {make_caching(DEVICE, NULL), make_caching(OTHER, NULL)};
  shmalloc_allocator *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_storage *ends[2] = {make(gpus[0], 0, 0), make(gpus[1], 0, 0)}, *host = make(direct, 0, 0);
  for (int enabled = 0; enabled < 2; ++enabled) {
    if (enabled) {
      shmalloc_error error;
      const shmalloc_status status = shmalloc_device_enable_peer(DEVICE, OTHER, &error);
      if (status == SHMALLOC_STATUS_UNSUPPORTED) break;
      OK(status);
      OK(shmalloc_device_enable_peer(DEVICE, OTHER, err));
    }
    memset(bytes(host), 0x30 + enabled, SIZE);
    OK(shmalloc_storage_copy(ends[0], 0, host, 0, SIZE, 0, 0, err));
    OK(shmalloc_storage_copy(ends[1], 0, ends[0], 0, SIZE, 0, enabled != 0 ? SHMALLOC_COPY_NON_BLOCKING : 0, err));
    OK(shmalloc_device_synchronize(OTHER, err));
    memset(bytes(host), 0, SIZE);
    OK(shmalloc_storage_copy(host, 0, ends[1], 0, SIZE, 0, 0, err));
    assert_int_equal(bytes(host)[SIZE - 1], 0x30 + enabled);
  }
  OK(shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_DEFERRED, 0, NULL, err));
  for (int i = 0; i < 2; ++i) shmalloc_storage_release(ends[i]);
  for (int i = 0; i < 2; ++i) shmalloc_allocator_release(gpus[i]);
  shmalloc_storage_release(host);
  shmalloc_allocator_release(direct);
}

/* A function of the driver's, by its name; its arguments are handles and numbers. */
typedef int (*driver_fn)(uintptr_t, ...);
static driver_fn driver(const char *name) {
  static void *library;
  driver_fn found = NULL;
  if (library == NULL) library = dlopen("libcuda.so.1", RTLD_LAZY);
  assert_non_null(library);
  *(void **)&found = dlsym(library, name);
  if (found == NULL) fail_msg("the driver has no %s", name);
  return found;
}

static void a_captured_copy_runs_with_its_graph(void **state) {
  (void)state;
  enum { THREAD_LOCAL = 1 };
  shmalloc_allocator *gpu = make_caching(DEVICE, NULL), *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_allocator *shared = make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, NULL);
  const shmalloc_stream stream = make_stream();
  shmalloc_storage *from = make(gpu, stream, SHMALLOC_STORAGE_ZEROED), *to = make(gpu, stream, SHMALLOC_STORAGE_ZEROED);
  shmalloc_storage *host = make(direct, 0, 0), *cut = make(shared, 0, 0);
  uintptr_t context = 0, graph = 0, executable = 0;
  shmalloc_event event = 0;
  int32_t done = 0;
  OK(shmalloc_event_create(DEVICE, &event, err));
  memset(bytes(host), 0x42, SIZE);
  OK(shmalloc_storage_copy(from, 0, host, 0, SIZE, stream, 0, err));
  assert_int_equal(driver("cuDevicePrimaryCtxRetain")((uintptr_t)&context, 0), 0);
  assert_int_equal(driver("cuCtxSetCurrent")(context), 0);
  assert_int_equal(driver("cuStreamBeginCapture_v2")(stream, THREAD_LOCAL), 0);
  FAILS(BUSY, "captured", shmalloc_stream_call(DEVICE, stream, wait_at_gate, NULL, err));
  FAILS(BUSY, "captured", shmalloc_stream_synchronize(DEVICE, stream, err));
  FAILS(BUSY, "captured", shmalloc_storage_copy(to, 0, from, 0, SIZE, stream, 0, err));
  FAILS(BUSY, "captured", shmalloc_storage_copy(host, 0, from, 0, SIZE, stream, 0, err));
  FAILS(BUSY, "cut short", shmalloc_storage_copy(to, 0, cut, 0, SIZE, stream, SHMALLOC_COPY_NON_BLOCKING, err));
  FAILS(BUSY, "captured", shmalloc_stream_destroy(DEVICE, stream, err));
  OK(shmalloc_event_record(DEVICE, event, stream, err));
  FAILS(BUSY, "recorded in a capture", shmalloc_event_query(DEVICE, event, &done, err));
  FAILS(BUSY, "recorded in a capture", shmalloc_event_synchronize(DEVICE, event, err));
  OK(shmalloc_storage_copy(to, 0, from, 0, SIZE, stream, SHMALLOC_COPY_NON_BLOCKING, err));
  assert_int_equal(driver("cuStreamEndCapture")(stream, &graph), 0);
  OK(shmalloc_storage_copy(host, 0, to, 0, SIZE, stream, 0, err));
  assert_int_equal(bytes(host)[SIZE - 1], 0);
  assert_int_equal(driver("cuGraphInstantiateWithFlags")((uintptr_t)&executable, graph, 0ULL), 0);
  assert_int_equal(driver("cuGraphLaunch")(executable, stream), 0);
  OK(shmalloc_storage_copy(host, 0, to, 0, SIZE, stream, 0, err));
  assert_int_equal(bytes(host)[SIZE - 1], 0x42);
  OK(shmalloc_event_record(DEVICE, event, stream, err));
  OK(shmalloc_event_synchronize(DEVICE, event, err));
  OK(shmalloc_event_query(DEVICE, event, &done, err));
  assert_int_equal(done, 1);
  OK(shmalloc_event_destroy(DEVICE, event, err));
  assert_int_equal(driver("cuGraphExecDestroy")(executable), 0);
  assert_int_equal(driver("cuGraphDestroy")(graph), 0);
  assert_int_equal(driver("cuCtxSetCurrent")(0), 0);
  assert_int_equal(driver("cuDevicePrimaryCtxRelease_v2")(0), 0);
  shmalloc_storage *all[] = {from, to, host, cut};
  for (int i = 0; i < 4; ++i) shmalloc_storage_release(all[i]);
  end_stream(stream);
  shmalloc_allocator_release(gpu);
  shmalloc_allocator_release(direct);
  shmalloc_allocator_release(shared);
}

/* 2 is another stream in each thread. */
static void no_memory_is_kept_for_the_threads_own_stream(void **state) {
  (void)state;
  enum { PER_THREAD = 2 };
  shmalloc_allocator *gpu = make_caching(DEVICE, NULL), *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_address address = 0;
  FAILS(UNSUPPORTED, "each thread", shmalloc_allocator_allocate(gpu, 5000, PER_THREAD, &address, err));
  OK(shmalloc_allocator_allocate(gpu, 5000, 0, &address, err));
  FAILS(UNSUPPORTED, "each thread", shmalloc_allocator_record_stream(gpu, address, PER_THREAD, err));
  FAILS(UNSUPPORTED, "each thread", shmalloc_allocator_deallocate(gpu, address, PER_THREAD, err));
  OK(shmalloc_allocator_deallocate(gpu, address, 0, err));
  /* Copies may be queued there: what they use is held by them. */
  shmalloc_storage *in = make(direct, 0, 0), *there = make(gpu, 0, SHMALLOC_STORAGE_ZEROED), *out = make(direct, 0, 0);
  memset(bytes(in), 0x29, SIZE);
  OK(shmalloc_stream_synchronize(DEVICE, 0, err));
  OK(shmalloc_storage_copy(there, 0, in, 0, SIZE, PER_THREAD, SHMALLOC_COPY_NON_BLOCKING, err));
  OK(shmalloc_storage_copy(out, 0, there, 0, SIZE, PER_THREAD, 0, err));
  assert_int_equal(bytes(out)[SIZE - 1], 0x29);
  OK(shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_DEFERRED, 0, NULL, err));
  shmalloc_storage *all[] = {in, there, out};
  for (int i = 0; i < 3; ++i) shmalloc_storage_release(all[i]);
  shmalloc_allocator_release(gpu);
  shmalloc_allocator_release(direct);
}

static void memory_is_out_when_it_is(void **state) {
  (void)state;
  shmalloc_allocator *gpu = make_caching(DEVICE, NULL);
  shmalloc_device_info info = SHMALLOC_INIT(shmalloc_device_info);
  OK(shmalloc_device_get_info(DEVICE, &info, err));
  shmalloc_address address = 0;
  FAILS(NO_MEMORY, "", shmalloc_allocator_allocate(gpu, info.total + 1, 0, &address, err));
  OK(shmalloc_allocator_allocate(gpu, info.total / 4, 0, &address, err));
  OK(shmalloc_allocator_deallocate(gpu, address, 0, err));
  assert_int_equal(statistics_of(gpu).num_ooms, 1);
  shmalloc_allocator_release(gpu);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_gpu_tells_what_it_is),
      cmocka_unit_test(bytes_go_there_and_come_back),
      cmocka_unit_test(what_is_queued_finds_its_memory),
      cmocka_unit_test(peers_copy),
      cmocka_unit_test(a_captured_copy_runs_with_its_graph),
      cmocka_unit_test(no_memory_is_kept_for_the_threads_own_stream),
      cmocka_unit_test(memory_is_out_when_it_is),
  };
  return cmocka_run_group_tests(tests, NULL, no_mistakes);
}
