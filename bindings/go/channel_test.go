package shmalloc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

func newTestChannel(t *testing.T, o *ChannelOptions) *Channel {
	t.Helper()
	c, err := NewChannel(o)
	return closing(t, c, err)
}

func TestStoragesComeWithTheirRecords(t *testing.T) {
	c, s := newTestChannel(t, nil), newTestStorage(t, 1000, nil)
	put(t, s, "hello")
	ok(t, c.Send(s, []byte("what it is")))
	ok(t, c.Send(nil, []byte("alone")))
	ok(t, c.TrySend(s, nil))
	info := must(c.Info())
	equal(t, info, ChannelInfo{Capacity: 256, Length: 3, Sent: 3, RecordSize: 32, Attached: 1})
	got, record, err := c.Receive()
	ok(t, err)
	equal(t, string(record), "what it is")
	equal(t, get(t, got, 5), "hello")
	ok(t, got.Close())
	got, record, err = c.TryReceive()
	ok(t, err)
	if got != nil || string(record) != "alone" {
		t.Error(got, record)
	}
	got, record, err = c.ReceiveTimeout(time.Second)
	ok(t, err)
	equal(t, len(record), 0)
	ok(t, got.Close())
	_, _, err = c.TryReceive()
	fails(t, err, ErrTimeout)
	fails(t, c.Send(nil, make([]byte, 33)), ErrInvalid)
	fails(t, c.Send(newTestStorage(t, 10, &StorageOptions{Isolated: true}), nil), ErrUnsupported)
	second := must(c.Clone())
	ok(t, c.Close())
	_, _, err = c.Receive()
	fails(t, err, ErrClosed)
	ok(t, second.Send(nil, nil))
	ok(t, second.Close())
}

func TestWaitsEnd(t *testing.T) {
	c := newTestChannel(t, &ChannelOptions{Capacity: 1, NoRecord: true})
	for i := uint64(0); i < must(c.Info()).Capacity; i++ {
		ok(t, c.Send(nil, nil))
	}
	before := time.Now()
	err := c.SendTimeout(nil, nil, 30*time.Millisecond)
	fails(t, err, ErrTimeout)
	fails(t, err, os.ErrDeadlineExceeded)
	if waited := time.Since(before); waited < 30*time.Millisecond {
		t.Error(waited)
	}
	fails(t, c.SendTimeout(nil, nil, -1), ErrTimeout)
	fails(t, c.TrySend(nil, nil), ErrTimeout)
	late, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	err = c.SendContext(late, nil, nil)
	fails(t, err, ErrTimeout)
	fails(t, err, context.DeadlineExceeded)

	empty := newTestChannel(t, nil)
	_, _, err = empty.ReceiveTimeout(time.Millisecond)
	fails(t, err, ErrTimeout)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_, _, err := empty.ReceiveContext(ctx)
		ended <- err
	}()
	cancel()
	err = <-ended
	fails(t, err, ErrInterrupted)
	fails(t, err, context.Canceled)
	_, _, err = empty.ReceiveContext(ctx)
	fails(t, err, context.Canceled)
	go func() {
		_, _, err := empty.Receive()
		ended <- err
	}()
	ok(t, empty.CloseSend())
	fails(t, <-ended, ErrClosed)
	fails(t, empty.Send(nil, nil), ErrClosed)
	equal(t, must(empty.Info()).State, ChannelStateClosed)
}

func TestEachEndsWithTheChannel(t *testing.T) {
	c := newTestChannel(t, nil)
	for i := byte(0); i < 3; i++ {
		ok(t, c.Send(nil, []byte{i}))
	}
	stop := errors.New("enough")
	equal(t, c.Each(context.Background(), func(*Storage, []byte) error { return stop }), stop)
	ok(t, c.CloseSend())
	var got []byte
	ok(t, c.Each(context.Background(), func(s *Storage, record []byte) error {
		got = append(got, record...)
		return nil
	}))
	equal(t, string(got), "\x01\x02")
	ok(t, c.Close())
	fails(t, c.Each(context.Background(), nil), ErrClosed)
	_, err := OpenChannel(newTestStorage(t, 10, nil))
	fails(t, err, ErrCorrupt)
	_, err = NewChannel(&ChannelOptions{RecordSize: 4097})
	fails(t, err, ErrInvalid)
}

