# Who holds what, and how it goes back.
#
# A finalizer runs at any moment on any thread, in the middle of anything, so it only calls leaves: shmalloc_release_deferred and
# shmalloc_storage_unpin. The next call that may do so does the work.

"""
What is given back in the end. Its users are counted, so that a release in one thread, or in one task while another waits, ends nothing under the feet of a
call: the last user does it.
"""
abstract type Counted end

"One reference to a storage, an allocator or a channel."
mutable struct Reference{T} <: Counted
    pointer::Ptr{T}
    state::Threads.Atomic{Int}  # two for each user, and one once it is released

    function Reference(pointer::Ptr{T}) where {T}
        reference = new{T}(pointer, Threads.Atomic{Int}(0))
        finalizer(defer, reference)
        return reference
    end
end

function defer(reference::Reference)
    pointer, reference.pointer = reference.pointer, C_NULL
    shmalloc_release_deferred(pointer)  # nothing happens for NULL
    return nothing
end

give_back(pointer::Ptr{shmalloc_storage}) = shmalloc_storage_release(pointer)
give_back(pointer::Ptr{shmalloc_allocator}) = shmalloc_allocator_release(pointer)
give_back(pointer::Ptr{shmalloc_channel}) = shmalloc_channel_release(pointer)

one_more(pointer::Ptr{shmalloc_storage}) = shmalloc_storage_retain(pointer)
one_more(pointer::Ptr{shmalloc_allocator}) = shmalloc_allocator_retain(pointer)
one_more(pointer::Ptr{shmalloc_channel}) = shmalloc_channel_retain(pointer)

noun(::Reference{shmalloc_storage}) = "storage"
noun(::Reference{shmalloc_allocator}) = "allocator"
noun(::Reference{shmalloc_channel}) = "channel"

isreleased(reference::Counted) = isodd(reference.state[])

@inline function enter(reference::Counted)
    old = reference.state[]
    while true
        isodd(old) && throw(ShmallocError(:CLOSED, "this $(noun(reference)) was given back"))
        seen = Threads.atomic_cas!(reference.state, old, old + 2)
        seen == old && return
        old = seen
    end
end

@inline function leave(reference::Counted)
    Threads.atomic_sub!(reference.state, 2) == 3 && finish(reference)
    return nothing
end

inner(reference::Reference) = reference.pointer

function finish(reference::Reference)
    pointer, reference.pointer = reference.pointer, C_NULL
    give_back(pointer)
    return nothing
end

"`f(pointer)`, or `f(number)`, which stays good meanwhile. `nothing` stands for NULL, the library's own choice."
@inline function held(f::F, reference::Counted) where {F}
    enter(reference)
    try
        return f(inner(reference))
    finally
        leave(reference)
    end
end
@inline held(f::F, ::Nothing) where {F} = f(C_NULL)

"Call `f(out, err)`, which gives an owned handle out."
@inline function created(f::F, ::Type{T}) where {F,T}
    out = Ref{Ptr{T}}(C_NULL)
    attempt(err -> f(out, err))
    return Reference(out[])
end

"Another reference to the same thing."
duplicate(reference::Reference) = held(reference) do pointer
    one_more(pointer)
    Reference(pointer)
end

"""
    release(thing)

Give the hold of this object back now, without waiting for the garbage collector. The memory goes once no view, no other object and no
export holds it either. A second release does nothing.
"""
function release(reference::Reference)
    Threads.atomic_or!(reference.state, 1) == 0 && finish(reference)
    sweep()
    return nothing
end
