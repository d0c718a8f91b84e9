package shmalloc

// #cgo pkg-config: shmalloc
// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"strings"
	"unsafe"
)

// Sizes of the structs that this binding was compiled with.
var structSizes = map[string]int64{
	"shmalloc_adopt_params":     C.sizeof_shmalloc_adopt_params,
	"shmalloc_allocator_info":   C.sizeof_shmalloc_allocator_info,
	"shmalloc_allocator_params": C.sizeof_shmalloc_allocator_params,
	"shmalloc_backend":          C.sizeof_shmalloc_backend,
	"shmalloc_cache_info":       C.sizeof_shmalloc_cache_info,
	"shmalloc_caching_params":   C.sizeof_shmalloc_caching_params,
	"shmalloc_channel_info":     C.sizeof_shmalloc_channel_info,
	"shmalloc_channel_params":   C.sizeof_shmalloc_channel_params,
	"shmalloc_device_info":      C.sizeof_shmalloc_device_info,
	"shmalloc_error":            C.sizeof_shmalloc_error,
	"shmalloc_export_params":    C.sizeof_shmalloc_export_params,
	"shmalloc_handle_info":      C.sizeof_shmalloc_handle_info,
	"shmalloc_history_params":   C.sizeof_shmalloc_history_params,
	"shmalloc_import_params":    C.sizeof_shmalloc_import_params,
	"shmalloc_notice":           C.sizeof_shmalloc_notice,
	"shmalloc_object_info":      C.sizeof_shmalloc_object_info,
	"shmalloc_snapshot_params":  C.sizeof_shmalloc_snapshot_params,
	"shmalloc_stat":             C.sizeof_shmalloc_stat,
	"shmalloc_statistics":       C.sizeof_shmalloc_statistics,
	"shmalloc_storage_info":     C.sizeof_shmalloc_storage_info,
	"shmalloc_storage_params":   C.sizeof_shmalloc_storage_params,
	"shmalloc_tensor":           C.sizeof_shmalloc_tensor,
}

func init() {
	if err := checkLibrary(LibraryVersion(), structSizes); err != nil {
		panic(err)
	}
}

// checkLibrary compares the library that was loaded with the headers that this binding was compiled with. Before 1.0 each minor version may
// change the ABI; within one, structs only get longer.
func checkLibrary(version int, sizes map[string]int64) error {
	if version/1000 != Version/1000 {
		return fmt.Errorf("shmalloc: compiled for version %d.%d, the library is %s", VersionMajor, VersionMinor, LibraryVersionString())
	}
	for name, size := range sizes {
		found, err := abiLookup("sizeof(" + name + ")")
		if err != nil {
			return err
		}
		if found < size || found != size && version == Version {
			return fmt.Errorf("shmalloc: %s has %d bytes in the library and %d in the headers that this was compiled with", name, found, size)
		}
	}
	return nil
}

// abiLookup is the value of a constant, size or offset in the library that was loaded.
func abiLookup(name string) (int64, error) {
	text, err := newText(name)
	if err != nil {
		return 0, err
	}
	defer text.free()
	f := newFrame()
	defer f.done()
	var value C.int64_t
	err = f.check(C.shmalloc_abi_lookup(text.c, &value, &f.err))
	return int64(value), err
}

// LibraryVersion is the version of the library that was loaded, major * 10^6 + minor * 10^3 + patch; Version is that of the headers.
func LibraryVersion() int { return int(C.shmalloc_version()) }

// LibraryVersionString is the same for people: "0.1.0".
func LibraryVersionString() string { return C.GoString(C.shmalloc_version_string()) }

// FormatSize is a size for people: "1.50 KiB".
func FormatSize(size uint64) string {
	text, _ := readText(func(text *C.char, length *C.size_t, err *C.shmalloc_error) C.shmalloc_status {
		return C.shmalloc_format_size(C.uint64_t(size), text, length, err)
	})
	return text
}

// A cText is text as C takes it, nil for none.
type cText struct{ c *C.char }

func newText(text string) (cText, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return cText{}, refused(StatusInvalid, "text with a zero byte in it")
	}
	return cText{C.CString(text)}, nil
}

// optionalText has no text for "".
func optionalText(text string) (cText, error) {
	if text == "" {
		return cText{}, nil
	}
	return newText(text)
}

func (t cText) free() { C.free(unsafe.Pointer(t.c)) }

// readText calls a function that writes a text, with as much room as it needs.
func readText(call func(text *C.char, length *C.size_t, err *C.shmalloc_error) C.shmalloc_status) (string, error) {
	f := newFrame()
	defer f.done()
	room := make([]byte, 256)
	for {
		f.size = C.size_t(len(room))
		err := f.check(call((*C.char)(unsafe.Pointer(&room[0])), &f.size, &f.err))
		if err == nil {
			return string(room[:f.size-1]), nil
		}
		if !isStatus(err, StatusNoSpace) || int(f.size) <= len(room) {
			return "", err
		}
		room = make([]byte, int(f.size))
	}
}
