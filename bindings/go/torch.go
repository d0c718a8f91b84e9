package shmalloc

// #include "shim.h"
import "C"

import (
	"context"
	"os"
)

// TorchRefcount adds to PyTorch's count in a storage of kind MAP_REFCOUNTED, and answers what it is then; 0 only reads it.
func (s *Storage) TorchRefcount(change int32) (int32, error) {
	var count C.int32_t
	err := s.call(func(f *frame) C.shmalloc_status {
		return C.shmalloc_torch_refcount(s.raw(), C.int32_t(change), &count, &f.err)
	})
	return int32(count), err
}

// RunTorchManager answers PyTorch's torch_shm_manager protocol on a unix socket at path until the context is done, which is no error.
// It holds an operating system thread as long as it runs.
func RunTorchManager(ctx context.Context, path string) error {
	text, err := newText(path)
	if err != nil {
		return err
	}
	defer text.free()
	stop, end, err := os.Pipe()
	if err != nil {
		return &Error{Status: StatusSystem, Message: err.Error(), Cause: err}
	}
	defer stop.Close()
	returned := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer end.Close()
		select {
		case <-ctx.Done():
		case <-returned:
		}
	}()
	defer func() {
		close(returned)
		<-watched
	}()
	f := newFrame()
	defer f.done()
	return withDescriptors([]*os.File{stop}, func(fds []C.int32_t) error {
		return f.check(C.shmalloc_torch_manager_run(text.c, fds[0], &f.err))
	})
}
