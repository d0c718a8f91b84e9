"""The binding itself: its tables, how it loads the library, and what happens when the interpreter exits."""
import copy
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

import shmalloc
from shmalloc import _raw
from support import PREFIX, Case, names, reclaimed

C = _raw.CONSTANTS


def python(code, **environment):
    """Run text in a Python of its own."""
    env = {key: value for key, value in dict(os.environ, **environment).items() if value is not None}
    return subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True, timeout=60, check=False)


class Tables(unittest.TestCase):
    def test_enums_name_every_constant(self):
        kinds = {'STATUS': 'Status', 'ALLOCATOR_KIND': 'Kind', 'DEVICE_TYPE': 'DeviceType', 'LOG_LEVEL': 'LogLevel',
                 'ACCESS': 'Access', 'HANDLE_FORMAT': 'Format', 'HANDLE_ROUTE': 'Route', 'OBJECT_MAKER': 'Maker', 'MAPPED': 'Mapped',
                 'STORAGE_STATE': 'State', 'CAPABILITY': 'Capability', 'TRIM': 'Trim', 'NOTICE': 'Notices', 'OBJECT': 'ObjectState',
                 'STAT_POOL': 'StatPool', 'RESET': 'Reset', 'HISTORY': 'History', 'SNAPSHOT_FORMAT': 'SnapshotFormat', 'TENSOR': 'TensorState'}
        for prefix, name in kinds.items():
            prefix = f'SHMALLOC_{prefix}_'
            wanted = {key[len(prefix):]: value for key, value in C.items()
                      if key.startswith(prefix) and not key.endswith('FORCE32') and not key[len(prefix):].startswith('MAKER_')}
            self.assertEqual({member.name: member.value for member in getattr(shmalloc, name)}, wanted, name)

    def test_everything_public_is_named(self):
        for name in shmalloc.__all__:
            self.assertTrue(hasattr(shmalloc, name), name)

    def test_every_function_is_used_by_the_safe_layer(self):
        folder = Path(shmalloc.__file__).parent
        text = '\n'.join(path.read_text() for path in folder.glob('*.py') if path.name != '_raw.py')
        used = set(re.findall(r"'(?:shmalloc_)?(\w+)'|shmalloc_(\w+)", text))
        used = {name for names in used for name in names}
        self.assertEqual([name for name in _raw.FUNCTIONS if name[len('shmalloc_'):] not in used], [])

    def test_what_the_library_says_of_itself(self):
        self.assertEqual((shmalloc.version(), shmalloc.library_version()), (C['SHMALLOC_VERSION'], shmalloc.__version__))
        self.assertEqual([shmalloc.status_name(number) for number in (-3, 0, -999)], ['NO_SPACE', 'OK', 'UNKNOWN'])
        self.assertEqual(shmalloc.abi_lookup('offsetof(shmalloc_error,message)'), 16)
        self.assertRaises(shmalloc.NotFoundError, shmalloc.abi_lookup, 'SHMALLOC_NOTHING')

    def test_every_status_has_an_exception(self):
        for status in shmalloc.Status:
            if status:
                error = _raw.Error(status=status, os_error=5, message=b'why')
                raised = shmalloc._errors.error_of(status, error)
                self.assertEqual((raised.status, raised.os_error, str(raised)), (status, 5, 'why'))
                self.assertIsInstance(raised, shmalloc.ShmallocError)


class Holding(Case):
    def test_a_copy_is_a_second_hold(self):
        for make in (lambda: shmalloc.Storage(10), shmalloc.Channel, lambda: shmalloc.Allocator(shmalloc.Kind.MAP)):
            first = make()
            second = copy.copy(first)
            with first:
                before = first.info
            self.assertTrue(first.released)
            self.assertIn('released', repr(first))
            self.raises(shmalloc.Status.CLOSED, copy.copy, first)
            self.assertEqual(type(second.info), type(before))
            second.release()
            second.release()

    def test_release_is_at_once(self):
        allocator = shmalloc.Allocator(shmalloc.Kind.MAP)
        storage = allocator.create(100)
        again = copy.copy(storage)
        self.assertEqual(again.info.references, 2)
        storage.release()
        self.assertEqual((again.info.references, allocator.info.live_storages), (1, 1))
        again.release()
        self.assertEqual(allocator.info.live_storages, 0)
        allocator.release()
        self.raises(shmalloc.Status.CLOSED, allocator.create, 1)
        self.raises(shmalloc.Status.CLOSED, shmalloc.Storage, 1, allocator=allocator)

    def test_a_deep_copy_has_its_own_bytes(self):
        storage = shmalloc.Storage(10, zeroed=True)
        other = copy.deepcopy(storage)
        other.view()[0] = 1
        self.assertEqual((storage.view()[0], other.view()[0], other.size), (0, 1, 10))


