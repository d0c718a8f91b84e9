"""Every public function in every binding: raw layers are as abi/make_raw.py makes them, safe layers use each function."""
import json
import re

from guard import Guard, sources

# Where each language's safe layer is, what in there is not it, and how it names our functions.
FULL = re.compile(r'\bshmalloc_([a-z0-9_]+)')
FULL_OR_QUOTED = re.compile(r"\bshmalloc_([a-z0-9_]+)|'(?!shmalloc_)([a-z0-9_]+)'")
SAFE = {
    'C++': ('bindings/cpp/include', ('.hpp',), (), FULL),
    'Rust': ('bindings/rust/shmalloc/src', ('.rs',), (), FULL),
    'Go': ('bindings/go', ('.go', '.c', '.h'), ('_test.go', 'constants.go'), FULL),
    'Julia': ('bindings/julia/Shmalloc/src', ('.jl',), (), FULL),
    'Python': ('bindings/python/shmalloc', ('.py',), ('_raw.py',), FULL_OR_QUOTED),
}
# Functions that a safe layer does well to leave alone, and why.
NOT_NEEDED = {
    'shmalloc_abi_lookup': 'raw layers and tests compare their tables with it',
    'shmalloc_storage_address': 'on the host it is shmalloc_storage_data as a number',
}


def uses(guard, folder, suffixes, without, names):
    """Names of ours in a safe layer."""
    found = set()
    for path in sources(guard.root, folder, suffixes=suffixes):
        if not path.name.endswith(without or ('\0',)):
            found.update('shmalloc_' + (match.group(1) or match.group(match.lastindex)) for match in names.finditer(path.read_text()))
    return found


def main():
    guard = Guard(__doc__)
    import make_raw
    for path in make_raw.stale(guard.root):
        guard.bad(f'{path} is not what abi/make_raw.py makes; ./dev abi-update')
    functions = set(json.loads(guard.path('abi', 'constants.json').read_text())['functions'])
    for name in sorted(set(NOT_NEEDED) - functions):
        guard.bad(f'NOT_NEEDED has {name}, which is no function')
    for language, (folder, suffixes, without, names) in SAFE.items():
        for name in sorted(functions - set(NOT_NEEDED) - uses(guard, folder, suffixes, without, names)):
            guard.bad(f'{folder}: {language} has no {name}')
    guard.verdict(f'{len(functions)} functions in {len(SAFE)} safe layers')


main()
