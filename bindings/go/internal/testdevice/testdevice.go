// Package testdevice is a device for tests: its memory is malloc's, of which it has so much and no more, and its streams do all work at once.
package testdevice

/*
#cgo pkg-config: shmalloc
#include <shmalloc.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int64_t limit, used, numbers, ends;
  int32_t code; // what allocate answers, unless it is 0
} toy;

static int64_t add(int64_t *to, int64_t change) { return __atomic_add_fetch(to, change, __ATOMIC_SEQ_CST); }
static int64_t read_now(int64_t *from) { return __atomic_load_n(from, __ATOMIC_SEQ_CST); }

int32_t toy_allocate(uint64_t size, uint64_t *out_address, void *userdata) {
  toy *self = userdata;
  if (self->code != 0) return self->code;
  if (add(&self->used, (int64_t)size) > self->limit) {
    add(&self->used, -(int64_t)size);
    return SHMALLOC_STATUS_NO_MEMORY;
  }
  *out_address = (uint64_t)aligned_alloc(4096, (size + 4095) / 4096 * 4096);
  return 0;
}
int32_t toy_deallocate(uint64_t address, uint64_t size, void *userdata) {
  free((void *)address);
  add(&((toy *)userdata)->used, -(int64_t)size);
  return 0;
}
int32_t toy_memory_info(uint64_t *out_available, uint64_t *out_total, void *userdata) {
  toy *self = userdata;
  *out_total = (uint64_t)self->limit;
  *out_available = (uint64_t)(self->limit - read_now(&self->used));
  return 0;
}
int32_t toy_copy(uint64_t to, uint64_t from, uint64_t size, uint64_t stream, void *userdata) {
  memcpy((void *)to, (const void *)from, size);
  return 0;
}
int32_t toy_fill(uint64_t to, uint32_t value, uint64_t size, uint64_t stream, void *userdata) {
  memset((void *)to, (int)value, size);
  return 0;
}
int32_t toy_make(uint64_t size, uint64_t *out_number, void *userdata) {
  *out_number = (uint64_t)malloc(1);
  add(&((toy *)userdata)->numbers, 1);
  return 0;
}
int32_t toy_destroy(uint64_t number, void *userdata) {
  free((void *)number);
  add(&((toy *)userdata)->numbers, -1);
  return 0;
}
int32_t toy_do(uint64_t number, void *userdata) { return 0; }
int32_t toy_order(uint64_t event, uint64_t stream, void *userdata) { return 0; }
int32_t toy_query(uint64_t number, int32_t *out_yes, void *userdata) {
  *out_yes = 1;
  return 0;
}
int32_t toy_synchronize(void *userdata) { return 0; }
void toy_end(void *userdata) { add(&((toy *)userdata)->ends, 1); }

// The compiler compares what is below with the header.
static const shmalloc_backend checked __attribute__((unused)) = {
  .allocate = toy_allocate, .deallocate = toy_deallocate, .memory_info = toy_memory_info, .copy = toy_copy, .fill = toy_fill,
  .stream_create = toy_make, .stream_destroy = toy_destroy, .stream_synchronize = toy_do, .stream_wait = toy_order,
  .event_query = toy_query, .synchronize = toy_synchronize,
};
*/
import "C"

import "unsafe"

// The functions, for the fields of a Backend.
var (
	Allocate   = unsafe.Pointer(C.toy_allocate)
	Deallocate = unsafe.Pointer(C.toy_deallocate)
	MemoryInfo = unsafe.Pointer(C.toy_memory_info)
	Copy       = unsafe.Pointer(C.toy_copy)
	Fill       = unsafe.Pointer(C.toy_fill)
	Make       = unsafe.Pointer(C.toy_make)    // a stream or an event
	Destroy    = unsafe.Pointer(C.toy_destroy) // a stream or an event
	Do         = unsafe.Pointer(C.toy_do)      // waits, for nothing
	Order      = unsafe.Pointer(C.toy_order)
	Query      = unsafe.Pointer(C.toy_query)
	// Without it the library keeps an event of each stream that is gone.
	Synchronize = unsafe.Pointer(C.toy_synchronize)
	End         = unsafe.Pointer(C.toy_end)
)

// Toy is one device's state.
type Toy struct{ c *C.toy }

// New makes a device of so many bytes.
func New(limit int64) Toy {
	toy := Toy{(*C.toy)(C.calloc(1, C.sizeof_toy))}
	toy.c.limit = C.int64_t(limit)
	return toy
}

// Userdata is what the functions get.
func (t Toy) Userdata() uintptr { return uintptr(unsafe.Pointer(t.c)) }

// Free gives the state back, when nobody calls the functions any more.
func (t Toy) Free() { C.free(unsafe.Pointer(t.c)) }

// FailWith lets Allocate answer a code; 0: no more.
func (t Toy) FailWith(code int32) { t.c.code = C.int32_t(code) }

// Used is how many bytes are out.
func (t Toy) Used() int64 { return int64(C.read_now(&t.c.used)) }

// Numbers is how many streams and events are out.
func (t Toy) Numbers() int64 { return int64(C.read_now(&t.c.numbers)) }

// Ends is how often End ran.
func (t Toy) Ends() int64 { return int64(C.read_now(&t.c.ends)) }
