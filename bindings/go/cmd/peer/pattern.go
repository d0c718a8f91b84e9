package main

import (
	"fmt"
	"strconv"

	"shmalloc"
)

// badByte is the index of a byte that is not as the pattern says.
type badByte int

func (b badByte) Error() string { return fmt.Sprint("byte ", int(b), " is not as it should be") }

func fill(storage *shmalloc.Storage, word string) error {
	seed, err := strconv.Atoi(word)
	if err != nil {
		return err
	}
	return storage.Update(func(bytes []byte) error {
		for i := range bytes {
			bytes[i] = byte(i*7 + seed)
		}
		return nil
	})
}

func (p *peer) fill(words []string) (string, error) {
	storage, err := p.storage(words[0])
	if err != nil {
		return "", err
	}
	return "", fill(storage, words[1])
}

func (p *peer) check(words []string) (string, error) {
	storage, err := p.storage(words[0])
	if err != nil {
		return "", err
	}
	seed, err := strconv.Atoi(words[1])
	if err != nil {
		return "", err
	}
	return "", storage.Inspect(func(bytes []byte) error {
		for i := range bytes {
			if bytes[i] != byte(i*7+seed) {
				return badByte(i)
			}
		}
		return nil
	})
}
