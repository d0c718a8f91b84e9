package shmalloc

// #include "shim.h"
import "C"

import (
	"fmt"
	"runtime/cgo"
	"unsafe"
)

// A numbered is what a device knows by a number.
type numbered struct {
	hold
	device Device
	number C.uint64_t
}

// own makes it one that goes back to the device. The owner must know no more than the numbers: what it refers to is never collected.
func (n *numbered) own(destroy func(f *frame) C.shmalloc_status) {
	give := func(unsafe.Pointer) error {
		f := newFrame()
		defer f.done()
		return f.check(destroy(f))
	}
	later := func() {
		Trim(TrimDeferred, 0) // storages that used the stream were found before it, and go before it
		give(nil)
	}
	// A device may take its time, and a finalizer must not.
	n.start(nil, &owner{give, func(unsafe.Pointer) { go later() }})
}

// foreign is the owner of what is somebody else's to give back.
var foreign = &owner{now: silent(func(unsafe.Pointer) {})}

// Device is whose it is.
func (n *numbered) Device() Device { return n.device }

// Number is what the device calls it: of CUDA a CUstream or a CUevent. It is good until Close.
func (n *numbered) Number() uint64 { return uint64(n.number) }

// Stream is a queue of work on a device, which does it in this order. What different streams do has no order but by events. A nil *Stream, in
// the arguments and options that take one, is the default stream.
//
// Close gives it back; what is queued is done all the same. Close first what allocators made for it, and trim them: what they keep for a
// stream that is gone serves nobody until then.
type Stream struct{ numbered }

// Event is a mark in streams: done when all is done that was queued before it. Close gives it back; waits for it keep their meaning.
type Event struct{ numbered }

// NewStream makes a stream. Of CUDA it does not wait for the legacy default stream; of HostStreamsDevice it is a thread of its own. ErrNoSpace:
// the device has too many.
func (d Device) NewStream() (*Stream, error) {
	device := C.shmalloc_device(d)
	f := newFrame()
	defer f.done()
	var number C.shmalloc_stream
	if err := f.check(C.shmalloc_stream_create(device, &number, &f.err)); err != nil {
		return nil, err
	}
	s := &Stream{numbered{device: d, number: number}}
	s.own(func(f *frame) C.shmalloc_status { return C.shmalloc_stream_destroy(device, number, &f.err) })
	return s, nil
}

// DefaultStream is the stream that a device has anyway.
func (d Device) DefaultStream() *Stream { return d.ForeignStream(StreamDefault) }

// ForeignStream is a stream that somebody else gives back, by its number: of CUDA a CUstream.
func (d Device) ForeignStream(number uint64) *Stream {
	return &Stream{numbered{hold: hold{owner: foreign}, device: d, number: C.uint64_t(number)}}
}

// NewEvent makes an event. It is done until it is recorded. ErrNoSpace: the device has too many.
func (d Device) NewEvent() (*Event, error) {
	device := C.shmalloc_device(d)
	f := newFrame()
	defer f.done()
	var number C.shmalloc_event
	if err := f.check(C.shmalloc_event_create(device, &number, &f.err)); err != nil {
		return nil, err
	}
	e := &Event{numbered{device: d, number: number}}
	e.own(func(f *frame) C.shmalloc_status { return C.shmalloc_event_destroy(device, number, &f.err) })
	return e, nil
}

// ForeignEvent is an event that somebody else gives back, by its number: of CUDA a CUevent.
func (d Device) ForeignEvent(number uint64) *Event {
	return &Event{numbered{hold: hold{owner: foreign}, device: d, number: C.uint64_t(number)}}
}

// where is the device of the stream, or the host for nil, which says nothing.
func (s *Stream) where() Device {
	if s == nil {
		return DeviceHost
	}
	return s.device
}

// begin keeps the stream for a call, and is its number there; a nil one needs no keeping. Without an error an end is owed.
func (s *Stream) begin() (C.shmalloc_stream, error) {
	if s == nil {
		return C.SHMALLOC_STREAM_DEFAULT, nil
	}
	if !s.use() {
		return 0, refused(StatusClosed, "this stream was closed")
	}
	return s.number, nil
}

