#!/usr/bin/env python3
"""dump.py LIBRARY INCLUDE_DIR: the ABI of a built library as libabigail's XML, on standard output.

The options are part of what is committed: others give other bytes. Without the private types the dump holds what a
caller can see and nothing of our C++; without locations and paths it is the same on every machine.
"""
import re
import subprocess
import sys

OPTIONS = ['--drop-private-types', '--exported-interfaces-only', '--no-corpus-path', '--no-comp-dir-path', '--no-show-locs',
           '--type-id-style', 'hash']


def dump(library, include_dir):
    """The dump as text."""
    done = subprocess.run(['abidw', '--headers-dir', str(include_dir), *OPTIONS, str(library)], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(f'abidw failed on {library}:\n{done.stderr}')
    # The compiler was called from the build folder, wherever that lies.
    return re.sub(r"( path=')[^']*?\b(src/[^']*')", r'\1\2', done.stdout)


def functions(text):
    """Names of the functions that a dump exports."""
    return set(re.findall(r"<elf-symbol name='(\w+)'[^>]*type='func-type'", text))


def declared(text):
    """Names of the functions that a dump has types for: none in a dump of a stripped library."""
    return set(re.findall(r"<function-decl name='\w+'[^>]*elf-symbol-id='(\w+)", text))


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.stdout.write(dump(sys.argv[1], sys.argv[2]))
