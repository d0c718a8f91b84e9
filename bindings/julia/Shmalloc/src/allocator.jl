"""
    Allocator(kind=:default; name, config, environment=false, device=Device(), settings...)

Makes storages of one kind: `:shared` (many in one mapping, the default), `:direct` (private), `:map` (one mapping each), `:map_refcounted`; of a `Device`
other than the host `:caching`, whose blocks serve again in the order of their streams.
Settings are keywords, `export_ttl_ms=0`, or text in `config`; which kind takes which stands at shmalloc_allocator_params. Any thread may
use it.
"""
struct Allocator
    reference::Reference{shmalloc_allocator}
    device::Device
end

function Allocator(kind::Union{Symbol,Integer}=:default; name=nothing, config=nothing, environment::Bool=false,
                   device::Device=Device(), settings...)
    label, text = in_struct(name), in_struct(settings_text(config, settings))
    GC.@preserve label text begin
        params = Ref(shmalloc_allocator_params(sizeof(shmalloc_allocator_params), device.number, chars(label), chars(text), number(KIND, kind),
                                               environment ? SHMALLOC_ALLOCATOR_ENVIRONMENT : 0))
        return Allocator(created((out, err) -> shmalloc_allocator_create(params, out, err), shmalloc_allocator), device)
    end
end

"Text for a field of a struct, to be preserved while `chars` of it are there; none is an empty string, for which they are NULL."
in_struct(text) = text === nothing ? "" : text_in(text)
chars(text::String) = isempty(text) ? Ptr{Cchar}(C_NULL) : Ptr{Cchar}(pointer(text))

written(key::Symbol, value) = key === :mode && value isa Integer ? string(value; base=8, pad=4) : string(value)
written(::Symbol, value::Bool) = string(Int(value))

"key:value,key:value of text and keywords; a mode is written in octal."
function settings_text(config, settings)
    parts = ["$key:$(written(key, value))" for (key, value) in settings]
    config === nothing || pushfirst!(parts, config)
    return isempty(parts) ? nothing : join(parts, ',')
end

reference(allocator::Allocator) = allocator.reference
reference(::Nothing) = nothing
release(allocator::Allocator) = release(allocator.reference)

"Another object for the same thing, to be released by itself."
retain(allocator::Allocator) = Allocator(duplicate(allocator.reference), allocator.device)

"    current_allocator(device=Device())\n\nThe allocator of a device that is used where none is named."
current_allocator(device::Device=Device()) =
    Allocator(created((out, err) -> shmalloc_allocator_get_current(device.number, out, err), shmalloc_allocator), device)

"Use this allocator where none of its device is named. BUSY: storages of the one before are live."
current_allocator!(allocator::Allocator) =
    held(pointer -> attempt(err -> shmalloc_allocator_set_current(pointer, err)), allocator.reference)

"""
    info(thing)

All that is known of an allocator (`nothing`: the current one), a storage, a channel or a device, as a named tuple with the names of the C struct.
Kinds are symbols, states vectors of symbols.
"""
function info(allocator::Union{Allocator,Nothing})
    out = blank(shmalloc_allocator_info)
    held(pointer -> attempt(err -> shmalloc_allocator_get_info(pointer, out, err)), reference(allocator))
    i = out[]
    return (name=text_out(i.name), kind=word(KIND, i.kind), device=Device(i.device), id=Int(i.id), references=Int(i.references),
            live_storages=Int(i.live_storages), live_bytes=Int(i.live_bytes), alignment=Int(i.alignment),
            capabilities=flagged(CAPABILITY, i.capabilities))
end

"    configure!(allocator, config=nothing; settings...)\n\nChange settings: all that are named, or none. `nothing`: of the current allocator."
function configure!(allocator::Union{Allocator,Nothing}, config=nothing; settings...)
    text = in_struct(settings_text(config, settings))
    held(pointer -> attempt(err -> shmalloc_allocator_configure(pointer, text, err)), reference(allocator))
end

"    configuration(allocator, key=nothing)\n\nThe value of one setting, or all of them, as text. `nothing`: of the current allocator."
function configuration(allocator::Union{Allocator,Nothing}, key=nothing)
    wanted = text_in(key === nothing ? nothing : string(key))
    return held(reference(allocator)) do pointer
        text_filled((text, length, err) -> shmalloc_allocator_get_config(pointer, wanted, text, length, err))
    end
end

"""
    trim(allocator=nothing; what=(), keep_bytes=0)

Give back what is kept for later, of one allocator or of all; `what` is `:deferred`, `:expired`, `:free`, several of them, or nothing for all.
Returns how many bytes were given back, as far as is known.
"""
function trim(allocator::Union{Allocator,Nothing}=nothing; what=(), keep_bytes::Integer=0)
    bytes, bits = Ref{UInt64}(0), flags(TRIM, what)
    held(pointer -> attempt(err -> shmalloc_allocator_trim(pointer, bits, keep_bytes, bytes, err)), reference(allocator))
    sweep()
    return Int(bytes[])
end

Base.show(io::IO, allocator::Allocator) = isreleased(allocator.reference) ? print(io, "Allocator(released)") :
    (i = info(allocator); print(io, "Allocator(", repr(i.kind), ", id ", i.id, ", ", i.live_storages, " storages)"))
