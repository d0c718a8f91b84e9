package shmalloc

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A gate stops a stream until it is opened.
type gate struct {
	once sync.Once
	wait chan struct{}
}

// shut stops what comes on the stream from here on, until the end of the test at the latest; a test that hangs because of it goes on to fail.
func shut(t *testing.T, stream *Stream) *gate {
	t.Helper()
	g := &gate{wait: make(chan struct{})}
	ok(t, stream.Call(func() { <-g.wait }))
	hangs := time.AfterFunc(limit, g.open)
	t.Cleanup(func() {
		hangs.Stop()
		g.open()
	})
	return g
}

func (g *gate) open() { g.once.Do(func() { close(g.wait) }) }

var devices atomic.Uint32

// newTestDevice is one that other tests have no work on. It is never the one with index 0.
func newTestDevice() Device { return HostStreamsDevice(devices.Add(1)%63 + 1) }

func newTestStream(t *testing.T, device Device) *Stream {
	t.Helper()
	stream, err := device.NewStream()
	return closing(t, stream, err)
}

func newTestEvent(t *testing.T, device Device) *Event {
	t.Helper()
	event, err := device.NewEvent()
	return closing(t, event, err)
}

func TestDeviceNumbers(t *testing.T) {
	equal(t, CUDADevice(3), Device(2<<32|3))
	equal(t, HostStreamsDevice(5), NewDevice(DeviceTypeHostStreams, 5))
	equal(t, HostStreamsDevice(5).Type(), DeviceTypeHostStreams)
	equal(t, HostStreamsDevice(5).Index(), 5)
	for device, name := range map[Device]string{0: "host", CUDADevice(1): "cuda:1", HostStreamsDevice(2): "host_streams:2",
		NewDevice(99, 3): "type 99:3"} {
		equal(t, device.String(), name)
	}
	equal(t, must(DeviceTypeHostStreams.Count()), 64)
	equal(t, must(DeviceTypeHost.Count()), 1)
	equal(t, must(DeviceTypeVulkan.Count()), 0)
}

func TestHostStreamsDevice(t *testing.T) {
	info := must(HostStreamsDevice(7).Info())
	equal(t, info.Device, HostStreamsDevice(7))
	const want = CapabilityStreams | CapabilityCall | CapabilityHostAccess | CapabilityPeers
	if info.Capabilities&want != want || info.Total == 0 || info.Count != 64 {
		t.Errorf("%+v", info)
	}
	_, err := HostStreamsDevice(64).Info()
	fails(t, err, ErrNotFound)
	_, err = HostStreamsDevice(64).NewStream()
	fails(t, err, ErrNotFound)
	_, err = HostStreamsDevice(64).NewEvent()
	fails(t, err, ErrNotFound)
	fails(t, HostStreamsDevice(64).Synchronize(), ErrNotFound)
	ok(t, HostStreamsDevice(0).EnablePeer(HostStreamsDevice(1)))
	ok(t, HostStreamsDevice(0).EnablePeer(HostStreamsDevice(1)))
	fails(t, HostStreamsDevice(0).EnablePeer(HostStreamsDevice(64)), ErrNotFound)
}

// What is queued on one stream is seen by the other only behind the event.
func TestEventsPutStreamsInOrder(t *testing.T) {
	device := newTestDevice()
	a, b := newTestStream(t, device), newTestStream(t, device)
	equal(t, a.Device(), device)
	allocator := closing(t, must(NewAllocator(&AllocatorOptions{Device: device})), nil)
	const size = 1 << 16
	first := must(allocator.Allocate(size, a))
	second := must(allocator.Allocate(size, a))
	third := must(allocator.NewStorage(size, &StorageOptions{Stream: b, Zeroed: true}))
	defer third.Close()
	ok(t, b.Synchronize())
	copied, done := newTestEvent(t, device), newTestEvent(t, device)
	equal(t, must(copied.Done()), true)

	gate := shut(t, a)
	ok(t, device.Fill(first, 'x', size, a))
	ok(t, device.Copy(second, first, size, a))
	ok(t, copied.Record(a))
	ok(t, b.Wait(copied))
	ok(t, device.Copy(third.Address(), second, size, b))
	ok(t, done.Record(b))
	equal(t, must(copied.Done()), false)
	equal(t, must(done.Done()), false)
	gate.open()
	ok(t, done.Synchronize())
	equal(t, must(copied.Done()), true)
	ok(t, third.Inspect(func(found []byte) error {
		if !bytes.Equal(found, bytes.Repeat([]byte{'x'}, size)) {
			t.Error("the copy came before its bytes")
		}
		return nil
	}))
	ok(t, allocator.Deallocate(first, nil))
	ok(t, allocator.Deallocate(second, nil))
	ok(t, device.Synchronize())
}

func TestSynchronizeWaits(t *testing.T) {
	device := newTestDevice()
	stream := newTestStream(t, device)
	for name, wait := range map[string]func() error{"device": device.Synchronize, "stream": stream.Synchronize} {
		gate, ran := shut(t, stream), 0
		ok(t, stream.Call(func() { ran++ }))
		opened := make(chan struct{})
		go func() {
			defer close(opened)
			gate.open()
		}()
		ok(t, wait())
		<-opened
		if ran != 1 {
			t.Error(name, "did not wait")
		}
	}
}

