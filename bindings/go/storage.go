package shmalloc

// #include "shim.h"
import "C"

import (
	"io/fs"
	"os"
	"sync"
	"unsafe"
)

// Storage is some bytes that other processes can open, or memory of a device.
type Storage struct {
	hold
	mutex   sync.Mutex
	streams []*Stream // that it was made on, or that were noted: collected after it
}

// StorageOptions are what a storage needs beyond its size; nil and all zero: the allocator's defaults.
type StorageOptions struct {
	Allocator  *Allocator  // nil: the current one of Stream's device, or the host; one of kind MAP if something below can only be had there
	Stream     *Stream     // of the first use, and in whose order the memory goes back; nil: the default stream. Of the host: not looked at
	Zeroed     bool        // new memory is all 0; without it, it holds what was there before
	Isolated   bool        // pages and a descriptor of its own, for receivers that must not see its neighbours, or must not write
	Alignment  uint64      // bytes, a power of two
	Capacity   uint64      // bytes that it may grow to; 0: as much as its size
	NUMANode   int         // one more than the number of the node that the memory is bound to; 0: the allocator's; -1: any
	Name       string      // kind MAP: path of a file, or name of a shm object
	Mapped     MappedFlags // kind MAP: from what it is mapped
	File       *os.File    // kind MAP: from the object behind this descriptor, which stays yours; implies MappedFromFD
	FileOffset uint64      // kind MAP: where in the file the storage begins
	PageSize   uint64      // MappedHugetlb: bytes; 0: the machine's default huge page
	Mode       fs.FileMode // kind MAP: permission bits of a new file or object; 0: the allocator's
}

// StorageInfo describes a storage.
type StorageInfo struct {
	Address     uint64
	Device      Device
	Size        uint64 // bytes that may be used
	Capacity    uint64 // bytes it may grow to in place
	ID          uint64 // of this storage in this process, never used again
	Generation  uint64 // goes up whenever its bytes get another address, or other memory behind the same one
	AllocatorID uint64 // of the allocator that made it, 0 if none did
	References  uint64 // in this process, pins included
	Pins        uint64
	Kind        AllocatorKind
	State       StorageStateFlags
	Mapped      MappedFlags
	FD          int // the storage's own: not to be closed, good as long as it is open; -1: none kept
}

func newStorage(p *C.shmalloc_storage) *Storage {
	s := new(Storage)
	s.start(unsafe.Pointer(p), storageOwner)
	return s
}

func (s *Storage) raw() *C.shmalloc_storage { return (*C.shmalloc_storage)(s.pointer) }

func (s *Storage) begin() error {
	if !s.use() {
		return refused(StatusClosed, "this storage was closed")
	}
	return nil
}

// NewStorage makes a storage, by default in a segment with others. Its blocks are reserved before it is handed out. Size 0: what exists,
// for a named object or a descriptor; else an empty storage.
func NewStorage(size int, o *StorageOptions) (*Storage, error) {
	if o == nil {
		return createStorage(nil, size, C.SHMALLOC_STREAM_DEFAULT, nil)
	}
	allocator := o.Allocator
	if allocator == nil && (o.Stream.where() != DeviceHost || o.needsMap()) {
		found, err := o.findAllocator()
		if err != nil {
			return nil, err
		}
		defer found.Close()
		allocator = found
	}
	return allocator.NewStorage(size, o)
}

func (o *StorageOptions) findAllocator() (*Allocator, error) {
	if device := o.Stream.where(); device != DeviceHost {
		return CurrentAllocator(device)
	}
	return mapAllocator()
}

func (o *StorageOptions) needsMap() bool {
	return o.Name != "" || o.Mapped != 0 || o.File != nil || o.FileOffset != 0 || o.PageSize != 0 || o.Mode != 0
}

// mapAllocator is the current one, if its kind can map named objects, or a new one that can.
func mapAllocator() (*Allocator, error) {
	current, err := CurrentAllocator(DeviceHost)
	if err != nil {
		return nil, err
	}
	info, err := current.Info()
	if err == nil && (info.Kind == AllocatorKindMap || info.Kind == AllocatorKindMapRefcounted) {
		return current, nil
	}
	current.Close()
	if err != nil {
		return nil, err
	}
	return NewAllocator(&AllocatorOptions{Kind: AllocatorKindMap})
}

