"""top: what ls lists, look after look; what grew, came and went; how it ends."""
import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import termios

from support import FAILED, LIMIT, PREFIX, SHM, TOOL, Case

OURS = f'--prefix={PREFIX}'
SECOND = 4096 * 3


def ours(look):
    """Without what others have on this machine: PyTorch's objects are seen by everybody."""
    return [found for found in look['objects'] if PREFIX in found['name']]


class Top(Case):
    def shared(self, name, size):
        """A named object that nobody holds."""
        path = SHM / f'{PREFIX}_{name}'
        path.write_bytes(b'x' * size)
        self.addCleanup(lambda: path.unlink(missing_ok=True))
        return path

    def looks(self, *words):
        """The looks of a process that goes on, one by one, their sums checked."""
        process = self.start(TOOL, 'top', '--json', '-d', '0.02', OURS, *words)

        def read():
            before = None
            while True:
                self.assertTrue(select.select([process.stdout], [], [], LIMIT)[0], 'top says nothing')
                look = json.loads(process.stdout.readline())
                self.check_totals(look, before)
                before = look['totals']
                yield look
        return process, read()

    def check_totals(self, look, before):
        totals, objects = look['totals'], look['objects']
        self.assertEqual((totals['objects'], totals['size'], totals['resident'], totals['abandoned']), (
            len(objects), sum(o['size'] for o in objects), sum(o['resident'] for o in objects),
            sum('abandoned' in o['state'] for o in objects)))
        if before is None:
            self.assertEqual((totals['growth'], totals['added'], totals['gone']), (0, 0, 0))
        else:
            self.assertEqual(totals['growth'], totals['resident'] - before['resident'])
            self.assertEqual(totals['added'] - totals['gone'], totals['objects'] - before['objects'])

    def until(self, looks, condition):
        """Our objects in the first look where that is so of them, and the look."""
        for _ in range(1000):
            look = next(looks)
            if condition(ours(look)):
                return ours(look), look
        raise AssertionError(f'never seen; the last was {look}')

    def test_one_look_is_what_ls_lists(self):
        self.shared('a', 4096)
        self.shared('b', SECOND)
        put = self.put(OURS, self.file(bytes(1 << 20)))
        look = self.json('top', '-n', '1', OURS)
        self.check_totals(look, None)
        sizes = [o['resident'] for o in look['objects']]
        self.assertEqual(sizes, sorted(sizes, reverse=True))
        seen = ours(look)
        self.assertEqual({o.pop('growth') for o in seen}, {None})
        self.assertEqual(sorted(seen, key=lambda o: o['name']), ours({'objects': self.objects(OURS)}))
        self.assertEqual(len(seen), 3)
        table = self.succeeds('top', '-n', '1', OURS).decode().splitlines()
        self.assertRegex(table[0], r'^\d\d\d\d-.*  \d+ objects, .*, resident .*')
        self.assertEqual(table[1].split(), ['NAME', 'MAKER', 'SIZE', 'RESIDENT', 'GROWTH', 'HOLDERS', 'PID', 'STATE'])
        self.assertEqual([line.split()[0] for line in table[2:] if PREFIX in line], [o['name'] for o in seen])
        self.ends(put)

    def test_what_changes(self):
        first = self.shared('a', 4096)
        process, looks = self.looks()
        self.assertEqual(next(looks)['look'], 1)
        with first.open('ab') as file:
            file.write(bytes(8192))
        seen, _ = self.until(looks, lambda seen: seen[0]['growth'] != 0)
        self.assertEqual(seen[0]['growth'], 8192)
        self.assertEqual(ours(next(looks))[0]['growth'], 0)
        put = self.put(OURS, self.file(bytes(1 << 20)))
        seen, look = self.until(looks, lambda seen: len(seen) == 2)
        self.assertEqual(seen[0]['growth'], seen[0]['resident'])
        self.assertGreaterEqual(look['totals']['added'], 1)
        self.until(looks, lambda seen: [o['growth'] for o in seen] == [0, 0])
        self.ends(put)
        seen, look = self.until(looks, lambda seen: len(seen) == 1)
        self.assertGreaterEqual(look['totals']['gone'], 1)
        self.assertEqual(seen[0]['growth'], 0)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(LIMIT), 0)
        for line in process.stdout.read().splitlines():
            json.loads(line)
        self.assertEqual(process.stderr.read(), b'')

    def test_nameless_objects_of_one_process_are_told_apart(self):
        """Three are called alike; the one that grows is the one that is said to, and who stays is not taken for one that went."""
        files = [open(os.memfd_create(PREFIX), 'wb', buffering=0) for _ in range(3)]
        for file, size in zip(files, (4096, SECOND, 8192)):
            self.addCleanup(file.close)
            file.write(bytes(size))
        _, looks = self.looks()
        next(looks)
        files[1].write(bytes(1 << 20))
        seen, _ = self.until(looks, lambda seen: any(o['growth'] for o in seen))
        self.assertEqual({o['size']: o['growth'] for o in seen}, {SECOND + (1 << 20): 1 << 20, 4096: 0, 8192: 0})
        files[0].close()
        files[2].close()
        seen, _ = self.until(looks, lambda seen: len(seen) == 1)
        self.assertEqual(seen[0]['growth'], 0)

    def test_tables_follow_each_other(self):
        self.shared('a', 4096)
        tables = self.succeeds('top', '-n', '3', '-d', '0.01', OURS).decode().split('\n\n')
        self.assertEqual(len(tables), 3)
        for table in tables:
            self.assertRegex(table, rf'(?s)^\d.* objects?, .* resident .*\nNAME .*\n/{PREFIX}_a ')

    def test_nobody_reads_on(self):
        process = self.start(TOOL, 'top', '-d', '0.01', OURS)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(LIMIT), FAILED)
        self.assertIn(b'Broken pipe', process.stderr.read())

    def terminal(self, ending):
        """What a terminal shows of a run that ends like that; its settings are then as before."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        before = termios.tcgetattr(theirs)
        process = self.start(TOOL, 'top', '-d', '0.02', OURS, stdin=theirs, stdout=theirs)
        shown = b''
        while shown.count(b'NAME') < 2:
            self.assertTrue(select.select([ours], [], [], LIMIT)[0], shown)
            shown += os.read(ours, 65536)
        self.assertFalse(termios.tcgetattr(theirs)[3] & (termios.ECHO | termios.ICANON))
        ending(process, ours)
        self.assertEqual(process.wait(LIMIT), 0)
        self.assertEqual(termios.tcgetattr(theirs), before)
        os.close(theirs)
        with contextlib.suppress(OSError):
            while got := os.read(ours, 65536):
                shown += got
        self.assertEqual(process.stderr.read(), b'')
        return shown

    def test_on_a_terminal(self):
        for index in range(100):
            self.shared(f'{index:03}', 4096)
        for ending in (lambda process, ours: os.write(ours, b'xq'), lambda process, ours: process.send_signal(signal.SIGINT),
                       lambda process, ours: process.send_signal(signal.SIGTERM)):
            shown = self.terminal(ending)
            self.assertTrue(shown.startswith(b'\x1b[?1049h'), shown[:40])
            self.assertTrue(shown.endswith(b'\x1b[?1049l'), shown[-40:])
            screen = shown.split(b'\x1b[H')[1]
            self.assertEqual(screen.count(b'\r\n'), 23, 'as many lines as the terminal has')
            self.assertRegex(screen, rb'  [1-9]\d\d objects, ')

    def test_no_terminal_to_read_keys_from(self):
        """The end of standard input is not the end of it."""
        done = subprocess.run([TOOL, 'top', '-n', '2', '-d', '0.01', OURS], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
        self.assertEqual((done.returncode, done.stdout.count(b'NAME')), (0, 2))
