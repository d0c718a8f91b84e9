"""Devices, streams and events: the order of work, what they refuse, and how they end."""
import ctypes
import gc
import os
import subprocess
import sys
import threading
import unittest

import shmalloc
from shmalloc import Capability, Device, DeviceType, Event, Status, Storage, Stream
from support import LIMIT, Case, Gate, new_device, wait_exit

SIZE = 1 << 20


def buffers(*values):
    """Memory by its address: arrays of bytes that have these values."""
    arrays = [ctypes.create_string_buffer(bytes([value]) * SIZE, SIZE) for value in values]
    return arrays, [ctypes.addressof(array) for array in arrays]


class Devices(Case):
    def test_values(self):
        device = Device.host_streams(3)
        self.assertEqual((device.type, device.index, device.number), (DeviceType.HOST_STREAMS, 3, 0x10000 << 32 | 3))
        self.assertEqual([Device.of(device.number), Device(0x10000, 3)], [device, device])
        self.assertEqual(len({device, Device.of(device.number), Device.host_streams(4)}), 2)
        self.assertEqual((repr(device), repr(Device.of(77 << 32 | 5))), ('Device(HOST_STREAMS, 3)', 'Device(77, 5)'))
        self.assertEqual((Device.host(), Device.host().number, Device.cuda(1).number), (Device(), 0, 2 << 32 | 1))
        for arguments in ((DeviceType.CUDA, -1), (DeviceType.CUDA, 1 << 32), (-1, 0)):
            self.raises(Status.INVALID, Device, *arguments)

    def test_what_a_device_is(self):
        self.assertIn(Capability.EXPORT, Device.host().info.capabilities)
        self.assertEqual(Device.host().info.page_size, os.sysconf('SC_PAGE_SIZE'))
        info = Device.host_streams(3).info
        self.assertEqual((info.device, info.count), (Device.host_streams(3), 64))
        self.assertIn(Capability.STREAMS | Capability.CALL | Capability.HOST_ACCESS, info.capabilities)
        self.assertGreaterEqual(info.total, info.available)
        self.assertTrue(info.name)
        self.assertEqual([Device.count(kind) for kind in (DeviceType.HOST_STREAMS, DeviceType.VULKAN, 77)], [64, 0, 0])
        self.raises(Status.UNSUPPORTED, lambda: Device(DeviceType.VULKAN).info)
        for make in (lambda device: device.info, Stream, Event):
            self.raises(Status.NOT_FOUND, make, Device.host_streams(64))
        for make in (Stream, Event, Device.synchronize):
            self.raises(Status.UNSUPPORTED, make, Device.host())

    def test_peers_are_of_one_type(self):
        Device.host_streams(0).enable_peer(Device.host_streams(1))
        self.raises(Status.NOT_FOUND, Device.host_streams(0).enable_peer, Device.host_streams(64))
        self.raises(Status.UNSUPPORTED, Device.host().enable_peer, Device.host_streams(0))

    def test_filled_and_copied(self):
        device, ((data, copy), (address, to)) = new_device(), buffers(0, 9)
        device.fill(address + 1, 7, 998)
        device.copy(to, address, 1000)
        device.synchronize()
        self.assertEqual(copy.raw, b'\0' + b'\7' * 998 + b'\0' + b'\x09' * (SIZE - 1000))
        device.copy(0, 0, 0)
        self.raises(Status.INVALID, device.copy, address, address + 1, 2)
        self.raises(Status.INVALID, device.fill, address, 256, 1)
        self.raises(Status.INVALID, device.fill, 0, 1, 1)
        for arguments in ((-1, address, 1), (address, 1 << 64, 1), (to, address, -1)):
            self.assertRaises(OverflowError, device.copy, *arguments)
        self.assertEqual(data[0], b'\0')

    def test_a_stream_of_another_device_is_refused(self):
        with Stream(new_device()) as stream, Event(new_device()) as event:
            error = self.raises(Status.INVALID, event.record, stream)
            self.assertIn(repr(stream.device), str(error))
            self.raises(Status.INVALID, stream.wait, event)
            self.raises(Status.INVALID, event.device.copy, 1, 2, 1, stream)
            self.raises(Status.INVALID, event.device.fill, 1, 2, 1, stream)


