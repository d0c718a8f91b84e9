"""PyTorch's file_descriptor strategy, both directions, with PyTorch itself in another process."""
import multiprocessing
import os
import unittest

import shmalloc
from shmalloc import Format, Kind, State, Status, Storage
from support import PeerError, names
from torchside import TorchCase, read_pickle, write_pickle


class FileDescriptor(TorchCase):
    def to_torch(self, storage, torch):
        """Torch opens it from the bytes and the descriptor of a TORCH_FD export."""
        size = int(storage.export(format=Format.TORCH_FD))
        fds = storage.export_fds(format=Format.TORCH_FD)
        try:
            torch.do('u = UntypedStorage._new_shared_fd_cpu(fds[0], size); os.close(fds[0])', fds=fds, size=size)
        finally:
            for fd in fds:
                os.close(fd)

    def from_torch(self, torch, name):
        """We open what torch made."""
        fds = torch.ask_fds(f'[{name}._share_fd_cpu_()[0]]')
        size = torch.ask(f'{name}._share_fd_cpu_()[1]')
        try:
            return Storage.import_(str(size).encode(), fds, format=Format.TORCH_FD)
        finally:
            for fd in fds:
                os.close(fd)

    def test_ours_opens_in_torch(self):
        storage, torch = Storage(4096, isolated=True), self.torch()
        self.to_torch(storage, torch)
        self.assertEqual(torch.ask('(u.nbytes(), u.is_shared())'), (4096, True))
        self.both_see(storage, torch, 'u')
        self.assertEqual(torch.ask('torch.tensor([], dtype=torch.float64).set_(u).numel()'), 512)

    def test_sizes_that_fill_no_page(self):
        torch = self.torch()
        for size in (1, 63, 4097, 100001):
            storage = Storage(size, isolated=True)
            storage.view()[size - 1] = 200
            self.to_torch(storage, torch)
            self.assertEqual(torch.ask('(u.nbytes(), get(u, size)[-1])'), (size, 200))

    def test_torch_storage_opens_here(self):
        torch = self.torch('u = UntypedStorage(1000)', 'put(u, b"0123456789")')
        storage = self.from_torch(torch, 'u')
        self.assertEqual((storage.size, bytes(storage.view()[:10])), (1000, b'0123456789'))
        self.assertIn(State.IMPORTED | State.SHARED, storage.info.state)
        self.both_see(storage, torch, 'u')

    def test_torch_tensor_travels_on_from_here(self):
        """Torch makes it, we open it, send it on as one of ours, and a second torch opens that."""
        first, second = self.torch('t = torch.arange(100, dtype=torch.int32)', 'u = t.storage().untyped()'), self.torch()
        storage = self.from_torch(first, 'u')
        middle = self.peer()
        storage.send(middle.link, ttl=0)
        middle.do('s = Storage.receive(link)')
        self.assertEqual(middle.ask('s.export(format=Format.TORCH_FD)'), b'400')
        fds = middle.ask_fds('s.export_fds(format=Format.TORCH_FD)')
        second.do('u = UntypedStorage._new_shared_fd_cpu(fds[0], 400); os.close(fds[0])', fds=fds)
        os.close(fds[0])
        self.assertEqual(second.ask('torch.tensor([], dtype=torch.int32).set_(u)[99].item()'), 99)
        second.do('torch.tensor([], dtype=torch.int32).set_(u)[99] = -5')
        self.assertEqual(first.ask('t[99].item()'), -5)

    def test_killed_torch_leaves_us_the_memory(self):
        torch = self.torch('u = UntypedStorage(1000)', 'put(u, b"0123456789")')
        storage = self.from_torch(torch, 'u')
        torch.kill()
        self.assertEqual(bytes(storage.view()[:10]), b'0123456789')

    def test_torch_killed_with_ours(self):
        storage, torch = Storage(4096, isolated=True), self.torch()
        self.to_torch(storage, torch)
        torch.do('put(u, b"0123456789")')
        torch.kill()
        self.assertEqual(bytes(storage.view()[:10]), b'0123456789')

    def test_we_are_killed_and_torch_keeps_the_memory(self):
        owner, torch = self.peer('s = Storage(4096, isolated=True)', 's.view()[:4] = b"ours"'), self.torch()
        fds = owner.ask_fds('s.export_fds(format=Format.TORCH_FD)')
        torch.do('u = UntypedStorage._new_shared_fd_cpu(fds[0], 4096); os.close(fds[0])', fds=fds)
        os.close(fds[0])
        owner.kill()
        self.assertEqual(torch.ask('get(u, 4)'), b'ours')
        torch.do('put(u, b"mine")')
        self.assertEqual(torch.ask('get(u, 4)'), b'mine')

    def test_read_only_export_is_refused_to_torch_and_stays_as_it_was(self):
        storage, torch = Storage(4096, isolated=True), self.torch()
        storage.view()[:4] = b'safe'
        self.raises(Status.INVALID, storage.export, format=Format.TORCH_FD, read_only=True)
        fds = storage.export_fds(read_only=True)  # torch maps for writing: all that it gets is an exception
        with self.assertRaisesRegex(PeerError, 'RuntimeError'):
            torch.do('UntypedStorage._new_shared_fd_cpu(fds[0], 4096)', fds=fds)
        os.close(fds[0])
        self.assertEqual((bytes(storage.view(write=False)[:4]), storage.size), (b'safe', 4096))

    def test_wrong_handles_are_refused(self):
        fd = os.memfd_create('short')
        os.ftruncate(fd, 100)
        try:
            for text in (b'', b'x', b'-5', b'1 2', b'99999999999999999999999', b'12\n'):
                with self.assertRaises(shmalloc.ShmallocError, msg=text):
                    Storage.import_(text, [fd], format=Format.TORCH_FD)
            with self.assertRaises(shmalloc.ShmallocError):
                Storage.import_(b'101', [fd], format=Format.TORCH_FD)
            self.assertEqual(os.fstat(fd).st_size, 100, 'a peer object is never made longer')
            self.raises(Status.INVALID, Storage.import_, b'100', format=Format.TORCH_FD)
        finally:
            os.close(fd)


