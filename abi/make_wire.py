#!/usr/bin/env python3
"""make_wire.py LIBRARY: writes those golden handles in abi/wire that do not exist yet; never changes one that does.

Every later version of shmalloc must read what stands there, so a vector is made once, by the version that is the first to
write such handles, and what it says is written beside it. Handles of later versions, and bad ones, are made of a good one.
A vector that no release has written yet may be deleted, to be made anew.
"""
import ctypes
import json
import sys
import tempfile
from pathlib import Path

import library

HERE = Path(__file__).resolve().parent
WIRE = HERE / 'wire'


class Maker:
    """Exports storages of every kind and route."""

    def __init__(self, path):
        self.library = library.Library(path, HERE / 'constants.json')
        self.values = self.library.values
        self.folder = tempfile.TemporaryDirectory(prefix='shmalloc-wire-')

    def allocator(self, kind):
        """One of this kind, never given back: this process is short."""
        allocator = ctypes.c_void_p()
        params = self.library.struct('shmalloc_allocator_params', kind=self.values[f'SHMALLOC_ALLOCATOR_KIND_{kind}'])
        self.library.call('shmalloc_allocator_create', params, allocator)
        return allocator.value

    def handle(self, size, export_flags='', kind='MAP', mapped='', **fields):
        """The native handle of a new storage; of kind MAP if none is named."""
        fields['mapped'] = sum(self.values[f'SHMALLOC_MAPPED_{flag}'] for flag in mapped.split())
        params = self.library.struct('shmalloc_storage_params', **fields)
        storage = ctypes.c_void_p()
        self.library.call('shmalloc_storage_create', self.allocator(kind), size, 0, params, storage)
        flags = sum(self.values[f'SHMALLOC_EXPORT_{flag}'] for flag in export_flags.split())
        export = self.library.struct('shmalloc_export_params', flags=flags)
        data = self.library.sized('shmalloc_storage_export', storage.value, export)
        self.library.function('shmalloc_storage_release')(storage)
        return data

    def good(self):
        """(name, function that makes the bytes)."""
        folder = self.folder.name
        yield 'process', lambda: self.handle(4096)
        yield 'process-capacity', lambda: self.handle(4096, capacity=1 << 20)
        yield 'process-read-only', lambda: self.handle(4096, 'READ_ONLY')
        yield 'descriptor', lambda: self.handle(1 << 20, 'DESCRIPTOR')
        yield 'empty', lambda: self.handle(0)
        yield 'shm', lambda: self.handle(12345, mapped='SHAREDMEM')
        yield 'shm-refcounted', lambda: self.handle(12345, kind='MAP_REFCOUNTED')
        yield 'file', lambda: self.handle(8192, mapped='SHARED', name=f'{folder}/file'.encode())
        yield 'segment', lambda: self.handle(4096, kind='SHARED')
        yield 'segment-descriptor', lambda: self.handle(4096, 'DESCRIPTOR', kind='SHARED')
        yield 'file-offset', lambda: self.handle(4096, mapped='SHARED', name=f'{folder}/other'.encode(), file_offset=4096)

    def facts(self, data):
        """What the library says about a handle: what will stand beside it for ever."""
        raw = (ctypes.c_uint8 * max(1, len(data))).from_buffer_copy(data or b'\0')
        info = self.library.struct('shmalloc_handle_info')
        status, _ = self.library.status('shmalloc_handle_get_info', raw, len(data), info)
        if status != 'OK':
            return {'status': status}
        fields = {name: getattr(info, name) for name, *_ in info._fields_ if name != 'struct_size'}
        fields = {name: bytes(value).hex() if isinstance(value, ctypes.Array) else value for name, value in fields.items()}
        text = self.library.sized('shmalloc_handle_to_text', raw, len(data), terminated=True).decode()
        return {'status': status, 'info': fields, 'text': text}


def crc32c(data):
    """Castagnoli's, bit by bit."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def sealed(data):
    """The same handle with its length and checksum made right again (src/cpp/base/wire/handle.hpp has the layout)."""
    return data[:6] + len(data).to_bytes(2, 'little') + crc32c(data[12:]).to_bytes(4, 'little') + data[12:]


def patched(data, at, new):
    """A handle with some bytes replaced."""
    return data[:at] + new + data[at + len(new):]


def derived(good):
    """(name, bytes, status that they must get), made of a good handle."""
    yield 'minor-newer', sealed(patched(good, 5, b'\x07') + b'more to come'), 'OK'
    yield 'major-newer', sealed(patched(good, 4, b'\x02')), 'VERSION'
    yield 'bad-empty', b'', 'CORRUPT'
    yield 'bad-magic', patched(good, 0, b'X'), 'CORRUPT'
    yield 'bad-truncated', good[:-1], 'CORRUPT'
    yield 'bad-longer', good + b'\0', 'CORRUPT'
    yield 'bad-flipped', patched(good, 24, bytes([good[24] ^ 1])), 'CORRUPT'
    yield 'bad-short', sealed(good[:40]), 'CORRUPT'
    yield 'bad-name', sealed(patched(good, 100, b'\xff\xff')), 'CORRUPT'
    yield 'bad-size', sealed(patched(good, 24, b'\xff' * 8)), 'CORRUPT'


def derived_of_segment(good):
    """The same of a handle of a segment, whose part is longer."""
    yield 'bad-segment-short', sealed(good[:-8]), 'CORRUPT'
    yield 'bad-segment-sizes', sealed(patched(good, 24, b'\1' + b'\0' * 7)), 'CORRUPT'


def write(name, data, facts):
    """One vector."""
    (WIRE / f'{name}.hex').write_text('\n'.join(data.hex()[at:at + 64] for at in range(0, len(data.hex()), 64)) + '\n')
    (WIRE / f'{name}.json').write_text(json.dumps(facts, indent=1) + '\n')
    print(f'new: abi/wire/{name}.hex')


def main(path):
    maker = Maker(path)
    WIRE.mkdir(exist_ok=True)
    for name, make in maker.good():
        if not (WIRE / f'{name}.hex').exists():
            data = make()
            facts = maker.facts(data)
            if facts['status'] != 'OK':
                sys.exit(f'{name}: the library can not read what it wrote: {facts["status"]}')
            write(name, data, facts)
    process, segment = (bytes.fromhex((WIRE / f'{name}.hex').read_text()) for name in ('process', 'segment'))
    for name, data, status in [*derived(process), *derived_of_segment(segment)]:
        if not (WIRE / f'{name}.hex').exists():
            facts = maker.facts(data)
            if facts['status'] != status:
                sys.exit(f'{name}: the library answers {facts["status"]}, not {status}')
            write(name, data, facts)


if __name__ == '__main__':
    sys.dont_write_bytecode = True
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
