"""The demo's Python processes: `roles.py owner|python|torch`. Each does what the lines on its standard input say, and answers each
with one line; the C process (consumer.c) understands the same words. Numbers of sockets and pipes are inherited descriptors."""
import hashlib
import os
import socket
import sys
import time
from urllib.parse import unquote

FIRST_TOUCH = 4096


class Role:
    """What all have in common; `bytes` is a memoryview over the storage."""

    bytes = None

    def hash(self):
        return hashlib.sha256(self.bytes).hexdigest()

    def read(self, offset, count):
        return bytes(self.bytes[int(offset):int(offset) + int(count)]).hex()

    def write(self, offset, data):
        data = bytes.fromhex(data)
        self.bytes[int(offset):int(offset) + len(data)] = data
        return 'ok'

    def opened(self, address, size):
        touched = (self.bytes[0] + self.bytes[size - 1]) if size else 0
        return f'{address} {size} {time.monotonic_ns()} {touched}'

    def read_pipe(self, fd, size):
        """The same bytes by copying: all of them, into memory that is there already."""
        target, at = memoryview(bytearray(int(size))), 0
        for page in range(0, len(target), FIRST_TOUCH):
            target[page] = 0
        print('ready', flush=True)
        with open(os.dup(int(fd)), 'rb', buffering=0) as pipe:
            while at < len(target):
                at += pipe.readinto(target[at:])
        return f'{time.monotonic_ns()} {hashlib.sha256(target).hexdigest()}'


class Shmalloc(Role):
    """A process that has the binding, and no torch."""

    def __init__(self):
        import shmalloc
        self.shmalloc = shmalloc
        assert 'torch' not in sys.modules

    def load(self, path, prefix):
        """Put a file into a storage."""
        size, start = os.path.getsize(path), time.monotonic_ns()
        allocator = self.shmalloc.Allocator(self.shmalloc.Kind.MAP, prefix=prefix)
        self.storage = allocator.create(size)
        self.bytes, at = self.storage.view(), 0
        with open(path, 'rb', buffering=0) as file:
            while at < size:
                at += file.readinto(self.bytes[at:])
        return f'{self.storage.address} {size} {time.monotonic_ns() - start}'

    def send(self, fd, read_only=''):
        """To a process with shmalloc."""
        with socket.socket(fileno=os.dup(int(fd))) as link:
            start = time.monotonic_ns()
            self.storage.send(link, read_only=bool(read_only))
        return start

    def send_torch(self, fd):
        """To a process with PyTorch and nothing else: a descriptor and a size, as torch.multiprocessing would."""
        fds = self.storage.export_fds(format=self.shmalloc.Format.TORCH_FD)
        size = self.storage.export(format=self.shmalloc.Format.TORCH_FD)
        with socket.socket(fileno=os.dup(int(fd))) as link:
            start = time.monotonic_ns()
            socket.send_fds(link, [size], fds)
        os.close(fds[0])
        return start

    def write_pipe(self, fd):
        start, at = time.monotonic_ns(), 0
        while at < len(self.bytes):
            at += os.write(int(fd), self.bytes[at:])
        return start

    def receive(self, fd):
        with socket.socket(fileno=os.dup(int(fd))) as link:
            self.storage = self.shmalloc.Storage.receive(link)
        self.bytes = self.storage.view()
        return self.opened(self.storage.address, self.storage.size)

    def release(self):
        self.bytes = None
        self.storage.release()
        return 'ok'


class Torch(Role):
    """A process that has PyTorch, and no shmalloc."""

    def __init__(self):
        import torch
        self.torch = torch
        assert 'shmalloc' not in sys.modules

    def receive(self, fd):
        with socket.socket(fileno=os.dup(int(fd))) as link:
            size, fds, _, _ = socket.recv_fds(link, 64, 1)
        storage = self.torch.UntypedStorage._new_shared_fd_cpu(fds[0], int(size))
        os.close(fds[0])
        self.tensor = self.torch.tensor([], dtype=self.torch.uint8).set_(storage)
        self.bytes = memoryview(self.tensor.numpy())
        return self.opened(self.tensor.data_ptr(), int(size))

    def release(self):
        self.bytes = self.tensor = None
        return 'ok'


def main():
    role = Torch() if sys.argv[1] == 'torch' else Shmalloc()
    print('ready', flush=True)
    for line in sys.stdin:
        word, *arguments = line.split()
        try:
            answer = getattr(role, word.replace('-', '_'))(*map(unquote, arguments))
        except Exception as error:
            answer = f'error {type(error).__name__}: {error}'
        print(answer, flush=True)


if __name__ == '__main__':
    main()
