package shmalloc

import (
	"runtime"
	"testing"
)

func TestStoragesOfADevice(t *testing.T) {
	device := newTestDevice()
	stream := newTestStream(t, device)
	current := must(CurrentAllocator(device))
	defer current.Close()
	before := must(current.Allocate(4096, stream))
	ok(t, current.Deallocate(before, nil))
	s := newTestStorage(t, 4096, &StorageOptions{Stream: stream, Zeroed: true})
	equal(t, s.Address(), before) // what that stream had serves that stream again
	equal(t, s.Device(), device)
	equal(t, must(s.Info()).AllocatorID, must(current.Info()).ID)
	equal(t, must(s.Info()).Kind, AllocatorKindCaching)
	found, offset, err := device.Find(s.Address() + 5)
	ok(t, err)
	equal(t, offset, 5)
	ok(t, found.Close())
	_, _, err = Find(s.Address())
	fails(t, err, ErrNotFound)

	host := newTestStorage(t, 4096, nil)
	equal(t, host.Device(), DeviceHost)
	put(t, host, "to the device")
	ok(t, s.CopyOn(stream, 0, host, 0, All))
	equal(t, get(t, s, 13), "to the device")
	back := newTestStorage(t, 4096, &StorageOptions{Zeroed: true, Isolated: true})
	gate := shut(t, stream)
	ok(t, back.QueueCopy(stream, 0, s, 0, 13))
	ok(t, s.Close()) // the copy holds it
	equal(t, get(t, back, 2), "\x00\x00")
	gate.open()
	ok(t, stream.Synchronize())
	equal(t, get(t, back, 14), "to the device\x00")
	on := must(current.NewStorage(16, nil))
	defer on.Close()
	put(t, back, "by default")
	ok(t, on.Copy(0, back, 0, 16))
	equal(t, get(t, on, 10), "by default")
	fails(t, on.CopyOn(stream, 0, back, 0, All), ErrInvalid)

	ok(t, stream.Close())
	fails(t, on.CopyOn(stream, 0, back, 0, 16), ErrClosed)
	fails(t, on.RecordStream(stream), ErrClosed)
	_, err = NewStorage(10, &StorageOptions{Stream: stream})
	fails(t, err, ErrClosed)
	_, err = NewStorage(10, &StorageOptions{Allocator: current, Stream: HostStreamsDevice(0).DefaultStream()})
	fails(t, err, ErrInvalid)
	_, err = NewStorage(10, &StorageOptions{Stream: HostStreamsDevice(64).DefaultStream()})
	fails(t, err, ErrNotFound)
}

func TestStreamOfAnotherDevice(t *testing.T) {
	device, other := newTestDevice(), newTestDevice()
	stream, stranger := newTestStream(t, device), newTestStream(t, other)
	s := newTestStorage(t, 16, &StorageOptions{Stream: stream, Zeroed: true})
	host := newTestStorage(t, 16, &StorageOptions{Isolated: true})
	put(t, host, "0123456789abcdef")
	for _, wrong := range []*Stream{stranger, other.ForeignStream(stream.Number()), other.DefaultStream(), Device(DeviceHost).DefaultStream()} {
		fails(t, s.RecordStream(wrong), ErrInvalid)
		fails(t, s.CopyOn(wrong, 0, host, 0, All), ErrInvalid)
		fails(t, host.CopyOn(wrong, 0, s, 0, All), ErrInvalid)
		fails(t, s.QueueCopy(wrong, 0, host, 0, All), ErrInvalid)
		fails(t, host.QueueCopy(wrong, 0, s, 0, All), ErrInvalid)
	}
	ok(t, s.RecordStream(nil))
	ok(t, s.QueueCopy(stream, 0, host, 0, 8))
	ok(t, s.CopyOn(stream, 8, host, 0, 8))
	equal(t, get(t, s, 16), "0123456701234567")
	ok(t, host.RecordStream(stranger)) // the host looks at none
	ok(t, host.CopyOn(stranger, 0, host, 8, 4))
	equal(t, get(t, host, 5), "89ab4")

	there := newTestStorage(t, 16, &StorageOptions{Stream: stranger})
	fails(t, there.CopyOn(stream, 0, s, 0, All), ErrInvalid) // the target says whose
	ok(t, s.Close())
	fails(t, s.RecordStream(stranger), ErrClosed)
	fails(t, s.CopyOn(stream, 0, host, 0, All), ErrClosed)
	fails(t, host.CopyOn(stream, 0, s, 0, All), ErrClosed)
}

// The collector takes a stream after the storages that it is noted for, clones included.
func TestRecordedStreamsAreKept(t *testing.T) {
	device := newTestDevice()
	gone := func(number uint64) bool { return isStatus(device.ForeignStream(number).Synchronize(), StatusInvalid) }
	var own, noted, loose uint64
	var clone *Storage
	elsewhere(func() {
		streams := []*Stream{must(device.NewStream()), must(device.NewStream()), must(device.NewStream())}
		own, noted, loose = streams[0].Number(), streams[1].Number(), streams[2].Number()
		s := must(NewStorage(16, &StorageOptions{Stream: streams[0]}))
		ok(t, s.RecordStream(streams[1]))
		ok(t, s.RecordStream(streams[1]))
		equal(t, len(s.streams), 2)
		clone = must(s.Clone())
	})
	eventually(t, "a stream that nothing uses is gone", func() bool { return gone(loose) })
	runtime.GC()
	equal(t, gone(own) || gone(noted), false)
	ok(t, clone.RecordStream(device.ForeignStream(noted)))
	equal(t, len(clone.streams), 2)
	runtime.KeepAlive(clone)
	clone = nil
	eventually(t, "its streams went with the storage", func() bool { return gone(own) && gone(noted) })
}

// What the collector found of a storage goes back before the streams that it is noted for.
func TestForgottenStorageGoesBeforeItsStream(t *testing.T) {
	device := newTestDevice()
	a := newCaching(t, device)
	address := must(a.Allocate(16, nil))
	waited := make(chan error, 1)
	elsewhere(func() {
		stream := must(device.NewStream())
		number := stream.Number()
		s := must(device.Adopt(address, 16, &AdoptOptions{Destroy: func() { waited <- device.ForeignStream(number).Synchronize() }}))
		ok(t, s.RecordStream(stream))
	})
	eventually(t, "the storage went", func() bool { return len(waited) == 1 })
	ok(t, <-waited)
	ok(t, a.Deallocate(address, nil))
}

func TestAdoptOnADevice(t *testing.T) {
	device := newTestDevice()
	a, stream := newCaching(t, device), newTestStream(t, device)
	address := must(a.Allocate(4096, stream))
	ended := 0
	s := must(device.Adopt(address, 4096, &AdoptOptions{Stream: stream, Destroy: func() { ended++ }}))
	equal(t, s.Device(), device)
	equal(t, s.Address(), address)
	ok(t, s.Close())
	equal(t, ended, 1)
	_, err := device.Adopt(address, 4096, &AdoptOptions{Stream: HostStreamsDevice(0).DefaultStream(), Destroy: func() { ended++ }})
	fails(t, err, ErrInvalid)
	equal(t, ended, 2)
	ok(t, a.Deallocate(address, nil))
}
