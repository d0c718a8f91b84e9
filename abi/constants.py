"""Every public constant, size and offset with the value that a C compiler gives it, and the naming rules.

abidiff does not see the constants behind an int32_t field or a macro; the committed abi/constants.json does.
"""
import re
import subprocess
import tempfile
from pathlib import Path

import contract
from headers import HeaderError

FORCE32 = 0x7fffffff


def read(headers, compiler):
    """What abi/constants.json holds. `compiler` is a list of words."""
    answer = contract.read(headers)
    values, padding = measure(headers, compiler)
    problems = naming(headers, values) + padding + enum_fields(headers)
    if problems:
        raise HeaderError('the headers break their own rules:\n  ' + '\n  '.join(problems))
    answer['values'] = values
    answer['version'] = '.'.join(str(values[f'SHMALLOC_VERSION_{part}']) for part in ('MAJOR', 'MINOR', 'PATCH'))
    return answer


def program(headers):
    """C source that prints one 'name value' a line; lines with a '!' are for the check of padding only."""
    lines = ['#include <inttypes.h>', '#include <stdio.h>', '#include <stddef.h>']
    lines += [f'#include "{path.relative_to(headers.include_dir)}"' for path in headers.files]
    lines += ['#define ROW(name, value) printf("%s %" PRId64 "\\n", name, (int64_t)(value))', 'int main(void) {']
    lines += [f'  ROW("{name}", {name});' for name in headers.constants()]
    lines += [f'  ROW("{name}", {expression});' for name, expression in headers.layout()]
    for struct in headers.structs.values():
        lines += [f'  ROW("!{struct["name"]}.{f["name"]}", sizeof((({struct["name"]} *)0)->{f["name"]}));'
                  for f in struct['fields']]
    return '\n'.join(lines + ['  return 0;', '}', ''])


def measure(headers, compiler):
    """Values of all names, and a line for each gap between two fields."""
    with tempfile.TemporaryDirectory(prefix='shmalloc-constants-') as scratch:
        source, binary = Path(scratch, 'constants.c'), Path(scratch, 'constants')
        source.write_text(program(headers))
        build = [*compiler, '-std=c99', '-I', str(headers.include_dir), str(source), '-o', str(binary)]
        built = subprocess.run(build, capture_output=True, text=True, check=False)
        if built.returncode:
            raise HeaderError(f'a C program over every public name does not compile:\n{built.stderr}')
        output = subprocess.run([str(binary)], capture_output=True, text=True, check=True).stdout
    rows = dict(line.rsplit(' ', 1) for line in output.splitlines())
    values = {name: int(value) for name, value in rows.items() if not name.startswith('!')}
    problems = []
    for struct in headers.structs.values():
        name, end = struct['name'], 0
        for field in struct['fields']:
            offset = values[f'offsetof({name},{field["name"]})']
            if offset != end:
                problems.append(f'{struct["where"]}: {name}: {offset - end} bytes of padding before {field["name"]}')
            end = offset + int(rows[f'!{name}.{field["name"]}'])
        if values[f'sizeof({name})'] != end:
            problems.append(f'{struct["where"]}: {name}: {values[f"sizeof({name})"] - end} bytes of padding at its end')
    return values, problems


def naming(headers, values):
    """Breaches of the naming rules."""
    problems = []
    for name, entry in headers.names().items():
        if not re.match(r'shmalloc_[a-z0-9_]+$|SHMALLOC_[A-Z0-9_]+$', name) and name != 'SHMALLOC_H':
            problems.append(f'{entry["where"]}: {name}: a public name begins with shmalloc_ or SHMALLOC_')
    for enum in headers.enums.values():
        flags = enum['name'].endswith('_flags')
        prefix = re.sub(r'_flags$', '', enum['name']).upper() + '_'
        names = [name for name, _ in enum['enumerators']]
        for name in names:
            if not name.startswith(prefix):
                problems.append(f'{enum["where"]}: {name}: an enumerator of {enum["name"]} begins with {prefix}')
        force = prefix + 'FORCE32'
        if flags and force in names:
            problems.append(f'{enum["where"]}: {enum["name"]}: flags are uint32_t in every signature and have no FORCE32')
        if not flags and (names[-1] != force or values[force] != FORCE32):
            problems.append(f'{enum["where"]}: {enum["name"]}: its last enumerator must be {force} = 0x7fffffff')
    return problems


def enum_fields(headers):
    """Enums in structs are int32_t or uint32_t: the size of an enum type is the compiler's choice. So are flag words in calls."""
    problems = []
    for struct in headers.structs.values():
        problems += [f'{struct["where"]}: {struct["name"]}.{f["name"]} has an enum type; write int32_t or uint32_t'
                     for f in struct['fields'] if f['type'] in headers.enums]
    for entry in [*headers.functions.values(), *headers.callbacks.values()]:
        problems += [f'{entry["where"]}: {entry["name"]}: {p["name"]} is a flag word; write uint32_t'
                     for p in entry['parameters'] if p['type'] in headers.enums and p['type'].endswith('_flags')]
    return problems
