/* Storages on a device: made and given back in the order of streams, copied every way, and refused where the host alone can. */
#include <sys/mman.h>

#include "devices.h"
#include "shmalloc/dlpack.h"

#define SIZE ((size_t)1 << 20)

static shmalloc_storage *make(shmalloc_allocator *allocator, size_t size, shmalloc_stream stream, uint32_t flags) {
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *storage = NULL;
  params.flags = flags;
  OK(shmalloc_storage_create(allocator, size, stream, &params, &storage, err));
  return storage;
}

static unsigned char *bytes(shmalloc_storage *storage) { return shmalloc_storage_data(storage); }

/* A device whose memory the host can't touch: its addresses are the host's, turned over. */
static uint64_t turned(uint64_t number) { return number ^ 0xff00000000000000; }

static int32_t far_allocate(uint64_t size, uint64_t *out, void *userdata) {
  void *memory = NULL;
  (void)userdata;
  if (posix_memalign(&memory, 4096, size) != 0) return SHMALLOC_STATUS_NO_MEMORY;
  *out = turned((uintptr_t)memory);
  return 0;
}
static int32_t far_deallocate(uint64_t address, uint64_t size, void *userdata) {
  (void)size;
  (void)userdata;
  free((void *)(uintptr_t)turned(address));
  return 0;
}
static void *here(uint64_t address) { return (void *)(uintptr_t)(address >> 56 == 0xff ? turned(address) : address); }
static int32_t far_copy(uint64_t to, uint64_t from, uint64_t size, uint64_t stream, void *userdata) {
  (void)stream;
  (void)userdata;
  memcpy(here(to), here(from), size);
  return 0;
}
static int32_t far_fill(uint64_t to, uint32_t value, uint64_t size, uint64_t stream, void *userdata) {
  (void)stream;
  (void)userdata;
  memset(here(to), (int)value, size);
  return 0;
}
static void count_destroyed(void *userdata) { ++*(int *)userdata; }

static shmalloc_device make_far_device(int *destroyed) {
  shmalloc_backend backend = SHMALLOC_INIT(shmalloc_backend);
  shmalloc_device device = 0;
  backend.name = "far";
  backend.alignment = 4096;
  backend.allocate = far_allocate;
  backend.deallocate = far_deallocate;
  backend.copy = far_copy;
  backend.fill = far_fill;
  OK(shmalloc_device_register(&backend, destroyed, count_destroyed, &device, err));
  return device;
}

static void a_storage_is_a_block_with_an_owner(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  const shmalloc_stream stream = make_stream();
  shmalloc_storage *storage = make(allocator, SIZE, stream, SHMALLOC_STORAGE_ZEROED);
  const shmalloc_storage_info info = info_of(storage);
  assert_true(info.device == DEVICE);
  assert_int_equal(info.kind, SHMALLOC_ALLOCATOR_KIND_CACHING);
  assert_int_equal(info.size, SIZE);
  assert_int_equal(info.state & SHMALLOC_STORAGE_STATE_SHARED, 0);
  assert_true(info.address == shmalloc_storage_address(storage) && info.address == (uintptr_t)info.data);
  OK(shmalloc_stream_synchronize(DEVICE, stream, err));
  assert_int_equal(bytes(storage)[SIZE - 1], 0);
  shmalloc_storage *found = NULL;
  size_t offset = 0;
  OK(shmalloc_storage_find(DEVICE, info.address + 77, &found, &offset, err));
  assert_ptr_equal(found, storage);
  assert_int_equal(offset, 77);
  shmalloc_storage_release(found);
  FAILS(NOT_FOUND, "", shmalloc_storage_find(SHMALLOC_DEVICE_HOST, info.address, &found, NULL, err));
  shmalloc_address base = 0;
  uint64_t size = 0;
  OK(shmalloc_allocator_get_base(allocator, info.address, &base, &size, err));
  assert_int_equal(statistics_of(allocator).allocation[0].current, 1);
  shmalloc_storage_release(storage);
  assert_int_equal(statistics_of(allocator).allocation[0].current, 0);
  shmalloc_storage *empty = make(allocator, 0, stream, 0);
  assert_null(shmalloc_storage_data(empty));
  assert_true(shmalloc_storage_address(empty) == 0);
  OK(shmalloc_storage_record_stream(empty, 0, err));
  shmalloc_storage_release(empty);
  end_stream(stream);
  shmalloc_allocator_release(allocator);
}

