// Peer is one end of the tests between languages: it takes an order a line, and answers each with a line.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"shmalloc"
)

type peer struct {
	storages   map[string]*shmalloc.Storage
	allocators map[shmalloc.AllocatorKind]*shmalloc.Allocator
	sockets    map[string]*net.UnixConn
}

// An order is what follows its name on the line: at least so many words.
type order struct {
	words int
	do    func(p *peer, words []string) (string, error)
}

var orders = map[string]order{
	"make": {4, (*peer).make}, "share": {1, (*peer).share}, "text": {1, (*peer).text}, "open": {2, (*peer).open},
	"send": {2, (*peer).send}, "receive": {2, (*peer).receive}, "check": {2, (*peer).check}, "fill": {2, (*peer).fill},
	"release": {1, (*peer).release}, "time": {2, (*peer).time},
}

func main() {
	p := &peer{map[string]*shmalloc.Storage{}, map[shmalloc.AllocatorKind]*shmalloc.Allocator{}, map[string]*net.UnixConn{}}
	quit := p.serve(bufio.NewScanner(os.Stdin))
	p.close()
	if quit {
		fmt.Println("ok")
	}
	shmalloc.Exit(0) // names that only exports keep are left to C's exit handlers
}

// serve answers until there is nothing more to read, or until it is told to quit.
func (p *peer) serve(lines *bufio.Scanner) bool {
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 1 && words[0] == "quit" {
			return true
		}
		fmt.Println(p.answer(words))
	}
	return false
}

func (p *peer) answer(words []string) string {
	if len(words) == 0 {
		return "error UNKNOWN an empty line"
	}
	order, known := orders[words[0]]
	if !known || len(words) <= order.words {
		return "error UNKNOWN no such order: " + strings.Join(words, " ")
	}
	result, err := order.do(p, words[1:])
	if err == nil {
		return strings.TrimSpace("ok " + result)
	}
	var bad badByte
	if errors.As(err, &bad) {
		return fmt.Sprint("bad ", int(bad))
	}
	status, message := "UNKNOWN", err.Error()
	var e *shmalloc.Error
	if errors.As(err, &e) {
		status, message = e.Status.String(), e.Message
	}
	return "error " + status + " " + strings.ReplaceAll(message, "\n", " ")
}

func (p *peer) close() {
	for name, storage := range p.storages {
		storage.Close()
		delete(p.storages, name)
	}
	for kind, allocator := range p.allocators {
		allocator.Close()
		delete(p.allocators, kind)
	}
}

var kinds = map[string]shmalloc.AllocatorKind{
	"direct": shmalloc.AllocatorKindDirect, "map": shmalloc.AllocatorKindMap, "map_refcounted": shmalloc.AllocatorKindMapRefcounted,
	"shared": shmalloc.AllocatorKindShared, "isolated": shmalloc.AllocatorKindShared,
}

func (p *peer) make(words []string) (string, error) {
	kind, known := kinds[words[1]]
	size, err := strconv.Atoi(words[2])
	if !known || err != nil {
		return "", fmt.Errorf("no such kind or size: %s %s", words[1], words[2])
	}
	allocator := p.allocators[kind]
	if allocator == nil {
		if allocator, err = shmalloc.NewAllocator(&shmalloc.AllocatorOptions{Kind: kind}); err != nil {
			return "", err
		}
		p.allocators[kind] = allocator
	}
	storage, err := allocator.NewStorage(size, &shmalloc.StorageOptions{Isolated: words[1] == "isolated"})
	if err != nil {
		return "", err
	}
	if err := fill(storage, words[3]); err != nil {
		storage.Close()
		return "", err
	}
	p.keep(words[0], storage)
	return "", nil
}

// keep has the storage under a name, in place of the one before.
func (p *peer) keep(name string, storage *shmalloc.Storage) {
	if before := p.storages[name]; before != nil {
		before.Close()
	}
	p.storages[name] = storage
}

func (p *peer) storage(name string) (*shmalloc.Storage, error) {
	if storage := p.storages[name]; storage != nil {
		return storage, nil
	}
	return nil, fmt.Errorf("no storage %s", name)
}

func (p *peer) share(words []string) (string, error) {
	storage, err := p.storage(words[0])
	if err != nil {
		return "", err
	}
	return "", storage.Share(nil)
}

func (p *peer) text(words []string) (string, error) {
	storage, err := p.storage(words[0])
	if err != nil {
		return "", err
	}
	return storage.ExportText(&unkept)
}

func (p *peer) open(words []string) (string, error) {
	storage, err := shmalloc.ImportText(words[1], nil)
	if err != nil {
		return "", err
	}
	p.keep(words[0], storage)
	return strconv.Itoa(storage.Size()), nil
}

// socket is the connection behind a descriptor that this process was started with.
func (p *peer) socket(word string) (*net.UnixConn, error) {
	if conn := p.sockets[word]; conn != nil {
		return conn, nil
	}
	fd, err := strconv.Atoi(word)
	if err != nil || fd < 0 {
		return nil, fmt.Errorf("no descriptor: %s", word)
	}
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	conn, err := shmalloc.PassedConn(file)
	if err == nil {
		p.sockets[word] = conn
	}
	return conn, err
}

// Nobody's memory is kept for handles that were given out.
var unkept = shmalloc.ExportOptions{TTL: shmalloc.TimeNone}

func (p *peer) send(words []string) (string, error) {
	conn, err := p.socket(words[0])
	if err != nil {
		return "", err
	}
	var storages []*shmalloc.Storage
	for _, name := range words[1:] {
		storage, err := p.storage(name)
		if err != nil {
			return "", err
		}
		storages = append(storages, storage)
	}
	return "", shmalloc.Send(conn, storages, &unkept)
}

func (p *peer) receive(words []string) (string, error) {
	conn, err := p.socket(words[0])
	if err != nil {
		return "", err
	}
	storages, err := shmalloc.Receive(conn, nil)
	if err != nil {
		return "", err
	}
	if len(storages) != len(words)-1 {
		for _, storage := range storages {
			storage.Close()
		}
		return "", fmt.Errorf("%d storages came, not %d", len(storages), len(words)-1)
	}
	for i, storage := range storages {
		p.keep(words[i+1], storage)
	}
	return "", nil
}

func (p *peer) release(words []string) (string, error) {
	storage, err := p.storage(words[0])
	if err != nil {
		return "", err
	}
	delete(p.storages, words[0])
	return "", storage.Close()
}
