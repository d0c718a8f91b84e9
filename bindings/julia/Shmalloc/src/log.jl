# Hearing what no call can return.
#
# The library calls its listener in the middle of things, where Julia must neither switch tasks nor wait for the garbage collector: another
# thread may be inside set_log, waiting for just this listener. So the listener copies the line into a list that is C memory, and wakes a task
# that hands it on.

const LINE_HEAD = 16  # bytes before the text of a line in the list: the next line, the level

const lines = Threads.Atomic{UInt}(0)          # the newest line that is not handed on; 0: none
const waker = Ref{Ptr{Cvoid}}(C_NULL)          # of the task
const listening = Ref{Any}(nothing)            # (function, AsyncCondition)
const listening_lock = ReentrantLock()

function hear(level::Int32, message::Ptr{UInt8}, _userdata::Ptr{Cvoid})
    length = ccall(:strlen, Csize_t, (Ptr{UInt8},), message)
    line = ccall(:malloc, Ptr{UInt8}, (Csize_t,), LINE_HEAD + length + 1)
    line == C_NULL && return nothing
    unsafe_store!(Ptr{Int32}(line + 8), level)
    ccall(:memcpy, Ptr{Cvoid}, (Ptr{Cvoid}, Ptr{Cvoid}, Csize_t), line + LINE_HEAD, message, length + 1)
    put(lines, line)
    ccall(:uv_async_send, Cint, (Ptr{Cvoid},), waker[])
    return nothing
end

"Take all lines off the list: (level, text), the oldest first."
function take_lines()
    taken = Tuple{Union{Symbol,Int64},String}[]
    take_all(lines) do line
        push!(taken, (word(LEVEL, unsafe_load(Ptr{Int32}(line + 8))), unsafe_string(line + LINE_HEAD)))
    end
    return reverse!(taken)
end

function hand_on(listener)
    for (level, line) in take_lines()
        try
            listener(level, line)
        catch problem
            @error "a listener of Shmalloc.set_log failed" exception = (problem, catch_backtrace())
        end
    end
end

"""
    set_log(listener, level=:note)
    set_log(nothing)

Call `listener(level, line)` for each line of at least this importance (`:error`, `:warning`, `:note`), or take the listener off, once it has heard what
there is. It runs in a task of its own, soon after. One for the whole process. In a process where other runtimes use shmalloc too, on threads
that Julia does not know, it needs Julia 1.9.
"""
function set_log(listener, level::Union{Symbol,Integer}=:note)
    lock(listening_lock) do
        attempt(err -> shmalloc_set_log(C_NULL, SHMALLOC_LOG_LEVEL_NONE, C_NULL, C_NULL, err))
        if listening[] !== nothing
            before, condition = listening[]
            waker[] = C_NULL
            listening[] = nothing
            close(condition)
            hand_on(before)
        end
        listener === nothing && return
        importance = number(LEVEL, level)
        condition = Base.AsyncCondition(_ -> hand_on(listener))
        waker[] = Base.unsafe_convert(Ptr{Cvoid}, condition)
        listening[] = (listener, condition)
        precompile(hear, (Int32, Ptr{UInt8}, Ptr{Cvoid}))  # not when the first line comes
        hearing = @cfunction(hear, Cvoid, (Int32, Ptr{UInt8}, Ptr{Cvoid}))
        attempt(err -> shmalloc_set_log(hearing, importance, C_NULL, C_NULL, err))
    end
    return nothing
end

# At exit Julia's tasks end before the library does.
__init__() = atexit(() -> listening[] === nothing || set_log(nothing))