func createStorage(allocator *C.shmalloc_allocator, size int, stream C.shmalloc_stream, o *StorageOptions) (*Storage, error) {
	if size < 0 {
		return nil, refused(StatusInvalid, "a size below 0")
	}
	f := newFrame()
	defer f.done()
	if o == nil {
		err := f.check(C.shmalloc_storage_create(allocator, C.size_t(size), stream, nil, &f.storage, &f.err))
		if err != nil {
			return nil, err
		}
		return newStorage(f.storage), nil
	}
	name, err := optionalText(o.Name)
	if err != nil {
		return nil, err
	}
	defer name.free()
	params := C.shmalloc_storage_params{
		struct_size: C.sizeof_shmalloc_storage_params, name: name.c, alignment: C.uint64_t(o.Alignment),
		capacity: C.uint64_t(o.Capacity), file_offset: C.uint64_t(o.FileOffset), page_size: C.uint64_t(o.PageSize),
		mapped: C.uint32_t(o.Mapped), mode: C.uint32_t(o.Mode.Perm()), numa_node: C.int32_t(o.NUMANode), fd: -1,
	}
	if o.Zeroed {
		params.flags |= C.SHMALLOC_STORAGE_ZEROED
	}
	if o.Isolated {
		params.flags |= C.SHMALLOC_STORAGE_ISOLATED
	}
	create := func(fds []C.int32_t) error {
		if len(fds) > 0 {
			params.mapped |= C.SHMALLOC_MAPPED_FROMFD
			params.fd = fds[0]
		}
		return f.check(C.shmalloc_storage_create(allocator, C.size_t(size), stream, &params, &f.storage, &f.err))
	}
	var files []*os.File
	if o.File != nil {
		files = []*os.File{o.File}
	}
	if err := withDescriptors(files, create); err != nil {
		return nil, err
	}
	return newStorage(f.storage), nil
}

// Clone is a second hold on the same storage, with a Close of its own: for a goroutine that keeps it for a time of its own.
func (s *Storage) Clone() (*Storage, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.done()
	C.shmalloc_storage_retain(s.raw())
	clone := newStorage(s.raw())
	s.mutex.Lock()
	defer s.mutex.Unlock()
	clone.streams = append(clone.streams, s.streams...)
	return clone, nil
}

// keep refers to a stream from here on.
func (s *Storage) keep(stream *Stream) {
	if !stream.collected() {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, kept := range s.streams {
		if kept == stream {
			return
		}
	}
	s.streams = append(s.streams, stream)
}

// Destroy gives memory, descriptor and name back now, whoever else in this process holds the storage (shmalloc_storage_close), and tells what
// could not be. Handles that needed this process are ErrStale from then on. ErrBusy: a view of it is open. It still is to be closed.
func (s *Storage) Destroy() error {
	return s.call(func(f *frame) C.shmalloc_status { return C.shmalloc_storage_close(s.raw(), &f.err) })
}

// call makes one call that has no more to answer than whether it went well.
func (s *Storage) call(do func(f *frame) C.shmalloc_status) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.done()
	f := newFrame()
	defer f.done()
	return f.check(do(f))
}

// Size is how many bytes may be used; 0 when it is closed.
func (s *Storage) Size() int {
	if !s.use() {
		return 0
	}
	defer s.done()
	return int(C.shmalloc_storage_size(s.raw()))
}

// Address is where its first byte is, in its device's space; 0 when it is empty or closed.
func (s *Storage) Address() uint64 {
	if !s.use() {
		return 0
	}
	defer s.done()
	return uint64(C.shmalloc_storage_address(s.raw()))
}

