package shmalloc

import (
	"bytes"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func newCaching(t *testing.T, device Device) *Allocator {
	t.Helper()
	allocator, err := NewAllocator(&AllocatorOptions{Device: device})
	return closing(t, allocator, err)
}

func TestMemoryByAddress(t *testing.T) {
	device := newTestDevice()
	a, stream := newCaching(t, device), newTestStream(t, device)
	equal(t, must(a.Info()).Kind, AllocatorKindCaching)
	address := must(a.Allocate(1000, stream))
	equal(t, address%512, 0)
	base, size, err := a.Base(address)
	ok(t, err)
	if base > address || address+1000 > base+size {
		t.Error(base, size, address)
	}
	ok(t, a.Deallocate(address, nil))
	equal(t, must(a.Allocate(1000, stream)), address)
	// No stream is its own, not the default one, which has work.
	gate := shut(t, device.DefaultStream())
	ok(t, a.Deallocate(address, nil))
	equal(t, must(a.Allocate(1000, stream)), address)
	gate.open()
	ok(t, a.Deallocate(address, stream))
	fails(t, a.Deallocate(address, nil), ErrNotFound)
	fails(t, a.RecordStream(address, stream), ErrNotFound)
	_, _, err = a.Base(address)
	fails(t, err, ErrNotFound)
	equal(t, must(a.Allocate(0, nil)), 0)
	ok(t, a.Deallocate(0, nil))
	_, err = a.Allocate(-1, nil)
	fails(t, err, ErrInvalid)
	_, err = a.Allocate(1, HostStreamsDevice(0).DefaultStream())
	fails(t, err, ErrInvalid)
	info := must(a.CacheInfo())
	if info.Cached == 0 || info.Largest == 0 || info.Available > info.Total {
		t.Errorf("%+v", info)
	}
	if must(a.Trim(TrimFree, 0)) == 0 || must(a.CacheInfo()).Cached != 0 {
		t.Error("nothing went back")
	}
	ok(t, a.Close())
	_, err = a.Allocate(1000, stream)
	fails(t, err, ErrClosed)
}

func TestOnlyCachingAllocatesByAddress(t *testing.T) {
	a := newTestAllocator(t, AllocatorKindDirect)
	_, err := a.Allocate(1, nil)
	fails(t, err, ErrUnsupported)
	fails(t, a.Deallocate(512, nil), ErrUnsupported)
	fails(t, a.RecordStream(512, nil), ErrUnsupported)
	_, _, err = a.Base(512)
	fails(t, err, ErrUnsupported)
	_, err = a.CacheInfo()
	fails(t, err, ErrUnsupported)
	fails(t, a.ConfigureCaching(CachingOptions{}), ErrUnsupported)
	_, err = a.Observe(NoticeMemoryLow, func(Notice) bool { return false })
	fails(t, err, ErrUnsupported)
	_, err = (*Allocator)(nil).Allocate(1, nil)
	fails(t, err, ErrInvalid)
	_, err = (*Allocator)(nil).Observe(NoticeMemoryLow, func(Notice) bool { return false })
	fails(t, err, ErrInvalid)
	_, err = NewAllocator(&AllocatorOptions{Kind: AllocatorKindCaching})
	fails(t, err, ErrUnsupported)
}

// Memory that another stream uses waits for it.
func TestRecordedStreamsHoldMemory(t *testing.T) {
	device := newTestDevice()
	mine, other := newTestStream(t, device), newTestStream(t, device)
	for name, use := range map[string]func(a *Allocator) (give func() error){
		"recorded": func(a *Allocator) func() error {
			address := must(a.Allocate(4096, mine))
			ok(t, a.RecordStream(address, other))
			return func() error { return a.Deallocate(address, nil) }
		},
		"used last": func(a *Allocator) func() error {
			address := must(a.Allocate(4096, mine))
			return func() error { return a.Deallocate(address, other) }
		},
		"a storage": func(a *Allocator) func() error {
			s := must(a.NewStorage(4096, &StorageOptions{Stream: mine}))
			ok(t, s.RecordStream(other))
			return s.Close
		},
	} {
		a := newCaching(t, device)
		give := use(a)
		gate := shut(t, other)
		ok(t, give())
		for _, pending := range []int64{1, 0} {
			defer a.Deallocate(must(a.Allocate(4096, mine)), nil) // looks what is done
			if found := must(a.Statistics()).Pending.Current; found != pending {
				t.Errorf("%s: %d are pending, not %d", name, found, pending)
			}
			gate.open()
			ok(t, other.Synchronize())
		}
	}
	s := must(newCaching(t, device).NewStorage(1, nil))
	ok(t, s.Close())
	fails(t, s.RecordStream(other), ErrClosed)
}

func TestConfigureCaching(t *testing.T) {
	a := newCaching(t, newTestDevice())
	options := CachingOptions{MaxSplitSize: 64 << 20, LargeSegmentSize: 32 << 20, MaxNonSplitRounding: 40 << 20,
		GarbageCollectionPPM: 500000, MemoryPPM: 250000}
	options.RoundupDivisions[3] = 4
	ok(t, a.ConfigureCaching(options))
	for key, value := range map[string]string{"max_split_size_mb": "64", "large_segment_size_mb": "32", "max_non_split_rounding_mb": "40",
		"garbage_collection_threshold": "0.5", "per_process_memory_fraction": "0.25"} {
		equal(t, must(a.Config(key)), value)
	}
	if divisions := must(a.Config("roundup_power2_divisions")); !strings.Contains(divisions, "8:4,") {
		t.Error(divisions)
	}
	ok(t, a.ConfigureCaching(CachingOptions{MaxSplitSize: math.MaxUint64}))
	equal(t, must(a.Config("max_split_size_mb")), "unlimited")
	equal(t, must(a.Config("large_segment_size_mb")), "32")
	fails(t, a.ConfigureCaching(CachingOptions{MaxSplitSize: 1, LargeSegmentSize: 64 << 20}), ErrInvalid)
	equal(t, must(a.Config("large_segment_size_mb")), "32")
}

func TestObserver(t *testing.T) {
	device := newTestDevice()
	a := newCaching(t, device)
	var heard []Notice
	both := closing(t, must(a.Observe(NoticeMemoryLow|NoticeOutOfMemory, func(n Notice) bool {
		heard = append(heard, n)
		return false
	})), nil)
	ok(t, a.ConfigureCaching(CachingOptions{MemoryPPM: math.MaxUint32}))
	stream := newTestStream(t, device)
	_, err := a.Allocate(1000, stream)
	fails(t, err, ErrNoMemory)
	equal(t, len(heard), 2)
	last := heard[1]
	equal(t, heard[0].Kind, NoticeMemoryLow)
	equal(t, heard[0].Report, "")
	equal(t, last.Kind, NoticeOutOfMemory)
	equal(t, last.Requested, 1000)
	equal(t, last.Rounded, 1024)
	equal(t, last.Limit, 0)
	equal(t, last.Stream, stream.Number())
	equal(t, last.Device, device)
	equal(t, last.AllocatorID, must(a.Info()).ID)
	if last.Report == "" {
		t.Error("no report")
	}
	ok(t, both.Close())
	ok(t, both.Close())
	_, err = a.Allocate(1000, stream)
	fails(t, err, ErrNoMemory)
	equal(t, len(heard), 2)
	_, err = a.Observe(NoticeMemoryLow, nil)
	fails(t, err, ErrInvalid)
}

// Who gives memory back says so, and it serves at once: the device is not asked for more.
func TestObserverGivesMemoryBack(t *testing.T) {
	toy, device := newToy(t, CapabilityHostAccess)
	a := newCaching(t, device)
	kept := must(a.Allocate(20<<20, nil))
	_, err := a.Allocate(60<<20, nil)
	fails(t, err, ErrNoMemory)
	before, used := kept, toy.Used()
	observer := closing(t, must(a.Observe(NoticeMemoryLow, func(Notice) bool {
		if kept == 0 {
			return false
		}
		ok(t, a.Deallocate(kept, nil))
		kept = 0
		return true
	})), nil)
	address := must(a.Allocate(20<<20, nil))
	equal(t, kept, 0)
	equal(t, address, before)
	equal(t, toy.Used(), used)
	ok(t, a.Deallocate(address, nil))
	ok(t, observer.Close())
	ok(t, a.Close())
	equal(t, toy.Used(), 0)
}

func TestObserversEnd(t *testing.T) {
	device := newTestDevice()
	a := newCaching(t, device)
	ok(t, a.ConfigureCaching(CachingOptions{MemoryPPM: math.MaxUint32}))
	var self *Observer
	var answer error
	self = must(a.Observe(NoticeOutOfMemory, func(Notice) bool {
		answer = self.Close()
		return false
	}))
	for i := 0; i < 2; i++ { // It goes on, for it is refused.
		answer = nil
		_, err := a.Allocate(1, nil)
		fails(t, err, ErrNoMemory)
		fails(t, answer, ErrBusy)
	}
	ok(t, self.Close())
	// An observer holds its allocator, and gives it back when it is collected.
	held := must(a.Clone())
	defer held.Close()
	before := must(held.Info()).References
	elsewhere(func() {
		forgotten := must(a.Observe(NoticeMemoryLow, func(Notice) bool { return false }))
		equal(t, must(held.Info()).References, before+1)
		runtime.KeepAlive(forgotten)
	})
	eventually(t, "the observer is gone", func() bool { return must(held.Info()).References == before })
	for i := 0; i < 16; i++ {
		closing(t, must(a.Observe(NoticeMemoryLow, func(Notice) bool { return false })), nil)
	}
	_, err := a.Observe(NoticeMemoryLow, func(Notice) bool { return false })
	fails(t, err, ErrNoSpace)
}

func TestTwoThreadsOnOneAllocator(t *testing.T) {
	device := newTestDevice()
	a := newCaching(t, device)
	var wait sync.WaitGroup
	for _, letter := range []byte("xy") {
		wait.Add(1)
		go func(letter byte) {
			defer wait.Done()
			stream := must(device.NewStream())
			defer stream.Close()
			for i := 0; i < 200; i++ {
				from := must(a.Allocate(8192, stream))
				to := must(a.NewStorage(8192, &StorageOptions{Stream: stream}))
				if err := device.Fill(from, letter, 8192, stream); err != nil {
					panic(err)
				}
				if err := device.Copy(to.Address(), from, 8192, stream); err != nil {
					panic(err)
				}
				if err := a.Deallocate(from, nil); err != nil {
					panic(err)
				}
				if err := stream.Synchronize(); err != nil {
					panic(err)
				}
				view := must(to.ReadView())
				if !bytes.Equal(view.Bytes(), bytes.Repeat([]byte{letter}, 8192)) {
					t.Error("another's bytes")
				}
				view.Close()
				to.Close()
			}
		}(letter)
	}
	wait.Wait()
	equal(t, must(a.Statistics()).Allocation[StatPoolAll].Current, 0)
}
