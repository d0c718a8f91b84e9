"""The two gates of the ABI see a break: each of many changes to a copy of the headers must fail both of them.

The copy becomes a library without bodies (stub.py). First the unchanged copy must pass, else a failure would mean nothing.
"""
import re
import shutil
import tempfile
from pathlib import Path

import stub
from guard import Guard, architecture, headers_of, need, run


def replace(pattern, by, text):
    """Exactly one place, or the test tests nothing."""
    text, count = re.subn(pattern, by, text, count=1, flags=re.S)
    if count != 1:
        raise RuntimeError(f'the headers have nothing that looks like {pattern}')
    return text


def breaks(headers):
    """(what, header, pattern in it, what to write there, pattern in the version script, what to write there)."""
    struct = next(s for s in headers.structs.values() if s['name'].endswith('_params'))
    function = next(f for f in headers.functions.values() if len(f['parameters']) > 2 and f['parameters'][-1]['name'] == 'err')
    status = headers.enums['shmalloc_status']
    in_status, in_struct, in_function = (entry['where'].split(':')[0] for entry in (status, struct, function))
    name, begin = function['name'], rf'(typedef struct {struct["name"]} \{{.*?)'
    declaration = rf'(SHMALLOC_API [\w\s*]+\b{name}\([^)]*\);)'
    return [
        ('an enumerator appended', in_status, '(SHMALLOC_STATUS_FORCE32)', r'SHMALLOC_STATUS_BROKEN = -99, \1', '', ''),
        ('an enumerator renumbered', in_status, '(SHMALLOC_STATUS_INVALID) = -1', r'\1 = -99', '', ''),
        ('a field appended', in_struct, rf'(\}} {struct["name"]};)', r'uint64_t broken; \1', '', ''),
        ('a field put in the middle', in_struct, begin + '(size_t struct_size;)', r'\1\2 uint64_t broken;', '', ''),
        ('a parameter more', in_function, rf'(\b{name}\([^)]*)(,\s*shmalloc_error \*err)', r'\1, uint64_t broken\2', '', ''),
        ('another result', in_function, rf'SHMALLOC_API \w+ {name}\(', f'SHMALLOC_API int64_t {name}(', '', ''),
        ('a function gone', in_function, declaration, '', rf'\b{name};', ''),
        ('a function more', in_function, declaration, r'\1 SHMALLOC_API int32_t shmalloc_broken(void);', rf'\b({name};)',
         r'\1 shmalloc_broken;'),
    ]


def main():
    guard = Guard(__doc__)
    for tool in ('abidw', 'abidiff', 'g++'):
        need(tool)
    import dump
    import version_tie
    committed = guard.path('abi', architecture(), 'libshmalloc.abi')
    soversion = '.'.join(version_tie.project_version(guard.root).split('.')[:2 if version_tie.before_one(guard.root) else 1])
    headers = headers_of(guard.include)
    with tempfile.TemporaryDirectory(prefix='shmalloc-gates-') as scratch:
        folder = Path(scratch, 'library')

        def gates(include, version_script):
            """The dump of the stub, and what abidiff says about it."""
            library = stub.build(include, version_script, folder, soversion)
            done = run(['abidiff', '--harmless', committed, library])
            return dump.dump(library, include), done.returncode, done.stdout

        untouched, code, report = gates(guard.include, guard.path('src', 'shmalloc.map'))
        if code:
            guard.bad(f'abidiff returns {code} for a library of the very headers that are committed:\n{report}')
        cases = breaks(headers)
        for what, header, pattern, by, map_pattern, map_by in cases:
            include, version_script = Path(scratch, 'include'), Path(scratch, 'shmalloc.map')
            shutil.rmtree(include, ignore_errors=True)
            shutil.copytree(guard.include, include)
            (include / header).write_text(replace(pattern, by, (include / header).read_text()))
            version_script.write_text(replace(map_pattern, map_by, guard.path('src', 'shmalloc.map').read_text()))
            broken, code, _ = gates(include, version_script)
            if broken == untouched:
                guard.bad(f'{what} ({header}): the dump is the same, so "dump is current" would not see it')
            if not code:
                guard.bad(f'{what} ({header}): abidiff --harmless returns 0, so "no change unnoticed" would not see it')
    guard.verdict(f'{len(cases)} changes, each seen by both gates')


main()
