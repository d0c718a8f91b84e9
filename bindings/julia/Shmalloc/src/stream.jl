# The order of work on a device.

"What streams and events have in common: a number of a device's, to be given back or somebody else's."
mutable struct OnDevice{K} <: Counted
    device::Device
    number::UInt64
    owned::Bool
    state::Threads.Atomic{Int}

    function OnDevice{K}(device::Device, number::UInt64, owned::Bool) where {K}
        thing = new{K}(device, number, owned, Threads.Atomic{Int}(0))
        owned && finalizer(drop, thing)
        return thing
    end
end

"""
    DeviceStream(device)
    DeviceStream(f, device)
    DeviceStream(device, number)

A queue of work on a device, which does it in this order; what different streams do has no order but by events. With a function first it is closed at
the end. The last form is a stream of somebody else's, by its number or by a handle of the device's own API (a CUstream): it is not given back here.
Number 0 is the default stream. Wherever a `stream` is asked for, the number will do as well; a `DeviceStream` of another device than the call's is
INVALID there, but for the host, which looks at none.

`wait(stream)` waits until all is done that was queued on it so far. Give back first what was made for a stream, then `close` it; what allocators keep
for a stream that is gone serves nobody until they are trimmed. Any thread may use it.
"""
const DeviceStream = OnDevice{:stream}

"""
    DeviceEvent(device)
    DeviceEvent(f, device)
    DeviceEvent(device, number)

A mark in streams: `record(event, stream)` puts it behind all that is queued there, `wait_for(other, event)` makes another stream go on after it,
`isready(event)` asks whether it is done, and `wait(event)` waits for that. It is done until it is recorded. The forms are as those of `DeviceStream`.
"""
const DeviceEvent = OnDevice{:event}

"A stream as an argument; a number is of the device that the call is about."
const StreamLike = Union{DeviceStream,Address}

created_number(::Type{DeviceStream}, device, out, err) = shmalloc_stream_create(device.number, out, err)
created_number(::Type{DeviceEvent}, device, out, err) = shmalloc_event_create(device.number, out, err)
destroy(thing::DeviceStream, err) = shmalloc_stream_destroy(thing.device.number, thing.number, err)
destroy(thing::DeviceEvent, err) = shmalloc_event_destroy(thing.device.number, thing.number, err)
noun(::DeviceStream) = "stream"
noun(::DeviceEvent) = "event"

function OnDevice{K}(device::Device) where {K}
    destroy_dropped()
    out = Ref{UInt64}(0)
    attempt(err -> created_number(OnDevice{K}, device, out, err))
    return OnDevice{K}(device, out[], true)
end
OnDevice{K}(device::Device, number::Address) where {K} = OnDevice{K}(device, UInt64(number), false)
OnDevice{K}(f::Base.Callable, device::Device) where {K} = closing(f, OnDevice{K}(device))

# ---- giving back: to destroy is no leaf, so a finalizer only notes what is to be ----

struct Dropped
    link::UInt
    device::Device
    number::UInt64
    is_event::Bool
end
const dropped = Threads.Atomic{UInt}(0)

function drop(thing::OnDevice{K}) where {K}
    isodd(thing.state[]) && return nothing
    piece = ccall(:malloc, Ptr{Dropped}, (Csize_t,), sizeof(Dropped))
    piece == C_NULL && return nothing
    unsafe_store!(piece, Dropped(0, thing.device, thing.number, K === :event))
    put(dropped, piece)
end

function destroy_dropped()
    dropped[] == 0 && return nothing
    take_all(dropped) do piece
        gone = unsafe_load(Ptr{Dropped}(piece))
        destroy_number = gone.is_event ? shmalloc_event_destroy : shmalloc_stream_destroy
        destroy_number(gone.device.number, gone.number, C_NULL)
    end
end

inner(thing::OnDevice) = thing.number
finish(thing::OnDevice) = thing.owned && destroy(thing, C_NULL)

"""
    close(stream)
    close(event)

Give it back now. What is queued is done all the same, and what waits for an event goes on as it would. A second close does nothing.
"""
function Base.close(thing::OnDevice)
    Threads.atomic_or!(thing.state, 1) == 0 && thing.owned && attempt(err -> destroy(thing, err))  # else its last user does it
    sweep()
    return nothing
end
Base.isopen(thing::OnDevice) = !isreleased(thing)

Base.UInt64(thing::OnDevice) = held(identity, thing)
device(thing::OnDevice) = thing.device

