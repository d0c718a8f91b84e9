"""put: what it serves, how it is ended, and that nothing is left of it."""
import fcntl
import json
import os
import pty
import select
import signal
import socket
import stat
import subprocess
import termios
from pathlib import Path

from support import (BUSY, FAILED, LIMIT, NOT_FOUND, NO_SPACE, OK, PERMISSION, PREFIX, SHM, TOOL, TRACED, Case, eventually, libc, names,
                     needs_mounts, needs_strace, random_bytes, run)

MIB = 1 << 20
NAMED = (f'--name={PREFIX}_a', f'--prefix={PREFIX}')


def memory_fds(pid):
    """Descriptors of a process that lead to shared memory without a name."""
    folder = Path(f'/proc/{pid}/fd')
    return [path for path in folder.iterdir() if os.readlink(path).startswith('/memfd:')]


class Copies(Case):
    def test_stdin(self):
        for size in (0, 1, 4096, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 11 * MIB):
            for words in ((), ('--shm', f'--prefix={PREFIX}'), ('--read-only',)):
                with self.subTest(size=size, words=words):
                    data = random_bytes(size)
                    put = self.put(*words, '-', data=data)
                    self.assertEqual(self.succeeds('get', put.handle) == data, True, 'the same bytes')
                    self.ends(put)

    def test_stdin_that_is_a_file(self):
        """From where it stands, as cat would."""
        with open(self.file(b'0123456789'), 'rb') as file:
            os.lseek(file.fileno(), 4, os.SEEK_SET)
            put = self.put('-', stdin=file)
        self.assertEqual(self.succeeds('get', put.handle), b'456789')
        self.ends(put)

    def test_file_that_says_it_is_empty(self):
        put = self.put('/proc/self/status')
        self.assertIn(b'Name:\tshmalloc', self.succeeds('get', put.handle))
        self.ends(put)

    def test_named_pipe(self):
        pipe = self.folder / 'pipe'
        os.mkfifo(pipe)
        writer = self.start('sh', '-c', f'printf hello > "{pipe}"')
        put = self.put(pipe)
        self.assertEqual(writer.wait(LIMIT), 0)
        self.assertEqual(self.succeeds('get', put.handle), b'hello')
        self.ends(put)

    def test_what_is_no_file(self):
        self.assertIn('No such file', self.fails(NOT_FOUND, 'put', self.folder / 'none'))
        self.assertIn('directory', self.fails(FAILED, 'put', self.folder))

    def test_empty_with_name(self):
        put = self.put(*NAMED, self.file(b''))
        self.assertEqual(self.succeeds('get', put.handle), b'')
        self.assertEqual(self.succeeds('get', f'/{PREFIX}_a'), b'')
        self.ends(put)

    def test_settings(self):
        path = self.file(b'x')
        self.assertIn('nonsense', self.fails(FAILED, 'put', '--config=nonsense:1', path))
        self.assertIn('nonsense', self.fails(FAILED, 'put', path, env={'SHMALLOC_CONF': 'nonsense:1'}))
        put = self.put('--shm', f'--config=prefix:{PREFIX}conf', path)
        self.assertEqual(len(names()), 1)
        self.assertTrue(names().pop().startswith(f'{PREFIX}conf'))
        self.ends(put)

    @needs_mounts
    def test_full_machine(self):
        remount = 32
        self.assertEqual(libc.mount(None, b'/dev/shm', None, remount, b'size=1m'), 0)
        self.addCleanup(libc.mount, None, b'/dev/shm', None, remount, b'size=50%')
        path = self.file(random_bytes(5 * MIB))
        self.assertIn('/dev/shm', self.fails(NO_SPACE, 'put', '--shm', path))
        self.assertEqual(names(), set())
        self.fails(NO_SPACE, 'put', '--shm', '-', stdin=path.read_bytes())
        self.fails(NO_SPACE, 'put', *NAMED, path)


