package shmalloc

import (
	"errors"
	"runtime"
	"testing"
	"unsafe"

	"shmalloc/internal/testdevice"
)

func toyBackend(toy testdevice.Toy, capabilities CapabilityFlags) Backend {
	return Backend{
		Name: "toy", Alignment: 4096, Capabilities: capabilities, Userdata: toy.Userdata(), Destroy: testdevice.End,
		Allocate: testdevice.Allocate, Deallocate: testdevice.Deallocate, MemoryInfo: testdevice.MemoryInfo,
		Copy: testdevice.Copy, Fill: testdevice.Fill,
		StreamCreate: testdevice.Make, StreamDestroy: testdevice.Destroy, StreamSynchronize: testdevice.Do, StreamWait: testdevice.Order,
		EventCreate: testdevice.Make, EventDestroy: testdevice.Destroy, EventRecord: testdevice.Order, EventQuery: testdevice.Query,
		EventSynchronize: testdevice.Do, Synchronize: testdevice.Synchronize,
	}
}

// newToy is a device of 64 MiB, which ends with the test at the latest.
func newToy(t *testing.T, capabilities CapabilityFlags) (testdevice.Toy, Device) {
	t.Helper()
	toy := testdevice.New(64 << 20)
	device := must(RegisterDevice(toyBackend(toy, capabilities)))
	t.Cleanup(func() {
		eventually(t, "the device ends", func() bool {
			must(Trim(TrimDeferred, 0))
			err := device.Unregister()
			return err == nil || errors.Is(err, ErrNotFound)
		})
		equal(t, toy.Ends(), 1)
		toy.Free()
	})
	return toy, device
}

func TestDeviceOfOnesOwn(t *testing.T) {
	toy, device := newToy(t, CapabilityHostAccess)
	equal(t, device.Type(), DeviceTypeCustom)
	info := must(device.Info())
	equal(t, info.Name, "toy")
	equal(t, info.Total, 64<<20)
	equal(t, info.Capabilities&(CapabilityStreams|CapabilityCall|CapabilityHostAccess), CapabilityStreams|CapabilityHostAccess)
	a := newCaching(t, device)
	s := must(a.NewStorage(1000, &StorageOptions{Zeroed: true}))
	equal(t, get(t, s, 1), "\x00")
	equal(t, s.Device(), device)
	if toy.Used() == 0 {
		t.Error("nobody asked the device")
	}
	fails(t, device.Unregister(), ErrBusy)
	stream, event := must(device.NewStream()), must(device.NewEvent())
	ok(t, device.Fill(s.Address(), 'z', 3, stream))
	ok(t, event.Record(stream))
	ok(t, stream.Wait(event))
	equal(t, must(event.Done()), true)
	equal(t, get(t, s, 4), "zzz\x00")
	fails(t, stream.Call(func() { t.Error("it can't") }), ErrUnsupported)
	equal(t, toy.Numbers(), 2)
	ok(t, event.Close())
	equal(t, toy.Numbers(), 1)
	ok(t, s.Close())
	ok(t, a.Close())
	equal(t, toy.Used(), 0)
	ok(t, device.Unregister())
	equal(t, toy.Ends(), 1)
	fails(t, device.Unregister(), ErrNotFound)
	fails(t, Device(DeviceHost).Unregister(), ErrNotFound)
	fails(t, stream.Close(), ErrNotFound) // its device is gone, and Close tells
	ok(t, stream.Close())
}

func TestCodesOfADevice(t *testing.T) {
	toy, device := newToy(t, CapabilityHostAccess)
	a := newCaching(t, device)
	toy.FailWith(77)
	_, err := a.Allocate(1000, nil)
	fails(t, err, ErrBackend)
	var e *Error
	if !errors.As(err, &e) || e.Backend != 77 {
		t.Errorf("%#v", err)
	}
	toy.FailWith(0)
	ok(t, a.Deallocate(must(a.Allocate(1000, nil)), nil))
}

// Memory that the host can't touch has an address and no bytes.
func TestMemoryThatIsNotForTheHost(t *testing.T) {
	_, device := newToy(t, 0)
	a := newCaching(t, device)
	s := must(a.NewStorage(100, nil))
	defer s.Close()
	if s.Address() == 0 || s.Size() != 100 || s.Data() != nil {
		t.Error(s.Address(), s.Size(), s.Data())
	}
	_, err := s.View()
	fails(t, err, ErrUnsupported)
	_, err = s.ReadView()
	fails(t, err, ErrUnsupported)
	_, err = s.ReadAt(make([]byte, 1), 0)
	fails(t, err, ErrUnsupported)
	_, err = s.WriteAt(make([]byte, 1), 0)
	fails(t, err, ErrUnsupported)
	fails(t, s.Inspect(func([]byte) error { return nil }), ErrUnsupported)
	fails(t, s.Update(func([]byte) error { return nil }), ErrUnsupported)
	equal(t, must(s.Info()).Pins, 0)
	host := newTestStorage(t, 100, nil)
	put(t, host, "there and back")
	ok(t, s.Copy(0, host, 0, All))
	put(t, host, "somewhere else")
	ok(t, host.Copy(0, s, 0, All))
	equal(t, get(t, host, 14), "there and back")
	empty := must(a.NewStorage(0, nil))
	defer empty.Close()
	view := must(empty.View())
	equal(t, view.Len(), 0)
	ok(t, view.Close())
}

func TestForgottenStreamsGoBack(t *testing.T) {
	toy, device := newToy(t, CapabilityHostAccess)
	elsewhere(func() {
		stream, event := must(device.NewStream()), must(device.NewEvent())
		equal(t, toy.Numbers(), 2)
		runtime.KeepAlive(stream)
		runtime.KeepAlive(event)
	})
	eventually(t, "what nobody closed went back", func() bool { return toy.Numbers() == 0 })
	stream := must(device.NewStream())
	runtime.GC()
	runtime.GC()
	equal(t, toy.Numbers(), 1)
	ok(t, stream.Close())
	equal(t, toy.Numbers(), 0)
}

func TestDevicesThatAreRefused(t *testing.T) {
	toy := testdevice.New(1 << 20)
	defer toy.Free()
	for i, spoil := range []func(b *Backend){
		func(b *Backend) { b.Allocate = nil },
		func(b *Backend) { b.EventQuery = nil },
		func(b *Backend) { b.Name = "" },
		func(b *Backend) { b.Name = "with\x00zero" },
		func(b *Backend) { b.Alignment = 3 },
	} {
		backend := toyBackend(toy, 0)
		spoil(&backend)
		_, err := RegisterDevice(backend)
		fails(t, err, ErrInvalid)
		equal(t, toy.Ends(), int64(i+1))
	}
	backend := toyBackend(toy, 0)
	backend.Destroy = unsafe.Pointer(nil)
	device := must(RegisterDevice(backend))
	ok(t, device.Unregister())
}
