#!/usr/bin/env python3
"""One file, four processes, no copy: what shmalloc does, shown on a real file.

  demo.py [--build DIR] [--size MIB] [FILE]     without FILE: one of that size, made of what lies in /usr

One process puts the file into a storage. A C process, a Python process and a PyTorch process open it at the same time. All compute
its SHA-256, write to it and see each other's writing; a receiver who may only read tries everything to write; the owner is killed;
in the end nothing is left. Then two processes share 10,000 storages over one mapping, and each is killed once in the middle; and consumers
in six languages take the file from one channel. Each step says what it did; the last line says whether all was as it should be. Exit status 0 or 1.
"""
import argparse
import contextlib
import fcntl
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import languages
import many

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PREFIX = f'demo{os.getpid()}'
ROUNDS = 7


class DemoError(Exception):
    """Something is not as it should be."""


def check(holds, otherwise):
    if not holds:
        raise DemoError(otherwise)


def say(text=''):
    print(text, flush=True)


def mib(size):
    return f'{size / (1 << 20):.1f} MiB'


class Process:
    """One of the actors: takes lines, gives lines."""

    all = []

    def __init__(self, name, command, env, fds):
        """`fds`: sockets and pipes that it inherits under the same numbers."""
        self.name, self.address = name, 0
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, pass_fds=fds)
        Process.all.append(self)

    @property
    def pid(self):
        return self.process.pid

    def ask(self, *words):
        self.start(*words)
        return self.answer()

    def start(self, *words):
        try:
            print(*[quote(str(word)) for word in words], file=self.process.stdin, flush=True)
        except OSError as error:
            raise DemoError(f'the {self.name} process is gone: {error}') from error

    def answer(self):
        line = self.process.stdout.readline()
        check(line, f'the {self.name} process ended with status {self.process.poll()}')
        check(not line.startswith('error'), f'the {self.name} process says: {line.strip()}')
        return line.strip()

    def end(self):
        self.process.stdin.close()
        status = self.process.wait(60)
        check(status == 0, f'the {self.name} process ended with status {status}')

    def memory(self, address):
        """What the kernel says about the mapping at that address, in bytes; None where it tells nothing."""
        try:
            lines = Path(f'/proc/{self.pid}/smaps').read_text().splitlines()
        except OSError:
            return None
        sizes, inside = {}, False
        for line in lines:
            words = line.split()
            if '-' in words[0] and not words[0].endswith(':'):
                first, last = (int(end, 16) for end in words[0].split('-'))
                inside = first <= address < last
            elif inside and words[-1] == 'kB':
                sizes[words[0][:-1]] = sizes.get(words[0][:-1], 0) + int(words[1]) * 1024
        return sizes


class Link:
    """A connection between two processes that start later."""

    def __init__(self):
        self.sockets = socket.socketpair()
        self.sender, self.receiver = (end.fileno() for end in self.sockets)


