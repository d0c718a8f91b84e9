"""abi/constants.json is what a C compiler says today, no public name is missing in it, and shmalloc_abi_lookup answers the same."""
import ctypes
import json

from guard import Guard, headers_of, need, run


def compare(guard, committed, today, path=''):
    """Differences, down to the single value."""
    if isinstance(committed, dict) and isinstance(today, dict):
        for key in sorted({*committed, *today}):
            where = f'{path}/{key}'
            if key not in today:
                guard.bad(f'abi/constants.json has {where}, the headers do not')
            elif key not in committed:
                guard.bad(f'the headers have {where}, abi/constants.json does not')
            else:
                compare(guard, committed[key], today[key], where)
    elif committed != today:
        guard.bad(f'{path}: abi/constants.json says {committed}, the headers say {today}')


def ctags_names(guard, headers):
    """[(kind, name)] as universal-ctags reads the headers: a second opinion on our own parser."""
    found = []
    for path in headers.files:
        done = run([need('ctags'), '-x', '--language-force=C', '--kinds-C=degmpstuvx', '--fields-C=', '-I', 'SHMALLOC_API',
                    '--_xformat=%K %N', path], check=True)
        found += [tuple(line.split(' ', 1)) for line in done.stdout.splitlines()]
    if len(found) < 20:
        guard.bad(f'ctags finds only {len(found)} names in the headers: this check looks at nothing')
    return found


def cross_check(guard, headers, values):
    """Every name that ctags finds is one that constants.json accounts for."""
    import headers as module
    fields = {field['name'] for struct in headers.structs.values() for field in struct['fields']}
    known = headers.names()
    for kind, name in ctags_names(guard, headers):
        if kind == 'enumerator' and name not in values:
            guard.bad(f'enumerator {name} is not in abi/constants.json')
        elif kind == 'macro' and not (name in values or name in headers.function_macros or name in headers.include_guards
                                      or name in module.NOT_CONSTANTS):
            guard.bad(f'macro {name} is not in abi/constants.json')
        elif kind == 'member' and name not in fields:
            guard.bad(f'field {name} is not in abi/constants.json')
        elif kind in ('typedef', 'struct', 'enum', 'union', 'prototype', 'externvar', 'variable') and name not in known:
            guard.bad(f'{kind} {name} is not in abi/constants.json')


def ask_library(guard, library, values):
    """shmalloc_abi_lookup says the same for every name, and NOT_FOUND for one that does not exist."""
    lookup = ctypes.CDLL(library).shmalloc_abi_lookup
    lookup.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_int64), ctypes.c_void_p]
    answer = ctypes.c_int64()
    for name, value in values.items():
        status = lookup(name.encode(), ctypes.byref(answer), None)
        if status != 0 or answer.value != value:
            guard.bad(f'shmalloc_abi_lookup("{name}") gives status {status}, value {answer.value}; it is {value}')
    if lookup(b'SHMALLOC_NO_SUCH_NAME', ctypes.byref(answer), None) != values['SHMALLOC_STATUS_NOT_FOUND']:
        guard.bad('shmalloc_abi_lookup does not say NOT_FOUND for a name that does not exist')


def main():
    guard = Guard(__doc__, 'cc', 'lib')
    import constants
    import headers as module
    headers = headers_of(guard.include)
    try:
        today = constants.read(headers, (guard.args.cc or need('cc')).split())
    except module.HeaderError as error:
        guard.bad(str(error))
        guard.verdict('')
    path = guard.path('abi', 'constants.json')
    if path.exists():
        compare(guard, json.loads(path.read_text()), today)
    else:
        guard.bad('abi/constants.json does not exist')
    cross_check(guard, headers, today['values'])
    if guard.args.lib:
        ask_library(guard, guard.args.lib, today['values'])
    if guard.problems:
        guard.bad('If the change is meant: ./dev abi-update, and a line in abi/CHANGES.md.')
    guard.verdict(f'{len(today["values"])} values and {len(today["functions"])} contracts as committed')


main()
