package main

import (
	"fmt"
	"strconv"
	"time"

	"shmalloc"
)

// A timed operation prepares, and gives what to repeat and what to do in the end.
var timed = map[string]func() (once func() error, end func(), err error){
	"version": timeVersion, "create": timeCreate, "import": timeImport, "view": timeView, "send": timeSend,
}

func (p *peer) time(words []string) (string, error) {
	prepare := timed[words[0]]
	count, err := strconv.Atoi(words[1])
	if prepare == nil || err != nil {
		return "", fmt.Errorf("nothing to time: %s %s", words[0], words[1])
	}
	once, end, err := prepare()
	if err != nil {
		return "", err
	}
	defer end()
	start := time.Now()
	for i := 0; i < count; i++ {
		if err := once(); err != nil {
			return "", err
		}
	}
	return strconv.FormatInt(time.Since(start).Nanoseconds(), 10), nil
}

func timeVersion() (func() error, func(), error) {
	return func() error {
		shmalloc.LibraryVersion()
		return nil
	}, func() {}, nil
}

func timeCreate() (func() error, func(), error) {
	return func() error {
		storage, err := shmalloc.NewStorage(4096, nil)
		if err != nil {
			return err
		}
		return storage.Close()
	}, func() {}, nil
}

func timeImport() (func() error, func(), error) {
	storage, err := shmalloc.NewStorage(4096, nil)
	if err != nil {
		return nil, nil, err
	}
	handle, err := storage.Export(nil)
	if err != nil {
		storage.Close()
		return nil, nil, err
	}
	return func() error {
		opened, err := shmalloc.Import(handle, nil)
		if err != nil {
			return err
		}
		return opened.Close()
	}, func() { storage.Close() }, nil
}

func timeView() (func() error, func(), error) {
	storage, err := shmalloc.NewStorage(4096, nil)
	if err != nil {
		return nil, nil, err
	}
	return func() error {
		view, err := storage.View()
		if err != nil {
			return err
		}
		view.Bytes()[0] = 1
		return view.Close()
	}, func() { storage.Close() }, nil
}

func timeSend() (func() error, func(), error) {
	storage, err := shmalloc.NewStorage(4096, nil)
	if err != nil {
		return nil, nil, err
	}
	channel, err := shmalloc.NewChannel(nil)
	if err != nil {
		storage.Close()
		return nil, nil, err
	}
	once := func() error {
		if err := channel.Send(storage, nil); err != nil {
			return err
		}
		received, _, err := channel.Receive()
		if err != nil {
			return err
		}
		return received.Close()
	}
	return once, func() { channel.Close(); storage.Close() }, nil
}
