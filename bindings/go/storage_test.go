package shmalloc

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"
)

func TestOptions(t *testing.T) {
	for i := 0; i < 20; i++ { // memory that was used before
		s := must(NewStorage(1000, &StorageOptions{Zeroed: true}))
		equal(t, get(t, s, 1000), strings.Repeat("\x00", 1000))
		put(t, s, strings.Repeat("x", 1000))
		ok(t, s.Close())
	}
	s := newTestStorage(t, 1000, &StorageOptions{Alignment: 4096})
	equal(t, s.Address()%4096, 0)
	info := must(s.Info())
	equal(t, info.Size, 1000)
	equal(t, info.Address, s.Address())
	equal(t, uint64(uintptr(s.Data())), s.Address())
	equal(t, info.FD, -1)
	equal(t, info.Kind, AllocatorKindShared)
	isolated := newTestStorage(t, 1000, &StorageOptions{Isolated: true, NUMANode: -1})
	if must(isolated.Info()).State&StorageStateSealed == 0 {
		t.Error("its memory could be cut short")
	}
	equal(t, newTestStorage(t, 0, nil).Size(), 0)
	_, err := NewStorage(10, &StorageOptions{Alignment: 3})
	fails(t, err, ErrInvalid)
	_, err = NewStorage(1<<55, nil)
	if err == nil {
		t.Error("more than there is")
	}
}

func TestNamedFileAndDescriptor(t *testing.T) {
	named := newTestStorage(t, 100, &StorageOptions{Name: prefix + "named", Mapped: MappedSharedMem, Mode: 0o640})
	equal(t, must(named.Name()), "/"+prefix+"named")
	equal(t, must(os.Stat("/dev/shm/"+prefix+"named")).Mode(), 0o640)
	put(t, named, "hello")
	again := newTestStorage(t, 0, &StorageOptions{Name: prefix + "named", Mapped: MappedSharedMem | MappedNoCreate})
	equal(t, get(t, again, 5), "hello")
	ok(t, again.Close())
	ok(t, named.Destroy())
	equal(t, named.Size(), 0)
	_, err := os.Stat("/dev/shm/" + prefix + "named")
	fails(t, &Error{Cause: err, Message: "x"}, fs.ErrNotExist)

	path := filepath.Join(t.TempDir(), "file")
	ok(t, os.WriteFile(path, []byte(strings.Repeat("a", os.Getpagesize())+"beyond"), 0o600))
	file := must(os.OpenFile(path, os.O_RDWR, 0))
	defer file.Close()
	s := newTestStorage(t, 6, &StorageOptions{File: file, FileOffset: uint64(os.Getpagesize()), Mapped: MappedShared})
	put(t, s, "BEYOND")
	ok(t, s.Close())
	text := make([]byte, 6)
	must(file.ReadAt(text, int64(os.Getpagesize())))
	equal(t, string(text), "BEYOND")
	file.Close()
	_, err = NewStorage(6, &StorageOptions{File: file})
	fails(t, err, os.ErrClosed)
	_, err = newTestStorage(t, 10, nil).Name()
	fails(t, err, ErrNotFound)
	if name := must(MakeName(prefix)); !strings.HasPrefix(name, "/"+prefix+"_") {
		t.Error(name)
	}
}

func TestClosedIsClosed(t *testing.T) {
	s := newTestStorage(t, 10, nil)
	ok(t, s.Close())
	ok(t, s.Close())
	fails(t, s.Destroy(), ErrClosed)
	_, err := s.ReadAt(make([]byte, 1), 0)
	fails(t, err, ErrClosed)
	fails(t, err, fs.ErrClosed)
	_, err = s.View()
	fails(t, err, ErrClosed)
	equal(t, s.Size(), 0)
	equal(t, s.Address(), 0)
	equal(t, s.Data(), nil)
	a := newTestAllocator(t, AllocatorKindDirect)
	ok(t, a.Close())
	_, err = a.NewStorage(10, nil)
	fails(t, err, ErrClosed)
}

func TestCloneHasItsOwnClose(t *testing.T) {
	s := newTestStorage(t, 10, nil)
	put(t, s, "x")
	second := must(s.Clone())
	ok(t, s.Close())
	equal(t, get(t, second, 1), "x")
	equal(t, must(second.Info()).References, 1)
	ok(t, second.Close())
}

func TestFind(t *testing.T) {
	s := newTestStorage(t, 100, nil)
	found, offset, err := Find(s.Address() + 7)
	ok(t, err)
	defer found.Close()
	equal(t, offset, 7)
	equal(t, must(found.Info()).ID, must(s.Info()).ID)
	_, _, err = Find(1)
	fails(t, err, ErrNotFound)
}