static void the_last_release_waits_for_other_streams(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  const shmalloc_stream own_stream = make_stream(), other = make_stream();
  struct gate gate;
  shmalloc_storage *storage = make(allocator, SIZE, own_stream, 0);
  const shmalloc_address address = shmalloc_storage_address(storage);
  close_gate(&gate, other);
  OK(shmalloc_storage_record_stream(storage, other, err));
  OK(shmalloc_storage_record_stream(storage, own_stream, err));
  OK(shmalloc_storage_close(storage, err));
  FAILS(CLOSED, "closed", shmalloc_storage_record_stream(storage, other, err));
  shmalloc_storage_release(storage);
  shmalloc_storage *next = make(allocator, SIZE, own_stream, 0);
  assert_true(shmalloc_storage_address(next) != address);
  open_gate(&gate);
  OK(shmalloc_stream_synchronize(DEVICE, other, err));
  shmalloc_storage *third = make(allocator, SIZE, own_stream, 0);
  shmalloc_storage_release(next);
  shmalloc_storage_release(third);
  end_stream(own_stream);
  end_stream(other);
  assert_int_equal(statistics_of(allocator).active[0].current, 0);
  shmalloc_allocator_release(allocator);
}

/* Every pair of ends, blocking and not: the bytes arrive, and nothing stays pinned or referenced. */
static void copies_go_every_way(void **state) {
  (void)state;
  int destroyed = 0;
  const shmalloc_device far_device = make_far_device(&destroyed);
  shmalloc_allocator *allocators[] = {make_caching(DEVICE, NULL),
                                      make_caching(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 1), NULL),
                                      make_caching(far_device, NULL),
                                      make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, NULL),
                                      make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL),
                                      make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL)};
  enum { kEnds = sizeof allocators / sizeof *allocators, kFar = 2, kDevices = 3 };
  shmalloc_storage *in = make(allocators[kDevices], SIZE, 0, 0), *out = make(allocators[kDevices], SIZE, 0, 0);
  for (size_t i = 0; i < SIZE; ++i) bytes(in)[i] = (unsigned char)(i * 7 + i / 256);
  for (int from = 0; from < kEnds; ++from) {
    for (int to = 0; to < kEnds; ++to) {
      for (uint32_t flags = 0; flags < 2; ++flags) {
        shmalloc_storage *source = make(allocators[from], SIZE, 0, 0), *target = make(allocators[to], SIZE, 0, 0);
        OK(shmalloc_storage_copy(source, 0, in, 0, SHMALLOC_SIZE_ALL, 0, 0, err));
        if (from != to && (from == kFar || to == kFar) && from < kDevices && to < kDevices) {
          FAILS(UNSUPPORTED, "way", shmalloc_storage_copy(target, 0, source, 0, SIZE, 0, flags, err));
        } else {
          OK(shmalloc_storage_copy(target, 0, source, 0, SIZE / 2, 0, flags, err));
          OK(shmalloc_storage_copy(target, SIZE / 2, source, SIZE / 2, SIZE / 2, 0, flags, err));
          OK(shmalloc_device_synchronize(DEVICE, err));
          OK(shmalloc_device_synchronize(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 1), err));
          memset(bytes(out), 0, SIZE);
          OK(shmalloc_storage_copy(out, 0, target, 0, SIZE, 0, 0, err));
          assert_memory_equal(bytes(out), bytes(in), SIZE);
        }
        assert_int_equal(info_of(source).pins, 0);
        assert_int_equal(info_of(source).references, 1);
        assert_int_equal(info_of(target).references, 1);
        shmalloc_storage_release(source);
        shmalloc_storage_release(target);
      }
    }
  }
  shmalloc_storage_release(in);
  shmalloc_storage_release(out);
  FAILS(BUSY, "allocators", shmalloc_device_unregister(far_device, err));
  for (int i = 0; i < kEnds; ++i) shmalloc_allocator_release(allocators[i]);
  assert_int_equal(destroyed, 0);
  OK(shmalloc_device_unregister(far_device, err));
  assert_int_equal(destroyed, 1);
  FAILS(NOT_FOUND, "", shmalloc_device_unregister(far_device, err));
}

