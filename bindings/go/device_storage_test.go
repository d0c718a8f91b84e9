package shmalloc

import "testing"

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
