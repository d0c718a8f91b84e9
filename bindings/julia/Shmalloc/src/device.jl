# Where memory is.

"""
    Device(type=:host, index=0)
    Device(number)

The host, a GPU (`:cuda`), this machine's memory as a device with streams (`:host_streams`), or one that was made by `register_device` (`:custom`). It
is begun by the first call that needs it, and lasts as long as the process. `UInt64(device)` is its number.
"""
struct Device
    number::shmalloc_device
end
Device(type::Symbol=:host, index::Integer=0) = Device(shmalloc_device(number(DEVICE_TYPE, type)) << 32 | UInt32(index))

Base.UInt64(device::Device) = device.number
device(device::Device) = device

"The type of a device, as a word."
device_type(device::Device) = word(DEVICE_TYPE, device.number >> 32)
"Which device of its type it is, from 0."
device_index(device::Device) = Int(device.number & typemax(UInt32))

function info(device::Device)
    out = blank(shmalloc_device_info)
    attempt(err -> shmalloc_device_get_info(device.number, out, err))
    i = out[]
    return (name=text_out(i.name), device=Device(i.device), total=amount(i.total), available=amount(i.available), page_size=Int(i.page_size),
            count=Int(i.count), capabilities=flagged(CAPABILITY, i.capabilities))
end

"    device_count(type)\n\nHow many devices of a type can be had here; 0 also without their driver. Of custom ones `info` of one of them tells."
function device_count(type::Symbol)
    try
        return info(Device(type)).count
    catch problem
        isstatus(problem, :UNSUPPORTED) || isstatus(problem, :NOT_FOUND) || rethrow()
        return 0
    end
end

"""
    wait(device)

Wait until all work is done that was queued on the device, on any stream. The thread sleeps meanwhile, and so do its other tasks; waits for a stream or
an event let them run.
"""
function Base.wait(device::Device)
    # A custom device's functions may be Julia's, so Julia has to know that it is called.
    device_type(device) === :custom || return attempt(err -> synchronize_safely(device.number, err))
    attempt(err -> shmalloc_device_synchronize(device.number, err))
end

function synchronize_safely(device::shmalloc_device, err::Ref{shmalloc_error})
    return @gc_safe ccall((:shmalloc_device_synchronize, libshmalloc), shmalloc_status, (shmalloc_device, Ptr{shmalloc_error}), device, err)
end

"    enable_peer(device, peer)\n\nLet another device's streams read and write this one's memory: what there is, and what comes."
enable_peer(device::Device, peer::Device) = attempt(err -> shmalloc_device_enable_peer(device.number, peer.number, err))

Base.show(io::IO, device::Device) = print(io, "Device(", repr(device_type(device)), ", ", device_index(device), ')')
