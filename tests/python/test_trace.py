"""Statistics, history and snapshots: what they say, that trace and state agree, and that PyTorch's own tools read them."""
import gc
import json
import os
import threading
import time
import unittest

from shmalloc import Allocator, Kind, Mapped, Reset, Stat, Status, Storage, trim
from support import PREFIX, Case, eventually, holdings

MIB = 1 << 20


def replayed(trace):
    """What a reader of the trace believes to be there: (blocks, segments), each {address: size}."""
    blocks, segments, pending = {}, {}, {}
    for entry in trace:
        address, size = entry.get('addr'), entry['size']
        if entry['action'] == 'alloc':
            assert address not in blocks and address not in pending, entry
            blocks[address] = size
        elif entry['action'] == 'free_requested':
            assert blocks.pop(address) == size, entry
            pending[address] = size
        elif entry['action'] == 'free_completed':
            assert pending.pop(address) == size, entry
        elif entry['action'] == 'segment_alloc':
            assert address not in segments, entry
            segments[address] = size
        elif entry['action'] == 'segment_map':
            (start,) = [start for start, length in segments.items() if start + length == address]
            segments[start] += size
        elif entry['action'] == 'segment_free':
            assert segments.pop(address) == size, entry
        else:
            assert entry['action'] in ('snapshot', 'oom'), entry
    return blocks, segments, pending


class Statistics(Case):
    def test_numbers(self):
        allocator = Allocator(Kind.MAP, export_ttl_ms=0)
        with allocator.create(100), allocator.create(2 * MIB):
            now = allocator.statistics()
            self.assertEqual(now['allocation'], {'all': Stat(2, 2, 2, 0), 'small_pool': Stat(1, 1, 1, 0),
                                                 'large_pool': Stat(1, 1, 1, 0)})
            self.assertEqual(now['requested_bytes']['all'].current, 2 * MIB + 100)
            self.assertEqual(now['reserved_bytes']['small_pool'].current % os.sysconf('SC_PAGE_SIZE'), 0)
        now = allocator.statistics()
        self.assertEqual([value for value in now.values() if isinstance(value, dict) and value['all'].current], [])
        self.assertEqual(now['allocation']['all'], Stat(0, 2, 2, 2))
        self.assertEqual((now['pending'], now['num_ooms'], now['max_split_size']), (Stat(0, 0, 0, 0), 0, -1))
        allocator.reset_statistics(Reset.PEAKS)
        self.assertEqual(allocator.statistics()['allocation']['all'], Stat(0, 0, 2, 2))
        allocator.reset_statistics()
        self.assertEqual(allocator.statistics()['allocation']['all'], Stat(0, 0, 0, 0))

    def test_names_are_pytorchs(self):
        """Those of DeviceStats, and pending."""
        arrays = {f'{name}{unit}' for name in ('active', 'inactive_split') for unit in ('', '_bytes')} | {
            'allocation', 'segment', 'allocated_bytes', 'reserved_bytes', 'requested_bytes'}
        self.assertEqual(set(Allocator(Kind.DIRECT).statistics()), arrays | {
            'oversize_allocations', 'oversize_segments', 'num_alloc_retries', 'num_ooms', 'num_sync_all_streams',
            'num_device_alloc', 'num_device_free', 'max_split_size', 'pending', 'pending_bytes'})

    def test_memory_that_outlives_its_allocator(self):
        allocator = Allocator(Kind.MAP)
        with allocator.create(100) as storage:
            storage.export(ttl=0.05)
        del allocator
        gc.collect()
        eventually(lambda: (trim(), holdings())[1] == self.before, 'the export ends')


