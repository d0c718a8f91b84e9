"""PyTorch's file_system strategy, both directions, with the count followed step by step."""
import os
import struct
import unittest

import shmalloc
from shmalloc import Format, Kind, Mapped, State, Status, Storage
from support import PREFIX, SHM, always, eventually, names
from torchside import TorchCase, file_handle, opened, parts, read_pickle, write_pickle

OPEN = 'u = UntypedStorage._new_shared_filename_cpu(manager, name, size)'


def count_of(name):
    """The count in an object, as anybody can read it."""
    return struct.unpack('=i', (SHM / name.decode()[1:]).read_bytes()[:4])[0]


class OursInTorch(TorchCase):
    def count_up_and_down(self, manager, expected_manager):
        """Ours, opened by two torch processes and let go in all orders of torch first, then us."""
        storage = self.counted(manager=manager)
        self.counts(storage, 1)
        handle = storage.export(format=Format.TORCH_FILE)
        self.assertEqual(parts(handle)['manager'], expected_manager)
        self.assertEqual(parts(handle)['size'], 4096)
        self.counts(storage, 1)
        first, second = self.torch(), self.torch()
        first.do(OPEN, **parts(handle))
        self.counts(storage, 2)
        self.both_see(storage, first, 'u')
        second.do(OPEN, **parts(handle))
        self.counts(storage, 3)
        second.do('put(u, b"second")')
        self.assertEqual(first.ask('get(u, 6)'), b'second')
        first.do('del u')
        self.counts(storage, 2)
        second.do('del u')
        self.counts(storage, 1)
        self.assertEqual(names(), {storage.name[1:]})
        storage.release()
        self.assertEqual(names(), set())

    def test_with_our_responder_as_the_manager(self):
        path = self.responder()
        self.count_up_and_down(path, path.encode())

    def test_with_torchs_own_manager(self):
        self.count_up_and_down('', b'')

    def test_torch_lets_go_last_and_removes_the_name(self):
        storage, torch = self.counted(manager=self.responder()), self.torch()
        torch.do(OPEN, **parts(storage.export(format=Format.TORCH_FILE)))
        storage.view()[:4] = b'stay'
        storage.release()
        self.assertEqual(len(names()), 1)
        self.assertEqual(torch.ask('get(u, 4)'), b'stay')
        torch.do('del u')
        self.assertEqual(names(), set())

    def test_layout_is_that_of_torch(self):
        storage = self.counted(100)
        storage.view()[:3] = b'abc'
        data = (SHM / storage.name[1:]).read_bytes()
        self.assertEqual((len(data), struct.unpack('=i', data[:4])[0], data[4:64], data[64:67]), (164, 1, bytes(60), b'abc'))
        self.assertEqual(storage.info.kind, Kind.MAP_REFCOUNTED)
        self.assertLess(len(storage.name), 60, 'what a manager\'s record has room for')


class TorchsHere(TorchCase):
    def test_counted_down_to_nothing_we_first(self):
        torch = self.torch('u = UntypedStorage(1000)', 'put(u, b"0123456789")')
        triple = torch.ask('u._share_filename_cpu_()')
        storage = opened(triple)
        self.counts(storage, 2)
        self.assertEqual((storage.size, bytes(storage.view()[:10]), storage.name), (1000, b'0123456789', triple[1].decode()))
        self.both_see(storage, torch, 'u')
        again = opened(triple)
        self.counts(again, 3)
        again.release()
        self.counts(storage, 2)
        storage.release()
        self.assertEqual(names(), {triple[1][1:].decode()})
        torch.do('del u')
        self.assertEqual(names(), set())

    def test_counted_down_to_nothing_torch_first(self):
        torch = self.torch('u = UntypedStorage(1000)')
        storage = opened(torch.ask('u._share_filename_cpu_()'))
        torch.do('del u')
        self.counts(storage, 1)
        self.assertEqual(len(names()), 1)
        storage.release()
        self.assertEqual(names(), set())

    def test_attach_by_name_alone(self):
        """Without a handle: kind MAP_REFCOUNTED attaches to any object of torch's."""
        torch = self.torch('u = UntypedStorage(1000)', 'put(u, b"abc")')
        _, name, _ = torch.ask('u._share_filename_cpu_()')
        storage = shmalloc.Allocator(Kind.MAP_REFCOUNTED).create(0, name=name.decode(), mapped=Mapped.NOCREATE)
        self.counts(storage, 2)
        self.assertEqual((storage.size, bytes(storage.view()[:3])), (1000, b'abc'))
        storage.release()
        torch.do('del u')

    def test_passed_on_by_us(self):
        """Torch's, opened here, exported again, opened by a second torch."""
        first, second = self.torch('u = UntypedStorage(1000)', 'put(u, b"abc")'), self.torch()
        storage = opened(first.ask('u._share_filename_cpu_()'))
        second.do(OPEN, **parts(storage.export(format=Format.TORCH_FILE, ttl=0)))
        self.counts(storage, 3)
        storage.release()
        first.do('del u')
        self.assertEqual(second.ask('get(u, 3)'), b'abc')
        second.do('del u')

    def test_responder_serves_what_torch_makes_later(self):
        """A torch process that knows our responder registers its own objects there, and they open here."""
        path = self.responder()
        ours, torch = self.counted(manager=path), self.torch()
        torch.do(OPEN, **parts(ours.export(format=Format.TORCH_FILE)))
        torch.do('v = UntypedStorage(500); put(v, b"later")')
        triple = torch.ask('v._share_filename_cpu_()')
        self.assertEqual(triple[0], path.encode())
        storage = opened(triple)
        self.assertEqual(bytes(storage.view()[:5]), b'later')
        torch.do('del u, v')
        self.counts(storage, 1)
        self.counts(ours, 1)


