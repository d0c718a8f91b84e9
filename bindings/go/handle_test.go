package shmalloc

import (
	"encoding/json"
	"os"
	"testing"
)

func TestHandleForms(t *testing.T) {
	s := newTestStorage(t, 1000, nil)
	put(t, s, "hello")
	handle := must(s.Export(nil))
	info := must(handle.Info())
	equal(t, info.Size, 1000)
	equal(t, info.PID, os.Getpid())
	equal(t, info.Kind, AllocatorKindShared)
	equal(t, info.Format, HandleFormatNative)
	if info.Identity == [16]byte{} {
		t.Error("no identity")
	}
	text := must(s.ExportText(nil))
	opened := must(ImportText("  "+text+"\n", nil))
	defer opened.Close()
	equal(t, get(t, opened, 5), "hello")
	put(t, opened, "HELLO")
	equal(t, get(t, s, 5), "HELLO")

	type message struct{ Handle Handle }
	var read message
	ok(t, json.Unmarshal(must(json.Marshal(message{handle})), &read))
	equal(t, string(read.Handle), string(handle))
	again := must(Import(read.Handle, &ImportOptions{ReadOnly: true}))
	defer again.Close()
	_, err := again.View()
	fails(t, err, ErrPermission)

	handle[len(handle)-1] ^= 1
	_, err = Import(handle, nil)
	fails(t, err, ErrCorrupt)
	_, err = handle.Info()
	fails(t, err, ErrCorrupt)
	_, err = Import(nil, nil)
	fails(t, err, ErrInvalid)
	_, err = Import(Handle{}, nil)
	fails(t, err, ErrInvalid)
	_, err = Handle("nonsense").Text()
	fails(t, err, ErrCorrupt)
	_, err = ParseHandle("nonsense")
	fails(t, err, ErrCorrupt)
	if json.Unmarshal([]byte(`{"Handle": "nonsense"}`), &read) == nil {
		t.Error("nonsense is no handle")
	}
}

func TestHandlesEnd(t *testing.T) {
	s := newTestStorage(t, 100, nil)
	revoked := must(s.Export(nil))
	ok(t, s.Revoke())
	_, err := Import(revoked, nil)
	fails(t, err, ErrStale)
	good := must(s.Export(nil))
	opened := must(Import(good, nil))
	ok(t, opened.Close())
	short := must(NewStorage(100, nil))
	handle := must(short.Export(&ExportOptions{TTL: TimeNone}))
	ok(t, short.Close())
	_, err = Import(handle, nil)
	fails(t, err, ErrStale)
	long := must(NewStorage(100, nil))
	handle = must(long.Export(&ExportOptions{TTL: TimeForever}))
	ok(t, long.Close())
	opened = must(Import(handle, nil))
	ok(t, opened.Destroy())
	ok(t, opened.Close())
}

func TestFilesBesideAHandle(t *testing.T) {
	for _, isolated := range []bool{false, true} {
		s := newTestStorage(t, 100, &StorageOptions{Isolated: isolated})
		put(t, s, "files")
		o := &ExportOptions{Descriptor: true, ReadOnly: isolated}
		handle, files := must(s.Export(o)), must(s.ExportFiles(o))
		equal(t, len(files), map[bool]int{false: 2, true: 1}[isolated])
		opened := must(Import(handle, &ImportOptions{Files: files}))
		equal(t, get(t, opened, 5), "files")
		ok(t, opened.Close())
		if isolated {
			_, err := Import(handle, nil)
			fails(t, err, ErrInvalid)
		}
		for _, file := range files {
			ok(t, file.Close())
		}
		_, err := Import(handle, &ImportOptions{Files: files})
		fails(t, err, os.ErrClosed)
	}
	_, err := newTestStorage(t, 100, nil).ExportFiles(&ExportOptions{ReadOnly: true})
	fails(t, err, ErrUnsupported)
}