// Data is its first byte, for other C code; nil when it is empty, closed, or not for the host. It is good only as long as nobody closes,
// shares or destroys the storage; a view forbids that, so prefer one.
func (s *Storage) Data() unsafe.Pointer {
	if !s.use() {
		return nil
	}
	defer s.done()
	return C.shmalloc_storage_data(s.raw())
}

// Device says where its memory is; the host when it is closed here.
func (s *Storage) Device() Device {
	info, _ := s.Info()
	return info.Device
}

// RecordStream notes that another stream uses it, nil: the default stream: what is queued there when it is closed is done before anybody else
// has the memory. The stream that it was made for needs no note, and on the host nothing does. The stream is not collected as long as the storage
// is not; close it after the storage. ErrInvalid: it is another device's.
func (s *Storage) RecordStream(stream *Stream) error {
	on, err := stream.onDeviceOf(s)
	if err != nil {
		return err
	}
	defer stream.end()
	err = s.call(func(f *frame) C.shmalloc_status { return C.shmalloc_storage_record_stream(s.raw(), on, &f.err) })
	if err == nil {
		s.keep(stream)
	}
	return err
}

// Info is all that is known of it.
func (s *Storage) Info() (StorageInfo, error) {
	raw := C.shmalloc_storage_info{struct_size: C.sizeof_shmalloc_storage_info}
	err := s.call(func(f *frame) C.shmalloc_status { return C.shmalloc_storage_get_info(s.raw(), &raw, &f.err) })
	if err != nil {
		return StorageInfo{}, err
	}
	return StorageInfo{
		Address: uint64(raw.address), Device: Device(raw.device), Size: uint64(raw.size), Capacity: uint64(raw.capacity),
		ID: uint64(raw.id), Generation: uint64(raw.generation), AllocatorID: uint64(raw.allocator_id),
		References: uint64(raw.references), Pins: uint64(raw.pins), Kind: AllocatorKind(raw.kind),
		State: StorageStateFlags(raw.state), Mapped: MappedFlags(raw.mapped), FD: int(raw.fd),
	}, nil
}

// Name is the path of its file or the name of its shm object. ErrNotFound: it has none.
func (s *Storage) Name() (string, error) {
	if err := s.begin(); err != nil {
		return "", err
	}
	defer s.done()
	return readText(func(text *C.char, length *C.size_t, err *C.shmalloc_error) C.shmalloc_status {
		return C.shmalloc_storage_get_name(s.raw(), text, length, err)
	})
}

// Share makes a private storage shareable: its bytes move to `to`, or with nil to the current allocator, and this object stays. ErrBusy: a
// view of it is open.
func (s *Storage) Share(to *Allocator) error {
	if err := to.begin(); err != nil {
		return err
	}
	defer to.end()
	return s.call(func(f *frame) C.shmalloc_status {
		return C.shmalloc_storage_share(s.raw(), to.raw(), C.SHMALLOC_STREAM_DEFAULT, &f.err)
	})
}

// Grow makes it longer at the same address, up to StorageInfo.Capacity; 0: to whatever another process made it. Views that are open keep
// their length.
func (s *Storage) Grow(size int) error {
	if size < 0 {
		return refused(StatusInvalid, "a size below 0")
	}
	return s.call(func(f *frame) C.shmalloc_status {
		return C.shmalloc_storage_grow(s.raw(), C.size_t(size), C.SHMALLOC_STREAM_DEFAULT, &f.err)
	})
}

// Seal ends writing for everybody, this process and those that open it later; for storages with pages of their own (Isolated). ErrBusy: a
// writable view of it is open, or another process maps it writable.
func (s *Storage) Seal() error {
	return s.call(func(f *frame) C.shmalloc_status { return C.shmalloc_storage_seal(s.raw(), &f.err) })
}

// MakeName is a new name for a shared object, with its leading slash. Prefix "": "shmalloc".
func MakeName(prefix string) (string, error) {
	asked, err := optionalText(prefix)
	if err != nil {
		return "", err
	}
	defer asked.free()
	return readText(func(text *C.char, length *C.size_t, err *C.shmalloc_error) C.shmalloc_status {
		return C.shmalloc_make_name(asked.c, text, length, err)
	})
}