class Pickled(TorchCase):
    """torch.multiprocessing's own pickles: the sender raises the count for the receiver."""

    def torch(self, *lines):
        return super().torch('from multiprocessing.reduction import ForkingPickler; import pickle',
                             'mp.set_sharing_strategy("file_system")', *lines)

    def test_torch_pickles_and_we_take_the_count_over(self):
        torch = self.torch('u = UntypedStorage(1000)', 'put(u, b"abc")')
        rebuild, (_, *triple) = read_pickle(torch.ask('bytes(ForkingPickler.dumps(u))'))
        self.assertEqual(rebuild, 'rebuild_storage_filename')
        self.assertEqual(count_of(triple[1]), 2)
        storage = opened(triple, counted=True)
        self.counts(storage, 2)
        self.assertEqual(bytes(storage.view()[:3]), b'abc')
        torch.do('del u')
        self.counts(storage, 1)
        storage.release()
        self.assertEqual(names(), set())

    def test_message_in_flight_keeps_the_object(self):
        torch = self.torch('u = UntypedStorage(1000)', 'put(u, b"abc")')
        _, (_, *triple) = read_pickle(torch.ask('bytes(ForkingPickler.dumps(u))'))
        torch.do('del u')
        self.assertEqual(len(names()), 1)
        storage = opened(triple, counted=True)
        self.counts(storage, 1)
        self.assertEqual(bytes(storage.view()[:3]), b'abc')
        storage.release()
        self.assertEqual(names(), set())

    def test_message_in_flight_between_torchs_is_kept_by_our_responder(self):
        """As torch's own manager would: who registered the name lives, though it let go of its own reference."""
        path = self.responder()
        ours, first, second = self.counted(manager=path), self.torch(), self.torch()
        first.do(OPEN, **parts(ours.export(format=Format.TORCH_FILE)))
        first.do('v = UntypedStorage(500); put(v, b"later")')
        data = first.ask('bytes(ForkingPickler.dumps(v))')
        first.do('del u, v')
        ours.release()
        always(lambda: len(names()) == 1, 'the object is there for the receiver')
        second.do('u = pickle.loads(data)', data=data)
        self.assertEqual(second.ask('get(u, 5)'), b'later')
        second.do('del u')
        self.assertEqual(names(), set())

    def test_we_pickle_and_torch_takes_the_count_over(self):
        storage, torch = self.counted(), self.torch()
        storage.view()[:4] = b'ours'
        handle = storage.export(format=Format.TORCH_FILE, counted=True)
        self.counts(storage, 2)
        data = write_pickle('rebuild_storage_filename', *parts(handle).values())
        torch.do('u = pickle.loads(data)', data=data)
        self.counts(storage, 2)
        self.assertEqual(torch.ask('get(u, 4)'), b'ours')
        other = storage.export(format=Format.TORCH_FILE, counted=True)
        self.counts(storage, 3)
        torch.do('v = pickle.loads(data)', data=write_pickle('rebuild_storage_filename', *parts(other).values()))
        self.counts(storage, 2)  # torch found it in its cache, and only took the message's count off
        torch.do('del u, v')
        self.counts(storage, 1)
        storage.release()

    def test_our_message_in_flight_keeps_the_object_for_its_time(self):
        """Neither we nor torch have it open; the export's time to live keeps it."""
        torch = self.torch()
        owner = self.peer(f'a = Allocator(Kind.MAP_REFCOUNTED, prefix={PREFIX!r}, manager={self.responder()!r})',
                          's = a.create(4096); s.view()[:4] = b"ours"')
        handle = owner.ask('s.export(format=Format.TORCH_FILE, counted=True, ttl=0.5)')
        owner.do('s.release(); trim()')
        self.assertEqual(len(names()), 1)
        torch.do('u = pickle.loads(data)', data=write_pickle('rebuild_storage_filename', *parts(handle).values()))
        self.assertEqual(torch.ask('get(u, 4)'), b'ours')
        eventually(lambda: owner.do('trim()') or count_of(parts(handle)['name']) == 1,
                   'after its time only torch counts it')
        torch.do('del u')
        self.assertEqual(names(), set())

    def test_torchs_queue_between_two_torch_processes_and_us(self):
        """A tensor of torch goes through torch's queue into its child; we look on, and the count comes down again."""
        torch = self.torch('''
def child(queue, back):
    t = queue.get()
    t[1] = 99
    back.put(t[0].item())
    del t
    back.put('done')
context = mp.get_context('fork')
queue, back = context.Queue(), context.Queue()
process = context.Process(target=child, args=(queue, back))
process.start()
t = torch.zeros(1000, dtype=torch.uint8)
u = t.storage().untyped()
''')
        storage = opened(torch.ask('u._share_filename_cpu_()'))
        storage.view()[0] = 7
        torch.do('queue.put(t)')
        self.assertEqual(torch.ask('back.get(timeout=30)'), 7)
        self.assertEqual((torch.ask('back.get(timeout=30)'), storage.view()[1]), ('done', 99))
        torch.do('process.join()')
        eventually(lambda: shmalloc.torch.refcount(storage) == 2, 'torch and we')
        torch.do('del t, u, queue, back')
        self.counts(storage, 1)
        storage.release()


