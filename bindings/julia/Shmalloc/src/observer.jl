# Hearing when memory runs out.

"What observes: it lives until the library says that it is done with it."
mutable struct Observed
    f::Any
end

"An observer of an allocator's, until `close(observer)` or the allocator's end."
struct Observer
    allocator::Allocator
    id::Threads.Atomic{UInt64}  # 0: it was taken off
end

heard(n::shmalloc_notice) =
    (kind=word(NOTICE, n.kind), report=unsafe_string(n.report), device=Device(n.device), allocator_id=Int(n.allocator_id), stream=n.stream,
     requested=amount(n.requested), rounded=amount(n.rounded), total=amount(n.total), available=amount(n.available), limit=amount(n.limit),
     reserved=amount(n.reserved), allocated=amount(n.allocated), pending=amount(n.pending), largest_free=amount(n.largest_free),
     fragmentation=Int(n.fragmentation))

# Runs on the thread of the call that causes it, in the middle of that, and no exception may leave it.
function observe_notice(notice::Ptr{shmalloc_notice}, userdata::Ptr{Cvoid})
    try
        observed = unsafe_pointer_to_objref(unsafe_load(Ptr{Ptr{Cvoid}}(userdata + SEMAPHORE_SIZE)))::Observed
        return Int32(Base.invokelatest(observed.f, heard(unsafe_load(notice))) === true)
    catch problem
        trace = catch_backtrace()
        @async @error "an observer of Shmalloc.observe failed" exception = (problem, trace)  # to print is to wait, so it comes soon after
        return Int32(0)
    end
end

"""
    observe(f, allocator, kinds=(:memory_low, :out_of_memory))

Call `f(notice)` when nothing cached fits (`:memory_low`) or an allocation fails (`:out_of_memory`), for allocators of kind `:caching`. The notice is a
named tuple with the names of shmalloc_notice. For `:memory_low`, `f` answers `true` if it gave memory back. Returns an `Observer`, to be closed.

`f` runs on the thread whose call it is, on several at once, in the middle of the call. It may call this package, but must not wait, and to print is to
wait: `@async println(notice.report)` does it soon after. What it throws is logged, and counts as no answer. In a process where other runtimes use the
allocator too, on threads that Julia does not know, it needs Julia 1.9.
"""
function observe(f, allocator::Allocator, kinds=(:memory_low, :out_of_memory))
    bits, id, observed, holder = flags(NOTICE, kinds), Ref{UInt64}(0), Observed(f), retain(allocator)
    observing = @cfunction(observe_notice, Int32, (Ptr{shmalloc_notice}, Ptr{Cvoid}))
    semaphore = keep(observed, pointer_from_objref(observed))
    try
        held(holder.reference) do pointer
            attempt(err -> shmalloc_allocator_observe(pointer, bits, observing, semaphore, cglobal(:sem_post), id, err))
        end
    catch
        release(holder)
        rethrow()
    end
    return Observer(holder, Threads.Atomic{UInt64}(id[]))
end

"    close(observer)\n\nHear no more: no call of the observer's function runs any more. BUSY: this is such a call."
function Base.close(observer::Observer)
    id = Threads.atomic_xchg!(observer.id, UInt64(0))
    id == 0 && return nothing
    try
        held(pointer -> attempt(err -> unobserve_safely(pointer, id, err)), observer.allocator.reference)
    catch
        observer.id[] = id
        rethrow()
    end
    release(observer.allocator)
    return nothing
end
Base.isopen(observer::Observer) = observer.id[] != 0

# The calls that it waits for may need the garbage collector.
function unobserve_safely(allocator::Ptr{shmalloc_allocator}, id::UInt64, err::Ref{shmalloc_error})
    return @gc_safe ccall((:shmalloc_allocator_unobserve, libshmalloc), shmalloc_status,
                          (Ptr{shmalloc_allocator}, UInt64, Ptr{shmalloc_error}), allocator, id, err)
end

Base.show(io::IO, observer::Observer) = print(io, "Observer(", isopen(observer) ? observer.allocator : "closed", ')')
