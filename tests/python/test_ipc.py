"""Storages between processes: handles, descriptors, sockets, death at the other end."""
import json
import math
import os
import signal
import socket
import threading
import time
import unittest

import shmalloc
import support
from shmalloc import Allocator, Route, State, Status, Storage
from support import PREFIX, Case, holdings, names


class Handles(Case):
    def test_bytes_open_the_same_memory_elsewhere(self):
        storage, peer = Storage(1 << 20), self.peer()
        storage.view()[:5] = b'hello'
        peer.do('s = Storage.import_(handle); v = s.view()', handle=storage.export())
        self.assertEqual(peer.ask('(bytes(v[:5]), s.size, State.IMPORTED in s.info.state)'), (b'hello', 1 << 20, True))
        peer.do('v[:5] = b"world"')
        self.assertEqual(bytes(storage.view()[:5]), b'world')

    def test_text_survives_json_and_a_command_line(self):
        storage, peer = Storage(100), self.peer()
        text = json.loads(json.dumps(storage.export_text()))
        self.assertRegex(text, r'^[A-Za-z0-9_:-]+$')
        self.assertEqual(shmalloc.handle_to_text(shmalloc.handle_from_text(text)), text)
        self.assertEqual(peer.ask('Storage.from_text(text).size', text=f' {text}\n'), 100)
        for wrong in ('', 'nonsense', text[:-1], text + 'x' * 1000):
            self.raises(Status.CORRUPT, Storage.from_text, wrong)

    def test_handle_says_what_it_is(self):
        storage = Storage(100, capacity=1 << 16)
        info = shmalloc.handle_info(storage.export())
        self.assertEqual((info.size, info.pid, info.route, info.read_only), (100, os.getpid(), Route.PROCESS, False))
        self.assertGreaterEqual(info.capacity, 1 << 16)
        self.assertEqual(info.identity, shmalloc.handle_info(storage.export(descriptor=True)).identity)
        self.assertNotEqual(info.identity, shmalloc.handle_info(Storage(100).export()).identity)
        self.assertEqual(shmalloc.handle_info(Storage(0).export()).route, Route.EMPTY)

    def test_read_only_export_can_not_be_written(self):
        self.raises(Status.UNSUPPORTED, Storage(4096).export, read_only=True)  # it has neighbours
        storage, peer = Storage(4096, isolated=True), self.peer()
        storage.view()[:3] = b'abc'
        keep = storage.view(write=False)
        peer.do('s = Storage.import_(handle)', handle=storage.export(read_only=True))
        self.assertTrue(peer.ask('s.view().readonly and State.READ_ONLY in s.info.state'))
        self.assertTrue(peer.ask('bytes(s.view()[:3]) == b"abc"'))
        with self.assertRaisesRegex(Exception, 'PermissionDeniedError'):
            peer.do('s.view(write=True)')
        self.assertIn(State.WRITE_SEALED, storage.info.state)
        self.raises(Status.PERMISSION, storage.export)
        del keep

    def test_revoked_handle_is_stale_and_holders_keep_theirs(self):
        storage, peer = Storage(100), self.peer()
        handle = storage.export()
        peer.do('s = Storage.import_(handle)', handle=handle)
        storage.revoke()
        with self.assertRaisesRegex(Exception, 'StaleError'):
            peer.do('Storage.import_(handle)')
        storage.view()[0] = 77
        self.assertEqual(peer.ask('s.view()[0]'), 77)
        self.assertEqual(peer.ask('Storage.import_(handle).size', handle=storage.export()), 100)

    def test_export_keeps_a_released_storage_for_its_time(self):
        owner = self.peer('s = Storage(100); s.view()[0] = 5', 'h = s.export(ttl=float("inf")); s.release(); trim()',
                          't = Storage(100); g = t.export(ttl=0); t.release()')
        self.assertEqual(Storage.import_(owner.ask('h')).view()[0], 5)
        self.raises(Status.STALE, Storage.import_, owner.ask('g'))

    def test_export_is_forgotten_when_its_time_is_over(self):
        neighbour = Storage(100)
        handle = neighbour.export(ttl=0.02)
        neighbour.release()
        self.assertEqual(Allocator.current().info.live_storages, 0)
        self.assertEqual(Allocator.current().statistics()['pending'].current, 1)
        time.sleep(0.03)
        self.assertGreaterEqual(shmalloc.trim(shmalloc.Trim.EXPIRED), 100)
        self.assertEqual(Allocator.current().statistics()['pending'].current, 0)
        self.raises(Status.STALE, Storage.import_, handle)
        shmalloc.trim()
        storage = Storage(100, isolated=True)
        handle = storage.export(ttl=0.02)
        storage.release()
        self.assertTrue(holdings() != self.before)
        time.sleep(0.03)
        self.assertGreaterEqual(shmalloc.trim(shmalloc.Trim.EXPIRED), 100)
        self.assertEqual(holdings(), self.before)
        self.raises(Status.STALE, Storage.import_, handle)

    def test_handle_of_a_dead_process(self):
        owner, peer = self.peer('s = Storage(100); s.view()[0] = 3'), self.peer()
        handle = owner.ask('s.export(ttl=float("inf"))')
        peer.do('s = Storage.import_(handle)', handle=handle)
        owner.kill()
        self.raises(Status.PEER_GONE, Storage.import_, handle)
        self.assertEqual(peer.ask('s.view()[0]'), 3)

    def test_named_handle_outlives_its_process_as_long_as_the_name(self):
        owner = self.peer(f's = Storage(100, name="{PREFIX}n", mapped=Mapped.SHAREDMEM); s.view()[0] = 3')
        handle = owner.ask('s.export(ttl=0)')
        self.assertEqual(shmalloc.handle_info(handle).route, Route.SHM)
        with Storage.import_(handle) as storage:
            owner.do('s.release()')
            self.assertEqual((storage.view()[0], names()), (3, set()))
        self.raises(Status.NOT_FOUND, Storage.import_, handle)

    def test_every_flipped_byte_is_refused(self):
        handle = Storage(100).export(ttl=0)
        for at in set(range(len(handle))) - {5}:  # a minor version that is not known is read as far as it is
            bad = bytearray(handle)
            bad[at] ^= 0x41
            with self.assertRaises((shmalloc.CorruptError, shmalloc.VersionError)):
                shmalloc.handle_info(bytes(bad))

    def test_descriptors_go_with_the_bytes(self):
        storage, peer = Storage(100), self.peer()
        storage.view()[0] = 6
        fds = storage.export_fds()
        peer.do('s = Storage.import_(handle, fds); [os.close(fd) for fd in fds]', fds=fds, handle=storage.export(descriptor=True))
        for fd in fds:
            os.close(fd)
        self.assertEqual(peer.ask('s.view()[0]'), 6)
        self.assertEqual(Storage(0).export_fds(), [])

    def test_grown_elsewhere_grows_here(self):
        storage, peer = Storage(4096, capacity=1 << 20), self.peer()
        peer.do('s = Storage.import_(handle)', handle=storage.export())
        storage.grow(1 << 20)
        storage.view()[-1] = 9
        peer.do('s.grow(0)')
        self.assertEqual(peer.ask('(s.size, s.view()[-1])'), (1 << 20, 9))


