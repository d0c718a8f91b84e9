// Consumer receives storages from a channel until it is closed, and checks that all came as they were sent. Its argument is the text of the
// channel's handle.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"

	"shmalloc"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: consumer HANDLE_TEXT")
		os.Exit(2)
	}
	if err := consume(os.Args[1]); err != nil {
		fmt.Println("Go:", err)
		os.Exit(1)
	}
}

func consume(text string) error {
	storage, err := shmalloc.ImportText(text, nil)
	if err != nil {
		return err
	}
	defer storage.Close()
	channel, err := shmalloc.OpenChannel(storage)
	if err != nil {
		return err
	}
	defer channel.Close()
	fmt.Println("ready")

	var pieces, total uint64
	err = channel.Each(context.Background(), func(piece *shmalloc.Storage, record []byte) error {
		if piece == nil || len(record) != 24 {
			return fmt.Errorf("%d bytes that are no record of a piece", len(record))
		}
		defer piece.Close()
		number := binary.LittleEndian.Uint64(record)
		length := binary.LittleEndian.Uint64(record[8:])
		sum := binary.LittleEndian.Uint64(record[16:])
		pieces++
		total += length
		return piece.Inspect(func(bytes []byte) error {
			if length > uint64(len(bytes)) || add(bytes[:length]) != sum {
				return fmt.Errorf("piece %d is not as sent", number)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	fmt.Printf("Go: %d pieces, %d bytes, all as sent\n", pieces, total)
	return nil
}

// add is the wrapping sum of the words.
func add(bytes []byte) (sum uint64) {
	for ; len(bytes) >= 8; bytes = bytes[8:] {
		sum += binary.LittleEndian.Uint64(bytes)
	}
	return sum
}
