package shmalloc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestConstantsAreTheLibrarys(t *testing.T) {
	if len(constants) < 100 {
		t.Fatal("a short table: ", len(constants))
	}
	for name, value := range constants {
		found, err := abiLookup(name)
		if err != nil || found != value {
			t.Errorf("%s is %d, here %d (%v)", name, found, value, err)
		}
	}
	_, err := abiLookup("SHMALLOC_NO_SUCH_THING")
	fails(t, err, ErrNotFound)
}

func TestSizesAreTheLibrarys(t *testing.T) {
	for name, size := range structSizes {
		found, err := abiLookup("sizeof(" + name + ")")
		ok(t, err)
		equal(t, found, size)
	}
}

func TestAnotherLibraryIsRefused(t *testing.T) {
	ok(t, checkLibrary(Version, structSizes))
	for _, version := range []int{Version + 1000, Version + 1000000, Version - 1000} {
		if err := checkLibrary(version, structSizes); err == nil {
			t.Error(version)
		}
	}
	sizes := map[string]int64{"shmalloc_error": 248}
	if checkLibrary(Version, sizes) == nil {
		t.Error("the same version with another size")
	}
	ok(t, checkLibrary(Version+1, sizes))
	sizes["shmalloc_error"] = 264
	if checkLibrary(Version+1, sizes) == nil {
		t.Error("a struct that is too short")
	}
}

func TestVersion(t *testing.T) {
	equal(t, LibraryVersion(), Version)
	equal(t, LibraryVersionString(), fmt.Sprintf("%d.%d.%d", VersionMajor, VersionMinor, VersionPatch))
	equal(t, FormatSize(3<<19), "1.50 MiB")
}

func TestStatusNames(t *testing.T) {
	for name, value := range constants {
		if short := strings.TrimPrefix(name, "SHMALLOC_STATUS_"); short != name {
			equal(t, Status(value).String(), short)
		}
	}
	equal(t, Status(-1000).Error(), "UNKNOWN")
}

func TestErrorsAreFoundByMeaning(t *testing.T) {
	_, err := NewStorage(0, &StorageOptions{Name: prefix + "none", Mapped: MappedSharedMem | MappedNoCreate})
	fails(t, err, ErrNotFound)
	for target, want := range map[error]bool{fs.ErrNotExist: true, os.ErrNotExist: true, syscall.ENOENT: true, StatusNotFound: true,
		fs.ErrExist: false, ErrStale: false, os.ErrDeadlineExceeded: false, errors.New("x"): false} {
		if errors.Is(err, target) != want {
			t.Errorf("%v is %v: %v", err, target, !want)
		}
	}
	var e *Error
	if !errors.As(err, &e) || e.Status != StatusNotFound || e.Errno != syscall.ENOENT || e.Timeout() {
		t.Errorf("%#v", err)
	}
	if !strings.Contains(err.Error(), "NOT_FOUND") || !strings.Contains(err.Error(), prefix) {
		t.Error(err)
	}
	made := newTestStorage(t, 100, &StorageOptions{Name: prefix + "made", Mapped: MappedSharedMem})
	_, err = NewStorage(100, &StorageOptions{Name: prefix + "made", Mapped: MappedSharedMem | MappedExclusive})
	fails(t, err, ErrExists)
	fails(t, err, fs.ErrExist)
	ok(t, made.Close())
	_, err = NewStorage(-1, nil)
	fails(t, err, fs.ErrInvalid)
	_, err = NewStorage(100, &StorageOptions{Name: "with\x00zero"})
	fails(t, err, ErrInvalid)
}
