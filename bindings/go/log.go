package shmalloc

// #include "shim.h"
import "C"

import "runtime/cgo"

// SetLog calls listener for each line of at least this importance: what no call can answer, such as what a release could not give back
// (shmalloc_set_log). Nil takes the listener off. There is one for the whole process; it runs on any thread, on several at once, and a panic
// in it ends the program. When SetLog returns, no call to the one before runs any more. ErrBusy: called by a listener.
func SetLog(level LogLevel, listener func(level LogLevel, line string)) error {
	var handle cgo.Handle
	if listener != nil {
		handle = cgo.NewHandle(listener)
	}
	f := newFrame()
	defer f.done()
	return f.check(C.shmalloc_go_set_log(C.shmalloc_log_level(level), C.uintptr_t(handle), &f.err))
}

//export shmallocGoLog
func shmallocGoLog(level C.int32_t, message *C.char, userdata C.uintptr_t) {
	inside(func() {
		cgo.Handle(userdata).Value().(func(LogLevel, string))(LogLevel(level), C.GoString(message))
	})
}
