package shmalloc

// #include "shim.h"
import "C"

import (
	"context"
	"time"
	"unsafe"
)

// Channel is a bounded queue of storages, each with some bytes beside it, for any number of senders and receivers in up to 64 processes.
// Close leaves it; CloseSend closes it for everybody.
type Channel struct {
	hold
	room int // bytes of a record at most
}

// ChannelOptions say what a channel is like.
type ChannelOptions struct {
	Capacity   uint64 // storages in it at most, rounded up to a power of two; 0: 256
	RecordSize uint32 // bytes that go along with each storage at most; 0: 32
	NoRecord   bool   // none at all
}

// ChannelInfo describes a channel. Counts are of all processes.
type ChannelInfo struct {
	Capacity   uint64
	Length     uint64 // sent and not yet received
	Sent       uint64
	Received   uint64
	Skipped    uint64 // sent, but gone with their sender before they could be received
	RecordSize uint32
	Attached   uint32 // processes that have it open, this one included
	State      ChannelStateFlags
}

// NewChannel makes a channel; nil: for 256 storages with records of 32 bytes.
func NewChannel(o *ChannelOptions) (*Channel, error) {
	params := C.shmalloc_channel_params{struct_size: C.sizeof_shmalloc_channel_params}
	if o != nil {
		params.capacity, params.record_size = C.uint64_t(o.Capacity), C.uint32_t(o.RecordSize)
		if o.NoRecord {
			params.flags = C.SHMALLOC_CHANNEL_NO_RECORD
		}
	}
	f := newFrame()
	defer f.done()
	var made *C.shmalloc_channel
	if err := f.check(C.shmalloc_channel_create(&params, &made, &f.err)); err != nil {
		return nil, err
	}
	return newChannel(made)
}

// OpenChannel is the channel that lives in a storage (Channel.Storage), in any process that has it. The storage may be closed then.
func OpenChannel(s *Storage) (*Channel, error) {
	var opened *C.shmalloc_channel
	err := s.call(func(f *frame) C.shmalloc_status { return C.shmalloc_channel_open(s.raw(), &opened, &f.err) })
	if err != nil {
		return nil, err
	}
	return newChannel(opened)
}

func newChannel(p *C.shmalloc_channel) (*Channel, error) {
	c := new(Channel)
	c.start(unsafe.Pointer(p), channelOwner)
	info, err := c.Info()
	if err != nil {
		c.Close()
		return nil, err
	}
	c.room = int(info.RecordSize)
	return c, nil
}

func (c *Channel) raw() *C.shmalloc_channel { return (*C.shmalloc_channel)(c.pointer) }

func (c *Channel) begin() error {
	if !c.use() {
		return refused(StatusClosed, "this channel was closed here")
	}
	return nil
}

// Clone is a second hold on the same channel, with a Close of its own.
func (c *Channel) Clone() (*Channel, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	defer c.done()
	C.shmalloc_channel_retain(c.raw())
	return newChannel(c.raw())
}

// CloseSend closes the channel for everybody (shmalloc_channel_close): nothing can be sent any more, what is in it can still be received, who
// waits is woken.
func (c *Channel) CloseSend() error {
	if err := c.begin(); err != nil {
		return err
	}
	defer c.done()
	f := newFrame()
	defer f.done()
	return f.check(C.shmalloc_channel_close(c.raw(), &f.err))
}

// Storage is the storage that the channel lives in: to be exported or sent, so that others can open it. Leave its bytes alone.
func (c *Channel) Storage() (*Storage, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	defer c.done()
	f := newFrame()
	defer f.done()
	if err := f.check(C.shmalloc_channel_storage(c.raw(), &f.storage, &f.err)); err != nil {
		return nil, err
	}
	return newStorage(f.storage), nil
}

// Info describes the channel.
func (c *Channel) Info() (ChannelInfo, error) {
	if err := c.begin(); err != nil {
		return ChannelInfo{}, err
	}
	defer c.done()
	f := newFrame()
	defer f.done()
	raw := C.shmalloc_channel_info{struct_size: C.sizeof_shmalloc_channel_info}
	if err := f.check(C.shmalloc_channel_get_info(c.raw(), &raw, &f.err)); err != nil {
		return ChannelInfo{}, err
	}
	return ChannelInfo{
		Capacity: uint64(raw.capacity), Length: uint64(raw.length), Sent: uint64(raw.sent), Received: uint64(raw.received),
		Skipped: uint64(raw.skipped), RecordSize: uint32(raw.record_size), Attached: uint32(raw.attached),
		State: ChannelStateFlags(raw.state),
	}, nil
}

