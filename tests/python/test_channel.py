"""Channels: storages from one process to the other, in order, once, and with what is said of them."""
import threading
import unittest

from shmalloc import Channel, ChannelState, Status, Storage
from support import Case


class Channels(Case):
    def test_storages_come_with_their_records(self):
        with Channel() as channel, Storage(1000) as storage:
            storage.view()[:5] = b'hello'
            channel.send(storage, b'what it is')
            channel.send(None, b'alone')
            channel.send(storage)
            self.assertEqual((channel.info.length, channel.info.capacity, channel.info.record_size), (3, 256, 32))
            received, record = channel.receive()
            self.assertEqual((bytes(received.view()[:5]), record), (b'hello', b'what it is'))
            self.assertEqual(channel.receive(), (None, b'alone'))
            received, record = channel.receive(timeout=0)
            self.assertEqual((received.size, record), (1000, b''))
            self.raises(Status.TIMEOUT, channel.receive, timeout=0)
            self.raises(Status.TIMEOUT, channel.receive, timeout=0.01)
            self.raises(Status.INVALID, channel.send, None, b'x' * 33)
        self.assertTrue(channel.released)
        self.raises(Status.CLOSED, channel.receive)

    def test_limits(self):
        self.raises(Status.INVALID, Channel, capacity=65537)
        self.raises(Status.INVALID, Channel, record_size=4097)
        self.assertRaises(OverflowError, Channel, capacity=-1)
        channel = Channel(capacity=3, record_size=0)
        self.assertEqual((channel.info.capacity, channel.info.record_size), (4, 0))
        for _ in range(4):
            channel.send(None)
        self.raises(Status.TIMEOUT, channel.send, None, timeout=0)
        self.raises(Status.UNSUPPORTED, channel.send, Storage(10, isolated=True))
        self.raises(Status.CORRUPT, Channel.open, Storage(10))
        self.assertIn('4/4', repr(channel))

    def test_iteration_ends_when_it_is_closed_and_empty(self):
        channel = Channel()
        for i in range(3):
            channel.send(None, bytes([i]))
        channel.close()
        self.assertIn(ChannelState.CLOSED, channel.info.state)
        self.raises(Status.CLOSED, channel.send, None)
        self.assertEqual([record for _, record in channel], [b'\0', b'\1', b'\2'])

    def test_another_process_answers(self):
        there, back = Channel(capacity=4), Channel(capacity=4)
        peer = self.peer('import threading', 'Channel = shmalloc.Channel')
        peer.do('a = Channel.open(Storage.import_(there)); b = Channel.open(Storage.import_(back))',
                there=there.storage().export(ttl=0), back=back.storage().export(ttl=0))
        peer.do('def answer():\n'
                '    for storage, record in a:\n'
                '        storage.view()[:1] = b"B"\n'
                '        b.send(storage, record[::-1])\n'
                '    b.close()\n'
                'threading.Thread(target=answer, daemon=True).start()')
        self.assertEqual(there.info.attached, 2)

        def send():
            for i in range(500):
                with Storage(100 + i) as storage:
                    storage.view()[:1] = b'A'
                    there.send(storage, f'{i:04}'.encode())
            there.close()
        sender = threading.Thread(target=send)
        sender.start()
        for i, (storage, record) in enumerate(back):
            self.assertEqual((storage.size, bytes(storage.view()[:1]), record), (100 + i, b'B', f'{i:04}'.encode()[::-1]))
            storage.release()
        sender.join()
        self.assertEqual((there.info.sent, back.info.received), (500, 500))

    def test_a_dead_peer_ends_the_wait(self):
        channel, peer = Channel(), self.peer()
        peer.do('c = shmalloc.Channel.open(Storage.import_(handle)); c.send(None, b"last")', handle=channel.storage().export(ttl=0))
        peer.kill()
        self.assertEqual(channel.receive(), (None, b'last'))
        self.raises(Status.PEER_GONE, channel.receive)


if __name__ == '__main__':
    unittest.main()
