package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"shmalloc"
)

func TestMain(m *testing.M) {
	if os.Getenv("SHMALLOC_GO_PEER") != "" {
		main()
	}
	os.Exit(m.Run())
}

// other is this program in another process; descriptor 3 is its end of a socket.
type other struct {
	t     *testing.T
	write io.WriteCloser
	read  *bufio.Reader
}

func start(t *testing.T, socket *os.File) *other {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "SHMALLOC_GO_PEER=1")
	command.ExtraFiles = []*os.File{socket}
	command.Stderr = os.Stderr
	write, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	read, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		write.Close()
		if err := command.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &other{t, write, bufio.NewReader(read)}
}

// asks gives an order, whose answer must begin so, and is given back.
func (o *other) asks(order, answer string) string {
	o.t.Helper()
	fmt.Fprintln(o.write, order)
	line, err := o.read.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, answer) {
		o.t.Fatalf("%s: %q, not %q (%v)", order, line, answer, err)
	}
	return strings.TrimSpace(line)
}

func two(t *testing.T) (*other, *other) {
	conn, theirs, err := shmalloc.SocketPair()
	if err != nil {
		t.Fatal(err)
	}
	mine, err := conn.File()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer mine.Close()
	defer theirs.Close()
	return start(t, mine), start(t, theirs)
}

func TestTwoPeers(t *testing.T) {
	one, two := two(t)
	for i, kind := range []string{"direct", "map", "map_refcounted", "shared", "isolated"} {
		name := fmt.Sprint("s", i)
		one.asks(fmt.Sprintf("make %s %s 10000 %d", name, kind, i), "ok\n")
		if kind == "direct" {
			one.asks("text "+name, "error UNSUPPORTED ")
			one.asks("share "+name, "ok\n")
		}
		text := strings.TrimPrefix(one.asks("text "+name, "ok "), "ok ")
		two.asks("open "+name+" "+text, "ok 10000\n")
		two.asks(fmt.Sprintf("check %s %d", name, i), "ok\n")
		two.asks("fill "+name+" 200", "ok\n")
		one.asks("check "+name+" 200", "ok\n")
		one.asks("check "+name+" 201", "bad 0\n")
		two.asks("release "+name, "ok\n")
		two.asks("release "+name, "error UNKNOWN ")
	}
	one.asks("send 3 s0 s1 s2 s3 s4", "ok\n")
	two.asks("receive 3 a b c d e", "ok\n")
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		two.asks("check "+name+" 200", "ok\n")
	}
	two.asks("send 3 e", "ok\n")
	one.asks("receive 3 x y", "error UNKNOWN ")
	two.asks("open z nonsense", "error CORRUPT ")
	two.asks("no such", "error UNKNOWN ")
	two.asks("make x direct", "error UNKNOWN ")
	one.asks("quit", "ok\n")
	two.asks("quit", "ok\n")
}

func TestTimes(t *testing.T) {
	p := &peer{}
	for operation := range timed {
		var nanoseconds int64
		if _, err := fmt.Sscanf(p.answer([]string{"time", operation, "10"}), "ok %d", &nanoseconds); err != nil || nanoseconds <= 0 {
			t.Error(operation, nanoseconds, err)
		}
	}
}
