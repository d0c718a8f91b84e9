# Devices of one's own.

const BACKEND_FUNCTIONS = [name for name in fieldnames(shmalloc_backend) if fieldtype(shmalloc_backend, name) === Ptr{Cvoid}]

const owners = Dict{Device,Any}()  # what must live as long as a device
const owners_lock = ReentrantLock()

"""
    register_device(name; allocate, deallocate, functions..., userdata=C_NULL, owner=nothing, destroy=C_NULL, alignment=0, page_size=0,
                    host_access=false)

A device of your own: it gets the caching allocator, its statistics and storages. The functions are pointers to C functions, with the names and types of
shmalloc_backend's fields; `allocate` and `deallocate` are needed, and of streams and events, and of virtual memory, all or none. They get `userdata`
last. They and `owner` are kept until `unregister_device`. `destroy`, a C function too, is called with `userdata` then, or when the library refuses.

A function of Julia's (from `@cfunction`) will do as long as a single thread uses the device: the library calls it in the middle of its own work, which
other threads wait for, and with them Julia's garbage collector.
"""
function register_device(name; allocate, deallocate, userdata::Ptr=C_NULL, owner=nothing, destroy=C_NULL, alignment::Integer=0,
                         page_size::Integer=0, host_access::Bool=false, functions...)
    given = (; allocate=allocate, deallocate=deallocate, functions...)
    for function_name in keys(given)
        function_name in BACKEND_FUNCTIONS ||
            throw(ArgumentError("a device has no function $function_name; there are $(join(BACKEND_FUNCTIONS, ", "))"))
    end
    label, out = in_struct(name), Ref{shmalloc_device}(0)
    GC.@preserve label given destroy begin
        table = Ref(shmalloc_backend(sizeof(shmalloc_backend), chars(label), alignment, page_size, host_access ? SHMALLOC_CAPABILITY_HOST_ACCESS : 0, 0,
                                     (entry(get(given, name, C_NULL)) for name in BACKEND_FUNCTIONS)...))
        ending = entry(destroy)
        attempt(err -> shmalloc_device_register(table, userdata, ending, out, err))
    end
    device = Device(out[])
    lock(() -> owners[device] = (given, owner, destroy), owners_lock)
    return device
end

entry(pointer::Ptr) = Ptr{Cvoid}(pointer)
entry(closure::Base.CFunction) = Base.unsafe_convert(Ptr{Cvoid}, closure)

"    unregister_device(device)\n\nA device of your own is not used any more, and its number is void. BUSY: allocators of it are there."
function unregister_device(device::Device)
    sweep()
    attempt(err -> shmalloc_device_unregister(device.number, err))
    lock(() -> delete!(owners, device), owners_lock)
    return nothing
end
