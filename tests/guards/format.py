"""Every C and C++ file is as clang-format 14 writes it; `./dev lint` says the same."""
import re

from guard import Guard, need, run, skip, sources

FOLDERS = ('include', 'src', 'tests', 'tools', 'examples', 'bench', 'bindings')


def main():
    guard = Guard(__doc__)
    tool = need('clang-format')
    version = re.search(r'version (\d+)', run([tool, '--version']).stdout).group(1)
    if version != '14':
        skip(f'clang-format is version {version}; each version formats a little differently, and the tree is formatted by 14')
    files = list(sources(guard.root, *FOLDERS))
    for path in files:
        done = run([tool, '--dry-run', '-Werror', f'--style=file:{guard.path(".clang-format")}', path])
        if done.returncode:
            lines = re.findall(r':(\d+):\d+: error:', done.stderr)
            guard.bad(f'{guard.name(path)}: line {", ".join(sorted(set(lines), key=int)[:10])}')
    if guard.problems:
        guard.bad('clang-format -i FILE mends it')
    guard.verdict(f'{len(files)} files')


main()
