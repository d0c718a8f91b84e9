package shmalloc

// #include "shim.h"
import "C"

import (
	"io"
	"unsafe"
)

// ReadView is the bytes of a storage, held where they are until it is closed: a pin. It holds the memory by itself, also when the
// storage was closed; what would move or unmap the bytes under it is ErrBusy.
type ReadView struct {
	hold
	bytes []byte
}

// View is a ReadView whose bytes may be written.
type View struct{ ReadView }

func unpin(access C.shmalloc_access) func(unsafe.Pointer) {
	return func(p unsafe.Pointer) { C.shmalloc_storage_unpin((*C.shmalloc_storage)(p), access) }
}

// Giving a pin back never frees, so a finalizer may do it as it is.
var (
	readOwner  = &owner{silent(unpin(C.SHMALLOC_ACCESS_READ)), unpin(C.SHMALLOC_ACCESS_READ)}
	writeOwner = &owner{silent(unpin(C.SHMALLOC_ACCESS_WRITE)), unpin(C.SHMALLOC_ACCESS_WRITE)}
)

// View is a view to write. ErrPermission: the memory is read-only here. ErrUnsupported, as with all that gives the bytes: it is a device's,
// and not for the host.
func (s *Storage) View() (*View, error) {
	v := new(View)
	if err := v.pin(s, C.SHMALLOC_ACCESS_WRITE, writeOwner); err != nil {
		return nil, err
	}
	return v, nil
}

// ReadView is a view to read, of any storage.
func (s *Storage) ReadView() (*ReadView, error) {
	v := new(ReadView)
	if err := v.pin(s, C.SHMALLOC_ACCESS_READ, readOwner); err != nil {
		return nil, err
	}
	return v, nil
}

func (v *ReadView) pin(s *Storage, access C.shmalloc_access, owner *owner) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.done()
	bytes, err := s.pin(access)
	if err != nil {
		return err
	}
	v.bytes = bytes
	v.start(s.pointer, owner)
	return nil
}

// Bytes is the memory itself: other processes see what is written to it, and change it at any time. The slice must not be used once the
// view is closed, or unreachable: keep the view as long as the slice. Of a view that is only for reading it must not be written: where the
// memory is mapped so, that is a fault, which ends the program as any write through a bad pointer does; elsewhere it changes the bytes
// under everybody. Nil: the storage is empty, or the view closed.
func (v *ReadView) Bytes() []byte {
	if !v.use() {
		return nil
	}
	defer v.done()
	return v.bytes
}

// Len is how many bytes there are.
func (v *ReadView) Len() int { return len(v.Bytes()) }

// ReadAt copies out of the view, as io.ReaderAt says.
func (v *ReadView) ReadAt(p []byte, offset int64) (int, error) {
	if !v.use() {
		return 0, refused(StatusClosed, "this view was closed")
	}
	defer v.done()
	return readAt(v.bytes, p, offset)
}

// WriteAt copies into the view, all of p or nothing: what does not fit is ErrInvalid.
func (v *View) WriteAt(p []byte, offset int64) (int, error) {
	if !v.use() {
		return 0, refused(StatusClosed, "this view was closed")
	}
	defer v.done()
	return writeAt(v.bytes, p, offset)
}

