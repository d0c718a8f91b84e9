# The same storage in another process: handles, as bytes and as text.

const Handle = Union{AbstractVector{UInt8},AbstractString}

octets(handle::AbstractVector{UInt8}) = convert(Vector{UInt8}, handle)
octets(text::AbstractString) = handle_from_text(text)

"A handle as text that survives JSON, a command line and an environment variable."
function handle_to_text(handle::AbstractVector{UInt8})
    bytes = octets(handle)
    return text_filled((text, length, err) -> shmalloc_handle_to_text(bytes, Base.length(bytes), text, length, err), SHMALLOC_HANDLE_TEXT_MAX)
end

"The bytes of a handle's text."
function handle_from_text(text::AbstractString)
    given = text_in(text)
    return filled((bytes, length, err) -> shmalloc_handle_from_text(given, bytes, length, err), UInt8, SHMALLOC_HANDLE_MAX)
end

"What a handle says, without opening it."
function handle_info(handle::Handle)
    bytes, out = octets(handle), blank(shmalloc_handle_info)
    attempt(err -> shmalloc_handle_get_info(bytes, length(bytes), out, err))
    i = out[]
    return (size=Int(i.size), capacity=Int(i.capacity), offset=Int(i.offset), device=Device(i.device), identity=collect(i.identity),
            format=word(FORMAT, i.format), kind=word(KIND, i.kind), read_only=i.flags & SHMALLOC_EXPORT_READ_ONLY != 0,
            descriptor=i.flags & SHMALLOC_EXPORT_DESCRIPTOR != 0, counted=i.flags & SHMALLOC_EXPORT_COUNTED != 0,
            route=word(ROUTE, i.route), pid=Int(i.pid), version=(Int(i.version_major), Int(i.version_minor)))
end

function export_params(; ttl=nothing, read_only::Bool=false, format=:native, descriptor::Bool=false, counted::Bool=false)
    bits = (read_only ? SHMALLOC_EXPORT_READ_ONLY : 0) | (descriptor ? SHMALLOC_EXPORT_DESCRIPTOR : 0) | (counted ? SHMALLOC_EXPORT_COUNTED : 0)
    return Ref(shmalloc_export_params(sizeof(shmalloc_export_params), nanoseconds(ttl), SHMALLOC_STREAM_DEFAULT, bits, number(FORMAT, format)))
end

function import_params(; timeout_ns=SHMALLOC_TIME_DEFAULT, read_only::Bool=false, format=:native, counted::Bool=false, same_user::Bool=false)
    bits = (read_only ? SHMALLOC_IMPORT_READ_ONLY : 0) | (counted ? SHMALLOC_IMPORT_COUNTED : 0) | (same_user ? SHMALLOC_IMPORT_SAME_USER : 0)
    return Ref(shmalloc_import_params(sizeof(shmalloc_import_params), timeout_ns, SHMALLOC_STREAM_DEFAULT, bits, number(FORMAT, format)))
end
