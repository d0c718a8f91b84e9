# Memory that Julia made, as a storage.
#
# The library tells that it is done with adopted memory by a callback, on whichever thread makes the call that ends its use. In a process with
# other runtimes that may be a thread that Julia has never seen, on which no Julia code may run, not even such that allocates nothing. So the
# callback is sem_post of the C library, on a semaphore of that memory, and Julia looks at the semaphores of what it keeps.

const SEMAPHORE_SIZE = 64  # at least sizeof(sem_t)

const kept = Dict{Ptr{Cvoid},Any}()  # semaphore => what must live until it is posted
const kept_lock = ReentrantLock()
const until_sweep = Ref(0)

"Keep something until the library posts the semaphore that this returns. `word` lies behind that, for callbacks."
function keep(thing, word::Ptr{Cvoid}=C_NULL)
    semaphore = Libc.calloc(1, SEMAPHORE_SIZE + sizeof(word))
    semaphore == C_NULL && throw(OutOfMemoryError())
    ccall(:sem_init, Cint, (Ptr{Cvoid}, Cint, Cuint), semaphore, 0, 0)
    unsafe_store!(Ptr{Ptr{Cvoid}}(semaphore + SEMAPHORE_SIZE), word)
    lock(() -> kept[semaphore] = thing, kept_lock)
    return semaphore
end

"Let go of what the library is done with. Where much is kept, not at each call."
function sweep()
    destroy_dropped()
    isempty(kept) && return nothing
    lock(kept_lock) do
        until_sweep[] -= 1
        until_sweep[] > 0 && return
        for semaphore in collect(keys(kept))
            ccall(:sem_trywait, Cint, (Ptr{Cvoid},), semaphore) == 0 || continue
            delete!(kept, semaphore)
            ccall(:sem_destroy, Cint, (Ptr{Cvoid},), semaphore)
            Libc.free(semaphore)
        end
        until_sweep[] = length(kept) ÷ 16
    end
    return nothing
end

"""
    adopt(array; read_only=false)
    adopt(address, size, owner; read_only=false, device=Device(), stream=0)

A storage over the bytes of an array of plain data, without a copy; or over `size` bytes of a device, ready for work on `stream`, as long as `owner`
lives. The array lives until the storage and all arrays over it are gone, and somebody calls this package after that. A `Vector` can't be resized from
then on; where Julia allows it (1.11) it gets other memory by that. Adopted memory is private to this process, until `share!` moves it.
"""
function adopt(array::Array{T}; options...) where {T}
    isbitstype(T) || throw(ArgumentError("elements of type $T are no plain bytes"))
    # A second array over the same memory: it forbids Julia to move that by a resize, or keeps it.
    return adopt(pointer(array), sizeof(array), reshape(array, (1, 1, 1, length(array))); options...)
end

function adopt(address::Address, size::Integer, owner; read_only::Bool=false, device::Device=Device(), stream::StreamLike=SHMALLOC_STREAM_DEFAULT)
    access = read_only ? SHMALLOC_ACCESS_READ : SHMALLOC_ACCESS_WRITE
    first, bytes = UInt64(address), Csize_t(size)
    return held(stream, device) do queue
        params = Ref(shmalloc_adopt_params(sizeof(shmalloc_adopt_params), queue, access, 0))
        semaphore = keep(owner)  # the call posts it, also where it fails
        try
            Storage(created(shmalloc_storage) do out, err
                shmalloc_storage_adopt(device.number, first, bytes, params, semaphore, cglobal(:sem_post), out, err)
            end)
        finally
            sweep()
        end
    end
end
