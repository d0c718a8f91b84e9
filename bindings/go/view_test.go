package shmalloc

import (
	"io"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/iotest"
)

func TestViewHoldsTheMemory(t *testing.T) {
	s := newTestStorage(t, 100, nil)
	view := must(s.View())
	equal(t, view.Len(), 100)
	copy(view.Bytes(), "hello")
	equal(t, must(s.Info()).Pins, 1)
	fails(t, s.Destroy(), ErrBusy)
	ok(t, s.Close())
	equal(t, string(view.Bytes()[:5]), "hello")
	ok(t, view.Close())
	ok(t, view.Close())
	if view.Bytes() != nil || view.Len() != 0 {
		t.Error("bytes of a closed view")
	}
	_, err := view.ReadAt(make([]byte, 1), 0)
	fails(t, err, ErrClosed)
	_, err = view.WriteAt(make([]byte, 1), 0)
	fails(t, err, ErrClosed)
	empty := must(newTestStorage(t, 0, nil).View())
	equal(t, len(empty.Bytes()), 0)
	ok(t, empty.Close())
}

func TestReaderAndWriterAt(t *testing.T) {
	s := newTestStorage(t, 5, nil)
	put(t, s, "hello")
	ok(t, iotest.TestReader(io.NewSectionReader(s, 0, 5), []byte("hello")))
	room := make([]byte, 3)
	n, err := s.ReadAt(room, 3)
	if n != 2 || err != io.EOF || string(room[:2]) != "lo" {
		t.Error(n, err, room)
	}
	n, err = s.ReadAt(room, 1<<40)
	if n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	_, err = s.ReadAt(room, -1)
	fails(t, err, ErrInvalid)
	for offset, fits := range map[int64]bool{2: true, 3: false, 6: false, -1: false, 1 << 62: false} {
		n, err := s.WriteAt([]byte("abc"), offset)
		if fits {
			ok(t, err)
			equal(t, n, 3)
		} else {
			fails(t, err, ErrInvalid)
			equal(t, n, 0)
		}
	}
	equal(t, get(t, s, 5), "heabc")
	view := must(s.View())
	defer view.Close()
	must(view.WriteAt([]byte("Y"), 0))
	must(view.ReadAt(room[:1], 0))
	equal(t, room[0], 'Y')
}

// Where the memory is mapped read-only, a write through the slice is a fault.
func TestReadOnlyMemory(t *testing.T) {
	s := newTestStorage(t, 4096, &StorageOptions{Isolated: true})
	put(t, s, "fixed")
	handle := must(s.Export(&ExportOptions{ReadOnly: true}))
	opened := must(Import(handle, nil))
	defer opened.Close()
	_, err := opened.View()
	fails(t, err, ErrPermission)
	fails(t, opened.Update(func([]byte) error { return nil }), ErrPermission)
	_, err = opened.WriteAt([]byte("x"), 0)
	fails(t, err, ErrPermission)
	view := must(opened.ReadView())
	defer view.Close()
	equal(t, string(view.Bytes()[:5]), "fixed")
	func() {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if recover() == nil {
				t.Error("it could be written")
			}
		}()
		view.Bytes()[0] = 'x'
	}()
	equal(t, get(t, s, 5), "fixed")
}

func TestUpdateAndInspect(t *testing.T) {
	s := newTestStorage(t, 3, nil)
	ok(t, s.Update(func(bytes []byte) error {
		copy(bytes, "abc")
		equal(t, must(s.Info()).Pins, 1)
		return nil
	}))
	err := s.Inspect(func(bytes []byte) error {
		equal(t, string(bytes), "abc")
		return io.ErrUnexpectedEOF
	})
	equal(t, err, io.ErrUnexpectedEOF)
	equal(t, must(s.Info()).Pins, 0)
}

// What is not closed goes with the collector: storages, views that hold them, allocators and channels.
func TestForgottenGoesBack(t *testing.T) {
	allocator := newTestAllocator(t, AllocatorKindShared)
	forget := func() {
		for i := 0; i < 100; i++ {
			s := must(allocator.NewStorage(1000, nil))
			must(s.View())
			must(s.ReadView())
			must(s.Clone())
			must(s.DLPack(nil))
			must(allocator.Clone())
			must(NewChannel(nil))
		}
	}
	forget()
	eventually(t, "all storages are given back", func() bool {
		must(Trim(TrimDeferred, 0))
		info := must(allocator.Info())
		return info.LiveStorages == 0 && info.References == 1
	})
}

// A view that is still used holds its memory, whatever else is forgotten.
func TestViewOutlivesForgottenStorage(t *testing.T) {
	view := must(must(NewStorage(1<<20, nil)).View())
	for i := 0; i < 3; i++ {
		runtime.GC()
		must(Trim(0, 0))
	}
	view.Bytes()[1<<20-1] = 1
	ok(t, view.Close())
}