class Dying(TorchCase):
    """Objects whose count is 0, or that are not what the handle says."""

    def make(self, count, size=164):
        path = SHM / f'{PREFIX}made'
        path.write_bytes(struct.pack('=i', count) + bytes(size - 4))
        self.addCleanup(path.unlink, missing_ok=True)
        return path

    def test_count_of_zero_is_never_raised(self):
        path = self.make(0)
        for counted in (False, True):
            self.raises(Status.STALE, opened, (b'', b'/' + path.name.encode(), 100), counted=counted)
        self.assertEqual(struct.unpack('=i', path.read_bytes()[:4])[0], 0)
        self.assertTrue(path.exists())
        path.unlink()

    def test_count_below_zero_is_refused(self):
        path = self.make(-3)
        with self.assertRaises(shmalloc.ShmallocError):
            opened((b'', b'/' + path.name.encode(), 100))
        path.unlink()

    def test_object_that_is_too_short_is_not_made_longer(self):
        path = self.make(1, 100)
        with self.assertRaises(shmalloc.ShmallocError):
            opened((b'', b'/' + path.name.encode(), 100))
        self.assertEqual(os.stat(path).st_size, 100)
        self.assertEqual(struct.unpack('=i', path.read_bytes()[:4])[0], 1)
        path.unlink()

    def test_size_beyond_the_handle_is_torchs_business(self):
        path = self.make(1, 10000)
        storage = opened((b'', b'/' + path.name.encode(), 100))
        self.assertEqual((storage.size, State.IMPORTED in storage.info.state), (100, True))
        self.counts(storage, 2)
        storage.release()
        self.assertEqual(struct.unpack('=i', path.read_bytes()[:4])[0], 1)
        path.unlink()

    def test_wrong_handles_are_refused(self):
        for handle in (b'', b'\n', b'\n/x', b'\n/x\n', b'\n/x\n-1', b'\n\n100', b'\n/../x\n100', b'\n/x\n1\n2', b'\n/a/b\n100'):
            with self.assertRaises(shmalloc.ShmallocError, msg=handle):
                Storage.import_(handle, format=Format.TORCH_FILE)
        self.raises(Status.NOT_FOUND, opened, (b'', b'/' + PREFIX.encode() + b'none', 100))
        self.assertTrue(file_handle(b'', b'/x', 1))

    def test_manager_that_does_not_answer(self):
        storage, path, heard = self.counted(), str(self.folder() / 'nobody'), []
        with self.assertRaises(shmalloc.ShmallocError) as caught:
            self.counted(manager=path)
        self.assertIn(path, str(caught.exception))
        shmalloc.set_log(lambda level, line: heard.append(line))
        again = opened((path.encode(), storage.name.encode(), 4096))  # what is there can be opened without it
        shmalloc.set_log(None)
        self.assertEqual([path in line for line in heard], [True])
        self.counts(again, 2)
        again.release()
        self.counts(storage, 1)


if __name__ == '__main__':
    unittest.main()
