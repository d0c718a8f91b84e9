"""
    Storage(size; allocator, stream=0, zeroed=false, isolated=false, capacity=0, alignment=0, name, mapped=(), fd, file_offset=0, page_size=0,
            mode=0, numa_node)
    Storage(f, size; ...)

`size` bytes that other processes can open, by default in a segment with others and not zeroed. With a function first it is released at
the end: `Storage(100) do storage .. end`.

`isolated` gives it pages and a descriptor of its own, for receivers that must not see its neighbours or must not write; so does a `capacity`
beyond the size. `mapped` are the words of shmalloc_mapped_flags (`:sharedmem`, `(:shared, :nocreate)`); `fd` implies `:fromfd`. What asks for an
object of its own so (`name`, `mapped`, `fd`, `file_offset`, `page_size`, `mode`) is of kind `:map`, unless an allocator is given.

On a device, which `allocator` has, `stream` is that of the first use. The last release gives the memory back in the order of this stream, and of those
that `record_stream` names.

Its bytes are seen through a `StorageArray`. It is given back when nothing refers to it any more, or by `release` at once. Any thread may use it.
"""
struct Storage
    reference::Reference{shmalloc_storage}
end

function Storage(size::Integer; allocator::Union{Allocator,Nothing}=nothing, stream::StreamLike=SHMALLOC_STREAM_DEFAULT, options...)
    # The short way of the usual case: the current allocator's defaults.
    isempty(options) && return storage_made(allocator, size, stream, C_NULL)
    return storage_with(size, allocator, stream; options...)
end

storage_made(allocator, size, stream, params) = held(reference(allocator)) do pointer
    held(stream, allocator) do queue
        Storage(created((out, err) -> shmalloc_storage_create(pointer, size, queue, params, out, err), shmalloc_storage))
    end
end

function storage_with(size, allocator, stream; name=nothing, mapped=(), fd=nothing, alignment=0, capacity=0, file_offset=0, page_size=0,
                      zeroed::Bool=false, isolated::Bool=false, mode=0, numa_node=nothing)
    bits = flags(MAPPED, mapped) | (fd === nothing ? 0 : SHMALLOC_MAPPED_FROMFD)
    own = name !== nothing || bits != 0 || file_offset != 0 || page_size != 0 || mode != 0
    maps = !own || allocator !== nothing || info(nothing).kind in (:map, :map_refcounted)
    label = in_struct(name)
    GC.@preserve label begin
        params = Ref(shmalloc_storage_params(
            sizeof(shmalloc_storage_params), chars(label), alignment, capacity, file_offset, page_size,
            (zeroed ? SHMALLOC_STORAGE_ZEROED : 0) | (isolated ? SHMALLOC_STORAGE_ISOLATED : 0), bits, mode,
            fd === nothing ? -1 : descriptor(fd), numa_node === nothing ? 0 : numa_node < 0 ? -1 : numa_node + 1, 0))
        return storage_made(maps ? allocator : Allocator(:map), size, stream, params)
    end
end

"""
    open(Storage, handle; fds=(), read_only=false, format=:native, counted=false)
    open(f, Storage, handle; ...)

Open a handle, given as bytes or as text. `fds` are descriptors that came with it; they stay yours.
"""
function Base.open(::Type{Storage}, handle::Handle; fds=(), options...)
    bytes, given, params = octets(handle), Cint[descriptor(fd) for fd in fds], import_params(; options...)
    return Storage(created(shmalloc_storage) do out, err
        shmalloc_storage_import(bytes, length(bytes), given, length(given), params, out, err)
    end)
end

"`f(storage)`, and then its release."
function releasing(f, storage)
    try
        return f(storage)
    finally
        release(storage)
    end
end
Storage(f::Base.Callable, size::Integer; options...) = releasing(f, Storage(size; options...))
Base.open(f::Function, ::Type{Storage}, handle::Handle; options...) = releasing(f, open(Storage, handle; options...))

"    storage_at(address, device=Device())\n\nThe storage of this process that an address lies in, and how many bytes into it."
function storage_at(address::Address, device::Device=Device())
    offset = Ref{Csize_t}(0)
    found = created((out, err) -> shmalloc_storage_find(device.number, UInt64(address), out, offset, err), shmalloc_storage)
    return Storage(found), Int(offset[])
end

release(storage::Storage) = release(storage.reference)
retain(storage::Storage) = Storage(duplicate(storage.reference))

"""
    close(storage)

Give memory, descriptor and name back now, whoever else holds the storage in this process. BUSY: an array over it is open.
"""
function Base.close(storage::Storage)
    isreleased(storage.reference) && return nothing
    held(pointer -> attempt(err -> shmalloc_storage_close(pointer, err)), storage.reference)
    sweep()
    return nothing
end

Base.isopen(storage::Storage) = !isreleased(storage.reference) && !(:closed in info(storage).state)

"    sizeof(storage)\n\nBytes that may be used; 0 when it is closed."
Base.sizeof(storage::Storage) = Int(held(shmalloc_storage_size, storage.reference))

"    pointer(storage)\n\nIts first byte, NULL where the host has no access: not held, so good only until somebody shares, closes or gives it back. A `StorageArray` holds its bytes."
Base.pointer(storage::Storage) = Ptr{UInt8}(held(shmalloc_storage_data, storage.reference))

"Its first byte in its device's space; 0 when it is empty or closed."
address(storage::Storage) = held(shmalloc_storage_address, storage.reference)

"Where something is: a storage, an allocator's storages, a stream or an event."
device(storage::Storage) = info(storage).device
device(allocator::Allocator) = allocator.device
device(::Nothing) = Device()  # where no allocator is named

