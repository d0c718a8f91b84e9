"""Storages of kind SHARED as tensors of a real PyTorch process: not copied, held by every view, given back whatever ends their holder."""
import unittest

import shmalloc.torch
from shmalloc import Allocator, Channel, Kind, Status
from support import Case, PeerError, eventually


class SharedCase(Case):
    def setUp(self):
        super().setUp()
        self.allocator = Allocator(Kind.SHARED, export_ttl_ms=0)

    def torch(self, *lines):
        """A process with PyTorch and shmalloc."""
        return self.peer('import gc, torch, shmalloc.torch as st', *lines)

    def kept(self):
        """(live, pending, bytes from the system) of the owner's, after it gave back what it could."""
        self.allocator.trim()
        found = self.allocator.statistics()
        return found['allocation']['all'].current, found['pending'].current, found['reserved_bytes']['all'].current

    def opened(self, torch, storage, name='t'):
        torch.do(f's = Storage.import_(handle); {name} = st.tensor(s, torch.int32, (10, 10)); s.release()',
                 handle=storage.export(ttl=0))


class Tensors(SharedCase):
    def test_both_see_each_others_writing(self):
        storage, torch = self.allocator.create(400), self.torch()
        self.opened(torch, storage)
        view = storage.view().cast('i')
        view[57] = 1234
        self.assertEqual(torch.ask('t[5, 7].item()'), 1234)
        torch.do('t[9, 9] = -5')
        self.assertEqual(view[99], -5)
        view.release()
        storage.release()
        torch.do('del t')

    def test_views_keep_it_alive(self):
        storage, torch = self.allocator.create(400), self.torch()
        storage.view().cast('i')[44] = 7
        self.opened(torch, storage)
        torch.do('v = t[4].view(2, 5)[0, 4:]; del t, s; gc.collect(); trim()')
        storage.release()
        live, pending, size = self.kept()
        self.assertEqual((live, pending), (0, 1))
        self.assertGreater(size, 0)
        others = [self.allocator.create(400) for _ in range(100)]  # none of them gets that memory
        for other in others:
            other.view()[:] = b'x' * 400
        self.assertEqual(torch.ask('v.tolist()'), [7])
        torch.do('del v; gc.collect(); trim()')
        del other, others
        self.assertEqual(self.kept(), (0, 0, 0))

    def test_killed_holder(self):
        storage, torch = self.allocator.create(400), self.torch()
        self.opened(torch, storage)
        storage.release()
        self.assertEqual(self.kept()[:2], (0, 1))
        torch.kill()
        eventually(lambda: self.kept() == (0, 0, 0), 'the owner has the memory of a dead holder back')

    def test_parts_and_empty_ones(self):
        peer = self.torch('s = Storage(100); s.view()[:] = bytes(range(100))')
        self.assertEqual(peer.ask('st.tensor(s, torch.uint8, (2, 3), 10).tolist()'), [[10, 11, 12], [13, 14, 15]])
        self.assertEqual(peer.ask('tuple(st.tensor(s, torch.int32, (-1, 5), 20).shape)'), (4, 5))
        self.assertEqual(peer.ask('tuple(st.tensor(s, torch.int32, offset=100).shape)'), (0,))
        with self.assertRaisesRegex(PeerError, 'ValueError'):
            peer.do('st.tensor(s, torch.uint8, (5,), 100)')
        self.assertEqual(peer.ask('tuple(st.empty((3, 0)).shape), st.empty((2, 2)).dtype == torch.float32'), ((3, 0), True))