/* Both ends stay until the stream has passed, whoever lets go of them before: the device's in the order of streams, the host's by a pin. */
static void what_is_queued_finds_its_memory(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  shmalloc_allocator *sealed = make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, "sealed:1");
  const shmalloc_stream made_for = make_stream(), used_on = make_stream();
  struct gate gate;
  shmalloc_storage *host = make(sealed, SIZE, 0, 0), *device = make(allocator, SIZE, made_for, 0), *back = make(sealed, SIZE, 0, 0);
  const shmalloc_address address = shmalloc_storage_address(device);
  memset(bytes(host), 0x42, SIZE);
  close_gate(&gate, used_on);
  OK(shmalloc_storage_copy(device, 0, host, 0, SIZE, used_on, SHMALLOC_COPY_NON_BLOCKING, err));
  OK(shmalloc_storage_copy(back, 0, device, 0, SIZE, used_on, SHMALLOC_COPY_NON_BLOCKING, err));
  assert_int_equal(info_of(host).pins, 1);
  FAILS(BUSY, "pinned", shmalloc_storage_close(host, err));
  shmalloc_storage_release(host);
  shmalloc_storage_release(device);
  shmalloc_storage *next = make(allocator, SIZE, made_for, 0);
  assert_true(shmalloc_storage_address(next) != address);
  open_gate(&gate);
  OK(shmalloc_stream_synchronize(DEVICE, used_on, err));
  assert_int_equal(bytes(back)[SIZE - 1], 0x42);
  assert_int_equal(info_of(back).pins, 0);
  OK(shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_DEFERRED, 0, NULL, err));
  shmalloc_storage_release(next);
  shmalloc_storage_release(back);
  shmalloc_allocator_release(sealed);
  end_stream(made_for);
  end_stream(used_on);
  shmalloc_allocator_release(allocator);
}

/* What a peer may cut short is never touched by a stream's thread: a status, no SIGBUS. */
static void an_object_that_was_cut_short_is_an_error(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL), *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  const int fd = memfd_create("test", MFD_CLOEXEC);
  assert_int_equal(ftruncate(fd, SIZE), 0);
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *cut = NULL, *device = make(allocator, SIZE, 0, SHMALLOC_STORAGE_ZEROED);
  params.mapped = SHMALLOC_MAPPED_FROMFD | SHMALLOC_MAPPED_SHARED;
  params.fd = fd;
  OK(shmalloc_storage_create(map, SIZE, 0, &params, &cut, err));
  bytes(cut)[SIZE - 1] = 9;
  OK(shmalloc_storage_copy(device, 0, cut, 0, SIZE, 0, SHMALLOC_COPY_NON_BLOCKING, err));
  assert_int_equal(bytes(device)[SIZE - 1], 9);
  assert_int_equal(ftruncate(fd, SIZE / 2), 0);
  FAILS(STALE, "truncated", shmalloc_storage_copy(device, 0, cut, 0, SIZE, 0, SHMALLOC_COPY_NON_BLOCKING, err));
  FAILS(STALE, "truncated", shmalloc_storage_copy(cut, 0, device, 0, SIZE, 0, 0, err));
  OK(shmalloc_storage_copy(cut, 0, device, 0, SIZE / 2, 0, 0, err));
  close(fd);
  shmalloc_storage_release(cut);
  shmalloc_storage_release(device);
  shmalloc_allocator_release(map);
  shmalloc_allocator_release(allocator);
}