// openHeard is the channel whose handle comes over the socket.
func openHeard(conn *net.UnixConn) (*Channel, error) {
	text, err := hear(conn)
	if err != nil {
		return nil, err
	}
	s, err := ImportText(text, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return OpenChannel(s)
}

// answerChannel sends what it receives on a second channel, changed.
func answerChannel(conn *net.UnixConn) error {
	there, err := openHeard(conn)
	if err != nil {
		return err
	}
	defer there.Close()
	conn.Write([]byte("next"))
	back, err := openHeard(conn)
	if err != nil {
		return err
	}
	defer back.Close()
	conn.Write([]byte("ready"))
	err = there.Each(context.Background(), func(s *Storage, record []byte) error {
		defer s.Close()
		if _, err := s.WriteAt(record, 0); err != nil {
			return err
		}
		return back.Send(s, record)
	})
	if err != nil {
		return err
	}
	if err := back.CloseSend(); err != nil {
		return err
	}
	_, err = hear(conn) // what was sent lives as long as this process, so it stays until all came
	return err
}

func text(t *testing.T, c *Channel) string {
	t.Helper()
	s := must(c.Storage())
	defer s.Close()
	return must(s.ExportText(nil))
}

func TestAnotherProcessAnswers(t *testing.T) {
	there, back := newTestChannel(t, &ChannelOptions{Capacity: 4}), newTestChannel(t, &ChannelOptions{Capacity: 4})
	child := start(t, "channel")
	child.say(text(t, there))
	equal(t, child.hear(), "next")
	child.say(text(t, back))
	equal(t, child.hear(), "ready")
	equal(t, must(there.Info()).Attached, 2)
	const count = 500
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		for i := 0; i < count; i++ {
			s := must(NewStorage(100+i, nil))
			if err := there.Send(s, []byte(fmt.Sprintf("%04d", i))); err != nil {
				t.Error(err)
			}
			s.Close()
		}
		there.CloseSend()
	}()
	i := 0
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	ok(t, back.Each(ctx, func(s *Storage, record []byte) error {
		defer s.Close()
		equal(t, s.Size(), 100+i)
		equal(t, string(record), fmt.Sprintf("%04d", i))
		equal(t, get(t, s, 4), string(record))
		i++
		return nil
	}))
	wait.Wait()
	equal(t, i, count)
	child.say("done")
	child.ended()
}

// senderThatDies sends a storage and a record, tells so, and waits to be killed.
func senderThatDies(conn *net.UnixConn) error {
	c, err := openHeard(conn)
	if err != nil {
		return err
	}
	if err := c.Send(nil, []byte("last")); err != nil {
		return err
	}
	conn.Write([]byte("sent"))
	_, err = hear(conn)
	return err
}

func TestADeadPeerEndsTheWait(t *testing.T) {
	c := newTestChannel(t, nil)
	child := start(t, "sender")
	child.say(text(t, c))
	equal(t, child.hear(), "sent")
	_, record, err := c.Receive()
	ok(t, err)
	equal(t, string(record), "last")
	ended := make(chan error)
	go func() {
		_, _, err := c.Receive()
		ended <- err
	}()
	child.kill()
	fails(t, <-ended, ErrPeerGone)
}

// consume receives until the end and answers with the sum of all first bytes.
func consume(conn *net.UnixConn) error {
	c, err := openHeard(conn)
	if err != nil {
		return err
	}
	conn.Write([]byte("ready"))
	var sum [8]byte
	err = c.Each(context.Background(), func(s *Storage, _ []byte) error {
		defer s.Close()
		return s.Inspect(func(bytes []byte) error {
			binary.LittleEndian.PutUint64(sum[:], binary.LittleEndian.Uint64(sum[:])+uint64(bytes[0]))
			return nil
		})
	})
	if err != nil {
		return err
	}
	_, err = conn.Write(sum[:])
	return err
}

func TestSeveralReceiversShare(t *testing.T) {
	c := newTestChannel(t, &ChannelOptions{Capacity: 8})
	children := []*child{start(t, "consumer"), start(t, "consumer")}
	for _, child := range children {
		child.say(text(t, c))
		equal(t, child.hear(), "ready")
	}
	var want, sum uint64
	for i := 0; i < 300; i++ {
		s := must(NewStorage(64, nil))
		ok(t, s.Update(func(bytes []byte) error { bytes[0] = byte(i); return nil }))
		want += uint64(byte(i))
		ok(t, c.SendTimeout(s, nil, limit))
		ok(t, s.Close())
	}
	ok(t, c.CloseSend())
	for _, child := range children {
		sum += binary.LittleEndian.Uint64([]byte(child.hear()))
		child.ended()
	}
	equal(t, sum, want)
}

// Signals that end system calls are not the caller's business.
func TestSignalsDoNotEndAWait(t *testing.T) {
	c := newTestChannel(t, nil)
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGUSR1)
	defer signal.Stop(heard)
	thread, ended := make(chan int), make(chan error)
	go func() {
		runtime.LockOSThread()
		thread <- syscall.Gettid()
		_, _, err := c.ReceiveTimeout(limit)
		ended <- err
	}()
	waiting := <-thread
	for i := 0; i < 100; i++ {
		ok(t, syscall.Tgkill(os.Getpid(), waiting, syscall.SIGUSR1))
		<-heard
	}
	select {
	case err := <-ended:
		t.Fatal("it ended: ", err)
	default:
	}
	ok(t, c.Send(nil, nil))
	ok(t, <-ended)
}
