#!/usr/bin/env python3
"""Run test modules of the tool: `SHMALLOC_TOOL=.. run.py test_put_get ...`."""
import os
import sys
import unittest

sys.dont_write_bytecode = True


def main():
    import support
    support.isolate()
    print(f'{support.TOOL}, {"an own" if support.isolated else "the common"} /dev/shm', flush=True)
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)


if __name__ == '__main__':
    os.umask(0o022)
    main()
