"""DLPack: numpy and torch over storages, storages over their arrays, and capsules that nobody took."""
import ctypes
import gc
import pickle
import subprocess
import sys
import unittest
import weakref

import numpy
import shmalloc
import torch
from shmalloc import Status, Storage, from_dlpack
from support import Case


def name(capsule):
    """What a capsule is called."""
    get = ctypes.pythonapi.PyCapsule_GetName
    get.restype, get.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return get(capsule)


class Exports(Case):
    def test_storage_is_a_vector_of_bytes(self):
        storage = Storage(100)
        storage.view()[:3] = b'abc'
        self.assertEqual(storage.__dlpack_device__(), (1, 0))
        for make in (numpy.from_dlpack, torch.from_dlpack, lambda source: torch.utils.dlpack.from_dlpack(source.__dlpack__())):
            array = make(storage)
            self.assertEqual((tuple(array.shape), array[:3].tolist(), storage.info.pins), ((100,), [97, 98, 99], 1))
            del array
        self.assertEqual(storage.info.pins, 0)

    def test_tensor_is_the_memory_itself(self):
        storage = Storage(256)
        tensor = storage.tensor(torch.float32, (4, 3), offset=64)
        theirs, ours = torch.from_dlpack(tensor), storage.array('f4', (4, 3), 64)
        theirs[:] = torch.arange(12).reshape(4, 3)
        self.assertEqual(ours.tolist(), theirs.tolist())
        self.assertEqual(theirs.data_ptr(), storage.address + 64)
        self.assertEqual((tensor.dtype, tensor.shape, tensor.strides, tensor.offset, tensor.nbytes),
                         ('float32', (4, 3), None, 64, 48))
        self.assertIn('float32 (4, 3)', repr(tensor))

    def test_types_and_strides(self):
        storage = Storage(256)
        storage.array('i2')[:] = range(128)
        for dtype in ('int16', numpy.int16, numpy.dtype('i2'), torch.int16, (0, 16, 1)):
            back = numpy.from_dlpack(storage.tensor(dtype, (3, 4), (-8, 2), offset=32))
            self.assertEqual(back.tolist(), [[16, 18, 20, 22], [8, 10, 12, 14], [0, 2, 4, 6]])
        for word in ('int8', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64', 'float16', 'float64', 'complex64', 'complex128'):
            self.assertEqual(numpy.from_dlpack(storage.tensor(word, (2, 2))).dtype, numpy.dtype(word))
        self.assertEqual(torch.from_dlpack(storage.tensor('bfloat16', (2,))).dtype, torch.bfloat16)
        self.assertEqual(torch.from_dlpack(storage.tensor('float32', ())).shape, ())
        self.assertEqual(torch.from_dlpack(storage.tensor('float32', (0, 3))).shape, (0, 3))
        four = storage.tensor((0, 4, 1), (3,))
        self.assertEqual((four.dtype, four.nbytes), ((0, 4, 1), 1))

    def test_what_can_not_be_is_said_when_it_is_made(self):
        storage = Storage(100)
        for arguments in (('float32', (26,)), ('float32', (1,), None, 97), ('uint8', (2,), (-1,)), ('colour', (1,)), ((0, 0, 1), (1,)),
                          ('uint8', (1,) * 65), ('uint8', (2, 2), (1,)), ('uint8', (-1,)), ('>f4', (1,))):
            self.raises(Status.INVALID, storage.tensor, *arguments)
        for arguments in (('uint8', (1 << 63,)), ('uint8', (1,), None, -1)):
            self.assertRaises(OverflowError, storage.tensor, *arguments)
        self.assertEqual(storage.info.pins, 0)

    def test_capsules_by_version(self):
        tensor = Storage(8).tensor('uint8', (8,))
        for version, wanted in ((None, b'dltensor'), ((0, 8), b'dltensor'), ((1, 0), b'dltensor_versioned'),
                                ((2, 1), b'dltensor_versioned')):
            self.assertEqual(name(tensor.__dlpack__(max_version=version)), wanted)
        self.raises(Status.INVALID, tensor.__dlpack__, stream=1)
        self.assertRaises(BufferError, tensor.__dlpack__, dl_device=(2, 0))
        self.assertEqual(name(tensor.__dlpack__(dl_device=(1, 0), copy=False)), b'dltensor')

    def test_read_only_needs_a_version(self):
        sealed = Storage(8, isolated=True)
        sealed.seal()
        for source in (sealed, sealed.tensor('uint8', (8,)), Storage(8).tensor('uint8', (8,), read_only=True)):
            error = self.raises(Status.PERMISSION, source.__dlpack__)
            self.assertIsInstance(error, BufferError)
            self.assertIsInstance(error, PermissionError)
            self.assertRaises(BufferError, torch.from_dlpack, source)
            self.assertTrue(from_dlpack(source.__dlpack__(max_version=(1, 0))).read_only)

    def test_copy_is_a_copy(self):
        storage = Storage(8, isolated=True)
        storage.view()[:] = b'original'
        storage.seal()
        copied = from_dlpack(storage.__dlpack__(max_version=(1, 0), copy=True))
        self.assertFalse(copied.read_only)
        copied.storage.view()[:1] = b'O'
        self.assertEqual((bytes(storage.view()), bytes(copied.storage.view())), (b'original', b'Original'))
        self.assertEqual(torch.from_dlpack(storage.__dlpack__(copy=True)).tolist(), list(b'original'))

    def test_tensor_keeps_the_storage_without_a_pin(self):
        storage = shmalloc.Allocator(shmalloc.Kind.DIRECT).create(8)
        tensor = storage.tensor('uint8', (8,))
        numpy.from_dlpack(storage)
        storage.share()  # it moves
        storage.view()[0] = 5
        storage.release()
        self.assertEqual(numpy.from_dlpack(tensor)[0], 5)
        tensor.storage.close()
        self.raises(Status.CLOSED, tensor.__dlpack__)


class Dropped(Case):
    """A capsule that nobody took."""

    def test_it_is_given_back(self):
        for version in (None, (1, 0)):
            storage = Storage(8)
            capsule = storage.__dlpack__(max_version=version)
            self.assertEqual(storage.info.pins, 1)
            self.raises(Status.BUSY, storage.close)
            del capsule
            storage.close()

    def test_release_gives_the_memory_back(self):
        allocator = shmalloc.Allocator(shmalloc.Kind.MAP)
        storage = allocator.create(8)
        storage.__dlpack__()
        storage.release()
        self.assertEqual(allocator.info.live_storages, 0)

    def test_the_exception_on_its_way_is_not_lost(self):
        """A destructor written in Python would swallow it."""
        storage = Storage(8)
        with self.assertRaises(RuntimeError):
            numpy.from_dlpack(storage.tensor('bfloat16', (4,)))
        with self.assertRaises(ZeroDivisionError):
            print(storage.__dlpack__(), 1 / 0)
        with self.assertRaises(RuntimeError):
            torch.from_dlpack(storage.tensor((0, 8, 2), (4,)))
        self.assertEqual(storage.info.pins, 0)

    def test_a_used_one_can_not_be_taken_again(self):
        storage = Storage(8)
        capsule = storage.__dlpack__()
        array = torch.utils.dlpack.from_dlpack(capsule)
        self.assertEqual(name(capsule), b'used_dltensor')
        self.raises(Status.INVALID, from_dlpack, capsule)
        storage.__dlpack__()  # looks at what was given before
        self.assertEqual(storage.info.pins, 1)
        del capsule, array
        self.assertEqual(storage.info.pins, 0)

    def test_at_exit(self):
        code = ('import shmalloc, sys, numpy\n'
                's = shmalloc.Storage(8)\n'
                'sys.modules["a"] = s.__dlpack__()\n'
                'sys.modules["b"] = numpy.from_dlpack(s)\n'
                'sys.modules["c"] = shmalloc.from_dlpack(numpy.arange(5))\n'
                's.__dlpack__(max_version=(1, 0))\n')
        done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, '', ''))


