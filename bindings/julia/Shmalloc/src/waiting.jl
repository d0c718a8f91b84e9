# Waits that leave room for others. A call into C that sleeps holds up its thread, the tasks on it, and the garbage collector of all
# threads. So no call here sleeps long: between short ones other tasks have their turn.

const SHORTEST_SLICE = 100_000     # nanoseconds
const LONGEST_SLICE = 10_000_000

"""
Call `f(timeout_ns, err)` until it answers other than TIMEOUT or INTERRUPTED, for `timeout` seconds at most (`nothing`: without end), and
return that status. While other tasks have work the waits stay short; with nothing else to do they last up to 10 ms each.
"""
function patiently(f::F, timeout::Union{Nothing,Real}, err) where {F}
    begun, slice = time_ns(), SHORTEST_SLICE
    limit = nanoseconds(timeout)
    status = f(SHMALLOC_TIME_NONE, err)
    while (status == SHMALLOC_STATUS_TIMEOUT && limit != SHMALLOC_TIME_NONE) || status == SHMALLOC_STATUS_INTERRUPTED
        before = time_ns()
        GC.safepoint()  # a yield to nobody is none
        yield()
        now = time_ns()
        slice = now - before > SHORTEST_SLICE ? SHORTEST_SLICE : min(2slice, LONGEST_SLICE)
        left = limit > 0 ? limit - Int64(now - begun) : LONGEST_SLICE
        left <= 0 && return f(SHMALLOC_TIME_NONE, err)
        status = f(Int64(min(slice, left)), err)
    end
    return status
end

"Wait until `f()`. Other tasks run meanwhile; after a while it is asked once in a millisecond."
function until(f::F) where {F}
    begun = time_ns()
    while !f()
        GC.safepoint()
        time_ns() - begun < SHORTEST_SLICE ? yield() : sleep(0.001)
    end
end

"""
A ccall that may wait for long and calls nothing of Julia's: the garbage collector does not wait for it. So nothing that allocates may stand in its arguments.
"""
macro gc_safe(call)
    return quote
        state = ccall(:jl_gc_safe_enter, Int8, ())
        status = $(esc(call))
        ccall(:jl_gc_safe_leave, Cvoid, (Int8,), state)
        status
    end
end

"Wait until a descriptor can be read or written, or is broken, for at most so many seconds (`nothing`: without end). Other tasks run meanwhile."
function await(fd::Cint, seconds::Union{Nothing,Real}; readable=false, writable=false)
    # Julia may watch the descriptor itself, and does not watch one twice: a duplicate is another one to it.
    other = ccall(:dup, Cint, (Cint,), fd)
    systemerror("dup", other < 0)
    try
        # poll_fd leaves its timer behind, so it gets none that is long.
        poll_fd(RawFD(other), seconds === nothing ? -1 : clamp(seconds, 0, 1); readable=readable, writable=writable)
    catch problem
        problem isa Base.IOError || rethrow()  # the next call on the socket tells what is wrong with it
    finally
        ccall(:close, Cint, (Cint,), other)
    end
    return nothing
end
