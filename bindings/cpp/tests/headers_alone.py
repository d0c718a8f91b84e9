"""Each header of the C++ binding compiles alone, twice included, in every standard; the umbrella in every compiler too. No warning.

Exit status: 0 holds, 1 broken, 77 there is no compiler.
"""
import argparse
import itertools
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

STANDARDS = ('c++17', 'c++20', 'c++2b')
FLAGS = ('-fno-rtti', '-Wall', '-Wextra', '-Wpedantic', '-Wshadow', '-Wconversion', '-Wold-style-cast', '-Wcast-qual', '-Werror',
         '-fsyntax-only')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--include', nargs=2, type=Path, required=True, help="the binding's headers, the library's headers")
    include, library = parser.parse_args().include
    compilers = [found for found in ('g++', 'clang++') if shutil.which(found)]
    if not compilers:
        print('skipped: no C++ compiler is installed')
        sys.exit(77)

    def one(job):
        header, compiler, standard = job
        done = subprocess.run([compiler, f'-std={standard}', *FLAGS, '-I', include, '-I', library, '-x', 'c++', '-'], text=True,
                              input=f'#include "{header}"\n#include "{header}"\nint main() {{ return 0; }}\n', capture_output=True)
        return '' if done.returncode == 0 else f'{header} in {compiler} -std={standard}:\n{done.stderr}'

    names = sorted(str(path.relative_to(include)) for path in include.rglob('*.hpp'))
    # Compilers take turns: what the small headers have, the umbrella has as well, and that is for all of them.
    jobs = [(header, compiler, standard)
            for (header, standard), compiler in zip(itertools.product(names, STANDARDS), itertools.cycle(compilers))]
    jobs += [job for job in itertools.product(['shmalloc.hpp'], compilers, STANDARDS) if job not in jobs]
    with ThreadPoolExecutor(2) as pool:
        bad = [answer for answer in pool.map(one, jobs) if answer]
    print('\n'.join(bad) or f'{len(names)} headers, {len(jobs)} compilations, no warning')
    sys.exit(1 if bad else 0)


main()
