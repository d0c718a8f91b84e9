"""Lower layers never include higher ones, and only device/cuda includes CUDA."""
import re

from guard import Guard, sources, without_comments

# Low to high. A layer may include itself, those before it, and the public headers; src/*.cpp, the boundary, includes all.
ORDER = ['base', 'os', 'device', 'trace', 'allocators', 'storage', 'dlpack', 'ipc', 'channel', 'torch']
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)
GENERATED = {'abi_table.inc'}


def main():
    guard = Guard(__doc__)
    inside = guard.path('src', 'cpp')
    looked = 0
    for path in sources(guard.root, 'src', suffixes=('.cpp', '.hpp', '.h', '.inc')):
        name, parts = guard.name(path), path.relative_to(guard.path('src')).parts
        layer = parts[1] if parts[0] == 'cpp' else None
        if parts[0] == 'cpp' and (layer not in ORDER or len(parts) < 3):
            guard.bad(f'{name}: src/cpp/{layer} is no layer; the layers are {", ".join(ORDER)}')
            continue
        for bracket, included in INCLUDE.findall(without_comments(path.read_text())):
            looked += 1
            if re.match(r'cuda|cu[a-z]*\.h', included) and parts[:3] != ('cpp', 'device', 'cuda'):
                guard.bad(f'{name}: includes {included}; only src/cpp/device/cuda may')
            if bracket == '<' or included in GENERATED:
                continue
            beside, below = path.parent / included, inside / included
            target = beside if beside.exists() else below
            if guard.path('include', included).exists():
                continue
            if not target.exists():
                guard.bad(f'{name}: includes "{included}", which is not beside it, in src/cpp or in include')
                continue
            other = target.resolve().relative_to(inside).parts[0] if inside in target.resolve().parents else 'src'
            if layer and (other not in ORDER or ORDER.index(other) > ORDER.index(layer)):
                guard.bad(f'{name}: layer {layer} includes "{included}" of the higher layer {other}')
    if looked < 10:
        guard.bad(f'only {looked} includes found in src: this check looks at nothing')
    guard.verdict(f'{looked} includes, none upwards')


main()