class Snapshots(Case):
    def test_keys(self):
        allocator = Allocator(Kind.MAP, name='na"me\n\u20ac', prefix=PREFIX)
        allocator.record_history()
        before = time.time_ns() // 1000
        with allocator.create(5000, name=f'/{PREFIX}_x', mapped=Mapped.SHAREDMEM) as storage:
            found = allocator.snapshot()
            after = time.time_ns() // 1000
            self.assertEqual(set(found), {'segments', 'device_traces', 'allocator_settings', 'external_annotations', 'shmalloc'})
            (segment,) = found['segments']
            self.assertEqual((segment['address'], segment['device'], segment['total_size']), (storage.address, 0, 8192))
            self.assertEqual((segment['allocated_size'], segment['active_size'], segment['requested_size']), (8192, 8192, 5000))
            self.assertEqual((segment['segment_type'], segment['segment_pool_id'], segment['is_expandable'], segment['stream'],
                              segment['frames']), ('small', [0, 0], False, 0, []))
            self.assertTrue(segment['name'].endswith(f'/{PREFIX}_x'))
            self.assertEqual(segment['blocks'], [{'address': storage.address, 'size': 8192, 'requested_size': 5000, 'frames': [],
                                                  'state': 'active_allocated', 'storage_id': storage.info.id}])
            (trace,) = found['device_traces']
            self.assertEqual([(entry['action'], entry['size']) for entry in trace],
                             [('segment_alloc', 8192), ('alloc', 5000), ('snapshot', 8192)])
            for entry in trace[:2]:
                self.assertEqual(entry['addr'], storage.address)
                self.assertTrue(before <= entry['time_us'] <= after, (before, entry, after))
                self.assertEqual((entry['thread'], entry['storage_id']), (threading.get_native_id(), storage.info.id))
                self.assertEqual((entry['stream'], entry['compile_context'], entry['frames']), (0, 'N/A', []))
        ours = found['shmalloc']
        self.assertEqual((ours['pid'], ours['allocator']['kind']), (os.getpid(), Kind.MAP))
        self.assertEqual(ours['allocator']['name'], 'na"me \u20ac')
        self.assertEqual(ours['history'], {'recording': True, 'entries': 3, 'dropped': 0, 'max_entries': 100000})
        self.assertEqual(found['allocator_settings']['config'], allocator.config())
        self.assertEqual(ours['statistics'], {name: {pool: stat._asdict() for pool, stat in value.items()}
                                              if isinstance(value, dict) else value._asdict() if isinstance(value, Stat) else value
                                              for name, value in self.as_then(allocator, ours).items()})

    @staticmethod
    def as_then(allocator, ours):
        """The statistics now, where the one storage is gone, with what they were when the snapshot was made."""
        now = allocator.statistics()
        for name, value in now.items():
            if isinstance(value, dict):
                now[name] = {pool: Stat(stat.freed, stat.peak, stat.allocated, 0) for pool, stat in value.items()}
        now['num_device_free'] = 0
        return now

    def test_text_can_be_sent(self):
        allocator = Allocator(Kind.MAP, export_ttl_ms=0)
        with allocator.snapshot_storage(allocator) as text, Storage.import_(text.export()) as same:
            self.assertEqual(json.loads(bytes(same.view()))['segments'], [])
        self.assertEqual(allocator.statistics()['active']['all'].current, 0)

    def test_arguments(self):
        allocator = Allocator(Kind.DIRECT)
        self.raises(Status.INVALID, lambda: allocator.record_history(max_entries=-1))
        self.raises(Status.UNSUPPORTED, lambda: allocator.reset_statistics(1 << 20))

    def history(self, kind):
        """Threads that make, grow, export, close and release; then the snapshot, with some storages left."""
        allocator = Allocator(kind, **({'export_ttl_ms': 1} if kind == Kind.MAP else {}))
        allocator.record_history(max_entries=1 << 20)
        left = []

        def work(number):
            for i in range(200):
                storage = allocator.create(1 + 997 * i, **({'capacity': MIB} if kind == Kind.MAP else {}))
                if kind == Kind.MAP and i % 3 == 0:
                    storage.grow(MIB)
                if kind == Kind.MAP and i % 5 == 0:
                    storage.export()
                if i % 7 == 0:
                    storage.close()
                if i % 50 == number:
                    left.append(storage)
                else:
                    storage.release()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return allocator, left

    def test_trace_and_state_agree(self):
        for kind in (Kind.DIRECT, Kind.MAP):
            with self.subTest(kind):
                allocator, left = self.history(kind)
                found = allocator.snapshot()
                active = {block['address']: block['requested_size'] for segment in found['segments'] for block in segment['blocks']
                          if block['state'] == 'active_allocated'}
                blocks, segments, pending = replayed(found['device_traces'][0])
                self.assertEqual(active, blocks)
                self.assertEqual({segment['address']: segment['total_size'] for segment in found['segments']}, segments)
                self.assertEqual(set(segments), set(blocks) | set(pending))
                live = [storage for storage in left if storage.size]
                self.assertEqual({storage.address: storage.size for storage in live}, active)
                numbers = found['shmalloc']['statistics']
                self.assertEqual(numbers['reserved_bytes']['all']['current'], sum(segments.values()))
                self.assertEqual(numbers['requested_bytes']['all']['current'], sum(active.values()))
                addresses = [segment['address'] for segment in found['segments']]
                self.assertEqual(addresses, sorted(addresses))
                for storage in left:
                    storage.release()
                eventually(lambda: (trim(), allocator.snapshot()['segments'])[1] == [], 'exports end')
                self.assertEqual(replayed(allocator.snapshot()['device_traces'][0]), ({}, {}, {}))

    def test_pytorchs_own_tool_reads_it(self):
        from torch.cuda import _memory_viz
        allocator, _left = self.history(Kind.MAP)
        found = allocator.snapshot()
        segments = found['segments']
        told = _memory_viz.stats(segments)
        self.assertEqual(told['segments'], len(segments))
        self.assertEqual(told['total_size'].value, found['shmalloc']['statistics']['reserved_bytes']['all']['current'])
        drawn = _memory_viz.memory(segments, format_flamegraph=lambda text: text)
        self.assertIn('stream_0;active_allocated ', drawn)


if __name__ == '__main__':
    unittest.main()
