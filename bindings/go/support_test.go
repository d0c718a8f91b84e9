package shmalloc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// What hangs ends with an error after this time.
const limit = 60 * time.Second

// Names that these tests give begin so, and none of them may stay.
var prefix = fmt.Sprintf("gotest%d", os.Getpid())

// A role is what another process of a test does: this binary, started again, with one end of a socket pair.
var roles = map[string]func(conn *net.UnixConn) error{
	"mirror": mirror, "channel": answerChannel, "holder": holder, "sender": senderThatDies, "consumer": consume,
	"exit": exitWithAName, "panic": callThat(func() { panic("out of luck") }), "goexit": callThat(runtime.Goexit),
}

func TestMain(m *testing.M) {
	if role := os.Getenv("SHMALLOC_GO_ROLE"); role != "" {
		os.Exit(play(roles[role]))
	}
	status := m.Run()
	if left, _ := filepath.Glob("/dev/shm/" + prefix + "*"); len(left) > 0 {
		fmt.Println("left behind:", left)
		status = 1
	}
	os.Exit(status)
}

func play(role func(*net.UnixConn) error) int {
	conn, err := PassedConn(os.NewFile(3, "socket"))
	if err == nil {
		conn.SetDeadline(time.Now().Add(limit))
		err = role(conn)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the other process:", err)
		return 1
	}
	return 0
}

// A child is a process that plays a role.
type child struct {
	*net.UnixConn
	t       *testing.T
	command *exec.Cmd
}

func start(t *testing.T, role string) *child {
	t.Helper()
	conn, theirs, err := SocketPair()
	ok(t, err)
	defer theirs.Close()
	ok(t, conn.SetDeadline(time.Now().Add(limit)))
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "SHMALLOC_GO_ROLE="+role)
	command.ExtraFiles = []*os.File{theirs}
	command.Stderr = os.Stderr
	ok(t, command.Start())
	c := &child{conn, t, command}
	t.Cleanup(func() {
		conn.Close()
		if command.ProcessState == nil {
			command.Process.Kill()
			command.Wait()
		}
	})
	return c
}

// ended waits for a child that has done all that it should.
func (c *child) ended() {
	c.t.Helper()
	ok(c.t, c.command.Wait())
}

// kill ends a child by SIGKILL, and waits for that.
func (c *child) kill() {
	c.t.Helper()
	ok(c.t, c.command.Process.Kill())
	if err := c.command.Wait(); err == nil {
		c.t.Fatal("it ended by itself")
	}
}

func (c *child) say(words string) {
	c.t.Helper()
	_, err := c.Write([]byte(words))
	ok(c.t, err)
}

func (c *child) hear() string {
	c.t.Helper()
	words, err := hear(c.UnixConn)
	ok(c.t, err)
	return words
}

func hear(conn *net.UnixConn) (string, error) {
	room := make([]byte, 4096)
	n, err := conn.Read(room)
	return string(room[:n]), err
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func fails(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%v, not %v", err, want)
	}
	var e *Error
	if !errors.As(err, &e) || e.Message == "" {
		t.Fatalf("%#v says nothing", err)
	}
}

func equal[T any](t *testing.T, found, want T) {
	t.Helper()
	if any(found) != any(want) {
		t.Fatalf("%v, not %v", found, want)
	}
}

// closing closes at the end of the test.
func closing[T interface{ Close() error }](t *testing.T, thing T, err error) T {
	t.Helper()
	ok(t, err)
	t.Cleanup(func() { thing.Close() })
	return thing
}

func newTestStorage(t *testing.T, size int, o *StorageOptions) *Storage {
	t.Helper()
	storage, err := NewStorage(size, o)
	return closing(t, storage, err)
}

func newTestAllocator(t *testing.T, kind AllocatorKind) *Allocator {
	t.Helper()
	allocator, err := NewAllocator(&AllocatorOptions{Kind: kind})
	return closing(t, allocator, err)
}

func put(t *testing.T, s *Storage, text string) {
	t.Helper()
	_, err := s.WriteAt([]byte(text), 0)
	ok(t, err)
}

func get(t *testing.T, s *Storage, length int) string {
	t.Helper()
	room := make([]byte, length)
	_, err := s.ReadAt(room, 0)
	ok(t, err)
	return string(room)
}

// elsewhere runs a function such that nothing of it is left on the stack, which the collector looks through.
func elsewhere(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	<-done
}

// eventually waits for what the collector or another process does in its own time.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); runtime.GC() {
		if time.Now().After(end) {
			t.Fatal("still not so: " + what)
		}
	}
}
