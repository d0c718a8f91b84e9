"""What the tests of the tool share: an own /dev/shm, the tool as a process, and a look at what is left behind.

TOOL is the built tool; it finds its library by the build's rpath.
"""
import contextlib
import ctypes
import functools
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

TOOL = os.environ['SHMALLOC_TOOL']
# In a build with the thread sanitizer: it can't follow as many locks as the library holds while it forks.
os.environ.setdefault('TSAN_OPTIONS', 'detect_deadlocks=0')
SHM = Path('/dev/shm')
LIMIT = 60.0  # seconds after which something hangs
PREFIX = f'tool{os.getpid()}'

OK, FAILED, USAGE, NOT_FOUND, PERMISSION, BUSY, NO_SPACE = range(7)

isolated = False
libc = ctypes.CDLL(None, use_errno=True)


def isolate():
    """An own, empty /dev/shm for this process and its children, where the system lets us: then every name in it is ours."""
    global isolated
    uid, gid = os.getuid(), os.getgid()
    newns, newuser, recursive_private = 0x20000, 0x10000000, 0x44000
    if libc.unshare(newns | (newuser if uid else 0)) == 0:
        with contextlib.suppress(OSError):
            if uid != 0:
                for name, text in (('setgroups', 'deny'), ('uid_map', f'{uid} {uid} 1'), ('gid_map', f'{gid} {gid} 1')):
                    Path('/proc/self', name).write_text(text)
        isolated = (libc.mount(None, b'/', None, recursive_private, None) == 0
                    and libc.mount(b'tmpfs', b'/dev/shm', b'tmpfs', 0, b'mode=1777') == 0)
        if uid != 0:  # who has more rights than the tool can't be looked into by it
            version, nothing, dumpable = 0x20080522, (ctypes.c_uint32 * 6)(), 4
            libc.capset((ctypes.c_uint32 * 2)(version, 0), nothing)
            libc.prctl(dumpable, 1, 0, 0, 0)
    # A process that outlives its parent comes to us, so that we can wait for it.
    child_subreaper = 36
    libc.prctl(child_subreaper, 1, 0, 0, 0)


def needs(condition, why):
    """Skip a test unless the condition holds when it runs."""
    def decorate(test):
        @functools.wraps(test)
        def wrapped(self):
            if not condition():
                self.skipTest(why)
            test(self)
        return wrapped
    return decorate


needs_isolation = needs(lambda: isolated, 'this user gets no /dev/shm of his own here')
needs_mounts = needs(lambda: isolated and os.getuid() == 0, 'needs root, to mount file systems')


def names():
    """What is in /dev/shm and could be ours."""
    found = {path.name for path in SHM.iterdir()}
    return found if isolated else {name for name in found if name.startswith(PREFIX)}


def eventually(condition, what):
    """Wait for what another process does in its own time."""
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f'still not so after {LIMIT:.0f} s: {what}')
        time.sleep(0.005)


def run(*words, stdin=b'', env=None, **options):
    """The tool, to its end. Output as bytes."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith('SHMALLOC_')}
    environment.update(env or {})
    return subprocess.run([TOOL, *map(str, words)], input=stdin, env=environment, capture_output=True, timeout=LIMIT, **options)


class Put:
    """`shmalloc put` in the foreground, once it serves."""

    def __init__(self, *words, stdin=None, data=None):
        self.process = subprocess.Popen([TOOL, 'put', *map(str, words)], stdin=subprocess.PIPE if data is not None else stdin,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if data is not None:
            self.process.stdin.write(data)
            self.process.stdin.close()
        if not select.select([self.process.stdout], [], [], LIMIT)[0]:
            self.process.kill()
            raise AssertionError('put prints nothing')
        self.line = self.process.stdout.readline().decode()
        if not self.line:
            raise AssertionError(f'put failed with {self.process.wait(LIMIT)}: {self.process.stderr.read().decode()}')
        self.handle = self.line.strip()

    @property
    def pid(self):
        return self.process.pid

    def end(self, number=signal.SIGTERM):
        """Its exit status, and what it said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self):
        status = self.process.wait(LIMIT)
        said = self.process.stderr.read().decode()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        return status, said


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


# The search for leaks traces too, and only one can.
TRACED = dict(os.environ, ASAN_OPTIONS='detect_leaks=0')
needs_strace = unittest.skipUnless(shutil.which('strace'), 'needs strace')


class Case(unittest.TestCase):
    """Ends what it started; whatever a test leaves in /dev/shm is a failure."""

    longMessage = True
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='tool')
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.addCleanup(self.nothing_is_left)
        self.puts = []
        self.addCleanup(lambda: [put.end(signal.SIGKILL) for put in self.puts if put.process.returncode is None])

    def start(self, *words, **options):
        """A process that may be waited for without end, with pipes all around it; ends with the test."""
        pipes = {name: subprocess.PIPE for name in ('stdin', 'stdout', 'stderr')}
        process = subprocess.Popen(list(map(str, words)), **(pipes | options))

        def end():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        self.addCleanup(end)
        return process

    def tool_under(self, tracer):
        """The pid of the tool that a strace runs, and that does not end of itself."""
        children = Path(f'/proc/{tracer.pid}/task/{tracer.pid}/children')
        tools = []

        def running():
            for pid in children.read_text().split():
                with contextlib.suppress(FileNotFoundError):
                    if os.readlink(f'/proc/{pid}/exe') == os.path.realpath(TOOL):
                        tools.append(int(pid))
            return tools
        eventually(running, 'the tool runs')
        self.addCleanup(kill, tools[0])
        return tools[0]

    def nothing_is_left(self):
        left = names()
        for name in left:  # or the tests that follow would fail too
            (SHM / name).unlink()
        self.assertEqual(left, set(), 'left in /dev/shm')

    def put(self, *words, **options):
        put = Put(*words, **options)
        self.puts.append(put)
        return put

    def file(self, data, name='file'):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def ends(self, put, number=signal.SIGTERM):
        status, said = put.end(number)
        self.assertEqual((status, said), (0, ''))

    def succeeds(self, *words, **options):
        """Its standard output."""
        done = run(*words, **options)
        self.assertEqual((done.returncode, done.stderr), (OK, b''), words)
        return done.stdout

    def fails(self, code, *words, **options):
        """Ends with that code, says why in one place and prints no result; returns what it says."""
        done = run(*words, **options)
        said = done.stderr.decode()
        self.assertEqual(done.returncode, code, f'{words}: {said}')
        self.assertTrue(said.startswith('shmalloc'), said)
        self.assertEqual(said.count('\n'), 2 if code == USAGE else 1, said)
        self.assertEqual(done.stdout, b'', words)
        told = run(*words, '--json', **options)
        self.assertEqual(told.returncode, code, told)
        error = json.loads(told.stderr)['error']
        self.assertEqual(set(error), {'command', 'exit_code', 'status', 'os_error', 'message'})
        self.assertEqual(error['exit_code'], code)
        self.assertTrue(error['message'])
        return said

    def json(self, *words, **options):
        return json.loads(self.succeeds(*words, '--json', **options))

    def objects(self, *words):
        return self.json('ls', *words)['objects']


def random_bytes(size):
    return os.urandom(size)
