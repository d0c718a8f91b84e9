"""
    StorageArray{T}(storage, dims...; offset=0)
    StorageArray{T}(f, storage, dims...; offset=0)
    StorageArray{T}(undef, dims...; options...)

The bytes of a storage, from `offset` on, as an array of plain data in Julia's order; without `dims` a vector of all that fits. With a function first
it is closed at the end. The last form makes a new storage first, with the options of `Storage`.

The array holds the memory by itself, also after the storage is released, and as long as it or anything made from it (a view, a reshaped array) lives,
the bytes stay where they are: what would move or unmap them is BUSY. `close(array)` ends that at once; the array is empty then, and nobody may be using
it. `Storage(array)` is the storage that it lies in.

Memory that is read-only has only `ReadOnlyStorageArray`s, and that of a device which the host has no access to has none. Where the host has access, it
is yours to wait for the stream first.
"""
mutable struct StorageArray{T,N} <: DenseArray{T,N}
    pointer::Ptr{T}
    dims::NTuple{N,Int}
    handle::Ptr{shmalloc_storage}

    function StorageArray{T,N}(pin::NamedTuple, dims::NTuple{N,Int}) where {T,N}
        array = new{T,N}(pin.data, dims, pin.handle)
        finalizer(unpin, array)
        return array
    end
end

"""
    ReadOnlyStorageArray{T}(storage, dims...; offset=0)

As `StorageArray`, for looking only. It is no `DenseArray`, for what takes one of these may write through its pointer.
"""
mutable struct ReadOnlyStorageArray{T,N} <: AbstractArray{T,N}
    pointer::Ptr{T}
    dims::NTuple{N,Int}
    handle::Ptr{shmalloc_storage}

    function ReadOnlyStorageArray{T,N}(pin::NamedTuple, dims::NTuple{N,Int}) where {T,N}
        array = new{T,N}(pin.data, dims, pin.handle)
        finalizer(unpin, array)
        return array
    end
end

"The bytes of a storage as they are."
const SharedBytes = StorageArray{UInt8,1}

const AnyStorageArray{T,N} = Union{StorageArray{T,N},ReadOnlyStorageArray{T,N}}

access(::Type{<:StorageArray}) = SHMALLOC_ACCESS_WRITE
access(::Type{<:ReadOnlyStorageArray}) = SHMALLOC_ACCESS_READ

"Of every finalizer and `close`: a leaf."
function unpin(array::AnyStorageArray)
    handle, array.handle, array.pointer = array.handle, C_NULL, C_NULL
    array.dims = map(zero, array.dims)
    shmalloc_storage_unpin(handle, access(typeof(array)))  # nothing happens for NULL
    return nothing
end

"How many elements of so many bytes, in the shape that is asked for. What does not fit is an error."
function shape(elsize::Int, room::Int, dims::Dims)
    all(d -> d >= 0, dims) || throw(ArgumentError("dimensions $dims"))
    bytes = reduce((n, d) -> Base.Checked.checked_mul(n, d), dims; init=elsize)
    bytes <= room || throw(DimensionMismatch("an array of $bytes bytes reaches beyond the $room bytes that there are"))
    return dims
end
shape(elsize::Int, room::Int, ::Tuple{}) = (elsize == 0 ? 0 : room ÷ elsize,)

function pinned(::Type{A}, ::Type{T}, storage::Storage, dims::Dims, offset::Integer) where {A,T}
    isbitstype(T) || throw(ArgumentError("elements of type $T are no plain bytes"))
    data, size = Ref{Ptr{Cvoid}}(C_NULL), Ref{Csize_t}(0)
    handle = held(storage.reference) do pointer
        attempt(err -> shmalloc_storage_pin(pointer, access(A), data, size, err))
        pointer
    end
    try
        data[] == C_NULL && size[] > 0 &&
            throw(ShmallocError(:UNSUPPORTED, "the host has no access to the memory of $(device(storage)): copy it to a storage of the host's"))
        0 <= offset <= size[] || throw(BoundsError("storage of $(size[]) bytes", offset))
        first = data[] + offset
        UInt(first) % Base.datatype_alignment(T) == 0 || throw(ArgumentError("offset $offset is not aligned for $T"))
        lengths = shape(sizeof(T), Int(size[]) - Int(offset), dims)
        return A{T,length(lengths)}((data=Ptr{T}(first), handle=handle), lengths)
    catch
        shmalloc_storage_unpin(handle, access(A))
        rethrow()
    end
