"""abi/<arch>/libshmalloc.abi is, byte for byte, the dump of the library that was just built."""
import difflib

from guard import Guard, architecture, need


def main():
    guard = Guard(__doc__, 'lib')
    need('abidw')
    import dump
    path = guard.path('abi', architecture(), 'libshmalloc.abi')
    if not path.exists():
        guard.bad(f'{guard.name(path)} does not exist; ./dev abi-update makes it')
        guard.verdict('')
    committed, today = path.read_text(), dump.dump(guard.args.lib, guard.include)
    missing = dump.functions(committed) - dump.declared(committed)
    if missing or not dump.functions(committed):
        guard.bad(f'{guard.name(path)} says nothing about the types of {sorted(missing) or "any function"}: it was made of a '
                  'stripped library, and would equal anything')
    if committed != today:
        lines = list(difflib.unified_diff(committed.splitlines(), today.splitlines(), guard.name(path), 'this build', lineterm='',
                                          n=1))
        guard.bad('\n'.join(lines[:60] + [f'.. {len(lines) - 60} lines more'] * (len(lines) > 60)))
        guard.bad('If the change is meant: ./dev abi-update, and a line in abi/CHANGES.md.')
    guard.verdict(f'{len(dump.declared(today))} functions and their types as committed')


main()
