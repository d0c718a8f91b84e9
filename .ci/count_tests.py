#!/usr/bin/env python3
"""count_tests.py TREE..: what failed in build/TREE, then one plain line: N passed, N failed, N skipped.

Counts the subtests of a test that speaks TAP, and any other test as one. A tree that did not build, or in which
no test ran, is one failure. Exit status 1 when anything failed.
"""
import json
import re
import sys
from pathlib import Path

BUILD = Path(__file__).resolve().parents[1] / 'build'
VERDICTS = {'OK': 'passed', 'EXPECTEDFAIL': 'passed', 'SKIP': 'skipped'}
SUBTEST = re.compile(r'^(not )?ok\b([^#\n]*)(#[ \t]*skip)?', re.I | re.M)


def subtests(output):
    """Verdicts of the lines of a TAP stream; empty when it is none."""
    if not re.search(r'^1\.\.\d+', output, re.M):
        return []
    # cmocka writes "not ok 2 # SKIP name".
    return ['skipped' if skip else 'failed' if failed else 'passed' for failed, _, skip in SUBTEST.findall(output)]


def count(test):
    """Verdicts of one test of Meson's log."""
    verdict = VERDICTS.get(test['result'], 'failed')
    verdicts = subtests(test.get('stdout', ''))
    if not verdicts or verdict == 'skipped':
        return [verdict]
    if verdict == 'failed' and 'failed' not in verdicts:
        verdicts.append('failed')  # it crashed, timed out, or leaked after its last line
    return verdicts


def main(trees):
    total = {'passed': 0, 'failed': 0, 'skipped': 0}
    for tree in trees:
        if (BUILD / 'results' / f'{tree}.broken').exists():
            print(f'failed: {tree} does not build')
            total['failed'] += 1
            continue
        log = BUILD / tree / 'meson-logs' / 'testlog.json'
        tests = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        if not tests:
            print(f'failed: {tree}: no test ran')
            total['failed'] += 1
        for test in tests:
            name = test['name'].split(' / ')[-1]
            verdicts = count(test)
            for verdict in verdicts:
                total[verdict] += 1
            if 'failed' in verdicts:
                print(f'failed: {tree}: {name}')
            elif verdicts == ['skipped']:
                reason = (test.get('stdout', '').strip().splitlines() or [''])[-1]
                print(f'skipped: {tree}: {name}: {reason}')
    print('{passed} passed, {failed} failed, {skipped} skipped'.format(**total))
    return 1 if total['failed'] else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
