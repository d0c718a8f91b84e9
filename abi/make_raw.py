#!/usr/bin/env python3
"""make_raw.py [--check]: writes the bindings' raw layers from abi/constants.json, or only says which of them are not current.

A raw layer is what a language needs to call the library as C does: types, constants, functions. Nobody writes it by hand, so that it
can't lack anything. Python's is the exception: it is a table of ctypes, and `guard python table` compares it.
"""
import json
import sys
from pathlib import Path

from raw import go, julia, rust
from raw.contract import Contract

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = (rust, julia, go)


def files(root):
    """{path below root: text} of all raw layers."""
    contract = Contract(json.loads((root / 'abi' / 'constants.json').read_text()))
    return {path: text for language in LANGUAGES for path, text in language.files(contract).items()}


def stale(root):
    """Those whose text is another one, or that are not there."""
    wanted = files(root)
    return [path for path, text in wanted.items() if not (root / path).exists() or (root / path).read_text() != text]


def main():
    if sys.argv[1:] == ['--check']:
        sys.exit('\n'.join(f'{path} is not current; ./dev abi-update' for path in stale(ROOT)) or 0)
    for path, text in files(ROOT).items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)


if __name__ == '__main__':
    main()
