"""What the tests share: peer processes, an own /dev/shm, and a look at what is left behind."""
import contextlib
import ctypes
import gc
import itertools
import os
import pickle
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import shmalloc

HERE = Path(__file__).resolve().parent
SHM = Path('/dev/shm')
LIMIT = 60.0  # seconds after which something hangs
PREFIX = f'test{os.getpid()}'

isolated = False


def isolate():
    """For root an own, empty /dev/shm for this process and its children: then every name in it is ours. Process numbers stay the
    machine's, and so do users: else PyTorch's objects could not be told abandoned."""
    global isolated
    libc, new_mounts, recursive_private = ctypes.CDLL(None), 0x20000, 0x4000 | 0x40000
    isolated = (os.getuid() == 0 and libc.unshare(new_mounts) == 0 and libc.mount(None, b'/', None, recursive_private, None) == 0
                and libc.mount(b'tmpfs', b'/dev/shm', b'tmpfs', 0, b'mode=1777') == 0)


def reclaimed(name):
    """What a dead process left goes by reclaim. Where not all of the machine's processes can be seen (a container, a user whose
    others can't be looked into) the library refuses what is not known to be its own, says so, and does it when told to."""
    try:
        return shmalloc.reclaim(name)[0] == 1
    except shmalloc.PermissionDeniedError:
        found = [found for found in shmalloc.walk() if found.name == name]
        if any(shmalloc.ObjectState.UNCERTAIN not in one.state for one in found):
            raise
        return shmalloc.reclaim(name, force=True)[0] == 1


def names():
    """What is in /dev/shm and could be ours."""
    found = {path.name for path in SHM.iterdir()}
    if isolated:
        return found
    ours = [PREFIX] + [f'torch_{pid}_' for pid in Peer.pids]
    return {name for name in found if name.startswith(tuple(ours))}


def eventually(condition, what):
    """Wait for what another process does in its own time."""
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f'still not so after {LIMIT:.0f} s: {what}')
        time.sleep(0.005)


