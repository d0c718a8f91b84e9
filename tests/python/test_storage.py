"""The safe layer within one process: lifetimes, views, errors, fork, threads."""
import ctypes
import gc
import os
import threading
import unittest
import weakref

import numpy
import shmalloc
import support
from shmalloc import Allocator, Kind, Mapped, State, Status, Storage
from support import PREFIX, SHM, Case, names, wait_exit


class Lifetimes(Case):
    def test_dropped_storage_goes_at_the_next_call(self):
        allocator = Allocator(Kind.MAP)
        storage = allocator.create(100)
        self.assertEqual(allocator.info.live_storages, 1)
        del storage
        gc.collect()
        shmalloc.trim(shmalloc.Trim.DEFERRED)
        self.assertEqual(allocator.info.live_storages, 0)

    def test_with_releases_and_a_second_release_does_nothing(self):
        allocator = Allocator(Kind.MAP)
        with allocator.create(100) as storage:
            self.assertEqual(storage.size, 100)
        self.assertTrue(storage.released)
        self.assertEqual(allocator.info.live_storages, 0)
        storage.release()
        for use in (lambda: storage.size, storage.view, storage.export, storage.seal, lambda: storage.info):
            self.raises(Status.CLOSED, use)
        self.assertIn('released', repr(storage))

    def test_close_gives_back_whoever_holds_it_here(self):
        storage = Storage(100)
        again, _ = Storage.find(storage.address)
        storage.close()
        self.assertEqual((again.size, again.address, again.data), (0, 0, None))
        self.assertIn(State.CLOSED, again.info.state)
        self.raises(Status.CLOSED, again.view)
        storage.close()

    def test_allocator_outlives_its_name(self):
        storage = Allocator(Kind.MAP, name='short').create(100)
        gc.collect()
        shmalloc.trim()
        storage.view()[0] = 1
        self.assertGreater(storage.info.allocator_id, 0)

    def test_reference_cycle_is_collected(self):
        storage = Storage(100)
        gone = weakref.ref(storage._reference)
        cycle = [storage]
        cycle.append(cycle)
        del storage, cycle
        gc.collect()
        self.assertIsNone(gone())

    def test_threads_release_under_each_other(self):
        """A call in one thread keeps what another one releases meanwhile."""
        def use(storage, errors):
            try:
                for _ in range(200):
                    storage.info, storage.size, storage.export()
                    storage.view().release()
            except shmalloc.ClosedError:
                return
            except BaseException as error:
                errors.append(error)

        for _ in range(20):
            storage, errors = Storage(4096), []
            threads = [threading.Thread(target=use, args=(storage, errors)) for _ in range(4)]
            for thread in threads:
                thread.start()
            storage.release()
            for thread in threads:
                thread.join()
            self.assertEqual(errors, [])


class Views(Case):
    def test_view_is_the_memory_itself(self):
        storage = Storage(100)
        view = storage.view()
        view[:5] = b'hello'
        self.assertEqual(ctypes.string_at(storage.data, 5), b'hello')
        self.assertEqual((view.format, view.nbytes, view.readonly), ('B', 100, False))

    def test_everything_made_from_a_view_holds_the_pin(self):
        storage = Storage(4096)
        array = numpy.frombuffer(storage.view(), dtype='<f8')
        part = array.reshape(8, -1)[2:4]
        del array
        gc.collect()
        self.assertEqual(storage.info.pins, 1)
        error = self.raises(Status.BUSY, storage.close)
        self.assertIsInstance(error, BufferError)
        storage.release()
        part[:] = 2.5
        self.assertEqual(part.sum(), 2.5 * part.size)
        del part

    def test_pin_goes_with_the_last_view(self):
        storage = Storage(100)
        first, second = storage.view(), storage.view()[10:20]
        self.assertEqual(storage.info.pins, 2)
        del first
        self.assertEqual(storage.info.pins, 1)
        second.release()
        self.assertEqual(storage.info.pins, 0)
        with storage.view() as view:
            self.assertEqual((len(view), storage.info.pins), (100, 1))
        self.assertEqual(storage.info.pins, 0)
        storage.close()

    def test_read_view_refuses_writes(self):
        view = Storage(100).view(write=False)
        self.assertTrue(view.readonly)
        with self.assertRaises(TypeError):
            view[0] = 1
        with self.assertRaises(ValueError):
            numpy.frombuffer(view, 'u1').flags.writeable = True

    def test_sealed_storage_has_only_read_views(self):
        self.raises(Status.UNSUPPORTED, Storage(100).seal)  # its neighbours would be too
        storage = Storage(100, isolated=True)
        with storage.view() as view:
            view[:3] = b'abc'
            self.raises(Status.BUSY, storage.seal)
        storage.seal()
        self.assertIn(State.IMMUTABLE, storage.info.state)
        error = self.raises(Status.PERMISSION, storage.view, write=True)
        self.assertIsInstance(error, PermissionError)
        view = storage.view()
        self.assertTrue(view.readonly)
        self.assertEqual(bytes(view[:3]), b'abc')

    def test_empty_storage_has_an_empty_view(self):
        storage = Storage(0)
        self.assertEqual((bytes(storage.view()), storage.data, storage.size), (b'', None, 0))

    def test_view_keeps_the_memory_after_the_storage(self):
        view = Storage(100).view()
        gc.collect()
        shmalloc.trim()
        view[:4] = b'kept'
        self.assertEqual(bytes(view[:4]), b'kept')

    def test_grow_in_place_under_a_view(self):
        storage = Storage(4096, capacity=1 << 20)
        view = storage.view()
        view[:3] = b'old'
        address = storage.address
        storage.grow(1 << 20)
        self.assertEqual((storage.address, storage.size, len(view)), (address, 1 << 20, 4096))
        self.assertEqual(bytes(storage.view()[:4]), b'old\0')
        error = self.raises(Status.NO_SPACE, storage.grow, 1 << 21)
        self.assertIsInstance(error, OSError)

    def test_share_moves_a_private_storage(self):
        storage = Allocator(Kind.DIRECT).create(100)
        with storage.view() as view:
            view[:5] = b'moved'
            self.raises(Status.BUSY, storage.share)
        self.assertFalse(storage.is_shared)
        self.raises(Status.UNSUPPORTED, storage.export)
        generation = storage.info.generation
        storage.share()
        self.assertTrue(storage.is_shared)
        self.assertGreater(storage.info.generation, generation)
        self.assertEqual(bytes(storage.view()[:5]), b'moved')


