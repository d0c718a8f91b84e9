package shmalloc

// #include "shim.h"
import "C"

import (
	"encoding/json"
	"io/fs"
	"runtime/cgo"
	"time"
)

// ObjectInfo is one shared object of this machine.
type ObjectInfo struct {
	Name      string // "/name" of a shm object; "memfd:name", "deleted:/name" of one without a name
	Size      uint64
	Resident  uint64 // bytes of memory that it takes
	Modified  time.Time
	Refcount  int64 // PyTorch's count, with ObjectCounted; else -1
	Maker     ObjectMaker
	State     ObjectFlags
	Holders   int // living processes seen to have it open or mapped
	HolderPID int // one of them, 0 for none
	UID       int
	Mode      fs.FileMode
}

// ReclaimOptions say what to remove; nil and all zero: all that nobody holds.
type ReclaimOptions struct {
	Name   string // only this shm object
	Prefix string // of names made by shmalloc; "": "shmalloc"
	Force  bool   // with a name: remove it though it is held; the holders keep the memory
	DryRun bool   // only tell what would be removed
}

// Describe is what this machine offers, and for what is missing the reason. Keys are added, never renamed.
func Describe() (map[string]any, error) {
	text, err := readText(func(text *C.char, length *C.size_t, err *C.shmalloc_error) C.shmalloc_status {
		return C.shmalloc_machine_describe(text, length, err)
	})
	if err != nil {
		return nil, err
	}
	var found map[string]any
	return found, json.Unmarshal([]byte(text), &found)
}

type visitor struct {
	visit func(ObjectInfo) error
	err   error
	panic any
}

// Walk visits the shared objects of shmalloc's and of PyTorch's making that this user can see (shmalloc_machine_walk), until visit answers
// an error, which is the answer then. Prefix "": "shmalloc".
func Walk(prefix string, visit func(ObjectInfo) error) error {
	asked, err := optionalText(prefix)
	if err != nil {
		return err
	}
	defer asked.free()
	v := &visitor{visit: visit}
	handle := cgo.NewHandle(v)
	defer handle.Delete()
	f := newFrame()
	defer f.done()
	err = f.check(C.shmalloc_go_walk(asked.c, C.uintptr_t(handle), &f.err))
	if v.panic != nil {
		panic(v.panic)
	}
	if v.err != nil {
		return v.err
	}
	return err
}

//export shmallocGoVisit
func shmallocGoVisit(raw *C.shmalloc_object_info, userdata C.uintptr_t) (stop C.int32_t) {
	v := cgo.Handle(userdata).Value().(*visitor)
	defer func() {
		if v.panic = recover(); v.panic != nil {
			stop = 1
		}
	}()
	v.err = v.visit(ObjectInfo{
		Name: C.GoString(&raw.name[0]), Size: uint64(raw.size), Resident: uint64(raw.resident),
		Modified: time.Unix(0, int64(raw.modified_ns)), Refcount: int64(raw.refcount), Maker: ObjectMaker(raw.maker),
		State: ObjectFlags(raw.state), Holders: int(raw.holders), HolderPID: int(raw.holder_pid), UID: int(raw.uid),
		Mode: fs.FileMode(raw.mode),
	})
	if v.err != nil {
		return 1
	}
	return 0
}

// Reclaim removes what no living process holds, and answers how many objects that were, and their memory.
func Reclaim(o *ReclaimOptions) (objects, bytes uint64, err error) {
	if o == nil {
		o = &ReclaimOptions{}
	}
	name, err := optionalText(o.Name)
	if err != nil {
		return 0, 0, err
	}
	defer name.free()
	prefix, err := optionalText(o.Prefix)
	if err != nil {
		return 0, 0, err
	}
	defer prefix.free()
	var flags C.uint32_t
	if o.Force {
		flags |= C.SHMALLOC_RECLAIM_FORCE
	}
	if o.DryRun {
		flags |= C.SHMALLOC_RECLAIM_DRY_RUN
	}
	f := newFrame()
	defer f.done()
	var removed, freed C.uint64_t
	err = f.check(C.shmalloc_machine_reclaim(name.c, prefix.c, flags, &removed, &freed, &f.err))
	return uint64(removed), uint64(freed), err
}
