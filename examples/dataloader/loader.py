#!/usr/bin/env python3
"""Worker processes make batches of images, a PyTorch process trains on them, and nobody copies a batch: with shmalloc, and beside it
with torch.multiprocessing.

  loader.py [--build DIR] [--workers N] [--batches N] [--batch-bytes N] [--hold N] [--no-work] [--kill]

Both do the same work on the same batches, two ahead for each worker, as torch.utils.data.DataLoader does. --kill: one worker of
shmalloc's is killed with SIGKILL in the middle. The last line says whether all was as it should be. Exit status 0, 1, or 77: PyTorch
is missing.
"""
import argparse
import collections
import contextlib
import gc
import importlib.util
import math
import multiprocessing.resource_tracker
import os
import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
AHEAD = 2
LOOKS = 16  # how often the kernel is asked what is held
SHARED = re.compile('/memfd:|/dev/shm/|/#|/SYSV')


class LoaderError(Exception):
    """Something is not as it should be."""


def check(holds, otherwise):
    if not holds:
        raise LoaderError(otherwise)


def say(text=''):
    print(text, flush=True)


def mib(size):
    return f'{size / (1 << 20):.1f} MiB'


def objects(pids):
    """The shared memory that these processes have open: {object: bytes}."""
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError):  # it ended
            for fd in os.listdir(f'/proc/{pid}/fd'):
                with contextlib.suppress(OSError):  # closed meanwhile
                    link = f'/proc/{pid}/fd/{fd}'
                    if SHARED.match(os.readlink(link)):
                        status = os.stat(link)
                        found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return found


def held(pids):
    """(descriptors of this process, its mappings of shared memory, bytes of the shared memory that any of these processes has)."""
    maps = [line.split(None, 5)[5:] for line in Path('/proc/self/maps').read_text().splitlines()]
    shared = sum(bool(path and SHARED.match(path[0])) for path in maps)
    return len(os.listdir('/proc/self/fd')), shared, sum(objects(pids).values())


class Training:
    """What is done with the batches: one step of a linear model on the mean of each image's channels, and a checksum."""

    def __init__(self, work):
        import torch
        self.torch, self.work, self.weights = torch, work, torch.zeros(3)

    def step(self, batch):
        if not self.work:
            return int(batch[:, 0, 0, 0].sum())
        total = batch.sum((2, 3), dtype=self.torch.int64)
        means = total.float() / (batch[0, 0].numel() * 255)
        error = means @ self.weights - means[:, 0]
        self.weights -= 0.5 * error @ means / len(means)
        return int(total.sum())


