# Lists in C memory, for callbacks and finalizers: nothing of Julia's is allocated or waited for to put something on.

"Put a piece of C memory on a list. Its first word is the list's."
function put(list::Threads.Atomic{UInt}, piece::Ptr)
    newest = list[]
    while true
        unsafe_store!(Ptr{UInt}(piece), newest)
        seen = Threads.atomic_cas!(list, newest, UInt(piece))
        seen == newest && return nothing
        newest = seen
    end
end

"Take all pieces off, `f(piece)` for each, the newest first, and free them."
function take_all(f::F, list::Threads.Atomic{UInt}) where {F}
    piece = Ptr{UInt8}(Threads.atomic_xchg!(list, UInt(0)))
    while piece != C_NULL
        next = Ptr{UInt8}(unsafe_load(Ptr{UInt}(piece)))
        f(piece)
        Libc.free(piece)
        piece = next
    end
end
