"""Two ways from workers to a training process, for loader.py: shmalloc's channels, and torch.multiprocessing's queues.

Both have the same calls: ask(worker, index) for a batch, next() -> (index, tensor) or None when nothing came for a while, finish().
What the workers do is the same, too: they build the batch where the receiver will see it."""
import math
import multiprocessing
import queue
import struct

import numpy

from batches import Maker

POLL = 0.2  # seconds without a batch after which the training process looks whether its workers live
INDEX = struct.Struct('=q')
REPORT = struct.Struct('=qq')


# ---- shmalloc: a channel to each worker for what is wanted, one back for all batches ----

def shmalloc_worker(wanted, batches, shape, work):
    """Has numpy and shmalloc, and no torch."""
    import shmalloc
    import shmalloc.torch
    wanted, batches = (shmalloc.Channel.open(shmalloc.Storage.import_(handle)) for handle in (wanted, batches))
    allocator, maker, size = shmalloc.Allocator(shmalloc.Kind.SHARED), Maker(work), math.prod(shape)
    batches.send(None, b'ready')
    for _, record in wanted:
        index, = INDEX.unpack(record)
        with allocator.create(size) as storage:
            batch = numpy.frombuffer(storage.view(), numpy.uint8).reshape(shape)
            maker.fill(batch, index)
            batches.send(storage, shmalloc.torch.record(batch.dtype, shape, record))
            del batch
    allocator.trim()
    found = allocator.statistics()
    batches.send(None, REPORT.pack(found['allocation']['all'].current + found['pending'].current, found['reserved_bytes']['all'].current))


class Shmalloc:
    name = 'shmalloc.Channel'

    def __init__(self, workers, shape, work):
        import shmalloc
        import shmalloc.torch
        self.shmalloc, spawn = shmalloc, multiprocessing.get_context('spawn')
        self.batches, self.wanted, self.processes = shmalloc.Channel(), [], []
        for _ in range(workers):
            wanted = shmalloc.Channel()
            handles = [channel.storage().export(ttl=0) for channel in (wanted, self.batches)]
            process = spawn.Process(target=shmalloc_worker, args=(*handles, shape, work), daemon=True)
            process.start()
            self.wanted.append(wanted)
            self.processes.append(process)
        for _ in range(workers):
            assert self.batches.receive(60) == (None, b'ready')

    def ask(self, worker, index):
        try:
            self.wanted[worker].send(None, INDEX.pack(index))
        except self.shmalloc.PeerGoneError:
            pass  # it is found dead a little later

    def next(self):
        try:
            tensor, note = self.shmalloc.torch.receive_tensor(self.batches, POLL)
        except self.shmalloc.WaitTimeoutError:
            return None
        return INDEX.unpack(note)[0], tensor

    def clean(self):
        """What finalizers put off, now: a dead worker's segment goes with the last batch out of it."""
        self.shmalloc.trim()

    def finish(self):
        """Storages and bytes that the workers say are left with them."""
        self.clean()
        living, left = sum(process.is_alive() for process in self.processes), numpy.zeros(2, int)
        while self.wanted:
            self.wanted.pop().close()
        while living:
            storage, record = self.batches.receive(60)
            if storage is None:  # else one of a dead worker's, that another one made as well
                left += REPORT.unpack(record)
                living -= 1
        for process in self.processes:
            process.join()
        self.batches.release()
        self.clean()
        return left.tolist()


# ---- torch.multiprocessing: what torch.utils.data.DataLoader does, queues to each worker and one back ----

def torch_worker(wanted, batches, done, shape, work):
    import torch
    torch.set_num_threads(1)
    maker, size = Maker(work), math.prod(shape)
    batches.put('ready')
    for index in iter(wanted.get, None):
        storage = torch.UntypedStorage._new_shared(size)
        batch = torch.tensor([], dtype=torch.uint8).set_(storage).reshape(shape)
        maker.fill(batch.numpy(), index)
        batches.put((index, batch))
        del batch, storage
    done.wait()  # it serves the descriptors of what it sent


class Torch:
    name = 'torch.multiprocessing.Queue'

    def __init__(self, workers, shape, work):
        import torch.multiprocessing
        spawn = torch.multiprocessing.get_context('spawn')
        self.batches, self.done, self.wanted, self.processes = spawn.Queue(), spawn.Event(), [], []
        for _ in range(workers):
            wanted = spawn.Queue()
            process = spawn.Process(target=torch_worker, args=(wanted, self.batches, self.done, shape, work), daemon=True)
            process.start()
            self.wanted.append(wanted)
            self.processes.append(process)
        for _ in range(workers):
            assert self.batches.get(timeout=60) == 'ready'

    def ask(self, worker, index):
        self.wanted[worker].put(index)

    def next(self):
        try:
            return self.batches.get(timeout=POLL)
        except queue.Empty:
            return None

    def clean(self):
        """Nothing is put off."""

    def finish(self):
        for wanted in self.wanted:
            wanted.put(None)
        self.done.set()
        for process in self.processes:
            process.join()
        for one in [*self.wanted, self.batches]:
            one.close()
            one.join_thread()
        self.wanted, self.batches, self.done = [], None, None
        return [0, 0]
