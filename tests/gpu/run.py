#!/usr/bin/env python3
"""run.py [--record FILE] [--out DIR]: builds and runs all that needs a GPU, with a compiler, Python and the CUDA toolkit's headers alone.

The library, the contract test (what is assumed of a driver), the conformance suite on the CUDA backend, the public functions on GPUs, and the
benchmark of the caching allocator, with PyTorch's and RMM's beside it where they are installed. What each said becomes a record, dated and with the revision; where there is no GPU nothing is written. 1 if something failed.
"""
import argparse
import datetime
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CXX = ['g++', '-std=c++20', '-O2', '-g', '-D_GNU_SOURCE', '-pthread']
CC = ['gcc', '-std=gnu11', '-O2', '-g', '-D_GNU_SOURCE', '-pthread']
PATIENCE = 300  # seconds a program, for one that hangs must not keep the others from being run
NO_GPU = 77


def run(command, **options):
    """Runs a compiler; its words and the end if it fails."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        sys.exit(f'{" ".join(map(str, command))}\n{done.stdout}{done.stderr}')


def build_library(out):
    """The shared library and its objects."""
    run([sys.executable, 'abi/headers.py', 'table', 'include', out / 'abi_table.inc'])
    version = next(line.split("'")[1] for line in (ROOT / 'meson.build').read_text().splitlines() if 'version:' in line and "'" in line)
    flags = ['-fPIC', '-fvisibility=hidden', '-fno-rtti', f'-DSHMALLOC_VERSION_TEXT="{version}"', '-Iinclude', '-Isrc', '-Isrc/cpp', f'-I{out}']
    sources = sorted((ROOT / 'src').rglob('*.cpp'))
    objects = [out / (str(path.relative_to(ROOT)).replace('/', '_') + '.o') for path in sources]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda pair: run([*CXX, *flags, '-c', pair[0], '-o', pair[1]]), zip(sources, objects)))
    run([*CXX, '-shared', *objects, '-Wl,--version-script,src/shmalloc.map', '-Wl,-soname,libshmalloc.so', '-ldl', '-o', out / 'libshmalloc.so'])
    return objects


def build_programs(out, objects, cuda):
    """{name: program}; with cmocka's stand-in."""
    bare = ['-Itests/gpu/bare', '-Itests/support', '-Iinclude']
    headers = ['-isystem', cuda / 'include']
    public = ['-L', out, '-lshmalloc', f'-Wl,-rpath,{out}', '-ldl']
    on_gpu = '-DDEVICE=SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUDA,0)'
    commands = {
        'contract': [*CXX, *headers, *sorted((ROOT / 'tests/contract').glob('*.cpp')), '-ldl'],
        'conformance': [*CXX, *bare, *headers, '-Isrc', '-Isrc/cpp', '-Itests/device', 'tests/device/test_cuda_backend.cpp', 'tests/contract/driver.cpp',
                        *objects, '-ldl'],
        'storages': [*CC, *bare, 'tests/cuda/test_cuda.c', *public],
        'caching': [*CC, *bare, on_gpu, 'tests/c/test_caching.c', *public],
        'bench': [*CXX, '-DNDEBUG', '-Iinclude', '-Ibench', *(path for path in sorted((ROOT / 'bench').rglob('*.cpp')) if path.name != 'malloc_peer.cpp'),
                  *public, '-lrt'],
    }
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda item: run([*item[1], '-o', out / item[0]]), commands.items()))
    programs = {name: [out / name] for name in commands}
    programs['bench'] += ['--quick', '--only', 'caching']
    return programs | {'peers': [sys.executable, ROOT / 'bench/anchors/gpu_peers.py']}


def said_by(program):
    """(exit status, what it printed)."""
    environment = dict(os.environ, SHMALLOC_CONTRACT_DRIVER='real')
    try:
        done = subprocess.run(program, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                              timeout=PATIENCE, check=False)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        return 124, (late.stdout or b'').decode(errors='replace') + f'\n# no end after {PATIENCE} seconds\n'


def line_of(command):
    """What a command says in one line, or that it says nothing."""
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() or 'unknown'
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    today = datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d')
    parser.add_argument('--record', type=Path, default=ROOT / 'docs' / 'gpu' / f'{today}.md')
    parser.add_argument('--out', type=Path, default=ROOT / 'build' / 'gpu')
    options = parser.parse_args()
    cuda = Path(os.environ.get('CUDA_PATH') or '/usr/local/cuda')
    if not (cuda / 'include' / 'cuda.h').exists():
        sys.exit(f'no {cuda}/include/cuda.h: install the CUDA toolkit, or say CUDA_PATH')
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    print('building the library and five programs', flush=True)
    programs = build_programs(out, build_library(out), cuda)
    results = {}
    for name, program in programs.items():
        print(f'running {name}', flush=True)
        results[name] = said_by(program)
        if name == 'contract' and results[name][0] == NO_GPU:
            print(results[name][1].strip().splitlines()[-1])
            print('There is no GPU here: nothing was shown, no record is written.')
            return 0
    text = [f'# {today}', '', line_of(['nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader']),
            f'revision {line_of(["git", "rev-parse", "--short", "HEAD"])}', '', '| program | status | ok | not ok |', '| --- | --- | --- | --- |']
    for name, (status, said) in results.items():
        lines = said.splitlines()
        text.append(f'| {name} | {status} | {sum(line.startswith("ok ") for line in lines)} | {sum(line.startswith("not ok") for line in lines)} |')
    for name, (status, said) in results.items():
        text += ['', f'## {name}', '```', said.rstrip(), '```']
    options.record.parent.mkdir(parents=True, exist_ok=True)
    options.record.write_text('\n'.join(text) + '\n')
    print('\n'.join(text[5:7 + len(results)]))
    print(f'Written: {options.record}')
    return 1 if any(status != 0 for status, _ in results.values()) else 0


if __name__ == '__main__':
    sys.exit(main())
