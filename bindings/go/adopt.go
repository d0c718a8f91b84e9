package shmalloc

// #include "shim.h"
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// AdoptOptions say how memory is adopted.
type AdoptOptions struct {
	Access  Access // what may be done to it
	Destroy func() // runs once when the memory is no longer used, when Adopt fails too; on any thread; a panic in it ends the program
}

// Adopt makes a storage over memory that somebody else made (shmalloc_storage_adopt): of C, or mapped by syscall.Mmap. Not of Go's heap,
// which the library must not keep pointers to. The storage is private to this process until Share moves its bytes.
func Adopt(data unsafe.Pointer, size int, o *AdoptOptions) (*Storage, error) {
	if o == nil {
		o = &AdoptOptions{}
	}
	if size < 0 {
		if o.Destroy != nil {
			o.Destroy()
		}
		return nil, refused(StatusInvalid, "a size below 0")
	}
	var destroy cgo.Handle
	if o.Destroy != nil {
		destroy = cgo.NewHandle(o.Destroy)
	}
	params := C.shmalloc_adopt_params{struct_size: C.sizeof_shmalloc_adopt_params, access: C.int32_t(o.Access)}
	f := newFrame()
	defer f.done()
	err := f.check(C.shmalloc_go_adopt(C.SHMALLOC_DEVICE_HOST, C.shmalloc_address(uintptr(data)), C.size_t(size), &params,
		C.uintptr_t(destroy), &f.storage, &f.err))
	if err != nil {
		return nil, err
	}
	return newStorage(f.storage), nil
}