def always(condition, what, seconds=1.5):
    """It stays so, although others would have had the time to change it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            raise AssertionError(f'no longer so: {what}')
        time.sleep(0.01)


class PeerError(Exception):
    """What an order raised in the peer; the first argument is its class."""


class Peer:
    """Another Python process. `do` runs text there, `ask` evaluates some; keywords become names there."""

    pids = set()

    def __init__(self, *lines):
        self.control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link, link = socket.socketpair()
        self.process = subprocess.Popen([sys.executable, str(HERE / 'peer.py'), str(control.fileno()), str(link.fileno())],
                                        pass_fds=[control.fileno(), link.fileno()])
        control.close()
        link.close()
        self.control.settimeout(LIMIT)
        self.link.settimeout(LIMIT)
        Peer.pids.add(self.pid)
        self.do('\n'.join(lines))

    @property
    def pid(self):
        return self.process.pid

    def _order(self, kind, code, fds, values):
        socket.send_fds(self.control, [pickle.dumps((kind, code, values))], fds)
        data, got, _, _ = socket.recv_fds(self.control, 1 << 20, 16)
        if not data:
            raise PeerError('Died', f'exit status {self.process.wait(LIMIT)}')
        status, answer = pickle.loads(data)
        if status != 'ok':
            raise PeerError(status, answer)
        return got if kind == 'fds' else answer

    def do(self, code, fds=(), **values):
        self._order('do', code, fds, values)

    def ask(self, code, fds=(), **values):
        return self._order('ask', code, fds, values)

    def ask_fds(self, code, **values):
        """Evaluates to a list of descriptors there; copies of them come here."""
        return self._order('fds', code, (), values)

    def kill(self):
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.wait(LIMIT)
        self.shut()

    def end(self):
        """Let it exit as a program does."""
        self.shut()
        status = self.process.wait(LIMIT)
        if status:
            raise PeerError('Exit', f'status {status}')

    def shut(self):
        self.control.close()
        self.link.close()


def new_device():
    """A device with streams that no other test of this process uses."""
    return shmalloc.Device.host_streams(next(_indices))


_indices = itertools.count()


class Gate:
    """From here on nothing on the stream is done, until the `with` is over."""

    def __init__(self, stream):
        self.reached, self.opened = threading.Event(), threading.Event()
        stream.call(self._wait)
        assert self.reached.wait(LIMIT)

    def _wait(self):
        self.reached.set()
        self.opened.wait(LIMIT)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.opened.set()


class Case(unittest.TestCase):
    """Ends its peers; whatever a test leaves in /dev/shm, the descriptor table or the map list is a failure."""

    longMessage = True

    def setUp(self):
        shmalloc.Allocator.current().configure(export_ttl_ms=0)  # also made by this, if it is not yet
        shmalloc.Storage(1).release()
        shmalloc.describe()  # where segments get their pages is found out once; the mount, if it is one, stays open
        shmalloc.trim()
        self.before = holdings()
        self.peers = []
        self.addCleanup(self.leaves_nothing)
        self.addCleanup(self.end_peers)

    def peer(self, *lines):
        """A process with shmalloc."""
        peer = Peer('import shmalloc', 'from shmalloc import *', *lines)
        self.peers.append(peer)
        return peer

    def torch_peer(self, *lines):
        """A process with PyTorch, and without shmalloc."""
        peer = Peer('import torch, sys', 'import torch.multiprocessing as mp', 'from torch import UntypedStorage',
                    *lines, 'assert "shmalloc" not in sys.modules')
        self.peers.append(peer)
        return peer

    def end_peers(self):
        for peer in self.peers:
            if peer.process.poll() is None:
                peer.end()
            peer.shut()

    def leaves_nothing(self):
        gc.collect()
        shmalloc.trim()
        try:
            eventually(lambda: not names(), 'nothing is left in /dev/shm')
        finally:
            left = names()
            for name in left:  # the next test shall not suffer from it
                (SHM / name).unlink(missing_ok=True)
        self.assertEqual(left, set())
        # A thread gives back what it kept ready when it ends, which is a little after join() said so.
        end = time.monotonic() + 5
        while holdings() != self.before and time.monotonic() < end:
            time.sleep(0.01)
            shmalloc.trim()
        self.assertEqual(holdings(), self.before, 'descriptors and mappings as before')

    def folder(self):
        """A folder for sockets and files, short enough for a socket's path."""
        folder = tempfile.TemporaryDirectory(prefix='shm')
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def raises(self, status, call, *arguments, **options):
        """The call fails with that status; returns the exception."""
        with self.assertRaises(shmalloc.ShmallocError) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.status, status, caught.exception)
        self.assertTrue(str(caught.exception))
        return caught.exception


def holdings():
    """Descriptors of this process by what they lead to, and mappings of shared objects, both without numbers that change. A file of
    a mount without a path, where segments may lie, is called /#inode."""
    fds, maps = [], []
    for fd in os.listdir('/proc/self/fd'):
        with contextlib.suppress(OSError):
            fds.append(re.sub('^/#[0-9]+', '/#', os.readlink(f'/proc/self/fd/{fd}')))
    fds = sorted(link for link in fds if not link.startswith('/proc/'))
    for line in Path('/proc/self/maps').read_text().splitlines():
        words = line.split(None, 5)
        if len(words) == 6 and words[5].startswith(('/memfd:', '/dev/shm/', '/SYSV', '/anon_hugepage')):
            maps.append(words[5])
        elif len(words) == 6 and words[5].startswith('/#'):
            maps.append('/#')
    return fds, sorted(maps)


def wait_exit(pid):
    """Wait for a forked child; its exit status."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError('the child hangs')


# The manager's record: pid, free, name, padding; 68 bytes.
def record(name, free=False, pid=None):
    """What a client of torch_shm_manager sends."""
    return struct.pack('=ib60s3x', pid or os.getpid(), int(free), name.encode())
