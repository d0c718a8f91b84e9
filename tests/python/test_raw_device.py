"""The functions of devices, called as C would call them, through the raw table."""
import ctypes
import os
import unittest
from ctypes import byref, c_int32, c_uint64

from shmalloc import _raw
from rawside import DEVICE, C, RawCase
from support import new_device

KIND, STREAMS = 'SHMALLOC_ALLOCATOR_KIND_CACHING', 'SHMALLOC_CAPABILITY_STREAMS'
OWN, MIB = C['SHMALLOC_STREAM_OWN'], 1 << 20


class RawDevice(RawCase):
    functions = DEVICE

    def number(self, name, *arguments):
        """A number that is written to the end of the arguments."""
        out = c_uint64()
        self.ok(name, *arguments, byref(out))
        return out.value

    def caching(self, device, config=None):
        params = _raw.make(_raw.AllocatorParams)
        params.device, params.kind, params.config = device, C[KIND], config
        return self.out('allocator_create', byref(params))

    # ---- device.h ----

    def test_device_get_info(self):
        info = _raw.make(_raw.DeviceInfo)
        self.ok('device_get_info', 0, byref(info))
        self.assertEqual((info.page_size, info.count), (os.sysconf('SC_PAGE_SIZE'), 1))
        self.assertGreater(info.total, info.available)
        self.assertFalse(info.capabilities & C[STREAMS])
        device = new_device().number
        self.ok('device_get_info', device, byref(info))
        self.assertEqual((info.device, info.count), (device, 64))
        self.assertTrue(info.capabilities & C[STREAMS])
        self.fails('UNSUPPORTED', 'device_get_info', C['SHMALLOC_DEVICE_TYPE_VULKAN'] << 32, byref(info))
        self.fails('NOT_FOUND', 'device_get_info', 1, byref(info))
        self.fails('INVALID', 'device_get_info', 0, byref(_raw.DeviceInfo()))

    def test_work_is_done_in_order(self):
        device = new_device().number
        stream, event = self.number('stream_create', device), self.number('event_create', device)
        data, seen, done = (ctypes.c_uint8 * 16)(), [], c_int32(5)
        address = ctypes.addressof(data)
        work = _raw.work_fn(lambda userdata: seen.append((userdata, bytes(data))))
        self.ok('event_query', device, event, byref(done))
        self.assertEqual(done.value, 1)
        self.ok('device_fill', device, address, 7, 4, stream)
        self.ok('device_copy', device, address + 8, address, 4, stream)
        self.ok('stream_call', device, stream, work, 99)
        self.ok('event_record', device, event, stream)
        self.ok('stream_wait', device, 0, event)
        self.ok('event_synchronize', device, event)
        self.assertEqual(seen, [(99, b'\7\7\7\7\0\0\0\0\7\7\7\7\0\0\0\0')])
        self.ok('stream_synchronize', device, stream)
        self.ok('device_synchronize', device)
        self.fails('INVALID', 'device_fill', device, address, 256, 4, stream)
        self.fails('INVALID', 'device_copy', device, address + 1, address, 4, stream)
        self.ok('event_destroy', device, event)
        self.ok('stream_destroy', device, stream)
        for name, number in (('stream_destroy', stream), ('stream_synchronize', stream), ('event_destroy', event),
                             ('event_synchronize', event)):
            self.fails('INVALID', name, device, number)
        self.fails('INVALID', 'event_query', device, event, byref(done))
        self.fails('INVALID', 'event_record', device, event, 0)
        self.fails('INVALID', 'stream_wait', device, stream, event)
        self.fails('INVALID', 'stream_call', device, 0, _raw.work_fn(), None)
        self.fails('NOT_FOUND', 'stream_create', device | 64, byref(c_uint64()))
        self.fails('UNSUPPORTED', 'event_create', 0, byref(c_uint64()))

    def test_device_enable_peer(self):
        device, peer = new_device().number, new_device().number
        self.ok('device_enable_peer', device, peer)
        self.fails('UNSUPPORTED', 'device_enable_peer', device, 0)

    # ---- backend.h ----

    def test_device_register(self):
        gone, memory = [], ctypes.create_string_buffer(1 << 16)
        destroy = _raw.destroy_fn(gone.append)
        table = _raw.make(_raw.Backend)
        table.name, table.alignment = b'a table', 1
        number = c_uint64()
        err = self.fails('INVALID', 'device_register', byref(table), 5, destroy, byref(number))
        self.assertIn(b'allocate', err.message)
        self.assertEqual(gone, [5, 5])

        @_raw.backend_make_fn
        def allocate(size, out, userdata):
            out[0] = ctypes.addressof(memory)
            return 0 if size <= len(memory) and userdata == 6 else 77

        table.allocate, table.deallocate = allocate, _raw.backend_range_fn(lambda number, size, userdata: 0)
        device = self.number('device_register', byref(table), 6, destroy)
        params = _raw.make(_raw.AllocatorParams)
        params.device, params.kind = device, C['SHMALLOC_ALLOCATOR_KIND_CACHING']
        allocator = self.out('allocator_create', byref(params))
        self.fails('BUSY', 'device_unregister', device)
        err = self.fails('BACKEND', 'allocator_allocate', allocator, MIB, 0, byref(number))
        self.assertEqual(err.backend_error, 77)
        self.lib.allocator_release(allocator)
        self.ok('device_unregister', device)
        self.assertEqual(gone, [5, 5, 6])
        self.fails('NOT_FOUND', 'device_unregister', device)

    # ---- allocator.h, storage.h ----

    def test_memory_by_address(self):
        device = new_device().number
        allocator, stream, other = self.caching(device), self.number('stream_create', device), self.number('stream_create', device)
        address = self.number('allocator_allocate', allocator, 1000, stream)
        base, size, info = c_uint64(), c_uint64(), _raw.make(_raw.CacheInfo)
        self.ok('allocator_get_base', allocator, address, byref(base), byref(size))
        self.assertEqual((base.value <= address, size.value), (True, 2 * MIB))
        self.ok('allocator_record_stream', allocator, address, other)
        self.ok('allocator_get_cache_info', allocator, byref(info))
        self.assertEqual(info.cached, 2 * MIB - 1024)
        self.ok('allocator_deallocate', allocator, address, OWN)
        self.fails('NOT_FOUND', 'allocator_deallocate', allocator, address, OWN)
        self.fails('NOT_FOUND', 'allocator_record_stream', allocator, address, stream)
        self.fails('NOT_FOUND', 'allocator_get_base', allocator, address, byref(base), byref(size))
        self.fails('NO_MEMORY', 'allocator_allocate', allocator, 1 << 60, stream, byref(base))
        storage = self.out('storage_create', allocator, 1000, stream, None)
        self.ok('storage_record_stream', storage, other)
        self.ok('storage_close', storage)
        self.fails('CLOSED', 'storage_record_stream', storage, other)
        self.lib.storage_release(storage)
        params = _raw.make(_raw.CachingParams)
        params.max_split_size = 64 * MIB
        self.ok('allocator_configure_caching', allocator, byref(params))
        self.assertEqual(self.text('allocator_get_config', allocator, b'max_split_size_mb'), b'64')
        params.max_split_size += 1
        self.fails('INVALID', 'allocator_configure_caching', allocator, byref(params))
        host = self.allocator('DIRECT')
        self.fails('UNSUPPORTED', 'allocator_configure_caching', host, byref(params))
        self.fails('UNSUPPORTED', 'allocator_get_cache_info', host, byref(info))
        self.lib.allocator_release(host)
        self.lib.allocator_release(allocator)
        for one in (stream, other):
            self.ok('stream_destroy', device, one)

    def test_allocator_observe(self):
        device, gone, heard = new_device().number, [], []
        destroy = _raw.destroy_fn(gone.append)
        allocator = self.caching(device, b'per_process_memory_fraction:0')

        @_raw.observer_fn
        def hear(notice, userdata):
            found = notice.contents
            heard.append((userdata, found.kind, found.device, found.requested, found.limit, bool(found.report)))
            return 0

        low, out = C['SHMALLOC_NOTICE_MEMORY_LOW'], C['SHMALLOC_NOTICE_OUT_OF_MEMORY']
        number = self.number('allocator_observe', allocator, low | out, hear, 8, destroy)
        self.fails('NO_MEMORY', 'allocator_allocate', allocator, 1000, 0, byref(c_uint64()), again=False)
        self.assertEqual(heard, [(8, low, device, 1000, 0, False), (8, out, device, 1000, 0, True)])
        self.ok('allocator_unobserve', allocator, number)
        self.assertEqual(gone, [8])
        self.fails('NOT_FOUND', 'allocator_unobserve', allocator, number)
        self.fails('INVALID', 'allocator_observe', allocator, low, _raw.observer_fn(), 9, destroy, byref(c_uint64()))
        self.assertEqual(gone, [8, 9, 9])
        self.lib.allocator_release(allocator)


if __name__ == '__main__':
    unittest.main()
