#!/usr/bin/env python3
"""run.py GUIDE BUILD SOURCE: does in an empty folder what a guide says, and compares what it prints with what the guide says it prints.

Fences of a guide that are more than text: ```LANGUAGE file=PATH is written to PATH; ```sh run is run; ```text output is what the run before
printed. The library is installed into a prefix first, as a user would have it.
"""
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FENCE = re.compile(r'^```(\w+)[ \t]+(file=\S+|run|output)[ \t]*\n(.*?)^```[ \t]*$', re.M | re.S)


def installed(build):
    """A prefix with what the build installs; several guides at once install it once."""
    prefix, stage = build / 'guides-prefix', build / 'guides-stage'
    with open(build / 'guides-lock', 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        library = build / 'src' / 'libshmalloc.so.0.1'
        mark = prefix / 'mark'
        if mark.exists() and mark.stat().st_mtime >= library.stat().st_mtime:
            return prefix
        for old in (prefix, stage):
            shutil.rmtree(old, ignore_errors=True)
        subprocess.run(['meson', 'install', '-C', build, '--no-rebuild', '--quiet', '--destdir', stage], check=True, stdout=subprocess.DEVNULL)
        next(stage.rglob('include/shmalloc.h')).parents[1].rename(prefix)
        shutil.rmtree(stage)
        for pc in prefix.rglob('*.pc'):
            pc.write_text(re.sub(r'^prefix=.*$', f'prefix={prefix}', pc.read_text(), flags=re.M))
        mark.touch()
    return prefix


def environment(prefix, source, scratch):
    libraries = next(path.parent for path in prefix.rglob('libshmalloc.so'))
    # A folder of one's own for all that tools keep, but rustup's toolchains are where they are.
    os.environ.setdefault('RUSTUP_HOME', str(Path.home() / '.rustup'))
    return dict(os.environ, PREFIX=str(prefix), SHMALLOC=str(source), LD_LIBRARY_PATH=str(libraries), HOME=str(scratch / 'home'),
                PKG_CONFIG_PATH=str(libraries / 'pkgconfig'), TMPDIR=str(scratch / 'tmp'), PYTHONDONTWRITEBYTECODE='1')


def main():
    guide, build, source = (Path(argument).resolve() for argument in sys.argv[1:4])
    prefix = installed(build)
    steps = FENCE.findall(guide.read_text())
    if not any(kind == 'run' for _, kind, _ in steps):
        sys.exit(f'{guide.name} has nothing that is run')
    with tempfile.TemporaryDirectory(prefix='shmalloc-guide-') as folder:
        scratch, printed = Path(folder), None
        work = scratch / 'work'
        for path in (work, scratch / 'home', scratch / 'tmp'):
            path.mkdir()
        for language, kind, text in steps:
            if kind == 'run':
                done = subprocess.run(['bash', '-euo', 'pipefail', '-c', text], cwd=work, env=environment(prefix, source, scratch),
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                printed = done.stdout
                if done.returncode:
                    sys.exit(f'{guide.name}: exit status {done.returncode} of\n{text}\n{printed}')
            elif kind == 'output':
                if printed is None or printed.strip() != text.strip():
                    sys.exit(f'{guide.name}: the guide says\n{text}\nbut it printed\n{printed}')
                printed = None
            else:
                path = work / kind[len('file='):]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    print(f'{guide.name}: {len(steps)} steps')


main()
