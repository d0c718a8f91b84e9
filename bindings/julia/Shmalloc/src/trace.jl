# What an allocator did and has.

const POOLS = (:all, :small_pool, :large_pool)  # PyTorch's names, in the order of shmalloc_stat_pool

told(value::Int64) = Int(value)
told(s::shmalloc_stat) = (current=Int(s.current), peak=Int(s.peak), allocated=Int(s.allocated), freed=Int(s.freed))
told(pools::NTuple{3,shmalloc_stat}) = NamedTuple{POOLS}(map(told, pools))

"""
    statistics(allocator=nothing)

What an allocator has and had, by the names of shmalloc_statistics: `statistics(a)[:allocated_bytes].all.peak`.
"""
function statistics(allocator::Union{Allocator,Nothing}=nothing)
    out = blank(shmalloc_statistics)
    held(pointer -> attempt(err -> shmalloc_allocator_get_statistics(pointer, out, err)), reference(allocator))
    return Dict{Symbol,Any}(name => told(getfield(out[], name)) for name in fieldnames(shmalloc_statistics) if name !== :struct_size)
end

"    reset_statistics!(allocator=nothing; what=())\n\nBegin to count anew: `:peaks`, `:accumulated`, or nothing for all."
function reset_statistics!(allocator::Union{Allocator,Nothing}=nothing; what=())
    bits = flags(RESET, what)
    held(pointer -> attempt(err -> shmalloc_allocator_reset_statistics(pointer, bits, err)), reference(allocator))
end

"""
    record_history!(allocator, on=true; max_entries=0, clear=false)

Record from now on the newest `max_entries` (0: 100000) of what is made, released, given back, and could not be made; or end that. `snapshot` tells.
"""
function record_history!(allocator::Union{Allocator,Nothing}, on::Bool=true; max_entries::Integer=0, clear::Bool=false)
    bits = (on ? SHMALLOC_HISTORY_RECORD : 0) | (clear ? SHMALLOC_HISTORY_CLEAR : 0)
    params = Ref(shmalloc_history_params(sizeof(shmalloc_history_params), max_entries, bits, 0))
    held(pointer -> attempt(err -> shmalloc_allocator_record_history(pointer, params, err)), reference(allocator))
end

"    snapshot_storage(allocator=nothing; to=nothing)\n\nThe text of `snapshot` in a storage of `to`, where it can be sent from; `nothing`: in private memory."
function snapshot_storage(allocator::Union{Allocator,Nothing}=nothing; to::Union{Allocator,Nothing}=nothing)
    params = Ref(shmalloc_snapshot_params(sizeof(shmalloc_snapshot_params), SHMALLOC_SNAPSHOT_FORMAT_JSON, 0))
    return held(reference(allocator)) do pointer
        held(reference(to)) do target
            Storage(created((out, err) -> shmalloc_allocator_snapshot(pointer, params, target, out, err), shmalloc_storage))
        end
    end
end

"    snapshot(allocator=nothing)\n\nWhat an allocator has now, and its history, as JSON text with the keys that PyTorch's tools read."
function snapshot(allocator::Union{Allocator,Nothing}=nothing)
    storage = snapshot_storage(allocator)
    try
        return SharedBytes(text -> String(Vector{UInt8}(text)), storage)
    finally
        release(storage)
    end
end
