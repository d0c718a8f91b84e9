package shmalloc

// #include "shim.h"
import "C"

import (
	"runtime"
	"runtime/cgo"
	"sync/atomic"
)

// Notice is what an observer hears.
type Notice struct {
	Kind          NoticeFlags // one of them
	Report        string      // NoticeOutOfMemory: lines for people, what is used by whom and what would help; else empty
	Device        Device
	AllocatorID   uint64
	Stream        uint64 // its number
	Requested     uint64 // bytes, as they were asked for
	Rounded       uint64 // bytes of the block that is wanted
	Total         uint64 // bytes of the device
	Available     uint64 // bytes that the device says it has; math.MaxUint64: it does not say
	Limit         uint64 // bytes that the settings let be had from it
	Reserved      uint64 // bytes that were had from it
	Allocated     uint64 // bytes in use
	Pending       uint64 // bytes given back that wait for streams
	LargestFree   uint64 // bytes of the largest cached block
	Fragmentation uint32 // percent of what is cached that is not in the largest block
}

// Observer is somebody who hears what happens in an allocator, until it is closed or found unreachable by the garbage collector: keep it as
// long as it shall hear. It holds the allocator.
type Observer struct {
	allocator *C.shmalloc_allocator
	id        C.uint64_t
	ended     atomic.Bool
}

// Observe lets hear be told what happens in an allocator of kind CACHING. It runs in the call that is the cause, in several at once, and may call
// this package; of NoticeMemoryLow it answers whether it gave memory back. A panic in it ends the program. ErrNoSpace: 16 observe it already.
func (a *Allocator) Observe(kinds NoticeFlags, hear func(Notice) bool) (*Observer, error) {
	if hear == nil {
		return nil, refused(StatusInvalid, "no function")
	}
	o := &Observer{allocator: a.raw()}
	err := a.callOn(nil, func(_ C.shmalloc_stream, f *frame) C.shmalloc_status {
		handle := cgo.NewHandle(hear)
		status := C.shmalloc_go_observe(o.allocator, C.uint32_t(kinds), C.uintptr_t(handle), &o.id, &f.err)
		if status == C.SHMALLOC_STATUS_OK {
			C.shmalloc_allocator_retain(o.allocator)
		}
		return status
	})
	if err != nil {
		return nil, err
	}
	// It may have to wait for those who hear, and a finalizer must not.
	runtime.SetFinalizer(o, func(o *Observer) { go o.Close() })
	return o, nil
}

// Close ends it: when it returns, nobody is being told any more. ErrBusy: called by the observer itself, which goes on then. A second Close
// does nothing.
func (o *Observer) Close() error {
	if !o.ended.CompareAndSwap(false, true) {
		return nil
	}
	f := newFrame()
	defer f.done()
	err := f.check(C.shmalloc_allocator_unobserve(o.allocator, o.id, &f.err))
	if isStatus(err, StatusBusy) {
		o.ended.Store(false)
		return err
	}
	runtime.SetFinalizer(o, nil)
	C.shmalloc_allocator_release(o.allocator)
	return err
}

//export shmallocGoNotice
func shmallocGoNotice(raw *C.shmalloc_notice, userdata C.uintptr_t) (answer C.int32_t) {
	inside(func() {
		gave := cgo.Handle(userdata).Value().(func(Notice) bool)(Notice{
			Kind: NoticeFlags(raw.kind), Report: C.GoString(raw.report), Device: Device(raw.device), AllocatorID: uint64(raw.allocator_id),
			Stream: uint64(raw.stream), Requested: uint64(raw.requested), Rounded: uint64(raw.rounded), Total: uint64(raw.total),
			Available: uint64(raw.available), Limit: uint64(raw.limit), Reserved: uint64(raw.reserved), Allocated: uint64(raw.allocated),
			Pending: uint64(raw.pending), LargestFree: uint64(raw.largest_free), Fragmentation: uint32(raw.fragmentation),
		})
		if gave {
			answer = 1
		}
	})
	return answer
}