def torch_python():
    """An interpreter that has torch, or None."""
    for python in (sys.executable, '/usr/bin/python3'):
        looks = [python, '-c', 'import importlib.util as u, sys; sys.exit(not (u.find_spec("torch") and u.find_spec("numpy")))']
        if os.path.exists(python) and subprocess.run(looks, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return python
    return None


def make_file(path, size):
    """Real content of this machine, until there is enough of it."""
    with open(path, 'wb') as out:
        while out.tell() < size:
            before = out.tell()
            for folder, folders, files in os.walk('/usr'):
                folders.sort()
                for name in sorted(files):
                    file = os.path.join(folder, name)
                    if os.path.isfile(file) and not os.path.islink(file) and os.access(file, os.R_OK):
                        out.write(Path(file).read_bytes()[:size - out.tell()])
                    if out.tell() >= size:
                        return
            check(out.tell() > before, '/usr has no file to read')


class Demo:
    def __init__(self, build, path, folder):
        self.folder, self.build = folder, build
        self.path, self.size = path, os.path.getsize(path)
        check(self.size > 0, f'{path} is empty')
        self.env = dict(os.environ, PYTHONPATH=str(ROOT / 'bindings' / 'python'), PYTHONDONTWRITEBYTECODE='1')
        self.env.setdefault('SHMALLOC_LIBRARY', str(build / 'src' / 'libshmalloc.so.0.1'))
        self.consumer = str(build / 'examples' / 'demo' / 'demo-consumer')
        for need in (self.env['SHMALLOC_LIBRARY'], self.consumer):
            check(os.path.exists(need), f'{need} does not exist; build first, or say --build DIR')
        os.environ['SHMALLOC_LIBRARY'] = self.env['SHMALLOC_LIBRARY']
        sys.path.insert(0, self.env['PYTHONPATH'])
        import shmalloc
        self.shmalloc = shmalloc

        self.links = {name: Link() for name in ('C', 'Python', 'PyTorch', 'reader', 'late')}
        self.pipe = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.pipe[0], 1031, 1 << 20)  # F_SETPIPE_SZ: the copying shall not suffer from a small pipe

    def start_c(self, name):
        return Process(name, [self.consumer], self.env, [self.links[name].receiver])

    def start_python(self, name, role, fds, python=sys.executable):
        """A process of roles.py. The one with torch is not even given the path of the binding."""
        env = {key: value for key, value in self.env.items() if role != 'torch' or key != 'PYTHONPATH'}
        process = Process(name, [python, str(HERE / 'roles.py'), role], env, fds)
        check(process.answer() == 'ready', f'the {name} process does not start')
        return process

    def start_many(self, role):
        """A process of many.py."""
        process = Process(role, [sys.executable, str(HERE / 'many.py'), role], self.env, [])
        check(process.answer() == 'ready', f'the {role} process does not start')
        return process

    def send(self, sender, name, *options):
        return int(sender.ask('send-torch' if name == 'PyTorch' else 'send', self.links[name].sender, *options))

    def run(self):
        names = set(os.listdir('/dev/shm'))
        self.put_in()
        self.open()
        self.hash([self.owner, *self.receivers], 'Each of them computes the SHA-256 of what it sees')
        self.show_memory()
        self.compare_times()
        self.write()
        self.read_only()
        self.kill_owner()
        self.nothing_left(names)
        many.show(self, say, check)
        languages.show(self.shmalloc, self.build, self.path, say, check)

    def put_in(self):
        said = subprocess.run(['sha256sum', '--', str(self.path)], capture_output=True, text=True, check=True).stdout
        self.digest = said.lstrip('\\').split()[0]
        say(f'The file is {self.path}, {self.size} bytes; sha256sum says {self.digest}.')
        self.owner = self.start_python('owner', 'owner', [link.sender for link in self.links.values()] + [self.pipe[1]])
        self.owner.address, size, took = map(int, self.owner.ask('load', self.path, PREFIX).split())
        check(size == self.size, f'the storage has {size} bytes')
        say(f'\n1. One process, the owner, reads it into a storage: shared memory without a name. It took {took / 1e6:.1f} ms.')

    def open(self):
        """All at the same time: each waits for its message before the first one is sent."""
        late, python = self.links['late'], torch_python()
        self.receivers = [self.start_c('C'),
                          self.start_python('Python', 'python', [self.links['Python'].receiver, late.sender, self.pipe[0]])]
        if python:
            self.receivers.append(self.start_python('PyTorch', 'torch', [self.links['PyTorch'].receiver], python))
        else:
            say('\n   PyTorch is not installed (python3-torch, python3-numpy): SKIPPED, there is no PyTorch process.')
        say(f'\n2. {len(self.receivers)} more processes open it at the same time, over unix sockets: one in C, one in Python with '
            'the binding and without torch' + (', one with PyTorch and without shmalloc.' if python else '.'))
        for process in self.receivers:
            process.start('receive', self.links[process.name].receiver)
        for process in self.receivers:
            self.send(self.owner, process.name)
        for process in self.receivers:
            process.address, size = map(int, process.answer().split()[:2])
            check(size == self.size, f'the {process.name} process sees {size} bytes')

    def hash(self, processes, what):
        for process in processes:
            process.start('hash')
        for process in processes:
            digest = process.answer()
            check(digest == self.digest, f'the {process.name} process computes {digest}, not {self.digest}')
        say(f'   {what}: {"it says" if len(processes) == 1 else f"all {len(processes)} say"} what sha256sum said.')

    def show_memory(self):
        """Pss: pages that n processes map count 1/n for each. So the sum of all is what the memory really takes."""
        total = 0
        for process in [self.owner, *self.receivers]:
            memory = process.memory(process.address)
            if not memory or 'Pss' not in memory:
                say('   /proc/PID/smaps tells nothing here, so that nothing was copied can not be shown.')
                return
            private = memory['Private_Clean'] + memory['Private_Dirty']
            total += memory['Pss']
            say(f'     {process.name:8} pid {process.pid:<7} at {process.address:#014x}: sees {mib(memory["Rss"])}, of it private '
                f'{mib(private)}; its share is {mib(memory["Pss"])}')
            check(private < 1 << 20, f'the {process.name} process has a copy of its own')
        say(f'   The shares add up to {mib(total)}: the bytes exist once. The addresses need not be the same.')
        check(total < self.size * 1.05 + (1 << 20), f'the shares add up to {total} bytes')

    def compare_times(self):
        """From the moment the owner begins to send until the receiver has touched the storage, or has read the whole pipe into
        memory that it had prepared."""
        opening, copying, python = [], [], self.receivers[1]
        for _ in range(ROUNDS):
            python.ask('release')
            python.start('receive', self.links['Python'].receiver)
            start = self.send(self.owner, 'Python')
            python.address, _, end, _ = map(int, python.answer().split())
            opening.append((end - start) / 1e6)
        for _ in range(ROUNDS):
            python.start('read-pipe', self.pipe[0], self.size)
            check(python.answer() == 'ready', 'the Python process reads the pipe')
            start = int(self.owner.ask('write-pipe', self.pipe[1]))
            end, digest = python.answer().split()
            check(digest == self.digest, 'what came through the pipe is something else')
            copying.append((int(end) - start) / 1e6)
        fast, slow = statistics.median(opening), statistics.median(copying)
        say(f'\n3. From "send" until the other process can use the bytes, the median of {ROUNDS} times: {fast:.3f} ms by opening '
            f'the storage, {slow:.1f} ms by copying the same {mib(self.size)} through a pipe. That is {slow / fast:.0f} to 1.')
        check(fast < slow or self.size < 1 << 20, 'opening takes longer than copying')

    def write(self):
        say('\n4. Each writes in its turn, and all others see it, without a call:')
        for process in [self.owner, *self.receivers]:
            text = f'written by {process.name}'.encode()[:self.size]
            offset = (self.size - len(text)) // 2
            before = self.owner.ask('read', offset, len(text))
            process.ask('write', offset, text.hex())
            for other in [self.owner, *self.receivers]:
                seen = other.ask('read', offset, len(text))
                check(seen == text.hex(), f'the {other.name} process sees {seen}')
            say(f'     "{text.decode()}" at byte {offset}: seen by all {1 + len(self.receivers)}')
            self.receivers[0].ask('write', offset, before)
        self.hash([self.owner, *self.receivers], 'The C process put the old bytes back. Hashed again')

    def read_only(self):
        reader = self.start_c('reader')
        reader.start('receive', self.links['reader'].receiver)
        self.send(self.owner, 'reader', 'read-only')
        reader.address = int(reader.answer().split()[0])
        say(f'\n5. A second C process (pid {reader.pid}) gets it for reading only. It tries everything to write:')
        for attempt in reader.ask('try-to-write').split('; '):
            say(f'     {attempt}')
            check('got through' not in attempt, f'a receiver who may only read could write: {attempt}')
        offset = self.size // 2
        before = self.owner.ask('read', offset, 1)
        changed = f'{int(before, 16) ^ 255:02x}'
        self.receivers[1].ask('write', offset, changed)
        check(reader.ask('read', offset, 1) == changed, 'the reader does not see what others write')
        self.receivers[1].ask('write', offset, before)
        say('   Those who could write before still can, and the reader sees what they write.')
        self.receivers.append(reader)
        self.hash(self.receivers, 'Hashed again')

    def kill_owner(self):
        listed = [found for found in self.shmalloc.walk(PREFIX) if found.size >= self.size and found.holder_pid in self.pids()]
        for found in listed:
            say(f'\n   What "shmalloc ls" says now: {found.name}, {found.size} bytes, held by {found.holders} processes.')
        self.owner.process.kill()
        self.owner.process.wait()
        say(f'\n6. The owner (pid {self.owner.pid}) is killed with SIGKILL.')
        self.hash(self.receivers, 'Those who have it open read on, and hash')
        late = self.start_c('late')
        late.start('receive', self.links['late'].receiver)
        self.send(self.receivers[1], 'late', 'read-only')
        late.answer()
        self.receivers.append(late)
        self.hash([late], 'A process that started only now gets it from the Python process')

    def pids(self):
        return {process.pid for process in Process.all}

    def nothing_left(self, names):
        pids = self.pids()
        for process in self.receivers:
            process.ask('release')
            process.end()
        for end in [end for link in self.links.values() for end in link.sockets]:
            end.close()
        held = [found for found in self.shmalloc.walk(PREFIX) if found.holder_pid in pids]
        check(not held, f'still held: {held}')
        ours = tuple([PREFIX] + [f'torch_{pid}_' for pid in pids])
        left = [name for name in set(os.listdir('/dev/shm')) - names if name.startswith(ours)]
        check(not left, f'left in /dev/shm: {left}')
        say('\n7. All have let go. /dev/shm has nothing of it, "shmalloc ls" shows nobody who holds it: the memory is free again.')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('file', nargs='?', type=Path, help='the file to share')
    parser.add_argument('--build', type=Path, default=ROOT / 'build' / 'gcc', help='the build folder (build/gcc)')
    parser.add_argument('--size', type=int, default=128, help='MiB of the file that is made when none is named (128)')
    arguments = parser.parse_args()
    if os.environ.get('SHMALLOC_SKIP'):  # Meson's convention
        say(f'SKIPPED, nothing was shown: {os.environ["SHMALLOC_SKIP"]}')
        return 77
    folder = tempfile.mkdtemp(prefix='shmalloc-demo-')
    try:
        path = arguments.file
        if path is None:
            path = Path(folder, 'content')
            make_file(path, arguments.size << 20)
        Demo(arguments.build.resolve(), path.resolve(), folder).run()
    except (DemoError, OSError, ImportError, subprocess.SubprocessError) as error:
        say(f'\ndemo: FAILED: {error}')
        return 1
    finally:
        for process in Process.all:
            if process.process.poll() is None:
                process.process.kill()
                process.process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    say('\ndemo: everything as it should be')
    return 0


if __name__ == '__main__':
    sys.exit(main())
