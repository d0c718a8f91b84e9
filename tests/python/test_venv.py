"""The package as people install it, in an environment of its own, beside a NumPy newer than the system's: from PyPI."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from run import skip

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / 'bindings' / 'python'
NUMPY = 'numpy>=2.1'


def environment():
    """Without what would lead to other packages than the environment's own."""
    return {key: value for key, value in os.environ.items() if key not in ('PYTHONPATH', 'PYTHONHOME', 'VIRTUAL_ENV')}


def run(*command, **options):
    return subprocess.run([str(word) for word in command], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=240, check=False, **options)


def new_environment(folder):
    """Its Python. Debian's can make none without the package python3-venv, so another one may."""
    done = None
    for python in dict.fromkeys([sys.executable, shutil.which('python3') or sys.executable]):
        done = run(python, '-m', 'venv', '--clear', folder)
        if done.returncode == 0:
            return folder / 'bin' / 'python'
    skip(f'no environment can be made (is python3-venv installed?): {done.stdout.strip()[-300:]}')


def setUpModule():
    """Here, for a test method can't end the run as skipped."""
    global build, pip, python
    build = os.environ.get('SHMALLOC_BUILD')
    if not build:
        temporary = tempfile.TemporaryDirectory(prefix='shmalloc-venv')
        unittest.addModuleCleanup(temporary.cleanup)
        build = temporary.name
    build = Path(build)
    python = new_environment(build / 'venv')
    pip = [python, '-m', 'pip', '--disable-pip-version-check', 'install', '--quiet', '--retries', '1', '--timeout', '20']
    done = run(*pip, '--only-binary', ':all:', NUMPY)
    if done.returncode:
        skip(f'pip did not get {NUMPY} from PyPI: {done.stdout.strip()[-300:]}')


class Environment(unittest.TestCase):
    def test_installed_from_here_and_from_pypi(self):
        # A copy: building leaves files in the folder.
        copy = build / 'package'
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns('__pycache__', '*.egg-info', 'build'))
        done = run(*pip, copy)
        self.assertEqual(done.returncode, 0, done.stdout)
        done = run(python, '-m', 'unittest', '-v', 'venvside', cwd=HERE)
        print(done.stdout)
        self.assertEqual(done.returncode, 0)
        self.assertIn('\nOK', done.stdout)


if __name__ == '__main__':
    unittest.main()
