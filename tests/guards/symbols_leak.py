"""The shared library exports shmalloc_* and nothing else: no C++ template, no bare OpenSHMEM name."""
from guard import Guard, exported


def main():
    guard = Guard(__doc__, 'lib')
    symbols = exported(guard.args.lib)
    for name in sorted(symbols):
        if not name.startswith('shmalloc_'):
            guard.bad(f'{name} is exported')
    if not symbols:
        guard.bad('nothing is exported: the library was built without its symbols')
    guard.verdict(f'{len(symbols)} symbols, all of them shmalloc_*')


main()
