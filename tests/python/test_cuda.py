"""Storages on GPUs and DLPack: over the simulated driver, which must find nothing wrong, or a real one."""
import copy
import ctypes
import unittest

import shmalloc
from run import skip
from shmalloc import Allocator, Capability, Device, DeviceType, Kind, Status, Storage, Stream, from_dlpack
from support import Case, Gate

DEVICE = Device.cuda(0)


def setUpModule():
    if Device.count(DeviceType.CUDA) == 0:
        skip('there is no GPU, and no simulated driver')


class Field(ctypes.Structure):
    """DLTensor, as far as it is looked at."""

    _fields_ = [('data', ctypes.c_void_p), ('device_type', ctypes.c_int32), ('device_id', ctypes.c_int32)]


class Cuda(Case):
    def setUp(self):
        super().setUp()
        self.private = Allocator(Kind.DIRECT)
        self.addCleanup(self.driver_saw_no_mistakes)

    def driver_saw_no_mistakes(self):
        driver = ctypes.CDLL('libcuda.so.1')
        if hasattr(driver, 'sim_mistakes'):
            driver.sim_mistakes.restype, driver.sim_mistakes.argtypes = ctypes.c_ulonglong, [ctypes.c_char_p]
            self.assertEqual(driver.sim_mistakes(None), 0)

    def host(self, data):
        storage = self.private.create(len(data))
        storage.view()[:] = data
        return storage

    def test_bytes_go_there_and_come_back(self):
        self.assertFalse(DEVICE.info.capabilities & Capability.HOST_ACCESS)
        with Stream(DEVICE) as stream:
            there, start, back = Storage(1000, stream=stream), self.host(b'g' * 1000), self.host(bytes(1000))
            self.assertEqual((there.data, there.address != 0, there.device), (None, True, DEVICE))
            for view in (there.view, lambda: there.array('u1')):
                self.raises(Status.UNSUPPORTED, view)
            there.copy(start, stream=stream, non_blocking=True)
            back.copy(there, stream=stream, non_blocking=True)
            stream.synchronize()
            self.assertEqual(bytes(back.view()), b'g' * 1000)
            second = copy.deepcopy(there)
            back.view()[:] = bytes(1000)
            back.copy(second)
            self.assertEqual((second.device, bytes(back.view())), (DEVICE, b'g' * 1000))
            there.release()
            second.release()

    def test_dlpack_says_where_it_is(self):
        for device in (Device.cuda(index) for index in range(Device.count(DeviceType.CUDA))):
            storage = Allocator.current(device).create(100)
            tensor = storage.tensor('float32', (5, 4), offset=4)
            self.assertEqual((storage.__dlpack_device__(), tensor.__dlpack_device__()), ((2, device.index),) * 2)
            capsule = tensor.__dlpack__(dl_device=(2, device.index))
            field = Field.from_address(shmalloc._capsule._pointer(capsule, b'dltensor'))
            self.assertEqual((field.data, field.device_type, field.device_id), (storage.address + 4, 2, device.index))
            self.assertRaises(BufferError, tensor.__dlpack__, dl_device=(2, 60))
            back = from_dlpack(capsule)
            self.assertEqual((back.storage.device, back.storage.address, back.shape), (device, storage.address + 4, (5, 4)))
            del capsule, field
            back.storage.release()
            self.assertEqual(storage.info.pins, 0)

    def test_the_consumers_stream_waits(self):
        start = self.host(b's' * 100)
        with Stream(DEVICE) as own, Stream(DEVICE) as other, Stream(DEVICE) as consumer:
            there = Storage(100, stream=own)
            there.record_stream(other)
            for busy in (own, other):
                for number, stream in ((consumer.number, consumer), (None, Stream.default_of(DEVICE)), (1, Stream.default_of(DEVICE))):
                    with Gate(busy):
                        if busy is own:
                            there.copy(start, stream=own, non_blocking=True)
                        there.__dlpack__(stream=-1)
                        stream.synchronize()  # nothing to wait for
                        there.__dlpack__(stream=number, max_version=(1, 0))
                        with stream.record() as event:
                            self.assertFalse(event.done)
                    event = stream.record()
                    event.synchronize()
            for number in (0, -2, 'a stream'):
                self.raises(Status.INVALID, there.__dlpack__, stream=number)
            there.__dlpack__(stream=own.number)
            there.__dlpack__(stream=2)
            DEVICE.synchronize()
            there.release()

    def test_the_producer_is_told_our_stream(self):
        inner, told = Allocator.current(DEVICE).create(100), []

        class Array:
            def __dlpack_device__(self):
                return inner.__dlpack_device__()

            def __dlpack__(self, *, stream, max_version=None):
                told.append(stream)
                return inner.__dlpack__(stream=stream, max_version=max_version)

        with Stream(DEVICE) as stream:
            for given, number in ((None, 1), (stream, stream.number), (Stream.default_of(DEVICE), 1)):
                tensor = from_dlpack(Array(), stream=given)
                self.assertEqual((told.pop(), tensor.storage.address), (number, inner.address))
                tensor.storage.release()
        with Stream(Device.host_streams(0)) as stream:
            self.raises(Status.INVALID, from_dlpack, Array(), stream=stream)
        inner.release()

    def test_a_copy_for_the_host(self):
        with Stream(DEVICE) as own, Stream(DEVICE) as other:
            there = Storage(100, stream=own)
            there.record_stream(other)
            there.copy(self.host(b'h' * 100), stream=own, non_blocking=True)
            with own.record() as event:
                other.wait(event)
            DEVICE.fill(there.address, ord('i'), 50, other)
            here = from_dlpack(there.__dlpack__(max_version=(1, 0), dl_device=(1, 0)))
            self.assertEqual((here.storage.device, bytes(here.storage.view())), (Device.host(), b'i' * 50 + b'h' * 50))
            self.assertRaises(BufferError, there.__dlpack__, dl_device=(1, 0), copy=False)
            other_one = from_dlpack(there.__dlpack__(copy=True, stream=other.number))
            self.assertEqual(other_one.storage.device, DEVICE)
            self.assertNotEqual(other_one.storage.address, there.address)
            for storage in (there, here.storage, other_one.storage):
                storage.release()


if __name__ == '__main__':
    unittest.main()
