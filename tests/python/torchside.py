"""What the tests with PyTorch share. Our side runs in the test's process, or in a peer, without torch; torch's side in a peer."""
import io
import pickle
import select
import socket

import shmalloc.torch
from shmalloc import Allocator, Format, Kind, Storage
from support import LIMIT, PREFIX, Case, eventually, record

# Torch's side: read and write the first bytes of an untyped storage.
HELPERS = '''
def get(storage, count):
    return bytes(torch.tensor([], dtype=torch.uint8).set_(storage)[:count].tolist())
def put(storage, data):
    torch.tensor([], dtype=torch.uint8).set_(storage)[:len(data)] = torch.tensor(list(data), dtype=torch.uint8)
'''


class TorchCase(Case):
    def torch(self, *lines):
        """A process with PyTorch, and without shmalloc."""
        return self.torch_peer(HELPERS, *lines)

    def both_see(self, storage, torch, name):
        """What either writes the other reads; `storage` is ours, `name` torch's."""
        torch.do(f'put({name}, b"from torch")')
        self.assertEqual(bytes(storage.view()[:10]), b'from torch')
        storage.view()[:10] = b'from us...'
        self.assertEqual(torch.ask(f'get({name}, 10)'), b'from us...')

    def counts(self, storage, wanted):
        self.assertEqual(shmalloc.torch.refcount(storage), wanted)

    # ---- the file_system strategy ----

    def responder(self):
        """A process that answers in the place of torch_shm_manager; the path of its socket."""
        path = str(self.folder() / 'm')
        self.responding = self.peer('import shmalloc.torch', f'm = shmalloc.torch.Manager({path!r})')
        eventually(lambda: answers(path), 'the responder answers')
        return path

    def counted(self, size=4096, manager=''):
        """A new storage with PyTorch's count."""
        allocator = Allocator(Kind.MAP_REFCOUNTED, prefix=PREFIX, export_ttl_ms=0, **({'manager': manager} if manager else {}))
        return allocator.create(size)


def parts(handle):
    """Manager, name and size, as PyTorch's calls take them, of a TORCH_FILE handle."""
    manager, name, size = handle.split(b'\n')
    return {'manager': manager, 'name': name, 'size': int(size)}


def file_handle(manager, name, size):
    """The reverse."""
    return b'\n'.join([manager, name, str(size).encode()])


def opened(triple, **options):
    """Our storage over what torch told of its own."""
    return Storage.import_(file_handle(*triple), format=Format.TORCH_FILE, **options)


def answers(path):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


class Client:
    """A client of a manager that speaks the protocol by hand."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LIMIT)
        self.socket.connect(path)

    def register(self, name, pid=None):
        self.socket.sendall(record(name, pid=pid))
        assert select.select([self.socket], [], [], LIMIT)[0], 'no answer'
        assert self.socket.recv(2) == b'OK'

    def free(self, name):
        self.socket.sendall(record(name, free=True))

    def close(self):
        self.socket.close()


def settled(path, rounds=20):
    """The responder has seen all that happened before: it has one thread, and answered newcomers since."""
    for _ in range(rounds):
        client = Client(path)
        client.register('/' + PREFIX + 'nobody')
        client.close()


# ---- torch.multiprocessing's pickles, read and written by a process without torch ----

class Reader(pickle.Unpickler):
    """Calls of torch.multiprocessing.reductions stay what they are: their name and arguments."""

    def find_class(self, module, name):
        if module == 'torch.multiprocessing.reductions':
            return lambda *arguments: (name, arguments)
        if module.startswith('torch'):
            return f'{module}.{name}'
        return super().find_class(module, name)


def read_pickle(data):
    """('rebuild_storage_filename', (class, manager, name, size)) and the like."""
    return Reader(io.BytesIO(data)).load()


def write_pickle(rebuild, *arguments):
    """What ForkingPickler makes of an UntypedStorage: a call of `rebuild` with the class and these arguments."""
    pieces = [b'\x80\x03', b'ctorch.multiprocessing.reductions\n', rebuild.encode(), b'\n', b'(ctorch.storage\nUntypedStorage\n']
    for argument in arguments:
        pieces.append(pickle.dumps(argument, 3)[2:-1])  # without its own head and tail
    return b''.join(pieces + [b'tR.'])
