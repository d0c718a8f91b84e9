#!/usr/bin/env python3
"""One end of the tests between languages: reads commands as lines, answers each with one line. bindings/python/shmalloc is the
library's only way in."""
import itertools
import socket
import sys
import time

import shmalloc
from shmalloc import Allocator, Channel, Kind, ShmallocError, Storage

PERIOD = 256  # the pattern's


def pattern(size, seed):
    """Byte i is (i * 7 + seed) & 0xff."""
    once = bytes((i * 7 + seed) & 0xff for i in range(PERIOD))
    return (once * (size // PERIOD + 1))[:size]


class Peer:
    """What lives from one command to the next."""

    def __init__(self):
        self.storages, self.allocators, self.sockets = {}, {}, {}

    def allocator(self, kind):
        """One for each kind."""
        if kind not in self.allocators:
            self.allocators[kind] = Allocator(Kind['SHARED' if kind == 'isolated' else kind.upper()])
        return self.allocators[kind]

    def socket(self, fd):
        """The socket of an inherited descriptor."""
        if fd not in self.sockets:
            self.sockets[fd] = socket.socket(fileno=int(fd))
        return self.sockets[fd]

    # ---- the commands ----

    def make(self, name, kind, size, seed):
        self.storages[name] = self.allocator(kind).create(int(size), isolated=kind == 'isolated')
        self.fill(name, seed)

    def share(self, name):
        self.storages[name].share()

    def text(self, name):
        return self.storages[name].export_text(ttl=0)

    def open(self, name, text):
        self.storages[name] = Storage.from_text(text)
        return self.storages[name].size

    def send(self, fd, *names):
        shmalloc.send(self.socket(fd), [self.storages[name] for name in names], ttl=0)

    def receive(self, fd, *names):
        storages = shmalloc.receive(self.socket(fd))
        if len(storages) != len(names):
            raise ValueError(f'{len(storages)} storages came for {len(names)} names')
        self.storages.update(zip(names, storages))

    def check(self, name, seed):
        with self.storages[name].view(write=False) as view:
            wanted = pattern(len(view), int(seed))
            if view == wanted:
                return None
            raise Wrong(next(i for i, (is_, should) in enumerate(zip(view, wanted)) if is_ != should))

    def fill(self, name, seed):
        with self.storages[name].view() as view:
            view[:] = pattern(len(view), int(seed))

    def release(self, name):
        self.storages.pop(name).release()

    def time(self, operation, count):
        call, end = getattr(self, 'time_' + operation)()
        times = itertools.repeat(None, int(count))
        began = time.monotonic_ns()
        for _ in times:
            call()
        took = time.monotonic_ns() - began
        end()
        return took

    # ---- what is timed: the call, and what is to be done after the last ----

    def time_version(self):
        return shmalloc.version, lambda: None

    def time_create(self):
        return lambda: Storage(4096).release(), lambda: None

    def time_import(self):
        storage = Storage(4096)
        handle = storage.export(ttl=0)
        return lambda: Storage.import_(handle).release(), storage.release

    def time_view(self):
        storage = Storage(4096)

        def write():
            storage.view()[0] = 1
        return write, storage.release

    def time_send(self):
        channel, storage = Channel(), Storage(4096)

        def hand_over():
            channel.send(storage)
            channel.receive()[0].release()

        def end():
            storage.release()
            channel.release()
        return hand_over, end

    def quit(self):
        for held in (*self.storages.values(), *self.allocators.values()):
            held.release()
        for sock in self.sockets.values():
            sock.close()


class Wrong(Exception):
    """A byte that is not the pattern's; its index is the argument."""


COMMANDS = ('make', 'share', 'text', 'open', 'send', 'receive', 'check', 'fill', 'release', 'time', 'quit')


def answered(peer, words):
    """The answer to one command."""
    try:
        if not words or words[0] not in COMMANDS:
            raise ValueError(f'no such command: {" ".join(words)}')
        answer = getattr(peer, words[0])(*words[1:])
        return 'ok' if answer is None else f'ok {answer}'
    except Wrong as wrong:
        return f'bad {wrong}'
    except ShmallocError as error:
        return f'error {shmalloc.status_name(error.status)} {" ".join(str(error).split())}'
    except Exception as error:
        return f'error UNKNOWN {type(error).__name__}: {" ".join(str(error).split())}'


def main():
    peer = Peer()
    for line in sys.stdin:
        words = line.split()
        print(answered(peer, words), flush=True)
        if words == ['quit']:
            return


if __name__ == '__main__':
    main()
