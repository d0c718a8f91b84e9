"""get: every way to name a storage, and files that are there with all their bytes or not at all."""
import json
import os
import resource
import select
import signal
import socket
import stat
import subprocess

from support import (FAILED, LIMIT, NOT_FOUND, NO_SPACE, OK, PERMISSION, PREFIX, SHM, TOOL, TRACED, Case, eventually, libc, names, needs, needs_mounts,
                     needs_strace, random_bytes, run)

MIB = 1 << 20
NAMED = (f'--name={PREFIX}_a', f'--prefix={PREFIX}')
NOBODY = 65534


def nobody_runs_it():
    """Another user who can run the tool."""
    try:
        return os.getuid() == 0 and run('--version', user=NOBODY, group=NOBODY, extra_groups=[]).returncode == OK
    except OSError:
        return False


class Opens(Case):
    def test_round_trips(self):
        for size in (0, 1, 5 * MIB):
            data = random_bytes(size)
            path = self.file(data)
            for words in ((), ('--read-only',), NAMED, ('--shm', f'--prefix={PREFIX}')):
                with self.subTest(size=size, words=words):
                    put = self.put(*words, path)
                    target = self.folder / 'out'
                    self.assertTrue(self.succeeds('get', put.handle) == data)
                    self.assertEqual(self.succeeds('get', put.handle, '-o', target), b'')
                    self.assertTrue(target.read_bytes() == data)
                    self.assertTrue(self.succeeds('get', '-o', '-', '-', stdin=f'  {put.handle}\n'.encode()) == data)
                    target.unlink()
                    self.ends(put)

    def test_handle_in_the_environment(self):
        put = self.put(self.file(b'hello'))
        self.assertEqual(self.succeeds('get', env={'SHMALLOC_HANDLE': put.handle}), b'hello')
        done = subprocess.run(['sh', '-c', '"$T" get "$H"'], env=dict(os.environ, T=TOOL, H=put.handle), capture_output=True, timeout=LIMIT)
        self.assertEqual((done.stdout, done.stderr), (b'hello', b''))
        self.ends(put)
        self.fails(NOT_FOUND, 'get', env={'SHMALLOC_HANDLE': put.handle})

    def test_name(self):
        put = self.put(*NAMED, self.file(b'hello'))
        self.assertEqual(self.succeeds('get', f'/{PREFIX}_a'), b'hello')
        self.ends(put)
        self.fails(NOT_FOUND, 'get', f'/{PREFIX}_a')

    def test_json(self):
        put = self.put(self.file(b'hello'))
        self.assertEqual(self.json('get', put.handle, '-o', self.folder / 'out'), {'file': str(self.folder / 'out'), 'size': 5})
        done = run('get', '--json', put.handle)
        self.assertEqual((done.returncode, done.stdout), (OK, b'hello'))
        self.assertEqual(json.loads(done.stderr), {'file': None, 'size': 5})
        self.ends(put)

    def test_counted(self):
        """An object that begins with PyTorch's count: a handle leads to the bytes after it, the name to all of them."""
        maker = self.start(os.environ['SHMALLOC_MAKE_COUNTED'], f'prefix:{PREFIX}')
        handle = maker.stdout.readline().decode().strip()
        (name,) = names()
        self.assertEqual(self.succeeds('get', handle), b'hello')
        self.assertEqual(self.json('stat', handle)['handle']['kind'], 'map_refcounted')
        self.assertEqual(self.succeeds('get', f'/{name}')[64:69], b'hello')
        self.assertEqual(maker.communicate(timeout=LIMIT), (b'', b''))
        self.fails(NOT_FOUND, 'get', handle)

    def test_garbage(self):
        put = self.put(self.file(b'hello'))
        handle = put.handle
        self.assertTrue(handle.startswith('shmalloc1:'))
        for word in ('garbage', 'shmalloc1:', 'shmalloc1:AAAA', 'shmalloc2:' + handle[10:], handle + 'A', handle + '=', handle.upper()):
            with self.subTest(word):
                self.fails(FAILED, 'get', word)
        for cut in (1, 2, 3, 4, len(handle) // 2, len(handle) - 11):
            with self.subTest(cut=cut):
                self.fails(FAILED, 'get', handle[:-cut])
        for at in range(10, len(handle)):
            if at in (16, 17):
                continue  # has bits of the minor version, which the checksum leaves out: any is read
            changed = handle[:at] + ('A' if handle[at] != 'A' else 'B') + handle[at + 1:]
            done = run('get', changed)
            self.assertEqual((done.returncode, done.stdout), (FAILED, b''), changed)
        self.fails(FAILED, 'get', '-', stdin=b'')
        self.fails(FAILED, 'get', '-', stdin=b'\n\n')
        self.fails(FAILED, 'get', '-', stdin=handle.encode() + b'\0x')
        self.fails(FAILED, 'get', '-', stdin=b'x' * 100000)
        with open('/dev/zero', 'rb') as endless:
            self.assertEqual(subprocess.run([TOOL, 'get', '-'], stdin=endless, capture_output=True, timeout=LIMIT).returncode, FAILED)
        self.ends(put)

    def test_stale(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            for words in ((), NAMED):
                with self.subTest(number=number, words=words):
                    put = self.put(*words, self.file(b'hello'))
                    put.end(number)
                    if words and number == signal.SIGKILL:
                        # A name outlives its maker.
                        self.assertEqual(self.succeeds('get', put.handle), b'hello')
                        (SHM / f'{PREFIX}_a').unlink()
                    self.fails(NOT_FOUND, 'get', put.handle)
                    self.fails(NOT_FOUND, 'get', put.handle, '-o', self.folder / 'out')
                    self.assertFalse((self.folder / 'out').exists())

    def test_name_that_is_another_object_by_now(self):
        put = self.put(*NAMED, self.file(b'hello'))
        self.ends(put)
        other = self.put(*NAMED, self.file(b'other'))
        self.fails(NOT_FOUND, 'get', put.handle)
        self.ends(other)

    @needs(nobody_runs_it, 'needs root, and a build that other users may run')
    def test_another_user(self):
        nobody = {'user': NOBODY, 'group': NOBODY, 'extra_groups': []}
        self.folder.chmod(0o755)
        put = self.put(*NAMED, self.file(b'hello'))
        self.fails(PERMISSION, 'get', put.handle, **nobody)
        self.fails(PERMISSION, 'get', f'/{PREFIX}_a', **nobody)
        self.ends(put)
        put = self.put('-s', self.folder / 's', self.file(b'hello'))
        self.assertIn('socket', self.fails(PERMISSION, 'get', put.handle, **nobody))
        self.fails(PERMISSION, 'get', '-s', self.folder / 's', **nobody)
        self.ends(put)
        put = self.put(*NAMED, '--mode=644', self.file(b'hello'))
        for word in (put.handle, f'/{PREFIX}_a'):
            self.assertEqual(self.succeeds('get', word, **nobody), b'hello')
        self.ends(put)
        for words in ((), ('-r',)):
            put = self.put(*words, '--mode=666', '-s', self.folder / 's', self.file(b'hello'))
            self.assertEqual(self.succeeds('get', '-s', self.folder / 's', **nobody), b'hello')
            self.fails(PERMISSION, 'get', '-s', self.folder / 's', '--same-user', **nobody)
            self.ends(put)


class Socket(Case):
    def serve(self, answer, timeout=LIMIT):
        path = self.folder / 'socket'
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(str(path))
        listening.listen()
        getting = self.start(TOOL, 'get', '-s', path, '-t', timeout)
        connection, _ = listening.accept()
        answer(connection)
        out, said = getting.communicate(timeout=LIMIT)
        connection.close()
        self.assertEqual(out, b'')
        self.assertTrue(said)
        return getting.returncode

    def test_peers_that_fail(self):
        with self.subTest('closes'):
            self.assertEqual(self.serve(lambda c: c.shutdown(socket.SHUT_RDWR)), NOT_FOUND)

    def test_peer_that_says_nothing(self):
        self.assertEqual(self.serve(lambda c: None, 0.1), FAILED)

    def test_peer_that_talks_nonsense(self):
        self.assertEqual(self.serve(lambda c: c.sendall(b'HTTP/1.1 200 OK\r\n' * 100)), FAILED)


class Writes(Case):
    def setUp(self):
        super().setUp()
        self.data = random_bytes(5 * MIB)
        self.target = self.folder / 'target' / 'out'
        self.target.parent.mkdir()
        self.source = self.put(self.file(self.data))
        self.handle = self.source.handle
        self.addCleanup(lambda: self.ends(self.source))

    def left(self):
        return sorted(os.listdir(self.target.parent))

    def test_refuses_to_overwrite(self):
        self.target.write_bytes(b'precious')
        # At once, not after a long copy, of which a line would tell.
        self.assertIn('--force', self.fails(FAILED, 'get', '--progress', self.handle, '-o', self.target))
        self.assertEqual(self.target.read_bytes(), b'precious')
        self.assertEqual(self.left(), ['out'])

    def test_force(self):
        self.succeeds('get', self.handle, '-f', '-o', self.target)
        self.target.write_bytes(b'old')
        self.target.chmod(0o640)
        self.succeeds('get', self.handle, '--force', '-o', self.target)
        self.assertTrue(self.target.read_bytes() == self.data)
        self.assertEqual(stat.S_IMODE(self.target.stat().st_mode), 0o640)
        self.assertEqual(self.left(), ['out'])

    def test_mode_of_a_new_file(self):
        self.succeeds('get', self.handle, '-o', self.target)
        self.assertEqual(stat.S_IMODE(self.target.stat().st_mode), 0o644)
        self.succeeds('get', self.handle, '-o', 'relative', cwd=self.target.parent)
        self.assertEqual(self.left(), ['out', 'relative'])

    def test_links(self):
        real = self.target.parent / 'real'
        real.write_bytes(b'old')
        self.target.symlink_to('real')
        self.fails(FAILED, 'get', self.handle, '-o', self.target)
        self.assertEqual(real.read_bytes(), b'old')
        self.succeeds('get', self.handle, '-f', '-o', self.target)
        self.assertTrue(self.target.is_symlink() and real.read_bytes() == self.data)
        real.unlink()
        self.fails(FAILED, 'get', '--progress', self.handle, '-o', self.target)
        self.assertEqual(self.left(), ['out'])

    def test_what_is_no_file(self):
        self.assertIn('directory', self.fails(FAILED, 'get', self.handle, '-f', '-o', self.target.parent))
        self.fails(NOT_FOUND, 'get', self.handle, '-o', self.target / 'below' / 'none')
        self.succeeds('get', self.handle, '-o', '/dev/null')
        self.fails(NO_SPACE, 'get', self.handle, '-o', '/dev/full')
        pipe = self.target.parent / 'pipe'
        os.mkfifo(pipe)
        reader = self.start('cat', pipe)
        getting = self.start(TOOL, 'get', self.handle, '-o', pipe)
        self.assertTrue(reader.communicate(timeout=LIMIT)[0] == self.data)
        self.assertEqual(getting.wait(LIMIT), OK)
        self.assertEqual(self.left(), ['pipe'])

    def test_reader_that_leaves(self):
        getting = self.start(TOOL, 'get', self.handle)
        self.assertEqual(len(getting.stdout.read(1)), 1)
        getting.stdout.close()
        self.assertEqual(getting.wait(LIMIT), FAILED)
        said = getting.stderr.read()
        self.assertIn(b'Broken pipe', said)

    def test_full_device(self):
        with open('/dev/full', 'wb') as full:
            done = subprocess.run([TOOL, 'get', self.handle], stdout=full, stderr=subprocess.PIPE, timeout=LIMIT)
        self.assertEqual(done.returncode, NO_SPACE)

    @needs_mounts
    def test_full_disk(self):
        self.assertEqual(libc.mount(b'tmpfs', str(self.target.parent).encode(), b'tmpfs', 0, b'size=1m'), 0)
        self.addCleanup(libc.umount, str(self.target.parent).encode())
        self.assertIn('No space', self.fails(NO_SPACE, 'get', self.handle, '-o', self.target))
        self.assertEqual(self.left(), [])
        self.target.write_bytes(b'precious')
        self.fails(NO_SPACE, 'get', self.handle, '-f', '-o', self.target)
        self.assertEqual((self.left(), self.target.read_bytes()), (['out'], b'precious'))

    def test_limit_of_the_size_of_files(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))

        self.fails(NO_SPACE, 'get', self.handle, '-o', self.target, preexec_fn=limit)
        self.assertEqual(self.left(), [])

    def traced(self, inject, *words):
        """A get in which something happens as it opens the target's folder, which is how it makes a file without a name."""
        log = self.folder / 'strace'
        tracer = self.start('strace', '-o', log, '-P', self.target.parent, '-e', 'trace=openat,open', '-e', f'inject=openat,open:{inject}',
                            TOOL, 'get', self.handle, '-o', self.target, *words, env=TRACED)
        return tracer, lambda: log.read_text() if log.exists() else ''

    WITHOUT = 'error=EOPNOTSUPP'  # what a file system says that knows no files without names

    @needs_strace
    def test_file_system_without_nameless_files(self):
        """There a temporary name serves."""
        for words in ((), ('--force',)):
            self.target.write_bytes(b'old') if words else None
            tracer, log = self.traced(self.WITHOUT, *words)
            self.assertEqual(tracer.communicate(timeout=LIMIT), (b'', b''))
            self.assertEqual(tracer.returncode, OK)
            self.assertRegex(log(), 'O_TMPFILE.*INJECTED')
            self.assertTrue(self.target.read_bytes() == self.data)
            self.assertEqual(self.left(), ['out'])

    @needs_strace
    def test_file_that_comes_during_the_copy(self):
        for inject in ('signal=SIGSTOP', f'signal=SIGSTOP:{self.WITHOUT}'):
            with self.subTest(inject):
                tracer, log = self.traced(inject)
                eventually(lambda: 'stopped by SIGSTOP' in log(), 'it found no file there, and stops')
                tool = self.tool_under(tracer)
                self.target.write_bytes(b'precious')
                os.kill(tool, signal.SIGCONT)
                said = tracer.communicate(timeout=LIMIT)[1]
                self.assertEqual(tracer.returncode, FAILED)
                self.assertIn(b'--force', said)
                self.assertEqual((self.left(), self.target.read_bytes()), (['out'], b'precious'))
                self.target.unlink()

    @needs_strace
    def test_signal_during_the_copy(self):
        """A file that is only half there is nobody's, whichever way it was made."""
        for inject in ('signal=SIGTERM', f'signal=SIGTERM:{self.WITHOUT}'):
            with self.subTest(inject):
                tracer, log = self.traced(inject)
                self.assertEqual(tracer.communicate(timeout=LIMIT), (b'', b''))
                self.assertIn(tracer.returncode, (-signal.SIGTERM, 128 + signal.SIGTERM))
                self.assertIn('O_TMPFILE', log())
                self.assertEqual(self.left(), [])

    def test_signal_while_a_pipe_is_full(self):
        pipe = self.target.parent / 'pipe'
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        getting = self.start(TOOL, 'get', self.handle, '-o', pipe)
        self.assertTrue(select.select([reader], [], [], LIMIT)[0])
        getting.send_signal(signal.SIGTERM)
        self.assertEqual(getting.wait(LIMIT), -signal.SIGTERM)

    def test_progress(self):
        done = run('get', '--progress', self.handle, '-o', self.target)
        self.assertRegex(done.stderr.decode(), r'^(get .*\n)*get 100% \[=+\] 5\.00 MiB of 5\.00 MiB(, [\d.]+ \w+/s)?\n$')

    def test_object_that_shrinks(self):
        """A named object can be truncated by anybody who may write it: an error, not a SIGBUS, and no file."""
        put = self.put(*NAMED, self.file(self.data))
        getting = self.start(TOOL, 'get', put.handle, bufsize=0)
        got = getting.stdout.read(1)
        os.truncate(SHM / f'{PREFIX}_a', MIB)
        out, said = getting.communicate(timeout=LIMIT)
        self.assertEqual(getting.returncode, NOT_FOUND, said)
        self.assertIn(b'truncated', said)
        self.assertTrue(self.data.startswith(got + out))
        self.fails(FAILED, 'get', put.handle, '-o', self.target)
        self.assertEqual(self.left(), [])
        self.ends(put)