# A stream as an argument, by its number; the call is about `place`, a device or what is on one. Another device's number would mean something else
# there, and its driver may crash. The host looks at none.
@inline held(f::F, number::Address, _place) where {F} = f(UInt64(number))
function held(f::F, stream::DeviceStream, place) where {F}
    there = device(place)
    there == Device() && return held(_ -> f(UInt64(SHMALLOC_STREAM_DEFAULT)), stream)
    stream.device == there || throw(ShmallocError(:INVALID, "a stream of $(stream.device) is none of $there"))
    return held(f, stream)
end

Base.show(io::IO, thing::OnDevice) =
    print(io, thing isa DeviceStream ? "DeviceStream(" : "DeviceEvent(", thing.device, ", ", isreleased(thing) ? "closed" : thing.number, ')')

# ---- what they are for ----

"""
    unsafe_copy(device, to, from, size; stream=0)

Queue a copy by address, between any two of the device's memory, its peers' and the host's. Nothing is checked, and nothing held: both must last until
it is done. `copyto!` of storages does both.
"""
function unsafe_copy(device::Device, to::Address, from::Address, size::Integer; stream::StreamLike=SHMALLOC_STREAM_DEFAULT)
    held(stream, device) do queue
        attempt(err -> shmalloc_device_copy(device.number, UInt64(to), UInt64(from), size, queue, err))
    end
end

"    unsafe_fill(device, to, value, size; stream=0)\n\nQueue that so many bytes get a value, 0 to 255. Nothing is checked, and nothing held."
function unsafe_fill(device::Device, to::Address, value::Integer, size::Integer; stream::StreamLike=SHMALLOC_STREAM_DEFAULT)
    held(stream, device) do queue
        attempt(err -> shmalloc_device_fill(device.number, UInt64(to), value, size, queue, err))
    end
end

function Base.wait(stream::DeviceStream)
    held(stream) do queue
        mark, err = Ref{UInt64}(0), Ref{shmalloc_error}()
        status = shmalloc_event_create(stream.device.number, mark, err)
        # A device without events has done all already, or says what is wrong.
        status == SHMALLOC_STATUS_UNSUPPORTED && return attempt(err -> shmalloc_stream_synchronize(stream.device.number, queue, err))
        status == SHMALLOC_STATUS_OK || throw(ShmallocError(status, err))
        try
            attempt(err -> shmalloc_event_record(stream.device.number, mark[], queue, err))
            until(() -> is_done(stream.device, mark[]))
        finally
            shmalloc_event_destroy(stream.device.number, mark[], C_NULL)
        end
    end
    return nothing
end

"    wait_for(stream, event)\n\nWhat comes on the stream from here on comes after the event, as it was recorded last. The caller goes on."
function wait_for(stream::DeviceStream, event::DeviceEvent)
    held(stream, event) do queue
        held(mark -> attempt(err -> shmalloc_stream_wait(event.device.number, queue, mark, err)), event)
    end
end

"""
    call(stream, fn, userdata=C_NULL)

Queue a C function, `void fn(void *userdata)`. It runs once, on a thread of the device's that Julia does not know, so it must be none of Julia's: a
`Ptr{Cvoid}` from `cglobal` or `dlsym`, not from `@cfunction`. It must make no call to the device.
"""
function call(stream::DeviceStream, fn::Ptr, userdata::Ptr=C_NULL)
    held(queue -> attempt(err -> shmalloc_stream_call(stream.device.number, queue, fn, userdata, err)), stream)
end

"    record(event, stream=0)\n\nFrom now on the event means what is queued on the stream so far, and nothing that it meant before."
function record(event::DeviceEvent, stream::StreamLike=SHMALLOC_STREAM_DEFAULT)
    held(event) do mark
        held(queue -> attempt(err -> shmalloc_event_record(event.device.number, mark, queue, err)), stream, event)
    end
end

function is_done(device::Device, event::UInt64)
    done = Ref{Int32}(0)
    attempt(err -> shmalloc_event_query(device.number, event, done, err))
    return done[] != 0
end

Base.isready(event::DeviceEvent) = held(mark -> is_done(event.device, mark), event)

function Base.wait(event::DeviceEvent)
    held(event) do mark
        until(() -> is_done(event.device, mark))
        attempt(err -> shmalloc_event_synchronize(event.device.number, mark, err))  # has nothing to wait for, and tells what went wrong
    end
end