/* A device that does copies when it is waited for, and whose next waits may fail. */
static struct { uint64_t to, from, size; } queued;
static int failing_waits;
static int32_t late_copy(uint64_t to, uint64_t from, uint64_t size, uint64_t stream, void *userdata) {
  (void)stream, (void)userdata;
  queued.to = to, queued.from = from, queued.size = size;
  return 0;
}
static int32_t late_synchronize(void *userdata) {
  (void)userdata;
  if (failing_waits > 0) return --failing_waits, 5;
  if (queued.size != 0) memcpy(here(queued.to), here(queued.from), queued.size);
  queued.size = 0;
  return 0;
}
static int32_t late_wait(uint64_t number, void *userdata) {
  (void)number;
  return late_synchronize(userdata);
}
static int32_t late_number(uint64_t size, uint64_t *out, void *userdata) {
  static uint64_t last;
  (void)size, (void)userdata;
  *out = ++last;
  return 0;
}
static int32_t late_nothing(uint64_t number, void *userdata) {
  (void)number, (void)userdata;
  return 0;
}
static int32_t late_order(uint64_t event, uint64_t stream, void *userdata) {
  (void)event, (void)stream, (void)userdata;
  return 0;
}
static int32_t late_query(uint64_t event, int32_t *out, void *userdata) {
  (void)event, (void)userdata;
  *out = queued.size == 0;
  return 0;
}

/* Nothing that the device may still be at is given back, or let go. */
static void a_wait_that_fails_is_made_up_for(void **state) {
  (void)state;
  shmalloc_backend backend = SHMALLOC_INIT(shmalloc_backend);
  shmalloc_device device = 0;
  backend.name = "late";
  backend.alignment = 4096;
  backend.allocate = far_allocate;
  backend.deallocate = far_deallocate;
  backend.copy = late_copy;
  backend.synchronize = late_synchronize;
  backend.stream_create = late_number;
  backend.stream_destroy = late_nothing;
  backend.stream_synchronize = late_wait;
  backend.stream_wait = late_order;
  backend.event_create = late_number;
  backend.event_destroy = late_nothing;
  backend.event_record = late_order;
  backend.event_query = late_query;
  backend.event_synchronize = late_wait;
  OK(shmalloc_device_register(&backend, NULL, NULL, &device, err));
  shmalloc_allocator *far = make_caching(device, NULL), *kinds[] = {make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL),
                                                                    make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, NULL)};
  for (int kind = 0; kind < 2; ++kind) { /* of the second a peer could cut the memory short */
    shmalloc_storage *there = make(far, SIZE, 0, 0), *host = make(kinds[kind], SIZE, 0, 0);
    shmalloc_storage_info info = SHMALLOC_INIT(shmalloc_storage_info);
    failing_waits = 1;
    FAILS(BACKEND, "", shmalloc_storage_copy(host, 0, there, 0, SIZE, 0, SHMALLOC_COPY_NON_BLOCKING, err));
    assert_int_equal(queued.size, 0);
    OK(shmalloc_storage_get_info(host, &info, err));
    assert_int_equal(info.pins, 0);
    OK(shmalloc_storage_copy(host, 0, there, 0, SIZE, 0, 0, err));
    shmalloc_storage_release(there);
    shmalloc_storage_release(host);
    shmalloc_allocator_release(kinds[kind]);
  }
  shmalloc_allocator_release(far);
  OK(shmalloc_device_unregister(device, err));
}

