"""Allocators of kind CACHING: memory and storages in the order of streams, settings, and who hears of memory that is missing."""
import copy
import ctypes
import gc
import math
import threading
import unittest
import unittest.mock
import weakref

import numpy
import shmalloc
from shmalloc import Allocator, Device, Event, Kind, Status, Storage, Stream, Trim
from support import LIMIT, Case, Gate, new_device

MIB = 1 << 20


def caching(device, **settings):
    """An allocator beside the current one."""
    return Allocator(Kind.CACHING, device=device, **settings)


class Addresses(Case):
    def test_memory_by_its_address(self):
        allocator = caching(new_device())
        with Stream(allocator.device) as stream:
            address = allocator.allocate(1000, stream)
            self.assertEqual((address % 512, address > 0), (0, True))
            base, size = allocator.base(address)
            self.assertEqual((base <= address < base + size, size), (True, 2 * MIB))
            allocator.deallocate(address)
            self.raises(Status.NOT_FOUND, allocator.deallocate, address)
            self.raises(Status.NOT_FOUND, allocator.base, address)
            self.raises(Status.NOT_FOUND, allocator.record_stream, address, stream)
            self.assertEqual(allocator.allocate(1000, stream), address, 'it serves again at once')
            info = allocator.cache_info()
            self.assertEqual((info.cached, info.total >= info.available), (2 * MIB - 1024, True))
            with Gate(Stream.default_of(allocator.device)):
                allocator.deallocate(address)
                self.assertEqual(allocator.allocate(1000, stream), address, 'the default stream has nothing to do with it')
            self.assertEqual(allocator.allocate(0, stream), 0)
            allocator.deallocate(0)
            allocator.deallocate(address, stream)
            self.assertEqual(allocator.trim(Trim.FREE), 2 * MIB)

    def test_it_waits_for_the_streams_that_were_noted(self):
        allocator = caching(new_device())
        with Stream(allocator.device) as own, Stream(allocator.device) as other:
            address = allocator.allocate(1000, own)
            allocator.record_stream(address, other)
            with Gate(other):
                allocator.deallocate(address)
                self.assertEqual(allocator.statistics()['pending'].current, 1)
                self.assertNotEqual(allocator.allocate(1000, own), address, 'the other stream could still use it')
            other.synchronize()
            self.assertEqual(allocator.allocate(1000, own), address)
            with Gate(other):
                allocator.deallocate(address, other)
                self.assertEqual(allocator.statistics()['pending'].current, 1)

    def test_what_is_not_for_them(self):
        host, allocator = Allocator(Kind.DIRECT), caching(new_device())
        with Stream(new_device()) as elsewhere:
            for call, *arguments in ((host.allocate, 1), (host.deallocate, 1), (host.record_stream, 1, elsewhere), (host.base, 1),
                                     (host.cache_info,), (host.configure_caching,)):
                self.raises(Status.UNSUPPORTED, call, *arguments)
            self.raises(Status.UNSUPPORTED, Allocator, Kind.CACHING)
            self.raises(Status.UNSUPPORTED, Allocator, Kind.MAP, device=elsewhere.device)
            storage = allocator.create(1)
            for call, *arguments in ((allocator.allocate, 1, elsewhere), (allocator.deallocate, 1, elsewhere),
                                     (allocator.record_stream, 1, elsewhere), (storage.record_stream, elsewhere)):
                self.raises(Status.INVALID, call, *arguments)
            self.raises(Status.INVALID, allocator.create, 1, stream=elsewhere)
        self.raises(Status.NO_MEMORY, allocator.allocate, 1 << 60)
        self.assertRaises(MemoryError, allocator.create, 1 << 60)
        for size in (-1, 1 << 64):
            self.assertRaises(OverflowError, allocator.allocate, size)

    def test_adopted_memory_keeps_its_owner(self):
        class Owner:
            pass

        allocator, owner = caching(new_device()), Owner()
        address, gone = allocator.allocate(1000), weakref.ref(owner)
        storage = Storage.adopt_on(allocator.device, address, 100, owner=owner)
        weakref.finalize(owner, allocator.deallocate, address)
        del owner
        self.assertEqual((storage.device, storage.address, storage.size), (allocator.device, address, 100))
        with storage.view() as view:
            view[:3] = b'abc'
        host = Storage(100)
        host.copy(storage)
        self.assertEqual(bytes(host.view()[:3]), b'abc')
        gc.collect()
        self.assertIsNotNone(gone())
        storage.release()
        self.assertIsNone(gone())
        self.raises(Status.NOT_FOUND, allocator.deallocate, address)
        read_only = Storage.adopt_on(allocator.device, allocator.allocate(10), 10, read_only=True)
        self.raises(Status.PERMISSION, read_only.copy, host, 10)
        self.raises(Status.NOT_FOUND, Storage.adopt_on, Device.host_streams(64), address, 100)


