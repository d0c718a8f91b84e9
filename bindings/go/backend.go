package shmalloc

// #include "shim.h"
import "C"

import "unsafe"

// Backend is a device of yours: C functions, as unsafe.Pointer(C.name), that do what shmalloc/backend.h says of the fields of these names. They
// get Userdata last, and may be called by any thread. Allocate and Deallocate are needed; streams and events come all or none, and so does
// virtual memory.
type Backend struct {
	Name         string          // for people, 1 to 63 bytes
	Alignment    uint64          // bytes: of what Allocate gives; a power of two; 0: 16
	PageSize     uint64          // bytes: unit of virtual memory, a power of two; 0 without it
	Capabilities CapabilityFlags // CapabilityHostAccess if the host reads and writes its addresses; the others are found out
	Userdata     uintptr         // memory of C's or the number of a cgo.Handle, no pointer of Go's
	Destroy      unsafe.Pointer  // a shmalloc_destroy_fn: gives Userdata back when the device is gone, or RegisterDevice fails

	Allocate, Deallocate, MemoryInfo, Copy, Fill, Call                          unsafe.Pointer
	Synchronize                                                                 unsafe.Pointer
	StreamCreate, StreamDestroy, StreamSynchronize, StreamWait, StreamCapturing unsafe.Pointer
	EventCreate, EventDestroy, EventRecord, EventQuery, EventSynchronize        unsafe.Pointer
	VirtualReserve, VirtualUnreserve, VirtualCreate, VirtualDestroy             unsafe.Pointer
	VirtualMap, VirtualUnmap, VirtualAccess                                     unsafe.Pointer
	EnablePeer                                                                  unsafe.Pointer
}

// RegisterDevice is a device of one's own, which gets the caching allocator, its statistics and storages. ErrNoSpace: 64 are there already;
// ErrInvalid says which function is missing.
func RegisterDevice(b Backend) (Device, error) {
	name, refusal := newText(b.Name) // without a name the library refuses, and gives Userdata back
	defer name.free()
	raw := C.shmalloc_backend{
		struct_size: C.sizeof_shmalloc_backend, name: name.c, alignment: C.uint64_t(b.Alignment), page_size: C.uint64_t(b.PageSize),
		capabilities: C.uint32_t(b.Capabilities),

		allocate: C.shmalloc_backend_make_fn(b.Allocate), deallocate: C.shmalloc_backend_range_fn(b.Deallocate),
		memory_info: C.shmalloc_backend_memory_fn(b.MemoryInfo), copy: C.shmalloc_backend_copy_fn(b.Copy),
		fill: C.shmalloc_backend_fill_fn(b.Fill), call: C.shmalloc_backend_call_fn(b.Call),
		synchronize: C.shmalloc_backend_device_fn(b.Synchronize),

		stream_create: C.shmalloc_backend_make_fn(b.StreamCreate), stream_destroy: C.shmalloc_backend_number_fn(b.StreamDestroy),
		stream_synchronize: C.shmalloc_backend_number_fn(b.StreamSynchronize), stream_wait: C.shmalloc_backend_order_fn(b.StreamWait),
		stream_capturing: C.shmalloc_backend_query_fn(b.StreamCapturing),

		event_create: C.shmalloc_backend_make_fn(b.EventCreate), event_destroy: C.shmalloc_backend_number_fn(b.EventDestroy),
		event_record: C.shmalloc_backend_order_fn(b.EventRecord), event_query: C.shmalloc_backend_query_fn(b.EventQuery),
		event_synchronize: C.shmalloc_backend_number_fn(b.EventSynchronize),

		virtual_reserve:   C.shmalloc_backend_make_fn(b.VirtualReserve),
		virtual_unreserve: C.shmalloc_backend_range_fn(b.VirtualUnreserve),
		virtual_create:    C.shmalloc_backend_make_fn(b.VirtualCreate), virtual_destroy: C.shmalloc_backend_number_fn(b.VirtualDestroy),
		virtual_map: C.shmalloc_backend_map_fn(b.VirtualMap), virtual_unmap: C.shmalloc_backend_range_fn(b.VirtualUnmap),
		virtual_access: C.shmalloc_backend_map_fn(b.VirtualAccess),

		enable_peer: C.shmalloc_backend_peer_fn(b.EnablePeer),
	}
	f := newFrame()
	defer f.done()
	var device C.shmalloc_device
	err := f.check(C.shmalloc_go_register(&raw, C.uintptr_t(b.Userdata), C.shmalloc_destroy_fn(b.Destroy), &device, &f.err))
	if refusal != nil {
		err = refusal
	}
	if err != nil {
		return 0, err
	}
	return Device(device), nil
}

// Unregister ends a device of one's own: its number is void at once, and Destroy has run. ErrBusy: allocators or storages of it are there;
// ErrNotFound: no such device.
func (d Device) Unregister() error {
	f := newFrame()
	defer f.done()
	return f.check(C.shmalloc_device_unregister(C.shmalloc_device(d), &f.err))
}
