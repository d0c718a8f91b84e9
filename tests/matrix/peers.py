"""Processes of every language that do what a test says: one order a line in, one answer a line out. bindings/*/: the programs `peer`.

Each has a socket to each of the others, and to itself, under the descriptor numbers that LINKS gives.
"""
import os
import select
import socket
import subprocess

PATIENCE = 120  # seconds for one answer; Julia compiles when it hears an order for the first time
FIRST_LINK = 100


class Failed(Exception):
    """An order was answered with an error."""


class Peer:
    """One process."""

    def __init__(self, language, command, links, environment=None):
        """`links`: sockets that it inherits, under the numbers from FIRST_LINK on."""
        self.language = language
        numbers = list(range(FIRST_LINK, FIRST_LINK + len(links)))

        def place_links():
            # Numbers may be in each other's way: first all of them far up.
            far = [os.dup2(link.fileno(), 500 + index) for index, link in enumerate(links)]
            for number, fd in zip(numbers, far):
                os.dup2(fd, number, inheritable=True)
                os.close(fd)

        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, pass_fds=(),
                                        close_fds=False, preexec_fn=place_links)
        self.pid = self.process.pid
        self.text = b''

    def ask(self, *words):
        """The answer to an order, without its `ok`."""
        self.tell(*words)
        return self.answer(words)

    def tell(self, *words):
        self.process.stdin.write((' '.join(str(word) for word in words) + '\n').encode())
        self.process.stdin.flush()

    def answer(self, words=()):
        order = ' '.join(str(word) for word in words)[:80]
        while b'\n' not in self.text:
            if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
                raise Failed(f'{self.language}: no answer to "{order}" in {PATIENCE} s')
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                raise Failed(f'{self.language}: ended at "{order}", status {self.process.wait()}')
            self.text += more
        line, self.text = self.text.split(b'\n', 1)
        answer = line.decode().strip()
        if answer != 'ok' and not answer.startswith('ok '):
            raise Failed(f'{self.language}: "{order}" was answered: {answer}')
        return answer[3:]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def quit(self):
        self.ask('quit')
        status = self.process.wait(timeout=PATIENCE)
        if status != 0:
            raise Failed(f'{self.language}: exit status {status} after quit')

    def shared_descriptors(self):
        """How many of its descriptors are of shared memory."""
        count = 0
        for name in os.listdir(f'/proc/{self.pid}/fd'):
            try:
                target = os.readlink(f'/proc/{self.pid}/fd/{name}')
            except FileNotFoundError:
                continue
            count += 'memfd:' in target or '/dev/shm/' in target or 'deleted' in target and target.startswith('/#')
        return count

    def shared_mappings(self):
        """How many of its mappings are of named objects or nameless ones of ours."""
        with open(f'/proc/{self.pid}/maps', encoding='utf-8', errors='replace') as maps:
            return sum('/dev/shm/' in line or '/memfd:shm' in line for line in maps)


def start_all(commands, environment=None):
    """{language: Peer}, and link(a, b): the number under which a has its socket to b."""
    languages = list(commands)
    ends = {}
    for i, a in enumerate(languages):
        for b in languages[i:]:
            one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ends[a, b], ends[b, a, 'back'] = one, other
            if a != b:
                ends[b, a] = other

    def links_of(a):
        return [ends[a, b] for b in languages] + [ends[a, a, 'back']]

    peers = {language: Peer(language, command, links_of(language), environment) for language, command in commands.items()}
    for end in ends.values():
        end.close()

    def link(a, b, receiving=False):
        index = len(languages) if receiving and a == b else languages.index(b)
        return FIRST_LINK + index

    return peers, link