class Loading(unittest.TestCase):
    def test_import_needs_no_library(self):
        done = python('import shmalloc, shmalloc.torch; print(shmalloc.__version__)', SHMALLOC_LIBRARY='/no/such/library')
        self.assertEqual((done.stdout, done.stderr), ('0.1.0\n', ''))

    def test_missing_library_is_named(self):
        done = python('import shmalloc; shmalloc.Storage(1)', SHMALLOC_LIBRARY='/no/such/library')
        self.assertIn('ImportError', done.stderr)
        self.assertIn('/no/such/library', done.stderr)

    def test_loader_finds_it_without_the_variable(self):
        folder = os.path.dirname(os.environ['SHMALLOC_LIBRARY'])
        done = python('import shmalloc; print(shmalloc.library_version())', SHMALLOC_LIBRARY=None, LD_LIBRARY_PATH=folder)
        self.assertEqual(done.stdout, '0.1.0\n', done.stderr)
        done = python('import shmalloc; shmalloc.library_version()', SHMALLOC_LIBRARY=None, LD_LIBRARY_PATH='', PATH='')
        if done.returncode:  # it may be installed
            self.assertIn('SHMALLOC_LIBRARY', done.stderr)

    def test_tables_that_differ_are_refused_and_named(self):
        for change, named in (('CONSTANTS["SHMALLOC_STATUS_STALE"] = -99', 'SHMALLOC_STATUS_STALE'),
                              ('CONSTANTS["SHMALLOC_NEW"] = 1', 'SHMALLOC_NEW'),
                              ('CONSTANTS["SHMALLOC_VERSION"] = 2000', '0.2.0'),
                              ('CONSTANTS["SHMALLOC_VERSION"] = 1000000', '1.0.0'),
                              ('STRUCTS["shmalloc_error"] = StorageInfo', 'offsetof(shmalloc_error,data)'),
                              ('STRUCTS["shmalloc_error"]._fields_; STRUCTS["shmalloc_none"] = Error', 'sizeof(shmalloc_none)'),
                              ('FUNCTIONS["shmalloc_none"] = (None, [])', 'shmalloc_none')):
            done = python(f'from shmalloc._raw import *\nfrom shmalloc import _raw\n{change}\n_raw.library()')
            self.assertIn('ImportError', done.stderr, change)
            self.assertIn(named, done.stderr)

    def test_wrong_library_is_refused(self):
        done = python('import shmalloc; shmalloc.library_version()', SHMALLOC_LIBRARY='libc.so.6')
        self.assertRegex(done.stderr, 'ImportError: libc.so.6 has no shmalloc_')


class Exit(Case):
    """A process may end in any state; nothing crashes, and what can be given back is."""

    def ends(self, code, status=0):
        done = python('import atexit, threading, sys, os, shmalloc\nfrom shmalloc import *\n'
                      f'def named(n="{PREFIX}x"): return Storage(100, name=n, mapped=Mapped.SHAREDMEM)\n' + code)
        self.assertEqual((done.returncode, done.stderr), (status, ''), done.stdout)
        return done.stdout

    def test_storages_that_are_left(self):
        self.ends('s = named()')
        self.assertEqual(names(), set())

    def test_storage_in_a_cycle(self):
        self.ends('l = [named()]; l.append(l); del l')
        self.assertEqual(names(), set())

    def test_view_that_is_left_can_be_read_to_the_end(self):
        out = self.ends('v = named().view(); v[0] = 65\n'
                        'class Last:\n    def __del__(self, v=v): print(bytes(v[:1]))\n'
                        'keep = Last(); sys.modules["keep"] = keep')
        self.assertEqual(out, "b'A'\n")
        self.assertTrue(reclaimed(f'/{PREFIX}x'))

    def test_handlers_at_exit_may_use_storages(self):
        out = self.ends('s = named()\natexit.register(lambda: print(s.size, len(s.view()), named("/" + s.name[1:]).size))')
        self.assertEqual(out, '100 100 100\n')
        self.assertEqual(names(), set())

    def test_listener_is_taken_off(self):
        self.ends('set_log(lambda level, line: print(line)); s = named(); os.unlink("/dev/shm" + s.name)')

    def test_daemon_threads_inside_the_library(self):
        for _ in range(5):
            self.ends('def run():\n  while True:\n    with Storage(4096) as s: s.view()[0] = 1; s.export(ttl=0)\n'
                      'for _ in range(3): threading.Thread(target=run, daemon=True).start()\n'
                      'Storage(1).release()')

    def test_forked_child_that_exits(self):
        out = self.ends('s = named()\npid = os.fork()\nif pid == 0: sys.exit(0)\n'
                        'print(os.waitpid(pid, 0)[1], os.path.exists("/dev/shm" + s.name), s.view()[0])')
        self.assertEqual(out, '0 True 0\n')
        self.assertEqual(names(), set())

    def test_adopted_memory_that_is_left(self):
        self.ends('s = Storage.adopt(bytearray(100)); v = s.view()')

    def test_manager_that_is_left(self):
        out = self.ends('import shmalloc.torch as st; m = st.Manager(); print(m.path)')
        self.assertFalse(os.path.exists(os.path.dirname(out.strip())))

    def test_exit_without_finalizers(self):
        self.ends('s = named(); os._exit(3)', 3)
        self.assertTrue(reclaimed(f'/{PREFIX}x'))


if __name__ == '__main__':
    unittest.main()