class Pickled(TorchCase):
    """torch.multiprocessing's own pickles; the descriptor travels by multiprocessing's resource sharer."""

    KEY = b'k' * 32

    def setUp(self):
        super().setUp()
        multiprocessing.current_process().authkey = self.KEY

    def torch(self, *lines):
        return super().torch('import multiprocessing; from multiprocessing.reduction import ForkingPickler; import pickle',
                             f'multiprocessing.current_process().authkey = {self.KEY!r}', *lines)

    def test_torch_pickles_and_we_open(self):
        torch = self.torch('u = UntypedStorage(1000)')
        data = torch.ask('bytes(ForkingPickler.dumps(u))')
        rebuild, (_, dup, size) = read_pickle(data)
        self.assertEqual((rebuild, size), ('rebuild_storage_fd', 1000))
        fd = dup.detach()
        storage = Storage.import_(str(size).encode(), [fd], format=Format.TORCH_FD)
        os.close(fd)
        self.both_see(storage, torch, 'u')

    def test_we_pickle_and_torch_opens(self):
        torch = self.torch()
        owner = self.peer('import multiprocessing, sys', 'from multiprocessing.resource_sharer import DupFd',
                          f'multiprocessing.current_process().authkey = {self.KEY!r}',
                          's = Storage(4096, isolated=True); s.view()[:4] = b"ours"', 'fd, = s.export_fds(format=Format.TORCH_FD)',
                          'd = DupFd(fd); os.close(fd)')
        torch.do('u = pickle.loads(data)', data=write_pickle('rebuild_storage_fd', owner.ask('d'), 4096))
        self.assertEqual(torch.ask('get(u, 4)'), b'ours')
        torch.do('put(u, b"back")')
        self.assertEqual(owner.ask('bytes(s.view()[:4])'), b'back')

    def test_queue_of_torch_carries_what_was_ours(self):
        """Our memory goes into one torch process, and from there through torch's own queue into another."""
        storage, torch = Storage(4096, isolated=True), self.torch()
        fds = storage.export_fds(format=Format.TORCH_FD)
        torch.do('''
u = UntypedStorage._new_shared_fd_cpu(fds[0], 4096)
os.close(fds[0])
def child(queue, back):
    t = queue.get()
    back.put(t[0].item())
    t[1] = 99
    back.put('done')
context = mp.get_context('fork')
queue, back = context.Queue(), context.Queue()
process = context.Process(target=child, args=(queue, back))
process.start()
queue.put(torch.tensor([], dtype=torch.uint8).set_(u))
''', fds=fds)
        os.close(fds[0])
        with storage.view() as view:
            self.assertIn(torch.ask('back.get(timeout=30)'), (0, view[0]))
            self.assertEqual(torch.ask('back.get(timeout=30)'), 'done')
            self.assertEqual(view[1], 99)
        torch.do('process.join(); del queue, back')


class Helpers(TorchCase):
    """shmalloc.torch, in a process that has both."""

    def both(self, strategy='file_descriptor'):
        peer = self.peer('import torch, shmalloc.torch as st', f'torch.multiprocessing.set_sharing_strategy({strategy!r})')
        return peer

    def test_to_torch_and_back(self):
        peer = self.both()
        with self.assertRaisesRegex(PeerError, 'UnsupportedError.*ISOLATED'):  # one of a segment; torch maps whole objects
            peer.do('st.to_torch(Storage(1000))')
        peer.do('s = Storage(1000, isolated=True); u = st.to_torch(s); s.view()[0] = 5')
        self.assertEqual(peer.ask('(u[0], u.nbytes(), u.is_shared())'), (5, 1000, True))
        peer.do('s.release(); u[1] = 6; t = st.from_torch(u)')
        self.assertEqual(peer.ask('bytes(t.view()[:2])'), b'\5\6')
        self.assertEqual(peer.ask('st.to_torch(Storage(0)).nbytes()'), 0)

    def test_from_torch_with_the_file_system_strategy(self):
        peer = self.both('file_system')
        peer.do('u = torch.UntypedStorage(1000); u[0] = 7; s = st.from_torch(u)')
        self.assertEqual(peer.ask('(s.view()[0], s.info.kind, st.refcount(s))'), (7, Kind.MAP_REFCOUNTED, 2))
        peer.do('s.release(); del u')
        self.assertEqual(names(), set())

    def test_tensor_over_a_storage_holds_it(self):
        peer = self.both()
        peer.do('s = Storage(64); t = st.tensor(s, torch.float32, (4, 4)); s.release(); t.fill_(2)')
        self.assertEqual(peer.ask('t.sum().item()'), 32.0)
        self.assertEqual(peer.ask('Allocator.current().info.live_storages'), 1)
        peer.do('del t; import gc; gc.collect(); trim()')
        self.assertEqual(peer.ask('Allocator.current().info.live_storages'), 0)


if __name__ == '__main__':
    unittest.main()