class Serves(Case):
    def test_json(self):
        put = self.put('--json', *NAMED, self.file(b'hello'))
        told = json.loads(put.line)
        self.assertEqual(told, {'handle': told['handle'], 'size': 5, 'pid': put.pid, 'name': f'/{PREFIX}_a', 'socket': None, 'read_only': False})
        self.assertEqual(self.succeeds('get', told['handle']), b'hello')
        self.ends(put)
        nameless = self.put('--json', '-r', self.file(b'hello'))
        told = json.loads(nameless.line)
        self.assertEqual((told['name'], told['read_only']), (None, True))
        self.ends(nameless)

    def test_mode(self):
        put = self.put(*NAMED, '--mode=640', '-s', self.folder / 's', self.file(b'hello'))
        self.assertEqual(stat.S_IMODE((SHM / f'{PREFIX}_a').stat().st_mode), 0o640)
        self.assertEqual(stat.S_IMODE((self.folder / 's').stat().st_mode), 0o640)
        self.ends(put)
        put = self.put(*NAMED, '-s', self.folder / 's', self.file(b'hello'))
        self.assertEqual(stat.S_IMODE((SHM / f'{PREFIX}_a').stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE((self.folder / 's').stat().st_mode), 0o600)
        self.ends(put)

    def test_name_that_ls_does_not_see(self):
        """Told at once: nobody would find it after a crash."""
        done = run('put', '-t', '0.05', f'--name={PREFIX}_a', self.file(b'x'))
        self.assertEqual(done.returncode, OK)
        self.assertIn(b'--prefix', done.stderr)
        for words in (NAMED, (f'--name=/{PREFIX}_a', f'--prefix={PREFIX}'), (f'--name=shmalloc_{PREFIX}',), ('--json', f'--name={PREFIX}_a')):
            with self.subTest(words):
                self.succeeds('put', '-t', '0.05', *words, self.file(b'x'))

    def test_name_is_taken(self):
        put = self.put(*NAMED, self.file(b'hello'))
        self.assertIn(f'{PREFIX}_a', self.fails(FAILED, 'put', *NAMED, self.file(b'other', 'other')))
        self.assertEqual(self.succeeds('get', put.handle), b'hello')
        self.ends(put)

    def write_through(self, put):
        """Another process writes through the server's descriptor."""
        (path,) = memory_fds(put.pid)
        fd = os.open(path, os.O_RDWR)
        try:
            os.pwrite(fd, b'J', 0)
        finally:
            os.close(fd)

    def test_read_only(self):
        put = self.put('--read-only', self.file(b'hello'))
        with self.assertRaises(PermissionError):
            self.write_through(put)
        told = self.json('stat', put.handle)
        self.assertIn('read-only', told['handle']['flags'])
        self.assertIn('immutable', told['storage']['state'])
        self.ends(put)

    def test_writable(self):
        put = self.put(self.file(b'hello'))
        self.write_through(put)
        self.assertEqual(self.succeeds('get', put.handle), b'Jello')
        self.assertEqual(self.json('stat', put.handle)['handle']['flags'], [])
        self.ends(put)

    def test_socket(self):
        path = self.folder / 'socket'
        put = self.put('--socket', path, self.file(b'hello'))
        for _ in range(3):
            self.assertEqual(self.succeeds('get', '--socket', path), b'hello')
        self.assertEqual(self.succeeds('get', put.handle), b'hello')
        self.assertIn('answers', self.fails(BUSY, 'put', '--socket', path, self.file(b'other', 'other')))
        # One who connects and says nothing, or leaves at once, keeps nobody else waiting.
        with socket.socket(socket.AF_UNIX) as idle, socket.socket(socket.AF_UNIX) as gone:
            idle.connect(str(path))
            gone.connect(str(path))
            gone.close()
            self.assertEqual(self.succeeds('get', '--socket', path, '--same-user', '--timeout=60'), b'hello')
        self.ends(put)
        self.assertFalse(path.exists())
        self.fails(NOT_FOUND, 'get', '--socket', path)

    def test_socket_that_a_dead_process_left(self):
        path = self.folder / 'socket'
        put = self.put('--socket', path, self.file(b'hello'))
        put.end(signal.SIGKILL)
        self.assertTrue(path.is_socket())
        self.fails(NOT_FOUND, 'get', '--socket', path)
        other = self.put('--socket', path, self.file(b'other'))
        self.assertEqual(self.succeeds('get', '--socket', path), b'other')
        self.ends(other)

    def test_socket_that_is_something_else(self):
        path = self.file(b'precious', 'socket')
        self.fails(FAILED, 'put', '--socket', path, self.file(b'hello'))
        self.assertEqual(path.read_bytes(), b'precious')
        self.fails(FAILED, 'put', '--socket', self.folder / ('x' * 200), self.file(b'hello'))
        self.fails(NOT_FOUND, 'put', '--socket', self.folder / 'none' / 'socket', self.file(b'hello'))

    def test_socket_path_of_another_by_then(self):
        """Only its own is taken away at the end."""
        path = self.folder / 'socket'
        put = self.put('--socket', path, self.file(b'hello'))
        path.unlink()
        path.write_bytes(b'precious')
        self.ends(put)
        self.assertEqual(path.read_bytes(), b'precious')

    def test_read_only_over_socket(self):
        path = self.folder / 'socket'
        put = self.put('-r', '-s', path, self.file(b'hello'))
        self.assertEqual(self.succeeds('get', '-s', path), b'hello')
        self.ends(put)


class Ends(Case):
    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                put = self.put(*NAMED, '-s', self.folder / 's', self.file(b'hello'))
                self.assertEqual(names(), {f'{PREFIX}_a'})
                self.ends(put, number)
                self.assertEqual(names(), set())
                self.assertFalse((self.folder / 's').exists())
                self.fails(NOT_FOUND, 'get', put.handle)

    def test_signal_during_the_copy(self):
        """The pipe gives a part and then nothing: the process dies of the signal, with nothing left behind."""
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process = self.start(TOOL, 'put', *NAMED, '-')
                process.stdin.write(bytes(5 * MIB))
                process.stdin.flush()
                eventually(names, 'the object is there')
                process.send_signal(number)
                self.assertEqual(process.wait(LIMIT), -number)
                self.assertEqual(process.communicate(), (b'', b''))
                self.assertEqual(names(), set())

    @needs_strace
    def test_name_that_can_not_be_removed(self):
        """What is left is told: by the exit code in the end, in a line of its own when a signal ends the copy."""
        inject = ('strace', '-f', '-o', '/dev/null', '-e', 'trace=unlink,unlinkat', '-e', 'inject=unlink,unlinkat:error=EPERM', TOOL, 'put', *NAMED)
        tracer = self.start(*inject, self.file(b'hello'), env=TRACED)
        tracer.stdout.readline()
        tool = self.tool_under(tracer)
        os.kill(tool, signal.SIGTERM)
        said = tracer.communicate(timeout=LIMIT)[1]
        self.assertIn(tracer.returncode, (FAILED, PERMISSION), said)
        self.assertRegex(said.decode(), rf'^shmalloc put: .*{PREFIX}_a')
        (SHM / f'{PREFIX}_a').unlink()

        tracer = self.start(*inject, '-', env=TRACED)
        tracer.stdin.write(bytes(5 * MIB))
        tracer.stdin.flush()
        eventually(names, 'the object is there')
        tool = self.tool_under(tracer)
        os.kill(tool, signal.SIGTERM)
        said = tracer.communicate(timeout=LIMIT)[1]
        self.assertIn(tracer.returncode, (-signal.SIGTERM, 128 + signal.SIGTERM))
        self.assertRegex(said.decode(), rf'^shmalloc: error: .*{PREFIX}_a')
        (SHM / f'{PREFIX}_a').unlink()

    def test_signal_before_a_pipe_has_a_writer(self):
        pipe = self.folder / 'pipe'
        os.mkfifo(pipe)
        process = self.start(TOOL, 'put', pipe)
        eventually(lambda: os.path.exists(f'/proc/{process.pid}/fd') and str(pipe) in map(os.path.realpath, Path(
            f'/proc/{process.pid}/fd').iterdir()), 'it has the pipe open')
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT), -signal.SIGTERM)

    def test_timeout(self):
        put = self.put('--timeout=0.05', *NAMED, self.file(b'hello'))
        self.assertEqual(put.wait(), (0, ''))

    def test_clients(self):
        put = self.put('--clients=2', '-s', self.folder / 's', self.file(b'hello'))
        for _ in range(2):
            self.assertEqual(self.succeeds('get', '-s', self.folder / 's'), b'hello')
        self.assertEqual(put.wait(), (0, ''))
        self.assertFalse((self.folder / 's').exists())

    def test_until_eof(self):
        put = self.put('--until-eof', self.file(b'hello'), stdin=subprocess.PIPE)
        put.process.stdin.write(b'ignored')
        put.process.stdin.flush()
        self.assertEqual(self.succeeds('get', put.handle), b'hello')
        put.process.stdin.close()
        put.process.stdin = None
        self.assertEqual(put.wait(), (0, ''))

    def test_nobody_reads_the_handle(self):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run([TOOL, 'put', *NAMED, self.file(b'x')], stdout=writing, stderr=subprocess.PIPE, timeout=LIMIT)
        os.close(writing)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn(b'Broken pipe', done.stderr)


