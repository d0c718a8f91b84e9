// Package shmalloc makes, maps, shares and frees storages that several processes and languages of one machine see at the same time,
// without copying. It is a layer over the C library of the same name, which is found by pkg-config.
//
// A Storage is some bytes with an owner. An Allocator says where storages come from. A Handle is at most 512 plain bytes (or a text)
// from which another process opens the same storage. A Channel is a bounded queue of storages between processes.
//
//	storage, err := shmalloc.NewStorage(1<<20, nil)     // one process
//	_, err = storage.WriteAt([]byte("hello"), 0)
//	text, err := storage.ExportText(nil)                // goes to the other by any means
//
//	storage, err := shmalloc.ImportText(text, nil)      // the other process: the same memory
//	_, err = storage.ReadAt(buffer, 0)
//
// A Device is where memory is: the host, or one with streams and events, which put work on it in order. Its allocators keep memory for
// later by stream (AllocatorKindCaching), and its storages are made on a Stream:
//
//	stream, err := device.NewStream()
//	storage, err := shmalloc.NewStorage(1<<20, &shmalloc.StorageOptions{Stream: stream})
//	err = storage.QueueCopy(stream, 0, other, 0, shmalloc.All)
//	err = stream.Synchronize()
//
// # Lifetime
//
// Storage, Allocator, Channel, View, ReadView, Stream, Event and Observer have a Close, which gives their hold back at once. What is not
// closed is given back some time after the garbage collector found it: finalizers only put the release on a list, and later calls work
// that off. Memory outside of Go's heap does not make the collector run, so close what is large. A second Close does nothing, any other
// method then answers ErrClosed. Close while another goroutine is inside a call takes effect when that call is over.
//
// Go ends a process without the handlers that C runs at exit. Memory without a name goes with its processes all the same; a program that
// makes objects with names (kinds MAP with MappedSharedMem, and MAP_REFCOUNTED) closes them, and ends by Exit.
//
// # Slices
//
// View.Bytes is the memory itself, not a copy. The slice is good until the view is closed, or found unreachable by the garbage
// collector: the collector follows no slice to memory outside of its heap. `defer view.Close()` keeps the view as long as it is needed;
// Storage.Update and Storage.Inspect do the same around a function.
//
// # Threads
//
// All types may be used by several goroutines at once, except that one socket is for one Send and for one Receive at a time, which
// net.UnixConn sees to. Calls that wait (channels, Synchronize, RunTorchManager) hold an operating system thread while they do; Send and
// Receive over a socket do not.
//
// Functions that the library calls (SetLog, Observe, Stream.Call, AdoptOptions.Destroy) run on any thread, of the library's too. A panic in
// one ends the program.
package shmalloc
