/* Storages as DLPack tensors and tensors as storages. The structs are written down here once more, as DLPack's own header has them. */
#include "shmalloc/dlpack.h"

#include <limits.h>
#include <pthread.h>

#include "support.h"

struct dl_tensor {
  void *data;
  int32_t device_type, device_id, ndim;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t *shape, *strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  struct dl_tensor t;
  void *context;
  void (*deleter)(struct DLManagedTensor *);
};
struct DLManagedTensorVersioned {
  uint32_t major, minor;
  void *context;
  void (*deleter)(struct DLManagedTensorVersioned *);
  uint64_t flags;
  struct dl_tensor t;
};

static shmalloc_storage *make(size_t size) {
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(NULL, size, 0, NULL, &storage, err));
  return storage;
}

static shmalloc_tensor floats(int32_t ndim, const int64_t *shape, const int64_t *strides) {
  shmalloc_tensor tensor = SHMALLOC_INIT(shmalloc_tensor);
  tensor.ndim = ndim;
  tensor.shape = shape;
  tensor.strides = strides;
  tensor.code = 2;
  tensor.bits = 32;
  return tensor;
}

static void a_tensor_holds_the_storage(void **state) {
  (void)state;
  shmalloc_storage *storage = make(4096);
  const int64_t shape[] = {4, 3, 2};
  shmalloc_tensor wanted = floats(3, shape, NULL);
  wanted.offset = 96;
  struct DLManagedTensorVersioned *tensor = NULL;
  OK(shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  assert_int_equal(tensor->major, 1);
  assert_int_equal(tensor->flags, 0);
  assert_ptr_equal(tensor->t.data, (char *)shmalloc_storage_data(storage) + 96);
  assert_int_equal(tensor->t.byte_offset, 0);
  assert_int_equal(tensor->t.device_type, 1);
  assert_int_equal(tensor->t.device_id, 0);
  assert_int_equal(tensor->t.ndim, 3);
  assert_int_equal(tensor->t.code, 2);
  assert_int_equal(tensor->t.bits, 32);
  assert_int_equal(tensor->t.lanes, 1);
  assert_memory_equal(tensor->t.shape, shape, sizeof shape);
  const int64_t strides[] = {6, 2, 1};
  assert_memory_equal(tensor->t.strides, strides, sizeof strides);
  assert_int_equal(info_of(storage).pins, 1);
  FAILS(BUSY, "pinned", shmalloc_storage_close(storage, err));

  /* The reference that was ours goes: the bytes are still there, and go with the deleter. */
  memset(shmalloc_storage_data(storage), 7, 4096);
  shmalloc_storage_release(storage);
  assert_int_equal(((unsigned char *)tensor->t.data)[95], 7);
  tensor->deleter(tensor);
}

static void of_nothing_said_it_is_all_bytes(void **state) {
  (void)state;
  shmalloc_storage *storage = make(100);
  struct DLManagedTensor *tensor = NULL;
  OK(shmalloc_dlpack_export_unversioned(storage, NULL, &tensor, err));
  assert_int_equal(tensor->t.ndim, 1);
  assert_int_equal(tensor->t.shape[0], 100);
  assert_int_equal(tensor->t.strides[0], 1);
  assert_int_equal(tensor->t.code, 1);
  assert_int_equal(tensor->t.bits, 8);
  tensor->deleter(tensor);
  shmalloc_tensor rest = SHMALLOC_INIT(shmalloc_tensor);
  rest.offset = 60;
  OK(shmalloc_dlpack_export_unversioned(storage, &rest, &tensor, err));
  assert_int_equal(tensor->t.shape[0], 40);
  assert_ptr_equal(tensor->t.data, (char *)shmalloc_storage_data(storage) + 60);
  tensor->deleter(tensor);
  rest.offset = 100; /* nothing is left, but there is an address: PyTorch gives nothing back without one */
  OK(shmalloc_dlpack_export_unversioned(storage, &rest, &tensor, err));
  assert_int_equal(tensor->t.shape[0], 0);
  assert_non_null(tensor->t.data);
  tensor->deleter(tensor);
  assert_int_equal(info_of(storage).pins, 0);
  shmalloc_storage_release(storage);

  storage = make(0);
  struct DLManagedTensorVersioned *empty = NULL;
  OK(shmalloc_dlpack_export(storage, NULL, &empty, err));
  assert_int_equal(empty->t.shape[0], 0);
  assert_null(empty->t.data);
  empty->deleter(empty);
  shmalloc_storage_release(storage);
}

static void what_reaches_beyond_the_storage_is_refused(void **state) {
  (void)state;
  shmalloc_storage *storage = make(4096);
  struct DLManagedTensorVersioned *tensor = NULL;
  const int64_t shape[] = {32, 32};
  shmalloc_tensor wanted = floats(2, shape, NULL);
  OK(shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  tensor->deleter(tensor);
  wanted.offset = 1;
  FAILS(INVALID, "beyond the storage", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  wanted.offset = 4097;
  FAILS(INVALID, "offset 4097", shmalloc_dlpack_export(storage, &wanted, &tensor, err));

  /* Backwards: the first element is the last in memory. */
  const int64_t back[] = {-32, 1};
  wanted = floats(2, shape, back);
  FAILS(INVALID, "3968 bytes before", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  wanted.offset = 31 * 32 * 4;
  OK(shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  tensor->deleter(tensor);

  /* One element again and again. */
  const int64_t many[] = {INT64_MAX / 2, 2}, still[] = {0, 0}, far[] = {INT64_MAX, 1};
  wanted = floats(2, many, still);
  OK(shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  tensor->deleter(tensor);
  wanted.strides = far;
  FAILS(INVALID, "can't be", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  wanted.strides = NULL;
  FAILS(INVALID, "can't be", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  const int64_t negative[] = {4, -1}, none[] = {-1, 0};
  wanted = floats(2, negative, NULL);
  FAILS(INVALID, "below 0", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  wanted = floats(2, none, NULL);
  FAILS(INVALID, "below 0", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  const int64_t without[] = {0, INT64_MAX};
  wanted = floats(2, without, NULL);
  OK(shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  tensor->deleter(tensor);
  assert_int_equal(info_of(storage).pins, 0);

  wanted = floats(65, shape, NULL);
  FAILS(INVALID, "ndim is 65", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  wanted = floats(-1, shape, NULL);
  FAILS(INVALID, "ndim is -1", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  wanted = floats(1, NULL, NULL);
  FAILS(INVALID, "shape is NULL", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  wanted = floats(1, shape, NULL);
  wanted.bits = 0;
  FAILS(INVALID, "bits is 0", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  wanted = floats(1, shape, NULL);
  wanted.flags = 8;
  FAILS(UNSUPPORTED, "flags 0x8", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  wanted.flags = 0;
  wanted.reserved = 1;
  FAILS(INVALID, "reserved", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  wanted.struct_size = 8;
  FAILS(INVALID, "struct_size is 8", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  FAILS(INVALID, "out_managed", shmalloc_dlpack_export(storage, NULL, NULL, err));
  FAILS(INVALID, "storage", shmalloc_dlpack_export(NULL, NULL, &tensor, err));
  OK(shmalloc_storage_close(storage, err));
  FAILS(CLOSED, "closed", shmalloc_dlpack_export(storage, NULL, &tensor, err));
  shmalloc_storage_release(storage);
}

static void small_elements_are_packed_or_padded(void **state) {
  (void)state;
  shmalloc_storage *storage = make(8);
  struct DLManagedTensorVersioned *tensor = NULL;
  const int64_t shape[] = {3, 5}, apart[] = {6, 1};
  shmalloc_tensor wanted = floats(2, shape, NULL);
  wanted.code = 0;
  wanted.bits = 4; /* 60 bits: 8 bytes */
  OK(shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  assert_int_equal(tensor->flags, 0);
  tensor->deleter(tensor);
  wanted.strides = apart;
  FAILS(INVALID, "packed", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  wanted.strides = NULL;
  wanted.flags = SHMALLOC_TENSOR_PADDED; /* 15 bytes */
  FAILS(INVALID, "beyond", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  const int64_t fewer[] = {2, 4};
  wanted.shape = fewer;
  OK(shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  assert_int_equal(tensor->flags, 4);
  assert_int_equal(tensor->minor, 1); /* the first that knows this flag */
  tensor->deleter(tensor);
  struct DLManagedTensor *plain = NULL;
  FAILS(UNSUPPORTED, "PADDED", shmalloc_dlpack_export_unversioned(storage, &wanted, &plain, err));
  wanted = floats(1, fewer, NULL);
  wanted.lanes = 2; /* two elements of two floats */
  FAILS(INVALID, "beyond", shmalloc_dlpack_export(storage, &wanted, &tensor, err));
  shmalloc_storage_release(storage);
}

static void read_only_memory_says_so(void **state) {
  (void)state;
  static const char text[] = "not to be written";
  shmalloc_adopt_params read = SHMALLOC_INIT(shmalloc_adopt_params);
  read.access = SHMALLOC_ACCESS_READ;
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_adopt(0, (uintptr_t)text, sizeof text, &read, NULL, NULL, &storage, err));
  struct DLManagedTensorVersioned *tensor = NULL;
  struct DLManagedTensor *plain = NULL;
  OK(shmalloc_dlpack_export(storage, NULL, &tensor, err));
  assert_int_equal(tensor->flags, 1);
  tensor->deleter(tensor);
  FAILS(PERMISSION, "read-only", shmalloc_dlpack_export_unversioned(storage, NULL, &plain, err));
  assert_int_equal(info_of(storage).pins, 0);
  shmalloc_storage_release(storage);

  /* Asked for, of memory that may be written. */
  shmalloc_storage *writable = make(64);
  shmalloc_tensor wanted = SHMALLOC_INIT(shmalloc_tensor);
  wanted.flags = SHMALLOC_TENSOR_READ_ONLY;
  OK(shmalloc_dlpack_export(writable, &wanted, &tensor, err));
  assert_int_equal(tensor->flags, 1);
  tensor->deleter(tensor);
  FAILS(PERMISSION, "READ_ONLY", shmalloc_dlpack_export_unversioned(writable, &wanted, &plain, err));
  assert_int_equal(info_of(writable).pins, 0);
  shmalloc_storage_release(writable);
}

/* ---- imports ---- */

static int deleted;
static void delete_versioned(struct DLManagedTensorVersioned *self) {
  assert_ptr_equal(self->context, &deleted);
  ++deleted;
}
static void delete_plain(struct DLManagedTensor *self) {
  assert_ptr_equal(self->context, &deleted);
  ++deleted;
}

static float numbers[6 * 4];
static struct DLManagedTensorVersioned theirs(int32_t ndim, int64_t *shape, int64_t *strides) {
  deleted = 0;
  struct DLManagedTensorVersioned managed = {
      1, 1, &deleted, delete_versioned, 0, {numbers, 1, 0, ndim, 2, 32, 1, shape, strides, 0}};
  return managed;
}

static void a_tensor_becomes_a_storage(void **state) {
  (void)state;
  for (int i = 0; i < 24; ++i) numbers[i] = (float)i;
  int64_t shape[] = {2, 3}, strides[] = {-8, 2}; /* rows 2 and 0, columns 0, 2 and 4 of a table of four columns.. */
  struct DLManagedTensorVersioned managed = theirs(2, shape, strides);
  managed.t.byte_offset = 16 * sizeof(float); /* .. beginning in row 4 */
  shmalloc_tensor seen = SHMALLOC_INIT(shmalloc_tensor);
  shmalloc_storage *storage = NULL;
  OK(shmalloc_dlpack_import(&managed, &seen, &storage, err));
  assert_int_equal(seen.ndim, 2);
  assert_ptr_equal(seen.shape, shape);
  assert_ptr_equal(seen.strides, strides);
  assert_int_equal(seen.code, 2);
  assert_int_equal(seen.bits, 32);
  assert_int_equal(seen.lanes, 1);
  assert_int_equal(seen.flags, 0);
  assert_ptr_equal(shmalloc_storage_data(storage), numbers + 8);
  assert_int_equal(shmalloc_storage_size(storage), (8 + 5) * sizeof(float));
  assert_int_equal(seen.offset, 8 * sizeof(float));
  assert_true(*(float *)((char *)shmalloc_storage_data(storage) + seen.offset) == 16);
  assert_int_equal(deleted, 0);

  /* And out again, as it was. */
  struct DLManagedTensorVersioned *again = NULL;
  OK(shmalloc_dlpack_export(storage, &seen, &again, err));
  assert_ptr_equal(again->t.data, numbers + 16);
  assert_memory_equal(again->t.strides, strides, sizeof strides);
  shmalloc_storage_release(storage);
  assert_int_equal(deleted, 0);
  again->deleter(again);
  shmalloc_allocator_trim(NULL, 0, 0, NULL, NULL); /* a call that catches up */
  assert_int_equal(deleted, 1);
}

static void what_is_private_can_be_shared(void **state) {
  (void)state;
  int64_t shape[] = {24};
  struct DLManagedTensor plain = {{numbers, 3, 0, 1, 2, 32, 1, shape, NULL, 0}, &deleted, delete_plain};
  deleted = 0;
  numbers[23] = 23;
  shmalloc_storage *storage = NULL;
  OK(shmalloc_dlpack_import_unversioned(&plain, NULL, &storage, err));
  assert_int_equal(info_of(storage).state & SHMALLOC_STORAGE_STATE_SHARED, 0);
  OK(shmalloc_storage_share(storage, NULL, 0, err));
  assert_int_equal(deleted, 1); /* its bytes are elsewhere now */
  assert_int_equal(info_of(storage).state & SHMALLOC_STORAGE_STATE_SHARED, SHMALLOC_STORAGE_STATE_SHARED);
  assert_true(((float *)shmalloc_storage_data(storage))[23] == 23);
  shmalloc_storage_release(storage);
  assert_int_equal(deleted, 1);
}

static void flags_of_imports_are_kept(void **state) {
  (void)state;
  int64_t shape[] = {7};
  struct DLManagedTensorVersioned managed = theirs(1, shape, NULL);
  managed.flags = 1 | 2 | 4;
  managed.t.bits = 4;
  shmalloc_tensor seen = SHMALLOC_INIT(shmalloc_tensor);
  shmalloc_storage *storage = NULL;
  OK(shmalloc_dlpack_import(&managed, &seen, &storage, err));
  assert_int_equal(seen.flags, SHMALLOC_TENSOR_READ_ONLY | SHMALLOC_TENSOR_PADDED);
  assert_int_equal(shmalloc_storage_size(storage), 7);
  FAILS(PERMISSION, "read-only", shmalloc_storage_pin(storage, SHMALLOC_ACCESS_WRITE, NULL, NULL, err));
  shmalloc_storage_release(storage);
  assert_int_equal(deleted, 1);
  managed = theirs(1, shape, NULL);
  managed.t.bits = 4;
  OK(shmalloc_dlpack_import(&managed, &seen, &storage, err));
  assert_int_equal(shmalloc_storage_size(storage), 4);
  shmalloc_storage_release(storage);
  assert_int_equal(deleted, 1);
}

#define REFUSED(status, word, managed)                                          \
  do {                                                                          \
    shmalloc_storage *none_ = NULL;                                             \
    FAILS(status, word, shmalloc_dlpack_import(&(managed), NULL, &none_, err)); \
    assert_null(none_);                                                         \
    assert_int_equal(deleted, 1);                                               \
  } while (0)

static void what_can_not_be_is_given_back(void **state) {
  (void)state;
  int64_t shape[] = {2, 3}, bad[] = {2, -3}, huge[] = {INT64_MAX, 3}, far[] = {INT64_MIN, 1};
  struct DLManagedTensorVersioned managed = theirs(2, shape, NULL);
  managed.major = 2;
  REFUSED(VERSION, "DLPack 2.1", managed);
  managed = theirs(2, shape, NULL);
  managed.t.device_type = 10;
  managed.t.device_id = 5;
  REFUSED(UNSUPPORTED, "device 10:5", managed);
  managed = theirs(65, shape, NULL);
  REFUSED(CORRUPT, "65 dimensions", managed);
  managed = theirs(-2, shape, NULL);
  REFUSED(CORRUPT, "-2 dimensions", managed);
  managed = theirs(2, NULL, NULL);
  REFUSED(CORRUPT, "no shape", managed);
  managed = theirs(2, bad, NULL);
  REFUSED(CORRUPT, "lie nowhere", managed);
  managed = theirs(2, huge, NULL);
  REFUSED(CORRUPT, "lie nowhere", managed);
  managed = theirs(2, shape, far);
  REFUSED(CORRUPT, "lie nowhere", managed);
  managed = theirs(2, shape, NULL);
  managed.t.lanes = 0;
  REFUSED(CORRUPT, "lie nowhere", managed);
  managed = theirs(2, shape, NULL);
  managed.t.bits = 0;
  REFUSED(CORRUPT, "lie nowhere", managed);
  managed = theirs(2, shape, NULL);
  managed.t.data = NULL;
  REFUSED(CORRUPT, "lie nowhere", managed);
  managed = theirs(2, shape, NULL);
  managed.t.byte_offset = UINT64_MAX - 3;
  REFUSED(CORRUPT, "lie nowhere", managed);

  shmalloc_storage *storage = NULL;
  managed = theirs(2, shape, NULL);
  FAILS(INVALID, "out_storage", shmalloc_dlpack_import(&managed, NULL, NULL, err));
  assert_int_equal(deleted, 1);
  shmalloc_tensor seen = {.struct_size = 4};
  managed = theirs(2, shape, NULL);
  FAILS(INVALID, "struct_size is 4", shmalloc_dlpack_import(&managed, &seen, &storage, err));
  assert_int_equal(deleted, 1);
  FAILS(INVALID, "managed", shmalloc_dlpack_import(NULL, NULL, &storage, err));
  FAILS(INVALID, "managed", shmalloc_dlpack_import_unversioned(NULL, NULL, &storage, err));

  /* No elements, no bytes, no deleter: all that is legal. */
  int64_t none[] = {0, 3};
  managed = theirs(2, none, NULL);
  managed.t.data = NULL;
  managed.deleter = NULL;
  OK(shmalloc_dlpack_import(&managed, NULL, &storage, err));
  assert_int_equal(shmalloc_storage_size(storage), 0);
  shmalloc_storage_release(storage);
}

static void *delete_there(void *argument) {
  struct DLManagedTensorVersioned *tensor = argument;
  tensor->deleter(tensor);
  return NULL;
}

static void any_thread_may_delete(void **state) {
  (void)state;
  shmalloc_storage *storage = make(4096);
  struct DLManagedTensorVersioned *tensor[8];
  pthread_t thread[8];
  for (int i = 0; i < 8; ++i) OK(shmalloc_dlpack_export(storage, NULL, &tensor[i], err));
  assert_int_equal(info_of(storage).pins, 8);
  for (int i = 0; i < 8; ++i) assert_int_equal(pthread_create(&thread[i], NULL, delete_there, tensor[i]), 0);
  for (int i = 0; i < 8; ++i) pthread_join(thread[i], NULL);
  assert_int_equal(info_of(storage).pins, 0);
  assert_int_equal(info_of(storage).references, 1);
  shmalloc_storage_release(storage);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_tensor_holds_the_storage),
      cmocka_unit_test(of_nothing_said_it_is_all_bytes),
      cmocka_unit_test(what_reaches_beyond_the_storage_is_refused),
      cmocka_unit_test(small_elements_are_packed_or_padded),
      cmocka_unit_test(read_only_memory_says_so),
      cmocka_unit_test(a_tensor_becomes_a_storage),
      cmocka_unit_test(what_is_private_can_be_shared),
      cmocka_unit_test(flags_of_imports_are_kept),
      cmocka_unit_test(what_can_not_be_is_given_back),
      cmocka_unit_test(any_thread_may_delete),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