class Daemon(Case):
    def wait(self, pid):
        end, status = os.waitpid(pid, 0)
        self.assertEqual((end, os.waitstatus_to_exitcode(status)), (pid, 0))

    def started(self, *words, **options):
        told = self.json('put', '--daemon', *words, **options)
        self.addCleanup(lambda: self.kill(told['pid']))
        return told

    def kill(self, pid):
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass

    def test_daemon(self):
        told = self.started('-s', 'socket', *NAMED, self.file(b'hello'), cwd=self.folder)
        pid = told['pid']
        self.assertNotEqual(os.getsid(pid), os.getsid(0))
        self.assertEqual(os.readlink(f'/proc/{pid}/cwd'), '/')
        self.assertEqual({os.readlink(f'/proc/{pid}/fd/{fd}') for fd in range(3)}, {'/dev/null'})
        self.assertEqual(self.succeeds('get', told['handle']), b'hello')
        self.assertEqual(self.succeeds('get', '-s', self.folder / 'socket'), b'hello')
        os.kill(pid, signal.SIGTERM)
        self.wait(pid)
        self.assertEqual(names(), set())
        self.assertFalse((self.folder / 'socket').exists())
        self.fails(NOT_FOUND, 'get', told['handle'])

    def test_text(self):
        """The shell's way: the command substitution ends although the process goes on."""
        handle = self.succeeds('put', '-d', '-', stdin=b'hello').decode().strip()
        pid = self.json('stat', '--no-open', handle)['handle']['pid']
        self.addCleanup(self.kill, pid)
        self.assertEqual(self.succeeds('get', env={'SHMALLOC_HANDLE': handle}), b'hello')
        os.kill(pid, signal.SIGTERM)
        self.wait(pid)

    def test_descriptors_of_the_caller(self):
        """A lock that the caller holds on a descriptor is not kept by the daemon."""
        with open(self.folder / 'lock', 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            pid = self.started(self.file(b'hello'), pass_fds=[lock.fileno()])['pid']
        with open(self.folder / 'lock', 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(pid, signal.SIGTERM)
        self.wait(pid)

    def test_failure_is_told(self):
        self.fails(NOT_FOUND, 'put', '-d', self.folder / 'none')
        put = self.put(*NAMED, self.file(b'hello'))
        self.fails(FAILED, 'put', '-d', *NAMED, self.file(b'hello'))
        self.ends(put)

    def test_caller_dies_during_the_copy(self):
        process = self.start(TOOL, 'put', '-d', *NAMED, '-')
        process.stdin.write(bytes(5 * MIB))
        process.stdin.flush()
        eventually(names, 'the object is there')
        process.kill()
        # To the end of its output: the child has closed it too, although its input goes on.
        self.assertTrue(select.select([process.stdout], [], [], LIMIT)[0])
        self.assertEqual(process.stdout.read(), b'')
        eventually(lambda: not names(), 'the object is gone')


class Shows(Case):
    def test_progress_in_lines(self):
        path = self.file(bytes(5 * MIB))
        done = run('put', '--progress', '-t', '0.05', path)
        self.assertEqual(done.returncode, OK)
        self.assertRegex(done.stderr.decode(), r'^(put .*\n)*put 100% \[=+\] 5\.00 MiB of 5\.00 MiB(, [\d.]+ \w+/s)?\n$')
        self.assertEqual(run('put', '--progress', '--no-progress', '-t', '0.05', path).stderr, b'')
        done = run('put', '--progress', '-t', '0.05', '-', stdin=bytes(5 * MIB))
        self.assertRegex(done.stderr.decode(), r'^(put .*\n)*put  5\.00 MiB(, [\d.]+ \w+/s)?\n$')

    def test_progress_on_a_terminal(self):
        """One line, written over, and wiped before the handle comes; nothing for a short copy."""
        ours, theirs = pty.openpty()
        settings = termios.tcgetattr(theirs)
        settings[1] &= ~termios.OPOST
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
        process = self.start(TOOL, 'put', '-t', '0.05', '-', stderr=theirs)
        os.close(theirs)
        fed = 0
        while not select.select([ours], [], [], 0.1)[0]:
            process.stdin.write(bytes(4 * MIB))
            process.stdin.flush()
            fed += 4
            self.assertLess(fed, 2048, 'nothing is shown')
        process.stdin.close()
        shown = b''
        while True:
            try:
                got = os.read(ours, 65536)
            except OSError:
                break
            if not got:
                break
            shown += got
        os.close(ours)
        self.assertEqual(process.wait(LIMIT), 0)
        self.assertTrue(shown.startswith(b'\rput  '), shown)
        self.assertTrue(shown.endswith(b'\r\x1b[K'), shown)
        self.assertNotIn(b'\n', shown)
