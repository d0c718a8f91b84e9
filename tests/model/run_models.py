#!/usr/bin/env python3
"""run_models.py MODEL.. [--long]: lets spin search the models of docs/shared-protocol.md.

Each bound of a correct model must be searched to its end without an error; each mutant (the protocol with one thing wrong) must fail, in the
way that is expected of it. --long searches wider bounds, too, for minutes and some GiB. Exit status 1 when anything is otherwise.
"""
import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEMORY = 1900  # MiB
LONG_MEMORY = 12000
DEPTH = 200000
# What a mutant does: it breaks an assertion (found with -E, which overlooks bad ends), or it ends where something is lost (-A).
BROKEN, LOST = 'assertion violated', 'invalid end state'

MODELS = {
    'slot': {
        'correct': ['PROCESSES=3 PLACES=2 DEATHS=1', 'PROCESSES=2 THREADS=2 DEATHS=1', 'PROCESSES=2 DEATHS=2'],
        'long': ['PROCESSES=3 PLACES=2 DEATHS=2', 'PROCESSES=2 DEATHS=4', 'PROCESSES=2 THREADS=2 DEATHS=2'],
        'base': 'PROCESSES=2 DEATHS=2',
        'mutants': {
            'HOLD_WITHOUT_GENERATION': BROKEN,
            'HOLD_IN_TWO': BROKEN,
            'RETIRE_IN_TWO': BROKEN,
            'LET_GO_UNLOCKED': (BROKEN, 'THREADS=2'),
            'CLAIM_WITHOUT_CLEARING': LOST,
            'PLACES_NOT_SET': LOST,
            'PLACES_RESET_FIRST': LOST,
            'CLEAR_UP_WITHOUT_LOCK': BROKEN,
            'UNLOCK_THEN_SHARE': BROKEN,
        },
    },
    'fork': {
        'correct': ['', 'OWNER'],
        'long': ['FORKS=4 DEATHS=4', 'OWNER FORKS=4 DEATHS=4'],
        'base': '',
        'mutants': {
            'HAND_OVER': LOST,
            'HAND_OVER_LATE': BROKEN,
            'NO_BITS': BROKEN,
            'BITS_AFTER_FORK': BROKEN,
            'CLEARED_LAST': BROKEN,
            'CHILD_LOCKS_LATER': BROKEN,
            'UNMAPS_FIRST': BROKEN,
            'CHILD_KEEPS_NOTHING': BROKEN,
            'PARENT_LETS_GO': BROKEN,
            'KEEPS_FOR_EVER': LOST,
        },
    },
    'release': {
        'correct': ['', 'ROUNDS=3'],
        'long': ['ROUNDS=6'],
        'base': '',
        'mutants': {
            'BORN_WITH_ONE': BROKEN,
            'NO_MARK': BROKEN,
            'DOES_NOT_SAY': BROKEN,
            'NO_FENCE': BROKEN,
            'DOES_NOT_WAIT': BROKEN,
            'LOOKS_LATE': BROKEN,
            'UNMARKS_FIRST': BROKEN,
        },
    },
    'reclaim': {
        'correct': ['PROCESSES=2 DEATHS=3', 'PROCESSES=2 DEATHS=3 EXCLUSIVE'],
        'long': ['PROCESSES=3 DEATHS=1', 'PROCESSES=3 DEATHS=1 EXCLUSIVE'],
        'base': 'DEATHS=1',
        'mutants': {
            'EXCLUSIVE': BROKEN,
            'NO_RETIRE': BROKEN,
            'COVER_READ_AGAIN': BROKEN,
            'PUNCH_WHAT_IS_RETIRED': BROKEN,
            'ATTACH_DOES_NOT_RECLAIM': BROKEN,
        },
    },
    'channel': {
        'correct': ['PRODUCERS=1 EACH=2 DEATHS=1', 'PRODUCERS=1 EACH=1 DEATHS=1 MENDERS=2', 'PRODUCERS=1 EACH=2 CELLS=1 DEATHS=1', 'PRODUCERS=2 EACH=1 DEATHS=1',
                    'PRODUCERS=1 CONSUMERS=2 EACH=1 DEATHS=1', 'PRODUCERS=1 CONSUMERS=2 EACH=2 DEATHS=0'],
        'long': ['PRODUCERS=1 CONSUMERS=2 EACH=2 DEATHS=1', 'PRODUCERS=2 EACH=2 DEATHS=0', 'PRODUCERS=1 EACH=2 DEATHS=2 MENDERS=2'],
        'base': 'PRODUCERS=1 DEATHS=1',
        'mutants': {
            'NO_INCARNATION': BROKEN,
            'STORE': (BROKEN, 'CONSUMERS=2 EACH=1 CELLS=1 MENDERS=2 NO_JUDGE'),
            'NO_LIMIT': BROKEN,
            'SLEEPER_RESETS': (BROKEN, 'CONSUMERS=2 DEATHS=0'),
            'WAKES_ONE': (BROKEN, 'CONSUMERS=2 DEATHS=0'),
            'NO_SECOND_LOOK': (BROKEN, 'DEATHS=0'),
            'WAKE_FIRST': (BROKEN, 'DEATHS=0'),
            'PASSES_THE_DEAD': BROKEN,
            'NO_HOLD_IN_FLIGHT': (BROKEN, 'DEATHS=0'),
            'DROPPED_WHEN_SENT': (BROKEN, 'DEATHS=0'),
            'FREED_BEFORE_HOLD': (BROKEN, 'DEATHS=0'),
            'PUBLISH_THEN_FILL': (BROKEN, 'DEATHS=0'),
        },
    },
}


