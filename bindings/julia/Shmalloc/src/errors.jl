"""
A call of the library failed. `status` is a symbol with the name that C has: `:STALE`, `:NO_SPACE`, `:BUSY`. `os_error` is errno, and
`backend_error` a driver's own code; both are 0 where there is none. The message says what was tried, on what, and what to do about it.
"""
struct ShmallocError <: Exception
    status::Symbol
    message::String
    os_error::Int32
    backend_error::Int64
end
ShmallocError(status::Symbol, message) = ShmallocError(status, message, 0, 0)

function ShmallocError(status::shmalloc_status, err::Ref{shmalloc_error})
    written = err[]
    name = status_name(status)
    message = text_out(written.message)
    return ShmallocError(Symbol(name), isempty(message) ? name : message, written.os_error, written.backend_error)
end

Base.showerror(io::IO, problem::ShmallocError) = print(io, "ShmallocError ", problem.status, ": ", problem.message)

"Name of a status: \"NO_SPACE\"; \"UNKNOWN\" for a number without one."
status_name(status::Integer) = unsafe_string(shmalloc_status_name(status))

"Is this the failure of a call with that status? For `catch` blocks."
isstatus(problem, status::Symbol) = problem isa ShmallocError && problem.status === status

"Call `f(err)`, and throw what it answers. A wait that a signal ended goes on."
@inline function attempt(f::F) where {F}
    err = Ref{shmalloc_error}()
    while true
        status = f(err)
        status == SHMALLOC_STATUS_OK && return nothing
        status == SHMALLOC_STATUS_INTERRUPTED || throw(ShmallocError(status, err))
        GC.safepoint()
    end
end

"What `f(buffer, length, err)` writes: an array whose length only the library knows. `room` is what is tried first."
function filled(f::F, ::Type{T}, room::Integer) where {F,T}
    while true
        buffer, length, err = Vector{T}(undef, room), Ref{Csize_t}(room), Ref{shmalloc_error}()
        status = f(buffer, length, err)
        if status == SHMALLOC_STATUS_OK
            return resize!(buffer, length[])
        elseif status == SHMALLOC_STATUS_NO_SPACE && length[] > room
            room = length[]
        elseif status != SHMALLOC_STATUS_INTERRUPTED
            throw(ShmallocError(status, err))
        end
    end
end

"The same for text, which ends with a zero byte."
text_filled(f::F, room::Integer=256) where {F} = String(filled(f, UInt8, room)[1:end-1])
