"""The demo's last part: one producer, and a consumer in every language that there is, at one channel."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'bindings'))
import programs

PIECE = 64 << 10
MOST = 64 << 20  # bytes of the file that are shown


def words_of(piece):
    """The wrapping sum of the piece's 64-bit words."""
    return sum(memoryview(piece).cast('B').cast('Q')) & (1 << 64) - 1


def pieces_of(path):
    """The file in pieces of whole words; a rest is filled up with zeros."""
    with open(path, 'rb') as file:
        while (piece := file.read(PIECE)) and file.tell() <= MOST + PIECE:
            yield piece + bytes(-len(piece) % 8)


def show(shmalloc, build, path, say, check):
    """Each piece of the file goes to whoever asks first; each consumer adds up what it gets."""
    commands, missing = programs.commands('consumer', build)
    for language in missing:
        say(f'\n   SKIPPED, there is no consumer in {language}: its tools are not installed, or it was not built (./dev test does).')
    with shmalloc.Channel(capacity=64, record_size=24) as channel:
        handle = channel.storage().export_text()
        consumers = {}
        for language, command in commands.items():
            consumers[language] = subprocess.Popen([*command, handle], env=programs.environment(build), stdout=subprocess.PIPE, text=True)
        for language, consumer in consumers.items():
            check(consumer.stdout.readline() == 'ready\n', f'the consumer in {language} does not start')
        say(f'\n9. {len(consumers)} consumers, in {", ".join(consumers)}, take storages from one channel. A producer puts the file into it, '
            f'in pieces of {PIECE >> 10} KiB, each with its number and its sum beside it:')
        sent, size = 0, 0
        for piece in pieces_of(path):
            with shmalloc.Storage(len(piece)) as storage:
                storage.view()[:] = piece
                record = b''.join(number.to_bytes(8, 'little') for number in (sent, len(piece), words_of(piece)))
                channel.send(storage, record)
            sent, size = sent + 1, size + len(piece)
        channel.close()
        received = 0
        for language, consumer in consumers.items():
            line = (consumer.stdout.read().strip().splitlines() or [''])[-1]
            check(consumer.wait(60) == 0, f'the consumer in {language} says: {line}')
            say(f'     {line}')
            received += int(line.split(': ')[1].split()[0])
        check(received == sent, f'{sent} pieces were sent, {received} received')
        say(f'   Together {received} pieces, {size} bytes: all that was sent, each piece once, none copied.')
