"""Views as other Python libraries want them: numpy arrays, and the buffer protocol where Python lets us have it."""
import gc
import subprocess
import sys
import unittest

import numpy
from shmalloc import Allocator, Kind, Status, Storage
from support import Case


class Arrays(Case):
    def test_array_is_the_memory_itself(self):
        storage = Storage(64)
        array = storage.array('f4', (2, 3), offset=16)
        array[:] = [[1, 2, 3], [4, 5, 6]]
        self.assertEqual((array.shape, array.dtype, array.ctypes.data), ((2, 3), numpy.float32, storage.address + 16))
        self.assertEqual(bytes(storage.view()[16:40]), array.tobytes())

    def test_shapes(self):
        storage = Storage(96)
        for dtype, shape, offset, wanted in (('u1', (-1,), 0, (96,)), ('f8', (2, -1), 0, (2, 6)), ('f8', 3, 72, (3,)),
                                             ('i4', (), 92, ()), ('f8', (0, 5), 96, (0, 5)), ([('a', 'u1'), ('b', '>u2')], -1, 0, (32,)),
                                             (numpy.complex64, (-1, 4), 32, (2, 4))):
            self.assertEqual(storage.array(dtype, shape, offset).shape, wanted)
        self.assertEqual(Storage(0).array('f4').shape, (0,))
        for dtype, shape, offset in (('f8', 13, 0), ('f8', 1, 89), ('u1', 1, 96), ('u1', 1, -1), ('u1', (-2,), 0), ('f8', -1, 1),
                                     ('u1', (-1, -1), 0), ('u1', (-1, 0), 0), ('O', 1, 0), ('u1', -1, 97)):
            self.raises(Status.INVALID, storage.array, dtype, shape, offset)
        gc.collect()
        self.assertEqual(storage.info.pins, 0)

    def test_array_holds_the_memory(self):
        storage = Storage(64)
        part = storage.array('u1')[10:20]
        self.assertEqual(storage.info.pins, 1)
        self.raises(Status.BUSY, storage.close)
        storage.release()
        part[:] = 7
        self.assertEqual(part.sum(), 70)

    def test_read_only_memory_gives_arrays_that_are_not_writable(self):
        storage = Storage(64, isolated=True)
        storage.array('u1')[:] = 3
        storage.seal()
        array = storage.array('u1')
        self.assertEqual((array.sum(), array.flags.writeable), (192, False))
        with self.assertRaises(ValueError):
            array.flags.writeable = True

    def test_two_processes_see_each_others_array(self):
        storage, peer = Storage(800), self.peer('import numpy')
        array = storage.array('f8')
        array[:] = range(100)
        peer.do('array = Storage.import_(handle).array("f8"); seen = float(array.sum()); array *= 2', handle=storage.export())
        self.assertEqual((peer.ask('seen'), array.sum()), (4950, 9900))

    def test_numpy_is_imported_only_when_needed(self):
        code = 'import shmalloc, sys; shmalloc.Storage(1).view(); shmalloc.Queue(); print("numpy" in sys.modules, "torch" in sys.modules)'
        done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(done.stdout, 'False False\n')


class Buffers(Case):
    def test_buffer_of_a_storage(self):
        storage, fixed = Storage(5), Storage.adopt(b'const', read_only=True)
        with storage.__buffer__(1) as view:
            view[:] = b'hello'
        self.assertEqual(bytes(storage.__buffer__(0)), b'hello')
        self.assertTrue(fixed.__buffer__(0).readonly)
        self.assertRaises(BufferError, fixed.__buffer__, 1)
        if sys.version_info >= (3, 12):
            self.assertEqual(bytes(storage), b'hello')
            self.assertTrue(memoryview(fixed).readonly)
        else:
            self.assertRaises(TypeError, memoryview, storage)

    def test_array_over_what_an_allocator_made(self):
        for kind in Kind.DIRECT, Kind.MAP, Kind.MAP_REFCOUNTED, Kind.SHARED:
            with Allocator(kind) as allocator, allocator.create(16) as storage:
                storage.array('u8')[1] = 1 << 63
                self.assertEqual(storage.view()[15], 128)


if __name__ == '__main__':
    unittest.main()
