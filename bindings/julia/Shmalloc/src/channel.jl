"""
    StorageChannel(capacity=0; record_size=nothing)
    StorageChannel(storage)
    open(StorageChannel, handle)

A bounded queue of storages, each with some bytes beside it, for any number of senders and receivers in up to 64 processes: a new one for so many storages
(0: 256) with records of so many bytes at most (`nothing`: 32), or the one that lives in a storage, which may be released then.

    channel = StorageChannel()
    text = export_text(Storage(channel))           # elsewhere: open(StorageChannel, text)
    send(channel, storage, b"what it is")

    for (storage, record) in channel ... end       # until it is closed

Any thread may use it, several at once. Other tasks run while a call waits.
"""
struct StorageChannel
    reference::Reference{shmalloc_channel}
    room::Int
end

function StorageChannel(reference::Reference{shmalloc_channel})
    return StorageChannel(reference, channel_info(reference).record_size)
end

function StorageChannel(capacity::Integer=0; record_size::Union{Nothing,Integer}=nothing)
    bits = record_size == 0 ? SHMALLOC_CHANNEL_NO_RECORD : 0
    params = Ref(shmalloc_channel_params(sizeof(shmalloc_channel_params), capacity, something(record_size, 0), bits))
    return StorageChannel(created((out, err) -> shmalloc_channel_create(params, out, err), shmalloc_channel))
end

StorageChannel(storage::Storage) = StorageChannel(held(storage.reference) do pointer
    created((out, err) -> shmalloc_channel_open(pointer, out, err), shmalloc_channel)
end)

Base.open(::Type{StorageChannel}, handle::Handle; options...) = releasing(StorageChannel, open(Storage, handle; options...))

"    Storage(channel)\n\nThe storage that a channel lives in: to be exported or sent, so that others can open the channel. Leave its bytes alone."
Storage(channel::StorageChannel) = Storage(held(channel.reference) do pointer
    created((out, err) -> shmalloc_channel_storage(pointer, out, err), shmalloc_storage)
end)

"Leave the channel; it is not closed for the others. What was sent can still be received while this process lives."
release(channel::StorageChannel) = release(channel.reference)
retain(channel::StorageChannel) = StorageChannel(duplicate(channel.reference), channel.room)

"    close(channel)\n\nClose it for everybody: nothing can be sent any more, what is in it can still be received."
Base.close(channel::StorageChannel) = held(pointer -> attempt(err -> shmalloc_channel_close(pointer, err)), channel.reference)
Base.isopen(channel::StorageChannel) = !isreleased(channel.reference) && !(:closed in info(channel).state)

info(channel::StorageChannel) = channel_info(channel.reference)
function channel_info(reference)
    out = blank(shmalloc_channel_info)
    held(pointer -> attempt(err -> shmalloc_channel_get_info(pointer, out, err)), reference)
    i = out[]
    return (capacity=Int(i.capacity), length=Int(i.length), sent=Int(i.sent), received=Int(i.received), skipped=Int(i.skipped),
            record_size=Int(i.record_size), attached=Int(i.attached), state=flagged(CHANNEL_STATE, i.state))
end

const Record = Union{AbstractVector{UInt8},AbstractString}
record_bytes(record::AbstractVector{UInt8}) = convert(Vector{UInt8}, record)
record_bytes(record::AbstractString) = Vector{UInt8}(codeunits(record))

"""
    send(channel, storage, record=UInt8[]; timeout=nothing)

Send a storage of an allocator of kind `:shared`, or with `nothing` the record alone. It is held for the receiver: release it when you like.
`timeout`: seconds to wait while the channel is full; `nothing`: as long as it takes, 0: not at all.
"""
function send(channel::StorageChannel, storage::Union{Storage,Nothing}, record::Record=UInt8[]; timeout::Union{Nothing,Real}=nothing)
    try_send(channel, storage, record; timeout=timeout) || throw(ShmallocError(:TIMEOUT, "the channel is full"))
    return nothing
end

"    try_send(channel, storage, record=UInt8[]; timeout=0)\n\nThe same, but `false` if the channel is full for so long."
function try_send(channel::StorageChannel, storage::Union{Storage,Nothing}, record::Record=UInt8[]; timeout::Union{Nothing,Real}=0)
    bytes, err = record_bytes(record), Ref{shmalloc_error}()
    status = held(channel.reference) do queue
        held(storage === nothing ? nothing : storage.reference) do pointer
            patiently((time, err) -> shmalloc_channel_send(queue, pointer, bytes, length(bytes), time, err), timeout, err)
        end
    end
    status == SHMALLOC_STATUS_OK || status == SHMALLOC_STATUS_TIMEOUT || throw(ShmallocError(status, err))
    return status == SHMALLOC_STATUS_OK
end

"""
    receive(channel; timeout=nothing)

The next storage, or `nothing` where a record came alone, and its record. CLOSED: it is empty and closed; PEER_GONE: it is empty, and nobody else has it open
any more. `timeout`: seconds to wait while the channel is empty; `nothing`: as long as it takes, 0: not at all.
"""
function receive(channel::StorageChannel; timeout::Union{Nothing,Real}=nothing)
    received = try_receive(channel; timeout=timeout)
    received === nothing && throw(ShmallocError(:TIMEOUT, "the channel is empty"))
    return received
end

"    try_receive(channel; timeout=0)\n\nThe same, but `nothing` if the channel is empty for so long."
function try_receive(channel::StorageChannel; timeout::Union{Nothing,Real}=0)
    status, err, received = next(channel, timeout)
    status == SHMALLOC_STATUS_OK || status == SHMALLOC_STATUS_TIMEOUT || throw(ShmallocError(status, err))
    return received
end

function next(channel::StorageChannel, timeout)
    out, err = Ref{Ptr{shmalloc_storage}}(C_NULL), Ref{shmalloc_error}()
    record, length = Vector{UInt8}(undef, channel.room), Ref{Csize_t}(channel.room)
    status = held(channel.reference) do queue
        patiently((time, err) -> shmalloc_channel_receive(queue, out, record, length, time, err), timeout, err)
    end
    status == SHMALLOC_STATUS_OK || return status, err, nothing
    storage = out[] == C_NULL ? nothing : Storage(Reference(out[]))
    return status, err, (storage, resize!(record, length[]))
end

"What comes, until the channel is closed and empty."
function Base.iterate(channel::StorageChannel, _state=nothing)
    status, err, received = next(channel, nothing)
    status == SHMALLOC_STATUS_CLOSED && return nothing
    status == SHMALLOC_STATUS_OK || throw(ShmallocError(status, err))
    return received, nothing
end
Base.IteratorSize(::Type{StorageChannel}) = Base.SizeUnknown()
Base.eltype(::Type{StorageChannel}) = Tuple{Union{Storage,Nothing},Vector{UInt8}}

Base.show(io::IO, channel::StorageChannel) = isreleased(channel.reference) ? print(io, "StorageChannel(released)") :
    (i = info(channel); print(io, "StorageChannel(", i.length, '/', i.capacity, isempty(i.state) ? "" : ", closed", ')'))
