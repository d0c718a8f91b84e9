# What is shared on this machine, and what the library says of itself.

"What this machine offers, and for what is missing the reason, as JSON text."
describe() = text_filled(shmalloc_machine_describe, 4096)

"One shared object, as `walk` finds it. `refcount` is `nothing` where there is none."
struct SharedObject
    name::String
    size::Int
    resident::Int
    modified_ns::Int64
    refcount::Union{Nothing,Int}
    maker::Union{Symbol,Int64}
    state::Vector{Symbol}
    holders::Int
    holder_pid::Int
    uid::Int
    mode::UInt32
end

function SharedObject(i::shmalloc_object_info)
    state = flagged(OBJECT_STATE, i.state)
    return SharedObject(text_out(i.name), i.size, i.resident, i.modified_ns, :counted in state ? Int(i.refcount) : nothing,
                        word(MAKER, i.maker), state, i.holders, i.holder_pid, i.uid, i.mode)
end

mutable struct Walk
    found::Vector{SharedObject}
    problem::Any
end

# Runs on the thread of the call, and no exception may leave it.
function visit(object::Ptr{shmalloc_object_info}, userdata::Ptr{Cvoid})
    walk = unsafe_pointer_to_objref(userdata)::Walk
    try
        push!(walk.found, SharedObject(unsafe_load(object)))
        return Int32(0)
    catch problem
        walk.problem = problem
        return Int32(1)
    end
end

"    walk(prefix=nothing)\n\nThe shared objects of shmalloc's and of PyTorch's making that this user can see. `prefix`: of names made by shmalloc."
function walk(prefix::Union{Nothing,AbstractString}=nothing)
    seen, wanted = Walk(SharedObject[], nothing), text_in(prefix)
    visitor = @cfunction(visit, Int32, (Ptr{shmalloc_object_info}, Ptr{Cvoid}))
    GC.@preserve seen attempt(err -> shmalloc_machine_walk(wanted, visitor, pointer_from_objref(seen), err))
    seen.problem === nothing || throw(seen.problem)
    return seen.found
end

"""
    reclaim(name=nothing; prefix=nothing, force=false, dry_run=false)

Remove what no living process holds: one object, or all. How many were removed, and their bytes.
"""
function reclaim(name=nothing; prefix=nothing, force::Bool=false, dry_run::Bool=false)
    objects, bytes = Ref{UInt64}(0), Ref{UInt64}(0)
    bits = (force ? SHMALLOC_RECLAIM_FORCE : 0) | (dry_run ? SHMALLOC_RECLAIM_DRY_RUN : 0)
    wanted, begins = text_in(name), text_in(prefix)
    attempt(err -> shmalloc_machine_reclaim(wanted, begins, bits, objects, bytes, err))
    return (objects=Int(objects[]), bytes=Int(bytes[]))
end

"    make_name(prefix=nothing)\n\nA new name for a shared object, with its leading slash."
function make_name(prefix=nothing)
    begins = text_in(prefix)
    return text_filled((text, length, err) -> shmalloc_make_name(begins, text, length, err))
end

"    format_size(bytes)\n\nA size for people: \"1.50 KiB\"."
format_size(size::Integer) = text_filled((text, length, err) -> shmalloc_format_size(size, text, length, err), 32)

"Version of the library that is loaded."
library_version() = VersionNumber(unsafe_string(shmalloc_version_string()))

"The same as one number, major * 10^6 + minor * 10^3 + patch."
version_number() = shmalloc_version()

"    abi_value(name)\n\nA constant, size or offset as the library has it: `abi_value(\"sizeof(shmalloc_error)\")`. LibShmalloc's tests compare all."
function abi_value(name::AbstractString)
    value, wanted = Ref{Int64}(0), text_in(name)
    attempt(err -> shmalloc_abi_lookup(wanted, value, err))
    return value[]
end
