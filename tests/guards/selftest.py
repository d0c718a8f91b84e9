"""Every guard can fail: each guarded thing is broken in a scratch copy, and its guard must say so.

selftest.py --build BUILD --lib LIB. A case whose guard fails on the untouched copy already proves nothing and
counts as failed; so does one whose guard fails without naming what was broken. A guard without a case fails too.
"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import selftest_cases
from guard import HERE, Guard, run

COPIED = ('include', 'src', 'abi', 'docs', 'bindings', 'tests/guards', 'examples', '.clang-format', 'meson.build',
          'CHANGELOG.md', 'dev')
NOT_GUARDS = {'guard', 'stub', 'selftest', 'selftest_cases'}


class Copy:
    """A scratch copy of what the guards look at, with the few ways in which the cases break it."""

    def __init__(self, root, folder, build):
        self.root, self.build = folder / 'tree', build
        for name in COPIED:
            source, target = root / name, self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__', 'node_modules', 'build*'))
            elif source.exists():
                shutil.copy2(source, target)
        self.scratch = folder

    def write(self, name, text):
        """A new file, or another text for one."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name, pattern, by):
        """One replacement that must happen."""
        path = self.root / name
        text, count = re.subn(pattern, by, path.read_text(), count=1, flags=re.S | re.M)
        if count != 1:
            raise RuntimeError(f'{name} has nothing that looks like {pattern}')
        path.write_text(text)

    def first(self, folder, pattern):
        """Name of the first file that matches."""
        return str(sorted((self.root / folder).rglob(pattern))[0].relative_to(self.root))


def outcome(copy, script, arguments):
    """(exit status, output) of a guard over the copy."""
    done = run([sys.executable, HERE / f'{script}.py', '--root', copy.root, *arguments])
    return done.returncode, done.stdout + done.stderr


def main():
    guard = Guard(__doc__, 'build', 'lib', 'only')
    controls = {}
    seen = set()
    for case in selftest_cases.cases(guard.args):
        seen.add(case.script)
        if guard.args.only not in ('', case.script):
            continue
        what = f'{case.script}: {case.what}'
        with tempfile.TemporaryDirectory(prefix='shmalloc-selftest-') as scratch:
            copy = Copy(guard.root, Path(scratch), guard.args.build)
            try:
                arguments = case.prepare(copy)
                key = (case.script, case.prepare)
                if key not in controls:
                    controls[key] = outcome(copy, case.script, arguments)
                code, text = controls[key]
                if code:
                    guard.bad(f'{what}: no proof, the guard does not hold before anything is broken:\n{text[-1500:]}')
                    continue
                arguments = case.break_it(copy) or arguments
            except (RuntimeError, IndexError, OSError, subprocess.SubprocessError) as error:
                guard.bad(f'{what}: could not be broken: {error}')
                continue
            code, text = outcome(copy, case.script, arguments)
        if code != 1 or 'problem(s)' not in text or not re.search(case.expected, text):
            guard.bad(f'{what}: the guard ends with {code}; expected was a failure that says "{case.expected}":\n{text[-1500:]}')
        else:
            print(f'seen to fail: {what}')
    for script in sorted({path.stem for path in HERE.glob('*.py')} - NOT_GUARDS - seen):
        guard.bad(f'{script}: no case here shows that it can fail')
    guard.verdict('every guard was seen to fail')


main()