func TestShareKeepsTheObject(t *testing.T) {
	direct := newTestAllocator(t, AllocatorKindDirect)
	s := must(direct.NewStorage(100, nil))
	defer s.Close()
	put(t, s, "moves")
	_, err := s.Export(nil)
	fails(t, err, ErrUnsupported)
	view := must(s.ReadView())
	fails(t, s.Share(nil), ErrBusy)
	ok(t, view.Close())
	ok(t, s.Share(nil))
	equal(t, get(t, s, 5), "moves")
	if must(s.Info()).State&StorageStateShared == 0 {
		t.Error("not shared")
	}
	fails(t, must(direct.NewStorage(10, nil)).Share(direct), ErrInvalid)
}

func TestGrowAndSeal(t *testing.T) {
	s := newTestStorage(t, 1000, &StorageOptions{Capacity: 1 << 20})
	put(t, s, "stays")
	ok(t, s.Grow(1<<20))
	equal(t, s.Size(), 1<<20)
	equal(t, get(t, s, 6), "stays\x00")
	fails(t, s.Grow(1<<30), ErrNoSpace)
	fails(t, s.Grow(-1), ErrInvalid)
	view := must(s.View())
	fails(t, s.Seal(), ErrBusy)
	ok(t, view.Close())
	ok(t, s.Seal())
	_, err := s.WriteAt([]byte("x"), 0)
	fails(t, err, fs.ErrPermission)
	equal(t, get(t, s, 5), "stays")
}

func TestCopy(t *testing.T) {
	from, to := newTestStorage(t, 10, nil), newTestStorage(t, 10, &StorageOptions{Zeroed: true})
	put(t, from, "0123456789")
	ok(t, to.Copy(2, from, 5, 3))
	equal(t, get(t, to, 6), "\x00\x00567\x00")
	ok(t, to.Copy(0, from, 0, All))
	equal(t, get(t, to, 10), "0123456789")
	fails(t, to.Copy(1, from, 0, All), ErrInvalid)
	fails(t, to.Copy(5, from, 0, 6), ErrInvalid)
	fails(t, to.Copy(-1, from, 0, 1), ErrInvalid)
	fails(t, to.Copy(0, from, 0, -2), ErrInvalid)
}

func TestAdopt(t *testing.T) {
	memory := must(syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON))
	var destroyed int32
	s, err := Adopt(unsafe.Pointer(&memory[0]), 4096, &AdoptOptions{Destroy: func() {
		atomic.AddInt32(&destroyed, 1)
		if err := syscall.Munmap(memory); err != nil {
			panic(err)
		}
	}})
	ok(t, err)
	memory[3] = 'x'
	equal(t, get(t, s, 4), "\x00\x00\x00x")
	view := must(s.View())
	ok(t, s.Close())
	equal(t, atomic.LoadInt32(&destroyed), 0)
	equal(t, view.Bytes()[3], 'x')
	ok(t, view.Close())
	must(Trim(TrimDeferred, 0))
	equal(t, atomic.LoadInt32(&destroyed), 1)
	for _, size := range []int{-1, 1 << 20} {
		_, err = Adopt(nil, size, &AdoptOptions{Destroy: func() { destroyed++ }})
		fails(t, err, ErrInvalid)
	}
	equal(t, destroyed, 3)
	var word uint64
	readOnly := must(NewStorage(8, nil))
	defer readOnly.Close()
	r := must(Adopt(readOnly.Data(), int(unsafe.Sizeof(word)), &AdoptOptions{Access: AccessRead}))
	_, err = r.View()
	fails(t, err, ErrPermission)
	ok(t, r.Close())
}

// What is closed in the middle of a call goes back at its end.
func TestCloseInsideOfACall(t *testing.T) {
	allocator := newTestAllocator(t, AllocatorKindDirect)
	s := must(allocator.NewStorage(10, nil))
	ok(t, s.Update(func(bytes []byte) error {
		ok(t, s.Close())
		equal(t, must(allocator.Info()).LiveStorages, 1)
		bytes[9] = 1
		return nil
	}))
	equal(t, must(allocator.Info()).LiveStorages, 0)
}

// Close may come at any time: the call that is under way uses what it has, the next one is told.
func TestCloseWhileInUse(t *testing.T) {
	for i := 0; i < 200; i++ {
		s := must(NewStorage(64, nil))
		var wait sync.WaitGroup
		for g := 0; g < 4; g++ {
			wait.Add(1)
			go func(g int) {
				defer wait.Done()
				for {
					if _, err := s.WriteAt([]byte("bytes"), int64(g)*8); err != nil {
						fails(t, err, ErrClosed)
						return
					}
				}
			}(g)
		}
		ok(t, s.Close())
		wait.Wait()
	}
}
