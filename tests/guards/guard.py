"""What every guard shares: where the tree is, how to complain, how to skip.

A guard reads one tree, named by --root, so that selftest.py can point it at a broken copy and see it fail.
Exit status: 0 holds, 1 broken, 77 skipped with the reason printed (Meson's convention).
"""
import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / 'abi'))

SKIP = 77


class Guard:
    """One check: arguments, complaints, verdict."""

    def __init__(self, description, *options):
        """`options` are names of further options, such as 'lib' for --lib; all take one value."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument('--root', type=Path, default=HERE.parents[1], help='the tree to look at')
        parser.add_argument('--skip', default='', help='a reason why this build can not be looked at')
        for option in options:
            parser.add_argument(f'--{option}', default='')
        self.args = parser.parse_args()
        self.root = self.args.root.resolve()
        self.include = self.root / 'include'
        self.problems = []
        if self.args.skip:
            skip(self.args.skip)

    def bad(self, text):
        """Note one breach."""
        self.problems.append(text)

    def path(self, *parts):
        """A file of the tree, by its name as people say it."""
        return self.root.joinpath(*parts)

    def name(self, path):
        """The reverse: how to call a file in a message."""
        try:
            return str(Path(path).resolve().relative_to(self.root))
        except ValueError:
            return str(path)

    def verdict(self, holds):
        """Print what is wrong, or `holds`, and exit."""
        if self.problems:
            print('\n'.join(self.problems))
            print(f'{len(self.problems)} problem(s)')
            sys.exit(1)
        print(holds)
        sys.exit(0)


def skip(reason):
    """End without a verdict."""
    print(f'skipped: {reason}')
    sys.exit(SKIP)


def need(tool):
    """The path of a tool, or a skip that says where it comes from."""
    found = shutil.which(tool)
    if not found:
        skip(f'{tool} is not installed; ./dev setup installs it')
    return found


def run(command, **options):
    """Run a command; its output is kept as text."""
    options = dict({'capture_output': True, 'text': True, 'check': False}, **options)
    return subprocess.run([str(word) for word in command], **options)


def headers_of(include):
    """Our parser's view of a header folder; what it does not understand ends the guard."""
    import headers
    try:
        return headers.Headers(include)
    except headers.HeaderError as error:
        print(f'{error}\n1 problem(s)')
        sys.exit(1)


def architecture():
    """As in abi/<arch>/."""
    return platform.machine()


def sources(root, *folders, suffixes=('.c', '.h', '.cpp', '.hpp')):
    """Files of the tree with one of these suffixes, build folders left out, in order."""
    for folder in folders:
        for path in sorted((root / folder).rglob('*')):
            if path.suffix in suffixes and path.is_file() and '__pycache__' not in path.parts:
                yield path


def without_comments(text):
    """C or C++ with comments blanked, line numbers kept."""
    def blank(match):
        piece = match.group(0)
        return re.sub(r'[^\n]', ' ', piece) if piece[0] == '/' else piece
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def version_nodes(map_text):
    """[(node, [symbols of global:], [patterns of local:], parent)] of a version script, in its order."""
    text = re.sub(r'/\*.*?\*/|#[^\n]*', '', map_text, flags=re.S)
    nodes = []
    for name, body, parent in re.findall(r'(\w[\w.]*)\s*\{(.*?)\}\s*([\w.]*)\s*;', text, re.S):
        parts = {'global': [], 'local': []}
        part = 'global'
        for word in re.findall(r'global:|local:|[^\s;]+', body):
            if word in ('global:', 'local:'):
                part = word[:-1]
            else:
                parts[part].append(word)
        nodes.append((name, parts['global'], parts['local'], parent))
    return nodes


def exported(library):
    """{symbol: version node} of a shared library's dynamic table, the nodes themselves left out."""
    output = run([need('nm'), '-D', '--defined-only', '--with-symbol-versions', library], check=True).stdout
    found = {}
    for line in output.splitlines():
        kind, symbol = line.split()[-2:]
        if kind != 'A':
            name, _, node = symbol.partition('@')
            found[name] = node.lstrip('@')
    return found


def with_library(library):
    """An environment in which that library is the one that loads."""
    path = str(Path(library).resolve().parent)
    return dict(os.environ, LD_LIBRARY_PATH=path + ':' + os.environ.get('LD_LIBRARY_PATH', ''))
