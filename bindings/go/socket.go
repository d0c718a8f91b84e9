package shmalloc

// #include "shim.h"
import "C"

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// ReceiveOptions say how storages are received; nil and all zero: writable if they were sent so, from anybody, as many as come.
type ReceiveOptions struct {
	ReadOnly bool // map for reading only
	SameUser bool // the other end must run as this user, else ErrPermission
	Room     int  // more storages than this in the next message are ErrNoSpace, and the message stays; 0: MessageMax
}

// Send sends storages over a unix socket (unix or unixpacket) in one message, with all that the receiver needs: all of them or none. A
// goroutine that waits for room in the socket is parked, and the connection's deadline ends that (ErrTimeout; nothing was sent). A stream
// socket that took a part of the message is waited for to its end by an operating system thread, whatever the deadline says.
func Send(conn *net.UnixConn, storages []*Storage, o *ExportOptions) error {
	handles := make([]*C.shmalloc_storage, len(storages))
	for i, s := range storages {
		if err := s.begin(); err != nil {
			return err
		}
		defer s.done()
		handles[i] = s.raw()
	}
	if len(handles) == 0 {
		return refused(StatusInvalid, "no storage to send")
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return connectionError(err)
	}
	params := o.params()
	f := newFrame()
	defer f.done()
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		for {
			sent = f.check(C.shmalloc_storage_send(C.int32_t(fd), &handles[0], C.size_t(len(handles)), &params, &f.err))
			if !isStatus(sent, StatusInterrupted) {
				return !isStatus(sent, StatusTimeout)
			}
		}
	})
	if err != nil {
		return connectionError(err)
	}
	return sent
}

// Receive receives the storages of one message. A goroutine that waits for it is parked, and the connection's deadline ends that
// (ErrTimeout; nothing was taken). ErrPeerGone: the other end closed.
func Receive(conn *net.UnixConn, o *ReceiveOptions) ([]*Storage, error) {
	if o == nil {
		o = &ReceiveOptions{}
	}
	if o.Room < 0 || o.Room > MessageMax {
		return nil, refused(StatusInvalid, "room for no number of storages")
	}
	room := o.Room
	if room == 0 {
		room = MessageMax
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, connectionError(err)
	}
	params := C.shmalloc_import_params{struct_size: C.sizeof_shmalloc_import_params, timeout_ns: C.SHMALLOC_TIME_NONE}
	if o.ReadOnly {
		params.flags |= C.SHMALLOC_IMPORT_READ_ONLY
	}
	if o.SameUser {
		params.flags |= C.SHMALLOC_IMPORT_SAME_USER
	}
	f := newFrame()
	defer f.done()
	handles := make([]*C.shmalloc_storage, room)
	var received error
	err = raw.Read(func(fd uintptr) bool {
		for {
			f.size = C.size_t(room)
			received = f.check(C.shmalloc_storage_receive(C.int32_t(fd), &params, &handles[0], &f.size, &f.err))
			if !isStatus(received, StatusInterrupted) {
				return !isStatus(received, StatusTimeout)
			}
		}
	})
	if err != nil {
		return nil, connectionError(err)
	}
	if received != nil {
		return nil, received
	}
	storages := make([]*Storage, int(f.size))
	for i := range storages {
		storages[i] = newStorage(handles[i])
	}
	return storages, nil
}

// connectionError is what net says, with our status.
func connectionError(err error) error {
	status := StatusSystem
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		status = StatusTimeout
	case errors.Is(err, net.ErrClosed):
		status = StatusClosed
	}
	return &Error{Status: status, Message: err.Error(), Cause: err}
}

// PassedConn is the connection behind an inherited descriptor: of exec.Cmd's ExtraFiles, or one end of a socket pair. The file may be
// closed then.
func PassedConn(file *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, connectionError(err)
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, refused(StatusInvalid, "not a unix socket")
	}
	return unix, nil
}

// SocketPair is two connected unixpacket sockets: one to keep, and one for exec.Cmd's ExtraFiles, on whose side PassedConn takes it.
func SocketPair() (*net.UnixConn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, connectionError(err)
	}
	mine, theirs := os.NewFile(uintptr(fds[0]), "socket pair"), os.NewFile(uintptr(fds[1]), "socket pair")
	defer mine.Close()
	conn, err := PassedConn(mine)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}
