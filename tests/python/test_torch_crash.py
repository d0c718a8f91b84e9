"""One side is killed in the middle. What is left goes: by the last holder, by our responder, by reclaim, or by torch's manager."""
import contextlib
import os
import struct
import unittest

import shmalloc
from shmalloc import Format, Status
from support import PREFIX, SHM, eventually, names, reclaimed, record
from torchside import Client, TorchCase, answers, opened, parts, settled

OPEN = 'u = UntypedStorage._new_shared_filename_cpu(manager, name, size)'


def count_of(name):
    return struct.unpack('=i', (SHM / name).read_bytes()[:4])[0]


class CrashCase(TorchCase):
    def owner(self, manager=''):
        """One of us, in a process that can be killed; its handle."""
        setting = f', manager={manager!r}' if manager else ''
        owner = self.peer(f'a = Allocator(Kind.MAP_REFCOUNTED, prefix={PREFIX!r}{setting})',
                          's = a.create(4096); s.view()[:4] = b"ours"')
        return owner, owner.ask('s.export(format=Format.TORCH_FILE)')

    def kill_managers(self, torch):
        """The torch_shm_manager that a torch process started: its child was made a session of its own."""
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/stat') as file:
                    name, rest = file.read().rsplit(')', 1)
                if 'torch_shm' in name and int(rest.split()[1]) == torch.pid:
                    os.kill(int(pid), 9)
            except OSError:
                pass


class Killed(CrashCase):
    def test_torch_is_killed_holding_ours_responder_cleans(self):
        path = self.responder()
        storage, torch = self.counted(manager=path), self.torch()
        torch.do(OPEN, **parts(storage.export(format=Format.TORCH_FILE)))
        torch.kill()
        self.counts(storage, 2)
        settled(path)
        self.assertEqual(len(names()), 1, 'we still use it')
        storage.release()
        eventually(lambda: not names(), 'the responder removes what a dead client counted')

    def test_torch_is_killed_holding_ours_reclaim_cleans(self):
        storage, torch = self.counted(), self.torch()
        torch.do(OPEN, **parts(storage.export(format=Format.TORCH_FILE)))
        name = storage.name
        self.kill_managers(torch)
        torch.kill()
        self.raises(Status.BUSY, shmalloc.reclaim, name)
        storage.release()
        self.assertEqual(count_of(name[1:]), 1)
        self.assertTrue(reclaimed(name))
        self.assertEqual(names(), set())

    def test_we_are_killed_torch_keeps_the_data_responder_cleans(self):
        path = self.responder()
        owner, handle = self.owner(path)
        torch = self.torch()
        torch.do(OPEN, **parts(handle))
        owner.kill()
        self.assertEqual(torch.ask('get(u, 4)'), b'ours')
        settled(path)
        self.assertEqual(len(names()), 1, 'torch still uses it')
        torch.do('put(u, b"mine")')
        torch.do('del u')
        torch.end()
        eventually(lambda: not names(), 'the responder removes what nobody uses')

    def test_we_are_killed_reclaim_cleans(self):
        owner, handle = self.owner()
        torch = self.torch()
        torch.do(OPEN, **parts(handle))
        name = parts(handle)['name'].decode()
        owner.kill()
        self.raises(Status.BUSY, shmalloc.reclaim, name)
        self.assertEqual(torch.ask('get(u, 4)'), b'ours')
        torch.do('del u')
        self.assertEqual(count_of(name[1:]), 1)
        self.assertTrue(reclaimed(name))
        self.assertEqual(names(), set())

    def test_both_are_killed_responder_cleans(self):
        path = self.responder()
        owner, handle = self.owner(path)
        torch = self.torch()
        torch.do(OPEN, **parts(handle))
        torch.kill()
        owner.kill()
        eventually(lambda: not names(), 'nobody is left')

    def test_torch_owner_is_killed_we_keep_the_data_torchs_manager_cleans(self):
        torch = self.torch('u = UntypedStorage(1000)', 'put(u, b"theirs")')
        storage = opened(torch.ask('u._share_filename_cpu_()'))
        torch.kill()
        self.counts(storage, 2)
        self.assertEqual(bytes(storage.view()[:6]), b'theirs')
        storage.release()
        eventually(lambda: not names(), "torch's manager removes it once its last client is gone")

    def test_torch_owner_and_its_manager_are_killed_reclaim_cleans(self):
        torch = self.torch('u = UntypedStorage(1000)', 'put(u, b"theirs")')
        storage = opened(torch.ask('u._share_filename_cpu_()'))
        name = storage.name
        self.kill_managers(torch)
        torch.kill()
        found, = [found for found in shmalloc.walk() if found.name == name]
        self.assertEqual((found.maker, found.refcount), (shmalloc.Maker.TORCH, 2))
        self.assertNotIn(shmalloc.ObjectState.ABANDONED, found.state)
        storage.release()
        found, = [found for found in shmalloc.walk() if found.name == name]
        self.assertIn(shmalloc.ObjectState.ABANDONED, found.state)
        self.assertTrue(reclaimed(name))
        self.assertEqual(names(), set())

    def test_our_importer_of_torchs_is_killed(self):
        torch = self.torch('u = UntypedStorage(1000)')
        triple = torch.ask('u._share_filename_cpu_()')
        importer = self.peer('s = Storage.import_(handle, format=Format.TORCH_FILE)'.replace('handle', repr(b'\n'.join(
            [triple[0], triple[1], str(triple[2]).encode()]))))
        name = triple[1][1:].decode()
        self.assertEqual(count_of(name), 2)
        importer.kill()
        self.assertEqual(count_of(name), 2)
        torch.do('del u')
        self.assertEqual(count_of(name), 1)
        torch.end()
        eventually(lambda: not names(), "torch's manager removes what a killed process counted")

    def test_message_of_a_killed_torch_that_nobody_reads(self):
        torch = self.torch('from multiprocessing.reduction import ForkingPickler', 'mp.set_sharing_strategy("file_system")',
                           'u = UntypedStorage(1000)')
        torch.do('data = bytes(ForkingPickler.dumps(u))')
        name, = names()
        self.kill_managers(torch)
        torch.kill()
        self.assertEqual(count_of(name), 2)
        self.assertTrue(reclaimed('/' + name))

    def test_responder_is_killed_and_another_takes_its_place(self):
        path = self.responder()
        storage = self.counted(manager=path)
        self.responding.kill()
        self.assertEqual(len(names()), 1)
        again = self.peer('import shmalloc.torch', f'm = shmalloc.torch.Manager({path!r})')
        eventually(lambda: answers(path), 'a socket that nobody listens on is taken over')
        storage.view()[0] = 1
        storage.release()
        self.assertEqual(names(), set())
        again.do('m.stop()')


