"""An installed shmalloc serves a C99 and a C++20 program through pkg-config, shared and static.

Installs the build into a scratch root; --staged takes one that is installed already.
"""
import os
import tempfile
from pathlib import Path

from guard import Guard, need, run

PROGRAMS = (('c99', 'gcc', 'examples/main_job.c'), ('c++20', 'g++', 'tests/guards/consumer.cpp'))
WARNINGS = ['-Wall', '-Wextra', '-Wpedantic', '-Werror']


def install(guard, root):
    """meson install, without a rebuild: a test must not start one."""
    done = run(['meson', 'install', '--no-rebuild', '-C', guard.args.build, '--destdir', root])
    if done.returncode:
        guard.bad(f'meson install fails:\n{done.stdout}{done.stderr}')


def package(guard, root, *question):
    """Answer of pkg-config about the scratch root, as a list of words."""
    folders = [str(path.parent) for path in Path(root).rglob('shmalloc.pc')]
    environment = dict(os.environ, PKG_CONFIG_LIBDIR=':'.join(folders), PKG_CONFIG_PATH='', PKG_CONFIG_SYSROOT_DIR=str(root),
                       PKG_CONFIG_ALLOW_SYSTEM_CFLAGS='1', PKG_CONFIG_ALLOW_SYSTEM_LIBS='1')
    done = run([need('pkg-config'), *question, 'shmalloc'], env=environment)
    if done.returncode:
        guard.bad(f'pkg-config {" ".join(question)} shmalloc fails:\n{done.stderr}')
        guard.verdict('')
    return done.stdout.split()


def consume(guard, root, scratch):
    """Builds and runs each program in both ways."""
    flags = package(guard, root, '--cflags')
    shared = package(guard, root, '--libs')
    static = ['-l:libshmalloc.a' if word == '-lshmalloc' else word for word in package(guard, root, '--libs', '--static')]
    folders = ':'.join(sorted({str(path.parent) for path in Path(root).rglob('libshmalloc.so*')}))
    for standard, compiler, source in PROGRAMS:
        for way, libraries in (('shared', shared), ('static', static)):
            what = f'{source} as {standard}, {way}'
            binary = Path(scratch, f'{standard}-{way}')
            done = run([compiler, f'-std={standard}', *WARNINGS, *flags, guard.path(source), '-o', binary, *libraries])
            if done.returncode:
                guard.bad(f'{what} does not build:\n{done.stderr}')
                continue
            linked = 'libshmalloc' in run([need('readelf'), '-d', binary]).stdout
            if linked != (way == 'shared'):
                guard.bad(f'{what}: {"is" if linked else "is not"} linked to the shared library')
            environment = dict(os.environ, LD_LIBRARY_PATH=folders if way == 'shared' else '')
            done = run([binary], env=environment, timeout=60)
            if done.returncode:
                guard.bad(f'{what} ends with {done.returncode}:\n{done.stdout}{done.stderr}')


def main():
    guard = Guard(__doc__, 'build', 'staged')
    with tempfile.TemporaryDirectory(prefix='shmalloc-installed-') as scratch:
        root = guard.args.staged
        if not root:
            root = str(Path(scratch, 'root'))
            install(guard, root)
        if not guard.problems:
            consume(guard, root, scratch)
    guard.verdict('a C99 and a C++20 program build and run, shared and static')


main()
