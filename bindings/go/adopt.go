package shmalloc

// #include "shim.h"
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// AdoptOptions say how memory is adopted.
type AdoptOptions struct {
	Access  Access  // what may be done to it
	Destroy func()  // runs once when the memory is no longer used, when Adopt fails too; on any thread; a panic in it ends the program
	Stream  *Stream // the memory is ready for; nil: the default stream. Of the host: not looked at
}

// Adopt makes a storage over memory that somebody else made (shmalloc_storage_adopt): of C, or mapped by syscall.Mmap. Not of Go's heap,
// which the library must not keep pointers to. The storage is private to this process until Share moves its bytes.
func Adopt(data unsafe.Pointer, size int, o *AdoptOptions) (*Storage, error) {
	return Device(DeviceHost).Adopt(uint64(uintptr(data)), size, o)
}

// Adopt makes a storage over memory of the device that somebody else made.
func (d Device) Adopt(address uint64, size int, o *AdoptOptions) (*Storage, error) {
	if o == nil {
		o = &AdoptOptions{}
	}
	stream, err := o.Stream.on(d)
	if err == nil {
		defer o.Stream.end()
		if size < 0 {
			err = refused(StatusInvalid, "a size below 0")
		}
	}
	if err != nil {
		if o.Destroy != nil {
			o.Destroy()
		}
		return nil, err
	}
	var destroy cgo.Handle
	if o.Destroy != nil {
		destroy = cgo.NewHandle(o.Destroy)
	}
	params := C.shmalloc_adopt_params{struct_size: C.sizeof_shmalloc_adopt_params, stream: stream, access: C.int32_t(o.Access)}
	f := newFrame()
	defer f.done()
	err = f.check(C.shmalloc_go_adopt(C.shmalloc_device(d), C.shmalloc_address(address), C.size_t(size), &params,
		C.uintptr_t(destroy), &f.storage, &f.err))
	if err != nil {
		return nil, err
	}
	return newStorage(f.storage), nil
}

// Find is the storage of this process that an address of the host lies in, and how far into it.
func Find(address uint64) (*Storage, int, error) { return Device(DeviceHost).Find(address) }

// Find is the storage of this process that an address of the device lies in, and how far into it.
func (d Device) Find(address uint64) (*Storage, int, error) {
	f := newFrame()
	defer f.done()
	err := f.check(C.shmalloc_storage_find(C.shmalloc_device(d), C.shmalloc_address(address), &f.storage, &f.size, &f.err))
	if err != nil {
		return nil, 0, err
	}
	return newStorage(f.storage), int(f.size), nil
}
