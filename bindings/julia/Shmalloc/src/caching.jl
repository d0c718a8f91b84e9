# What allocators of kind :caching have beyond storages: memory by its address, and settings by fields.

"""
    allocate(allocator, size; stream=0)

Memory of a device by its address, for work on a stream: for those who plug into other libraries, and call `deallocate` in the end. All else has
`Storage`.
"""
function allocate(allocator::Allocator, size::Integer; stream::StreamLike=SHMALLOC_STREAM_DEFAULT)
    out = Ref{shmalloc_address}(0)
    held(allocator.reference) do pointer
        held(queue -> attempt(err -> shmalloc_allocator_allocate(pointer, size, queue, out, err)), stream, allocator)
    end
    return out[]
end

"""
    deallocate(allocator, address; stream=nothing)

Give it back: what was queued until now is done before anybody else has it. `stream` is where it was used last; `nothing`: where `allocate` and
`record_stream` said.
"""
function deallocate(allocator::Allocator, address::Address; stream::Union{StreamLike,Nothing}=nothing)
    held(allocator.reference) do pointer
        held(something(stream, SHMALLOC_STREAM_OWN), allocator) do queue
            attempt(err -> shmalloc_allocator_deallocate(pointer, UInt64(address), queue, err))
        end
    end
end

"""
    record_stream(allocator, address, stream)
    record_stream(storage, stream)

Another stream uses this memory: what is queued there when it is given back is done before anybody else has it.
"""
function record_stream(allocator::Allocator, address::Address, stream::StreamLike)
    held(allocator.reference) do pointer
        held(queue -> attempt(err -> shmalloc_allocator_record_stream(pointer, UInt64(address), queue, err)), stream, allocator)
    end
end

"    base(allocator, address)\n\nWhat the device gave in one piece, of which this memory is a part: its `address` and its `size`."
function base(allocator::Allocator, address::Address)
    first, size = Ref{shmalloc_address}(0), Ref{UInt64}(0)
    held(allocator.reference) do pointer
        attempt(err -> shmalloc_allocator_get_base(pointer, UInt64(address), first, size, err))
    end
    return (address=first[], size=Int(size[]))
end

"""
    cache_info(allocator)

What might be had: the `largest` piece, and what is `cached`, `available` and there in `total`; `nothing` for what the device does not say.
"""
function cache_info(allocator::Allocator)
    out = blank(shmalloc_cache_info)
    held(pointer -> attempt(err -> shmalloc_allocator_get_cache_info(pointer, out, err)), allocator.reference)
    i = out[]
    return (largest=amount(i.largest), cached=amount(i.cached), available=amount(i.available), total=amount(i.total))
end

"""
    configure_caching!(allocator; max_split_size, max_non_split_rounding, large_segment_size, garbage_collection_threshold,
                       per_process_memory_fraction, roundup_divisions)

Change settings: all that are given, or none. Sizes are bytes, whole MiB, `Inf` for no limit; parts are 0 to 1; `roundup_divisions` is a number for all
sizes, or up to 16 for those from 1, 2, 4, .. MiB. What they mean stands at shmalloc_allocator_params.
"""
function configure_caching!(allocator::Allocator; max_split_size=nothing, max_non_split_rounding=nothing, large_segment_size=nothing,
                            garbage_collection_threshold=nothing, per_process_memory_fraction=nothing, roundup_divisions=nothing)
    params = Ref(shmalloc_caching_params(
        sizeof(shmalloc_caching_params), setting_size(max_split_size), setting_size(max_non_split_rounding), setting_size(large_segment_size),
        setting_part(garbage_collection_threshold), setting_part(per_process_memory_fraction), setting_divisions(roundup_divisions)))
    held(pointer -> attempt(err -> shmalloc_allocator_configure_caching(pointer, params, err)), allocator.reference)
end

# To the library 0 says that a setting stays as it is.
setting_size(::Nothing) = UInt64(0)
setting_size(bytes::Real) = bytes == Inf ? typemax(UInt64) : bytes > 0 ? UInt64(bytes) : throw(ArgumentError("a size of $bytes bytes"))

setting_part(::Nothing) = UInt32(0)
function setting_part(part::Real)
    0 <= part <= 1 || throw(ArgumentError("$part is no part of a whole"))
    return part == 0 ? typemax(UInt32) : max(UInt32(1), round(UInt32, part * 1_000_000))
end

setting_divisions(::Nothing) = ntuple(_ -> UInt32(0), 16)
setting_divisions(all::Integer) = setting_divisions(fill(all, 16))
function setting_divisions(each)
    length(each) <= 16 || throw(ArgumentError("there are 16 steps of sizes, not $(length(each))"))
    return ntuple(i -> i <= length(each) ? max(UInt32(1), UInt32(each[i])) : UInt32(0), 16)
end
