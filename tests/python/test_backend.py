"""Devices of one's own, written in Python: what their functions are called for, and memory that the host can't touch. Observers of memory
that is missing on them."""
import ctypes
import mmap
import sys
import threading
import unittest
import weakref

import shmalloc
from shmalloc import (Access, Allocator, Backend, BackendError, Capability, DeviceType, Event, Kind, Notices, Status, Storage, Stream, Trim,
                      register_device, unregister_device)
from support import Case

MIB = 1 << 20


class Board(Backend):
    """A device of 32 MiB without streams."""

    alignment = 4096
    TOTAL = 32 * MIB

    def __init__(self):
        self.blocks, self.lock, self.failing = {}, threading.Lock(), {}

    def check(self, name):
        if name in self.failing:
            raise self.failing[name]

    def available(self):
        return self.TOTAL - sum(size for _, size in self.blocks.values())

    def allocate(self, size):
        self.check('allocate')
        with self.lock:
            if size > self.available():
                raise MemoryError
            memory = mmap.mmap(-1, size)
            address = ctypes.addressof(ctypes.c_uint8.from_buffer(memory))
            self.blocks[address] = memory, size
            return address

    def deallocate(self, address, size):
        with self.lock:
            assert self.blocks.pop(address)[1] == size

    def memory_info(self):
        self.check('memory_info')
        return self.available(), self.TOTAL

    def copy(self, to, from_, size, stream):
        self.check('copy')
        assert stream == 0
        ctypes.memmove(to, from_, size)

    def fill(self, to, value, size, stream):
        ctypes.memset(to, value, size)


class Full(Board):
    """With streams, events and all that stands for itself: each call is noted, and all work is done at once."""

    name = 'a full one'
    host_access = True

    def __init__(self):
        super().__init__()
        self.called, self.captured, self.next = [], set(), 0

    def note(self, *what):
        self.called.append(what)
        self.check(what[0])

    def number(self, *what):
        self.note(*what)
        self.next += 1 << 32
        return self.next

    def call(self, stream, work):
        self.note('call', stream)
        work()

    def synchronize(self):
        self.note('synchronize')

    def stream_capturing(self, stream):
        self.note('stream_capturing', stream)
        return stream in self.captured

    def enable_peer(self, peer):
        self.note('enable_peer', peer)

    def stream_create(self):
        return self.number('stream_create')

    def stream_destroy(self, stream):
        self.note('stream_destroy', stream)

    def stream_synchronize(self, stream):
        self.note('stream_synchronize', stream)

    def stream_wait(self, event, stream):
        self.note('stream_wait', event, stream)

    def event_create(self):
        return self.number('event_create')

    def event_destroy(self, event):
        self.note('event_destroy', event)

    def event_record(self, event, stream):
        self.note('event_record', event, stream)

    def event_query(self, event):
        self.note('event_query', event)
        return event % 2 == 0

    def event_synchronize(self, event):
        self.note('event_synchronize', event)


class Registered(Case):
    def board(self, backend=None):
        """A device; at the end nothing of it is left."""
        backend = backend or Board()
        device, gone = register_device(backend), weakref.ref(backend)
        backend = None

        def end():
            unregister_device(device)
            self.assertFalse(gone() and gone().blocks)

        self.addCleanup(end)
        return device, gone()

    def unraisable(self):
        """What goes to sys.unraisablehook from here on."""
        told, before = [], sys.unraisablehook
        sys.unraisablehook = lambda found: told.append(found.exc_type)
        self.addCleanup(setattr, sys, 'unraisablehook', before)
        return told


