package main

import (
	"bufio"
	"encoding/binary"
	"os"
	"os/exec"
	"strings"
	"testing"

	"shmalloc"
)

func TestMain(m *testing.M) {
	if text := os.Getenv("SHMALLOC_GO_CONSUMES"); text != "" {
		os.Args = []string{"consumer", text}
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// consumes sends pieces to a consumer in another process, the last of them with a sum that is too large by `wrong`, and gives what it printed
// and whether it was content.
func consumes(t *testing.T, wrong uint64) (string, bool) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	channel, err := shmalloc.NewChannel(nil)
	check(err)
	defer channel.Close()
	home, err := channel.Storage()
	check(err)
	defer home.Close()
	text, err := home.ExportText(nil)
	check(err)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "SHMALLOC_GO_CONSUMES="+text)
	out, err := command.StdoutPipe()
	check(err)
	check(command.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Error("not ready: ", lines.Text())
	}
	for i := uint64(0); i < 3; i++ {
		piece, err := shmalloc.NewStorage(100, nil)
		check(err)
		check(piece.Update(func(bytes []byte) error {
			binary.LittleEndian.PutUint64(bytes, 1<<63)
			binary.LittleEndian.PutUint64(bytes[8:], 1<<63+i)
			return nil
		}))
		record := make([]byte, 24)
		binary.LittleEndian.PutUint64(record, i)
		binary.LittleEndian.PutUint64(record[8:], 16)
		binary.LittleEndian.PutUint64(record[16:], i+wrong*(i/2))
		check(channel.Send(piece, record))
		check(piece.Close())
	}
	check(channel.CloseSend())
	var printed []string
	for lines.Scan() {
		printed = append(printed, lines.Text())
	}
	err = command.Wait()
	return strings.Join(printed, "\n"), err == nil
}

func TestConsumer(t *testing.T) {
	if out, content := consumes(t, 0); out != "Go: 3 pieces, 48 bytes, all as sent" || !content {
		t.Error(out, content)
	}
	if out, content := consumes(t, 1); out != "Go: piece 2 is not as sent" || content {
		t.Error(out, content)
	}
}