class Storages(Case):
    def test_on_a_stream(self):
        with Stream(new_device()) as stream:
            there, current = Storage(1000, stream=stream), Allocator.current(stream.device)
            self.assertEqual((there.device, there.info.device, there.info.allocator_id), (stream.device, stream.device, current.info.id))
            self.assertEqual((current.device, current.info.kind, Storage(1).device), (stream.device, Kind.CACHING, Device.host()))
            self.assertIn(repr(stream.device), repr(there))
            found, offset = Storage.find(there.address + 7, stream.device)
            self.assertEqual((found.info.id, offset), (there.info.id, 7))
            self.raises(Status.NOT_FOUND, Storage.find, there.address)
            there.release()
            found.release()

    def test_copies_are_queued_and_held(self):
        # Memory that nobody can cut short: copies of other host memory are waited for.
        private = Allocator(Kind.DIRECT)
        with Stream(new_device()) as stream:
            there, start, to = Storage(1000, stream=stream), private.create(1000), private.create(1000, zeroed=True)
            start.view()[:] = b'a' * 1000
            with Gate(stream):
                there.copy(start, stream=stream, non_blocking=True)
                to.copy(there, 3, offset=1, source_offset=2, stream=stream, non_blocking=True)
                self.assertEqual(bytes(to.view()), bytes(1000))
                self.raises(Status.BUSY, to.close)
                there.release()
                start.release()
            stream.synchronize()
            self.assertEqual(bytes(to.view()[:5]), b'\0aaa\0')
            to.close()

    def test_order(self):
        """A copy on one stream, an event, a wait on the other, a copy there."""
        private, device = Allocator(Kind.DIRECT), new_device()
        with Stream(device) as first, Stream(device) as second:
            start, to = private.create(MIB), private.create(MIB, zeroed=True)
            start.view()[:] = b'x' * MIB
            one, other = Storage(MIB, stream=first), Storage(MIB, stream=second)
            with Gate(first):
                one.copy(start, stream=first, non_blocking=True)
                second.wait(first.record())
                other.copy(one, stream=second, non_blocking=True)
                one.record_stream(second)
                to.copy(other, stream=second, non_blocking=True)
                one.release()
                self.assertEqual(bytes(to.view()[-1:]), b'\0')
            second.synchronize()
            self.assertEqual(bytes(to.view()), b'x' * MIB)
            other.release()

    def test_copies_that_can_not_be(self):
        with Stream(new_device()) as stream, Stream(new_device()) as elsewhere:
            there, host = Storage(100, stream=stream), Storage(100)
            self.raises(Status.INVALID, there.copy, host, stream=elsewhere)
            self.raises(Status.INVALID, host.copy, there, stream=elsewhere)
            self.raises(Status.INVALID, host.copy, there, 100, offset=0, source_offset=1, stream=stream)
            self.raises(Status.INVALID, there.copy, there, 50, source_offset=1, stream=stream)
            host.copy(Storage(100), stream=elsewhere)  # ignored between memories of the host
            there.copy(host, stream=stream)
            host.copy(there)
            host.record_stream(elsewhere)  # ignored as well
            Storage(1, allocator=Allocator(Kind.MAP), stream=elsewhere)

    def test_it_waits_for_the_streams_that_were_noted(self):
        allocator = caching(new_device())
        with Stream(allocator.device) as own, Stream(allocator.device) as other:
            storage = allocator.create(1000, stream=own)
            storage.record_stream(other)
            storage.record_stream(other)
            with Gate(other):
                storage.release()
                self.assertEqual(allocator.statistics()['pending'].current, 1)
            other.synchronize()
            allocator.trim(Trim.FREE)
            self.assertEqual(allocator.statistics()['pending'].current, 0)

    def test_views_where_the_host_has_access(self):
        with Stream(new_device()) as stream:
            storage = Storage(100, stream=stream, zeroed=True)
            stream.synchronize()
            self.assertEqual(storage.data, storage.address)
            storage.array('u4')[:] = 5
            self.assertEqual(bytes(storage.view()[:8]), b'\5\0\0\0\5\0\0\0')
            self.assertEqual(storage.__dlpack_device__(), (1, 0))
            self.raises(Status.INVALID, storage.__dlpack__, stream=1)
            self.assertRaises(BufferError, storage.__dlpack__, dl_device=(2, 0))
            storage.release()

    def test_dlpack_waits_for_the_streams(self):
        """For those that the storage was made for and that it was told of, open or closed."""
        private, own = Allocator(Kind.DIRECT), Stream(new_device())
        other, start, there = Stream(own.device), private.create(100), Storage(100, stream=own)
        there.record_stream(other)

        def seen(value, stream, waits, what, close=False):
            start.view()[:] = bytes([value]) * 100
            wait = getattr(waits, what)

            def waiting(self):
                if stream.closed or getattr(self, 'number', 0) == stream.number:
                    gate.opened.set()
                wait(self)

            with Gate(stream) as gate, unittest.mock.patch.object(waits, what, waiting):
                there.copy(start, stream=stream, non_blocking=True)
                if close:
                    stream.close()
                return bytes(numpy.from_dlpack(there.tensor('uint8', (100,))))

        self.assertEqual(seen(1, own, Stream, 'synchronize'), b'\1' * 100)
        self.assertEqual(seen(2, other, Stream, 'synchronize'), b'\2' * 100)
        self.assertEqual(seen(3, own, Device, 'synchronize', True), b'\3' * 100)
        there.release()
        other.close()

    def test_deep_copies_stay_on_the_device(self):
        with Stream(new_device()) as stream:
            there = Storage(100, stream=stream, zeroed=True)
            there.copy(Storage.adopt(b'c' * 100, read_only=True), stream=stream)
            other = copy.deepcopy(there)
            self.assertEqual((other.device, bytes(other.view())), (stream.device, b'c' * 100))
            self.assertNotEqual(other.address, there.address)
            back = shmalloc.from_dlpack(there.__dlpack__(max_version=(1, 0), copy=True))
            self.assertEqual(bytes(back.storage.view()), b'c' * 100)
            back.storage.release()
            there.release()
            other.release()

    def test_two_threads(self):
        allocator, failed = caching(new_device()), []

        def work(seed):
            with Stream(allocator.device) as stream, Stream(allocator.device) as other, Event(allocator.device) as done:
                host = Storage(4096, isolated=True)
                for turn in range(100):
                    there = allocator.create(4096, stream=stream)
                    data = bytes([turn ^ seed << 6]) * 4096
                    host.view()[:] = data
                    there.copy(host, stream=stream, non_blocking=True)
                    done.record(stream)
                    other.wait(done)
                    back = allocator.create(4096, stream=other)
                    back.copy(there, stream=other, non_blocking=True)
                    there.record_stream(other)
                    there.release()
                    other.synchronize()
                    if bytes(back.view()) != data:
                        failed.append(turn)
                    back.release()
                host.release()

        threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        shmalloc.trim(Trim.DEFERRED)
        self.assertEqual((failed, allocator.info.live_storages), ([], 0))

    def test_dropped_storages_go_before_their_streams(self):
        allocator = caching(new_device())
        for _ in range(100):
            stream, other = Stream(allocator.device), Stream(allocator.device)
            storage = allocator.create(1000, stream=stream)
            storage.record_stream(other)
            del stream, other, storage
        shmalloc.trim()
        self.assertEqual((allocator.info.live_storages, allocator.statistics()['pending'].current), (0, 0))


