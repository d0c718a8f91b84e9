package shmalloc

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"runtime"
	"runtime/cgo"
	"sync/atomic"
	"unsafe"
)

// An owner knows how a hold on something of the library's goes back: in a call of the user's, or in a finalizer, which may only do
// what does not free, sleep or call back.
type owner struct {
	now   func(unsafe.Pointer) error
	later func(unsafe.Pointer)
}

func releaseDeferred(p unsafe.Pointer) { C.shmalloc_release_deferred(p) }

// silent is a way back that has nothing to tell.
func silent(give func(unsafe.Pointer)) func(unsafe.Pointer) error {
	return func(p unsafe.Pointer) error {
		give(p)
		return nil
	}
}

var (
	storageOwner = &owner{
		silent(func(p unsafe.Pointer) { C.shmalloc_storage_release((*C.shmalloc_storage)(p)) }), releaseDeferred}
	allocatorOwner = &owner{
		silent(func(p unsafe.Pointer) { C.shmalloc_allocator_release((*C.shmalloc_allocator)(p)) }), releaseDeferred}
	channelOwner = &owner{
		silent(func(p unsafe.Pointer) { C.shmalloc_channel_release((*C.shmalloc_channel)(p)) }), releaseDeferred}
)

// A hold is one reference of the library's, and the number of calls that use it now. It is the first field of all types that have one.
type hold struct {
	pointer unsafe.Pointer
	owner   *owner
	users   atomic.Int64
}

// closed is added to the users of a hold that goes back with the last of them.
const closed = 1 << 62

func (h *hold) start(pointer unsafe.Pointer, owner *owner) {
	h.pointer, h.owner = pointer, owner
	runtime.SetFinalizer(h, (*hold).finalize)
}

// use keeps the hold until done is called: closing waits, and the collector sees a user. False: it is closed.
func (h *hold) use() bool {
	for {
		users := h.users.Load()
		if users&closed != 0 {
			return false
		}
		if h.users.CompareAndSwap(users, users+1) {
			return true
		}
	}
}

func (h *hold) done() {
	if h.users.Add(-1) == closed {
		h.owner.now(h.pointer)
	}
	runtime.KeepAlive(h)
}

// Close gives the hold back, at once or when the last call that uses it is over. A second Close does nothing. Always nil, but for a Stream or
// an Event that the device would not take back.
func (h *hold) Close() error {
	for {
		users := h.users.Load()
		if users&closed != 0 {
			return nil
		}
		if h.users.CompareAndSwap(users, users|closed) {
			runtime.SetFinalizer(h, nil)
			if users == 0 {
				return h.owner.now(h.pointer)
			}
			return nil
		}
	}
}

func (h *hold) finalize() { h.owner.later(h.pointer) }

// Exit ends the process as C's exit does, and not as os.Exit and the end of main do, which run no handlers of C's: names in /dev/shm that only
// exports keep are removed, and what finalizers put off is done. Names of storages that are still open stay either way: close them before.
func Exit(code int) { C.exit(C.int(code)) }

// Userdata of the library's is never a pointer of Go's, but the number of a cgo.Handle.

//export shmallocGoDrop
func shmallocGoDrop(userdata C.uintptr_t) {
	handle := cgo.Handle(userdata)
	destroy, _ := handle.Value().(func())
	handle.Delete()
	if destroy != nil {
		inside(destroy)
	}
}

// inside runs a function that the library called. Frames of the library can't be unwound, so a panic ends the program with its text, and
// runtime.Goexit does too.
func inside(do func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		reason := recover()
		if reason == nil {
			reason = "runtime.Goexit in a function that shmalloc called"
		}
		go panic(reason)
		select {}
	}()
	do()
	returned = true
}