class Devices(Registered):
    def test_a_class_becomes_a_device(self):
        device, board = self.board()
        info = device.info
        self.assertEqual((device.type, info.name, info.total, info.available), (DeviceType.CUSTOM, 'Board', 32 * MIB, 32 * MIB))
        self.assertEqual(info.capabilities & (Capability.HOST_ACCESS | Capability.STREAMS | Capability.CALL), 0)
        allocator = Allocator(Kind.CACHING, device=device)
        storage = allocator.create(100, stream=Stream.default_of(device), zeroed=True)
        self.assertEqual([size for _, size in board.blocks.values()], [2 * MIB])
        self.raises(Status.BUSY, unregister_device, device)
        self.raises(Status.UNSUPPORTED, Stream, device)
        self.raises(Status.UNSUPPORTED, Stream.default_of(device).call, print)
        device.synchronize()
        allocator.release()
        self.raises(Status.BUSY, unregister_device, device)
        storage.release()
        self.assertEqual(board.blocks, {})
        del board

    def test_it_is_kept_until_the_end(self):
        device = register_device(Board())
        gone = weakref.ref(shmalloc._lifetime.kept(max(shmalloc._lifetime._kept)))
        self.assertIsInstance(gone(), Board)
        unregister_device(device)
        self.assertIsNone(gone())
        self.raises(Status.NOT_FOUND, unregister_device, device)
        self.raises(Status.NOT_FOUND, lambda: device.info)

    def test_every_function_is_called(self):
        device, full = self.board(Full())
        other, peer = self.board(Full())
        info = device.info
        self.assertEqual(info.name, 'a full one')
        self.assertIn(Capability.HOST_ACCESS | Capability.STREAMS | Capability.CALL | Capability.CAPTURE | Capability.PEERS, info.capabilities)
        ran = []
        with Stream(device) as stream, Event(device) as event:
            event.record(stream)
            stream.wait(event)
            self.assertTrue(event.done)
            event.synchronize()
            stream.call(lambda: ran.append(1))
            stream.synchronize()
            device.synchronize()
            device.enable_peer(other)
            numbers = stream.number, event.number
        self.assertEqual(ran, [1])
        first, second = numbers
        wanted = [('stream_create',), ('event_create',), ('event_record', second, first), ('stream_wait', second, first),
                  ('event_query', second), ('event_synchronize', second), ('call', first), ('stream_synchronize', first),
                  ('synchronize',), ('enable_peer', peer), ('event_destroy', second), ('stream_destroy', first)]
        self.assertEqual([what for what in full.called if what[0] != 'stream_capturing'], wanted)
        full.called.clear()
        with Allocator(Kind.CACHING, device=device) as allocator, Stream(device) as stream:
            allocator.deallocate(allocator.allocate(100, stream))
            full.captured.add(stream.number)
            self.raises(Status.BUSY, allocator.trim, Trim.FREE)
            full.captured.clear()
            self.assertEqual(allocator.trim(Trim.FREE), 2 * MIB)
            self.assertIn(('stream_capturing', stream.number), full.called)
        full.called.clear()
        del peer, full

    def test_dropped_storages_go_before_their_streams(self):
        device, full = self.board(Full())
        with Allocator(Kind.CACHING, device=device) as allocator:
            stream, other = Stream(device), Stream(device)
            number, storage = other.number, allocator.create(100, stream=stream)
            storage.record_stream(other)
            del stream, other, storage
            self.assertNotIn(('stream_destroy', number), full.called)
            shmalloc.trim()
        found = [what for what in full.called if what[0] in ('event_record', 'stream_destroy') and what[-1] == number]
        self.assertEqual([what[0] for what in found], ['event_record', 'stream_destroy'])
        full.called.clear()
        del full

    def test_what_fails_says_how(self):
        device, full = self.board(Full())
        told = self.unraisable()
        with Stream(device) as stream:
            for raised, status in ((BackendError('no', backend_error=77), Status.BACKEND), (MemoryError(), Status.NO_MEMORY),
                                   (shmalloc.UnsupportedError('no'), Status.UNSUPPORTED), (shmalloc.BusyError(), Status.BUSY)):
                full.failing['event_create'] = raised
                error = self.raises(status, Event, device)
                self.assertEqual(error.backend_error, getattr(raised, 'backend_error', 0))
                self.assertIn('a full one', str(error))
            self.assertEqual(told, [])
            full.failing['event_create'] = ZeroDivisionError()
            self.raises(Status.INTERNAL, Event, device)
            self.assertEqual(told, [ZeroDivisionError])
            full.failing.clear()
            full.number = lambda *what: 'a number'
            self.raises(Status.INTERNAL, Event, device)
            self.assertEqual(told, [ZeroDivisionError, ValueError])
            stream.synchronize()
            del full.number
        del full

    def test_what_is_missing_is_named(self):
        class Half(Board):
            def stream_create(self):
                return 1

        class Wrong(Board):
            alignment = 3

        class Broken(Board):
            def memory_info(self):
                raise BackendError(backend_error=5)

        for backend, status, word in ((Backend(), Status.INVALID, 'allocate'), (Half(), Status.INVALID, 'stream_'),
                                      (Wrong(), Status.INVALID, 'alignment'), (Broken(), Status.BACKEND, 'memory_info')):
            gone = weakref.ref(backend)
            self.assertIn(word, str(self.raises(status, register_device, backend)))
            del backend
        self.assertIsNone(gone())
        for name in sorted(set(dir(Backend)) - set(dir(object))):
            if callable(getattr(Backend, name)):
                arguments = [1] * (getattr(Backend, name).__code__.co_argcount - 1)
                self.raises(Status.UNSUPPORTED, getattr(Backend(), name), *arguments)

    def test_virtual_memory_is_passed_on(self):
        """The allocator does not use it yet; the table is called by hand."""
        seen = []

        class Virtual(Board):
            page_size = 65536

            def virtual_reserve(self, size):
                seen.append(('reserve', size))
                return 1 << 32

            def virtual_access(self, address, size, access):
                seen.append(('access', address, size, access))

        functions, out = shmalloc.backend._functions(), ctypes.c_uint64()
        token = shmalloc._lifetime.keep(Virtual())
        self.assertEqual(functions['virtual_reserve'](65536, ctypes.byref(out), token), 0)
        self.assertEqual(functions['virtual_access'](1 << 32, 65536, Access.WRITE, token), 0)
        self.assertEqual((out.value, seen), (1 << 32, [('reserve', 65536), ('access', 1 << 32, 65536, Access.WRITE)]))
        self.assertEqual(functions['virtual_destroy'](5, token), Status.UNSUPPORTED)
        shmalloc._lifetime.taken(token)


