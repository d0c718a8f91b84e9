"""The programs that other languages' tests talk to: peer.py and consumer.py, each a process of its own."""
import socket
import struct
import subprocess
import sys
import unittest
from pathlib import Path

import numpy
from shmalloc import Channel, Storage
from support import LIMIT, Case

PROGRAMS = Path(__file__).resolve().parents[2] / 'bindings' / 'python' / 'programs'


class Program:
    """One of them, with a line for a line."""

    def __init__(self, case, name, *arguments, fds=()):
        self.process = subprocess.Popen([sys.executable, str(PROGRAMS / name), *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, pass_fds=fds)
        case.addCleanup(self.process.stdout.close)
        case.addCleanup(self.process.wait, LIMIT)
        case.addCleanup(self.process.stdin.close)

    def ask(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip('\n')


class Peers(Case):
    def ask(self, program, line, wanted='ok'):
        answer = program.ask(line)
        self.assertEqual(answer, wanted, line)

    def test_every_kind_by_text(self):
        one, two = Program(self, 'peer.py'), Program(self, 'peer.py')
        for kind in 'direct', 'map', 'map_refcounted', 'shared', 'isolated':
            self.ask(one, f'make a {kind} 1000 3')
            self.ask(one, 'check a 3')
            if kind == 'direct':
                self.assertRegex(one.ask('text a'), '^error UNSUPPORTED .')
                self.ask(one, 'share a')
            word, text = one.ask('text a').split()
            self.assertEqual(word, 'ok')
            self.ask(two, f'open b {text}', 'ok 1000')
            self.ask(two, 'check b 3')
            self.ask(two, 'fill b 200')
            self.ask(one, 'check a 200')
            self.ask(one, 'check a 201', 'bad 0')
            self.ask(two, 'release b')
            self.ask(one, 'release a')
        self.ask(one, 'quit')
        self.assertEqual(one.process.wait(LIMIT), 0)

    def test_by_socket(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            one = Program(self, 'peer.py', fds=[ours.fileno()])
            two = Program(self, 'peer.py', fds=[theirs.fileno()])
            for kind in 'map', 'shared', 'isolated':
                self.ask(one, f'make {kind} {kind} 300 {len(kind)}')
            self.ask(one, f'send {ours.fileno()} map shared isolated')
            self.ask(two, f'receive {theirs.fileno()} x y z')
            for name, kind in zip('xyz', ('map', 'shared', 'isolated')):
                self.ask(two, f'check {name} {len(kind)}')
            self.ask(one, f'send {ours.fileno()} map')
            self.assertRegex(two.ask(f'receive {theirs.fileno()} x y'), '^error UNKNOWN ')
            self.ask(two, 'quit')

    def test_errors_are_answers(self):
        peer = Program(self, 'peer.py')
        for line, wanted in (('dance', 'UNKNOWN'), ('check a 1', 'UNKNOWN'), ('make a shared -1 0', 'UNKNOWN'), ('', 'UNKNOWN'),
                             ('open a shmalloc1:AAAA', 'CORRUPT')):
            self.assertRegex(peer.ask(line), f'^error {wanted} ')
        peer.process.stdin.close()
        self.assertEqual(peer.process.wait(LIMIT), 0)

    def test_times(self):
        peer = Program(self, 'peer.py')
        for operation in 'version', 'create', 'import', 'view', 'send':
            word, taken = peer.ask(f'time {operation} 20').split()
            self.assertEqual(word, 'ok')
            self.assertGreater(int(taken), 20)


class Consumers(Case):
    def consume(self, *pieces):
        """Sends arrays, each with a sum; what the consumer said and its exit status."""
        channel = Channel(capacity=4)
        consumer = Program(self, 'consumer.py', channel.storage().export_text(ttl=0))
        self.assertEqual(consumer.process.stdout.readline(), 'ready\n')
        for number, (array, total) in enumerate(pieces):
            with Storage(array.nbytes + 64) as storage:
                storage.array('u8', array.shape)[:] = array
                channel.send(storage, struct.pack('<QQQ', number, array.nbytes, total))
        channel.close()
        return consumer.process.stdout.read(), consumer.process.wait(LIMIT)

    def test_all_as_sent(self):
        pieces = [numpy.arange(i * 10, dtype='u8') << numpy.uint64(56) for i in range(20)]
        said, status = self.consume(*[(piece, int(piece.sum())) for piece in pieces])
        self.assertEqual((said, status), (f'Python: 20 pieces, {sum(piece.nbytes for piece in pieces)} bytes, all as sent\n', 0))

    def test_a_wrong_sum(self):
        piece = numpy.arange(10, dtype='u8')
        self.assertEqual(self.consume((piece, 45), (piece, 46)), ('Python: piece 1 is not as sent\n', 1))


if __name__ == '__main__':
    unittest.main()
