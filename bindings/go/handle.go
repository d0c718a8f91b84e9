package shmalloc

// #include "shim.h"
import "C"

import (
	"os"
	"time"
	"unsafe"
)

// Handle is at most HandleMax plain bytes from which other processes of this machine open a storage. In JSON it is its text.
type Handle []byte

// ExportOptions say how a storage is exported; nil and all zero: native, writable, with the allocator's time to live.
type ExportOptions struct {
	TTL        time.Duration // how long the handle stays good when the storage is closed here; 0: the allocator's; TimeNone; TimeForever
	ReadOnly   bool          // the receiver can't write, nor make it so that he could; needs pages of its own (Isolated)
	Descriptor bool          // the receiver gets the files of ExportFiles as well
	Counted    bool          // HandleFormatTorchFile: add one to the count for the receiver
	Format     HandleFormat
}

// ImportOptions say how a handle is opened; nil and all zero: native, writable if the export is.
type ImportOptions struct {
	ReadOnly bool // map for reading only
	Counted  bool // HandleFormatTorchFile: the sender raised the count for us
	Format   HandleFormat
	Files    []*os.File // that came with the handle; they stay yours
}

// HandleInfo is what a handle says. Nothing of it is checked against the memory.
type HandleInfo struct {
	Size, Capacity             uint64
	Offset                     uint64 // bytes into the object
	Device                     Device
	Identity                   [16]byte // of the object; the same in all handles of it
	Format                     HandleFormat
	Kind                       AllocatorKind
	Flags                      ExportFlags
	Route                      HandleRoute
	PID                        int // of the exporter, as it saw itself; for people
	VersionMajor, VersionMinor uint16
}

func (o *ExportOptions) params() C.shmalloc_export_params {
	params := C.shmalloc_export_params{struct_size: C.sizeof_shmalloc_export_params}
	if o == nil {
		return params
	}
	params.ttl_ns, params.format = C.int64_t(o.TTL), C.int32_t(o.Format)
	if o.ReadOnly {
		params.flags |= C.SHMALLOC_EXPORT_READ_ONLY
	}
	if o.Descriptor {
		params.flags |= C.SHMALLOC_EXPORT_DESCRIPTOR
	}
	if o.Counted {
		params.flags |= C.SHMALLOC_EXPORT_COUNTED
	}
	return params
}

func (h Handle) first() *C.uint8_t {
	if len(h) == 0 {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(&h[0]))
}

// Export makes a handle. It is good as long as this process holds the storage, and for its time to live after that.
func (s *Storage) Export(o *ExportOptions) (Handle, error) {
	params := o.params()
	room := make([]byte, HandleMax)
	var length C.size_t = HandleMax
	err := s.call(func(f *frame) C.shmalloc_status {
		return C.shmalloc_storage_export(s.raw(), &params, (*C.uint8_t)(unsafe.Pointer(&room[0])), &length, &f.err)
	})
	if err != nil {
		return nil, err
	}
	return Handle(room[:length:length]), nil
}

// ExportText is the same as text, for JSON, a command line or an environment variable.
func (s *Storage) ExportText(o *ExportOptions) (string, error) {
	handle, err := s.Export(o)
	if err != nil {
		return "", err
	}
	return handle.Text()
}

// ExportFiles is the descriptors of its memory, for those who bring them to the receiver themselves. They are yours to close. An object has
// one, a segment two, which lead to all that lies in it, an empty storage none.
func (s *Storage) ExportFiles(o *ExportOptions) ([]*os.File, error) {
	params := o.params()
	fds := make([]C.int32_t, 4)
	for {
		count := C.size_t(len(fds))
		err := s.call(func(f *frame) C.shmalloc_status {
			return C.shmalloc_storage_export_fds(s.raw(), &params, &fds[0], &count, &f.err)
		})
		if isStatus(err, StatusNoSpace) && int(count) > len(fds) {
			fds = make([]C.int32_t, int(count))
			continue
		}
		if err != nil {
			return nil, err
		}
		files := make([]*os.File, int(count))
		for i := range files {
			files[i] = os.NewFile(uintptr(fds[i]), "shmalloc")
		}
		return files, nil
	}
}

// Revoke makes every handle that this process gave out so far void. Those who have the storage open keep it.
func (s *Storage) Revoke() error {
	return s.call(func(f *frame) C.shmalloc_status { return C.shmalloc_storage_revoke(s.raw(), &f.err) })
}