class Untouchable(Registered):
    """Memory that the host can't touch."""

    def test_views_are_refused(self):
        device, _ = self.board()
        there = Allocator(Kind.CACHING, device=device).create(100)
        self.assertEqual((there.data, there.address != 0, there.device), (None, True, device))
        for call, *arguments in ((there.view,), (there.view, True), (there.view, False), (there.array, 'u1'), (there.export,)):
            self.raises(Status.UNSUPPORTED, call, *arguments)
        self.assertRaises(BufferError, there.__buffer__, 0)
        self.assertEqual(there.info.pins, 0)
        Allocator(Kind.CACHING, device=device).create(0).view().release()
        there.release()

    def test_copies_lead_there_and_back(self):
        device, board = self.board()
        there, host = Allocator(Kind.CACHING, device=device).create(100), Storage(100)
        host.view()[:] = b'5' * 100
        there.copy(host)
        host.view()[:] = bytes(100)
        host.copy(there)
        self.assertEqual(bytes(host.view()), b'5' * 100)
        host.view()[:] = bytes(100)
        host.copy(there, 50, offset=50)
        self.assertEqual(bytes(host.view()), bytes(50) + b'5' * 50)
        board.failing['copy'] = BackendError(backend_error=9)
        self.assertEqual(self.raises(Status.BACKEND, host.copy, there).backend_error, 9)
        del board
        there.release()

    def test_dlpack(self):
        device, _ = self.board()
        there = Allocator(Kind.CACHING, device=device).create(100)
        there.copy(Storage.adopt(b'd' * 100, read_only=True))
        tensor = there.tensor('uint8', (10, 10))
        self.assertEqual((there.__dlpack_device__(), tensor.__dlpack_device__()), ((12, device.index), (12, device.index)))
        self.assertRaises(BufferError, tensor.__dlpack__, dl_device=(2, 0))
        self.assertRaises(BufferError, tensor.__dlpack__, dl_device=(1, 0), copy=False)
        here = shmalloc.from_dlpack(tensor.__dlpack__(max_version=(1, 0), dl_device=(1, 0)))
        self.assertEqual((here.storage.device.type, here.shape, bytes(here.storage.view())), (DeviceType.HOST, (10, 10), b'd' * 100))
        self.raises(Status.UNSUPPORTED, shmalloc.from_dlpack, tensor)  # nobody has such a device
        self.assertEqual(there.info.pins, 0)
        tensor.storage.release()
        there.release()