class Responder(CrashCase):
    """It never removes a name that a living process still uses."""

    def test_registering_client_dies_while_another_process_maps_it(self):
        path = self.responder()
        owner, handle = self.owner(path)
        name = parts(handle)['name'].decode()
        # A process that knows nothing of counts or managers.
        mapper = self.peer('import mmap', f'f = open("/dev/shm{name}", "r+b")', 'm = mmap.mmap(f.fileno(), 0)', 'f.close()')
        owner.kill()
        settled(path)
        self.assertEqual(names(), {name[1:]}, 'the mapping alone keeps the name')
        self.assertEqual(mapper.ask('bytes(m[64:68])'), b'ours')
        mapper.do('m.close()')
        eventually(lambda: not names(), 'the name goes with its last user')

    def test_open_descriptor_keeps_the_name_too(self):
        path = self.responder()
        owner, handle = self.owner(path)
        name = parts(handle)['name'].decode()
        holder = self.peer(f'f = os.open("/dev/shm{name}", os.O_RDWR)')
        owner.kill()
        settled(path)
        self.assertEqual(names(), {name[1:]})
        holder.kill()
        eventually(lambda: not names(), 'the name goes with its last user')

    def test_clients_speak_the_protocol_by_hand(self):
        path = self.responder()
        file = SHM / f'{PREFIX}hand'
        file.write_bytes(struct.pack('=i', 1) + bytes(160))
        registrant, other = Client(path), Client(path)
        registrant.register('/' + file.name)
        other.register('/' + file.name)
        registrant.close()
        settled(path)
        self.assertTrue(file.exists(), 'its other client lives')
        other.close()
        eventually(lambda: not file.exists(), 'nobody is left')

    def test_freed_name_is_forgotten(self):
        """A client that frees a name that is gone has nothing left to clean; the same name made anew is safe."""
        path = self.responder()
        file = SHM / f'{PREFIX}hand'
        file.write_bytes(bytes(164))
        client = Client(path)
        client.register('/' + file.name)
        file.unlink()
        client.free('/' + file.name)
        settled(path)
        file.write_bytes(bytes(164))
        client.close()
        settled(path)
        self.assertTrue(file.exists())
        file.unlink()

    def test_names_outside_of_shm_are_not_touched(self):
        path = self.responder()
        precious = self.folder() / 'precious'
        precious.write_bytes(b'x')
        for name in (f'/../..{precious}', f'/..{precious}', f'../..{precious}', str(precious), '', '/'):
            client = Client(path)
            with contextlib.suppress(OSError):  # it may hang up on such a client
                client.socket.sendall(record(name))
                client.socket.recv(2)
            client.close()
        settled(path)
        self.assertTrue(precious.exists())

    def test_half_a_record_holds_nobody_up(self):
        path = self.responder()
        slow = Client(path)
        slow.socket.sendall(b'\0' * 10)
        settled(path, 3)
        slow.close()
        settled(path, 3)

    def test_stop_removes_the_socket(self):
        path = self.responder()
        self.responding.do('m.stop()')
        self.assertFalse(os.path.exists(path))


if __name__ == '__main__':
    unittest.main()
