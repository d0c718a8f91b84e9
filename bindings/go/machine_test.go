package shmalloc

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

func TestMachine(t *testing.T) {
	described := must(Describe())
	if len(described) < 5 {
		t.Error(described)
	}
	a := must(NewAllocator(&AllocatorOptions{Kind: AllocatorKindMap, Config: "prefix:" + prefix}))
	defer a.Close()
	s := must(a.NewStorage(5000, &StorageOptions{Mapped: MappedSharedMem}))
	defer s.Close()
	name := must(s.Name())
	seen := 0
	ok(t, Walk(prefix, func(o ObjectInfo) error {
		if o.Name == name {
			seen++
			equal(t, o.Maker, ObjectMakerShmalloc)
			equal(t, o.State&(ObjectNamed|ObjectLocked), ObjectNamed|ObjectLocked)
			equal(t, o.Size, uint64(5000))
			equal(t, o.UID, os.Getuid())
			equal(t, o.Mode, 0o600)
			equal(t, o.Refcount, -1)
		}
		return nil
	}))
	equal(t, seen, 1)
	stop := errors.New("seen enough")
	equal(t, Walk(prefix, func(ObjectInfo) error { return stop }), stop)
	func() {
		defer func() { equal(t, recover(), "out of it") }()
		Walk(prefix, func(ObjectInfo) error { panic("out of it") })
		t.Error("the panic was lost")
	}()
	_, _, err := Reclaim(&ReclaimOptions{Name: name, Prefix: prefix})
	fails(t, err, ErrBusy)
	objects, _, err := Reclaim(&ReclaimOptions{Name: name, Prefix: prefix, Force: true, DryRun: true})
	ok(t, err)
	equal(t, objects, 1)
	must(s.Name())
	_, _, err = Reclaim(&ReclaimOptions{Name: name, Prefix: prefix, Force: true})
	ok(t, err)
	if _, err := os.Stat("/dev/shm" + name); err == nil {
		t.Error("the name is still there")
	}
}

func TestTorchCountsAndLog(t *testing.T) {
	a := must(NewAllocator(&AllocatorOptions{Kind: AllocatorKindMapRefcounted, Config: "prefix:" + prefix}))
	defer a.Close()
	s := must(a.NewStorage(100, nil))
	defer s.Close()
	put(t, s, "torch")
	equal(t, must(s.TorchRefcount(0)), 1)
	equal(t, must(s.TorchRefcount(1)), 2)
	equal(t, must(s.TorchRefcount(-1)), 1)
	_, err := s.TorchRefcount(-2)
	fails(t, err, ErrInvalid)
	_, err = newTestStorage(t, 10, nil).TorchRefcount(0)
	fails(t, err, ErrUnsupported)

	// "manager\nname\nsize", with a manager that is not there: it can be opened all the same, and only the log hears of that.
	handle := must(s.Export(&ExportOptions{Format: HandleFormatTorchFile, TTL: TimeNone}))
	nobody := filepath.Join(t.TempDir(), "nobody")
	var lock sync.Mutex
	var lines []string
	ok(t, SetLog(LogLevelWarning, func(level LogLevel, line string) {
		lock.Lock()
		defer lock.Unlock()
		equal(t, level, LogLevelWarning)
		lines = append(lines, line)
		fails(t, SetLog(LogLevelNone, nil), ErrBusy)
	}))
	opened, err := Import(append([]byte(nobody), handle...), &ImportOptions{Format: HandleFormatTorchFile})
	ok(t, err)
	ok(t, SetLog(LogLevelNone, nil))
	if len(lines) != 1 || !strings.Contains(lines[0], nobody) {
		t.Error(lines)
	}
	equal(t, get(t, opened, 5), "torch")
	equal(t, must(s.TorchRefcount(0)), 2)
	ok(t, opened.Close())
	equal(t, must(s.TorchRefcount(0)), 1)
	fails(t, SetLog(9, func(LogLevel, string) {}), ErrInvalid)
}

func TestTorchManager(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manager")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- RunTorchManager(ctx, path) }()
	var client net.Conn
	eventually(t, "it answers", func() (connected bool) {
		var err error
		client, err = net.Dial("unix", path)
		return err == nil
	})
	defer client.Close()
	fails(t, RunTorchManager(ctx, path), ErrExists)
	cancel()
	ok(t, <-ended)
	if _, err := os.Stat(path); err == nil {
		t.Error("its socket is still there")
	}
	fails(t, RunTorchManager(context.Background(), strings.Repeat("x", 200)), ErrNoSpace)
}

// exitWithAName leaves a name that only an export keeps to the handlers that run at exit, and tells it.
func exitWithAName(conn *net.UnixConn) error {
	s, err := NewStorage(100, &StorageOptions{Name: os.Getenv("SHMALLOC_GO_NAME"), Mapped: MappedSharedMem})
	if err != nil {
		return err
	}
	if _, err = s.Export(&ExportOptions{TTL: TimeForever}); err != nil {
		return err
	}
	s.Close()
	conn.Write([]byte("exported"))
	if _, err = hear(conn); err == nil {
		Exit(0)
	}
	return err
}

func TestExitRemovesNames(t *testing.T) {
	t.Setenv("SHMALLOC_GO_NAME", prefix+"exit")
	child := start(t, "exit")
	equal(t, child.hear(), "exported")
	if _, err := os.Stat("/dev/shm/" + prefix + "exit"); err != nil {
		t.Fatal(err)
	}
	child.say("go")
	child.ended()
	if _, err := os.Stat("/dev/shm/" + prefix + "exit"); err == nil {
		t.Error("the name is still there")
	}
}

func TestDLPack(t *testing.T) {
	s := newTestStorage(t, 64, nil)
	put(t, s, "0123456789")
	matrix := &Tensor{Shape: []int64{2, 3}, Strides: []int64{4, 1}, Offset: 4, Code: 2, Bits: 32}
	type imports = func(p unsafe.Pointer) (*Storage, Tensor, error)
	type exports = func(*Tensor) (*ManagedTensor, error)
	for _, way := range []struct {
		export  exports
		import_ imports
	}{{s.DLPack, FromDLPack}, {s.DLPackUnversioned, FromDLPackUnversioned}} {
		kept := must(way.export(nil))
		equal(t, must(s.Info()).Pins, 1)
		ok(t, kept.Close())
		ok(t, kept.Close())
		equal(t, must(s.Info()).Pins, 0)
		managed := must(way.export(matrix))
		opened, seen, err := way.import_(managed.Take())
		ok(t, err)
		if managed.Take() != nil {
			t.Error("taken twice")
		}
		equal(t, len(seen.Shape), 2)
		equal(t, seen.Shape[1], 3)
		equal(t, seen.Strides[0], 4)
		equal(t, seen.Bits, 32)
		equal(t, opened.Address()+seen.Offset, s.Address()+4)
		equal(t, must(s.Info()).Pins, 1)
		ok(t, opened.Close())
		equal(t, must(s.Info()).Pins, 0)
		_, err = way.export(&Tensor{Shape: []int64{1000}, Code: 2, Bits: 32})
		fails(t, err, ErrInvalid)
		_, err = way.export(&Tensor{Shape: []int64{1}, Strides: []int64{1, 1}, Code: 2, Bits: 32})
		fails(t, err, ErrInvalid)
	}
	_, err := s.DLPackUnversioned(&Tensor{Flags: TensorReadOnly})
	fails(t, err, ErrPermission)
}