static void memory_of_others_can_be_adopted(void **state) {
  (void)state;
  static unsigned char memory[4096] __attribute__((aligned(64)));
  int destroyed = 0;
  const shmalloc_stream stream = make_stream();
  struct gate gate;
  shmalloc_allocator *direct = make_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  shmalloc_storage *adopted = NULL, *host = make(direct, sizeof memory, 0, 0);
  memset(memory, 5, sizeof memory);
  OK(shmalloc_storage_adopt(DEVICE, (uintptr_t)memory, sizeof memory, NULL, &destroyed, count_destroyed, &adopted, err));
  assert_true(info_of(adopted).device == DEVICE && shmalloc_storage_address(adopted) == (uintptr_t)memory);
  close_gate(&gate, stream);
  OK(shmalloc_storage_copy(host, 0, adopted, 0, sizeof memory, stream, SHMALLOC_COPY_NON_BLOCKING, err));
  OK(shmalloc_storage_record_stream(adopted, stream, err));
  shmalloc_storage_release(adopted);
  assert_int_equal(destroyed, 0);
  open_gate(&gate);
  OK(shmalloc_stream_synchronize(DEVICE, stream, err));
  OK(shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_DEFERRED, 0, NULL, err));
  assert_int_equal(destroyed, 1);
  assert_int_equal(bytes(host)[4095], 5);
  shmalloc_storage_release(host);
  shmalloc_allocator_release(direct);
  FAILS(NOT_FOUND, "64",
        shmalloc_storage_adopt(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 64), (uintptr_t)memory, 64, NULL, &destroyed,
                               count_destroyed, &adopted, err));
  assert_int_equal(destroyed, 2);
  end_stream(stream);
}

static void the_host_can_t_touch_every_device(void **state) {
  (void)state;
  int destroyed = 0;
  const shmalloc_device device = make_far_device(&destroyed);
  shmalloc_allocator *allocator = make_caching(device, NULL);
  shmalloc_storage *storage = make(allocator, 5000, 0, SHMALLOC_STORAGE_ZEROED);
  void *data = &destroyed;
  size_t size = 0;
  assert_null(shmalloc_storage_data(storage));
  assert_int_equal(shmalloc_storage_address(storage) >> 56, 0xff);
  OK(shmalloc_storage_pin(storage, SHMALLOC_ACCESS_READ, &data, &size, err));
  assert_null(data);
  assert_int_equal(size, 5000);
  shmalloc_storage_unpin(storage, SHMALLOC_ACCESS_READ);
  shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
  OK(shmalloc_allocator_get_info(allocator, &info, err));
  assert_int_equal(info.capabilities, 0);
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(allocator);
  /* The current allocator is the device's own affair, unless it is in use. */
  OK(shmalloc_allocator_get_current(device, &allocator, err));
  storage = make(allocator, 100, 0, 0);
  shmalloc_allocator_release(allocator);
  FAILS(BUSY, "storages", shmalloc_device_unregister(device, err));
  shmalloc_storage_release(storage);
  OK(shmalloc_device_unregister(device, err));
  assert_int_equal(destroyed, 1);
}

static void what_devices_can_t_do_is_refused(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  shmalloc_storage *storage = make(allocator, SIZE, 0, 0), *host = make(NULL, SIZE, 0, 0), *none = NULL;
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  FAILS(UNSUPPORTED, "device", shmalloc_storage_export(storage, NULL, handle, &length, err));
  FAILS(UNSUPPORTED, "device", shmalloc_storage_share(storage, NULL, 0, err));
  FAILS(UNSUPPORTED, "", shmalloc_storage_grow(storage, 2 * SIZE, 0, err));
  FAILS(UNSUPPORTED, "", shmalloc_storage_seal(storage, err));
  FAILS(INVALID, "overlap", shmalloc_storage_copy(storage, 0, storage, 100, 200, 0, 0, err));
  OK(shmalloc_storage_copy(storage, 0, storage, 200, 200, 0, 0, err));
  FAILS(INVALID, "beyond", shmalloc_storage_copy(storage, SIZE + 1, host, 0, 1, 0, 0, err));
  FAILS(INVALID, "fit", shmalloc_storage_copy(storage, 1, host, 0, SIZE, 0, 0, err));
  FAILS(INVALID, "reserved", shmalloc_storage_copy(storage, 0, host, 0, SIZE, SHMALLOC_STREAM_OWN, 0, err));
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.name = "/name";
  FAILS(INVALID, "name", shmalloc_storage_create(allocator, SIZE, 0, &params, &none, err));
  params = (shmalloc_storage_params)SHMALLOC_INIT(shmalloc_storage_params);
  params.alignment = 4096;
  FAILS(UNSUPPORTED, "4096", shmalloc_storage_create(allocator, SIZE, 0, &params, &none, err));
  params.alignment = 256;
  params.capacity = 2 * SIZE;
  FAILS(INVALID, "capacity", shmalloc_storage_create(allocator, SIZE, 0, &params, &none, err));
  params.capacity = 0;
  params.flags = SHMALLOC_STORAGE_ISOLATED;
  FAILS(UNSUPPORTED, "ISOLATED", shmalloc_storage_create(allocator, SIZE, 0, &params, &none, err));
  FAILS(INVALID, "reserved", shmalloc_storage_create(allocator, SIZE, SHMALLOC_STREAM_OWN, NULL, &none, err));
  shmalloc_storage_release(storage);
  shmalloc_storage_release(host);
  assert_int_equal(statistics_of(allocator).allocation[0].current, 0);
  shmalloc_allocator_release(allocator);
}

