#!/usr/bin/env python3
"""Run test modules: `run.py test_raw ...`. Exit status 77: what they need is missing, and it says so."""
import importlib.util
import os
import sys
import unittest

sys.dont_write_bytecode = True
SKIP = 77
BINDING = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'bindings', 'python')


def skip(reason):
    print(f'SKIPPED, nothing was tested: {reason}')
    sys.exit(SKIP)


def main():
    if os.environ.get('SHMALLOC_SKIP'):
        skip(os.environ['SHMALLOC_SKIP'])
    modules = sys.argv[1:]
    if 'PYTHONPATH' not in os.environ:
        os.environ['PYTHONPATH'] = BINDING  # for the processes that the tests start
        sys.path.insert(0, BINDING)
    for package in ('numpy', 'torch'):
        if importlib.util.find_spec(package) is None:
            skip(f'{sys.executable} has no {package}; install python3-{package}')
    import support
    support.isolate()
    print(f'{sys.executable}, {os.environ.get("SHMALLOC_LIBRARY", "the installed library")}, '
          f'{"an own" if support.isolated else "the common"} /dev/shm', flush=True)
    suite = unittest.defaultTestLoader.loadTestsFromNames(modules)
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)


if __name__ == '__main__':
    main()