def merged(*words):
    """Definitions of several texts; the last one of a name counts."""
    names = {}
    for word in ' '.join(words).split():
        names[word.split('=')[0]] = '-D' + word
    return list(names.values())


def search(model, definitions, options, memory, optimise):
    """Runs spin; returns what the search printed."""
    with tempfile.TemporaryDirectory(prefix='shmalloc-model-') as folder:
        def step(*command, limits=None):
            return subprocess.run(command, cwd=folder, capture_output=True, text=True, preexec_fn=limits)

        source = HERE / f'{model}.pml'
        done = step('spin', '-a', *definitions, str(source))
        if done.returncode or 'rror' in done.stdout:
            return f'spin: {done.stdout}{done.stderr}'
        collapse = ['-DCOLLAPSE'] if memory > MEMORY else []
        done = step('gcc', optimise, '-w', '-DSAFETY', *collapse, f'-DMEMLIM={memory}', '-o', 'pan', 'pan.c')
        if done.returncode:
            return f'gcc: {done.stderr}'
        size = (memory + 200) << 20
        done = step('./pan', f'-m{DEPTH}', '-w22', *options, limits=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)))
        return done.stdout + done.stderr


def complete(output):
    return ('errors: 0' in output and 'Search not completed' not in output and 'max search depth too small' not in output
            and 'reached -DMEMLIM' not in output and 'out of memory' not in output)


def figures(output, seconds):
    states = re.search(r'(\d+(?:\.\d+)?(?:e\+\d+)?) states, stored', output)
    return f'{int(float(states.group(1))) if states else "no":>9} states {seconds:6.1f} s'


def check(model, name, definitions, expected, memory):
    began = time.monotonic()
    options = {None: [], BROKEN: ['-E'], LOST: ['-A']}[expected]
    output = search(model, definitions, options, memory, '-O1' if expected is None else '-O0')
    fine = complete(output) if expected is None else re.search(r'pan:\d+: ' + expected, output) is not None
    verdict = ('complete, no error' if expected is None else expected) if fine else 'NOT AS EXPECTED'
    print(f'{model:8} {name:52} {figures(output, time.monotonic() - began)}  {verdict}', flush=True)
    if not fine:
        print(output)
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('models', nargs='*', metavar='MODEL', default=sorted(MODELS))
    parser.add_argument('--long', action='store_true')
    arguments = parser.parse_args()
    for tool in ('spin', 'gcc'):
        if not shutil.which(tool):
            sys.exit(f'{tool} is missing: ./dev setup installs it')
    fine = True
    for model in arguments.models:
        plan = MODELS[model]
        named = set(re.findall(r'MUTANT_(\w+)', (HERE / f'{model}.pml').read_text()))
        if named != set(plan['mutants']):
            print(f'{model}: the model and this file name different mutants: {sorted(named ^ set(plan["mutants"]))}')
            fine = False
        for bounds in plan['correct']:
            fine &= check(model, bounds or 'as it is', merged(bounds), None, MEMORY)
        for bounds in plan['long'] if arguments.long else []:
            fine &= check(model, bounds, merged(bounds), None, LONG_MEMORY)
        for mutant, expected in plan['mutants'].items():
            expected, bounds = expected if isinstance(expected, tuple) else (expected, '')
            fine &= check(model, mutant, merged(plan['base'], bounds, 'MUTANT_' + mutant), expected, MEMORY)
    sys.exit(0 if fine else 1)


main()
