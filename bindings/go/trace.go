package shmalloc

// #include "shim.h"
import "C"

import "encoding/json"

// Stat is one statistic.
type Stat struct {
	Current   int64 // now
	Peak      int64 // the most that Current was since the peaks were reset
	Allocated int64 // all that was ever added
	Freed     int64 // all that was ever taken away
}

// Pools is a statistic of each pool; its index is a StatPool.
type Pools [3]Stat

// Statistics is what an allocator has and had; shmalloc_statistics says what each of them is.
type Statistics struct {
	Allocation, Segment, Active, InactiveSplit                                       Pools
	AllocatedBytes, ReservedBytes, ActiveBytes, InactiveSplitBytes, RequestedBytes   Pools
	OversizeAllocations, OversizeSegments, Pending, PendingBytes                     Stat
	AllocRetries, OutOfMemory, SyncAllStreams, DeviceAlloc, DeviceFree, MaxSplitSize int64
}

func stat(raw *C.shmalloc_stat) Stat {
	return Stat{int64(raw.current), int64(raw.peak), int64(raw.allocated), int64(raw.freed)}
}

func pools(raw *[3]C.shmalloc_stat) Pools {
	return Pools{stat(&raw[StatPoolAll]), stat(&raw[StatPoolSmall]), stat(&raw[StatPoolLarge])}
}

// Statistics is what the allocator has and had.
func (a *Allocator) Statistics() (Statistics, error) {
	if err := a.begin(); err != nil {
		return Statistics{}, err
	}
	defer a.end()
	f := newFrame()
	defer f.done()
	raw := C.shmalloc_statistics{struct_size: C.sizeof_shmalloc_statistics}
	if err := f.check(C.shmalloc_allocator_get_statistics(a.raw(), &raw, &f.err)); err != nil {
		return Statistics{}, err
	}
	return Statistics{
		Allocation: pools(&raw.allocation), Segment: pools(&raw.segment), Active: pools(&raw.active),
		InactiveSplit: pools(&raw.inactive_split), AllocatedBytes: pools(&raw.allocated_bytes),
		ReservedBytes: pools(&raw.reserved_bytes), ActiveBytes: pools(&raw.active_bytes),
		InactiveSplitBytes: pools(&raw.inactive_split_bytes), RequestedBytes: pools(&raw.requested_bytes),
		OversizeAllocations: stat(&raw.oversize_allocations), OversizeSegments: stat(&raw.oversize_segments),
		Pending: stat(&raw.pending), PendingBytes: stat(&raw.pending_bytes),
		AllocRetries: int64(raw.num_alloc_retries), OutOfMemory: int64(raw.num_ooms),
		SyncAllStreams: int64(raw.num_sync_all_streams), DeviceAlloc: int64(raw.num_device_alloc),
		DeviceFree: int64(raw.num_device_free), MaxSplitSize: int64(raw.max_split_size),
	}, nil
}

// ResetStatistics begins to count anew; 0: all that can be. What is current stays.
func (a *Allocator) ResetStatistics(what ResetFlags) error {
	if err := a.begin(); err != nil {
		return err
	}
	defer a.end()
	f := newFrame()
	defer f.done()
	return f.check(C.shmalloc_allocator_reset_statistics(a.raw(), C.uint32_t(what), &f.err))
}

// HistoryOptions say how history is recorded.
type HistoryOptions struct {
	MaxEntries uint64 // how many of the newest entries are kept; 0: 100000
	Stop       bool   // end recording; what was recorded stays, unless Clear is set
	Clear      bool   // forget what was recorded before
}

// RecordHistory records from now on what is made, released and given back, and what could not be made; Snapshot tells. Nil: all zero.
func (a *Allocator) RecordHistory(o *HistoryOptions) error {
	if err := a.begin(); err != nil {
		return err
	}
	defer a.end()
	if o == nil {
		o = &HistoryOptions{}
	}
	params := C.shmalloc_history_params{struct_size: C.sizeof_shmalloc_history_params, max_entries: C.uint64_t(o.MaxEntries)}
	if !o.Stop {
		params.flags |= C.SHMALLOC_HISTORY_RECORD
	}
	if o.Clear {
		params.flags |= C.SHMALLOC_HISTORY_CLEAR
	}
	f := newFrame()
	defer f.done()
	return f.check(C.shmalloc_allocator_record_history(a.raw(), &params, &f.err))
}

// Snapshot is what the allocator has now, and its history, as JSON with PyTorch's keys, in a storage of `to`: where it can be sent from.
// Nil: in private memory.
func (a *Allocator) Snapshot(to *Allocator) (*Storage, error) {
	if err := a.begin(); err != nil {
		return nil, err
	}
	defer a.end()
	if err := to.begin(); err != nil {
		return nil, err
	}
	defer to.end()
	params := C.shmalloc_snapshot_params{struct_size: C.sizeof_shmalloc_snapshot_params, format: C.SHMALLOC_SNAPSHOT_FORMAT_JSON}
	f := newFrame()
	defer f.done()
	if err := f.check(C.shmalloc_allocator_snapshot(a.raw(), &params, to.raw(), &f.storage, &f.err)); err != nil {
		return nil, err
	}
	return newStorage(f.storage), nil
}

// SnapshotJSON is the text of Snapshot.
func (a *Allocator) SnapshotJSON() (json.RawMessage, error) {
	storage, err := a.Snapshot(nil)
	if err != nil {
		return nil, err
	}
	defer storage.Close()
	text := make(json.RawMessage, storage.Size())
	_, err = storage.ReadAt(text, 0)
	return text, err
}
