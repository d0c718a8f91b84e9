"""The demo's second part: 10,000 storages over one mapping, and processes that are killed in the middle of them.

`many.py maker|consumer` is one of the processes; demo.py calls `show`. A maker writes a pattern into each of its storages and gives their
handles out through a file, one line each; a consumer opens them all. Both tell how many descriptors and mappings they have."""
import os
import sys
import time
from pathlib import Path
from urllib.parse import unquote

COUNT = 10000


def size_of(number):
    """All kinds of sizes, 64 bytes to 64 KiB."""
    return 64 + number * 7919 % 4000 + (60000 if number % 100 == 0 else 0)


def pattern(number):
    return number.to_bytes(8, 'little') * 4


def holdings():
    """(descriptors, mappings of data of segments, all mappings of shared memory)."""
    data = shared = 0
    for line in Path('/proc/self/maps').read_text().splitlines():
        path = line.split(None, 5)[5:]
        name = path[0] if path else ''
        data += name.startswith(('/memfd:shmalloc_segment', '/#'))
        shared += name.startswith(('/memfd:', '/#'))
    return f'{len(os.listdir("/proc/self/fd"))} {data} {shared}'


class Process:
    """What both roles can do; `shmalloc` is the module."""

    def __init__(self, shmalloc):
        self.shmalloc, self.storages, self.handles = shmalloc, [], []

    def holdings(self):
        return holdings()

    def make(self, path):
        start = time.monotonic_ns()
        for number in range(COUNT):
            storage = self.shmalloc.Storage(size_of(number))
            with storage.view() as view:
                view[:32] = view[-32:] = pattern(number)
            self.storages.append(storage)
        took = time.monotonic_ns() - start
        Path(path).write_text(''.join(storage.export_text(ttl=0) + '\n' for storage in self.storages))
        return str(took)

    def open(self, path, first=0, count=COUNT):
        self.handles = Path(path).read_text().splitlines()
        handles = self.handles[int(first):int(first) + int(count)]
        start = time.monotonic_ns()
        self.storages += [self.shmalloc.Storage.from_text(handle) for handle in handles]
        return str(time.monotonic_ns() - start)

    def check(self, first=0):
        """How many have the bytes that their maker wrote."""
        good = 0
        for number, storage in enumerate(self.storages, int(first)):
            with storage.view() as view:
                good += len(view) == size_of(number) and view[:32] == pattern(number) and view[-32:] == pattern(number)
        return str(good)

    def go_on(self, first=0):
        """Opens and lets go for ever; says so first, and is killed in the middle."""
        print('going on', flush=True)
        while True:
            for handle in self.handles[int(first):]:
                self.shmalloc.Storage.from_text(handle).release()

    def make_for_ever(self):
        print('going on', flush=True)
        while True:
            for _ in range(1000):
                self.storages.append(self.shmalloc.Storage(500))
            del self.storages[COUNT:]

    def release(self):
        self.storages.clear()
        return 'ok'

    def fails(self):
        """How many of the handles open nothing any more."""
        failed = 0
        for handle in self.handles:
            try:
                self.shmalloc.Storage.from_text(handle).release()
            except self.shmalloc.ShmallocError:
                failed += 1
        return str(failed)

    def account(self):
        """(live storages, bytes given back, data mappings left) after what is free was given back."""
        given_back = self.shmalloc.trim()
        return f'{self.shmalloc.Allocator.current().info.live_storages} {given_back} {holdings().split()[1]}'


def show(demo, say, check):
    """`demo` starts the processes."""
    path = os.path.join(demo.folder, 'handles')
    maker, consumer = demo.start_many('maker'), demo.start_many('consumer')
    say(f'\n8. One process makes {COUNT} storages of 64 bytes to 64 KiB; another one opens all of them by the handles in a file.')
    before = [tuple(map(int, process.ask('holdings').split())) for process in (maker, consumer)]
    made, opened = int(maker.ask('make', path)) / COUNT, int(consumer.ask('open', path)) / COUNT
    for process, was, took, what in ((maker, before[0], made, 'make and fill'), (consumer, before[1], opened, 'open')):
        fds, data, _ = map(int, process.ask('holdings').split())
        say(f'     {process.name:8} pid {process.pid:<7}: {took / 1e3:.1f} µs each to {what}; mappings of data: {data}; '
            f'descriptors: {fds - was[0]} more than without a storage')
        check(data == 1 and fds - was[0] <= 4, f'the {process.name} process has {data} mappings of data, {fds - was[0]} descriptors')
    check(int(consumer.ask('check')) == COUNT, 'the consumer sees other bytes')
    say(f'   The consumer sees what the maker wrote in each of the {COUNT}.')

    consumer.start('go-on')
    check(consumer.answer() == 'going on', 'the consumer does not go on')
    consumer.process.kill()
    consumer.process.wait()
    check(int(maker.ask('check')) == COUNT, 'the death of the consumer changed bytes')
    maker.ask('release')
    live, given_back, data = map(int, maker.ask('account').split())
    say(f'   The consumer holds them all, opens more and is killed with SIGKILL. The maker lets go: {live} storages are live, '
        f'{given_back >> 20} MiB go back to the system, {data} mappings are left.')
    check((live, data) == (0, 0) and given_back > 0, 'what the dead consumer held is lost')

    consumer = demo.start_many('consumer')
    maker.ask('make', path)
    half = COUNT // 2
    consumer.ask('open', path, 0, half)
    maker.start('make-for-ever')
    check(maker.answer() == 'going on', 'the maker does not go on')
    maker.process.kill()
    maker.process.wait()
    check(int(consumer.ask('check')) == half, 'the death of the maker changed bytes')
    say(f'   Another round, with half of them opened: the maker is killed while it makes more. The consumer still reads its {half}.')
    consumer.ask('release')
    live, _, data = map(int, consumer.ask('account').split())
    failed = int(consumer.ask('fails'))
    check((live, data, failed) == (0, 0, COUNT), f'{live} live, {data} mappings, {failed} of {COUNT} handles are void')
    say(f'   It lets go: {data} mappings are left, and all {COUNT} handles open nothing any more. Nobody cleaned up; there was nobody to do it.')
    consumer.end()


def main():
    import shmalloc
    process = Process(shmalloc)
    print('ready', flush=True)
    for line in sys.stdin:
        word, *arguments = line.split()
        try:
            answer = getattr(process, word.replace('-', '_'))(*map(unquote, arguments))
        except Exception as error:
            answer = f'error {type(error).__name__}: {error}'
        print(answer, flush=True)


if __name__ == '__main__':
    main()
