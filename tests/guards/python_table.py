"""The Python binding's raw table is what the headers say: every function with its types, every constant, every struct's layout.

Runs with the system's Python, the one that the binding is for.
"""
import ctypes
import json
import re

from guard import Guard, architecture

INTEGERS = {f'{sign}int{bits}_t': (bits // 8, not sign) for sign in ('', 'u') for bits in (8, 16, 32, 64)}
INTEGERS.update({'size_t': (8, False), 'char': (1, None)})


def shape_of_c(c_type, contract):
    """What crosses the call: 'void', 'pointer', or an integer as (bytes, signed)."""
    if c_type == 'void':
        return 'void'
    if '*' in c_type or c_type in contract['callbacks']:
        return 'pointer'
    if c_type in contract['enums']:
        return (4, None)  # its sign is the compiler's business; the values are in CONSTANTS
    return INTEGERS[contract['scalars'].get(c_type, c_type)]


def shape_of_ctypes(c_type):
    """The same of a ctypes type."""
    if c_type is None:
        return 'void'
    code = getattr(c_type, '_type_', None)
    if isinstance(code, str) and code in 'bBhHiIlLqQ':
        return (ctypes.sizeof(c_type), code.islower())
    if isinstance(code, str) and code in 'PzZO':
        return 'pointer'
    if isinstance(c_type, type) and issubclass(c_type, (ctypes._Pointer, ctypes._CFuncPtr)):
        return 'pointer'
    return f'{c_type}'


def same(wanted, given):
    """Equal shapes; a sign of None is any sign."""
    if isinstance(wanted, tuple) and isinstance(given, tuple):
        return wanted[0] == given[0] and None in (wanted[1], given[1]) or wanted == given
    return wanted == given


def names(guard, what, table, wanted, source):
    """Same names on both sides; returns those in both."""
    for name in sorted(set(wanted) - set(table)):
        guard.bad(f'{what} has no {name}; {source} has')
    for name in sorted(set(table) - set(wanted)):
        guard.bad(f'{what} has {name}; {source} has not')
    return sorted(set(table) & set(wanted))


def check_functions(guard, table, contract):
    for name in names(guard, 'FUNCTIONS', table, contract['functions'], 'abi/constants.json'):
        result, arguments = table[name]
        wanted = contract['functions'][name]
        types = [p['type'] for p in wanted['parameters']]
        if len(types) != len(arguments):
            guard.bad(f'{name} has {len(types)} parameters, FUNCTIONS gives it {len(arguments)}')
            continue
        for c_type, given, place in zip([wanted['returns'], *types], [result, *arguments], range(len(types) + 1)):
            if not same(shape_of_c(c_type, contract), shape_of_ctypes(given)):
                guard.bad(f'{name}: {"parameter " + str(place) if place else "result"} is {c_type}, FUNCTIONS says {given}')


def check_structs(guard, table, contract):
    values = contract['values']
    for name in names(guard, 'STRUCTS', table, contract['structs'], 'abi/constants.json'):
        if ctypes.sizeof(table[name]) != values[f'sizeof({name})']:
            guard.bad(f'{name} has {values[f"sizeof({name})"]} bytes, STRUCTS gives it {ctypes.sizeof(table[name])}')
        fields = {field[0] for field in table[name]._fields_}
        wanted = {field['name'] for field in contract['structs'][name]['fields']}
        for field in names(guard, name, fields, wanted, 'abi/constants.json'):
            given, right = getattr(table[name], field).offset, values[f'offsetof({name},{field})']
            if given != right:
                guard.bad(f'{name}.{field} is at {right}, STRUCTS has it at {given}')


def main():
    guard = Guard(__doc__)
    import importlib
    import sys
    import dump
    sys.path.insert(0, str(guard.path('bindings', 'python')))
    raw = importlib.import_module('shmalloc._raw')
    contract = json.loads(guard.path('abi', 'constants.json').read_text())
    check_functions(guard, raw.FUNCTIONS, contract)
    committed = guard.path('abi', architecture(), 'libshmalloc.abi')
    if committed.exists():
        names(guard, 'FUNCTIONS', raw.FUNCTIONS, dump.functions(committed.read_text()), 'the dump')
    else:
        guard.bad(f'{guard.name(committed)} does not exist; ./dev abi-update makes it')
    constants = {name: value for name, value in contract['values'].items() if re.match(r'\w+$', name)}
    for name in names(guard, 'CONSTANTS', raw.CONSTANTS, constants, 'abi/constants.json'):
        given = int(raw.CONSTANTS[name])
        # SIZE_MAX is -1 in a table of int64.
        if given != constants[name] and given - (1 << 64) != constants[name]:
            guard.bad(f'{name} is {constants[name]}, CONSTANTS says {given}')
    check_structs(guard, raw.STRUCTS, contract)
    guard.verdict(f'{len(raw.FUNCTIONS)} functions, {len(raw.CONSTANTS)} constants, {len(raw.STRUCTS)} structs as committed')


main()
