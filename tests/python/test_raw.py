"""Every function of the headers, called as C would call it, through the raw table."""
import ctypes
import json
import os
import select
import socket
import threading
import unittest
from ctypes import byref, c_int32, c_int64, c_size_t, c_uint8, c_uint64, c_void_p, create_string_buffer

from shmalloc import _raw
from rawside import OK, REST, C, RawCase
from support import PREFIX, eventually, record


class Raw(RawCase):
    functions = REST

    # ---- base.h ----

    def test_version_is_that_of_the_header(self):
        self.assertEqual(self.lib.version(), C['SHMALLOC_VERSION'])
        self.assertEqual(self.lib.version_string(), b'0.1.0')

    def test_status_name_knows_every_status(self):
        for name, value in C.items():
            if name.startswith('SHMALLOC_STATUS_') and not name.endswith('FORCE32'):
                self.assertEqual(self.lib.status_name(value).decode(), name[len('SHMALLOC_STATUS_'):])
        self.assertEqual(self.lib.status_name(12345), b'UNKNOWN')

    def test_abi_lookup_unknown_name_is_not_found(self):
        value = c_int64(5)
        self.ok('abi_lookup', b'offsetof(shmalloc_error,message)', byref(value))
        self.assertEqual(value.value, 16)
        self.fails('NOT_FOUND', 'abi_lookup', b'SHMALLOC_NOTHING', byref(value))
        self.assertEqual(value.value, 16)

    def test_set_log_gives_userdata_back_once(self):
        gone = []
        destroy = _raw.destroy_fn(gone.append)
        listener = _raw.log_fn(lambda level, message, userdata: None)
        self.ok('set_log', listener, C['SHMALLOC_LOG_LEVEL_NOTE'], 11, destroy)
        self.ok('set_log', listener, C['SHMALLOC_LOG_LEVEL_ERROR'], 22, destroy)
        self.assertEqual(gone, [11])
        self.ok('set_log', _raw.log_fn(), 0, None, _raw.destroy_fn())
        self.assertEqual(gone, [11, 22])

    def test_format_size(self):
        for size, wanted in ((512, b'512 bytes'), (1536, b'1.50 KiB'), (2 << 30, b'2.00 GiB')):
            self.assertEqual(self.text('format_size', size), wanted)

    def test_release_deferred_takes_allocators_and_storages(self):
        storage, allocator = self.storage(), self.allocator()
        self.lib.release_deferred(storage)
        self.lib.release_deferred(allocator)
        self.lib.release_deferred(None)
        given = c_uint64()
        self.ok('allocator_trim', None, C['SHMALLOC_TRIM_DEFERRED'], 0, byref(given))

    # ---- allocator.h ----

    def test_allocator_settings(self):
        allocator = self.allocator(config=b'prefix:abc,mode:0640')
        self.lib.allocator_retain(allocator)
        self.lib.allocator_release(allocator)
        self.assertEqual(self.text('allocator_get_config', allocator, b'prefix'), b'abc')
        self.ok('allocator_configure', allocator, b'prefix:def,populate:1')
        everything = self.text('allocator_get_config', allocator, None)
        self.assertIn(b'prefix:def', everything.split(b','))
        self.assertIn(b'populate:1', everything.split(b','))
        err = self.fails('INVALID', 'allocator_configure', allocator, b'prefix:ghi,colour:red')
        self.assertIn(b'colour', err.message)
        self.assertEqual(self.text('allocator_get_config', allocator, b'prefix'), b'def')
        info = _raw.make(_raw.AllocatorInfo)
        self.ok('allocator_get_info', allocator, byref(info))
        self.assertEqual((info.kind, info.name, info.live_storages), (C['SHMALLOC_ALLOCATOR_KIND_MAP'], b'a test', 0))
        self.lib.allocator_release(allocator)
        self.lib.allocator_release(None)

    def test_allocator_current_changes_when_it_has_no_storages(self):
        before = self.out('allocator_get_current', 0)
        mine = self.allocator('DIRECT')
        held = self.storage()
        self.fails('BUSY', 'allocator_set_current', mine)
        self.lib.storage_release(held)
        self.ok('allocator_set_current', mine)
        again = self.out('allocator_get_current', 0)
        self.assertEqual(again.value, mine.value)
        self.ok('allocator_set_current', before)
        for allocator in (before, mine, again):
            self.lib.allocator_release(allocator)

    # ---- storage.h ----

    def test_storage_answers(self):
        storage = self.storage(100)
        info = self.info(storage)
        data = self.lib.storage_data(storage)
        self.assertEqual(data, self.lib.storage_address(storage))
        self.assertEqual((info.data, info.address, info.size), (data, data, self.lib.storage_size(storage)))
        self.assertEqual((info.size, info.references, info.pins), (100, 1, 0))
        ctypes.memmove(data, b'hello', 5)
        found, offset = c_void_p(), c_size_t()
        self.ok('storage_find', 0, data + 7, byref(found), byref(offset))
        self.assertEqual((found.value, offset.value), (storage.value, 7))
        self.lib.storage_retain(storage)
        self.assertEqual(self.info(storage).references, 3)
        for _ in range(3):
            self.lib.storage_release(storage)
        self.fails('NOT_FOUND', 'storage_find', 0, data + 7, byref(found), None)
        self.lib.storage_release(None)

    def test_storage_name_is_that_of_the_object(self):
        params = _raw.make(_raw.StorageParams)
        name = self.text('make_name', PREFIX.encode())
        self.assertTrue(name.startswith(b'/' + PREFIX.encode()))
        params.name = name
        params.mapped = C['SHMALLOC_MAPPED_SHAREDMEM'] | C['SHMALLOC_MAPPED_EXCLUSIVE']
        mapping = self.allocator('MAP')
        storage = self.storage(100, params, mapping)
        self.assertEqual(self.text('storage_get_name', storage), name)
        again = c_void_p(1)
        self.fails('INVALID', 'storage_create', None, 100, 0, byref(params), byref(again))  # kind SHARED has no names
        self.fails('EXISTS', 'storage_create', mapping, 100, 0, byref(params), byref(again))
        self.assertEqual(again.value, 1)
        self.ok('storage_close', storage)
        self.assertFalse(os.path.exists(b'/dev/shm' + name))
        self.ok('storage_close', storage)
        self.assertEqual((self.lib.storage_data(storage), self.lib.storage_size(storage)), (None, 0))
        self.lib.storage_release(storage)
        self.lib.allocator_release(mapping)

    def test_storage_pin_forbids_what_moves_or_unmaps(self):
        storage = self.storage(100)
        data, size = c_void_p(), c_size_t()
        self.ok('storage_pin', storage, C['SHMALLOC_ACCESS_WRITE'], byref(data), byref(size))
        self.assertEqual((data.value, size.value), (self.lib.storage_data(storage), 100))
        self.fails('BUSY', 'storage_close', storage)
        self.fails('BUSY', 'storage_seal', storage)
        self.lib.storage_release(storage)
        ctypes.memmove(data, b'pinned', 6)
        self.lib.storage_unpin(storage, C['SHMALLOC_ACCESS_WRITE'])
        self.lib.storage_unpin(None, C['SHMALLOC_ACCESS_WRITE'])

    def test_storage_adopt_runs_destroy_once_on_failure_too(self):
        gone, memory, storage = [], create_string_buffer(b'abcdef'), c_void_p()
        destroy = _raw.destroy_fn(gone.append)
        self.ok('storage_adopt', 0, ctypes.addressof(memory), 6, None, 5, destroy, byref(storage))
        self.assertEqual(self.lib.storage_data(storage), ctypes.addressof(memory))
        self.assertEqual(gone, [])
        self.lib.storage_release(storage)
        self.assertEqual(gone, [5])
        params = _raw.make(_raw.AdoptParams)
        params.flags = 1 << 31
        err = _raw.Error()
        status = self.lib.storage_adopt(0, ctypes.addressof(memory), 6, byref(params), 6, destroy, byref(storage), byref(err))
        self.assertIn(status, (C['SHMALLOC_STATUS_INVALID'], C['SHMALLOC_STATUS_UNSUPPORTED']))
        self.assertEqual(gone, [5, 6])

    def test_storage_copy_share_grow_seal(self):
        direct = self.allocator('DIRECT')
        own = _raw.make(_raw.StorageParams)
        own.flags = C['SHMALLOC_STORAGE_ISOLATED']
        private, shared = self.storage(64, allocator=direct), self.storage(64, own)
        ctypes.memset(self.lib.storage_data(private), 7, 64)
        self.ok('storage_copy', shared, 0, private, 0, C['SHMALLOC_SIZE_ALL'], 0, 0)
        self.assertEqual(ctypes.string_at(self.lib.storage_data(shared), 64), b'\7' * 64)
        self.fails('INVALID', 'storage_copy', shared, 1, private, 0, 64, 0, 0)
        self.assertFalse(self.info(private).state & C['SHMALLOC_STORAGE_STATE_SHARED'])
        self.ok('storage_share', private, None, 0)
        self.assertTrue(self.info(private).state & C['SHMALLOC_STORAGE_STATE_SHARED'])
        self.assertEqual(ctypes.string_at(self.lib.storage_data(private), 64), b'\7' * 64)
        params = _raw.make(_raw.StorageParams)
        params.capacity = 1 << 20
        growing = self.storage(4096, params)
        self.ok('storage_grow', growing, 1 << 20, 0)
        self.assertEqual(self.lib.storage_size(growing), 1 << 20)
        self.fails('NO_SPACE', 'storage_grow', growing, 1 << 21, 0)
        self.fails('UNSUPPORTED', 'storage_seal', private)  # among others in a segment now
        self.ok('storage_seal', shared)
        self.ok('storage_seal', shared)
        self.fails('PERMISSION', 'storage_pin', shared, C['SHMALLOC_ACCESS_WRITE'], None, None)
        for storage in (private, shared, growing):
            self.lib.storage_release(storage)
        self.lib.allocator_release(direct)

    # ---- ipc.h ----

    def handle(self, storage, params=None):
        length = c_size_t(0)
        self.fails('NO_SPACE', 'storage_export', storage, params, None, byref(length))
        self.assertLessEqual(length.value, C['SHMALLOC_HANDLE_MAX'])
        room = (c_uint8 * C['SHMALLOC_HANDLE_MAX'])()
        length.value = len(room)
        self.ok('storage_export', storage, params, room, byref(length))
        return room, length.value

    def test_handle_travels_as_bytes_and_as_text(self):
        storage = self.storage(100)
        ctypes.memmove(self.lib.storage_data(storage), b'hello', 6)
        handle, length = self.handle(storage)
        info = _raw.make(_raw.HandleInfo)
        self.ok('handle_get_info', handle, length, byref(info))
        self.assertEqual((info.size, info.pid), (100, os.getpid()))
        text = self.text('handle_to_text', handle, length)
        self.assertLess(len(text), C['SHMALLOC_HANDLE_TEXT_MAX'])
        back, got = (c_uint8 * 512)(), c_size_t(512)
        self.ok('handle_from_text', b' ' + text + b'\n', back, byref(got))
        self.assertEqual(bytes(back[:got.value]), bytes(handle[:length]))
        opened = self.out('storage_import', back, got.value, None, 0, None)
        self.assertEqual(ctypes.string_at(self.lib.storage_data(opened)), b'hello')
        self.ok('storage_revoke', storage)
        self.fails('STALE', 'storage_import', handle, length, None, 0, None, byref(c_void_p()))
        handle[length - 1] ^= 1
        self.fails('CORRUPT', 'handle_get_info', handle, length, byref(info))
        for one in (storage, opened):
            self.lib.storage_release(one)

    def test_descriptor_route(self):
        self.by_descriptor(0, 2)
        self.by_descriptor(C['SHMALLOC_STORAGE_ISOLATED'], 1)

    def by_descriptor(self, flags, fd_count):
        isolated = _raw.make(_raw.StorageParams)
        isolated.flags = flags
        storage = self.storage(100, isolated)
        params = _raw.make(_raw.ExportParams)
        params.flags = C['SHMALLOC_EXPORT_DESCRIPTOR']
        handle, length = self.handle(storage, byref(params))
        count = c_size_t(0)
        self.fails('NO_SPACE', 'storage_export_fds', storage, byref(params), None, byref(count))
        fds = (c_int32 * count.value)()
        self.ok('storage_export_fds', storage, byref(params), fds, byref(count))
        self.assertEqual(count.value, fd_count)
        self.assertFalse(any(os.get_inheritable(fd) for fd in fds))
        if fd_count == 1:  # a process that has the segment needs no descriptors of it
            self.fails('INVALID', 'storage_import', handle, length, None, 0, None, byref(c_void_p()))
        opened = self.out('storage_import', handle, length, fds, fd_count, None)
        for fd in fds:
            os.close(fd)
        ctypes.memmove(self.lib.storage_data(opened), b'abc', 4)
        self.assertEqual(ctypes.string_at(self.lib.storage_data(storage)), b'abc')
        for one in (storage, opened):
            self.lib.storage_release(one)

    def test_send_and_receive(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            sent = (c_void_p * 2)(self.storage(10).value, self.storage(20).value)
            self.ok('storage_send', ours.fileno(), sent, 2, None)
            got, count = (c_void_p * 8)(), c_size_t(1)
            self.fails('NO_SPACE', 'storage_receive', theirs.fileno(), None, got, byref(count), again=False)
            self.assertEqual(count.value, 2)
            count.value = 8
            self.ok('storage_receive', theirs.fileno(), None, got, byref(count))
            self.assertEqual([self.lib.storage_size(one) for one in got[:count.value]], [10, 20])
            params = _raw.make(_raw.ImportParams)
            params.timeout_ns = C['SHMALLOC_TIME_NONE']
            count.value = 8
            self.fails('TIMEOUT', 'storage_receive', theirs.fileno(), byref(params), got, byref(count))
            for one in [*sent, *got[:2]]:
                self.lib.storage_release(one)

    # ---- machine.h ----

    def test_channel(self):
        params = _raw.make(_raw.ChannelParams)
        params.capacity = 2
        channel = self.out('channel_create', byref(params))
        home = self.out('channel_storage', channel)
        again = self.out('channel_open', home)
        self.lib.storage_release(home)
        self.lib.channel_retain(again)
        self.lib.channel_release(again)
        storage, received, length = self.out('storage_create', None, 10, 0, None), c_void_p(), c_size_t(8)
        record, room = (c_uint8 * 3)(1, 2, 3), (c_uint8 * 8)()
        self.ok('channel_send', again, storage, record, 3, C['SHMALLOC_TIME_NONE'])
        self.lib.storage_release(storage)
        self.ok('channel_receive', channel, byref(received), room, byref(length), C['SHMALLOC_TIME_FOREVER'])
        self.assertEqual((bytes(room[:length.value]), self.lib.storage_size(received)), (b'\1\2\3', 10))
        self.lib.storage_release(received)
        self.fails('TIMEOUT', 'channel_receive', channel, byref(received), None, None, C['SHMALLOC_TIME_NONE'])
        info = _raw.make(_raw.ChannelInfo)
        self.ok('channel_get_info', channel, byref(info))
        self.assertEqual((info.sent, info.received, info.attached), (1, 1, 1))
        self.ok('channel_close', channel)
        self.fails('CLOSED', 'channel_send', channel, None, None, 0, C['SHMALLOC_TIME_FOREVER'])
        self.lib.channel_release(again)
        self.lib.release_deferred(channel)

    def test_machine(self):
        self.assertEqual(json.loads(self.text('machine_describe'))['version'], '0.1.0')
        params = _raw.make(_raw.StorageParams)
        params.mapped = C['SHMALLOC_MAPPED_SHAREDMEM']
        allocator = self.allocator(config=f'prefix:{PREFIX}'.encode())
        storage = self.storage(5000, params, allocator)
        name, seen = self.text('storage_get_name', storage), {}

        @_raw.object_fn
        def hear(found, userdata):
            seen[found.contents.name] = (found.contents.size, found.contents.state, userdata)
            return 0

        self.ok('machine_walk', PREFIX.encode(), hear, 99)
        self.assertIn(name, seen)
        size, state, userdata = seen[name]
        self.assertEqual((size, userdata), (5000, 99))
        self.assertTrue(state & C['SHMALLOC_OBJECT_NAMED'])
        self.assertFalse(state & C['SHMALLOC_OBJECT_ABANDONED'])
        objects, freed = c_uint64(9), c_uint64(9)
        self.fails('BUSY', 'machine_reclaim', name, PREFIX.encode(), 0, byref(objects), byref(freed))
        self.ok('machine_reclaim', name, PREFIX.encode(), C['SHMALLOC_RECLAIM_FORCE'], byref(objects), byref(freed))
        self.assertEqual(objects.value, 1)
        self.fails('NOT_FOUND', 'machine_reclaim', name, PREFIX.encode(), 0, None, None)
        self.lib.storage_release(storage)
        self.lib.allocator_release(allocator)

    # ---- trace.h ----

    def test_what_an_allocator_did(self):
        allocator, statistics = self.allocator('DIRECT'), _raw.make(_raw.Statistics)
        params = _raw.make(_raw.HistoryParams)
        params.flags, params.max_entries = C['SHMALLOC_HISTORY_RECORD'], 10
        self.ok('allocator_record_history', allocator, byref(params))
        params.flags = 1 << 20
        self.fails('UNSUPPORTED', 'allocator_record_history', allocator, byref(params))
        self.lib.storage_release(self.storage(100, allocator=allocator))
        self.ok('allocator_get_statistics', allocator, byref(statistics))
        stat = statistics.requested_bytes[C['SHMALLOC_STAT_POOL_SMALL']]
        self.assertEqual((stat.current, stat.peak, stat.allocated, stat.freed), (0, 100, 100, 100))
        self.ok('allocator_reset_statistics', allocator, C['SHMALLOC_RESET_PEAKS'])
        self.fails('UNSUPPORTED', 'allocator_reset_statistics', allocator, 1 << 20)
        self.ok('allocator_get_statistics', None, byref(statistics))
        text = self.out('allocator_snapshot', allocator, None, None)
        data = ctypes.string_at(self.lib.storage_data(text), self.lib.storage_size(text))
        self.assertEqual(len(json.loads(data)['device_traces'][0]), 6)
        snapshot = _raw.make(_raw.SnapshotParams)
        snapshot.format = 77
        self.fails('UNSUPPORTED', 'allocator_snapshot', allocator, byref(snapshot), None, byref(c_void_p()))
        self.lib.storage_release(text)
        self.lib.allocator_release(allocator)

    # ---- dlpack.h ----

    def test_dlpack_out_and_in_again(self):
        storage, tensor = self.storage(100), _raw.make(_raw.Tensor)
        tensor.shape, tensor.ndim, tensor.offset = (c_int64 * 2)(3, 4), 2, 16
        tensor.code, tensor.bits = 2, 32
        for way in ('', '_unversioned'):
            managed, seen = self.out(f'dlpack_export{way}', storage, byref(tensor)), _raw.make(_raw.Tensor)
            self.assertEqual(self.info(storage).pins, 1)
            over = c_void_p()
            self.ok(f'dlpack_import{way}', managed, byref(seen), byref(over))
            self.assertEqual((seen.ndim, seen.shape[:2], seen.strides[:2], seen.offset, seen.code, seen.bits, seen.lanes),
                             (2, [3, 4], [4, 1], 0, 2, 32, 1))
            self.assertEqual(self.lib.storage_address(over), self.lib.storage_address(storage) + 16)
            self.assertEqual(self.info(over).size, 48)
            self.lib.storage_release(over)
            self.assertEqual(self.info(storage).pins, 0)
            self.fails('INVALID', f'dlpack_import{way}', None, None, byref(over))
        tensor.flags = C['SHMALLOC_TENSOR_READ_ONLY']
        self.fails('PERMISSION', 'dlpack_export_unversioned', storage, byref(tensor), byref(c_void_p()))
        tensor.flags, tensor.offset = C['SHMALLOC_TENSOR_PADDED'], 56
        self.fails('INVALID', 'dlpack_export', storage, byref(tensor), byref(c_void_p()))
        self.lib.storage_release(storage)

    # ---- torch.h ----

    def test_torch_refcount(self):
        allocator, count = self.allocator('MAP_REFCOUNTED'), c_int32()
        storage, plain = self.storage(100, allocator=allocator), self.storage(100)
        for change, wanted in ((0, 1), (2, 3), (-2, 1)):
            self.ok('torch_refcount', storage, change, byref(count))
            self.assertEqual(count.value, wanted)
        self.fails('INVALID', 'torch_refcount', storage, -2, byref(count))
        self.fails('UNSUPPORTED', 'torch_refcount', plain, 0, byref(count))
        for one in (storage, plain):
            self.lib.storage_release(one)
        self.lib.allocator_release(allocator)

    def test_torch_manager_runs_until_told_to_stop(self):
        path = str(self.folder() / 'm')
        stop, go = os.pipe()
        ended = []
        thread = threading.Thread(target=lambda: ended.append(self.lib.torch_manager_run(path.encode(), stop, None)))
        thread.start()
        with socket.socket(socket.AF_UNIX) as client:
            eventually(lambda: client.connect_ex(path) == 0, 'the manager answers')
            client.sendall(record('/' + PREFIX + 'none'))
            self.assertTrue(select.select([client], [], [], 30)[0])
            self.assertEqual(client.recv(10), b'OK')
            self.fails('EXISTS', 'torch_manager_run', path.encode(), stop)
            self.fails('NO_SPACE', 'torch_manager_run', b'/' + b'x' * 200, stop)
            os.close(go)
            thread.join()
        os.close(stop)
        self.assertEqual(ended, [OK])
        self.assertFalse(os.path.exists(path))


if __name__ == '__main__':
    unittest.main()