class Observers(Registered):
    def test_they_hear_of_memory_that_is_missing(self):
        device, _ = self.board()
        with Allocator(Kind.CACHING, device=device) as allocator:
            heard = []
            with allocator.observe(Notices.MEMORY_LOW | Notices.OUT_OF_MEMORY, heard.append) as observer:
                first = allocator.create(20 * MIB)
                heard.clear()
                error = self.raises(Status.NO_MEMORY, allocator.allocate, 20 * MIB - 1)
                low, out = heard
                self.assertEqual([low.kind, out.kind], [Notices.MEMORY_LOW, Notices.OUT_OF_MEMORY])
                self.assertEqual((low.report, out.report != ''), ('', True))
                self.assertEqual((out.device, out.stream, out.requested, out.rounded), (device, 0, 20 * MIB - 1, 20 * MIB))
                self.assertEqual((out.total, out.available, out.limit), (32 * MIB, 12 * MIB, 32 * MIB))
                self.assertEqual((out.reserved, out.allocated, out.pending), (20 * MIB, 20 * MIB, 0))
                self.assertEqual((out.largest_free, out.fragmentation, out.allocator_id), (0, 0, allocator.info.id))
                self.assertIn('20.00 MiB', str(error))
            self.assertTrue(observer.closed)
            self.raises(Status.NO_MEMORY, allocator.create, 20 * MIB)
            self.assertEqual(len(heard), 2)
            first.release()

    def test_one_helps(self):
        device, _ = self.board()
        with Allocator(Kind.CACHING, device=device) as allocator:
            spare = [allocator.create(12 * MIB)]

            def help(_notice):
                return [one.release() for one in [spare.pop()]] if spare else False

            with allocator.observe(Notices.MEMORY_LOW, help):
                made = allocator.create(12 * MIB)
            self.assertEqual((spare, allocator.statistics()['num_device_alloc']), ([], 1))
            told = self.unraisable()
            with allocator.observe(Notices.MEMORY_LOW, lambda notice: 1 // 0):
                self.raises(Status.NO_MEMORY, allocator.create, 24 * MIB)
            self.assertEqual(set(told), {ZeroDivisionError})
            made.release()

    def test_how_they_end(self):
        device, _ = self.board()
        with Allocator(Kind.CACHING, device=device) as allocator:
            refused, holder = [], []

            def itself(_notice):
                try:
                    holder[0].close()
                except shmalloc.BusyError:
                    refused.append(holder[0].closed)

            holder.append(allocator.observe(Notices.OUT_OF_MEMORY, itself))
            self.raises(Status.NO_MEMORY, allocator.create, 33 * MIB)
            self.assertEqual(refused, [False])
            holder.pop().close()
            self.raises(Status.NO_MEMORY, allocator.create, 33 * MIB)
            self.assertEqual(len(refused), 1)

            heard = []
            observer = allocator.observe(Notices.OUT_OF_MEMORY, heard.append)
            gone = weakref.ref(observer)
            del observer
            shmalloc.trim()
            self.raises(Status.NO_MEMORY, allocator.create, 33 * MIB)
            self.assertEqual((gone(), heard), (None, []))

            def dropping(_notice):
                heard.append(1)
                holder.clear()
                shmalloc.trim()  # can't take it off, for it runs

            holder.append(allocator.observe(Notices.OUT_OF_MEMORY, dropping))
            self.raises(Status.NO_MEMORY, allocator.create, 33 * MIB)
            shmalloc.trim()
            self.raises(Status.NO_MEMORY, allocator.create, 33 * MIB)
            self.assertEqual(heard, [1])

    def test_no_more_than_there_is_room_for(self):
        device, _ = self.board()
        with Allocator(Kind.CACHING, device=device) as allocator:
            class Listener:
                def __call__(self, notice):
                    return False

            all_of_them = [allocator.observe(Notices.MEMORY_LOW, Listener()) for _ in range(16)]
            listener = Listener()
            gone = weakref.ref(listener)
            self.raises(Status.NO_SPACE, allocator.observe, Notices.MEMORY_LOW, listener)
            del listener
            self.assertIsNone(gone())
            for observer in all_of_them:
                observer.close()
        self.raises(Status.UNSUPPORTED, Allocator(Kind.MAP).observe, Notices.MEMORY_LOW, print)


if __name__ == '__main__':
    unittest.main()
