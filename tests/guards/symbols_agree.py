"""Header, version script and library name the same functions, in the node of their first release, and docs/parity.md knows each."""
import re

from guard import Guard, exported, headers_of, version_nodes

PLAIN = re.compile(r'shmalloc_[a-z0-9_]+$')


def check_map(guard, nodes):
    """The shape of src/shmalloc.map: sorted, no globs, one `local: *;` in the first node, each node inherits the one before."""
    before = ''
    for index, (node, symbols, local, parent) in enumerate(nodes):
        if symbols != sorted(symbols) or len(symbols) != len(set(symbols)):
            guard.bad(f'src/shmalloc.map: the symbols of {node} are not sorted, or one stands there twice')
        for symbol in symbols:
            if not PLAIN.match(symbol):
                guard.bad(f'src/shmalloc.map: {node}: "{symbol}" is no plain function name')
        if local != (['*'] if index == 0 else []):
            guard.bad(f'src/shmalloc.map: the first node ends with "local: *;" and no other has a local part; {node} has {local}')
        if node != 'SHMALLOC_EXPERIMENTAL':
            if parent != before:
                guard.bad(f'src/shmalloc.map: {node} must inherit "{before}", not "{parent}"')
            before = node


def check_parity(guard, functions):
    """Each function in a row of docs/parity.md, and no row that works by a function that does not exist."""
    path = guard.path('docs', 'parity.md')
    if not path.exists():
        guard.bad('docs/parity.md does not exist')
        return
    text = path.read_text()
    rows = '\n'.join(line for line in text.splitlines() if line.startswith('|'))
    named = set(re.findall(r'\bshmalloc_[a-z0-9_]+', rows))
    for name in sorted(set(functions) - named):
        guard.bad(f'docs/parity.md: no row names {name}; if no row needs it, say why in "Functions that no row needs"')
    known = set(headers_of(guard.include).names())
    for line in rows.splitlines():
        if re.search(r'\|\s*works\s*\|', line):
            for name in re.findall(r'`(shmalloc_[a-z0-9_]+)(?:\(\))?`', line):
                if name not in known:
                    guard.bad(f'docs/parity.md: a row that works names {name}, which no header has')


def main():
    guard = Guard(__doc__, 'lib')
    headers = headers_of(guard.include)
    nodes = version_nodes(guard.path('src', 'shmalloc.map').read_text())
    check_map(guard, nodes)
    in_map = {symbol: node for node, symbols, _, _ in nodes for symbol in symbols}
    in_library = exported(guard.args.lib)
    for name in sorted({*headers.functions, *in_map, *in_library}):
        missing = [place for place, names in (('the headers', headers.functions), ('src/shmalloc.map', in_map),
                                              ('the library', in_library)) if name not in names]
        if missing:
            guard.bad(f'{name} is missing in {" and ".join(missing)}')
            continue
        since = re.search(r'Since:\s+(\d+\.\d+)', headers.functions[name]['doc'])
        node = f'SHMALLOC_{since.group(1)}' if since else '?'
        if not node == in_map[name] == in_library[name]:
            guard.bad(f'{name}: its comment says {node}, the map {in_map[name]}, the library {in_library[name]}')
    check_parity(guard, headers.functions)
    guard.verdict(f'{len(in_library)} functions in headers, map, library and docs/parity.md')


main()