// on is begin for a call on a device: another's number would mean something else there. The host does not look at streams.
func (s *Stream) on(device Device) (C.shmalloc_stream, error) {
	if s != nil && s.device != device && device != DeviceHost {
		return 0, refused(StatusInvalid, fmt.Sprintf("a stream of %v for %v", s.device, device))
	}
	return s.begin()
}

// onDeviceOf is on for a call on storages: the device is that of the first of them that is not the host's.
func (s *Stream) onDeviceOf(storages ...*Storage) (C.shmalloc_stream, error) {
	if s == nil {
		return s.on(DeviceHost)
	}
	for _, storage := range storages {
		info, err := storage.Info()
		if err != nil {
			return 0, err
		}
		if info.Device != DeviceHost {
			return s.on(info.Device)
		}
	}
	return s.on(DeviceHost)
}

// collected says whether the collector may give the stream back: it is neither nil nor somebody else's.
func (s *Stream) collected() bool { return s != nil && s.owner != foreign }

func (s *Stream) end() {
	if s != nil {
		s.done()
	}
}

func (s *Stream) call(do func(f *frame) C.shmalloc_status) error {
	if _, err := s.begin(); err != nil {
		return err
	}
	defer s.end()
	f := newFrame()
	defer f.done()
	return f.check(do(f))
}

// Synchronize waits until all is done that was queued on the stream. It holds an operating system thread as long. ErrBusy: it is being
// captured.
func (s *Stream) Synchronize() error {
	return s.call(func(f *frame) C.shmalloc_status {
		return C.shmalloc_stream_synchronize(C.shmalloc_device(s.device), s.number, &f.err)
	})
}

// Wait puts what comes on the stream from here on after an event, as that was recorded last. The caller goes on. An event that was never
// recorded is done.
func (s *Stream) Wait(event *Event) error {
	return event.call(s, func(on C.shmalloc_stream, f *frame) C.shmalloc_status {
		return C.shmalloc_stream_wait(C.shmalloc_device(s.device), on, event.number, &f.err)
	})
}

// Call queues a function on the stream. It runs once, on a thread of the device's, which does nothing else meanwhile. It must not call the
// device, nor give back storages and views, nor wait for a goroutine that does: it hands on what is to be done next. A panic in it ends the
// program. ErrUnsupported: the device is without CapabilityCall.
func (s *Stream) Call(do func()) error {
	if do == nil {
		return refused(StatusInvalid, "no function")
	}
	handle := cgo.NewHandle(do)
	err := s.call(func(f *frame) C.shmalloc_status {
		return C.shmalloc_go_call(C.shmalloc_device(s.device), s.number, C.uintptr_t(handle), &f.err)
	})
	if err != nil {
		handle.Delete()
	}
	return err
}

//export shmallocGoWork
func shmallocGoWork(userdata C.uintptr_t) {
	handle := cgo.Handle(userdata)
	do := handle.Value().(func())
	handle.Delete()
	inside(do)
}

// call makes one call with a stream of the event's device.
func (e *Event) call(stream *Stream, do func(on C.shmalloc_stream, f *frame) C.shmalloc_status) error {
	if !e.use() {
		return refused(StatusClosed, "this event was closed")
	}
	defer e.done()
	on, err := stream.on(e.device)
	if err != nil {
		return err
	}
	defer stream.end()
	f := newFrame()
	defer f.done()
	return f.check(do(on, f))
}

// Record makes the event mean what is queued on the stream so far, and nothing that it meant before. Nil: the default stream.
func (e *Event) Record(stream *Stream) error {
	return e.call(stream, func(on C.shmalloc_stream, f *frame) C.shmalloc_status {
		return C.shmalloc_event_record(C.shmalloc_device(e.device), e.number, on, &f.err)
	})
}

// Done says whether what the event means is done.
func (e *Event) Done() (bool, error) {
	var done C.int32_t
	err := e.call(nil, func(_ C.shmalloc_stream, f *frame) C.shmalloc_status {
		return C.shmalloc_event_query(C.shmalloc_device(e.device), e.number, &done, &f.err)
	})
	return done != 0, err
}

// Synchronize waits until what the event means is done. It holds an operating system thread as long.
func (e *Event) Synchronize() error {
	return e.call(nil, func(_ C.shmalloc_stream, f *frame) C.shmalloc_status {
		return C.shmalloc_event_synchronize(C.shmalloc_device(e.device), e.number, &f.err)
	})
}
