package shmalloc

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func pair(t *testing.T) (*net.UnixConn, *net.UnixConn) {
	t.Helper()
	one, file, err := SocketPair()
	ok(t, err)
	defer file.Close()
	other := closing(t, must(PassedConn(file)), nil)
	return closing(t, one, nil), other
}

// mirror sends back what it receives, in capitals, until the other end closes.
func mirror(conn *net.UnixConn) error {
	for {
		storages, err := Receive(conn, nil)
		if errors.Is(err, ErrPeerGone) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, s := range storages {
			if err := s.Update(func(bytes []byte) error {
				copy(bytes, strings.ToUpper(string(bytes)))
				return nil
			}); err != nil {
				return err
			}
		}
		if err := Send(conn, storages, nil); err != nil {
			return err
		}
	}
}

func TestSendToAnotherProcess(t *testing.T) {
	child := start(t, "mirror")
	for _, count := range []int{1, 3, MessageMax} {
		var storages []*Storage
		for i := 0; i < count; i++ {
			s := newTestStorage(t, 100+i, &StorageOptions{Isolated: i%2 == 1, Zeroed: true})
			put(t, s, "hello")
			storages = append(storages, s)
		}
		ok(t, Send(child.UnixConn, storages, nil))
		back := must(Receive(child.UnixConn, &ReceiveOptions{SameUser: true}))
		equal(t, len(back), count)
		for i, s := range back {
			equal(t, s.Size(), 100+i)
			equal(t, get(t, storages[i], 5), "HELLO")
			put(t, s, "again")
			equal(t, get(t, storages[i], 5), "again")
			ok(t, s.Close())
		}
	}
	ok(t, child.CloseWrite())
	child.ended()
	_, err := Receive(child.UnixConn, nil)
	fails(t, err, ErrPeerGone)
}

func TestReceiveIsParkedUntilTheDeadline(t *testing.T) {
	one, other := pair(t)
	ok(t, one.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err := Receive(one, nil)
	fails(t, err, ErrTimeout)
	fails(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Error(err)
	}
	ok(t, one.SetReadDeadline(time.Time{}))
	received := make(chan error)
	go func() {
		storages, err := Receive(one, nil)
		if err == nil {
			err = storages[0].Close()
		}
		received <- err
	}()
	s := newTestStorage(t, 10, nil)
	ok(t, Send(other, []*Storage{s}, nil))
	ok(t, <-received)
	go func() {
		_, err := Receive(one, nil)
		received <- err
	}()
	ok(t, one.Close())
	err = <-received
	fails(t, err, ErrClosed)
	fails(t, err, net.ErrClosed)
	fails(t, Send(one, []*Storage{s}, nil), ErrClosed)
}

func TestSendIsParkedWhileTheSocketIsFull(t *testing.T) {
	one, other := pair(t)
	s := newTestStorage(t, 10, nil)
	sent, done, before := 0, make(chan error), time.Now()
	ok(t, one.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
	for ; ; sent++ {
		if err := Send(one, []*Storage{s}, nil); err != nil {
			fails(t, err, ErrTimeout)
			break
		}
	}
	if waited := time.Since(before); sent == 0 || waited < 50*time.Millisecond {
		t.Fatal(sent, waited)
	}
	ok(t, one.SetWriteDeadline(time.Time{}))
	go func() { done <- Send(one, []*Storage{s}, nil) }()
	for i := 0; i < sent+1; i++ {
		storages := must(Receive(other, nil))
		ok(t, storages[0].Close())
	}
	ok(t, <-done)
}

func TestMessages(t *testing.T) {
	one, other := pair(t)
	a, b := newTestStorage(t, 10, &StorageOptions{Isolated: true}), newTestStorage(t, 20, &StorageOptions{Isolated: true})
	ok(t, Send(one, []*Storage{a, b}, &ExportOptions{ReadOnly: true}))
	_, err := Receive(other, &ReceiveOptions{Room: 1})
	fails(t, err, ErrNoSpace)
	_, err = Receive(other, &ReceiveOptions{Room: -1})
	fails(t, err, ErrInvalid)
	got := must(Receive(other, &ReceiveOptions{Room: 2}))
	for i, s := range got {
		equal(t, s.Size(), 10+10*i)
		_, err := s.View()
		fails(t, err, ErrPermission)
		ok(t, s.Close())
	}
	fails(t, Send(one, nil, nil), ErrInvalid)
	ok(t, b.Close())
	fails(t, Send(one, []*Storage{a, b}, nil), ErrClosed)
	must(one.Write([]byte("not from Send")))
	_, err = Receive(other, nil)
	fails(t, err, ErrCorrupt)
	file := must(os.Open("/dev/null"))
	defer file.Close()
	if _, err := PassedConn(file); err == nil {
		t.Error("/dev/null is no socket")
	}
}

// holder takes a storage by its handle, tells so, and holds it until it is killed.
func holder(conn *net.UnixConn) error {
	text, err := hear(conn)
	if err != nil {
		return err
	}
	s, err := ImportText(text, nil)
	if err != nil {
		return err
	}
	v, err := s.View()
	if err != nil {
		return err
	}
	if _, err = v.WriteAt([]byte("held"), 0); err != nil {
		return err
	}
	if _, err = conn.Write([]byte("ready")); err != nil {
		return err
	}
	_, err = hear(conn)
	v.Close()
	return err
}

// What a killed process held goes back to the allocator that made it.
func TestKilledHolder(t *testing.T) {
	allocator := newTestAllocator(t, AllocatorKindShared)
	s := must(allocator.NewStorage(1<<20, &StorageOptions{Zeroed: true}))
	child := start(t, "holder")
	child.say(must(s.ExportText(&ExportOptions{TTL: TimeNone})))
	equal(t, child.hear(), "ready")
	equal(t, get(t, s, 4), "held")
	ok(t, s.Close())
	equal(t, must(allocator.Statistics()).Pending.Current, 1)
	child.kill()
	eventually(t, "nobody holds it", func() bool {
		must(allocator.Trim(0, 0))
		return must(allocator.Statistics()).Pending.Current == 0
	})
}