class Imports(Case):
    def test_numpy_array_is_held_as_long_as_the_storage(self):
        class Array(numpy.ndarray):
            pass

        array = numpy.arange(6, dtype='f8').reshape(2, 3).view(Array)
        gone = weakref.ref(array)
        tensor = from_dlpack(array[:, ::-1])
        self.assertEqual((tensor.dtype, tensor.shape, tensor.strides, tensor.offset, tensor.storage.size),
                         ('float64', (2, 3), (3, -1), 16, 48))
        self.assertEqual(tensor.storage.address, array.ctypes.data)
        view = tensor.storage.view()
        del array, tensor
        gc.collect()
        shmalloc.trim()
        self.assertIsNotNone(gone())
        del view
        shmalloc.trim()
        self.assertIsNone(gone())

    def test_torch_tensor_there_and_back(self):
        theirs = torch.arange(8, dtype=torch.bfloat16)
        tensor = from_dlpack(theirs)
        back = torch.from_dlpack(tensor)
        back[0] = 42
        self.assertEqual((tensor.dtype, theirs[0].item(), back.data_ptr()), ('bfloat16', 42, theirs.data_ptr()))

    def test_versions_are_asked_for_where_they_are_known(self):
        inner, asked = Storage(8), []

        class Old:
            def __dlpack__(self, stream=None):
                asked.append('old')
                return inner.__dlpack__()

        class New:
            def __dlpack__(self, *, max_version):
                asked.append(max_version)
                return inner.__dlpack__(max_version=max_version)

        for source in (Old(), New()):
            self.assertEqual(from_dlpack(source).storage.address, inner.address)
        self.assertEqual(asked, ['old', (1, 0)])
        self.raises(Status.INVALID, from_dlpack, 5)

    def test_imported_memory_is_shared_by_moving_it(self):
        tensor, peer = from_dlpack(numpy.arange(10, dtype='u1')), self.peer()
        self.raises(Status.UNSUPPORTED, pickle.dumps, tensor)
        tensor.storage.share()
        peer.do('import pickle; tensor = pickle.loads(data); seen = bytes(tensor.storage.view()); tensor.storage.view()[0] = 99',
                data=pickle.dumps(tensor))
        self.assertEqual(peer.ask('seen, tensor.shape'), (bytes(range(10)), (10,)))
        self.assertEqual(numpy.from_dlpack(tensor)[0], 99)


if __name__ == '__main__':
    unittest.main()