class Channels(SharedCase):
    def both_ways(self, *lines):
        """A PyTorch process and two channels, one each way; `there` and `back`."""
        self.there, self.back = Channel(record_size=64), Channel(record_size=64)
        self.addCleanup(self.back.release)
        self.addCleanup(self.there.release)
        torch = self.torch(*lines)
        torch.do('a = shmalloc.Channel.open(Storage.import_(there)); b = shmalloc.Channel.open(Storage.import_(back))',
                 there=self.there.storage().export(ttl=0), back=self.back.storage().export(ttl=0))
        return torch

    def sent(self, note=b''):
        """Without torch on this side."""
        storage = self.allocator.create(96)
        storage.view().cast('f')[:] = memoryview(bytes(96)).cast('f')
        self.there.send(storage, shmalloc.torch.record('float32', (2, 3, 4), note))
        return storage

    def test_there_and_back_it_is_the_same_memory(self):
        torch = self.both_ways()
        storage = self.sent(b'a note')
        torch.do('t, note = st.receive_tensor(a)')
        self.assertEqual(torch.ask('(note, tuple(t.shape), str(t.dtype))'), (b'a note', (2, 3, 4), 'torch.float32'))
        torch.do('t[1, 2, 3] = 2.5')
        self.assertEqual(storage.view().cast('f')[23], 2.5)
        torch.do('st.send_tensor(b, t[1], b"half"); del t; gc.collect(); trim()')
        again, record = self.back.receive()
        self.assertEqual(record, shmalloc.torch.record('float32', (3, 4), b'half', offset=48))
        self.assertEqual(again.address, storage.address)
        again.release()
        storage.release()
        torch.do('trim()')
        self.assertEqual(self.kept(), (0, 0, 0))

    def test_made_in_place_there(self):
        torch = self.both_ways('A = Allocator(Kind.SHARED)')
        torch.do('t = st.empty((5, 2), torch.int64, allocator=A); t[:] = 3; st.send_tensor(b, t); t[4, 1] = 4')
        storage, record = self.back.receive()
        self.assertEqual(record, shmalloc.torch.record('int64', (5, 2)))
        self.assertEqual(storage.view().cast('q').tolist(), [3] * 9 + [4])
        storage.release()
        torch.do('del t; gc.collect()')
        shmalloc.trim()
        self.assertEqual(torch.ask('[A.trim()] and [A.statistics()[k].current for k in ("pending",)] + [A.info.live_storages]'), [0, 0])

    def test_what_can_not_be_sent_as_it_is_is_copied(self):
        torch = self.both_ways('t = st.empty((3, 4)); t[:] = torch.arange(12).reshape(3, 4)',
                               'c = st.empty((2, 2), torch.complex64); c[:] = 1 + 2j')
        for what in ('t.t()', 't[:, 1:3]', 't.clone()', 't.clone().requires_grad_()', 'c.conj()', 't[0, 0].bfloat16()',
                     't > 5', 't[:, :0]', 'st.to_torch(Storage(8, isolated=True)).tolist() and st.tensor(Storage(8, isolated=True), torch.int8)'):
            torch.do(f'x = {what}; st.send_tensor(b, x, b"n"); x = x.detach(); y = x.resolve_conj().clone()')
            torch.do('z, note = st.receive_tensor(b, 0)')
            self.assertTrue(torch.ask('z.shape == y.shape and z.dtype == y.dtype and bool((z == y).all()) and note == b"n"'), what)
            self.assertTrue(torch.ask('z.numel() == 0 or z.data_ptr() != x.data_ptr()'), what)
        torch.do('st.send_tensor(b, t[1:]); z, _ = st.receive_tensor(b, 0)')
        self.assertTrue(torch.ask('z.data_ptr() == t[1:].data_ptr()'))
        torch.do('del t, c, x, y, z; gc.collect()')

    def test_iteration_keeps_none_while_it_waits(self):
        torch = self.both_ways('import threading', 'seen = []')
        torch.do('def loop():\n'
                 '    for t, note in st.tensors(a):\n'
                 '        seen.append(note[0])\n'
                 '        del t\n'
                 'thread = threading.Thread(target=loop); thread.start()')
        for i in range(3):
            self.sent(bytes([i])).release()
        eventually(lambda: self.kept() == (0, 0, 0), 'all are back while it waits for the next')
        self.there.close()
        torch.do('thread.join()')
        self.assertEqual(torch.ask('seen'), [0, 1, 2])

    def test_killed_with_some_on_the_way_and_some_in_hand(self):
        torch = self.both_ways()
        for _ in range(10):
            self.sent().release()
        torch.do('held = [st.receive_tensor(a)[0] for _ in range(6)]')
        self.assertEqual(sum(self.kept()[:2]), 10)
        torch.kill()
        while self.there.info.length:
            self.there.receive()
        eventually(lambda: self.kept() == (0, 0, 0), 'what the dead one held is back')

    def test_what_is_no_tensor(self):
        torch = self.both_ways()
        storage = self.allocator.create(96)
        record = shmalloc.torch.record('float32', (2, 3, 4))
        for broken, with_storage in ((b'', True), (record[:4], True), (b'\xff' + record, True), (b'\2\x20\1\0\x80', True), (record, False),
                                     (shmalloc.torch.record('float32', (25,)), True),
                                     (shmalloc.torch.record('float32', (24,), offset=1), True),
                                     (shmalloc.torch.record('uint8', (1 << 70,)), True)):
            self.there.send(storage if with_storage else None, broken)
            with self.assertRaisesRegex(PeerError, 'CorruptError'):
                torch.do('st.receive_tensor(a)')
        for dtype, shape in (('float80', (1,)), ('>f4', (1,)), ('int8', (-1,)), ('int8', (1,) * 256)):
            self.raises(Status.INVALID, shmalloc.torch.record, dtype, shape)
        storage.release()
        torch.do('trim()')
        self.assertEqual(self.kept(), (0, 0, 0))


if __name__ == '__main__':
    unittest.main()