end

for A in (:StorageArray, :ReadOnlyStorageArray)
    @eval begin
        $A{T}(storage::Storage, dims::Dims; offset::Integer=0) where {T} = pinned($A, T, storage, dims, offset)
        $A{T}(storage::Storage, dims::Integer...; offset::Integer=0) where {T} = pinned($A, T, storage, map(Int, dims), offset)
        $A{T,N}(storage::Storage, dims...; offset::Integer=0) where {T,N} = $A{T}(storage, dims...; offset=offset)::$A{T,N}
        $A{T}(f::Base.Callable, storage::Storage, dims...; offset::Integer=0) where {T} = closing(f, $A{T}(storage, dims...; offset=offset))
        $A{T,N}(f::Base.Callable, storage::Storage, dims...; offset::Integer=0) where {T,N} = closing(f, $A{T,N}(storage, dims...; offset=offset))
        $A(storage::Storage; offset::Integer=0) = $A{UInt8}(storage; offset=offset)
    end
end

function StorageArray{T}(::UndefInitializer, dims::Integer...; options...) where {T}
    isbitstype(T) || throw(ArgumentError("elements of type $T are no plain bytes"))
    isempty(dims) && throw(ArgumentError("an array without dimensions"))
    lengths = shape(sizeof(T), typemax(Int), map(Int, dims))
    return releasing(storage -> StorageArray{T}(storage, lengths), Storage(sizeof(T) * prod(lengths); options...))
end
StorageArray{T}(::UndefInitializer, dims::Dims; options...) where {T} = StorageArray{T}(undef, dims...; options...)

function closing(f, array)
    try
        return f(array)
    finally
        close(array)
    end
end

"    close(array)\n\nEnd the array's hold on its memory. It is empty from then on; nobody may be using it in the middle of something."
Base.close(array::AnyStorageArray) = unpin(array)
release(array::AnyStorageArray) = unpin(array)
Base.isopen(array::AnyStorageArray) = array.handle != C_NULL

"    Storage(array)\n\nThe storage that an array lies in, as an object of its own."
function Storage(array::AnyStorageArray)
    GC.@preserve array begin
        array.handle == C_NULL && throw(ShmallocError(:CLOSED, "this array was closed"))
        one_more(array.handle)
        return Storage(Reference(array.handle))
    end
end

"    byteoffset(array)\n\nBytes from the first of its storage to the first of the array."
byteoffset(array::AnyStorageArray) =
    GC.@preserve array Int(UInt(array.pointer) - UInt(shmalloc_storage_data(array.handle)))

# ---- what makes it an array ----

Base.size(array::AnyStorageArray) = array.dims
Base.IndexStyle(::Type{<:AnyStorageArray}) = IndexLinear()
Base.sizeof(array::AnyStorageArray{T}) where {T} = sizeof(T) * length(array)
Base.elsize(::Type{<:AnyStorageArray{T}}) where {T} = sizeof(T)
Base.strides(array::AnyStorageArray) = Base.size_to_strides(1, size(array)...)
Base.unsafe_convert(::Type{Ptr{T}}, array::AnyStorageArray{T}) where {T} = array.pointer
Base.pointer(array::ReadOnlyStorageArray) = array.pointer
Base.dataids(array::AnyStorageArray) = (UInt(array.handle),)

Base.@propagate_inbounds function Base.getindex(array::AnyStorageArray, i::Int)
    @boundscheck checkbounds(array, i)
    return GC.@preserve array unsafe_load(array.pointer, i)
end

Base.@propagate_inbounds function Base.setindex!(array::StorageArray{T}, value, i::Int) where {T}
    @boundscheck checkbounds(array, i)
    element = convert(T, value)
    GC.@preserve array unsafe_store!(array.pointer, element, i)
    return array
end

Base.setindex!(::ReadOnlyStorageArray, _value, _indices...) =
    throw(ShmallocError(:PERMISSION, "this array is for reading only"))

# One piece of plain bytes, which the general methods would move one by one.
Base.write(io::IO, array::AnyStorageArray) = GC.@preserve array Int(unsafe_write(io, array.pointer, sizeof(array)))

function Base.read!(io::IO, array::StorageArray)
    GC.@preserve array unsafe_read(io, array.pointer, sizeof(array))
    return array
end