func readAt(bytes, p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, refused(StatusInvalid, "an offset below 0")
	}
	if offset > int64(len(bytes)) {
		offset = int64(len(bytes))
	}
	n := copy(p, bytes[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func writeAt(bytes, p []byte, offset int64) (int, error) {
	if offset < 0 || offset > int64(len(bytes)) || len(p) > len(bytes)-int(offset) {
		return 0, refused(StatusInvalid, "bytes beyond the end of the storage")
	}
	return copy(bytes[offset:], p), nil
}

// ReadAt copies out of the storage, as io.ReaderAt says: io.EOF at its end.
func (s *Storage) ReadAt(p []byte, offset int64) (n int, err error) {
	err = s.Inspect(func(bytes []byte) error {
		n, err = readAt(bytes, p, offset)
		return err
	})
	return n, err
}

// WriteAt copies into the storage, all of p or nothing: what does not fit is ErrInvalid, it never grows.
func (s *Storage) WriteAt(p []byte, offset int64) (n int, err error) {
	err = s.Update(func(bytes []byte) error {
		n, err = writeAt(bytes, p, offset)
		return err
	})
	return n, err
}

// Update gives the bytes to do, which may write them and must not keep the slice.
func (s *Storage) Update(do func(bytes []byte) error) error {
	return s.pinned(C.SHMALLOC_ACCESS_WRITE, do)
}

// Inspect gives the bytes to do, which must neither write them nor keep the slice.
func (s *Storage) Inspect(do func(bytes []byte) error) error {
	return s.pinned(C.SHMALLOC_ACCESS_READ, do)
}

// pinned is a view that needs no finalizer, for it ends here.
func (s *Storage) pinned(access C.shmalloc_access, do func(bytes []byte) error) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.done()
	bytes, err := s.pin(access)
	if err != nil {
		return err
	}
	defer C.shmalloc_storage_unpin(s.raw(), access)
	return do(bytes)
}

// pin is the bytes, held where they are: one shmalloc_storage_unpin is owed.
func (s *Storage) pin(access C.shmalloc_access) ([]byte, error) {
	f := newFrame()
	defer f.done()
	if err := f.check(C.shmalloc_storage_pin(s.raw(), access, &f.data, &f.size, &f.err)); err != nil {
		return nil, err
	}
	if f.data == nil {
		if f.size == 0 {
			return nil, nil
		}
		C.shmalloc_storage_unpin(s.raw(), access)
		return nil, refused(StatusUnsupported, "the host can't touch this memory of a device: copy from or to a storage of the host")
	}
	return unsafe.Slice((*byte)(f.data), int(f.size)), nil
}

// All is a size for Copy: all bytes that follow the offsets, and then both storages must be as long.
const All = -1

// Copy copies bytes of another storage, or of the same one, to an offset of this one. A storage that a peer truncates meanwhile is an error.
// From and to memory of a device it is CopyOn with its default stream.
func (s *Storage) Copy(offset int, source *Storage, sourceOffset, size int) error {
	return s.copy(nil, 0, offset, source, sourceOffset, size)
}

// CopyOn is Copy in the order of a stream, and waits for it. The stream is of this storage's device, or of the source's if this one is the
// host's, else ErrInvalid; between storages of the host it is not looked at. Nil: the default stream. ErrUnsupported: no way leads from the one to
// the other.
func (s *Storage) CopyOn(stream *Stream, offset int, source *Storage, sourceOffset, size int) error {
	return s.copy(stream, 0, offset, source, sourceOffset, size)
}

// QueueCopy is CopyOn that does not wait: both storages are held until the stream has passed the copy, also when they are closed here. It waits
// all the same on a device without CapabilityCall, and if one storage is the host's and a peer could cut it short: StorageStateSealed
// (Isolated storages have it) and private ones (AllocatorKindDirect) do not wait.
func (s *Storage) QueueCopy(stream *Stream, offset int, source *Storage, sourceOffset, size int) error {
	return s.copy(stream, C.SHMALLOC_COPY_NON_BLOCKING, offset, source, sourceOffset, size)
}

func (s *Storage) copy(stream *Stream, flags C.uint32_t, offset int, source *Storage, sourceOffset, size int) error {
	if offset < 0 || sourceOffset < 0 || size < All {
		return refused(StatusInvalid, "an offset or a size below 0")
	}
	count := C.size_t(size)
	if size == All {
		count = C.SHMALLOC_SIZE_ALL
	}
	if err := source.begin(); err != nil {
		return err
	}
	defer source.done()
	on, err := stream.onDeviceOf(s, source)
	if err != nil {
		return err
	}
	defer stream.end()
	return s.call(func(f *frame) C.shmalloc_status {
		return C.shmalloc_storage_copy(s.raw(), C.size_t(offset), source.raw(), C.size_t(sourceOffset), count, on,
			flags, &f.err)
	})
}