class Adopting(Case):
    def test_buffer_is_held_until_the_last_view_is_gone(self):
        buffer = bytearray(b'hello')
        storage = Storage.adopt(buffer)
        view = storage.view()
        storage.release()
        with self.assertRaises(BufferError):
            buffer.append(1)
        view[0] = ord('j')
        del view
        shmalloc.trim()
        buffer.append(33)
        self.assertEqual(buffer, b'jello!')

    def test_read_only_buffer(self):
        with self.assertRaises(BufferError):
            Storage.adopt(b'const')
        storage = Storage.adopt(b'const', read_only=True)
        self.assertTrue(storage.view().readonly)
        self.raises(Status.PERMISSION, storage.view, write=True)
        self.assertIn(State.READ_ONLY, storage.info.state)

    def test_copy_between_storages(self):
        source, target = Storage.adopt(b'0123456789', read_only=True), Storage(10)
        target.copy(source)
        target.copy(source, 3, offset=7, source_offset=1)
        self.assertEqual(bytes(target.view()), b'0123456123')
        error = self.raises(Status.INVALID, target.copy, source, offset=1)
        self.assertIsInstance(error, ValueError)
        self.raises(Status.PERMISSION, source.copy, target)
        with self.assertRaises(OverflowError):
            target.copy(source, -1)


class Named(Case):
    def test_named_object_lives_as_long_as_its_maker(self):
        with Storage(100, name=f'{PREFIX}name', mapped=Mapped.SHAREDMEM | Mapped.EXCLUSIVE) as storage:
            self.assertEqual(names(), {f'{PREFIX}name'})
            self.assertEqual(storage.name, f'/{PREFIX}name')
            error = self.raises(Status.EXISTS, Storage, 100, name=f'{PREFIX}name', mapped=Mapped.SHAREDMEM | Mapped.EXCLUSIVE)
            self.assertIsInstance(error, FileExistsError)
            with Storage(0, name=f'{PREFIX}name', mapped=Mapped.SHAREDMEM | Mapped.NOCREATE) as attached:
                attached.view()[0] = 9
                self.assertEqual(attached.size, 100)
            self.assertEqual(storage.view()[0], 9)
        self.assertEqual(names(), set())
        error = self.raises(Status.NOT_FOUND, Storage, 0, name=f'{PREFIX}name', mapped=Mapped.SHAREDMEM | Mapped.NOCREATE)
        self.assertIsInstance(error, FileNotFoundError)

    def test_nameless_object_has_no_name(self):
        self.assertIsNone(Storage(1).name)

    def test_file_is_mapped_both_ways(self):
        path = self.folder() / 'f'
        path.write_bytes(b'0123456789')
        with Storage(0, name=path) as private:
            private.view()[0] = ord('x')
        with Storage(0, name=path, mapped=Mapped.SHARED) as shared:
            shared.view()[9] = ord('y')
        self.assertEqual(path.read_bytes(), b'012345678y')
        self.raises(Status.NO_SPACE, Storage, 20, name=path, mapped=Mapped.SHARED | Mapped.NO_GROW)

    def test_descriptor_is_duplicated(self):
        fd = os.memfd_create('mine')
        os.ftruncate(fd, 50)
        with Storage(0, fd=fd, mapped=Mapped.SHAREDMEM) as storage:
            storage.view()[0] = 65
        self.assertEqual(os.pread(fd, 1, 0), b'A')
        os.close(fd)


