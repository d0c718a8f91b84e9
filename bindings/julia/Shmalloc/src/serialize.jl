# Storages in messages of Julia's own: Distributed sends the handle, and the other process opens the same memory.

"""
Seconds that what was sent to another Julia process stays good when nothing here holds it any more: until that process has opened it. `nothing`: as
long as the allocator says, which is 10 seconds unless it is set. What is released here stays in memory that long.
"""
const serialized_ttl = Ref{Union{Nothing,Float64}}(nothing)

# Its number means something else in another process.
Serialization.serialize(::AbstractSerializer, thing::OnDevice) = throw(ArgumentError("a $(noun(thing)) is of this process alone"))

# Who can't write it himself can't let others do so.
passed(storage::Storage) = export_bytes(storage; ttl=serialized_ttl[], read_only=:read_only in info(storage).state)

taken(s::AbstractSerializer; options...) = open(Storage, Serialization.deserialize(s)::Vector{UInt8}; options...)

"What is mentioned several times in a message is one object there, too."
function mentioned(s::AbstractSerializer, thing)
    Serialization.deserialize_cycle(s, thing)
    return thing
end

function Serialization.serialize(s::AbstractSerializer, storage::Storage)
    Serialization.serialize_cycle_header(s, storage) && return
    Serialization.serialize(s, passed(storage))
end
Serialization.deserialize(s::AbstractSerializer, ::Type{Storage}) = mentioned(s, taken(s))

function Serialization.serialize(s::AbstractSerializer, channel::StorageChannel)
    Serialization.serialize_cycle_header(s, channel) && return
    releasing(storage -> Serialization.serialize(s, passed(storage)), Storage(channel))
end
Serialization.deserialize(s::AbstractSerializer, ::Type{StorageChannel}) = mentioned(s, releasing(StorageChannel, taken(s)))

function Serialization.serialize(s::AbstractSerializer, array::AnyStorageArray)
    Serialization.serialize_cycle_header(s, array) && return
    releasing(storage -> Serialization.serialize(s, passed(storage)), Storage(array))
    Serialization.serialize(s, byteoffset(array))
    Serialization.serialize(s, size(array))
end

Serialization.deserialize(s::AbstractSerializer, ::Type{A}) where {T,A<:StorageArray{T}} = rebuilt(s, StorageArray{T}, false)
Serialization.deserialize(s::AbstractSerializer, ::Type{A}) where {T,A<:ReadOnlyStorageArray{T}} = rebuilt(s, ReadOnlyStorageArray{T}, true)

function rebuilt(s, A, read_only)
    return releasing(taken(s; read_only=read_only)) do storage
        offset = Serialization.deserialize(s)::Int
        return mentioned(s, A(storage, Serialization.deserialize(s)::Dims; offset=offset))
    end
end
