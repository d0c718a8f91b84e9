"""Where the programs that every language has are, and how they are started: `peer` (tests/matrix, bench) and `consumer` (the demo)."""
import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ('C', 'C++', 'Rust', 'Go', 'Julia', 'Python')


def julia():
    """The Julia that is there, or None: of the path, or the one that bindings/julia/get-julia.sh unpacks."""
    own = ROOT / 'build' / 'julia' / 'julia'
    return shutil.which('julia') or (str(own) if own.exists() else None)


def command(language, program, build, rust='debug'):
    """The words that start it, or None where it can't be: its compiler is not there, or it was not built."""
    folder, build = ROOT / 'bindings', Path(build) / 'bindings'
    if language == 'Julia':
        return [julia(), str(folder / 'julia' / 'programs' / f'{program}.jl')] if julia() else None
    if language == 'Python':
        return ['/usr/bin/python3', str(folder / 'python' / 'programs' / f'{program}.py')]
    built = {'C': build / 'c' / program, 'C++': build / 'cpp' / program, 'Go': build / 'go' / program,
             'Rust': build / 'rust' / 'target' / rust / 'examples' / program}[language]
    return [str(built)] if built.exists() else None


def commands(program, build, rust='debug'):
    """{language: words}, and the languages that are left out."""
    found = {language: command(language, program, build, rust) for language in LANGUAGES}
    return {language: words for language, words in found.items() if words}, [name for name, words in found.items() if not words]


def environment(build):
    """For all of them: the library that was built, the bindings of this tree."""
    build = Path(build)
    return dict(os.environ, LD_LIBRARY_PATH=f'{build / "src"}:{os.environ.get("LD_LIBRARY_PATH", "")}'.rstrip(':'),
                SHMALLOC_LIBRARY=str(build / 'src' / 'libshmalloc.so.0.1'), PYTHONPATH=str(ROOT / 'bindings' / 'python'),
                PYTHONDONTWRITEBYTECODE='1', JULIA_LOAD_PATH=f'{ROOT / "bindings" / "julia"}:@stdlib',
                JULIA_DEPOT_PATH=f'{build / "bindings" / "julia" / "depot"}:')
