"""Queues of objects: what comes out is what went in, arrays lie in the sender's memory, and an end is an end."""
import gc
import multiprocessing
import pickle
import queue
import threading
import unittest
from multiprocessing import resource_sharer, resource_tracker

import numpy
import shmalloc
import torch
from shmalloc import Allocator, Kind, Queue, Status, Storage
from support import Case, always, eventually


def answer(there, back):
    """A worker: sends back what it gets, arrays doubled in place."""
    for thing in there:
        if isinstance(thing, numpy.ndarray):
            thing *= 2
        back.put(thing)
    back.put(numpy.full(100000, 7.0))  # and ends while that is on its way


def put_and_end(queue, count):
    for i in range(count):
        queue.put(numpy.full(1000, i))


def get_one(queue):
    queue.get()


class Point:
    """Some class of a program."""

    def __init__(self, x, y):
        self.x, self.y = x, y


class QueueCase(Case):
    """Queues are made by `queue`: a handle keeps what it leads to for a time, which ends with the test."""

    def setUp(self):
        resource_tracker.ensure_running()  # it stays, with a descriptor
        Queue().release()  # its handlers stay
        super().setUp()

    def queue(self, *arguments, **options):
        made = Queue(*arguments, **options)
        self.addCleanup(resource_sharer.stop)
        self.addCleanup(made.channel.storage().revoke)
        return made


class One(QueueCase):
    """In one process."""

    def test_objects(self):
        q = self.queue()
        for thing in (None, 5, 'x' * 10000, b'y' * 300, {'a': [1, 2]}, (1.5, set('ab'))):
            q.put(thing)
            self.assertEqual(q.get(), thing)
        q.put(Point(1, numpy.arange(1000)))
        point = q.get()
        self.assertEqual((point.x, point.y.sum()), (1, 499500))
        self.assertRaises(Exception, q.put, lambda: 0)
        self.assertTrue(q.empty())

    def test_arrays_lie_in_the_storage(self):
        q = self.queue()
        fixed = numpy.arange(1000)
        fixed.flags.writeable = False
        sent = {'c': numpy.arange(1000.).reshape(10, 100), 'f': numpy.asfortranarray(numpy.arange(600.).reshape(20, 30)),
                'slice': numpy.arange(10000)[::3], 'fixed': fixed, 'small': numpy.arange(3), 'none': numpy.empty((0, 5)),
                'names': numpy.array(['a', 'b']), 'objects': numpy.array([1, 'x', None], dtype=object),
                'record': numpy.zeros(100, [('a', 'u1'), ('b', '>f8')])}
        q.put(sent)
        got = q.get()
        for key, array in sent.items():
            numpy.testing.assert_array_equal(got[key], array)
            self.assertEqual((got[key].dtype, got[key].flags.writeable), (array.dtype, key != 'fixed'), key)
        storage, _ = Storage.find(got['c'].ctypes.data)
        self.assertEqual(storage.info.pins, 1, 'one for all that lies in it')
        for key in 'c', 'f', 'slice', 'fixed', 'record':
            self.assertEqual(Storage.find(got[key].ctypes.data)[0].info.id, storage.info.id, key)
            self.assertEqual(got[key].ctypes.data % 64, 0)
        self.assertRaises(shmalloc.NotFoundError, Storage.find, got['small'].ctypes.data)

    def test_memory_goes_with_the_last_array(self):
        with Allocator(Kind.SHARED) as allocator, self.queue(allocator=allocator) as q:
            q.put(numpy.arange(10000))
            q.put('z' * 10000)
            self.assertEqual(q.get().sum(), 49995000)
            self.assertEqual(len(q.get()), 10000)
            shmalloc.trim()
            self.assertEqual(allocator.info.live_storages, 0)

    def test_tensors(self):
        q = self.queue()
        for tensor in (torch.arange(1000.), torch.arange(1000, dtype=torch.bfloat16).reshape(10, 100).t(), torch.ones(500) > 0,
                       torch.tensor(5), torch.empty(0, 3), torch.complex(torch.ones(200), torch.ones(200)).conj(),
                       torch.ones(3, requires_grad=True)):
            q.put([tensor])
            got = q.get()[0]
            self.assertTrue(torch.equal(got.detach(), tensor.detach()))
            self.assertEqual((got.dtype, got.requires_grad), (tensor.dtype, tensor.requires_grad))
        q.put(torch.arange(1000.))
        got = q.get()
        Storage.find(got.data_ptr())
        got[0] = 5
        theirs = shmalloc.from_dlpack(numpy.arange(1000, dtype='i2').reshape(10, 100)[:, ::2])
        q.put(theirs)
        ours = q.get()
        self.assertEqual((ours.dtype, ours.shape, ours.strides), ('int16', (10, 50), (100, 2)))
        self.assertEqual(numpy.from_dlpack(ours)[1].tolist(), list(range(100, 200, 2)))

    def test_storages_are_handed_over_themselves(self):
        q = self.queue()
        for storage in Storage(100), Allocator(Kind.MAP, export_ttl_ms=0).create(100):
            q.put(storage)
            got = q.get()
            got.view()[0] = 9
            self.assertEqual(storage.view()[0], 9)
        tensor = Storage(100).tensor('uint8', (100,))
        q.put((tensor, 'note'))
        got, _ = q.get()
        got.storage.view()[0] = 4
        self.assertEqual(tensor.storage.view()[0], 4)
        short = Allocator(Kind.MAP, export_ttl_ms=0)
        q.put(short.create(10))  # its handle goes, and nobody holds it meanwhile
        self.raises(Status.STALE, q.get)

    def test_full_and_empty(self):
        q = self.queue(2)
        self.assertTrue(q.empty())
        self.assertRaises(queue.Empty, q.get_nowait)
        self.assertRaises(queue.Empty, q.get, timeout=0.01)
        q.put(1)
        q.put_nowait(numpy.arange(1000))
        self.assertTrue(q.full())
        self.assertRaises(queue.Full, q.put_nowait, 3)
        self.assertRaises(queue.Full, q.put, numpy.arange(1000), timeout=0.01)
        self.assertEqual((q.qsize(), q.get(), q.get().sum(), q.qsize()), (2, 1, 499500, 0))
        self.assertIn('0/2', repr(q))

    def test_close_is_for_everybody(self):
        q = self.queue()
        other = pickle.loads(pickle.dumps(q))
        q.put('last')
        other.close()
        self.assertRaises(ValueError, q.put, 1)
        self.assertEqual(list(q), ['last'])
        self.raises(Status.CLOSED, other.get)

    def test_threads(self):
        q, sums = self.queue(8), []

        def take():
            sums.append(sum(int(array.sum()) for array in q))
        takers = [threading.Thread(target=take) for _ in range(3)]
        makers = [threading.Thread(target=put_and_end, args=(q, 100)) for _ in range(2)]
        for thread in takers + makers:
            thread.start()
        for thread in makers:
            thread.join()
        q.close()
        for thread in takers:
            thread.join()
        self.assertEqual(sum(sums), 2 * 1000 * 4950)

    def test_what_was_not_put_there_is_refused(self):
        q = self.queue()
        q.channel.send(None, b'\1')
        self.raises(Status.CORRUPT, q.get)
        with Storage(16) as storage:
            storage.view()[:] = b'\xff' * 8 + b'\0' * 8
            q.channel.send(storage, b'\1')
        self.raises(Status.CORRUPT, q.get)

    def test_allocators_of_other_kinds_are_not_used(self):
        with self.queue() as q:
            self.assertEqual(q._storages().info.kind, Kind.SHARED)