class Run:
    """One way, from its first worker to its end."""

    def __init__(self, way, arguments, shape):
        self.arguments, self.shape, self.kill = arguments, shape, way.__name__ == 'Shmalloc' and arguments.kill
        self.before = held([os.getpid()])
        self.way = way(arguments.workers, shape, not arguments.no_work)
        self.pids = [os.getpid()] + [process.pid for process in self.way.processes]
        self.start, self.at_start = held(self.pids), objects(self.pids)
        self.peak, self.sums, self.again, self.victim, self.victims = self.start, {}, 0, None, {}

    def loop(self):
        """Asks, receives, trains; each worker has two batches to make at any time, those of a dead one go to the others."""
        count, hold, training = self.arguments.batches, collections.deque(maxlen=self.arguments.hold), Training(not self.arguments.no_work)
        todo, asked = collections.deque(range(count)), [set() for _ in self.way.processes]
        living, start = set(range(len(asked))), time.monotonic()
        while len(self.sums) < count:
            for worker in [worker for worker in living if not self.way.processes[worker].is_alive()]:
                living.remove(worker)
                lost = asked[worker] - self.sums.keys()
                self.again += len(lost)
                todo.extendleft(sorted(lost, reverse=True))
            check(living, 'no worker is left')
            for worker in living:
                while todo and len(asked[worker]) < AHEAD:
                    index = todo.popleft()
                    asked[worker].add(index)
                    self.way.ask(worker, index)
            received = self.way.next()
            if received is None:
                check(time.monotonic() - start < 60 + count, 'nothing comes any more')
                continue
            index, batch = received
            for indices in asked:
                indices.discard(index)
            if index in self.sums:
                continue  # a dead worker's, after it was asked for again
            check(batch.shape == self.shape, f'batch {index} has the shape {tuple(batch.shape)}')
            self.sums[index] = training.step(batch)
            hold.append(batch)
            del received, batch
            if len(self.sums) % max(1, count // LOOKS) == 0:
                self.peak = tuple(map(max, zip(self.peak, held(self.pids))))
            if self.kill and self.victim is None and len(self.sums) >= count // 2:
                process = self.way.processes[-1]
                self.victims = {which: size for which, size in objects([process.pid]).items() if which not in self.at_start}
                if self.victims:  # it has made one at least
                    self.victim = process
                    process.kill()
        return time.monotonic() - start

    def show(self):
        took = self.loop()
        total = self.arguments.batches * math.prod(self.shape)
        say(f'\n{self.way.name}')
        say(f'     {len(self.sums)} batches in {took:.2f} s: {len(self.sums) / took:.0f} batches/s, {mib(total / took)}/s')
        fds, maps, size = (peak - start for peak, start in zip(self.peak, self.start))
        say(f'     for batches the training process has at the peak {fds} descriptors and {maps} mappings; {mib(size)} of shared memory '
            f'in all\n     beside that, whatever the batches: {self.start[0] - self.before[0]} descriptors and '
            f'{self.start[1] - self.before[1]} mappings')
        gc.collect()
        self.way.clean()
        if self.kill:
            kept = [size for which, size in objects(self.pids).items() if which in self.victims]
            say(f'     worker {self.victim.pid} was killed with SIGKILL in the middle. Batches that it had taken on and the others '
                f'made: {self.again}.\n     It had {mib(sum(self.victims.values()))} of shared memory, of which {mib(sum(kept))} are left '
                'while the others still live')
            check(not kept, 'memory of the dead worker did not come back')
        storages, kept = self.way.finish()
        del self.way, self.victim
        gc.collect()
        fds, maps, size = (now - before for now, before in zip(held([os.getpid()]), self.before))
        say(f'     at the end: {storages} storages and {mib(kept)} with the workers that report; {fds} descriptors, {maps} mappings, '
            f'{mib(size)} of shared memory with the training process')
        return took, (storages, kept, fds, maps, size)


def run(arguments):
    import batches
    import ways
    shape = batches.shape_of(arguments.batch_bytes)
    say(f'{arguments.workers} workers make {arguments.batches} batches of {shape[0]} images {shape[1:]}, uint8: '
        f'{mib(shape[0] * batches.IMAGE)} each.\nThe training process takes one step with each and keeps the last {arguments.hold}.')
    names = set(os.listdir('/dev/shm'))
    multiprocessing.resource_tracker.ensure_running()  # Python's own helper, one descriptor until this process ends
    first = Run(ways.Shmalloc, arguments, shape)
    ours, left = first.show()
    check(not any(left), 'something is left')
    second = Run(ways.Torch, arguments, shape)
    torchs, _ = second.show()
    check(first.sums == second.sums, 'the two ways brought different batches')
    left = [name for name in set(os.listdir('/dev/shm')) - names if name.startswith(tuple(f'torch_{pid}_' for pid in first.pids))]
    check(not left, f'left in /dev/shm: {left}')
    say(f'\nBoth brought the same batches. shmalloc : torch.multiprocessing = {torchs / ours:.2f} : 1 in batches a second.')


def number(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError('must be 1 at least')
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--build', type=Path, default=ROOT / 'build' / 'gcc', help='the build folder (build/gcc)')
    parser.add_argument('--workers', type=number, default=2, help='worker processes (2)')
    parser.add_argument('--batches', type=number, default=400, help='batches in all (400)')
    parser.add_argument('--batch-bytes', type=number, default=1 << 20, help='bytes of a batch (1 MiB)')
    parser.add_argument('--hold', type=number, default=8, help='batches that the training process keeps (8)')
    parser.add_argument('--no-work', action='store_true', help='touch each image only: what is left is the way itself')
    parser.add_argument('--kill', action='store_true', help='kill a worker in the middle; needs two')
    arguments = parser.parse_args()
    reason = os.environ.get('SHMALLOC_SKIP')  # Meson's convention
    missing = [name for name in ('numpy', 'torch') if importlib.util.find_spec(name) is None]
    if reason or missing:
        say(f'SKIPPED, nothing was shown: {reason or f"{sys.executable} has no {missing[0]}; install python3-{missing[0]}"}')
        return 77
    if arguments.kill and (arguments.workers < 2 or arguments.batches < 2 * AHEAD * arguments.workers):
        parser.error(f'--kill needs a second worker, who goes on, and {2 * AHEAD} batches for each')
    os.environ.setdefault('SHMALLOC_LIBRARY', str(arguments.build.resolve() / 'src' / 'libshmalloc.so.0.1'))
    os.environ.setdefault('PYTHONPATH', str(ROOT / 'bindings' / 'python'))
    sys.path.insert(0, str(ROOT / 'bindings' / 'python'))
    try:
        run(arguments)
    except (LoaderError, OSError, ImportError) as error:
        say(f'\nloader: FAILED: {error}')
        return 1
    say('\nloader: everything as it should be')
    return 0


if __name__ == '__main__':
    sys.exit(main())
