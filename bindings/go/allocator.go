package shmalloc

// #include "shim.h"
import "C"

import "unsafe"

// Allocator is where storages come from. A nil *Allocator is the current one of the host in all methods but Close, Clone, MakeCurrent and
// those that only kind CACHING has.
type Allocator struct {
	hold
	device Device
}

// AllocatorOptions are what an allocator is made of; nil and all zero: the best for sharing on the host. Of a device AllocatorKindDefault is
// AllocatorKindCaching.
type AllocatorOptions struct {
	Kind        AllocatorKind
	Name        string // for people, at most 63 bytes
	Config      string // key:value,key:value as at shmalloc_allocator_params
	Environment bool   // settings in the variable SHMALLOC_CONF come after those of Config
	Device      Device
}

// AllocatorInfo describes an allocator.
type AllocatorInfo struct {
	Name         string
	Kind         AllocatorKind // never AllocatorKindDefault
	Device       Device
	ID           uint64 // of this allocator in this process, never used again
	References   uint64 // in this process, those of its storages included
	LiveStorages uint64 // made by it and not yet closed
	LiveBytes    uint64 // their sizes added up, as they were made
	Alignment    uint64 // bytes; every storage begins at a multiple of this
	Capabilities CapabilityFlags
}

func newAllocator(p *C.shmalloc_allocator, device Device) *Allocator {
	a := &Allocator{device: device}
	a.start(unsafe.Pointer(p), allocatorOwner)
	return a
}

func (a *Allocator) raw() *C.shmalloc_allocator {
	if a == nil {
		return nil
	}
	return (*C.shmalloc_allocator)(a.pointer)
}

// where is the device of its memory.
func (a *Allocator) where() Device {
	if a == nil {
		return DeviceHost
	}
	return a.device
}

// begin keeps the allocator for a call; a nil one needs no keeping.
func (a *Allocator) begin() error {
	if a != nil && !a.use() {
		return refused(StatusClosed, "this allocator was closed")
	}
	return nil
}

func (a *Allocator) end() {
	if a != nil {
		a.done()
	}
}

// NewAllocator makes an allocator.
func NewAllocator(o *AllocatorOptions) (*Allocator, error) {
	if o == nil {
		o = &AllocatorOptions{}
	}
	name, err := optionalText(o.Name)
	if err != nil {
		return nil, err
	}
	defer name.free()
	config, err := optionalText(o.Config)
	if err != nil {
		return nil, err
	}
	defer config.free()
	params := C.shmalloc_allocator_params{
		struct_size: C.sizeof_shmalloc_allocator_params, device: C.shmalloc_device(o.Device), name: name.c, config: config.c,
		kind: C.int32_t(o.Kind),
	}
	if o.Environment {
		params.flags = C.SHMALLOC_ALLOCATOR_ENVIRONMENT
	}
	f := newFrame()
	defer f.done()
	var made *C.shmalloc_allocator
	if err := f.check(C.shmalloc_allocator_create(&params, &made, &f.err)); err != nil {
		return nil, err
	}
	return newAllocator(made, o.Device), nil
}

// CurrentAllocator is the allocator that is used where none is named. Close it as any other: that only gives this hold back.
func CurrentAllocator(device Device) (*Allocator, error) {
	f := newFrame()
	defer f.done()
	var found *C.shmalloc_allocator
	if err := f.check(C.shmalloc_allocator_get_current(C.shmalloc_device(device), &found, &f.err)); err != nil {
		return nil, err
	}
	return newAllocator(found, device), nil
}

// Clone is a second hold on the same allocator, with a Close of its own.
func (a *Allocator) Clone() (*Allocator, error) {
	if err := a.begin(); err != nil {
		return nil, err
	}
	defer a.end()
	C.shmalloc_allocator_retain(a.raw())
	return newAllocator(a.raw(), a.device), nil
}

// MakeCurrent uses this allocator where none is named. ErrBusy: storages of the one before are live.
func (a *Allocator) MakeCurrent() error {
	if err := a.begin(); err != nil {
		return err
	}
	defer a.end()
	f := newFrame()
	defer f.done()
	return f.check(C.shmalloc_allocator_set_current(a.raw(), &f.err))
}

// NewStorage makes a storage; o.Allocator is not looked at.
func (a *Allocator) NewStorage(size int, o *StorageOptions) (*Storage, error) {
	if err := a.begin(); err != nil {
		return nil, err
	}
	defer a.end()
	if o == nil {
		return createStorage(a.raw(), size, C.SHMALLOC_STREAM_DEFAULT, nil)
	}
	stream, err := o.Stream.on(a.where())
	if err != nil {
		return nil, err
	}
	defer o.Stream.end()
	storage, err := createStorage(a.raw(), size, stream, o)
	if err != nil {
		return nil, err
	}
	storage.keep(o.Stream)
	return storage, nil
}

// Info describes the allocator.
func (a *Allocator) Info() (AllocatorInfo, error) {
	if err := a.begin(); err != nil {
		return AllocatorInfo{}, err
	}
	defer a.end()
	f := newFrame()
	defer f.done()
	raw := C.shmalloc_allocator_info{struct_size: C.sizeof_shmalloc_allocator_info}
	if err := f.check(C.shmalloc_allocator_get_info(a.raw(), &raw, &f.err)); err != nil {
		return AllocatorInfo{}, err
	}
	return AllocatorInfo{
		Name: C.GoString(&raw.name[0]), Kind: AllocatorKind(raw.kind), Device: Device(raw.device), ID: uint64(raw.id),
		References: uint64(raw.references), LiveStorages: uint64(raw.live_storages), LiveBytes: uint64(raw.live_bytes),
		Alignment: uint64(raw.alignment), Capabilities: CapabilityFlags(raw.capabilities),
	}, nil
}

// Configure changes settings: all that the text names, or none. Storages made before keep what they were made with.
func (a *Allocator) Configure(config string) error {
	if err := a.begin(); err != nil {
		return err
	}
	defer a.end()
	text, err := newText(config)
	if err != nil {
		return err
	}
	defer text.free()
	f := newFrame()
	defer f.done()
	return f.check(C.shmalloc_allocator_configure(a.raw(), text.c, &f.err))
}

// Config is the value of one setting, or with "" all of them as key:value,key:value.
func (a *Allocator) Config(key string) (string, error) {
	if err := a.begin(); err != nil {
		return "", err
	}
	defer a.end()
	asked, err := optionalText(key)
	if err != nil {
		return "", err
	}
	defer asked.free()
	return readText(func(text *C.char, length *C.size_t, err *C.shmalloc_error) C.shmalloc_status {
		return C.shmalloc_allocator_get_config(a.raw(), asked.c, text, length, err)
	})
}

// Trim gives back what the allocator keeps for later, or with nil what every allocator does, until no more than keep bytes are kept. What
// 0: all of it. It answers how many bytes went back, as far as is known.
func (a *Allocator) Trim(what TrimFlags, keep uint64) (uint64, error) {
	if err := a.begin(); err != nil {
		return 0, err
	}
	defer a.end()
	f := newFrame()
	defer f.done()
	var bytes C.uint64_t
	err := f.check(C.shmalloc_allocator_trim(a.raw(), C.uint32_t(what), C.uint64_t(keep), &bytes, &f.err))
	return uint64(bytes), err
}

// Trim is Allocator.Trim of every allocator. It also does what finalizers put off.
func Trim(what TrimFlags, keep uint64) (uint64, error) { return (*Allocator)(nil).Trim(what, keep) }