class Sockets(Case):
    def test_many_storages_in_one_message(self):
        peer = self.peer()
        storages = [Storage(n + 1) for n in range(shmalloc.ipc.MESSAGE_MAX)]
        for n, storage in enumerate(storages):
            storage.view()[0] = n
        thread = threading.Thread(target=shmalloc.send, args=(peer.link, storages))
        thread.start()
        peer.do('got = receive(link)')
        thread.join()
        self.assertEqual(peer.ask('[(s.size, s.view()[0]) for s in got]'), [(n + 1, n) for n in range(len(storages))])
        self.raises(Status.INVALID, shmalloc.send, peer.link, storages + storages)
        self.raises(Status.INVALID, shmalloc.send, peer.link, [])

    def test_memory_on_the_way_is_held_by_the_socket(self):
        peer = self.peer('s = Storage(100); s.view()[0] = 8; s.send(link); s.release()')
        with peer.link.dup() as link:
            peer.kill()
            self.assertEqual(Storage.receive(link).view()[0], 8)

    def test_seqpacket_and_read_only(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            Storage(100, isolated=True).send(ours, read_only=True)
            got = Storage.receive(theirs)
            self.assertIn(State.READ_ONLY, got.info.state)
            storage = Storage(100)  # of a segment the socket holds the segment, not the storage in it
            storage.send(ours)
            self.assertTrue(Storage.receive(theirs, read_only=True).view().readonly)

    def test_no_room_leaves_the_message(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            sent = [Storage(1), Storage(2)]
            shmalloc.send(ours, sent)
            self.raises(Status.NO_SPACE, Storage.receive, theirs)
            self.assertEqual([s.size for s in shmalloc.receive(theirs)], [1, 2])

    def test_waits_end_by_time_close_and_signal(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            error = self.raises(Status.TIMEOUT, Storage.receive, theirs, timeout=0)
            self.assertIsInstance(error, TimeoutError)
            start = time.monotonic()
            theirs.settimeout(0.05)
            self.raises(Status.TIMEOUT, Storage.receive, theirs)
            self.assertGreater(time.monotonic() - start, 0.045)
            theirs.settimeout(None)

            def alarm(*_):
                raise KeyboardInterrupt

            before = signal.signal(signal.SIGALRM, alarm)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with self.assertRaises(KeyboardInterrupt):
                Storage.receive(theirs)
            signal.signal(signal.SIGALRM, lambda *_: ours.close())
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            error = self.raises(Status.PEER_GONE, Storage.receive, theirs)
            self.assertIsInstance(error, ConnectionError)
            signal.signal(signal.SIGALRM, before)

    def test_full_socket_with_a_timeout(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(0.05)
            sent, storage, last = 0, Storage(1), Storage(3)
            with self.assertRaises(shmalloc.WaitTimeoutError):
                while True:
                    storage.send(ours)
                    sent += 1
            self.assertGreater(sent, 0)
            for _ in range(sent):
                Storage.receive(theirs)
            last.send(ours)
            self.assertEqual(Storage.receive(theirs).size, 3)

    def test_bytes_of_a_stranger_are_corrupt(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            ours.send(b'good morning, this is not a storage' * 4)
            self.raises(Status.CORRUPT, Storage.receive, theirs)

    def test_same_user(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            storage = Storage(4)
            storage.send(ours)
            self.assertEqual(Storage.receive(theirs, same_user=True).size, 4)


class Machine(Case):
    def test_describe_names_what_there_is(self):
        told = shmalloc.describe()
        self.assertIsInstance(told, dict)
        self.assertGreater(len(told), 3)

    def test_what_a_killed_process_left_is_abandoned_and_reclaimed(self):
        prefix = f'{PREFIX}x'
        owner = self.peer(f'a = Allocator(Kind.MAP, prefix="{prefix}")', 's = a.create(5000, mapped=Mapped.SHAREDMEM)')
        name, = names()
        walked = {found.name: found for found in shmalloc.walk(prefix)}
        self.assertEqual((walked['/' + name].size, walked['/' + name].maker), (5000, shmalloc.Maker.SHMALLOC))
        self.assertIn(shmalloc.ObjectState.LOCKED, walked['/' + name].state)
        error = self.raises(Status.BUSY, shmalloc.reclaim, name, prefix=prefix)
        self.assertIn(name, str(error))
        owner.kill()
        walked = {found.name: found for found in shmalloc.walk(prefix)}
        self.assertIn(shmalloc.ObjectState.ABANDONED, walked['/' + name].state)
        self.assertEqual(shmalloc.reclaim(name, prefix=prefix, dry_run=True)[0], 1)
        self.assertEqual(names(), {name})
        self.assertEqual(shmalloc.reclaim(name, prefix=prefix)[0], 1)
        self.assertEqual(names(), set())
        self.raises(Status.NOT_FOUND, shmalloc.reclaim, name, prefix=prefix)

    def test_reclaim_all_takes_only_what_nobody_holds(self):
        if not support.isolated:
            self.skipTest('needs an own /dev/shm')
        prefix = f'{PREFIX}x'
        lines = (f'a = Allocator(Kind.MAP, prefix="{prefix}")', 's = a.create(5000, mapped=Mapped.SHAREDMEM)')
        dead, alive = self.peer(*lines), self.peer(*lines)
        self.assertEqual(len(names()), 2)
        dead.kill()
        self.assertEqual(shmalloc.reclaim(prefix=prefix)[0], 1)
        self.assertEqual(len(names()), 1)
        alive.do('s.release()')

    def test_process_that_can_not_be_looked_into_is_no_obstacle(self):
        """Our objects are judged by the lock on them; and every user has a process that nobody may look into."""
        prefix, user = f'{PREFIX}x', [] if os.getuid() else ['os.setgid(12345); os.setuid(12345)']
        hidden = self.peer(*user, 'import ctypes; ctypes.CDLL(None).prctl(4, 0)')  # PR_SET_DUMPABLE
        owner = self.peer(*user, f'a = Allocator(Kind.MAP, prefix="{prefix}")', 's = a.create(5000, mapped=Mapped.SHAREDMEM)')
        cleaner = self.peer(*user)
        with self.assertRaises(support.PeerError, msg='this is what the test is about'):
            cleaner.ask('os.listdir(path)', path=f'/proc/{hidden.pid}/fd')
        with self.assertRaisesRegex(support.PeerError, 'BusyError'):
            cleaner.ask('reclaim(name, prefix=prefix)', name=owner.ask('s.name'), prefix=prefix)
        owner.kill()
        self.assertEqual(cleaner.ask('reclaim(prefix=prefix)[0]', prefix=prefix), 1)

    def test_python_that_exits_gives_its_names_back(self):
        owner = self.peer(f's = Storage(10, name="{PREFIX}e", mapped=Mapped.SHAREDMEM)')
        self.assertEqual(names(), {f'{PREFIX}e'})
        owner.end()
        self.assertEqual(names(), set())

    def test_names(self):
        made = {shmalloc.make_name(PREFIX) for _ in range(100)}
        self.assertEqual(len(made), 100)
        self.raises(Status.INVALID, shmalloc.make_name, 'a/b')


if __name__ == '__main__':
    unittest.main()
