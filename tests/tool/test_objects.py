"""ls, stat, rm and gc: what is shared, who holds it, and taking back what nobody does."""
import os
import re
import signal
import struct
import sys
import time

from support import (BUSY, FAILED, LIMIT, NOT_FOUND, PERMISSION, PREFIX, SHM, TOOL, TRACED, Case, names, needs_isolation, needs_strace,
                     random_bytes, run)

MIB = 1 << 20
OURS = f'--prefix={PREFIX}'
NAMED = (f'--name={PREFIX}_a', OURS)


class Objects(Case):
    def abandoned(self, name=f'{PREFIX}_a', size=3 * MIB):
        """An object whose owner was killed."""
        put = self.put(f'--name={name}', OURS, self.file(random_bytes(size)))
        put.end(signal.SIGKILL)
        self.addCleanup(lambda: (SHM / name).unlink(missing_ok=True))
        self.assertTrue((SHM / name).exists())
        return put

    def one(self, name, *words):
        found = [o for o in self.objects(OURS, *words) if o['name'] == name]
        self.assertEqual(len(found), 1, (name, self.objects(OURS)))
        return found[0]

    def row(self, name, *words):
        """Its columns in the table."""
        table = self.succeeds('ls', OURS, *words).decode().splitlines()
        self.assertTrue(table[0].startswith('NAME '), table)
        found = [re.split(r' {2,}', line) for line in table if line.split()[0] == name]
        self.assertEqual(len(found), 1, table)
        return found[0]

    def test_nameless(self):
        size = 3 * MIB + os.getpid() % 4096 + 1
        put = self.put(OURS, self.file(random_bytes(size)))
        found = [o for o in self.objects(OURS) if o['size'] == size]
        self.assertEqual(len(found), 1, self.objects(OURS))
        (found,) = found
        self.assertTrue(found['name'].startswith(f'memfd:{PREFIX}'), found)
        self.assertEqual((found['maker'], found['holders'], found['holder_pid']), ('shmalloc', 1, put.pid))
        self.assertEqual((found['uid'], found['refcount']), (os.getuid(), None))
        self.assertGreaterEqual(found['resident'], size)
        self.assertNotIn('abandoned', found['state'])
        self.assertNotIn('named', found['state'])
        self.assertNotIn(found['name'], [o['name'] for o in self.objects(OURS, '--named')])
        self.assertEqual(self.row(found['name'])[-2:], [str(put.pid), 'held'])
        self.ends(put)
        self.assertEqual([o for o in self.objects(OURS) if o['size'] == size], [])

    def test_usual_prefix(self):
        put = self.put(self.file(b'hello'))
        self.assertIn(put.pid, [o['holder_pid'] for o in self.objects()])
        self.assertNotIn(put.pid, [o['holder_pid'] for o in self.objects(OURS)])
        self.ends(put)

    def test_named(self):
        put = self.put(*NAMED, '--mode=640', self.file(random_bytes(3 * MIB)))
        name = f'/{PREFIX}_a'
        found = self.one(name, '--named')
        self.assertEqual((found['size'], found['holders'], found['holder_pid'], found['mode']), (3 * MIB, 1, put.pid, 0o640))
        self.assertEqual(set(found['state']), {'named', 'locked'})
        self.assertLess(abs(found['modified_ns'] / 1e9 - time.time()), 600)
        self.assertEqual(self.row(name), [name, 'shmalloc', '3.00 MiB', '3.00 MiB', '1', str(put.pid), 'held'])
        self.assertEqual(self.row(name, '-l')[7:10], ['-', str(os.getuid()), '0640'])
        self.assertEqual(self.succeeds('ls', '-q', '-n', OURS).decode().split(), [name])
        self.assertEqual(self.objects(OURS, '--abandoned'), [])
        # A second holder.
        peer = self.start(sys.executable, '-c', 'import mmap, sys; f = open(sys.argv[1], "r+b"); m = mmap.mmap(f.fileno(), 0); f.close();'
                          'print("ready", flush=True); sys.stdin.read()', SHM / f'{PREFIX}_a')
        peer.stdout.readline()
        self.assertEqual(self.one(name)['holders'], 2)
        peer.communicate(timeout=LIMIT)
        self.assertEqual(self.one(name)['holders'], 1)
        self.ends(put)

    def test_stat_of_a_name(self):
        put = self.put(*NAMED, self.file(random_bytes(3 * MIB)))
        told = self.json('stat', f'{PREFIX}_a', OURS)['objects']
        self.assertEqual(told, [self.one(f'/{PREFIX}_a')])
        text = self.succeeds('stat', f'/{PREFIX}_a', OURS).decode()
        self.assertRegex(text, rf'(?m)^pid +{put.pid}$')
        self.assertRegex(text, r'(?m)^size +3\.00 MiB \(3145728 bytes\)$')
        self.assertRegex(text, r'(?m)^state +.*\blocked\b')
        self.ends(put)
        self.fails(NOT_FOUND, 'stat', f'{PREFIX}_a', OURS)
        self.fails(NOT_FOUND, 'stat', 'garbage')

    def test_stat_of_a_handle(self):
        put = self.put(self.file(random_bytes(3 * MIB)))
        told = self.json('stat', put.handle)
        self.assertEqual((told['handle']['size'], told['handle']['pid'], told['handle']['route']), (3 * MIB, put.pid, 'process'))
        self.assertEqual((told['handle']['kind'], told['handle']['device']), ('map', 'host'))
        self.assertEqual((told['storage']['size'], told['storage']['name'], told['why_not']), (3 * MIB, None, None))
        self.assertEqual(self.json('stat', '-', stdin=put.handle.encode()), told)
        self.assertRegex(self.succeeds('stat', put.handle).decode(), r'(?m)^opens +yes$')
        self.assertEqual(set(self.json('stat', '--no-open', put.handle)), {'handle'})
        self.ends(put)
        done = run('stat', put.handle)
        self.assertEqual((done.returncode, done.stderr), (NOT_FOUND, b''))
        self.assertRegex(done.stdout.decode(), r'(?m)^opens +no, PEER_GONE: ')
        self.assertEqual(self.json('stat', '--no-open', put.handle)['handle'], told['handle'])
        self.fails(FAILED, 'stat', put.handle[:-1])

    @needs_isolation
    def test_gc(self):
        name = f'/{PREFIX}_a'
        self.abandoned()
        kept = self.put(f'--name={PREFIX}_kept', OURS, self.file(b'hello'))
        self.assertEqual(set(self.one(name)['state']), {'named', 'abandoned'})
        self.assertEqual((self.one(name)['holders'], self.one(name)['holder_pid']), (0, 0))
        self.assertEqual(self.row(name)[-3:], ['0', '-', 'abandoned'])
        self.assertEqual([o['name'] for o in self.objects(OURS, '--abandoned')], [name])

        told = self.json('gc', '--dry-run', OURS)
        self.assertEqual((told['dry_run'], told['objects'], told['bytes'], [o['name'] for o in told['removed']]), (True, 1, 3 * MIB, [name]))
        self.assertEqual(self.succeeds('gc', '-n', OURS).decode(), f'would remove {name}, 3.00 MiB\nwould remove 1 object, 3.00 MiB\n')
        self.assertEqual(names(), {f'{PREFIX}_a', f'{PREFIX}_kept'})

        self.assertEqual(self.succeeds('gc', OURS).decode(), f'removed {name}, 3.00 MiB\nremoved 1 object, 3.00 MiB\n')
        self.assertEqual(names(), {f'{PREFIX}_kept'})
        told = self.json('gc', OURS)
        self.assertEqual(told, {'dry_run': False, 'objects': 0, 'bytes': 0, 'removed': []})
        self.assertEqual(self.succeeds('get', kept.handle), b'hello')
        self.ends(kept)

    @needs_isolation
    def test_gc_of_several(self):
        for i in range(3):
            self.abandoned(f'{PREFIX}_{i}', MIB)
        told = self.json('gc', OURS)
        self.assertEqual((told['objects'], told['bytes']), (3, 3 * MIB))
        self.assertEqual([o['name'] for o in told['removed']], [f'/{PREFIX}_{i}' for i in range(3)])

    @needs_isolation
    @needs_strace
    def test_gc_of_what_can_not_be_removed(self):
        self.abandoned()
        gc = self.start('strace', '-o', '/dev/null', '-e', 'trace=unlink,unlinkat', '-e', 'inject=unlink,unlinkat:error=EPERM', TOOL, 'gc', OURS,
                        env=TRACED)
        self.assertEqual(gc.communicate(timeout=LIMIT), (b'removed 0 objects, 0 bytes\n', b''))
        self.assertEqual(names(), {f'{PREFIX}_a'})

    @needs_isolation
    def test_pytorch(self):
        """Its objects are known by their names and their count of references. Where processes may hide, as in a container, only force
        removes them."""
        name = f'torch_{os.getpid()}_1234567890_0'
        (SHM / name).write_bytes(struct.pack('<i60x', 3) + bytes(4096))
        self.addCleanup(lambda: (SHM / name).unlink(missing_ok=True))
        found = self.one(f'/{name}')
        self.assertEqual((found['maker'], found['refcount'], found['size']), ('torch', 3, 4160))
        uncertain = 'uncertain' in found['state']
        self.assertEqual(set(found['state']) - {'uncertain'}, {'named', 'counted', 'abandoned'})
        self.assertEqual(self.row(f'/{name}', '-l')[6:8], ['abandoned?' if uncertain else 'abandoned', '3'])
        self.assertEqual([o['name'] for o in self.objects(OURS, '--abandoned')], [] if uncertain else [f'/{name}'])
        removed = [o['name'] for o in self.json('gc', OURS)['removed']]
        if uncertain:
            self.assertEqual(removed, [])
            self.fails_to_remove(PERMISSION, name)
            self.succeeds('rm', '-f', name)
        else:
            self.assertEqual(removed, [f'/{name}'])

    @needs_isolation
    def test_objects_of_others(self):
        """What somebody else made is neither listed nor removed."""
        (SHM / 'somebody').write_bytes(b'precious')
        self.addCleanup((SHM / 'somebody').unlink)
        self.assertNotIn('/somebody', [o['name'] for o in self.objects() + self.objects(OURS)])
        self.succeeds('gc')
        self.succeeds('gc', OURS)
        self.assertEqual((SHM / 'somebody').read_bytes(), b'precious')

    def test_rm(self):
        self.abandoned()
        self.assertEqual(self.json('rm', f'{PREFIX}_a', OURS), {'removed': [{'name': f'{PREFIX}_a', 'bytes': 3 * MIB}]})
        self.assertEqual(names(), set())
        self.abandoned()
        self.assertEqual(self.succeeds('rm', f'/{PREFIX}_a', OURS).decode(), f'removed /{PREFIX}_a, 3.00 MiB\n')
        self.fails_to_remove(NOT_FOUND, f'{PREFIX}_a')

    def fails_to_remove(self, code, *words):
        done = run('rm', OURS, *words)
        self.assertEqual((done.returncode, done.stdout), (code, b''), done.stderr)
        self.assertTrue(done.stderr.startswith(b'shmalloc rm: '))
        done = run('rm', OURS, *words, '--json')
        self.assertEqual((done.returncode, done.stdout), (code, b'{"removed":[]}\n'), done.stderr)

    def test_rm_of_what_is_held(self):
        put = self.put(*NAMED, self.file(b'hello'))
        self.fails_to_remove(BUSY, f'{PREFIX}_a')
        self.assertEqual(names(), {f'{PREFIX}_a'})
        self.assertEqual(self.succeeds('get', put.handle), b'hello')
        self.succeeds('rm', '--force', f'{PREFIX}_a', OURS)
        self.assertEqual(names(), set())
        self.fails(NOT_FOUND, 'get', put.handle)
        # That its name is gone is no failure of the one who holds it.
        self.ends(put)

    def test_rm_of_several(self):
        """One that can't be removed does not keep the others; the first failure is the exit code."""
        self.abandoned(f'{PREFIX}_b', MIB)
        put = self.put(*NAMED, self.file(b'hello'))
        done = run('rm', OURS, f'{PREFIX}_none', f'{PREFIX}_a', f'{PREFIX}_b')
        self.assertEqual((done.returncode, done.stderr.count(b'\n')), (NOT_FOUND, 2), done.stderr)
        self.assertEqual(done.stdout.decode(), f'removed {PREFIX}_b, 1.00 MiB\n')
        self.assertEqual(run('rm', OURS, f'{PREFIX}_a', f'{PREFIX}_none').returncode, BUSY)
        self.ends(put)

    def test_names_that_steer_a_terminal(self):
        name = f'{PREFIX}_\x1b[31m\udcff'
        (SHM / name).write_bytes(b'x')
        self.addCleanup((SHM / name).unlink)
        table = self.succeeds('ls', OURS)
        self.assertNotIn(b'\x1b', table)
        self.assertIn(b'\\x1b[31m\\xff', table)
        self.assertIn('\ufffd', self.objects(OURS)[0]['name'])
        self.assertNotIn(b'\x1b', self.succeeds('ls', '-q', OURS))
        self.assertEqual(run('rm', OURS, f'/{PREFIX}_\x1b[none').stderr.count(b'\x1b'), 0)
