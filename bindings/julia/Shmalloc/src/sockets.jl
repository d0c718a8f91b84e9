# Storages over a unix socket.

"What a socket is given as: its number, a RawFD, or Julia's own object for it."
const SocketLike = Union{Integer,RawFD,Base.PipeEndpoint}

descriptor(fd::Integer) = Cint(fd)
descriptor(fd::RawFD) = reinterpret(Cint, fd)
descriptor(socket::Base.PipeEndpoint) = descriptor(Base._fd(socket))

"Can something be written at once? A blocking socket that is full would hold up all of Julia, so it is asked first."
function iswritable_now(fd::Cint)
    asked = Ref{Tuple{Cint,Cshort,Cshort}}((fd, 4, 0))  # struct pollfd, POLLOUT
    return ccall(:poll, Cint, (Ptr{Cvoid}, Culong, Cint), asked, 1, 0) != 0
end

"Call `f(err)` until it answers other than TIMEOUT. Other tasks run while the socket is waited for."
function until_ready(f::F, fd::Cint, timeout::Union{Nothing,Real}; event...) where {F}
    begun, err = time(), Ref{shmalloc_error}()
    while true
        status = f(err)
        status == SHMALLOC_STATUS_OK && return nothing
        status == SHMALLOC_STATUS_TIMEOUT || status == SHMALLOC_STATUS_INTERRUPTED || throw(ShmallocError(status, err))
        left = timeout === nothing ? nothing : timeout - (time() - begun)
        left === nothing || left > 0 || throw(ShmallocError(:TIMEOUT, "the socket was not ready within $timeout seconds"))
        await(fd, left; event...)
    end
end

"`f(pointers)` with all of the references held."
function held(f::F, references::Vector{Reference{shmalloc_storage}}) where {F}
    entered = 0
    try
        for reference in references
            enter(reference)
            entered += 1
        end
        return f(Ptr{shmalloc_storage}[reference.pointer for reference in references])
    finally
        foreach(leave, references[1:entered])
    end
end

"""
    send(socket, storage; timeout=nothing, ttl=nothing, read_only=false)
    send(socket, storages; ...)

Send storages in one message over a connected unix socket, stream or seqpacket: a descriptor's number, a `RawFD`, or what `Sockets.connect` and
`accept` return for a path. Other tasks run while it waits; TIMEOUT after so many seconds. Nobody else may send on the socket meanwhile. A storage
in a segment that is released here is kept for the `ttl` of the export (`nothing`: the allocator's).
"""
function send(socket::SocketLike, storages::AbstractVector{Storage}; timeout::Union{Nothing,Real}=nothing, options...)
    params, fd = export_params(; options...), descriptor(socket)
    held([storage.reference for storage in storages]) do pointers
        until_ready(fd, timeout; writable=true) do err
            iswritable_now(fd) || return SHMALLOC_STATUS_TIMEOUT
            shmalloc_storage_send(fd, pointers, length(pointers), params, err)
        end
    end
end
send(socket::SocketLike, storage::Storage; options...) = send(socket, [storage]; options...)

"""
    receive(socket; timeout=nothing, room=253, read_only=false, same_user=false)

The storages of one message, as a vector. Other tasks run while it waits; TIMEOUT after so many seconds, 0: only look. NO_SPACE: there are more than
`room`, and they wait. `same_user`: the other end must run as this user. Nobody else may read the socket meanwhile, Julia's own `read` neither.
"""
function receive(socket::SocketLike; timeout::Union{Nothing,Real}=nothing, room::Integer=SHMALLOC_MESSAGE_MAX, options...)
    params, fd = import_params(; timeout_ns=SHMALLOC_TIME_NONE, options...), descriptor(socket)
    pointers, count = Vector{Ptr{shmalloc_storage}}(undef, room), Ref{Csize_t}(room)
    until_ready(fd, timeout; readable=true) do err
        shmalloc_storage_receive(fd, params, pointers, count, err)
    end
    return Storage[Storage(Reference(pointer)) for pointer in pointers[1:count[]]]
end
