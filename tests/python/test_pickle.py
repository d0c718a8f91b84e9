"""Pickles that carry the handle and not the bytes, by themselves and through multiprocessing."""
import multiprocessing
import os
import pickle
import unittest
from multiprocessing import resource_sharer, resource_tracker

import shmalloc
from shmalloc import Allocator, Channel, Kind, Mapped, Status, Storage
from support import PREFIX, SHM, Case


def in_process(things, answers):
    """What a child of multiprocessing does with what it got."""
    for thing in things:
        if isinstance(thing, Channel):
            thing.send(None, b'from the child')
        elif isinstance(thing, shmalloc.Tensor):
            answers.send((thing.dtype, thing.shape, bytes(thing.storage.view()[:3])))
        else:
            answers.send(bytes(thing.view()[:5]))
            if not thing.view().readonly:
                thing.view()[:5] = b'child'
    answers.send('done')


class PickleCase(Case):
    def channel(self):
        """A handle keeps what it leads to for a time; this one's ends with the test."""
        made = Channel()
        self.addCleanup(made.storage().revoke)
        return made


class Pickles(PickleCase):
    def test_a_pickle_is_the_memory(self):
        for storage in (Storage(1 << 20), Storage(1 << 20, isolated=True), Allocator(Kind.MAP, export_ttl_ms=0).create(1 << 20),
                        Allocator(Kind.MAP_REFCOUNTED, prefix=PREFIX, export_ttl_ms=0).create(1 << 20)):
            storage.view()[:5] = b'hello'
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
                data = pickle.dumps(storage, protocol)
                self.assertLess(len(data), 1000)
                with pickle.loads(data) as again:
                    again.view()[0] += 1
                    self.assertEqual((again.size, storage.view()[0]), (1 << 20, again.view()[0]))

    def test_another_process_loads_it(self):
        storage, channel, peer = Storage(100), self.channel(), self.peer('import pickle')
        peer.do('storage, tensor, channel = pickle.loads(data); storage.view()[:2] = b"hi"; channel.send(storage)',
                data=pickle.dumps((storage, storage.tensor('int16', (2, 5), offset=4), channel)))
        self.assertEqual(bytes(storage.view()[:2]), b'hi')
        self.assertEqual(peer.ask('tensor.dtype, tensor.shape, tensor.offset'), ('int16', (2, 5), 4))
        self.assertEqual(channel.receive()[0].size, 100)

    def test_sealed_memory_stays_read_only(self):
        storage = Storage(10, isolated=True)
        storage.seal()
        self.assertTrue(pickle.loads(pickle.dumps(storage)).view().readonly)

    def test_it_lives_as_long_as_the_sender_and_the_time_to_live(self):
        for seconds, good in (60, True), (0, False):
            peer = self.peer('import pickle')
            peer.do(f'with Allocator(Kind.MAP, export_ttl_ms={seconds * 1000}).create(10) as storage: data = pickle.dumps(storage)')
            data = peer.ask('data')
            if good:
                pickle.loads(data).release()
            else:
                self.raises(Status.STALE, pickle.loads, data)
        peer = self.peer('import pickle; storage = Storage(10, isolated=True)')
        data = peer.ask('pickle.dumps(storage)')
        pickle.loads(data).release()
        peer.kill()
        self.raises(Status.PEER_GONE, pickle.loads, data)

    def test_what_can_not_be_shared_can_not_be_pickled(self):
        self.raises(Status.UNSUPPORTED, pickle.dumps, Allocator(Kind.DIRECT).create(10))
        self.raises(Status.UNSUPPORTED, pickle.dumps, Storage.adopt(bytearray(5)))
        storage = Storage(10)
        storage.release()
        self.raises(Status.CLOSED, pickle.dumps, storage)


class Multiprocessing(PickleCase):
    def setUp(self):
        resource_tracker.ensure_running()  # it stays, with a descriptor
        super().setUp()

    def run_child(self, method, things):
        """Hands things to a child, returns what it says of them."""
        context = multiprocessing.get_context(method)
        ours, theirs = context.Pipe()
        child = context.Process(target=in_process, args=(things, theirs))
        child.start()
        theirs.close()
        said = list(iter(ours.recv, 'done'))
        child.join(60)
        self.assertEqual(child.exitcode, 0)
        child.close()
        ours.close()
        return said

    def test_arguments(self):
        for method in 'fork', 'spawn':
            storage, sealed, channel = Storage(50), Storage(50, isolated=True), self.channel()
            storage.view()[:5] = sealed.view()[:5] = b'hello'
            sealed.seal()
            said = self.run_child(method, [storage, sealed, storage.tensor('float32', (2, 2)), channel])
            self.assertEqual(said, [b'hello', b'hello', ('float32', (2, 2), b'chi')], method)
            self.assertEqual((bytes(storage.view()[:5]), bytes(sealed.view()[:5])), (b'child', b'hello'))
            self.assertEqual(channel.receive(), (None, b'from the child'))

    def long_name(self):
        """A storage whose name is too long for a handle: only a descriptor leads to it."""
        folder = self.folder() / ('x' * 200) / ('y' * 200)
        folder.mkdir(parents=True)
        storage = Allocator(Kind.MAP, export_ttl_ms=0).create(50, name=folder / ('z' * 200), mapped=Mapped.SHARED)
        self.raises(Status.UNSUPPORTED, pickle.dumps, storage)
        return storage

    def test_descriptors_go_along_where_no_bytes_lead_there(self):
        storage = self.long_name()
        storage.view()[:5] = b'hello'
        self.assertEqual(self.run_child('spawn', [storage]), [b'hello'])
        self.assertEqual(bytes(storage.view()[:5]), b'child')
        self.assertEqual(self.run_child('spawn', [storage, storage]), [b'child'] * 2)

    def test_descriptors_through_a_pipe(self):
        storage = self.long_name()
        ours, theirs = multiprocessing.Pipe()
        try:
            ours.send([storage])
            received, = theirs.recv()
            received.view()[:2] = b'hi'
            self.assertEqual(bytes(storage.view()[:2]), b'hi')
        finally:
            resource_sharer.stop()
            ours.close()
            theirs.close()

    def test_named_storages_of_the_parent_stay(self):
        storage = Allocator(Kind.MAP, export_ttl_ms=0).create(50, name=f'{PREFIX}mp', mapped=Mapped.SHAREDMEM)
        self.run_child('fork', [storage])
        self.run_child('spawn', [storage])
        self.assertTrue(os.path.exists(SHM / f'{PREFIX}mp'))
        self.assertEqual(bytes(storage.view()[:5]), b'child')


if __name__ == '__main__':
    unittest.main()