// Send sends a storage with a record beside it, or with a nil storage the record alone, and waits as long as the channel is full. The storage
// must lie in a segment (an allocator of kind SHARED, not Isolated); it is held for the receiver: close it when you like. ErrClosed: the
// channel was closed. ErrPeerGone: others had it open, and nobody has any more.
func (c *Channel) Send(s *Storage, record []byte) error { return c.send(s, record, patience{}) }

// TrySend does not wait: ErrTimeout if the channel is full.
func (c *Channel) TrySend(s *Storage, record []byte) error { return c.SendTimeout(s, record, 0) }

// SendTimeout waits so long at most; 0 or less: not at all.
func (c *Channel) SendTimeout(s *Storage, record []byte, timeout time.Duration) error {
	return c.send(s, record, patience{end: time.Now().Add(timeout)})
}

// SendContext waits until the context is done, which is noticed within 20 ms. ErrInterrupted: it was cancelled; ErrTimeout: its deadline is
// over. Nothing is sent then.
func (c *Channel) SendContext(ctx context.Context, s *Storage, record []byte) error {
	return c.send(s, record, patience{ctx: ctx})
}

func (c *Channel) send(s *Storage, record []byte, p patience) error {
	if err := c.begin(); err != nil {
		return err
	}
	defer c.done()
	var storage *C.shmalloc_storage
	if s != nil {
		if err := s.begin(); err != nil {
			return err
		}
		defer s.done()
		storage = s.raw()
	}
	var bytes *C.uint8_t
	if len(record) > 0 {
		bytes = (*C.uint8_t)(unsafe.Pointer(&record[0]))
	}
	f := newFrame()
	defer f.done()
	for wait := C.int64_t(C.SHMALLOC_TIME_NONE); ; {
		err := f.check(C.shmalloc_channel_send(c.raw(), storage, bytes, C.size_t(len(record)), wait, &f.err))
		if wait, err = p.next(err); wait == 0 {
			return err
		}
	}
}

// Receive receives the next storage, or nil if none came with the record, and the record, and waits as long as the channel is empty. The
// storage is yours to close. ErrClosed: the channel is closed and empty. ErrPeerGone: empty, others had it open, and nobody has any more.
func (c *Channel) Receive() (*Storage, []byte, error) { return c.receive(patience{}) }

// TryReceive does not wait: ErrTimeout if the channel is empty.
func (c *Channel) TryReceive() (*Storage, []byte, error) { return c.ReceiveTimeout(0) }

// ReceiveTimeout waits so long at most; 0 or less: not at all.
func (c *Channel) ReceiveTimeout(timeout time.Duration) (*Storage, []byte, error) {
	return c.receive(patience{end: time.Now().Add(timeout)})
}

// ReceiveContext waits until the context is done, which is noticed within 20 ms. ErrInterrupted: it was cancelled; ErrTimeout: its deadline
// is over. Nothing is taken then.
func (c *Channel) ReceiveContext(ctx context.Context) (*Storage, []byte, error) {
	return c.receive(patience{ctx: ctx})
}

// Each receives until the channel is closed and empty, which is no error, and gives each storage (nil: none came) and record to do, whose
// they are. It ends with the error of do, of the channel, or of the context.
func (c *Channel) Each(ctx context.Context, do func(s *Storage, record []byte) error) error {
	for {
		s, record, err := c.ReceiveContext(ctx)
		if isStatus(err, StatusClosed) && c.users.Load()&closed == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(s, record); err != nil {
			return err
		}
	}
}

func (c *Channel) receive(p patience) (*Storage, []byte, error) {
	if err := c.begin(); err != nil {
		return nil, nil, err
	}
	defer c.done()
	record := make([]byte, c.room)
	var bytes *C.uint8_t
	if len(record) > 0 {
		bytes = (*C.uint8_t)(unsafe.Pointer(&record[0]))
	}
	f := newFrame()
	defer f.done()
	for wait := C.int64_t(C.SHMALLOC_TIME_NONE); ; {
		f.size = C.size_t(len(record))
		err := f.check(C.shmalloc_channel_receive(c.raw(), &f.storage, bytes, &f.size, wait, &f.err))
		if wait, err = p.next(err); wait != 0 {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if f.storage == nil {
			return nil, record[:f.size], nil
		}
		return newStorage(f.storage), record[:f.size], nil
	}
}
