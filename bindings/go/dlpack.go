package shmalloc

// #include "shim.h"
import "C"

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Tensor is how the bytes of a storage are seen as an array; all zero: a vector of bytes, all of the storage.
type Tensor struct {
	Shape   []int64 // elements in each dimension
	Strides []int64 // elements from one index to the next; nil: the last index is the fastest and nothing lies between
	Offset  uint64  // bytes from the storage's first to the element whose indices are all 0
	Flags   TensorFlags
	Code    uint8  // DLPack's DLDataTypeCode: 0 int, 1 unsigned, 2 float, 4 bfloat, 5 complex, 6 bool
	Bits    uint8  // of one lane; 0 with all else 0: a vector of bytes
	Lanes   uint16 // 0: 1
}

// ManagedTensor is a tensor that a C library which speaks DLPack can take: a DLManagedTensorVersioned, or a DLManagedTensor. It holds a
// view on the storage.
type ManagedTensor struct {
	pointer     atomic.Pointer[struct{}]
	unversioned C.int32_t
}

// DLPack is a tensor over the storage's bytes (shmalloc_dlpack_export). Nil: all of them.
func (s *Storage) DLPack(t *Tensor) (*ManagedTensor, error) { return s.dlpack(t, 0) }

// DLPackUnversioned is the same for consumers that know no versions (shmalloc_dlpack_export_unversioned). It can't say that it is
// read-only: ErrPermission.
func (s *Storage) DLPackUnversioned(t *Tensor) (*ManagedTensor, error) { return s.dlpack(t, 1) }

func (s *Storage) dlpack(t *Tensor, unversioned C.int32_t) (*ManagedTensor, error) {
	if t == nil {
		t = &Tensor{}
	}
	if t.Strides != nil && len(t.Strides) != len(t.Shape) {
		return nil, refused(StatusInvalid, "as many strides as dimensions are needed, or none")
	}
	raw := C.shmalloc_tensor{
		struct_size: C.sizeof_shmalloc_tensor, offset: C.uint64_t(t.Offset), ndim: C.int32_t(len(t.Shape)), flags: C.uint32_t(t.Flags),
		code: C.uint8_t(t.Code), bits: C.uint8_t(t.Bits), lanes: C.uint16_t(t.Lanes),
	}
	var shape, strides *C.int64_t
	if len(t.Shape) > 0 {
		shape = (*C.int64_t)(unsafe.Pointer(&t.Shape[0]))
	}
	if len(t.Strides) > 0 {
		strides = (*C.int64_t)(unsafe.Pointer(&t.Strides[0]))
	}
	var managed unsafe.Pointer
	err := s.call(func(f *frame) C.shmalloc_status {
		return C.shmalloc_go_dlpack_export(s.raw(), &raw, shape, strides, unversioned, &managed, &f.err)
	})
	if err != nil {
		return nil, err
	}
	m := &ManagedTensor{unversioned: unversioned}
	m.pointer.Store((*struct{})(managed))
	runtime.SetFinalizer(m, (*ManagedTensor).Close)
	return m, nil
}

// Take gives the tensor away: whoever gets the pointer calls its deleter. Nil: it was taken or closed.
func (m *ManagedTensor) Take() unsafe.Pointer {
	runtime.SetFinalizer(m, nil)
	return unsafe.Pointer(m.pointer.Swap(nil))
}

// Close calls the deleter of a tensor that nobody took. A second Close does nothing.
func (m *ManagedTensor) Close() error {
	if p := m.Take(); p != nil {
		C.shmalloc_go_dlpack_delete(p, m.unversioned)
	}
	return nil
}

// FromDLPack is a storage over somebody's DLManagedTensorVersioned, and how its bytes are to be seen. The tensor is the library's from here
// on, on failure too. The storage is private to this process until Share moves its bytes.
func FromDLPack(managed unsafe.Pointer) (*Storage, Tensor, error) {
	return fromDLPack(func(t *C.shmalloc_tensor, f *frame) C.shmalloc_status {
		return C.shmalloc_dlpack_import((*C.struct_DLManagedTensorVersioned)(managed), t, &f.storage, &f.err)
	})
}

// FromDLPackUnversioned is the same for a DLManagedTensor.
func FromDLPackUnversioned(managed unsafe.Pointer) (*Storage, Tensor, error) {
	return fromDLPack(func(t *C.shmalloc_tensor, f *frame) C.shmalloc_status {
		return C.shmalloc_dlpack_import_unversioned((*C.struct_DLManagedTensor)(managed), t, &f.storage, &f.err)
	})
}

func fromDLPack(call func(t *C.shmalloc_tensor, f *frame) C.shmalloc_status) (*Storage, Tensor, error) {
	f := newFrame()
	defer f.done()
	raw := C.shmalloc_tensor{struct_size: C.sizeof_shmalloc_tensor}
	if err := f.check(call(&raw, f)); err != nil {
		return nil, Tensor{}, err
	}
	return newStorage(f.storage), Tensor{
		Shape: numbers(raw.shape, raw.ndim), Strides: numbers(raw.strides, raw.ndim), Offset: uint64(raw.offset),
		Flags: TensorFlags(raw.flags), Code: uint8(raw.code), Bits: uint8(raw.bits), Lanes: uint16(raw.lanes),
	}, nil
}

func numbers(first *C.int64_t, count C.int32_t) []int64 {
	if first == nil {
		return nil
	}
	return append([]int64(nil), unsafe.Slice((*int64)(first), int(count))...)
}