static void a_child_lets_go(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  shmalloc_storage *storage = make(allocator, SIZE, 0, SHMALLOC_STORAGE_ZEROED), *host = make(NULL, SIZE, 0, 0);
  IN_CHILD({
    CHILD_CHECK(shmalloc_storage_copy(host, 0, storage, 0, SIZE, 0, 0, NULL) == SHMALLOC_STATUS_BACKEND);
    shmalloc_storage_release(storage);
    shmalloc_allocator_release(allocator);
  });
  OK(shmalloc_storage_copy(host, 0, storage, 0, SIZE, 0, 0, err));
  shmalloc_storage_release(storage);
  shmalloc_storage_release(host);
  shmalloc_allocator_release(allocator);
}

struct DLManagedTensor {
  void *data;
  int32_t device_type, device_id, ndim;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t *shape, *strides;
  uint64_t byte_offset;
  void *context;
  void (*deleter)(struct DLManagedTensor *);
};

/* DLPack's numbers of devices, and an address that is the device's. */
static void tensors_say_where_they_are(void **state) {
  (void)state;
  int destroyed = 0;
  const shmalloc_device far_device = make_far_device(&destroyed);
  shmalloc_allocator *allocators[] = {make_caching(DEVICE, NULL), make_caching(far_device, NULL)};
  for (int i = 0; i < 2; ++i) {
    shmalloc_storage *storage = make(allocators[i], 4096, 0, 0);
    struct DLManagedTensor *managed = NULL;
    OK(shmalloc_dlpack_export_unversioned(storage, NULL, &managed, err));
    assert_true((uintptr_t)managed->data == shmalloc_storage_address(storage));
    assert_int_equal(managed->device_type, i == 0 ? 1 : 12);
    assert_int_equal(managed->device_id, i == 0 ? 0 : (int32_t)(far_device & 0xffffffff));
    managed->deleter(managed);
    shmalloc_storage_release(storage);
    shmalloc_allocator_release(allocators[i]);
  }
  OK(shmalloc_device_unregister(far_device, err));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_storage_is_a_block_with_an_owner),
      cmocka_unit_test(the_last_release_waits_for_other_streams),
      cmocka_unit_test(copies_go_every_way),
      cmocka_unit_test(what_is_queued_finds_its_memory),
      cmocka_unit_test(an_object_that_was_cut_short_is_an_error),
      cmocka_unit_test(a_wait_that_fails_is_made_up_for),
      cmocka_unit_test(memory_of_others_can_be_adopted),
      cmocka_unit_test(the_host_can_t_touch_every_device),
      cmocka_unit_test(what_devices_can_t_do_is_refused),
      cmocka_unit_test(tensors_say_where_they_are),
      cmocka_unit_test(a_child_lets_go),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