// Import opens a handle. A handle without files carries names that are opened with this process's rights: take such bytes from those whom
// you would let choose what you open, and messages (Receive) from anybody.
func Import(handle Handle, o *ImportOptions) (*Storage, error) {
	if o == nil {
		o = &ImportOptions{}
	}
	params := C.shmalloc_import_params{struct_size: C.sizeof_shmalloc_import_params, format: C.int32_t(o.Format)}
	if o.ReadOnly {
		params.flags |= C.SHMALLOC_IMPORT_READ_ONLY
	}
	if o.Counted {
		params.flags |= C.SHMALLOC_IMPORT_COUNTED
	}
	f := newFrame()
	defer f.done()
	err := withDescriptors(o.Files, func(fds []C.int32_t) error {
		var first *C.int32_t
		if len(fds) > 0 {
			first = &fds[0]
		}
		return f.check(C.shmalloc_storage_import(handle.first(), C.size_t(len(handle)), first, C.size_t(len(fds)), &params,
			&f.storage, &f.err))
	})
	if err != nil {
		return nil, err
	}
	return newStorage(f.storage), nil
}

// ImportText opens a handle's text.
func ImportText(text string, o *ImportOptions) (*Storage, error) {
	handle, err := ParseHandle(text)
	if err != nil {
		return nil, err
	}
	return Import(handle, o)
}

// withDescriptors calls do with the files' descriptors, which can't be closed meanwhile and stay in the mode that they are in.
func withDescriptors(files []*os.File, do func(fds []C.int32_t) error) error {
	fds := make([]C.int32_t, 0, len(files))
	var next func() error
	next = func() error {
		if len(fds) == len(files) {
			return do(fds)
		}
		conn, err := files[len(fds)].SyscallConn()
		if err != nil {
			return &Error{Status: StatusInvalid, Message: "a file without a descriptor", Cause: err}
		}
		var result error
		err = conn.Control(func(fd uintptr) {
			fds = append(fds, C.int32_t(fd))
			result = next()
		})
		if err != nil {
			return &Error{Status: StatusInvalid, Message: "a file that is closed", Cause: os.ErrClosed}
		}
		return result
	}
	return next()
}

// Text is a handle as text that survives JSON, a command line and an environment variable. Native handles only.
func (h Handle) Text() (string, error) {
	return readText(func(text *C.char, length *C.size_t, err *C.shmalloc_error) C.shmalloc_status {
		return C.shmalloc_handle_to_text(h.first(), C.size_t(len(h)), text, length, err)
	})
}

// ParseHandle is the handle of a text.
func ParseHandle(text string) (Handle, error) {
	asked, err := newText(text)
	if err != nil {
		return nil, err
	}
	defer asked.free()
	f := newFrame()
	defer f.done()
	room := make([]byte, HandleMax)
	f.size = HandleMax
	err = f.check(C.shmalloc_handle_from_text(asked.c, (*C.uint8_t)(unsafe.Pointer(&room[0])), &f.size, &f.err))
	if err != nil {
		return nil, err
	}
	return Handle(room[:f.size:f.size]), nil
}

// MarshalText is Text, for encoding/json and its like.
func (h Handle) MarshalText() ([]byte, error) {
	text, err := h.Text()
	return []byte(text), err
}

// UnmarshalText is ParseHandle.
func (h *Handle) UnmarshalText(text []byte) error {
	handle, err := ParseHandle(string(text))
	if err == nil {
		*h = handle
	}
	return err
}

// Info reads a handle without opening it.
func (h Handle) Info() (HandleInfo, error) {
	f := newFrame()
	defer f.done()
	raw := C.shmalloc_handle_info{struct_size: C.sizeof_shmalloc_handle_info}
	if err := f.check(C.shmalloc_handle_get_info(h.first(), C.size_t(len(h)), &raw, &f.err)); err != nil {
		return HandleInfo{}, err
	}
	info := HandleInfo{
		Size: uint64(raw.size), Capacity: uint64(raw.capacity), Offset: uint64(raw.offset), Device: Device(raw.device),
		Format: HandleFormat(raw.format), Kind: AllocatorKind(raw.kind), Flags: ExportFlags(raw.flags), Route: HandleRoute(raw.route),
		PID: int(raw.pid), VersionMajor: uint16(raw.version_major), VersionMinor: uint16(raw.version_minor),
	}
	copy(info.Identity[:], C.GoBytes(unsafe.Pointer(&raw.identity[0]), C.int(len(raw.identity))))
	return info, nil
}
