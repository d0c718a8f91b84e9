package shmalloc

// #include "shim.h"
import "C"

// What only allocators of kind CACHING can do: memory of a device by its address. Others answer ErrUnsupported.

// Allocate is memory of the device by its address, for work on a stream, nil: the default stream. What was given back on that stream may be
// had again at once: in its order nobody uses it any more. Size 0: the address is 0. ErrNoMemory says what stands in the way. Nobody gives
// it back but Deallocate; NewStorage is the same with an owner.
func (a *Allocator) Allocate(size int, stream *Stream) (uint64, error) {
	if size < 0 {
		return 0, refused(StatusInvalid, "a size below 0")
	}
	var address C.shmalloc_address
	err := a.callOn(stream, func(on C.shmalloc_stream, f *frame) C.shmalloc_status {
		return C.shmalloc_allocator_allocate(a.raw(), C.size_t(size), on, &address, &f.err)
	})
	return uint64(address), err
}

// Deallocate gives memory back, in the order of its streams: work that was queued until now is done before anybody else has it. Stream is
// where it was used last, which RecordStream need not be told then; nil, other than elsewhere: the one that it was made for, and those that were
// recorded. ErrNotFound: no block in use begins there.
func (a *Allocator) Deallocate(address uint64, stream *Stream) error {
	return a.callOn(stream, func(on C.shmalloc_stream, f *frame) C.shmalloc_status {
		if stream == nil {
			on = C.SHMALLOC_STREAM_OWN
		}
		return C.shmalloc_allocator_deallocate(a.raw(), C.shmalloc_address(address), on, &f.err)
	})
}

// RecordStream notes that another stream uses this memory, of Allocate or of a storage: what is queued there when it is given back is done
// before anybody else has it. ErrNotFound: no block in use begins there.
func (a *Allocator) RecordStream(address uint64, stream *Stream) error {
	return a.callOn(stream, func(on C.shmalloc_stream, f *frame) C.shmalloc_status {
		return C.shmalloc_allocator_record_stream(a.raw(), C.shmalloc_address(address), on, &f.err)
	})
}

// Base is what the device gave in one piece, of which this memory, of Allocate or of a storage, is a part: its first byte, and its size.
// ErrNotFound: no block in use begins there.
func (a *Allocator) Base(address uint64) (base, size uint64, err error) {
	var first C.shmalloc_address
	var bytes C.uint64_t
	err = a.callOn(nil, func(_ C.shmalloc_stream, f *frame) C.shmalloc_status {
		return C.shmalloc_allocator_get_base(a.raw(), C.shmalloc_address(address), &first, &bytes, &f.err)
	})
	return uint64(first), uint64(bytes), err
}

func (a *Allocator) callOn(stream *Stream, do func(on C.shmalloc_stream, f *frame) C.shmalloc_status) error {
	if err := a.begin(); err != nil {
		return err
	}
	defer a.end()
	on, err := stream.on(a.where())
	if err != nil {
		return err
	}
	defer stream.end()
	f := newFrame()
	defer f.done()
	return f.check(do(on, f))
}

// CacheInfo is what an allocator could give.
type CacheInfo struct {
	Largest   uint64 // bytes: what might be had in one piece
	Cached    uint64 // bytes that were had from the device and are not in use; those that wait for streams not included
	Available uint64 // bytes that the device has
	Total     uint64 // bytes of the device
}

// CacheInfo is what might be had, and what is cached.
func (a *Allocator) CacheInfo() (CacheInfo, error) {
	raw := C.shmalloc_cache_info{struct_size: C.sizeof_shmalloc_cache_info}
	err := a.callOn(nil, func(_ C.shmalloc_stream, f *frame) C.shmalloc_status {
		return C.shmalloc_allocator_get_cache_info(a.raw(), &raw, &f.err)
	})
	if err != nil {
		return CacheInfo{}, err
	}
	return CacheInfo{
		Largest: uint64(raw.largest), Cached: uint64(raw.cached), Available: uint64(raw.available), Total: uint64(raw.total),
	}, nil
}

// CachingOptions are settings with the meanings of their keys in AllocatorOptions.Config. What is 0 stays as it is.
type CachingOptions struct {
	MaxSplitSize         uint64     // bytes, whole MiB; math.MaxUint64: unlimited
	MaxNonSplitRounding  uint64     // bytes, whole MiB
	LargeSegmentSize     uint64     // bytes, whole MiB
	GarbageCollectionPPM uint32     // garbage_collection_threshold in millionths, less than 10^6; math.MaxUint32: never
	MemoryPPM            uint32     // per_process_memory_fraction in millionths, at most 10^6; math.MaxUint32: nothing may be had
	RoundupDivisions     [16]uint32 // of sizes from 2^n MiB; the first of smaller, the last of larger ones too; 1: none
}

// ConfigureCaching changes settings: all that are not 0, or none. ErrInvalid names the field.
func (a *Allocator) ConfigureCaching(o CachingOptions) error {
	params := C.shmalloc_caching_params{
		struct_size: C.sizeof_shmalloc_caching_params, max_split_size: C.uint64_t(o.MaxSplitSize),
		max_non_split_rounding: C.uint64_t(o.MaxNonSplitRounding), large_segment_size: C.uint64_t(o.LargeSegmentSize),
		garbage_collection_ppm: C.uint32_t(o.GarbageCollectionPPM), memory_ppm: C.uint32_t(o.MemoryPPM),
	}
	for i, divisions := range o.RoundupDivisions {
		params.roundup_divisions[i] = C.uint32_t(divisions)
	}
	return a.callOn(nil, func(_ C.shmalloc_stream, f *frame) C.shmalloc_status {
		return C.shmalloc_allocator_configure_caching(a.raw(), &params, &f.err)
	})
}