class Settings(Case):
    def test_what_ctypes_refuses_is_not_kept(self):
        allocator, before = caching(new_device()), len(shmalloc._lifetime._kept)
        self.assertRaises(ctypes.ArgumentError, allocator.observe, 'no bits', print)
        self.assertRaises(ctypes.ArgumentError, shmalloc.set_log, print, 'no level')
        self.assertEqual(len(shmalloc._lifetime._kept), before)

    def test_by_fields(self):
        allocator = caching(new_device(), max_split_size_mb=100)
        self.assertEqual(allocator.config('max_split_size_mb'), '100')
        allocator.configure_caching(max_split_size=64 * MIB, max_non_split_rounding=30 * MIB, large_segment_size=24 * MIB,
                                    garbage_collection_threshold=0.8, per_process_memory_fraction=0.5, roundup_power2_divisions=4)
        found = [allocator.config(key) for key in ('max_split_size_mb', 'max_non_split_rounding_mb', 'large_segment_size_mb')]
        self.assertEqual(found, ['64', '30', '24'])
        self.assertEqual(allocator.config('roundup_power2_divisions').count(':4'), 16)
        parts = ('garbage_collection_threshold', 'per_process_memory_fraction')
        self.assertEqual([float(allocator.config(key)) for key in parts], [0.8, 0.5])
        before = allocator.config()
        allocator.configure_caching()
        self.assertEqual(allocator.config(), before)
        error = self.raises(Status.INVALID, allocator.configure_caching, per_process_memory_fraction=1, max_split_size=MIB + 1)
        self.assertIn('max_split_size', str(error))
        for settings in ({'max_split_size': 0}, {'large_segment_size': -1}, {'max_non_split_rounding': 1 << 64},
                         {'garbage_collection_threshold': 1.5}, {'per_process_memory_fraction': -0.1},
                         {'per_process_memory_fraction': math.nan}, {'roundup_power2_divisions': [1] * 17},
                         {'roundup_power2_divisions': -1}, {'roundup_power2_divisions': 3}):
            self.raises(Status.INVALID, allocator.configure_caching, **settings)
        self.assertEqual(allocator.config(), before, 'all or none')

    def test_what_ends_a_limit(self):
        allocator = caching(new_device())
        allocator.configure_caching(max_split_size=64 * MIB)
        allocator.configure_caching(max_split_size=math.inf, garbage_collection_threshold=0, per_process_memory_fraction=0,
                                    roundup_power2_divisions=[1, 2, *[4] * 13, 8])
        self.assertEqual(allocator.config('max_split_size_mb'), 'unlimited')
        self.assertEqual([float(allocator.config(key)) for key in ('garbage_collection_threshold', 'per_process_memory_fraction')], [0, 0])
        divisions = allocator.config('roundup_power2_divisions')
        self.assertTrue(divisions.startswith('[1:0,2:2,4:4,') and divisions.endswith(':8]'), divisions)
        self.raises(Status.NO_MEMORY, allocator.create, 1)


if __name__ == '__main__':
    unittest.main()