class Processes(QueueCase):
    def test_a_worker_answers(self):
        for method in 'fork', 'spawn':
            there, back = self.queue(4), self.queue(4)
            worker = multiprocessing.get_context(method).Process(target=answer, args=(there, back))
            worker.start()
            array = numpy.arange(100000.)
            there.put(array)
            doubled = back.get()
            numpy.testing.assert_array_equal(doubled, 2 * array)
            for thing in ('text', {'x': [1, 2]}, Storage(50)):
                there.put(thing)
                got = back.get()
                if not isinstance(got, Storage):
                    self.assertEqual(got, thing)
            there.close()
            self.assertEqual(back.get()[0], 7)
            worker.join(60)
            self.assertEqual(worker.exitcode, 0)
            worker.close()
            self.raises(Status.PEER_GONE, back.get)
            self.assertEqual(doubled[-1], 199998, 'our array outlives the worker')
            del doubled, got, thing
            gc.collect()

    def test_a_process_that_ends_waits_until_its_things_are_got(self):
        q = self.queue(64)
        child = multiprocessing.get_context('fork').Process(target=put_and_end, args=(q, 20))
        child.start()
        eventually(lambda: q.qsize() == 20, 'all of it is put')
        always(child.is_alive, 'it waits', seconds=0.7)
        self.assertEqual([int(q.get()[0]) for _ in range(20)], list(range(20)))
        child.join(60)
        self.assertEqual((child.exitcode, q.channel.info.skipped), (0, 0))
        child.close()

    def test_nobody_waits_for_those_who_have_left(self):
        q = self.queue()
        child = multiprocessing.get_context('fork').Process(target=get_one, args=(q,))
        q.put(1)
        q.put(numpy.arange(1000))
        child.start()
        child.join(60)
        child.close()
        self.assertTrue(q.join(5))
        self.assertEqual(q.get().sum(), 499500)

    def test_a_killed_one_loses_them(self):
        q, peer = self.queue(64), self.peer('import pickle, numpy')
        peer.do('q = pickle.loads(data)\nfor i in range(5): q.put(numpy.full(1000, i))\nq.put("small")', data=pickle.dumps(q))
        self.assertEqual(int(q.get()[0]), 0)
        peer.kill()
        got = []
        try:
            while True:
                got.append(q.get())
        except shmalloc.PeerGoneError:
            pass
        self.assertEqual(len(got) + q.channel.info.skipped, 5, 'each is got or counted')
        self.assertEqual(got[-1], 'small', 'what lies in the record is there')

    def test_join_waits_for_the_others(self):
        q, peer = self.queue(), self.peer('import pickle')
        peer.do('q = pickle.loads(data)', data=pickle.dumps(q))
        self.assertTrue(q.join(0))
        peer.do('q.empty(); q.put(1)')
        self.assertEqual(q.get(), 1)
        q.put(numpy.arange(1000))
        self.assertFalse(q.join(0.01))
        peer.do('sum = int(q.get().sum())')
        self.assertTrue(q.join(60))
        self.assertEqual(peer.ask('sum'), 499500)


if __name__ == '__main__':
    unittest.main()