class Order(Case):
    def test_an_event_puts_two_streams_in_order(self):
        """Two threads, each with a stream: what the second copies is what the first one's stream has copied before."""
        device, (arrays, (start, between, to)) = new_device(), buffers(1, 2, 3)
        told = threading.Event()
        with Stream(device) as first, Stream(device) as second, Event(device) as copied, Event(device) as end:
            self.assertTrue(copied.done, 'as long as it was not recorded')

            def feed():
                device.copy(between, start, SIZE, first)
                copied.record(first)
                told.set()

            def use():
                assert told.wait(LIMIT)
                second.wait(copied)
                device.copy(to, between, SIZE, second)
                end.record(second)

            with Gate(first):
                threads = [threading.Thread(target=target) for target in (feed, use)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(LIMIT)
                self.assertEqual((copied.done, end.done), (False, False))
                self.assertEqual([array.raw[:1] for array in arrays], [b'\1', b'\2', b'\3'])
            end.synchronize()
            self.assertEqual((copied.done, end.done), (True, True))
            self.assertEqual([array.raw for array in arrays], [b'\1' * SIZE] * 3)
            second.synchronize()

    def test_record_makes_an_event(self):
        with Stream(new_device()) as stream:
            with Gate(stream), stream.record() as event:
                self.assertEqual((event.device, event.done), (stream.device, False))
                self.assertNotEqual(event.number, 0)
                other = Stream.default_of(stream.device)
                other.wait(event)
                behind = other.record()
                self.assertFalse(behind.done)
            behind.synchronize()  # the event that it waits for is gone

    def test_device_waits_for_all_streams(self):
        device = new_device()
        with Stream(device) as one, Stream(device) as other:
            events = [one.record(), other.record()]
            seen = []
            with Gate(one):
                other.call(lambda: seen.append('other'))
                one.call(lambda: seen.append('one'))
                events = [one.record(), other.record()]
            device.synchronize()
            self.assertEqual((sorted(seen), [event.done for event in events]), (['one', 'other'], [True, True]))


class Functions(Case):
    def test_they_run_once_each_in_order_on_another_thread(self):
        with Stream(new_device()) as stream:
            seen = []
            for number in range(100):
                stream.call(lambda number=number: seen.append((number, threading.get_ident())))
            stream.synchronize()
            self.assertEqual([number for number, _ in seen], list(range(100)))
            self.assertNotIn(threading.get_ident(), {thread for _, thread in seen})

    def test_an_exception_goes_no_further(self):
        told, before = [], sys.unraisablehook
        sys.unraisablehook = lambda found: told.append(found.exc_type)
        self.addCleanup(setattr, sys, 'unraisablehook', before)
        with Stream(new_device()) as stream:
            stream.call(lambda: 1 // 0)
            stream.call(sys.exit)
            stream.call(lambda: told.append('ran'))
            stream.synchronize()
        self.assertEqual(told, [ZeroDivisionError, SystemExit, 'ran'])

    def test_what_they_hold_goes_when_they_ran(self):
        class Thing:
            pass

        thing = Thing()
        gone = shmalloc._lifetime.weakref.ref(thing)
        with Stream(new_device()) as stream:
            with Gate(stream):
                stream.call(lambda thing=thing: None)
                del thing
                gc.collect()
                self.assertIsNotNone(gone())
            stream.synchronize()
            self.assertIsNone(gone())
        thing = Thing()
        gone = shmalloc._lifetime.weakref.ref(thing)
        self.raises(Status.UNSUPPORTED, Stream.default_of(Device.host()).call, lambda thing=thing: None)
        del thing
        self.assertIsNone(gone(), 'one that was not queued')

    def test_storages_may_be_dropped_there(self):
        allocator = shmalloc.Allocator(shmalloc.Kind.MAP)
        held = [allocator.create(100)]
        with Stream(new_device()) as stream:
            stream.call(held.clear)
            stream.synchronize()
        shmalloc.trim(shmalloc.Trim.DEFERRED)
        self.assertEqual(allocator.info.live_storages, 0)


class Ends(Case):
    def test_close_tells(self):
        device = new_device()
        for make in (Stream, Event):
            with make(device) as one:
                self.assertNotEqual(one.number, 0)
                self.assertIn(f'{one.number} of {device}', repr(one))
            self.assertTrue(one.closed)
            one.close()
            self.assertIn('closed', repr(one))
            self.raises(Status.CLOSED, lambda: one.number)
            self.raises(Status.CLOSED, one.synchronize)
            self.raises(Status.CLOSED, one.__enter__)
        stream = Stream(device)
        same = Stream.foreign(device, stream.number)
        same.close()
        self.assertFalse(same.closed, 'it is somebody else\'s')
        same.synchronize()
        stream.close()
        self.raises(Status.INVALID, same.synchronize)
        self.raises(Status.CLOSED, Event(device).record, stream)
        self.raises(Status.CLOSED, Storage, 1, stream=stream)
        for number in (-1, 1 << 64):
            self.raises(Status.INVALID, Stream.foreign, device, number)

    def test_close_tells_what_it_could_not_do(self):
        device = new_device()
        stream = Stream(device)
        self.assertEqual(shmalloc._raw.library().shmalloc_stream_destroy(device.number, stream.number, None), 0)
        self.raises(Status.INVALID, stream.close)
        stream.close()
        event = Event(device)
        self.assertEqual(shmalloc._raw.library().shmalloc_event_destroy(device.number, event.number, None), 0)
        del event  # nobody hears of that
        Event(device).close()

    def test_what_is_dropped_goes_with_the_next_call(self):
        device, lookup = new_device(), shmalloc._raw.library().shmalloc_event_query
        event, done = Event(device), ctypes.c_int32()
        number = event.number
        del event
        self.assertEqual(lookup(device.number, number, ctypes.byref(done), None), 0, 'a finalizer can not do it')
        shmalloc.trim()
        self.assertEqual(lookup(device.number, number, ctypes.byref(done), None), Status.INVALID)
        for _ in range(3000):  # a device has 1024
            Stream(device)

    def test_a_dropped_stream_does_what_was_queued(self):
        ran = threading.Event()
        stream = Stream(new_device())
        with Gate(stream):
            stream.call(ran.set)
            del stream
            shmalloc.trim()
        self.assertTrue(ran.wait(LIMIT))

    def test_two_threads_close(self):
        for _ in range(200):
            stream, failed = Stream(Device.host_streams(0)), []

            def close(stream=stream, failed=failed):
                try:
                    stream.close()
                except shmalloc.ShmallocError as error:
                    failed.append(error)

            threads = [threading.Thread(target=close) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual((failed, stream.closed), ([], True))

    def test_fork(self):
        stream = Stream(new_device())
        dropped = [Stream(stream.device)]
        storage = Storage(100, stream=stream)
        stream.synchronize()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                mine = [Stream(stream.device) for _ in range(3)]  # this device is begun anew, and gives the same numbers
                self.raises(Status.BACKEND, stream.synchronize)
                self.raises(Status.BACKEND, Event(stream.device).record, stream)
                stream.close()
                dropped.clear()
                shmalloc.trim()
                storage.release()
                for one in mine:
                    one.synchronize()
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(wait_exit(pid), 0)
        storage.release()
        stream.close()

    def exit_of(self, code):
        done = subprocess.run([sys.executable, '-c', code],
                              capture_output=True, text=True, timeout=LIMIT, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ''), done.stdout)
        return done.stdout

    def test_exit_waits_for_functions(self):
        code = ('import sys, threading\nfrom shmalloc import *\n'
                'device = Device.host_streams(0)\nstream, gate = Stream(device), threading.Event()\n'
                'stream.call(gate.wait)\nstream.call(lambda: print("ran"))\n'
                'threading.Thread(target=lambda: (threading.main_thread().join(), gate.set())).start()\n')
        for rest in ('', 'del stream\n', 'sys.modules["keep"] = stream\n', 'stream.close()\n'):
            self.assertEqual(self.exit_of(code + rest), 'ran\n')

    def test_exit_takes_no_more_functions(self):
        code = ('import atexit\n'
                'def late():\n  try: stream.call(print)\n  except ClosedError: print("refused")\n'
                'atexit.register(late)\n'  # before shmalloc's own, so it runs after it
                'from shmalloc import *\n'
                'stream = Stream(Device.host_streams(0))\n'
                'stream.call(lambda: print("ran"))\n')
        self.assertEqual(self.exit_of(code), 'ran\nrefused\n')

    def test_exit_ends_observers(self):
        code = ('import atexit\natexit.register(lambda: print(observer.closed))\n'
                'from shmalloc import *\n'
                'observer = Allocator.current(Device.host_streams(0)).observe(Notices.MEMORY_LOW, lambda notice: None)\n')
        self.assertEqual(self.exit_of(code), 'True\n')

    def test_exit_of_a_busy_process(self):
        for _ in range(5):
            self.exit_of('import threading\nfrom shmalloc import *\n'
                         'def run():\n  stream = Stream(Device.host_streams(0))\n  try:\n    while True:\n'
                         '      stream.call(lambda: None)\n      with Storage(4096, stream=stream) as s: s.view()[0] = 1\n'
                         '  except ClosedError: pass\n'
                         'for _ in range(3): threading.Thread(target=run, daemon=True).start()\n'
                         'with Stream(Device.host_streams(0)) as s: s.call(lambda: None); s.synchronize()\n')


if __name__ == '__main__':
    unittest.main()
