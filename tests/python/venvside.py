"""What test_venv runs in a new environment: the installed package, and a NumPy that knows DLPack's versions."""
import os
import pickle
import sys
import unittest

import numpy
import shmalloc
from shmalloc import Allocator, Kind, Storage, from_dlpack


class Installed(unittest.TestCase):
    def test_the_package_is_the_installed_one(self):
        self.assertTrue(os.path.realpath(shmalloc.__file__).startswith(os.path.realpath(sys.prefix) + os.sep), shmalloc.__file__)
        self.assertTrue(os.path.exists(os.path.join(os.path.dirname(shmalloc.__file__), 'py.typed')))
        from importlib.metadata import version
        self.assertEqual(version('shmalloc'), shmalloc.__version__)


class Versioned(unittest.TestCase):
    def test_numpy_writes_into_the_storage(self):
        storage = Storage(64)
        array = numpy.from_dlpack(storage.tensor('float32', (4, 4)))
        self.assertTrue(array.flags.writeable, 'which no NumPy does without a version')
        array[1] = 7
        self.assertEqual((storage.array('f4').sum(), array.ctypes.data, storage.info.pins), (28, storage.address, 1))
        del array
        self.assertEqual(storage.info.pins, 0)

    def test_read_only_memory_comes_read_only(self):
        storage = Storage(64, isolated=True)
        storage.array('u1')[:] = 5
        storage.seal()
        for source in storage, storage.tensor('uint8', (64,)), Storage(64).tensor('uint8', (64,), read_only=True):
            array = numpy.from_dlpack(source)
            self.assertFalse(array.flags.writeable)
            with self.assertRaises(ValueError):
                array[0] = 1
        copied = numpy.from_dlpack(storage, copy=True)
        copied[0] = 6
        self.assertEqual((copied[:2].tolist(), storage.view()[0], storage.info.pins), ([6, 5], 5, 0))
        self.assertEqual(numpy.from_dlpack(storage, device='cpu', copy=False)[0], 5)

    def test_numpy_says_what_is_read_only(self):
        array = numpy.arange(12, dtype='i4').reshape(3, 4)
        self.assertFalse(from_dlpack(array).read_only)
        array.flags.writeable = False
        tensor = from_dlpack(array.T)
        self.assertEqual((tensor.read_only, tensor.shape, tensor.strides, tensor.storage.view().readonly),
                         (True, (4, 3), (1, 4), True))
        self.assertEqual(numpy.from_dlpack(tensor).tolist(), array.T.tolist())

    def test_strides_and_types(self):
        storage = Storage(128)
        storage.array('i8')[:] = range(16)
        self.assertEqual(numpy.from_dlpack(storage.tensor('int64', (2, 3), (-8, 2), offset=64)).tolist(), [[8, 10, 12], [0, 2, 4]])
        self.assertEqual(numpy.from_dlpack(storage.tensor('bool', (8,))).dtype, bool)
        with self.assertRaises((RuntimeError, BufferError)):
            numpy.from_dlpack(storage.tensor('bfloat16', (4,)))
        self.assertEqual(storage.info.pins, 0)


class Others(unittest.TestCase):
    def test_arrays_and_buffers(self):
        storage = Storage(8)
        storage.array('u8')[:] = 1
        self.assertEqual(pickle.loads(pickle.dumps(storage)).view()[0], 1)
        if sys.version_info >= (3, 12):
            self.assertEqual(bytes(storage)[0], 1)

    def test_queue(self):
        queue = shmalloc.Queue()
        queue.put(numpy.arange(1000))
        self.assertEqual(int(queue.get().sum()), 499500)

    def test_allocator(self):
        with Allocator(Kind.MAP).create(10) as storage:
            self.assertEqual(storage.size, 10)


if __name__ == '__main__':
    unittest.main()
