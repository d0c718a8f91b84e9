#!/usr/bin/env python3
"""Receives pieces through the channel whose handle is the argument, and checks that each is as it was sent."""
import struct
import sys

from shmalloc import Channel, Storage

RECORD = struct.Struct('<QQQ')  # number, length, sum


def total(data):
    """The sum of all 64-bit words, as far as 64 bits go."""
    try:
        import numpy
    except ImportError:
        return sum(memoryview(data).cast('Q')) & (1 << 64) - 1
    return int(numpy.frombuffer(data, '<u8').sum(dtype='u8'))


def main():
    with Storage.from_text(sys.argv[1]) as storage:
        channel = Channel.open(storage)
    print('ready', flush=True)
    pieces = size = 0
    for storage, record in channel:
        number, length, wanted = RECORD.unpack(record)
        with storage, storage.view(write=False) as view:
            if total(view[:length]) != wanted:
                print(f'Python: piece {number} is not as sent')
                return 1
        pieces += 1
        size += length
    print(f'Python: {pieces} pieces, {size} bytes, all as sent')
    return 0


if __name__ == '__main__':
    sys.exit(main())