function record_stream(storage::Storage, stream::StreamLike)
    held(storage.reference) do pointer
        held(queue -> attempt(err -> shmalloc_storage_record_stream(pointer, queue, err)), stream, storage)
    end
end

function info(storage::Storage)
    out = blank(shmalloc_storage_info)
    held(pointer -> attempt(err -> shmalloc_storage_get_info(pointer, out, err)), storage.reference)
    i = out[]
    return (data=i.data, address=i.address, device=Device(i.device), size=Int(i.size), capacity=Int(i.capacity), id=Int(i.id),
            generation=Int(i.generation), allocator_id=Int(i.allocator_id), references=Int(i.references), pins=Int(i.pins),
            kind=word(KIND, i.kind), state=flagged(STATE, i.state), mapped=flagged(MAPPED, i.mapped), fd=Int(i.fd))
end

"Path of its file or name of its shm object; `nothing` if it has none."
function name(storage::Storage)
    try
        return held(storage.reference) do pointer
            text_filled((text, length, err) -> shmalloc_storage_get_name(pointer, text, length, err))
        end
    catch problem
        isstatus(problem, :NOT_FOUND) || rethrow()
        return nothing
    end
end

"Could another process open it?"
isshared(storage::Storage) = :shared in info(storage).state

"""
    copyto!(to::Storage, from::Storage; size=nothing, offset=0, source_offset=0, stream=0, non_blocking=false)

Copy bytes; `size`: all that follow the offsets, and then both must be as long. Offsets are bytes and begin at 0.

Where one of them is a device's, the copy is queued on `stream`: of the device of `to`, or of `from` if `to` is the host's. With `non_blocking` that is all, and the library holds both until it is done; else the
thread sleeps until then, and its other tasks with it. So it does for the host's shared memory that is not `:sealed`, for another process could cut it short, and
for devices without `:call`.
"""
function Base.copyto!(to::Storage, from::Storage; size=nothing, offset::Integer=0, source_offset::Integer=0,
                      stream::StreamLike=SHMALLOC_STREAM_DEFAULT, non_blocking::Bool=false)
    count = size === nothing ? SHMALLOC_SIZE_ALL : Csize_t(size)
    bits = non_blocking ? SHMALLOC_COPY_NON_BLOCKING : 0
    place = stream isa DeviceStream && device(to) == Device() ? from : to
    held(to.reference) do target
        held(from.reference) do source
            held(queue -> attempt(err -> shmalloc_storage_copy(target, offset, source, source_offset, count, queue, bits, err)), stream, place)
        end
    end
    return to
end

"    share!(storage; to=nothing, stream=0)\n\nMake a private storage shareable, and keep this object: its bytes move. BUSY: an array over it is open."
function share!(storage::Storage; to::Union{Allocator,Nothing}=nothing, stream::StreamLike=SHMALLOC_STREAM_DEFAULT)
    held(storage.reference) do pointer
        held(reference(to)) do target
            held(queue -> attempt(err -> shmalloc_storage_share(pointer, target, queue, err)), stream, storage)
        end
    end
    sweep()
    return storage
end

"""
    grow!(storage, size; stream=0)

Make it longer, at the same address, up to `info(storage).capacity`; 0: to whatever another process made it. Arrays made before keep their length.
"""
function grow!(storage::Storage, size::Integer; stream::StreamLike=SHMALLOC_STREAM_DEFAULT)
    held(storage.reference) do pointer
        held(queue -> attempt(err -> shmalloc_storage_grow(pointer, size, queue, err)), stream, storage)
    end
    return storage
end

"    seal(storage)\n\nFrom here on nobody writes it; for storages with pages of their own (`isolated`). BUSY: somebody still may."
seal(storage::Storage) = held(pointer -> attempt(err -> shmalloc_storage_seal(pointer, err)), storage.reference)

"""
    export_bytes(storage; ttl=nothing, read_only=false, format=:native, descriptor=false, counted=false)

Bytes from which other processes of this machine open it. `ttl`: seconds that they stay good after the release here; `nothing`: the
allocator's, 0: not at all, Inf: as long as this process lives. `read_only` needs pages of its own: `isolated`, or kind `:map` without a name.
"""
function export_bytes(storage::Storage; options...)
    params = export_params(; options...)
    return held(storage.reference) do pointer
        filled((bytes, length, err) -> shmalloc_storage_export(pointer, params, bytes, length, err), UInt8, SHMALLOC_HANDLE_MAX)
    end
end

"    export_text(storage; ...)\n\nThe same as text, for JSON, a command line or a variable."
export_text(storage::Storage; options...) = handle_to_text(export_bytes(storage; options...))

"""
    export_fds(storage; read_only=false, format=:native)

Its descriptors, for those who bring them to the receiver themselves. They are yours to close. A storage in a segment has two, which lead to all
that lies in the segment.
"""
function export_fds(storage::Storage; options...)
    params = export_params(; options...)
    fds = held(storage.reference) do pointer
        filled((fds, count, err) -> shmalloc_storage_export_fds(pointer, params, fds, count, err), Int32, 4)
    end
    return map(RawFD, fds)
end

"    revoke(storage)\n\nMake every bytes-only handle that was given out void. Those who have it open keep it."
revoke(storage::Storage) = held(pointer -> attempt(err -> shmalloc_storage_revoke(pointer, err)), storage.reference)

Base.show(io::IO, storage::Storage) = isreleased(storage.reference) ? print(io, "Storage(released)") :
    (i = info(storage); print(io, "Storage(", i.size, ", id ", i.id, ", ", join(i.state, ' '), ')'))
