# Julia's words for the numbers of the C interface: symbols for enums and flags, seconds for times, strings for arrays of characters.

"The members of an enum: name in small letters => value, for all constants that begin with `prefix`."
members(prefix) = [Symbol(lowercase(name[length(prefix)+1:end])) => value for (name, value) in LibShmalloc.CONSTANTS
                   if startswith(name, prefix) && !endswith(name, "_FORCE32")]

"One enum or set of flags of the C interface, both ways."
struct Words
    what::String
    numbers::Dict{Symbol,Int64}
    names::Vector{Pair{Symbol,Int64}}
end
Words(what, prefix) = Words(what, Dict(members(prefix)), members(prefix))

const KIND = Words("kind", "SHMALLOC_ALLOCATOR_KIND_")
const DEVICE_TYPE = Words("type of device", "SHMALLOC_DEVICE_TYPE_")
const CAPABILITY = Words("capability", "SHMALLOC_CAPABILITY_")
const MAPPED = Words("way of mapping", "SHMALLOC_MAPPED_")
const STATE = Words("state", "SHMALLOC_STORAGE_STATE_")
const FORMAT = Words("format", "SHMALLOC_HANDLE_FORMAT_")
const ROUTE = Words("route", "SHMALLOC_HANDLE_ROUTE_")
const CHANNEL_STATE = Words("state", "SHMALLOC_CHANNEL_STATE_")
const MAKER = Words("maker", "SHMALLOC_OBJECT_MAKER_")
const OBJECT_STATE = Words("state", "SHMALLOC_OBJECT_")
const TRIM = Words("thing to trim", "SHMALLOC_TRIM_")
const RESET = Words("thing to reset", "SHMALLOC_RESET_")
const NOTICE = Words("kind of notice", "SHMALLOC_NOTICE_")
const LEVEL = Words("level", "SHMALLOC_LOG_LEVEL_")

"The number of a word. A number is its own: a later library may have more than this package knows."
number(words::Words, word::Symbol) = get(() -> throw(ArgumentError("$word is no $(words.what); there are $(join(keys(words.numbers), ", "))")),
                                         words.numbers, word)
number(::Words, value::Integer) = Int64(value)

"The flags of a word, or of several."
flags(words::Words, word::Union{Symbol,Integer}) = UInt32(number(words, word))
flags(words::Words, several) = reduce(|, (flags(words, word) for word in several); init=UInt32(0))

"The word of a number, or the number itself where there is none."
function word(words::Words, value)
    i = findfirst(pair -> pair.second == value, words.names)
    return i === nothing ? Int64(value) : words.names[i].first
end

"The words of flags."
flagged(words::Words, value) = Symbol[name for (name, bit) in words.names if value & bit != 0]

"Seconds as the library's nanoseconds. `nothing`: what is usual there; 0: no time at all; Inf: no end."
nanoseconds(::Nothing) = SHMALLOC_TIME_DEFAULT
function nanoseconds(seconds::Real)
    isnan(seconds) && throw(ArgumentError("NaN is no time"))
    seconds <= 0 && return SHMALLOC_TIME_NONE
    seconds > 9e9 && return SHMALLOC_TIME_FOREVER
    return max(Int64(1), round(Int64, seconds * 1e9))
end

"An address, or a number that another API has as a pointer."
const Address = Union{Integer,Ptr}

"An argument that is text. C's ends at a zero byte, so there must be none."
text_in(::Nothing) = C_NULL
function text_in(text::AbstractString)
    '\0' in text && throw(ArgumentError("text with a zero byte in it"))
    return String(text)
end

"The text in an array of characters."
function text_out(characters::NTuple{N,Cchar}) where {N}
    bytes = UInt8[c % UInt8 for c in characters]
    return String(bytes[1:something(findfirst(iszero, bytes), N + 1)-1])
end

"Bytes, as they are told; `nothing`: nobody knows, or there is no limit."
amount(bytes::UInt64) = bytes == typemax(UInt64) ? nothing : Int(min(bytes, typemax(Int)))

"A struct for the library to fill: all zero, but for struct_size."
function blank(::Type{T}) where {T}
    ref = Ref{T}()
    GC.@preserve ref begin
        start = Base.unsafe_convert(Ptr{T}, ref)
        ccall(:memset, Ptr{Cvoid}, (Ptr{Cvoid}, Cint, Csize_t), start, 0, sizeof(T))
        unsafe_store!(Ptr{Csize_t}(start), sizeof(T))
    end
    return ref
end