func TestCallsRunOnceAndInOrder(t *testing.T) {
	device := newTestDevice()
	stream := newTestStream(t, device)
	gate, found := shut(t, stream), []int{}
	for i := 0; i < 100; i++ {
		i := i
		ok(t, stream.Call(func() { found = append(found, i) }))
	}
	gate.open()
	ok(t, stream.Synchronize())
	equal(t, len(found), 100)
	for i := range found {
		equal(t, found[i], i)
	}
	ran := make(chan struct{})
	ok(t, device.DefaultStream().Call(func() { close(ran) }))
	<-ran
	fails(t, stream.Call(nil), ErrInvalid)
	ok(t, stream.Close())
	fails(t, stream.Call(func() { t.Error("a call that failed ran") }), ErrClosed)
}

func TestCallThatPanicsEndsTheProgram(t *testing.T) {
	for role, words := range map[string]string{"panic": "panic: out of luck", "goexit": "runtime.Goexit"} {
		_, theirs, err := SocketPair()
		ok(t, err)
		var said bytes.Buffer
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), "SHMALLOC_GO_ROLE="+role)
		command.ExtraFiles, command.Stderr = []*os.File{theirs}, &said
		err = command.Run()
		theirs.Close()
		if err == nil || !strings.Contains(said.String(), words) || strings.Contains(said.String(), "survived") {
			t.Errorf("%s: %v\n%s", role, err, said.String())
		}
	}
}

func callThat(does func()) func(*net.UnixConn) error {
	return func(*net.UnixConn) error {
		stream, err := HostStreamsDevice(0).NewStream()
		if err != nil {
			return err
		}
		if err := stream.Call(does); err != nil {
			return err
		}
		if err := stream.Synchronize(); err != nil {
			return err
		}
		return refused(StatusInternal, "survived")
	}
}

func TestClosedStreamsAndEvents(t *testing.T) {
	device := newTestDevice()
	stream, event := newTestStream(t, device), newTestEvent(t, device)
	other := newTestEvent(t, device)
	ok(t, stream.Close())
	ok(t, stream.Close())
	fails(t, stream.Synchronize(), ErrClosed)
	fails(t, stream.Wait(event), ErrClosed)
	fails(t, event.Record(stream), ErrClosed)
	fails(t, device.Fill(1, 0, 1, stream), ErrClosed)
	ok(t, event.Close())
	_, err := event.Done()
	fails(t, err, ErrClosed)
	fails(t, event.Synchronize(), ErrClosed)
	fails(t, event.Record(nil), ErrClosed)
	fails(t, newTestStream(t, device).Wait(event), ErrClosed)
	ok(t, other.Record(nil))
	fails(t, other.Record(newTestStream(t, HostStreamsDevice(0))), ErrInvalid)
	fails(t, newTestStream(t, HostStreamsDevice(0)).Wait(other), ErrInvalid)
	fails(t, device.Copy(1, 2, 1, HostStreamsDevice(0).DefaultStream()), ErrInvalid)
	fails(t, device.Copy(1, 2, -1, nil), ErrInvalid)
	fails(t, device.Fill(0, 0, 1, nil), ErrInvalid)
}

// What is queued is done though the stream is closed, and what waits for an event waits on though the event is.
func TestCloseLeavesTheWork(t *testing.T) {
	device := newTestDevice()
	a, b, event := newTestStream(t, device), newTestStream(t, device), newTestEvent(t, device)
	gate, found := shut(t, a), []string{}
	ok(t, a.Call(func() { found = append(found, "a") }))
	ok(t, event.Record(a))
	ok(t, b.Wait(event))
	ok(t, b.Call(func() { found = append(found, "b") }))
	ok(t, a.Close())
	ok(t, event.Close())
	gate.open()
	ok(t, b.Synchronize())
	equal(t, strings.Join(found, " "), "a b")
}

func TestForeign(t *testing.T) {
	device := newTestDevice()
	stream, event := newTestStream(t, device), newTestEvent(t, device)
	if stream.Number() == 0 || event.Number() == 0 {
		t.Fatal("0 is the default stream, and no event")
	}
	same, sameEvent := device.ForeignStream(stream.Number()), device.ForeignEvent(event.Number())
	gate := shut(t, same)
	ok(t, sameEvent.Record(same))
	equal(t, must(event.Done()), false)
	gate.open()
	ok(t, stream.Synchronize())
	equal(t, must(sameEvent.Done()), true)
	ok(t, same.Close())
	ok(t, sameEvent.Close())
	fails(t, same.Synchronize(), ErrClosed)
	ok(t, stream.Synchronize())
	ok(t, event.Synchronize())
	number := stream.Number()
	ok(t, stream.Close())
	fails(t, device.ForeignStream(number).Synchronize(), ErrInvalid)
	fails(t, device.ForeignEvent(1<<40).Synchronize(), ErrInvalid)
}