class Errors(Case):
    def test_message_and_status_and_errno(self):
        error = self.raises(Status.NOT_FOUND, Storage, 1, name='/no/such/file', mapped=Mapped.SHARED | Mapped.NOCREATE)
        self.assertIn('/no/such/file', str(error))
        self.assertEqual((error.status, error.os_error, error.errno), (Status.NOT_FOUND, 2, 2))

    def test_two_flags_that_contradict_are_named(self):
        error = self.raises(Status.INVALID, Storage, 1, name='x', mapped=Mapped.SHARED | Mapped.SHAREDMEM)
        self.assertRegex(str(error), 'SHARED.*SHAREDMEM')

    def test_settings_that_do_not_exist_are_named(self):
        error = self.raises(Status.INVALID, Allocator, Kind.MAP, colour='red')
        self.assertIn('colour', str(error))
        self.assertEqual(Allocator(Kind.MAP, prefix='abc', populate=True).config('populate'), '1')
        self.raises(Status.NOT_FOUND, Allocator(Kind.MAP).config, 'colour')

    def test_text_with_a_zero_byte_is_refused(self):
        self.raises(Status.INVALID, Storage, 1, name='a\0b')

    def test_too_much_is_no_space_or_no_memory(self):
        with self.assertRaises((shmalloc.NoSpaceError, shmalloc.OutOfMemoryError)):
            Storage(1 << 60)
        with self.assertRaises(OverflowError):
            Storage(-1)

    def test_unknown_status_counts_as_internal(self):
        self.assertIs(Status(-1000), Status.INTERNAL)


class Log(Case):
    def test_listener_hears_and_is_let_go(self):
        class Listener:
            def __call__(self, level, line):
                pass
        listener = Listener()
        gone = weakref.ref(listener)
        shmalloc.set_log(listener)
        del listener
        self.assertIsNotNone(gone())
        shmalloc.set_log(None)
        self.assertIsNone(gone())

    def test_name_that_can_not_be_removed_is_heard_of(self):
        heard, path = [], SHM / f'{PREFIX}stays'
        storage = Storage(100, name=path.name, mapped=Mapped.SHAREDMEM)
        libc, there = ctypes.CDLL(None), os.fsencode(path)
        if not support.isolated or libc.mount(there, there, None, 0x1000, None) != 0:  # bound to itself it is a mount point: EBUSY
            self.skipTest('needs an own /dev/shm and the right to mount')
        shmalloc.set_log(lambda level, line: heard.append((level, line)))
        try:
            storage.release()
        finally:
            libc.umount2(there, 2)
            shmalloc.set_log(None)
        path.unlink()
        self.assertEqual(len(heard), 1, heard)
        self.assertEqual(heard[0][0], shmalloc.LogLevel.ERROR)
        self.assertIn(path.name, heard[0][1])


class Forking(Case):
    def fork(self, work):
        pid = os.fork()
        if pid == 0:
            status = 99
            try:
                work()
                status = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(status)
        self.assertEqual(wait_exit(pid), 0)

    def test_child_uses_and_releases_what_it_inherited(self):
        storage = Storage(100, name=f'{PREFIX}fork', mapped=Mapped.SHAREDMEM)

        def child():
            assert State.FORKED in storage.info.state
            storage.view()[0] = 42
            Storage.find(storage.address)[0].release()
            storage.close()
            storage.release()
            with Storage(10) as own:
                own.view()[0] = 1

        self.fork(child)
        self.assertEqual(names(), {f'{PREFIX}fork'}, 'what the parent holds stays')
        self.assertEqual(storage.view()[0], 42)
        self.assertNotIn(State.FORKED, storage.info.state)
        storage.release()

    def test_adopted_memory_is_not_given_back_by_a_child(self):
        buffer = bytearray(10)
        storage = Storage.adopt(buffer)

        def child():
            storage.release()
            try:
                buffer.append(1)
            except BufferError:
                return
            raise AssertionError('destroy_fn ran in the child')

        self.fork(child)
        storage.release()
        buffer.append(1)

    def test_names_differ_in_a_child(self):
        read, write = os.pipe()
        shmalloc.make_name(PREFIX)
        self.fork(lambda: os.write(write, shmalloc.make_name(PREFIX).encode()))
        theirs = os.read(read, 200).decode()
        os.close(read)
        os.close(write)
        self.assertTrue(theirs.startswith('/' + PREFIX))
        self.assertNotEqual(theirs, shmalloc.make_name(PREFIX))

    def test_fork_while_threads_are_inside_the_library(self):
        stop = threading.Event()

        def busy():
            while not stop.is_set():
                with Storage(4096) as storage:
                    storage.export()

        threads = [threading.Thread(target=busy) for _ in range(3)]
        for thread in threads:
            thread.start()

        def child():
            for _ in range(10):
                with Storage(100) as storage:
                    Storage.import_(storage.export()).release()

        try:
            for _ in range(10):
                self.fork(child)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


if __name__ == '__main__':
    unittest.main()
